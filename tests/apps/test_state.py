"""Clicks and links as pure functions of the screen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apps.circuits_panels.link import link_params, open_link
from apps.circuits_panels.presets import presets
from apps.circuits_panels.state import (
    MAX_TRAIL,
    Screen,
    Target,
    at_ply,
    legal_at,
    load_game,
    parse_target,
    play,
    trace_from,
    undo,
    walked,
)
from interp.othello.games import IllegalMove
from interp.othello.notation import format_moves, parse_square
from interp.runs.errors import UserError

SETS = ("topk", "l1")
DEFAULT = presets()[0].screen


@pytest.mark.parametrize("text", ["logit:c4@12", "feature:L2M/845@12", "attention:L1H3@14,13"])
def test_target_survives_the_round_trip(text: str) -> None:
    target, position = parse_target(text)
    assert target.text(position) == text


@pytest.mark.parametrize(
    "text",
    [
        "logit:d4@3",
        "logit:z9@3",
        "feature:L9M/1@2",
        "attention:L1H9@3,2",
        "attention:L1H3@3,5",
        "",
        "x" * 999,
    ],
)
def test_bad_targets_are_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(UserError) as refusal:
        parse_target(text)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 250


def test_link_restores_the_screen() -> None:
    for preset in presets():
        screen = replace(preset.screen, set="l1", panel="Export", node="L2M/3@4", densest=40)
        assert open_link(link_params(screen), DEFAULT, SETS) == (screen, [])


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"moves": "f5 f5"}, "illegal"),
        ({"moves": "hello!"}, "no square"),
        ({"ply": "99"}, "ply"),
        ({"ply": "²"}, "ply"),
        ({"set": "<b>"}, "topk and l1"),
        ({"target": "logit:c4@50"}, "50"),
    ],
)
def test_bad_parts_of_a_link_are_named_and_ignored(params: dict[str, str], word: str) -> None:
    screen, problems = open_link(params, DEFAULT, SETS)
    assert screen == DEFAULT and len(problems) == 1 and word in problems[0]


def test_playing_the_games_own_move_keeps_its_rest() -> None:
    earlier = at_ply(DEFAULT, 5)
    assert play(earlier, DEFAULT.moves[5]) == at_ply(DEFAULT, 6)


def test_another_move_drops_the_rest_and_undo_takes_it_back() -> None:
    earlier = at_ply(DEFAULT, 5)
    other = next(square for square in legal_at(earlier) if square != DEFAULT.moves[5])
    played = play(earlier, other)
    assert played.moves == (*DEFAULT.moves[:5], other)
    assert undo(played).moves == DEFAULT.moves[:5] and undo(played).ply == 5


def test_illegal_move_changes_nothing() -> None:
    with pytest.raises(IllegalMove, match="ply 13"):
        play(DEFAULT, parse_square("h8"))


def test_logit_target_stays_legal_as_moves_go_by() -> None:
    for ply in range(len(DEFAULT.moves) + 1):
        screen = at_ply(DEFAULT, ply)
        assert screen.target.square in legal_at(screen)


def test_empty_game_can_be_played_from() -> None:
    empty = Screen((), 0, Target("logit"))
    assert undo(empty).ply == 0 and play(empty, 19).shown == (19,)
    with pytest.raises(UserError, match="no move"):
        load_game(empty, "  ")


def test_walking_to_an_earlier_feature_steps_back_in_the_game() -> None:
    walked = trace_from(DEFAULT, "L2M", 7, 4)
    assert walked.target_text == "feature:L2M/7@4" and walked.moves == DEFAULT.moves


def test_a_walk_goes_on_returns_and_forgets_its_middle() -> None:
    assert walked(("t", "a"), "b") == ("t", "a", "b")
    assert walked(("t", "a", "b"), "b") == ("t", "a", "b")
    assert walked(("t", "a", "b"), "a") == ("t", "a") and walked(("t", "a", "b"), "t") == ("t",)
    long = ("t",)
    for node in range(20):
        long = walked(long, str(node))
    assert len(long) == MAX_TRAIL and long[0] == "t" and long[-2:] == ("18", "19")


def test_presets_are_legal_and_named_once() -> None:
    assert len({preset.name for preset in presets()}) == len(presets())
    for preset in presets():
        assert preset.screen.ply <= len(preset.screen.moves), format_moves(list(preset.screen.moves))
