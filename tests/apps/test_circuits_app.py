"""The circuits page in process: default run, every control, bad links."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

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
