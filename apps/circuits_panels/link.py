"""Deep links: the screen as the query of an address, and back; each wrong part is named, ignored and leaves the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from apps.circuits_panels.pins import decode, encode
from apps.circuits_panels.state import PANELS, Screen, at_ply, load_game, parse_target
from apps.circuits_panels.view import MAX_EDGES, MAX_NODES
from interp.othello.notation import format_moves
from interp.runs.errors import UserError

_LIMITS = {"nodes": ("top_nodes", 5, MAX_NODES), "links": ("top_links", 10, MAX_EDGES), "densest": ("densest", 1, 100)}


def link_params(screen: Screen) -> dict[str, str]:
    """The query of a link to this screen; what is as usual is left out."""
    usual = Screen((), 0, screen.target)
    params = {
        "moves": format_moves(list(screen.moves)).replace(" ", ""),
        "ply": str(screen.ply),
        "target": screen.target_text if screen.ply else "",
        "set": screen.set,
        "node": screen.node or "",
        "pins": encode(screen.pins),
        "panel": screen.panel if screen.panel != usual.panel else "",
        "nodes": str(screen.top_nodes) if screen.top_nodes != usual.top_nodes else "",
        "links": str(screen.top_links) if screen.top_links != usual.top_links else "",
        "densest": str(screen.densest) if screen.densest != usual.densest else "",
    }
    return {name: value for name, value in params.items() if value}


def open_link(params: Mapping[str, str], default: Screen, sets: Sequence[str]) -> tuple[Screen, list[str]]:
    """The screen that a link describes, and one sentence for each part of it that was ignored."""
    problems: list[str] = []
    screen = _target_of(params, _game_of(params, default, problems), problems)
    if "set" in params:
        if params["set"] in sets:
            screen = replace(screen, set=params["set"])
        else:
            problems.append(f"Dictionary set '{params['set'][:40]}' in the link ignored: there is {' and '.join(sets)}.")
    if params.get("panel") in PANELS:
        screen = replace(screen, panel=params["panel"])
    for name in _LIMITS:
        if name in params:
            screen = _limit_of(params[name], name, screen, problems)
    if "pins" in params:
        pins, problem = decode(params["pins"])
        problems += [problem] if problem else []
        screen = replace(screen, pins=pins)
    return replace(screen, node=params.get("node", default.node if screen == default else None) or None), problems


def _game_of(params: Mapping[str, str], default: Screen, problems: list[str]) -> Screen:
    screen = default
    if "moves" in params:
        try:
            screen = load_game(default, params["moves"])
        except UserError as error:
            problems.append(f"Moves in the link ignored: {error}.")
    if "ply" in params:
        if _within(params["ply"], 1, len(screen.moves)):
            screen = at_ply(screen, int(params["ply"]))
        else:
            problems.append(f"ply '{params['ply'][:20]}' in the link ignored: the game has moves 1 to {len(screen.moves)}.")
    return screen


def _target_of(params: Mapping[str, str], screen: Screen, problems: list[str]) -> Screen:
    if "target" not in params:
        return screen
    try:
        target, position = parse_target(params["target"])
        if not 1 <= position <= len(screen.moves):
            raise UserError(f"the target is after move {position}, but the game has {len(screen.moves)} moves")
    except UserError as error:
        problems.append(f"Target in the link ignored: {error}.")
        return screen
    return replace(screen, target=target, ply=position, node=None)


def _limit_of(text: str, name: str, screen: Screen, problems: list[str]) -> Screen:
    field, least, most = _LIMITS[name]
    if _within(text, least, most):
        changed: dict[str, Any] = {field: int(text)}
        return replace(screen, **changed)
    problems.append(f"{name} '{text[:20]}' in the link ignored: accepted are {least} to {most}.")
    return screen


def _within(text: str, least: int, most: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 9 and least <= int(text) <= most
