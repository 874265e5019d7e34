"""Pinned nodes: kept while one looks elsewhere, named by the reader, carried by links and exports.

In a link a pin is its node with `.` between the parts and the name after `~`, pins joined by `_`: characters that an
address needs not escape, so that twenty pins stay readable (`L2M.845.8~b4 mine_e.L2M.3_t.5`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from interp.runs.errors import UserError

MAX_PINS, MAX_NAME = 24, 40
_KINDS = {"error": "e", "output": "o", "bias": "b"}
_NODE = re.compile(r"(?:(error|output|bias):)?(L\d+[AM])(?:/(\d+))?@(\d+)|(token|position)@(\d+)|(bias)")
_SHORT = re.compile(r"(?:([eob])\.)?(L\d+[AM])(?:\.(\d+))?\.(\d+)|([tp])\.(\d+)|(b)")


@dataclass(frozen=True)
class Pin:
    """A node of a circuit that the reader keeps."""

    node: str
    """Its identifier, such as `L2M/845@8`."""
    name: str = ""
    """What the reader calls it; empty for the automatic label."""


def cleaned(name: str) -> str:
    """A reader's name as it is kept: one line, without the two characters that part pins in a link."""
    return " ".join(re.sub(r"[_~\s]", " ", name).split())[:MAX_NAME].strip()


def pinned(pins: Sequence[Pin], node: str) -> tuple[Pin, ...]:
    """With one more pin. Raises UserError if there are too many."""
    if node in [pin.node for pin in pins]:
        return tuple(pins)
    if len(pins) >= MAX_PINS:
        raise UserError(f"{MAX_PINS} nodes are pinned already; unpin one first")
    return (*pins, Pin(node))


def unpinned(pins: Sequence[Pin], node: str) -> tuple[Pin, ...]:
    """Without the pin of a node."""
    return tuple(pin for pin in pins if pin.node != node)


def renamed(pins: Sequence[Pin], node: str, name: str) -> tuple[Pin, ...]:
    """With another name on the pin of a node."""
    return tuple(Pin(node, cleaned(name)) if pin.node == node else pin for pin in pins)


def encode(pins: Sequence[Pin]) -> str:
    """Pins as a link carries them; a node that is none of the tracer's is left out."""
    return "_".join(short + (f"~{pin.name}" if pin.name else "") for pin in pins if (short := _shortened(pin.node)))


def decode(text: str) -> tuple[tuple[Pin, ...], str]:
    """Pins of a link, and one sentence on what of it was ignored, or nothing."""
    found: dict[str, Pin] = {}
    wrong = []
    for part in text.split("_") if text else []:
        short, _, name = part.partition("~")
        if node := _lengthened(short):
            found[node] = Pin(node, cleaned(name))
        else:
            wrong.append(short[:30])
    pins = tuple(found.values())
    problem = f"Pin '{wrong[0]}' in the link ignored: a pin looks like L2M.845.8, e.L2M.3 or t.5." if wrong else ""
    if len(pins) > MAX_PINS:
        problem = f"Only the first {MAX_PINS} of {len(pins)} pins in the link are kept."
    return pins[:MAX_PINS], problem


def _shortened(node: str) -> str:
    if (match := _NODE.fullmatch(node)) is None:
        return ""
    kind, site, index, move, embedding, at, constant = match.groups()
    if constant:
        return "b"
    return ".".join([embedding[0], at] if embedding else filter(None, [kind and _KINDS[kind], site, index, move]))


def _lengthened(short: str) -> str:
    if (match := _SHORT.fullmatch(short)) is None:
        return ""
    letter, site, index, move, embedding, at, constant = match.groups()
    if constant:
        return "bias"
    if embedding:
        return f"{'token' if embedding == 't' else 'position'}@{at}"
    if bool(letter) == bool(index):
        return ""
    prefix = {short: kind for kind, short in _KINDS.items()}.get(letter or "", "")
    return f"{prefix}:{site}@{move}" if prefix else f"{site}/{index}@{move}"
