"""Figures of clusters show the documents and sizes they are given, and give their numbers back with a selection."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from interp.figures.clusters import (
    MOST_CATEGORIES,
    MOST_NAMED,
    OTHER,
    UNCHOSEN,
    coverage,
    differences,
    document_map,
    rank_size,
    repeats_by_size,
)
from interp.figures.theme import NEGATIVE, POSITIVE, SERIES


def documents(count: int = 30) -> pd.DataFrame:
    numbers = np.arange(count)
    columns = {"x": numbers + 0.25, "y": -numbers * 2.0, "document": numbers * 10, "cluster": numbers % 11}
    return pd.DataFrame(columns | {"source": [f"s{number % 9}" for number in numbers], "similarity": numbers / count})


def drawn(figure) -> dict[int, tuple[float, float]]:
    """Place of every document, over all traces."""
    points = [trace for trace in figure.data if trace.type == "scattergl"]
    return {int(d): (x, y) for one in points for d, x, y in zip(one.customdata, one.x, one.y, strict=True)}


@pytest.mark.parametrize("colour", ["cluster", "source", "similarity"])
@pytest.mark.parametrize("chosen", [False, True])
def test_every_document_is_drawn_once_at_its_place(colour: str, chosen: bool) -> None:
    frame = documents()
    if chosen:
        frame["chosen"] = frame["document"] > 100
    figure = document_map(frame, colour=colour)
    assert drawn(figure) == {d: (x, y) for d, x, y in zip(frame["document"], frame["x"], frame["y"], strict=True)}
    assert sum(len(one.x) for one in figure.data) == len(frame)
    if chosen:
        assert figure.data[0].marker.color == UNCHOSEN and max(figure.data[0].customdata) == 100


def test_clusters_take_turns_at_the_colours_whatever_is_drawn() -> None:
    frame = documents()
    whole, part = document_map(frame).data[0], document_map(frame[frame["cluster"] > 8]).data[0]
    assert whole.marker.color.tolist() == (frame["cluster"] % len(SERIES)).tolist()
    assert (whole.marker.cmin, whole.marker.cmax) == (part.marker.cmin, part.marker.cmax) == (-0.5, len(SERIES) - 0.5)


def test_rare_categories_share_a_colour() -> None:
    frame = documents(90)
    frame.loc[0:20, "source"] = "most"
    names = [one.name for one in document_map(frame, colour="source").data]
    assert names[0] == "most" and names[-1] == OTHER and len(names) == MOST_CATEGORIES + 1


def test_large_maps_stay_light() -> None:
    frame = documents(100_000).assign(name="a long name of a document")
    figure = document_map(frame)
    assert len(json.dumps(figure.to_plotly_json(), default=str)) > 0 and len(figure.to_json()) < 2_500_000
    assert figure.data[0].text is None and figure.data[0].hoverinfo == "none"
    assert document_map(frame.head(MOST_NAMED)).data[0].text is not None


def test_map_names_the_column_that_is_missing() -> None:
    with pytest.raises(ValueError, match="document"):
        document_map(documents().drop(columns="document"))


def clusters() -> pd.DataFrame:
    return pd.DataFrame({"cluster": [0, 1, 2, 3], "size": [5, 0, 20, 1], "label": ["a", "b", "c", "d"]})


@pytest.mark.parametrize("bars", [False, True])
def test_sizes_fall_and_empty_clusters_are_left_out(bars: bool) -> None:
    trace = rank_size(clusters(), common=1, bars=bars).data[0]
    assert (list(trace.x), list(trace.y), list(trace.customdata)) == ([1, 2, 3], [20, 5, 1], [2, 0, 3])
    assert list(trace.marker.color) == [POSITIVE, NEGATIVE, NEGATIVE]


def test_chosen_cluster_keeps_its_colour() -> None:
    frame = clusters().assign(chosen=[True, False, False, False])
    assert [tint == NEGATIVE for tint in rank_size(frame, common=1).data[0].marker.color] == [False, True, False]


def test_cut_lies_between_common_and_rare() -> None:
    figure = rank_size(clusters(), common=2)
    assert figure.layout.shapes[0].x0 == 2.5 and [one.text.strip() for one in figure.layout.annotations] == [
        "common",
        "rare",
    ]
    assert not rank_size(clusters(), common=3).layout.shapes


def test_repeats_have_a_line_a_strategy_and_the_clip() -> None:
    frame = pd.DataFrame({"size": [9, 1, 0, 9, 1], "repeats": [1, 3, 0, 2, 2], "strategy": list("aaabb")})
    figure = repeats_by_size(frame, clip=3.0)
    assert [(one.name, list(one.x), list(one.y)) for one in figure.data] == [("a", [1, 9], [3, 1]), ("b", [1, 9], [2, 2])]
    assert figure.layout.shapes[0].y0 == 3.0
    assert not repeats_by_size(frame).layout.shapes


def test_coverage_shows_when_clusters_are_knocked_out() -> None:
    frame = pd.DataFrame({"draws": [0, 5], "unique": [0, 4], "strategy": "a"})
    figure = coverage(frame, clips=pd.DataFrame({"cluster": [7], "draws": [3.0]}))
    assert list(figure.data[1].customdata) == [7] and list(figure.data[1].x) == [3.0]
    assert len(coverage(frame).data) == 1


def test_differences_show_means_with_their_reach() -> None:
    """Parts from the top in their order, a colour a strategy, intervals that need not be symmetric."""
    rows = [
        ("uniform", "q1", -0.1, -0.3, 0.0),
        ("uniform", "micro", 0.2, 0.1, 0.4),
        ("clusterclip", "q1", -0.2, -0.25, -0.1),
    ]
    figure = differences(pd.DataFrame(rows, columns=["strategy", "part", "mean", "low", "high"]), baseline="random")
    uniform, clusterclip = figure.data
    assert (uniform.name, clusterclip.name) == (
        "uniform",
        "clusterclip",
    ) and uniform.marker.color != clusterclip.marker.color
    np.testing.assert_allclose(uniform.x + uniform.error_x.array, [0.0, 0.4])
    np.testing.assert_allclose(uniform.x - uniform.error_x.arrayminus, [-0.3, 0.1])
    assert figure.layout.yaxis.categoryarray == ("micro", "q1")
