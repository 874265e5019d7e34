"""What the panels need from the lab: a small interface, so that they are tested without trained weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd


class Reading(NamedTuple):
    """What the model makes of a position."""

    probabilities: np.ndarray
    """Of each square as the next move, [64]; zero on the centre."""
    board: np.ndarray | None
    """What the probes read at the depth where they read best, [64]: 1 mine (the player who just moved), -1 theirs, 0
    empty; None without probes."""
    confidence: np.ndarray | None
    """Probability of that reading, [64]."""


@dataclass(frozen=True)
class Circuit:
    """A traced target."""

    target: str
    """Identifier of the target's node."""
    value: float
    """The target's true value."""
    sums: dict[str, float]
    """Summed contributions by kind of source: features, embeddings, errors, biases."""
    residual: float
    """`value` minus the sums."""
    nodes: pd.DataFrame
    """`id`, `kind` (feature, error, bias, embedding, target), `row` (embed, L0A, ..., target), `move` (from 1; 0:
    none), `site`, `index`, `label`, `activation`, `contribution` (direct, to the target; signed), `influence` (share
    of all influence on the target), `density` (share of positions at which the feature is active, by its card; else
    NaN)."""
    edges: pd.DataFrame
    """`source`, `target`, `weight` (contribution to the reader), `influence` (share of the target's that flows along it)."""
    seconds: float
    """What the tracing took."""


class Pairs(NamedTuple):
    """An attention score by pairs of sources."""

    pairs: pd.DataFrame
    """The largest pairs: `query`, `key` (labels), `query_id`, `key_id`, `contribution`."""
    sides: dict[str, pd.DataFrame]
    """Margins of the `query` and the `key` side: `id`, `label`, `contribution` (summed over all partners), ranked."""
    total: int
    """Pairs in all."""


class Ablation(NamedTuple):
    """What happens when nodes are scaled in real forward passes."""

    each: pd.DataFrame
    """Changes of the target: a row a node and a last row, `together`. Columns `id`, `predicted` (by the traced
    contributions), `held` (measured with every norm, pattern and later write held, so that it must agree) and
    `measured` (everything later reacts)."""
    before: np.ndarray
    """Next-move probabilities of the untouched pass, [64]."""
    after: np.ndarray
    """Next-move probabilities with all the nodes scaled, [64]."""


class Card(NamedTuple):
    """What is known of a feature."""

    label: str
    """Automatic label such as `c4 is mine`, with `?` if other games did not bear it out; empty if none was computed."""
    facts: dict[str, str]
    """Short facts by name, in order."""
    boards: list[tuple[str, np.ndarray]]
    """Titles and values of the 8 x 8 boards, [64] each."""
    histogram: pd.DataFrame
    """`left`, `right`, `height` (share of the highest bar, counts on a log scale) of the activations above zero."""
    plies: np.ndarray | None
    """How often the strongest inputs stand at each ply, share of the peak, [59]."""
    examples: list[tuple[tuple[int, ...], float]]
    """Games up to a strongly activating position, with the activation."""


class Counterpart(NamedTuple):
    """The feature of another set whose decoder direction is nearest."""

    number: int
    """Its feature number."""
    cosine: float


class Lab(Protocol):
    """The model, its dictionaries and tracer, as the panels use them."""

    sets: tuple[str, ...]
    """Names of the dictionary sets."""
    sites: tuple[str, ...]
    """Write sites from L0A on."""
    heads: int
    """Heads a layer."""

    @property
    def features(self) -> int:
        """Features a dictionary."""
        ...

    @property
    def notice(self) -> str:
        """A sentence on what is missing, or empty."""
        ...

    def read(self, moves: Sequence[int]) -> Reading:
        """The model's view after the moves."""
        ...

    def trace(self, moves: Sequence[int], target: str, set_name: str) -> Circuit:
        """Trace a target such as `logit:c4@12`. Raises UserError for a target that cannot be traced."""
        ...

    def document(self, moves: Sequence[int], target: str, set_name: str) -> dict[str, Any]:
        """The whole traced graph in Neuronpedia's JSON schema."""
        ...

    def inputs(self, moves: Sequence[int], target: str, set_name: str, node: str) -> pd.DataFrame:
        """All direct inputs of a node: columns as of `Circuit.nodes`, `contribution` being that to the node."""
        ...

    def pairs(self, moves: Sequence[int], target: str, set_name: str) -> Pairs:
        """An attention score by pairs of query and key sources."""
        ...

    def pattern(self, moves: Sequence[int], layer: int, head: int) -> np.ndarray:
        """Attention of the last move to each move, [moves]."""
        ...

    def ablate(self, moves: Sequence[int], target: str, set_name: str, nodes: Sequence[str], factor: float) -> Ablation:
        """Scale nodes by `factor` in forward passes (0 removes them), each alone and all together."""
        ...

    def card(self, set_name: str, site: str, index: int) -> Card | None:
        """The card of a feature, or None where none was computed."""
        ...

    def cards_notice(self, set_name: str) -> str:
        """How to make a set's cards if there are none, or empty."""
        ...

    def search(self, set_name: str, text: str, moves: Sequence[int]) -> pd.DataFrame:
        """Features whose label holds all words of `text`: `site`, `index`, `label`, `f1`, `activation` (after the moves).

        Those active come first, each group by falling F1.
        """
        ...

    def counterpart(self, set_name: str, site: str, index: int, other: str) -> Counterpart:
        """The feature of the other set at the same site that writes most nearly in the same direction."""
        ...

    def notebook_cell(self, moves: Sequence[int], target: str, set_name: str) -> str:
        """Python that traces the same target through library calls."""
        ...
