"""What is drawn of a circuit, and where."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from random_lab import SITES, RandomLab

from apps.circuits_panels.board import board_data, position
from apps.circuits_panels.connections import inputs_of, outputs_of
from apps.circuits_panels.presets import presets
from apps.circuits_panels.state import Screen, Target
from apps.circuits_panels.view import MAX_EDGES, MAX_NODES, choose, layout
from apps.shell.bars import columns, sums_bar
from apps.shell.boards import heat_board
from apps.shell.exports import csv

ROWS = ["embed", *SITES, "target"]
SCREEN = presets()[0].screen


def _circuit(features: int = 80):
    return RandomLab(features=features).trace(SCREEN.shown, SCREEN.target_text, "topk")


def test_choice_keeps_target_and_most_influential_and_says_so() -> None:
    circuit = _circuit()
    view = choose(circuit, nodes=10, edges=5)
    best = circuit.nodes[circuit.nodes["kind"] != "target"].nlargest(10, "influence")
    assert set(view.nodes["id"]) == {circuit.target, *best["id"]}
    assert view.share == pytest.approx(best["influence"].sum())
    assert f"Showing 10 of {len(circuit.nodes) - 1} nodes" in view.sentence and len(view.edges) == 5
    assert set(view.edges["source"]) | set(view.edges["target"]) <= set(view.nodes["id"])


def test_selected_node_is_drawn_however_small() -> None:
    circuit = _circuit()
    least = circuit.nodes.loc[circuit.nodes["influence"].idxmin(), "id"]
    assert least in set(choose(circuit, nodes=5, edges=5, keep=[least]).nodes["id"])


def test_features_that_are_on_too_often_are_left_out_and_counted_unless_kept() -> None:
    circuit = _circuit()
    dense = circuit.nodes.loc[circuit.nodes["density"] > 0.3, "id"].tolist()
    view = choose(circuit, nodes=MAX_NODES, edges=5, densest=0.3, keep=dense[:1])
    assert set(circuit.nodes["id"]) - set(view.nodes["id"]) == set(dense[1:])
    assert f"{len(dense) - 1} features active at more than 30% of positions are left out" in view.sentence
    assert "left out" not in choose(circuit, nodes=5, edges=5).sentence


def test_hard_caps_hold() -> None:
    view = choose(_circuit(2000), nodes=10**6, edges=10**6)
    assert len(view.nodes) <= MAX_NODES + 1 and len(view.edges) <= MAX_EDGES


def test_layout_is_json_without_overlap_and_time_runs_right_depth_runs_up() -> None:
    data = layout(choose(_circuit(300), nodes=400, edges=2000), ROWS, SCREEN.moves)
    json.dumps(data, allow_nan=False)
    places = {(node["x"], node["y"]) for node in data["nodes"]}
    assert len(places) == len(data["nodes"])
    assert all(0 < x < data["width"] and 0 < y < data["height"] for x, y in places)
    assert [row["name"] for row in data["rows"]] == ROWS[::-1]
    assert [column["move"] for column in data["columns"]] == sorted(column["move"] for column in data["columns"])


def test_small_circuit_fills_the_least_height_and_a_large_one_grows() -> None:
    view = choose(_circuit(5), nodes=3, edges=5)
    rows = [row for row in ROWS if row in set(view.nodes["row"])]
    assert layout(view, rows, SCREEN.moves, height=300)["height"] == pytest.approx(300, abs=1)
    assert layout(view, ROWS, SCREEN.moves, height=300)["height"] > 400


def test_inputs_and_outputs_are_each_others_mirror() -> None:
    circuit = _circuit()
    edge = circuit.edges.iloc[0]
    assert edge["source"] in set(inputs_of(circuit, edge["target"])["id"])
    assert edge["target"] in set(outputs_of(circuit, edge["source"])["id"])
    assert inputs_of(circuit, circuit.target)["share"].sum() == pytest.approx(1)


def test_board_shows_the_start_and_marks_what_the_probes_misread() -> None:
    discs, _ = position(Screen((), 0, Target("logit")))
    assert np.flatnonzero(discs == 1).tolist() == [28, 35] and np.flatnonzero(discs == -1).tolist() == [
        27,
        36,
    ]
    view = RandomLab().read(SCREEN.shown)
    data = board_data(SCREEN, view._replace(board=np.zeros(64, int)))
    truth, _ = position(SCREEN)
    assert [cell["wrong"] for cell in data["cells"]] == (truth != 0).tolist()
    assert sum(cell["last"] for cell in data["cells"]) == 1 and data["cells"][SCREEN.target.square]["target"]


def test_markup_escapes_text() -> None:
    for markup in (heat_board([0.0] * 64, title="<x>"), sums_bar({"<x>": 1.0}, value=1.0, residual=0.0)):
        assert "<x>" not in markup and "&lt;x&gt;" in markup


def test_sums_bar_says_when_it_does_not_add_up() -> None:
    assert "does not add up" in sums_bar({"a": 1.0}, value=2.0, residual=1.0)
    assert "does not" not in sums_bar({"a": 1.0}, value=1.0, residual=1e-7)


def test_histogram_of_nothing_draws() -> None:
    assert "t" in columns([], title="t", ends=("0", "1"))


def test_tables_hold_no_formula() -> None:
    assert "'=1+1" in csv(pd.DataFrame({"label": ["=1+1"], "weight": [-2.0]}))
