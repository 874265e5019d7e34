"""A stand-in for the lab: seeded random circuits over the real rules, so that panels are tested without weights."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from apps.circuits_panels.lab import Ablation, Card, Circuit, Counterpart, Pairs, Reading
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
        return Reading(weights / weights.sum(), board, rng.uniform(0.6, 1.0, 64))

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
        goal = pd.DataFrame([("goal", "target", "target", len(moves), None, -1, target, np.nan, 0.0, 1.0)], columns=_COLUMNS)
        sums = {"features": 4.0, "embeddings": 0.5, "errors": -0.7, "biases": 0.1}
        nodes = pd.concat([goal, nodes], ignore_index=True)
        nodes["density"] = (nodes["index"] / 1000).where(nodes["kind"] == "feature")
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
        ends = {"source": ids[source[keep]], "target": ids[target[keep]]}
        return pd.DataFrame({**ends, "weight": weights, "influence": abs(weights) * 0.01})

    def inputs(self, moves: Sequence[int], target: str, set_name: str, node: str) -> pd.DataFrame:
        """All nodes of the circuit as inputs."""
        self.calls["inputs"] += 1
        nodes = self.trace(moves, target, set_name).nodes
        return nodes[nodes["kind"] != "target"]

    def pairs(self, moves: Sequence[int], target: str, set_name: str) -> Pairs:
        """Pairs among the first six nodes."""
        nodes = self.trace(moves, target, set_name).nodes.iloc[1:7]
        rng = self._rng("pairs", target)
        pairs = [(q.label, k.label, q.id, k.id, rng.normal()) for q in nodes.itertuples() for k in nodes.itertuples()]
        table = pd.DataFrame(pairs, columns=["query", "key", "query_id", "key_id", "contribution"])
        side = nodes[["id", "label", "contribution"]].reset_index(drop=True)
        return Pairs(table, {"query": side, "key": side[::-1].reset_index(drop=True)}, 36)

    def pattern(self, moves: Sequence[int], layer: int, head: int) -> np.ndarray:
        """A distribution over the moves."""
        return self._rng("pattern", layer, head).dirichlet(np.ones(len(moves)))

    def ablate(self, moves: Sequence[int], target: str, set_name: str, nodes: Sequence[str], factor: float) -> Ablation:
        """One unit for each node removed, of which a tenth is made up for by others."""
        self.calls["ablate"] += 1
        before = self.read(moves).probabilities
        sizes = [1.0] * len(nodes) + [float(len(nodes))]
        change = np.array(sizes) * (factor - 1)
        each = pd.DataFrame({"id": [*nodes, "together"], "predicted": change, "held": change, "measured": 0.9 * change})
        return Ablation(each, before, before[::-1])

    def card(self, set_name: str, site: str, index: int) -> Card | None:
        """A card with hostile text in its label; none for site L1A of the L1 set."""
        self.calls["card"] += 1
        if set_name == "l1" and site == "L1A":
            return None
        rng = self._rng("card", site, index)
        titles = ("Where my discs are", "Moves played", "Discs flipped", "Pushes logits")
        boards = [(title, rng.normal(size=64)) for title in titles]
        edges = np.linspace(0, 3, 21)
        bins = pd.DataFrame({"left": edges[:-1], "right": edges[1:], "height": np.exp(-edges[:-1])})
        facts = {"F1 on other games": "0.93", "active at": "2.1 %", "largest activation": "3.4"}
        games = [((37, 43, 34, 29, 20), 3.2), ((37, 43, 34, 29), 2.2)]
        return Card("c4 is mine <script>alert(1)</script>", facts, boards, bins, rng.uniform(size=59), games)

    def cards_notice(self, set_name: str) -> str:
        """Cards are always there."""
        return ""

    def search(self, set_name: str, text: str, moves: Sequence[int]) -> pd.DataFrame:
        """Features of square labels that hold all words."""
        rows = [("L2M", i, f"{square_name(i)} is mine", 0.9, float(i % 2)) for i in range(64)]
        words = text.lower().split()
        hits = [row for row in rows if all(word in row[2] for word in words)]
        return pd.DataFrame(hits, columns=["site", "index", "label", "f1", "activation"])

    def counterpart(self, set_name: str, site: str, index: int, other: str) -> Counterpart:
        """The same number."""
        return Counterpart(index, 0.8)

    def document(self, moves: Sequence[int], target: str, set_name: str) -> dict[str, Any]:
        """A small document in the schema."""
        circuit = self.trace(moves, target, set_name)
        nodes = [self._exported(target, target, "logit")]
        nodes += [self._exported(node, node, kind) for node, kind in circuit.nodes[["id", "kind"]].to_numpy()[1:]]
        about = {"slug": "s", "scan": f"othello-{set_name}", "prompt": format_moves(list(moves)), "prompt_tokens": []}
        settings = {"value": circuit.value, "residual": circuit.residual}
        return {"metadata": about | {"generation_settings": settings}, "qParams": {}, "nodes": nodes, "links": []}

    def _exported(self, node: str, label: str, kind: str) -> dict[str, Any]:
        place = {"feature": None, "layer": "0", "ctx_idx": 0}
        return {"node_id": node, "feature_type": kind, "jsNodeId": node, "clerp": label, **place}

    def notebook_cell(self, moves: Sequence[int], target: str, set_name: str) -> str:
        """One line."""
        return f"trace({target!r})"
