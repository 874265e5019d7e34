"""The README's figures are those of the result files."""

from __future__ import annotations

import pytest

from benchmarks.tables import BEGIN, END, README, fill, read_results


def section(result: dict) -> str:
    return fill(f"x {BEGIN} old {END} y", {"engine": result})


def test_the_readme_shows_the_committed_results() -> None:
    readme = README.read_text(encoding="utf-8")
    assert readme == fill(readme, read_results()), "run `python -m benchmarks.tables`"


def test_every_scalar_is_shown_beside_its_bar() -> None:
    text = section({"ratio": 936.3, "games": 388034, "p95_seconds": 0.02, "target": {"ratio": 500, "p95_seconds": 0.1}})
    for row in ("| ratio | 936.3 | ≥ 500 |", "| games | 388,034 |  |", "| p95 seconds | 0.02 | ≤ 0.1 |"):
        assert row in text
    assert "old" not in text and text.startswith("x ") and text.endswith(" y")


def test_lists_objects_and_nested_results_become_tables() -> None:
    sites = {site: number / 8 for number, site in enumerate(["L0A", "L0M", "L1A", "L1M", "L2A"])}
    text = section(
        {
            "sites": [{"site": "L0A", "variance": 0.96, "long": [1]}, {"site": "L0M", "variance": None}],
            "coverage": sites,
            "baseline": {"coverage": dict.fromkeys(sites, 0.5)},
            "split": {"a": 0.5},
            "by_ply": [{"ply": ply} for ply in range(59)],
            "target": {"variance": 0.95},
            "note": "How it was counted.",
        }
    )
    assert "| site | variance ≥ 0.95 |\n| --- | --- |\n| L0A | 0.96 |\n| L0M | - |" in text
    assert "|  | coverage | baseline, coverage |" in text and "| L1M | 0.375 | 0.5 |" in text
    assert "| measure | value |\n| --- | --- |\n| split, a | 0.5 |" in text
    assert "ply" not in text and "\n\nHow it was counted.\n\n" in text


def test_a_readme_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the markers"):
        fill("nothing", {})
