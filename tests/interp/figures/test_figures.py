"""Figures show the numbers they are given: values, order, signs and ids, not only that they draw."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from interp.figures.attention import pair_heat_map
from interp.figures.board import board_heat_map
from interp.figures.completeness import completeness_bar, faithfulness_curve
from interp.figures.dictionaries import pareto
from interp.figures.link_graph import contributions_bar, link_graph, place_nodes
from interp.figures.theme import NEGATIVE, POSITIVE, require, symmetric_limit
from interp.figures.training import legality_by_ply, probe_accuracy, training_curves

ROWS = ["embed", "L0A", "L0M", "logit"]


def _graph() -> tuple[pd.DataFrame, pd.DataFrame]:
    nodes = pd.DataFrame(
        [
            ("t", "target", "logit", 3, 5.0, "c4"),
            ("a", "feature", "L0M", 3, 2.0, "a"),
            ("b", "feature", "L0M", 3, -3.0, "b"),
            ("e", "embedding", "embed", 1, 1.0, "move 1"),
            ("x", "error", "L0A", 2, 0.5, "error"),
        ],
        columns=["id", "kind", "row", "move", "weight", "label"],
    )
    edges = pd.DataFrame(
        [("a", "t", 2.0), ("b", "t", -3.0), ("e", "a", 0.1), ("gone", "t", 9.0)],
        columns=["source", "target", "weight"],
    )
    return nodes, edges


def test_board_puts_c4_in_the_third_column_and_fourth_row() -> None:
    heat = board_heat_map(pd.DataFrame({"square": [26], "value": [-2.0], "mark": ["x"]})).data[0]
    assert heat.z[3][2] == -2.0 and heat.customdata[3][2] == "c4" and heat.text[3][2] == "x"
    assert np.isnan(np.delete(np.array(heat.z).ravel(), 26)).all()
    assert (heat.zmin, heat.zmax) == (-2.0, 2.0)


def test_board_shows_a1_at_the_upper_left() -> None:
    assert board_heat_map(pd.DataFrame({"square": [0], "value": [1.0]})).layout.yaxis.autorange == "reversed"


def test_nodes_keep_their_places_when_others_leave() -> None:
    nodes, _ = _graph()
    whole = place_nodes(nodes, ROWS).set_index("id")
    fewer = place_nodes(nodes[nodes["id"] != "x"], ROWS).set_index("id")
    assert whole.loc["t", "y"] == fewer.loc["t", "y"] == 3
    assert whole.loc["b", "x"] < whole.loc["a", "x"]  # the heavier first


def test_crowded_cell_never_overlaps() -> None:
    nodes = pd.DataFrame({"id": range(23), "row": "L0M", "move": 1, "weight": np.arange(23.0)})
    placed = place_nodes(nodes, ROWS)
    assert len(placed[["x", "y"]].round(6).drop_duplicates()) == 23


def test_link_graph_draws_each_node_once_and_only_edges_between_drawn_nodes() -> None:
    figure = link_graph(*_graph(), ROWS)
    ids = [node for trace in figure.data if trace.mode == "markers" for node in trace.customdata]
    assert sorted(ids) == ["a", "b", "e", "t", "x"]
    segments = sum(list(trace.x).count(None) for trace in figure.data if trace.mode == "lines")
    assert segments == 3
    lowering = [trace for trace in figure.data if trace.mode == "lines" and trace.line.color == NEGATIVE]
    assert len(lowering) == 1 and list(lowering[0].x).count(None) == 1


def test_link_graph_of_one_lonely_target() -> None:
    nodes, edges = _graph()
    assert len(link_graph(nodes.head(1), edges.head(0), ROWS).data) == 1


def test_contributions_rank_by_size_and_colour_by_sign() -> None:
    frame = pd.DataFrame({"label": list("abc"), "contribution": [1.0, -3.0, 2.0]})
    bar = contributions_bar(frame, top=2).data[0]
    assert list(bar.y) == ["b", "c"] and list(bar.marker.color) == [NEGATIVE, POSITIVE]


def test_completeness_bar_shows_what_is_missing() -> None:
    figure = completeness_bar(pd.DataFrame({"part": ["features", "errors"], "sum": [3.0, -1.0]}), value=2.5)
    assert list(figure.data[0].x) == ["features", "errors", "residual", "value"]
    assert list(figure.data[0].y) == [3.0, -1.0, 0.5, 2.5]


def test_pair_heat_map_keeps_the_strongest_pairs() -> None:
    frame = pd.DataFrame({"query": ["q1", "q1", "q2"], "key": ["k1", "k2", "k1"], "contribution": [0.1, -4.0, 0.2]})
    heat = pair_heat_map(frame, top=1).data[0]
    assert list(heat.y) == ["q1"] and list(heat.x) == ["k2"] and heat.z[0][0] == -4.0


def _curves() -> list[go.Figure]:
    return [
        pareto(pd.DataFrame({"l0": [32, 8], "explained_variance": [0.9, 0.7], "family": "TopK", "label": ["32", "8"]})),
        faithfulness_curve(pd.DataFrame({"nodes": [32, 8], "recovered": [0.9, 0.7], "method": "traced"})),
        training_curves(pd.DataFrame({"step": [32, 8], "value": [0.9, 0.7], "metric": "loss"}), log_y=True),
        probe_accuracy(pd.DataFrame({"layer": [32, 8], "accuracy": [0.9, 0.7], "probe": "trained"})),
    ]


@pytest.mark.parametrize("figure", _curves())
def test_curves_run_from_left_to_right(figure: go.Figure) -> None:
    assert list(figure.data[0].x) == [8, 32] and list(figure.data[0].y) == [0.7, 0.9]


@pytest.mark.parametrize("figure", _curves())
def test_figures_are_plain_json_on_a_white_ground(figure: go.Figure) -> None:
    layout = json.loads(figure.to_json())["layout"]
    assert layout["paper_bgcolor"] == "white" and layout["xaxis"]["title"]["text"]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ValueError, match="lacks value; it has square"):
        require(pd.DataFrame({"square": [1]}), "square", "value")


def test_limit_ignores_what_is_not_finite() -> None:
    assert symmetric_limit([float("nan"), float("inf"), -2.0]) == 2.0
    assert symmetric_limit([]) > 0


def test_legality_curves_hold_both_shares_by_ply() -> None:
    frame = pd.DataFrame({"ply": [2, 1], "legal_top1": [0.5, 1.0], "legal_mass": [0.4, 0.9]})
    curves = {trace.name: (list(trace.x), list(trace.y)) for trace in legality_by_ply(frame).data}
    assert curves["first choice legal"] == ([1, 2], [1.0, 0.5])
    assert curves["probability on legal moves"] == ([1, 2], [0.9, 0.4])
