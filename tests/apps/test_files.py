"""Games and circuits from files: round trips, and one sentence for everything else."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from random_lab import RandomLab

from apps.circuits_panels.export import annotated, command_of, link_of
from apps.circuits_panels.files import MAX_BYTES, open_file
from apps.circuits_panels.pins import Pin
from apps.circuits_panels.presets import presets
from apps.shell.exports import to_json
from interp.othello.notation import format_moves
from interp.runs.errors import UserError

SETS = ("topk", "l1")
SCREEN = presets()[0].screen
LAB = RandomLab()


def _saved(screen: Any = SCREEN) -> dict[str, Any]:
    circuit = LAB.trace(screen.shown, screen.target_text, screen.set)
    document = LAB.document(screen.shown, screen.target_text, screen.set)
    return json.loads(to_json(annotated(document, circuit, screen)))


def test_saved_circuit_brings_back_game_target_set_pins_and_selection() -> None:
    circuit = LAB.trace(SCREEN.shown, SCREEN.target_text, "l1")
    first, second = circuit.nodes["id"][1], circuit.nodes["id"][2]
    screen = replace(SCREEN, set="l1", pins=(Pin(first, "why"), Pin(second)), node=second)
    opened = open_file("c.json", json.dumps(_saved(screen)).encode(), presets()[1].screen, SETS)
    assert opened.value == circuit.value
    assert opened.screen == replace(screen, moves=screen.shown, panel=presets()[1].screen.panel)


def test_export_has_labels_and_pins() -> None:
    circuit = LAB.trace(SCREEN.shown, SCREEN.target_text, "topk")
    node = circuit.nodes["id"][4]
    document = _saved(replace(SCREEN, pins=(Pin(node, "why"), Pin("L0A/9@60", "elsewhere"))))
    assert document["qParams"]["pinnedIds"] == [node] and document["qParams"]["supernodes"] == [["why", node]]
    labels = {entry["node_id"]: entry["clerp"] for entry in document["nodes"]}
    assert labels[node] == circuit.nodes["label"][4]


@pytest.mark.parametrize("text", ["f5 d6 c3", "\ufefff5,d6,c3\n", "F5D6C3"])
def test_game_as_text(text: str) -> None:
    opened = open_file("game.txt", text.encode("utf-8"), SCREEN, SETS)
    assert format_moves(list(opened.screen.moves)) == "f5 d6 c3" and opened.value is None


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n\xff", "no text"),
        (b"f5 f5", "illegal"),
        (b"hello", "no square"),
        (b"{", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"{}", "'metadata' is a required property"),
        (b"[1]", "the whole: "),
        (b"x" * (MAX_BYTES + 1), "at most"),
    ],
)
def test_bad_files_are_refused_in_one_sentence(content: bytes, word: str) -> None:
    with pytest.raises(UserError) as refusal:
        open_file("odd.json", content, SCREEN, SETS)
    assert word in str(refusal.value) and "\n" not in str(refusal.value)


def _broken(**changes: Any) -> bytes:
    document = _saved()
    for path, value in changes.items():
        place, key = document, path.split("__")
        for name in key[:-1]:
            place = place[name]
        place[key[-1]] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (_broken(metadata__scan="gemma-2-2b"), "gemma"),
        (_broken(metadata__scan="othello-runs/new/set"), "runs/new/set"),
        (_broken(metadata__prompt="f5 f5"), "illegal"),
        (_broken(metadata__prompt="f5 d6"), "12"),
        (_broken(nodes=[]), "no node that is a target"),
        (_broken(nodes=[{"node_id": 3}] * 20), "and 130 more"),
        (_broken(links=[{"source": "a"}]), "links.0"),
    ],
)
def test_circuits_of_other_kinds_are_refused(content: bytes, word: str) -> None:
    with pytest.raises(UserError, match=word):
        open_file("c.json", content, SCREEN, SETS)


def test_odd_but_valid_extras_are_ignored() -> None:
    content = _broken(qParams={"supernodes": [3, ["a"], {"x": 1, "y": 2}], "pinnedIds": ["nowhere"], "clickedId": "gone"})
    screen = open_file("c.json", content, SCREEN, SETS).screen
    assert screen.pins == () and screen.node is None


def test_link_and_command_carry_the_whole_question() -> None:
    assert link_of(SCREEN, "http://localhost:8501/?old=1").startswith("http://localhost:8501/?moves=")
    assert f"--target {SCREEN.target_text}" in command_of(SCREEN) and format_moves(list(SCREEN.shown)) in command_of(SCREEN)
