"""Which part of a traced circuit is drawn, and where: pure functions of the circuit and three knobs.

Places follow from (row, move, rank in the cell), never from a force layout, so a node stays where it is when another
one comes or goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from apps.circuits_panels.lab import Circuit
from interp.othello.notation import square_name

MAX_NODES, MAX_EDGES = 400, 2000
_STEP, _WIDEST_STEP, _LINE = 15.0, 30.0, 16.0
_LEFT, _TOP, _BOTTOM, _PAD = 54.0, 8.0, 36.0, 10.0
ORDER = ("embed", "target")


class View(NamedTuple):
    """The part of a circuit that is drawn."""

    nodes: pd.DataFrame
    """Rows of `Circuit.nodes`, the most influential first; always with the target."""
    edges: pd.DataFrame
    """Rows of `Circuit.edges` between them, the most influential first."""
    share: float
    """Share of all influence that the drawn nodes hold."""
    sentence: str
    """What is shown of how much."""


def choose(circuit: Circuit, *, nodes: int, edges: int, densest: float = 1.0, keep: Sequence[str] = ()) -> View:
    """The `nodes` most influential nodes, and the `edges` links among them likewise.

    Features active at more than the share `densest` of positions are left out; nodes of `keep` are always in.
    """
    nodes, edges = min(nodes, MAX_NODES), min(edges, MAX_EDGES)
    is_target = circuit.nodes["id"] == circuit.target
    sources = circuit.nodes[~is_target].sort_values("influence", ascending=False, kind="stable")
    dense = sources["density"] > densest
    chosen = sources[~dense].head(nodes)
    chosen = pd.concat([chosen, sources[sources["id"].isin(set(keep) - set(chosen["id"]))]])
    drawn = pd.concat([circuit.nodes[is_target], chosen], ignore_index=True)
    inside = circuit.edges[circuit.edges["source"].isin(drawn["id"]) & circuit.edges["target"].isin(drawn["id"])]
    strongest = inside.nlargest(edges, "influence")
    total = float(sources["influence"].sum())
    share = float(chosen["influence"].sum()) / total if total > 0 else 1.0
    sentence = (
        f"Showing {len(chosen):,} of {len(sources):,} nodes, {share:.1%} of influence, "
        f"{len(strongest):,} of {len(circuit.edges):,} links"
    )
    if left_out := int(dense.sum()) - int((chosen["density"] > densest).sum()):
        sentence += f"; {left_out:,} features active at more than {densest:.0%} of positions are left out"
    return View(drawn, strongest.reset_index(drop=True), share, sentence)


def layout(
    view: View, rows: Sequence[str], moves: Sequence[int], *, width: float = 860.0, height: float = 420.0, across: int = 8
) -> dict[str, Any]:
    """What the drawing needs: node places, paths' ends, row and column heads, as plain JSON.

    `rows` from bottom to top, at most `across` nodes side by side in a cell. Only moves with a node get a column.
    `width` and `height` are the least: spare width goes to crowded columns, spare height to all rows.
    """
    nodes = view.nodes.copy()
    rank = nodes.groupby(["row", "move"]).cumcount().to_numpy()
    count = nodes.groupby(["row", "move"])["id"].transform("count").to_numpy()
    beside = np.minimum(count - rank // across * across, across)
    columns = _columns(nodes["move"], beside, width)
    lines = (count - 1) // across
    heights = _heights(nodes["row"], lines + 1, rows, height)
    left, size, step = (nodes["move"].map({move: place[part] for move, place in columns.items()}) for part in range(3))
    x = left + size / 2 + (rank % across - (beside - 1) / 2) * step
    middle = nodes["row"].map({row: top + height / 2 for row, (top, height) in heights.items()}).to_numpy(float)
    y = middle + (rank // across - lines / 2) * _LINE
    return {
        "width": round(max(left + size for left, size, _ in columns.values()) + _PAD, 1),
        "height": round(_TOP + sum(height for _, height in heights.values()) + _BOTTOM, 1),
        "rows": [{"name": row, "y": top, "h": height} for row, (top, height) in heights.items()],
        "columns": [_head(move, left, size, moves) for move, (left, size, _) in columns.items()],
        "nodes": _node_marks(nodes, x.to_numpy(float), y),
        "edges": _edge_marks(view.edges),
    }


def _columns(moves: pd.Series, beside: np.ndarray, width: float) -> dict[int, tuple[float, float, float]]:
    """Left edge, width and distance of nodes of each move's column, ascending."""
    widest = pd.Series(beside, index=moves).groupby(level=0).max().sort_index().astype(float)
    sizes = np.maximum(widest.to_numpy() * _STEP + _PAD, 27.0)
    sizes += max(width - _LEFT - _PAD - sizes.sum(), 0.0) * widest.to_numpy() / widest.sum()
    lefts = _LEFT + np.concatenate([[0.0], np.cumsum(sizes)[:-1]])
    steps = np.minimum((sizes - _PAD) / widest.to_numpy(), _WIDEST_STEP)
    places = np.round(np.stack([lefts, sizes, steps], 1), 1).tolist()
    return {int(move): (left, size, step) for move, (left, size, step) in zip(widest.index, places, strict=True)}


