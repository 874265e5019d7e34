"""A stand-in for the lab: seeded random circuits over the real rules, so that panels are tested without weights."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from apps.circuits_panels.lab import Ablation, Card, Circuit, Reading
from interp.othello.games import replay, unpack
from interp.othello.notation import SQUARE_OF_TOKEN, format_moves, square_name
from interp.runs.errors import UserError

SITES = tuple(f"L{layer}{kind}" for layer in range(6) for kind in "AM")
_COLUMNS = ["id", "kind", "row", "move", "site", "index", "label", "activation", "contribution", "influence"]


class RandomLab:
    """Random numbers that depend only on the question; `calls` counts how often each was asked."""

    def __init__(self, *, features: int = 60) -> None:
        self.sets, self.sites, self.heads, self.features = ("topk", "l1"), SITES, 8, 1024
        self.notice = ""
        self.calls: Counter[str] = Counter()
        self._count = features

    def _rng(self, *question: Any) -> np.random.Generator:
        return np.random.default_rng(zlib.crc32(repr(question).encode()))

    def read(self, moves: Sequence[int]) -> Reading:
        """Mostly legal moves and the true board with two squares wrong."""
        self.calls["read"] += 1
        rng, games = self._rng("read", tuple(moves)), replay(list(moves))
        legal = unpack(games.legal[0, -1:])[0]
        logits = np.full(64, np.nan)
        logits[SQUARE_OF_TOKEN] = rng.normal(size=60)
        logits[legal] += 6
        weights = np.exp(np.nan_to_num(logits, nan=-99.0))
        board = unpack(games.mine[0, -1:])[0].astype(int) - unpack(games.theirs[0, -1:])[0]
        board[rng.integers(0, 64, 2)] *= -1
        return Reading(weights / weights.sum(), logits, board, rng.uniform(0.6, 1.0, 64))

    def trace(self, moves: Sequence[int], target: str, set_name: str) -> Circuit:
        """A circuit over all sites and moves. Raises UserError for feature 1023, which stands for a dead one."""
        self.calls["trace"] += 1
        if "/1023@" in target:
            raise UserError("feature 1023 is dead: it never fires; choose another one")
        rng = self._rng("trace", tuple(moves), target, set_name)
        rows = [self._node(rng, len(moves)) for _ in range(self._count)]
        rows += [
            (
                f"embed@{p}",
                "embedding",
                "embed",
                p,
                None,
                -1,
                f"move {p} is {square_name(moves[p - 1])}",
                np.nan,
                rng.normal() * 0.3,
                rng.exponential(0.02),
            )
            for p in range(1, len(moves) + 1)
        ]
        nodes = pd.DataFrame(rows, columns=_COLUMNS).drop_duplicates("id")
        nodes["influence"] /= nodes["influence"].sum()
        goal = pd.DataFrame(
            [("goal", "target", "target", len(moves), None, -1, target, np.nan, 0.0, 1.0)], columns=_COLUMNS
        )
        sums = {"features": 4.0, "embeddings": 0.5, "errors": -0.7, "biases": 0.1}
        nodes = pd.concat([goal, nodes], ignore_index=True)
        return Circuit("goal", 3.9, sums, 0.0, nodes, self._edges(rng, nodes), 0.05)

    def _node(self, rng: np.random.Generator, moves: int) -> tuple[Any, ...]:
        site, index = SITES[rng.integers(12)], int(rng.integers(1000))
        move = int(max(1, moves - rng.geometric(0.35) + 1))
        kind = "error" if rng.random() < 0.1 else "feature"
        name = f"{kind}:{site}@{move}" if kind == "error" else f"{site}/{index}@{move}"
        label = f"{site} error" if kind == "error" else f"{site}/{index} {square_name(index % 64)} is mine"
        return (
            name,
            kind,
            site,
            move,
            site,
            index if kind == "feature" else -1,
            label,
            rng.exponential(1.0),
            rng.normal(),
            rng.exponential(0.1) ** 1.5,
        )

    def _edges(self, rng: np.random.Generator, nodes: pd.DataFrame) -> pd.DataFrame:
        order = {row: height for height, row in enumerate(["embed", *SITES, "target"])}
        level, move = nodes["row"].map(order).to_numpy(), nodes["move"].to_numpy()
        source, target = np.nonzero((level[:, None] < level) & (move[:, None] <= move))
        keep = rng.random(len(source)) < 0.25
        keep |= nodes["kind"].to_numpy()[target] == "target"
        ids = nodes["id"].to_numpy()
        weights = rng.standard_cauchy(int(keep.sum())).clip(-4, 4) * 0.3
        return pd.DataFrame({"source": ids[source[keep]], "target": ids[target[keep]], "weight": weights})

    def inputs(self, moves: Sequence[int], target: str, set_name: str, node: str) -> pd.DataFrame:
        """All nodes of the circuit as inputs."""
        self.calls["inputs"] += 1
        nodes = self.trace(moves, target, set_name).nodes
        return nodes[nodes["kind"] != "target"]

    def attention_pairs(self, moves: Sequence[int], target: str, set_name: str) -> pd.DataFrame:
        """Pairs among the first six nodes."""
        nodes = self.trace(moves, target, set_name).nodes.iloc[1:7]
        rng = self._rng("pairs", target)
        pairs = [
            (q.label, k.label, q.id, k.id, rng.normal())
            for q in nodes.itertuples()
            for k in nodes.itertuples()
        ]
        return pd.DataFrame(pairs, columns=["query", "key", "query_id", "key_id", "contribution"])

    def pattern(self, moves: Sequence[int], layer: int, head: int) -> np.ndarray:
        """A distribution over the moves."""
        return self._rng("pattern", layer, head).dirichlet(np.ones(len(moves)))

    def ablate(
        self, moves: Sequence[int], target: str, set_name: str, nodes: Sequence[str], factor: float
    ) -> Ablation:
        """One unit for each node removed; one node fewer changes nothing at factor 1."""
        self.calls["ablate"] += 1
        before = self.read(moves).probabilities
        return Ablation((factor - 1) * len(nodes), 0.9 * (factor - 1) * len(nodes), before, before[::-1])

    def card(self, set_name: str, site: str, index: int) -> Card | None:
        """A card with hostile text in its label; none for odd layers of the L1 set."""
        self.calls["card"] += 1
        if set_name == "l1" and site == "L1A":
            return None
        rng = self._rng("card", site, index)
        boards = [
            (title, rng.normal(size=64))
            for title in ("Where my discs are", "Moves played", "Discs flipped", "Pushes logits")
        ]
        edges = np.linspace(0, 3, 21)
        bins = pd.DataFrame(
            {"left": edges[:-1], "right": edges[1:], "count": (900 * np.exp(-edges[:-1] * 2)).astype(int)}
        )
        facts = {
            "label": "c4 is mine <script>alert(1)</script>",
            "F1": "0.93",
            "fires": "2.1 %",
            "largest": "3.4",
        }
        games = [((37, 43, 34, 29, 20), 3.2), ((37, 43, 34, 29), 2.2)]
        return Card(facts, boards, bins, games)

    def search(self, set_name: str, text: str) -> pd.DataFrame:
        """Features of square labels that hold all words."""
        rows = [("L2M", i, f"{square_name(i)} is mine", 0.9) for i in range(64)]
        words = text.lower().split()
        hits = [row for row in rows if all(word in row[2] for word in words)]
        return pd.DataFrame(hits, columns=["site", "index", "label", "f1"])

    def document(self, moves: Sequence[int], target: str, set_name: str) -> dict[str, Any]:
        """A small document with a number that JSON does not know."""
        return {
            "metadata": {"prompt": format_moves(list(moves)), "value": float("nan")},
            "nodes": [],
            "links": [],
        }

    def notebook_cell(self, moves: Sequence[int], target: str, set_name: str) -> str:
        """One line."""
        return f"trace({target!r})"
