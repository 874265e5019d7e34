"""Figures of comments show the densities, probabilities, counts and rates that they are given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from interp.figures.comments import (
    density_bars,
    density_histogram,
    end_thresholds,
    funnel,
    pass_at_k,
    pass_rates,
    reasons,
)
from interp.figures.theme import NEGATIVE, POSITIVE


def groups() -> pd.DataFrame:
    return pd.DataFrame({"group": ["a", "b", "c"], "density": [0.2, 0.4, 0.1], "files": [3, 2, 1], "macro": [0.3, 0.1, 0.2]})


def test_the_densest_group_is_on_top_and_marks_stay_with_their_groups() -> None:
    bar, macro = density_bars(groups()).data
    assert list(bar.y) == ["c", "a", "b"] and list(bar.x) == [0.1, 0.2, 0.4] and list(bar.customdata) == [1, 3, 2]
    assert dict(zip(macro.y, macro.x, strict=True)) == {"a": 0.3, "b": 0.1, "c": 0.2}
    licences = density_bars(groups().assign(density_without_licences=0.05)).data[2]
    assert list(licences.x) == [0.05] * 3


def test_histogram_weighs_files_once_and_characters_by_their_number() -> None:
    files, characters = density_histogram(pd.DataFrame({"density": [0.01, 0.6], "characters": [900, 100]})).data
    assert (files.histfunc, characters.histfunc) == ("count", "sum")
    assert list(files.x) == list(characters.x) == [0.01, 0.6] and list(characters.y) == [900, 100]
    assert files.histnorm == characters.histnorm == "probability"


def test_end_tokens_lie_by_kind_with_their_threshold() -> None:
    frame = pd.DataFrame({"kind": ["code", "data", "code"], "p_end": [1e-6, 0.1, 1e-4], "name": ["f", "table", "g"]})
    figure = end_thresholds(frame, threshold=0.5)
    assert [(one.name, list(one.x), list(one.text)) for one in figure.data] == [
        ("code", [1e-6, 1e-4], ["f", "g"]),
        ("data", [0.1], ["table"]),
    ]
    assert figure.layout.shapes[0].x0 == 0.5 and figure.layout.xaxis.type == "log"
    assert not end_thresholds(frame).layout.shapes


def test_funnel_keeps_its_order_and_tells_what_was_lost() -> None:
    frame = pd.DataFrame(
        {"stage": ["files", "readable", "accepted"], "count": [9, 8, 8], "reason": ["", "unreadable 1", ""]}
    )
    trace = funnel(frame).data[0]
    assert (list(trace.y), list(trace.x)) == (["files", "readable", "accepted"], [9, 8, 8])
    assert trace.customdata[1] == "unreadable 1" and "customdata" in trace.hovertemplate
    assert "customdata" not in funnel(frame.drop(columns="reason")).data[0].hovertemplate


def test_taken_comments_differ_in_colour_from_dropped_ones() -> None:
    frame = pd.DataFrame({"reason": ["taken", "restating", "repeated"], "count": [4, 9, 1], "taken": [True, False, False]})
    bars = reasons(frame).data[0]
    assert list(bars.y) == ["repeated", "taken", "restating"] and list(bars.x) == [1, 4, 9]
    assert list(bars.marker.color) == [NEGATIVE, POSITIVE, NEGATIVE]


def test_pass_rates_have_a_line_a_control_with_intervals() -> None:
    rows = [("code", 0.3, 0.5, 0.4, 0.7), ("code", 0.0, 0.1, 0.0, 0.2), ("total", 0.0, 0.1, 0.0, 0.2)]
    figure = pass_rates(pd.DataFrame(rows, columns=["control", "density", "pass_rate", "low", "high"]))
    code, total = figure.data
    assert (code.name, list(code.x), list(code.y)) == ("code", [0.0, 0.3], [0.1, 0.5])
    np.testing.assert_allclose(code.error_y.array, [0.1, 0.2])
    np.testing.assert_allclose(code.error_y.arrayminus, [0.1, 0.1])
    assert total.name == "total"


def test_estimators_of_pass_at_k_lie_beside_each_other() -> None:
    frame = pd.DataFrame({"k": [1, 2, 1, 2], "value": [0.5, 0.8, 0.5, 0.7], "estimator": list("aabb")})
    assert [(one.name, list(one.y)) for one in pass_at_k(frame).data] == [("a", [0.5, 0.8]), ("b", [0.5, 0.7])]


@pytest.mark.parametrize(
    ("draw", "frame", "lacking"),
    [
        (density_bars, groups().drop(columns="files"), "files"),
        (end_thresholds, pd.DataFrame({"kind": [], "name": []}), "p_end"),
        (pass_rates, pd.DataFrame({"control": [], "density": [], "pass_rate": [], "low": []}), "high"),
    ],
)
def test_a_missing_column_is_named(draw, frame: pd.DataFrame, lacking: str) -> None:
    with pytest.raises(ValueError, match=f"lacks {lacking}"):
        draw(frame)
