"""The lab of the app: the shipped Othello transformer, its dictionaries and probes, and the tracer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache, cached_property, lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from apps.circuits_panels.feature_cards import drawn_card, labels_found, short_label, stored_cards
from apps.circuits_panels.lab import Ablation, Card, Circuit, Counterpart, Pairs, Reading
from apps.circuits_panels.naming import node_label
from interp.dictionaries.sets import load_set, shipped_sets
from interp.othello.games import tokens
from interp.othello.notation import SQUARE_OF_TOKEN, format_moves, square_name
from interp.othello.transformer import load_shipped
from interp.runs.errors import UserError

_PLAYABLE = len(SQUARE_OF_TOKEN)


def on_board(values: Tensor, fill: float) -> np.ndarray:
    """Numbers a token [>= 60] as numbers a square [64]; the centre gets `fill`."""
    board = np.full(64, fill)
    board[SQUARE_OF_TOKEN] = values[:_PLAYABLE].detach().double().cpu().numpy()
    return board


def _ranked(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows by falling size of `contribution`."""
    order = frame["contribution"].abs().sort_values(ascending=False, kind="stable").index
    return frame.reindex(order).reset_index(drop=True)


class OthelloLab:
    """Everything that the panels ask for, answered by the library."""

    def __init__(self) -> None:
        """Raises UserError if the shipped weights cannot be read."""
        from interp.models.network import Network

        # One game is too little work to share: threads wait for each other longer than they compute.
        torch.set_num_threads(1)
        self.model = load_shipped()
        self.network = Network.from_othello(self.model)
        self.sites, self.heads = tuple(self.model.sites), self.model.config.n_heads
        self.sets = tuple(sorted(shipped_sets(), key=lambda name: (name != "topk", name)))
        if not self.sets:
            raise UserError(
                "no dictionaries are installed, so nothing can be traced; `interp dictionaries train` makes them"
            )
        self.dictionaries = cache(load_set)
        self.decomposed = lru_cache(32)(self._decompose)
        self._cards = lru_cache(256)(self._card)

    @cached_property
    def features(self) -> int:
        """Features a dictionary."""
        dictionaries = self.dictionaries(self.sets[0])
        return int(dictionaries[self.sites[0]].W_enc.shape[1])

    @cached_property
    def _probes(self) -> tuple[Any, int] | None:
        """The shipped probes and the depth at which they read the board best; None if they are not there."""
        from interp.othello.probes import SHIPPED, load_probes

        try:
            report = json.loads(SHIPPED.with_suffix(".json").read_text())["accuracy"]
            best = max((row for row in report if row["frame"] == "mine"), key=lambda row: row["accuracy"])
            return load_probes(), int(best["depth"])
        except (UserError, OSError, KeyError, ValueError):
            return None

    @property
    def notice(self) -> str:
        """A sentence on what is missing, or empty."""
        if self._probes is not None:
            return ""
        return "No board probes are installed, so the model's board is not shown: `interp othello probe` makes them."

    def _decompose(self, moves: tuple[int, ...], set_name: str) -> Any:
        from interp.circuits.decomposition import decompose

        return decompose(self.network, self.dictionaries(set_name), self._tokens(moves))

    def _tokens(self, moves: Sequence[int]) -> Tensor:
        return torch.from_numpy(tokens(np.array(moves, dtype=np.uint8)))

    def _target(self, moves: Sequence[int], target: str, set_name: str) -> tuple[Any, Any]:
        from interp.circuits.grammar import othello_target

        decomposed = self.decomposed(tuple(moves), set_name)
        return decomposed, othello_target(target, decomposed)

    @torch.inference_mode()
    def read(self, moves: Sequence[int]) -> Reading:
        """The model's view after the moves."""
        inputs = self._tokens(moves)[None]
        logits = self.model(inputs)[0, -1]
        board = confidence = None
        if self._probes is not None:
            probes, depth = self._probes
            states = probes.read(self.model, inputs)[depth, 0, -1]
            sure, state = states.max(-1)
            board, confidence = np.array([1, -1, 0])[state.numpy()], sure.numpy()
        return Reading(on_board(logits.softmax(-1), 0.0), board, confidence)

    def trace(self, moves: Sequence[int], target: str, set_name: str) -> Circuit:
        """Trace a target such as `logit:c4@12`. Raises UserError for a target that cannot be traced."""
        graph = self._graph(moves, target, set_name)
        nodes = self._drawn(graph.node_frame(), moves, set_name)
        goal = str(nodes.loc[nodes["kind"] == "target", "id"].iloc[0])
        edges = graph.edge_frame().assign(influence=graph.edge_influence)
        return Circuit(goal, graph.value, dict(graph.sums), graph.residual, nodes, edges, graph.seconds)

    def _graph(self, moves: Sequence[int], target: str, set_name: str) -> Any:
        from interp.circuits.trace import trace

        return trace(*self._target(moves, target, set_name))

    def document(self, moves: Sequence[int], target: str, set_name: str) -> dict[str, Any]:
        """The whole traced graph in Neuronpedia's JSON schema."""
        from interp.circuits.export import neuronpedia

        graph = self._graph(moves, target, set_name)
        names = [square_name(move) for move in moves]
        decomposed, goal = self._target(moves, target, set_name)
        prompt = format_moves(list(moves))
        return neuronpedia(graph, decomposed, goal, scan=f"othello-{set_name}", prompt=prompt, prompt_tokens=names)

    def inputs(self, moves: Sequence[int], target: str, set_name: str, node: str) -> pd.DataFrame:
        """All direct inputs of a node or of the target."""
        from interp.circuits.attribution import attribute
        from interp.circuits.grammar import node_target

        decomposed, goal = self._target(moves, target, set_name)
        is_feature = node.startswith("L") and "/" in node
        row = attribute(decomposed, node_target(node, decomposed) if is_feature else goal)
        return self._drawn(row.to_frame(), moves, set_name)

    def _drawn(self, nodes: pd.DataFrame, moves: Sequence[int], set_name: str) -> pd.DataFrame:
        """The tracer's nodes in the rows, kinds and words of the screen; outputs without dictionary count as errors."""
        rows = [
            "target" if kind == "target" else row if row in (*self.sites, "embed") else "bias"
            for kind, row in zip(nodes["kind"], nodes["row"], strict=True)
        ]
        labels = nodes["id"].map(self._names(moves, set_name, nodes["id"]))
        places, densities = zip(nodes["site"], nodes["index"], strict=True), stored_cards(set_name).densities
        density = [densities.get(place, np.nan) for place in places]
        return nodes.assign(row=rows, kind=nodes["kind"].replace({"output": "error"}), label=labels, density=density)

    def _names(self, moves: Sequence[int], set_name: str, ids: Iterable[str]) -> dict[str, str]:
        return {node: node_label(node, moves, partial(short_label, set_name)) for node in ids}

    def pairs(self, moves: Sequence[int], target: str, set_name: str) -> Pairs:
        """An attention score by pairs of query and key sources; the 400 largest pairs are listed."""
        from interp.circuits.attention_pairs import attention_pairs

        whole = attention_pairs(*self._target(moves, target, set_name))
        top = whole.top(400)
        names = self._names(moves, set_name, sorted({*whole.query_ids, *whole.key_ids}))
        margins = {"query": (whole.query_ids, whole.matrix.sum(1)), "key": (whole.key_ids, whole.matrix.sum(0))}
        sides = {
            side: _ranked(pd.DataFrame({"id": ids, "label": [names[node] for node in ids], "contribution": sums.tolist()}))
            for side, (ids, sums) in margins.items()
        }
        top = top.assign(query=top["query_id"].map(names), key=top["key_id"].map(names))
        return Pairs(top, sides, whole.matrix.numel())

    def pattern(self, moves: Sequence[int], layer: int, head: int) -> np.ndarray:
        """Attention of the last move to each move, [moves]."""
        record = self.decomposed(tuple(moves), self.sets[0]).record
        return record.layers[layer].pattern[head, -1].detach().cpu().numpy()

    @torch.inference_mode()
    def ablate(self, moves: Sequence[int], target: str, set_name: str, nodes: Sequence[str], factor: float) -> Ablation:
        """Scale nodes by `factor` in forward passes (0 removes them): one batch for each alone and all together."""
        from interp.circuits import interventions as edits
        from interp.circuits.naming import find_sources

        d, goal = self._target(moves, target, set_name)
        together = find_sources(d, list(nodes))
        groups = [*together.split(1), together]
        before = edits.value_in(d, d.record, goal)
        reacting = edits.edited_run(d, groups, factor=factor, freeze=edits.TOTAL)
        held = edits.edited_run(d, groups, factor=factor, freeze=edits.DIRECT)
        each = pd.DataFrame(
            {
                "id": [*nodes, "together"],
                "predicted": [edits.predicted_change(d, goal, group, factor) for group in groups],
                "held": (edits.value_in(d, held, goal) - before).tolist(),
                "measured": (edits.value_in(d, reacting, goal) - before).tolist(),
            }
        )
        boards = (on_board(logits.softmax(-1), 0.0) for logits in (d.record.logits[-1], reacting.logits[-1, -1]))
        return Ablation(each, *boards)

    def card(self, set_name: str, site: str, index: int) -> Card | None:
        """The stored card; without cards, what the weights alone say of a feature: which logits it writes for."""
        return self._cards(set_name, site, index)

    def _card(self, set_name: str, site: str, index: int) -> Card | None:
        width = self.dictionaries(set_name)[site].W_dec.shape[0]
        if index >= width:
            return None
        return drawn_card(set_name, site, index) if stored_cards(set_name).cards else self._bare_card(set_name, site, index)

    @torch.inference_mode()
    def _bare_card(self, set_name: str, site: str, index: int) -> Card:
        effect = self.model.unembed.weight @ (self.dictionaries(set_name)[site].W_dec[index] * self.model.norm_final.weight)
        board = on_board(effect - effect[:_PLAYABLE].mean(), 0.0)
        empty = pd.DataFrame({"left": [], "right": [], "height": []})
        return Card("", {}, [("Writes for", board)], empty, None, [])

    def cards_notice(self, set_name: str) -> str:
        """How to make a set's cards if there are none, or empty."""
        return stored_cards(set_name).notice

    def search(self, set_name: str, text: str, moves: Sequence[int]) -> pd.DataFrame:
        """Features by label, those active after the moves first."""
        found = labels_found(set_name, text)
        table, last = self.decomposed(tuple(moves), set_name).sources, len(moves) - 1
        here = ((table.index >= 0) & (table.position == last)).nonzero()[:, 0]
        sites = [self.sites[order - 1] for order in table.order[here].tolist()]
        active = dict(zip(zip(sites, table.index[here].tolist(), strict=True), table.activation[here].tolist(), strict=True))
        places = zip(found["site"], found["index"], strict=True)
        found["activation"] = np.array([active.get(place, 0.0) for place in places], dtype=float)
        order = np.argsort(found["activation"].to_numpy() <= 0, kind="stable")
        return found.iloc[order].reset_index(drop=True)

    @torch.inference_mode()
    def counterpart(self, set_name: str, site: str, index: int, other: str) -> Counterpart:
        """The feature of the other set at the same site that writes most nearly in the same direction."""
        normalize = torch.nn.functional.normalize
        mine = normalize(self.dictionaries(set_name)[site].W_dec[index], dim=-1)
        best = (normalize(self.dictionaries(other)[site].W_dec, dim=-1) @ mine).max(-1)
        return Counterpart(int(best.indices), float(best.values))

    def notebook_cell(self, moves: Sequence[int], target: str, set_name: str) -> str:
        """Python that traces the same target through library calls."""
        return (
            "import torch\n"
            "from interp.circuits.decomposition import decompose\n"
            "from interp.circuits.grammar import othello_target\n"
            "from interp.circuits.trace import trace\n"
            "from interp.dictionaries import load_set\n"
            "from interp.models.network import Network\n"
            "from interp.othello.notation import TOKEN_OF_SQUARE, parse_moves\n"
            "from interp.othello.transformer import load_shipped\n\n"
            f'moves = parse_moves("{format_moves(list(moves))}")\n'
            "network = Network.from_othello(load_shipped())\n"
            f'd = decompose(network, load_set("{set_name}"), torch.from_numpy(TOKEN_OF_SQUARE[moves]))\n'
            f'graph = trace(d, othello_target("{target}", d))\n'
            "graph.node_frame()"
        )
