"""What a node is called on the screen: the tracer's identifier in words, with a feature's automatic label."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from interp.othello.notation import square_name

_NODE = re.compile(r"(?:(error|output|bias):)?(L\d+[AM])(?:/(\d+))?@\d+|(token|position)@(\d+)")


def node_label(node: str, moves: Sequence[int], label_of: Callable[[str, int], str]) -> str:
    """`L2M/845@8` -> `L2M/845 c4 is mine`, `error:L2M@8` -> `L2M error`, `token@3` -> `move d6`; others as they are."""
    if node == "bias":
        return "constants of the readers"
    if (match := _NODE.fullmatch(node)) is None:
        return node
    kind, site, index, embedding, position = match.groups()
    if embedding == "token":
        return f"move {square_name(moves[int(position) - 1])}"
    if embedding:
        return f"move number {position}"
    return f"{site} {kind}" if kind else f"{site}/{index} {label_of(site, int(index))}".rstrip()
