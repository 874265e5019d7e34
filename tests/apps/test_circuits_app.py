"""The circuits page in process: default run, every control, bad links."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from random_lab import RandomLab
from streamlit.testing.v1 import AppTest

from apps.circuits_panels import opening
from apps.circuits_panels.presets import presets
from interp.runs.errors import UserError

SCRIPT = str(Path(__file__).parent / "on_random_lab.py")


def _open(**params: str) -> AppTest:
    page = AppTest.from_file(SCRIPT, default_timeout=60)
    for name, value in params.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception, page.exception[0].message
    return page


def _screen(page: AppTest):
    return page.session_state["_screen"]


def test_opens_on_a_circuit_without_complaint() -> None:
    page = _open()
    assert not page.error and _screen(page).target_text == "logit:b5@12"
    assert page.selectbox(key="square").value == _screen(page).target.square


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("moves", "f5f5"),
        ("moves", "<script>"),
        ("ply", "0"),
        ("target", "logit:d4@3"),
        ("set", "none"),
        ("node", "L9/1@1"),
    ],
)
def test_bad_link_is_named_once_and_the_page_works(name: str, value: str) -> None:
    page = _open(**{name: value})
    assert len(page.error) == 1 and _screen(page).target_text == "logit:b5@12"
    assert not page.button(key="undo").click().run().error


def test_link_opens_feature_and_attention_targets() -> None:
    assert _screen(_open(target="feature:L2M/84@9")).ply == 9
    assert _screen(_open(target="attention:L1H3@8,7", panel="Attention")).target.key == 7


def test_dead_feature_is_explained_and_can_be_left() -> None:
    page = _open(target="feature:L2M/1023@9")
    assert "dead" in page.error[0].value
    page.number_input(key="index").set_value(5).run()
    assert not page.error and not page.exception


def test_undo_steps_and_slider_move_through_the_game() -> None:
    page = _open()
    page.button(key="back").click().run()
    assert _screen(page).ply == 11
    page.slider(key="ply").set_value(5).run()
    page.button(key="on").click().run()
    assert _screen(page).ply == 6
    page.button(key="undo").click().run()
    assert len(_screen(page).moves) == 5 and not page.exception


def test_empty_board_asks_for_a_move() -> None:
    page = _open()
    page.button(key="new").click().run()
    assert not page.exception and _screen(page).ply == 0
    page.button(key="random").click().run()
    assert not page.exception and _screen(page).ply == 20


def test_typed_game_and_illegal_game() -> None:
    page = _open()
    page.text_area(key="moves").set_value("f5 f5").run()
    assert "illegal" in page.error[0].value.replace("\\", "") and _screen(page).ply == 12
    page.text_area(key="moves").set_value("f5 d6 c3").run()
    assert not page.error and _screen(page).ply == 3


@pytest.mark.parametrize("kind", ["logit", "feature", "attention"])
@pytest.mark.parametrize("panel", ["Verify", "Attention", "Compare", "Export"])
def test_every_panel_for_every_kind_of_target(kind: str, panel: str) -> None:
    page = _open(panel=panel)
    page.selectbox(key="kind").set_value(kind).run()
    assert not page.exception and not page.error and _screen(page).target.kind == kind


def test_search_by_label_makes_a_feature_the_target() -> None:
    page = _open(target="feature:L2M/84@9")
    page.text_input(key="search").set_value("c4 mine").run()
    page.selectbox(key="hit").set_value(0).run()
    assert _screen(page).target.index == 26 and not page.exception


def test_ablation_runs_only_when_asked() -> None:
    page = _open()
    next(button for button in page.button if button.label == "Run the edited passes").click().run()
    assert page.dataframe[-1].value["measured"].tolist() == [-0.9, -0.9]


def test_set_switch_keeps_the_target() -> None:
    page = _open()
    page.selectbox(key="set").set_value("l1").run()
    assert _screen(page).set == "l1" and _screen(page).target_text == "logit:b5@12" and not page.exception


def test_walk_through_the_graph_can_be_gone_back() -> None:
    circuit = RandomLab(features=120).trace(presets()[0].screen.shown, "logit:b5@12", "topk")
    first, second = circuit.nodes["id"][1], circuit.nodes["id"][2]
    page = _open(node=first)
    page.session_state["_screen"] = replace(_screen(page), node=second)
    page.run()
    assert len(page.pills(key="walk").options) == 3 and page.pills(key="walk").value == second
    page.pills(key="walk").set_value(first).run()
    assert _screen(page).node == first and len(page.pills(key="walk").options) == 2
    page.pills(key="walk").set_value(circuit.target).run()
    assert _screen(page).node is None and len(page.pills(key="walk").options) == 1
    page.button(key="back").click().run()
    assert len(page.pills(key="walk").options) == 1 and not page.exception


def test_pin_button_name_and_unpin() -> None:
    node = str(RandomLab(features=120).trace(presets()[0].screen.shown, "logit:b5@12", "topk").nodes["id"][1])
    page = _open(node=node)
    page.button(key="pin").click().run()
    page.segmented_control(key="panel").set_value("Pinned").run()
    page.text_input(key="name-0").set_value("the corner").run()
    assert [(pin.node, pin.name) for pin in _screen(page).pins] == [(node, "the corner")]
    page.button(key="unpin-0").click().run()
    assert _screen(page).pins == () and not page.exception


def test_ablation_starts_from_the_pinned_nodes() -> None:
    nodes = RandomLab(features=120).trace(presets()[0].screen.shown, "logit:b5@12", "topk").nodes
    chosen = [node for node in nodes["id"] if node.startswith("L")][:2]
    page = _open(pins="_".join(node.replace("/", ".").replace("@", ".") for node in chosen))
    assert page.multiselect[0].value == chosen
    page.multiselect[0].set_value([])
    next(button for button in page.button if button.label == "Run the edited passes").click().run()
    assert not page.exception and not page.dataframe[-1].value.columns.isin(["measured"]).any()


def test_filter_changes_what_is_drawn_and_the_link() -> None:
    page = _open(nodes="20", links="30")
    assert (page.slider(key="top_nodes").value, page.slider(key="top_links").value) == (20, 30)
    page.slider(key="top_nodes").set_value(40).run()
    assert _screen(page).top_nodes == 40 and any("Showing 40 of" in block.proto.body for block in page.get("html"))
    page.slider(key="densest").set_value(30).run()
    assert _screen(page).densest == 30 and any("left out" in block.proto.body for block in page.get("html"))


@pytest.mark.parametrize(
    ("name", "value"), [("nodes", "9999"), ("links", "-1"), ("densest", "0"), ("pins", "L2M.8"), ("panel", "Nowhere")]
)
def test_bad_view_of_a_link(name: str, value: str) -> None:
    page = _open(**{name: value})
    assert len(page.error) == (name != "panel") and not page.exception


def test_shipped_games_open() -> None:
    page = _open()
    for preset in presets():
        page.selectbox(key="preset").set_value(preset.name).run()
        assert not page.exception and not page.error
        assert _screen(page).target_text == preset.screen.target_text


def _upload(page: AppTest, name: str, content: bytes) -> AppTest:
    return page.file_uploader(key="file").set_value((name, content, "text/plain")).run()


def test_files_open_or_are_explained() -> None:
    page = _upload(_open(), "game.txt", b"f5 d6 c3")
    assert _screen(page).ply == 3 and not page.error
    page = _upload(page, "circuit.json", b"{}")
    assert "circuit" in page.error[0].value and _screen(page).ply == 3 and not page.exception


def test_circuit_of_another_model_is_told() -> None:
    lab, screen = RandomLab(features=120), presets()[0].screen
    document = lab.document(screen.shown, screen.target_text, "topk")
    document["metadata"]["generation_settings"] = {"value": 99.0}
    page = _upload(_open(), "circuit.json", json.dumps(document).encode())
    assert len(page.error) == 1 and "99" in page.error[0].value and _screen(page).target_text == screen.target_text


def test_choosing_a_pair_shows_the_cards_of_both_sides() -> None:
    page = _open(target="attention:L1H3@8,7", panel="Attention")
    cards = sum("c4 is mine" in block.value for block in page.markdown)
    page.session_state["pairs"] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    page.run()
    assert sum("c4 is mine" in block.value for block in page.markdown) > cards and not page.exception


def test_every_download_makes_its_file() -> None:
    page = _open(target="attention:L1H3@8,7", panel="Export")
    made = {button.key for button in page.get("download_button")}
    assert made == {f"get_{name}" for name in ("graph", "nodes", "links", "inputs", "outputs", "sums", "game", "pairs")}


def test_broken_lab_shows_one_box(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise UserError("weights/model.safetensors holds no Othello transformer")

    def script() -> None:
        from apps.circuits_panels import page

        page.main()

    monkeypatch.setattr(opening, "open_lab", refuse)
    page = AppTest.from_function(script, default_timeout=60).run()
    assert len(page.error) == 1 and not page.exception


def test_unrelated_control_traces_nothing_again() -> None:
    page = _open()
    lab = opening.open_lab()
    before = dict(lab.calls)
    page.segmented_control(key="panel").set_value("Export").run()
    page.slider(key="top_nodes").set_value(40).run()
    assert {name: lab.calls[name] - before.get(name, 0) for name in ("trace", "read", "inputs")} == dict.fromkeys(
        ("trace", "read", "inputs"), 0
    )