def _heights(row_of: pd.Series, lines: np.ndarray, rows: Sequence[str], least: float) -> dict[str, tuple[float, float]]:
    """Top and height of each row, the uppermost first."""
    most = pd.Series(lines, index=row_of).groupby(level=0).max()
    sizes = np.array([22.0 + _LINE * int(most.get(row, 1)) for row in reversed(rows)])
    sizes = np.round(sizes + max(least - _TOP - _BOTTOM - sizes.sum(), 0.0) / len(sizes), 1)
    tops = _TOP + np.concatenate([[0.0], np.cumsum(sizes)[:-1]])
    return dict(zip(reversed(rows), zip(tops.tolist(), sizes.tolist(), strict=True), strict=True))


def _head(move: int, left: float, size: float, moves: Sequence[int]) -> dict[str, Any]:
    name = square_name(moves[move - 1]) if 1 <= move <= len(moves) else "any"
    return {"x": left, "w": size, "name": name, "move": move}


def _node_marks(nodes: pd.DataFrame, x: np.ndarray, y: np.ndarray) -> list[dict[str, Any]]:
    largest = nodes.loc[nodes["kind"] != "target", "influence"].abs().max()
    scale = np.sqrt(nodes["influence"].abs() / largest) if largest and largest > 0 else nodes["influence"] * 0
    radius = np.where(nodes["kind"] == "target", 8.0, 2.6 + 4.6 * np.clip(np.nan_to_num(scale), 0, 1))
    marks = []
    for row, left, top, size in zip(nodes.itertuples(), x, y, radius, strict=True):
        move = f", move {row.move}" if row.move else ""
        act = f"activation {row.activation:.2f}, " if row.kind == "feature" and np.isfinite(row.activation) else ""
        share = "" if row.kind == "target" else f"{act}direct {row.contribution:+.3f}, {row.influence:.1%} of influence"
        place = "" if row.kind == "target" else f"{row.row}{move}"
        marks.append(
            {
                "id": row.id,
                "x": round(float(left), 1),
                "y": round(float(top), 1),
                "r": round(float(size), 1),
                "kind": row.kind,
                "sign": 0 if row.kind == "target" else (1 if row.contribution >= 0 else -1),
                "label": str(row.label),
                "place": place,
                "text": share,
            }
        )
    return marks


def _edge_marks(edges: pd.DataFrame) -> list[dict[str, Any]]:
    largest = edges["influence"].max() if len(edges) else 1.0
    return [
        {
            "s": row.source,
            "t": row.target,
            "w": round(float(row.weight), 4),
            "k": round(float(row.influence / largest), 3),
        }
        for row in edges.itertuples()
    ]
