"""What the screen shows, as one value: game, moves shown, target, dictionary set, selected node, pins.

Every click and every control is a pure function from a screen to the next one, so that all of it is tested without a
browser. The target's position is always the number of moves shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from apps.circuits_panels.pins import Pin
from interp.othello.games import replay, squares_of
from interp.othello.notation import CENTRE, parse_moves, parse_square, square_name
from interp.runs.errors import UserError

MAX_TRAIL = 8
"""Nodes of a walk that are kept."""
PANELS = ("Verify", "Pinned", "Attention", "Compare", "Export")


@dataclass(frozen=True)
class Target:
    """What is traced at the last move shown: a move's logit, a feature, or a head's score for an earlier move."""

    kind: str
    """`logit`, `feature` or `attention`."""
    square: int = 0
    """Of a logit."""
    site: str = "L0A"
    """Of a feature."""
    index: int = 0
    """Of a feature."""
    layer: int = 0
    """Of an attention score."""
    head: int = 0
    """Of an attention score."""
    key: int = 1
    """Of an attention score: the move attended to, from 1."""

    def text(self, ply: int) -> str:
        """In the command line's form, such as `logit:c4@12`."""
        if self.kind == "logit":
            return f"logit:{square_name(self.square)}@{ply}"
        if self.kind == "feature":
            return f"feature:{self.site}/{self.index}@{ply}"
        return f"attention:L{self.layer}H{self.head}@{ply},{min(self.key, ply)}"


@dataclass(frozen=True)
class Screen:
    """The whole state of the screen that a link can carry."""

    moves: tuple[int, ...]
    """The game; moves after `ply` are kept so that one can step forward again."""
    ply: int
    """Moves shown, and the position that is traced; 0 only for the empty board."""
    target: Target
    set: str = "topk"
    """Name of the dictionary set."""
    node: str | None = None
    """Selected node of the circuit, or None for the target itself."""
    panel: str = PANELS[0]
    """The lower panel that is open."""
    pins: tuple[Pin, ...] = ()
    """Nodes that the reader keeps."""
    top_nodes: int = 60
    """Most nodes drawn."""
    top_links: int = 200
    """Most links drawn."""
    densest: int = 100
    """Features active at more than this percentage of positions are not drawn."""

    @property
    def shown(self) -> tuple[int, ...]:
        """The moves up to `ply`."""
        return self.moves[: self.ply]

    @property
    def target_text(self) -> str:
        """The target in the command line's form."""
        return self.target.text(self.ply)


_FEATURE = re.compile(r"feature:(L\d+[AM])/(\d+)@(\d+)")
_ATTENTION = re.compile(r"attention:L(\d+)H(\d+)@(\d+),(\d+)")
_LOGIT = re.compile(r"logit:([a-hA-H][1-8])@(\d+)")
_FORMS = "logit:c4@12, feature:L2M/845@12 or attention:L1H3@14,13"


def parse_target(text: str, *, layers: int = 6, heads: int = 8) -> tuple[Target, int]:
    """A target in the command line's form, with its position. Raises UserError for anything else."""
    if found := _LOGIT.fullmatch(text):
        square = parse_square(found[1])
        if square in CENTRE:
            raise UserError(f"{square_name(square)} is filled from the start and never played: it has no logit")
        return Target("logit", square=square), int(found[2])
    if (found := _FEATURE.fullmatch(text)) and int(found[1][1:-1]) < layers:
        return Target("feature", site=found[1], index=int(found[2])), int(found[3])
    if (found := _ATTENTION.fullmatch(text)) and int(found[1]) < layers and int(found[2]) < heads:
        query, key = int(found[3]), int(found[4])
        if not 1 <= key <= query:
            raise UserError(f"a head at move {query} attends to moves 1 to {query}, not to move {key}")
        return Target("attention", layer=int(found[1]), head=int(found[2]), key=key), query
    raise UserError(f"'{text[:60]}' is no target: a target looks like {_FORMS}, with layers up to {layers - 1}")


def legal_at(screen: Screen) -> list[int]:
    """Legal next moves after the moves shown."""
    return squares_of(replay(list(screen.shown)).legal[0, -1]) if screen.ply else [19, 26, 37, 44]


def load_game(screen: Screen, text: str) -> Screen:
    """The screen at the end of another game. Raises UserError for text that is no legal game."""
    moves = parse_moves(text)
    if not moves:
        raise UserError("no move was given: a game looks like f5 d6 c3")
    replay(moves)
    return _aim(replace(screen, moves=tuple(moves), ply=min(len(moves), 59), node=None, pins=()))


def play(screen: Screen, square: int) -> Screen:
    """One move further; another than the game's own drops what followed. Raises IllegalMove."""
    if screen.ply < len(screen.moves) and screen.moves[screen.ply] == square:
        return at_ply(screen, screen.ply + 1)
    moves = (*screen.shown, square)
    replay(list(moves))
    return _aim(replace(screen, moves=moves, ply=len(moves), node=None))


def undo(screen: Screen) -> Screen:
    """Without the last move shown and all that follow it."""
    return at_ply(replace(screen, moves=screen.moves[: max(screen.ply - 1, 0)]), max(screen.ply - 1, 0))


def at_ply(screen: Screen, ply: int) -> Screen:
    """Another number of moves shown; a logit target that is no longer legal moves to a legal square."""
    return _aim(replace(screen, ply=min(max(ply, 0), len(screen.moves)), node=None))


def _aim(screen: Screen) -> Screen:
    if screen.target.kind != "logit":
        return screen
    legal = legal_at(screen)
    if screen.target.square in legal or not legal:
        return screen
    return replace(screen, target=replace(screen.target, square=legal[0]))


def walked(trail: tuple[str, ...], node: str) -> tuple[str, ...]:
    """A walk through a circuit one node further; back at a node of the walk, what came after it is dropped.

    Of a long walk the start and the latest nodes are kept.
    """
    before = trail[: trail.index(node)] if node in trail else trail
    return (*before[:1], *before[1:][-(MAX_TRAIL - 2) :], node)


def trace_from(screen: Screen, site: str, index: int, position: int) -> Screen:
    """Make a feature at an earlier or the same move the target."""
    return replace(screen, target=Target("feature", site=site, index=index), ply=position, node=None)
