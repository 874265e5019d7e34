"""Panel A: the game to play, the board as the probes read it, undo, and the move slider."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from apps.circuits_panels.lab import Lab, Reading
from apps.circuits_panels.session import attempt, bind, reading
from apps.circuits_panels.state import Screen, Target, at_ply, legal_at, load_game, play, undo
from apps.shell.charts import SVG
from interp.othello.games import random_games, replay, squares_of, unpack
from interp.othello.notation import CENTRE, format_moves, parse_square, square_name

_FILES = Path(__file__).parent
_boards = st.components.v2.component(
    "interp_boards",
    html='<div class="boards"><figure class="game"><figcaption></figcaption><div class="svg"></div></figure>'
    '<figure class="model"><figcaption></figcaption><div class="svg"></div></figure></div>',
    css=(_FILES / "board.css").read_text(),
    js="\n".join(path.read_text() for path in (SVG, _FILES / "board.js")),
)


def position(screen: Screen) -> tuple[np.ndarray, bool]:
    """Discs after the moves shown, [64] (1 black, -1 white, 0 empty), and whether black just moved."""
    discs = np.zeros(64, dtype=int)
    if not screen.ply:
        discs[[28, 35]], discs[[27, 36]] = 1, -1
        return discs, False
    games = replay(list(screen.shown))
    black = bool(games.black[0, -1])
    mine, theirs = unpack(games.mine[0, -1:])[0], unpack(games.theirs[0, -1:])[0]
    return (mine.astype(int) - theirs) * (1 if black else -1), black


def board_data(screen: Screen, view: Reading | None) -> dict[str, Any]:
    """What the component draws: 64 cells and two captions."""
    discs, black_moved = position(screen)
    games = replay(list(screen.shown)) if screen.ply else None
    legal = set(legal_at(screen))
    flipped = set(squares_of(games.flipped[0, -1])) if games else set()
    black_next = _black_next(screen, legal)
    read = view.board * (1 if black_moved else -1) if view is not None and view.board is not None else None
    cells = []
    for square in range(64):
        probability = float(view.probabilities[square]) if view is not None else 0.0
        cell: dict[str, Any] = {
            "name": square_name(square),
            "disc": int(discs[square]),
            "legal": square in legal,
            "last": bool(screen.ply) and square == screen.shown[-1],
            "flipped": square in flipped,
            "p": round(probability, 4),
            "playable": square not in CENTRE and view is not None,
            "target": bool(screen.ply) and screen.target.kind == "logit" and square == screen.target.square,
            "read": int(read[square]) if read is not None else 0,
            "sure": float(view.confidence[square]) if view is not None and view.confidence is not None else 1.0,
            "wrong": bool(read is not None and read[square] != discs[square]),
        }
        cell["hint"] = _hint(cell)
        cells.append(cell)
    return {
        "cells": cells,
        "black": black_next,
        "game": _game_caption(screen, legal, black_next),
        "model": _model_caption(view, cells),
    }


def _black_next(screen: Screen, legal: set[int]) -> bool:
    """Whether black moves next, passes included: a legal square flips discs for one of the players only."""
    if not screen.ply:
        return True
    if not legal:
        return False
    games = replay([*screen.shown, min(legal)])
    return bool(games.black[0, -1])


def _hint(cell: dict[str, Any]) -> str:
    parts = [cell["name"]]
    if cell["legal"]:
        parts.append("legal")
    if cell["p"] >= 0.001:
        parts.append(f"{cell['p']:.1%} by the model")
    if cell["wrong"]:
        parts.append("misread by the probes")
    if cell["playable"]:
        parts.append("click in the model's board to trace its logit")
    return ", ".join(parts)


def _game_caption(screen: Screen, legal: set[int], black_next: bool) -> str:
    if not legal:
        return f"After move {screen.ply} · the game is over"
    return f"After move {screen.ply} · {'black' if black_next else 'white'} to play, click a dot"


def _model_caption(view: Reading | None, cells: list[dict[str, Any]]) -> str:
    if view is None:
        return "The model needs a first move"
    mass = sum(cell["p"] for cell in cells if cell["legal"])
    wrong = sum(cell["wrong"] for cell in cells)
    read = "" if view.board is None else f" · board {64 - wrong}/64"
    return f"Model{read} · {mass:.0%} on legal moves"


def show(lab: Lab, screen: Screen) -> None:
    """Draw the panel."""
    view = reading(lab, screen.shown) if screen.ply else None
    _boards(
        key="boards",
        data=board_data(screen, view),
        on_played_change=_on_played,
        on_aimed_change=_on_aimed,
    )
    _step_controls(screen)


def _step_controls(screen: Screen) -> None:
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        st.button(
            "Undo",
            icon=":material/undo:",
            on_click=attempt,
            args=(undo,),
            disabled=not screen.ply,
            key="undo",
        )
        st.button(
            "",
            icon=":material/chevron_left:",
            help="One move back",
            key="back",
            disabled=screen.ply <= 1,
            on_click=attempt,
            args=(lambda now: at_ply(now, now.ply - 1),),
        )
        st.button(
            "",
            icon=":material/chevron_right:",
            help="One move on",
            key="on",
            disabled=screen.ply >= len(screen.moves),
            on_click=attempt,
            args=(lambda now: at_ply(now, now.ply + 1),),
        )
        st.button("", icon=":material/restart_alt:", help="Empty board", on_click=attempt, args=(_empty,), key="new")
        st.button("", icon=":material/casino:", help="A random legal game", on_click=_random, key="random")
    if len(screen.moves) > 1:
        st.slider(
            "Moves shown",
            1,
            len(screen.moves),
            key=bind("ply", max(screen.ply, 1)),
            on_change=_on_ply,
            label_visibility="collapsed",
        )


def _empty(screen: Screen) -> Screen:
    return at_ply(replace(screen, moves=()), 0)


def _random() -> None:
    seed = st.session_state["_random"] = st.session_state.get("_random", 0) + 1
    moves = random_games(1, seed=seed, split="test").moves[0, :30].tolist()
    attempt(lambda now: at_ply(load_game(now, format_moves(moves)), 20))


def _on_played() -> None:
    if name := st.session_state["boards"].get("played"):
        attempt(lambda now: play(now, parse_square(name)))


def _on_aimed() -> None:
    if name := st.session_state["boards"].get("aimed"):
        attempt(lambda now: replace(now, target=Target("logit", square=parse_square(name)), node=None))


def _on_ply() -> None:
    attempt(lambda now: at_ply(now, st.session_state["ply"]))
