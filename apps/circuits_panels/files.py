"""Opening a file: a game as text, or a circuit that the app or `interp circuits trace --graph` saved."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from apps.circuits_panels.pins import MAX_PINS, Pin, cleaned
from apps.circuits_panels.state import Screen, load_game, parse_target
from interp.runs.errors import UserError

MAX_BYTES = 5_000_000
_TOLD = 10


class Opened(NamedTuple):
    """What a file holds."""

    screen: Screen
    value: float | None
    """The target's value in the file, if it is a circuit."""


def open_file(name: str, content: bytes, screen: Screen, sets: Sequence[str]) -> Opened:
    """The screen that a file describes. Raises UserError naming what was found and what is accepted."""
    accepted = "accepted are a game as text (f5 d6 c3) and a circuit as JSON"
    if len(content) > MAX_BYTES:
        raise UserError(f"{name} has {len(content):,} bytes; {accepted} of at most {MAX_BYTES:,}")
    try:
        text = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise UserError(f"{name} is no text; {accepted}") from None
    if not text:
        raise UserError(f"{name} is empty; {accepted}")
    if text[0] not in "{[":
        return Opened(load_game(screen, text), None)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name} is no JSON ({error}); {accepted}") from None
    return _circuit(name, document, screen, sets)


def _circuit(name: str, document: Any, screen: Screen, sets: Sequence[str]) -> Opened:
    _check(name, document)
    about = document["metadata"]
    family, _, set_name = about["scan"].partition("-")
    if family != "othello":
        raise UserError(
            f"{name} is a circuit of '{about['scan'][:40]}'; only circuits of the Othello transformer can be opened"
        )
    if set_name not in sets:
        raise UserError(f"{name} was traced with the dictionaries '{set_name[:40]}'; installed are {' and '.join(sets)}")
    opened = load_game(replace(screen, set=set_name), about["prompt"])
    target, position = _target(name, document)
    if not 1 <= position <= len(opened.moves):
        raise UserError(f"{name} traces a target after move {position}, but its game has {len(opened.moves)} moves")
    present = {node["node_id"] for node in document["nodes"]} - {target.text(position)}
    opened = replace(opened, target=target, ply=position, pins=_pins(document["qParams"], present))
    clicked = document["qParams"].get("clickedId")
    settings = about.get("generation_settings")
    value = settings.get("value") if isinstance(settings, dict) else None
    return Opened(replace(opened, node=clicked if clicked in present else None), value if _is_number(value) else None)


def _check(name: str, document: Any) -> None:
    """Raise UserError listing where the document differs from Neuronpedia's schema."""
    from jsonschema.validators import validator_for

    from interp.circuits.export import schema

    expected = schema()
    errors = list(validator_for(expected)(expected).iter_errors(document))
    if errors:
        places = [
            f"{'.'.join(map(str, error.absolute_path)) or 'the whole'}: {error.message[:90]}" for error in errors[:_TOLD]
        ]
        more = f"; and {len(errors) - _TOLD} more" if len(errors) > _TOLD else ""
        raise UserError(f"{name} is no circuit in Neuronpedia's schema: {'; '.join(places)}{more}")


def _target(name: str, document: Any) -> Any:
    for node in document["nodes"]:
        try:
            return parse_target(node["node_id"])
        except UserError:
            continue
    raise UserError(f"{name} has no node that is a target, such as logit:c4@12")


def _pins(asked: dict[str, Any], present: set[str]) -> tuple[Pin, ...]:
    groups = [group for group in asked.get("supernodes", []) if isinstance(group, list) and len(group) == 2]
    names = {str(node): cleaned(str(name)) for name, node in groups}
    kept = [node for node in dict.fromkeys(asked.get("pinnedIds", [])) if node in present]
    return tuple(Pin(node, names.get(node, "")) for node in kept[:MAX_PINS])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
