"""Figures of long texts hold what their frames say: every document once, borders where the cuts are, boxes of the values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from interp.figures.longtext import (
    COLOURS,
    MOST_SVG,
    confusion,
    correlations,
    damage_curves,
    decision_plane,
    metric_distribution,
    share_bars,
)

CUTS = {"low": 0.2, "high": 0.6, "extreme": 0.4}


def documents(count: int = 30) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    kinds = np.array(["holistic", "aggregated", "chaotic"])[np.arange(count) % 3]
    frame = pd.DataFrame(generator.random((count, 3)), columns=["coh", "csn", "cpx"])
    return frame.assign(id=[f"d{number}" for number in range(count)], number=np.arange(count) + 100, type=kinds)


def points(figure) -> list[int]:
    return sorted(number for trace in figure.data if trace.customdata is not None for number in trace.customdata)


def test_plane_has_every_document_that_has_both_values_once() -> None:
    frame = documents()
    frame.loc[4, "coh"], frame.loc[5, "type"] = np.nan, None
    figure = decision_plane(frame, cuts=CUTS)
    assert points(figure) == sorted(set(frame["number"]) - {104})
    named = [trace.name for trace in figure.data if trace.mode == "markers"]
    assert named == ["holistic", "aggregated", "chaotic", "none"]
    assert {trace.marker.color for trace in figure.data if trace.name in COLOURS} == set(COLOURS.values())


def test_plane_draws_the_corners_of_the_borders() -> None:
    lines = [trace for trace in decision_plane(documents(), cuts=CUTS).data if trace.mode == "lines"]
    assert [(line.x[1], line.y[1], line.line.dash) for line in lines] == [(0.6, 0.6, "solid"), (0.2, 0.2, "dash")]
    figure = decision_plane(documents(), x="csn", y="cpx", cuts=CUTS)
    assert sorted(shape.x0 for shape in figure.layout.shapes if shape.x0 == shape.x1) == [0.2, 0.6]
    assert [shape.y0 for shape in figure.layout.shapes if shape.y0 == shape.y1] == [0.4]


def test_documents_that_are_not_chosen_are_grey_and_can_be_clicked() -> None:
    frame = documents().assign(chosen=np.arange(30) < 3)
    figure = decision_plane(frame)
    assert figure.data[0].name == "not chosen" and len(figure.data[0].customdata) == 27 and len(points(figure)) == 30


def test_many_points_are_drawn_by_webgl_without_names() -> None:
    figure = decision_plane(documents(3 * MOST_SVG + 3))
    assert {trace.type for trace in figure.data} == {"scattergl"} and figure.data[0].text is None


def test_distribution_counts_every_value_and_boxes_are_quantiles() -> None:
    frame = documents(60)
    figure = metric_distribution(frame, metric="coh", span=(0.2, 0.4))
    bars = [trace for trace in figure.data if trace.type == "bar"]
    assert sum(sum(bar.y) for bar in bars) == 60
    box = next(trace for trace in figure.data if trace.type == "box" and trace.name == "chaotic")
    own = frame.loc[frame["type"] == "chaotic", "coh"]
    assert [box.q1[0], box.median[0], box.q3[0]] == pytest.approx(np.quantile(own, [0.25, 0.5, 0.75]))
    assert len(metric_distribution(frame.assign(coh=0.5), metric="coh").data) == 6  # one value only
    assert len(metric_distribution(frame[:0], metric="coh").data) == 0


def test_correlations_leave_out_what_does_not_vary() -> None:
    heat = correlations(documents().assign(coh=1.0), ["coh", "csn", "cpx"]).data[0]
    assert list(heat.x) == ["csn", "cpx"] and heat.z[0][0] == 1


def test_confusion_curves_and_shares() -> None:
    table = pd.DataFrame([[3, 1], [0, 2]], index=["a", "b"], columns=["a", "b"])
    assert confusion(table).data[0].z.tolist() == [[3, 1], [0, 2]]
    rows = [{"kind": kind, "rate": rate, "metric": "ttr", "change": 1 - rate} for kind in "xy" for rate in (0, 1)]
    figure = damage_curves(pd.DataFrame(rows), ["ttr"])
    assert len(figure.data) == 2 and figure.data[0].showlegend and not figure.data[1].showlegend
    shares = pd.DataFrame(
        {"type": ["holistic", "holistic", "chaotic"], "share_before": [0.5, 0.2, 0.3], "share_after": [0.7, 0.3, 0]}
    )
    assert [one for bar in share_bars(shares).data for one in bar.x] == pytest.approx([1.0, 0.7, 0.0, 0.3])


def test_a_frame_without_its_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks id"):
        decision_plane(documents().drop(columns="id"))
