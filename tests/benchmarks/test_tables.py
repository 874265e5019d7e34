"""The README's figures are those of the result files."""

from __future__ import annotations

import pytest

from benchmarks.tables import BEGIN, END, README, fill, read_results


def test_the_readme_shows_the_committed_results() -> None:
    readme = README.read_text(encoding="utf-8")
    assert readme == fill(readme, read_results()), "run `python -m benchmarks.tables`"


def test_every_scalar_is_shown_beside_its_target() -> None:
    result = {"ratio": 936.3, "games": 388034, "split": {"a": 0.5}, "rows": [{"k": 8, "l0": 7.91}], "target": {"ratio": 500}}
    text = fill(f"x {BEGIN} old {END} y", {"engine": result})
    for row in ("| ratio | 936.3 | 500 |", "| games | 388,034 |  |", "| split, a | 0.5 |  |", "| 8 | 7.91 |"):
        assert row in text
    assert "old" not in text and text.startswith("x ") and text.endswith(" y")


def test_a_readme_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the markers"):
        fill("nothing", {})
