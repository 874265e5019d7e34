"""Pins as pure functions, their compact form in a link, and the pinned sub-graph."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_lab import RandomLab

from apps.circuits_panels.link import link_params, open_link
from apps.circuits_panels.link_graph import toggled
from apps.circuits_panels.pinned import named, subgraph
from apps.circuits_panels.pins import MAX_NAME, MAX_PINS, Pin, cleaned, decode, encode, pinned, renamed, unpinned
from apps.circuits_panels.presets import presets
from apps.circuits_panels.state import load_game
from interp.runs.errors import UserError

SCREEN = presets()[0].screen
NODES = ("L2M/845@8", "error:L2M@3", "output:L0A@1", "bias:L5M@12", "token@5", "position@60", "bias")


@given(st.lists(st.tuples(st.sampled_from(NODES), st.text(max_size=60)), unique_by=lambda pair: pair[0]))
def test_pins_survive_a_link_with_any_name(pairs: list[tuple[str, str]]) -> None:
    pins = tuple(Pin(node, cleaned(name)) for node, name in pairs)
    assert decode(encode(pins)) == (pins, "")
    screen = replace(SCREEN, pins=pins)
    assert open_link(link_params(screen), SCREEN, ("topk",)) == (screen, [])


def test_nodes_in_a_link_need_no_escaping() -> None:
    text = encode([Pin(node) for node in NODES])
    assert quote(text) == text and len(text) < 9 * len(NODES)


@pytest.mark.parametrize("text", ["L2M", "L2M.x.8", "e.L2M.4.8", "L2M.8", "<script>", "q.3", "%00", "L2M.٣.8x"])
def test_wrong_pins_are_named_and_the_others_kept(text: str) -> None:
    pins, problem = decode(f"t.5_{text}_L2M.845.8")
    assert [pin.node for pin in pins] == ["token@5", "L2M/845@8"] and text[:30] in problem


def test_too_many_pins_are_refused_when_clicked_and_cut_when_linked() -> None:
    pins: tuple[Pin, ...] = ()
    for move in range(1, MAX_PINS + 1):
        pins = pinned(pins, f"token@{move}")
    assert pinned(pins, "token@1") == pins
    with pytest.raises(UserError, match="unpin one first"):
        pinned(pins, "token@99")
    kept, problem = decode("_".join(f"t.{move}" for move in range(1, MAX_PINS + 9)))
    assert kept == pins and str(MAX_PINS) in problem


def test_names_stay_on_one_line_and_short() -> None:
    pins = renamed(pinned((), "bias"), "bias", "  a_b~c\nd" + "x" * 99)
    assert pins[0].name.startswith("a b c d") and len(pins[0].name) <= MAX_NAME
    assert unpinned(pins, "bias") == ()


def test_toggling_twice_changes_nothing_and_a_new_game_drops_pins() -> None:
    once = toggled("token@3", SCREEN)
    assert once.pins == (Pin("token@3"),) and toggled("token@3", once) == SCREEN
    assert load_game(once, "f5 d6").pins == ()


def test_subgraph_is_what_the_circuit_says_of_the_pinned_nodes() -> None:
    circuit = RandomLab().trace(SCREEN.shown, SCREEN.target_text, "topk")
    kept = circuit.nodes["id"].tolist()[1:6]
    view = subgraph(circuit, (*(Pin(node) for node in kept), Pin("L0A/9@60")))
    inside = {circuit.target, *kept}
    assert set(view.nodes["id"]) == inside
    expected = {(s, t) for s, t in zip(circuit.edges["source"], circuit.edges["target"], strict=True) if {s, t} <= inside}
    assert set(zip(view.edges["source"], view.edges["target"], strict=True)) == expected
    share = circuit.nodes.set_index("id").loc[kept, "influence"].sum() / circuit.nodes["influence"][1:].sum()
    assert view.share == pytest.approx(share)


def test_names_replace_labels_on_the_screen_only() -> None:
    circuit = RandomLab().trace(SCREEN.shown, SCREEN.target_text, "topk")
    node = circuit.nodes["id"][3]
    shown = named(circuit, (Pin(node, "the corner"),)).nodes.set_index("id")["label"]
    assert shown[node] == "the corner" and circuit.nodes["label"][3] != "the corner"
    assert (shown.drop(node) == circuit.nodes.set_index("id")["label"].drop(node)).all()
