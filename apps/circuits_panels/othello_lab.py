"""The lab of the app: the shipped Othello transformer, its dictionaries and probes, and the tracer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from apps.circuits_panels.lab import Ablation, Card, Circuit, Reading
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


def as_drawn(nodes: pd.DataFrame, sites: Sequence[str]) -> pd.DataFrame:
    """The tracer's nodes in the rows and kinds that the graph draws: outputs without dictionary count as errors."""
    rows = [
        "target"
        if kind == "target"
        else row
        if row in (*sites, "embed")
        else "embed"
        if kind == "embedding"
        else "bias"
        for kind, row in zip(nodes["kind"], nodes["row"], strict=True)
    ]
    return nodes.assign(row=rows, kind=nodes["kind"].replace({"output": "error"}))


class OthelloLab:
    """Everything that the panels ask for, answered by the library."""

    sets: tuple[str, ...] = ("topk", "l1")

    def __init__(self) -> None:
        """Raises UserError if the shipped weights cannot be read."""
        from interp.models.network import Network

        self.model = load_shipped()
        self.network = Network.from_othello(self.model)
        self.sites, self.heads = tuple(self.model.sites), self.model.config.n_heads
        self._dictionaries = lru_cache(self._load_set)
        self._decomposed = lru_cache(32)(self._decompose)

    @cached_property
    def features(self) -> int:
        """Features a dictionary."""
        dictionaries = self._dictionaries(self.sets[0])
        return int(dictionaries[self.sites[0]].W_enc.shape[1])

    @cached_property
    def _probes(self) -> Any:
        from interp.othello.probes import load_probes

        try:
            return load_probes()
        except (UserError, OSError):
            return None

    @property
    def notice(self) -> str:
        """A sentence on what is missing, or empty."""
        return (
            ""
            if self._probes is not None
            else "No board probes are installed, so the model's board is not shown."
        )

    def _load_set(self, name: str) -> Any:
        from interp.dictionaries import load_set

        return load_set(name)

    def _decompose(self, moves: tuple[int, ...], set_name: str) -> Any:
        from interp.circuits.decomposition import decompose

        return decompose(self.network, self._dictionaries(set_name), self._tokens(moves))

    def _tokens(self, moves: Sequence[int]) -> Tensor:
        return torch.from_numpy(tokens(np.array(moves, dtype=np.uint8)))

    def _target(self, moves: Sequence[int], target: str, set_name: str) -> tuple[Any, Any]:
        from interp.circuits.grammar import othello_target

        decomposed = self._decomposed(tuple(moves), set_name)
        return decomposed, othello_target(target, decomposed)

    @torch.inference_mode()
    def read(self, moves: Sequence[int]) -> Reading:
        """The model's view after the moves."""
        inputs = self._tokens(moves)[None]
        logits = self.model(inputs)[0, -1]
        board = confidence = None
        if self._probes is not None:
            states = self._probes.read(self.model, inputs)[-2, 0, -1]
            sure, state = states.max(-1)
            board, confidence = np.array([1, -1, 0])[state.numpy()], sure.numpy()
        return Reading(on_board(logits.softmax(-1), 0.0), on_board(logits, np.nan), board, confidence)

    def trace(self, moves: Sequence[int], target: str, set_name: str) -> Circuit:
        """Trace a target such as `logit:c4@12`. Raises UserError for a target that cannot be traced."""
        graph = self._graph(moves, target, set_name)
        nodes = as_drawn(graph.node_frame(), self.sites)
        goal = str(nodes.loc[nodes["kind"] == "target", "id"].iloc[0])
        return Circuit(
            goal, graph.value, dict(graph.sums), graph.residual, nodes, graph.edge_frame(), graph.seconds
        )

    def _graph(self, moves: Sequence[int], target: str, set_name: str) -> Any:
        from interp.circuits.trace import trace

        return trace(*self._target(moves, target, set_name))

    def document(self, moves: Sequence[int], target: str, set_name: str) -> dict[str, Any]:
        """The whole traced graph in Neuronpedia's JSON schema."""
        from interp.circuits.export import neuronpedia

        graph = self._graph(moves, target, set_name)
        names = [square_name(move) for move in moves]
        slug = target.replace(":", "-").replace("/", "-").replace("@", "-at-").replace(",", "-").lower()
        decomposed, goal = self._target(moves, target, set_name)
        prompt = format_moves(list(moves))
        return neuronpedia(
            graph, decomposed, goal, slug=slug, scan=f"othello-{set_name}", prompt=prompt, prompt_tokens=names
        )

    def inputs(self, moves: Sequence[int], target: str, set_name: str, node: str) -> pd.DataFrame:
        """All direct inputs of a node or of the target."""
        from interp.circuits.attribution import attribute
        from interp.circuits.grammar import node_target

        decomposed, goal = self._target(moves, target, set_name)
        is_feature = node.startswith("L") and "/" in node
        row = attribute(decomposed, node_target(node, decomposed) if is_feature else goal)
        return as_drawn(row.to_frame(), self.sites)

    def attention_pairs(self, moves: Sequence[int], target: str, set_name: str) -> pd.DataFrame:
        """The 400 strongest pairs of query and key sources of an attention score."""
        from interp.circuits.attention_pairs import attention_pairs

        return attention_pairs(*self._target(moves, target, set_name)).top(400)

    def pattern(self, moves: Sequence[int], layer: int, head: int) -> np.ndarray:
        """Attention of the last move to each move, [moves]."""
        record = self._decomposed(tuple(moves), self.sets[0]).record
        return record.layers[layer].pattern[head, -1].detach().cpu().numpy()

    def ablate(
        self, moves: Sequence[int], target: str, set_name: str, nodes: Sequence[str], factor: float
    ) -> Ablation:
        """Scale nodes of the traced circuit by `factor` in a forward pass (0 removes them)."""
        from interp.circuits.interventions import ablate

        result = ablate(*self._target(moves, target, set_name), list(nodes), factor=factor)
        before, after = (
            on_board(logits.softmax(-1), 0.0) for logits in (result.logits_before, result.logits_after)
        )
        return Ablation(float(result.predicted), float(result.measured), before, after)

    @torch.inference_mode()
    def card(self, set_name: str, site: str, index: int) -> Card | None:
        """What the weights alone say of a feature: which moves it raises when it is written to the stream."""
        dictionary = self._dictionaries(set_name)[site]
        if index >= dictionary.W_dec.shape[0]:
            return None
        effect = self.model.unembed.weight @ (dictionary.W_dec[index] * self.model.norm_final.weight)
        board = on_board(effect - effect[:_PLAYABLE].mean(), 0.0)
        empty = pd.DataFrame({"left": [], "right": [], "count": []})
        return Card({}, [("Pushes the logits of", board)], empty, [])

    def search(self, set_name: str, text: str) -> pd.DataFrame:
        """Features by label; empty as long as no labels are installed."""
        return pd.DataFrame(columns=["site", "index", "label", "f1"])

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
