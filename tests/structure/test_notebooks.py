"""Committed notebooks are executed, whole, light, and hold values that nbval really compares."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CHECK = "nbval-check-output"


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> dict[str, Any]:
    return json.loads(request.param.read_text(encoding="utf-8"))


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def test_every_cell_was_run_in_order_without_errors(notebook: dict[str, Any]) -> None:
    cells = code_cells(notebook)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {output["output_type"] for cell in cells for output in cell["outputs"]}
    assert "error" not in kinds
    names = {output.get("name") for cell in cells for output in cell["outputs"]}
    assert "stderr" not in names


def test_check_cells_have_something_to_compare(notebook: dict[str, Any]) -> None:
    checks = [cell for cell in code_cells(notebook) if CHECK in cell["metadata"].get("tags", [])]
    assert len(checks) >= 3
    for cell in checks:
        text = "".join("".join(output.get("text", output.get("data", {}).get("text/plain", ""))) for output in cell["outputs"])
        assert re.search(r"\d|True|False", text), source(cell)


def test_a_reader_without_python_sees_the_figures(notebook: dict[str, Any]) -> None:
    pictures = [output for cell in code_cells(notebook) for output in cell["outputs"] if "image/png" in output.get("data", {})]
    assert len(pictures) >= 4


def test_sections_that_every_notebook_has(notebook: dict[str, Any]) -> None:
    headings = "\n".join(source(cell) for cell in notebook["cells"] if cell["cell_type"] == "markdown").lower()
    assert all(f"## {name}" in headings for name in ("claim", "data", "limits", "exercises"))
    assert any(re.search(r"^FULL = False\b", source(cell), flags=re.MULTILINE) for cell in code_cells(notebook))


def test_light_and_free_of_this_machine(notebook: dict[str, Any], request: pytest.FixtureRequest) -> None:
    text = json.dumps(notebook)
    assert len(text) < 1_500_000
    assert "widgets" not in notebook["metadata"]
    # An absolute path of two parts or more; addresses have letters or a slash before. Numbers of figures are base64.
    assert not re.search(r"(?<![\w.:/<-])/(?:[\w.-]+/)+[\w.-]", re.sub(r'"(image/png|bdata)": "[^"]*"', "", text))
