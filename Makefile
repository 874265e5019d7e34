# Everything starts from a machine with Python 3.11 and a C compiler; `.venv` is made on the first call.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: test test-fast bench

.venv/.stamp: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -c "import torch" 2>/dev/null || $(BIN)/pip install -q torch==2.13.0
	$(BIN)/pip install -q uv
	$(BIN)/uv pip install -q --python $(BIN)/python -e ".[apps,dev]"
	touch $@

test: .venv/.stamp
	$(BIN)/ruff check interp training benchmarks tests
	$(BIN)/mypy
	$(BIN)/pytest

test-fast: .venv/.stamp
	$(BIN)/pytest -m "not slow and not browser"

bench: .venv/.stamp
	$(BIN)/python -m benchmarks.othello_engine
	$(BIN)/python -m benchmarks.othello_training
