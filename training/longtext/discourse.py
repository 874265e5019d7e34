"""Cohesion_DMR: are neighbouring units of a text tied as a connective would tie them (DMR, arXiv 2306.10658)?

For a pair (u, v) of encoded units, h = A [u; v; u - v; u * v], p(z | u, v) = softmax(W h) over latent senses,
p(c | z) the softmax of a row of a table, and p(c | u, v) their product summed over z. The paper's encoder is RoBERTa,
trained with the rest; ours is the shipped MiniLM as it is, on which A, W and the table are trained by
`interp longtext train-discourse`. It is a stand-in for the paper's model, and English alone. Whether sentences are tied it
tells better than by what: on held-out text, pairs with a connective from those without with an AUC of 0.80, but of pairs
with one it names the right one for 27.5 %, where the commonest one alone is 26.9 % (`results` in the shipped manifest).

A document is cut into sentences, those under 5 characters dropped, joined until a unit exceeds 256 characters. The paper
does not say how the pairs' probabilities become one figure: ours is the mean of 1 - p(no connective), 0 where either unit
has no words to speak of.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from safetensors.torch import load_file
from torch import Tensor, nn

from interp.runs.errors import UserError
from training.longtext.sentences import Span, sentences
from training.sampling.embedders import MINILM, Embedder, transformer_embedder

SHIPPED = Path(__file__).parent / "weights"
WEIGHTS, MANIFEST = "discourse.safetensors", "discourse.json"
SHORTEST, LONGEST = 5, 256
"""Characters below which a sentence is dropped, and which a unit must exceed to be closed (both LongWanjuan's code)."""
LEAST_LETTERS = 0.5
"""Share of letters and blanks below which a unit is rows of numbers or code: no connective ties it to anything; ours."""
NO_SENTENCE = 1_024
"""Characters from which a sentence is cut at its line ends; ours."""


class DiscourseModel(nn.Module):
    """p(connective | two units)."""

    def __init__(self, encoded: int, width: int, senses: int, connectives: int) -> None:
        super().__init__()
        self.aggregate = nn.Linear(4 * encoded, width)
        self.senses = nn.Linear(width, senses)
        self.table = nn.Parameter(torch.zeros(senses, connectives))

    def forward(self, first: Float[Tensor, "pair d"], second: Float[Tensor, "pair d"]) -> Float[Tensor, "pair connective"]:
        """Log-probabilities of the connectives."""
        pair = torch.cat([first, second, first - second, first * second], dim=-1)
        senses = self.senses(self.aggregate(pair)).log_softmax(-1)
        return torch.logsumexp(senses[:, :, None] + self.table.log_softmax(-1), dim=1)


def shipped_weights() -> str:
    """SHA-256 of the weights that come with the package."""
    return str(json.loads((SHIPPED / MANIFEST).read_text())["sha256"])


class Boundary(NamedTuple):
    """Between two units."""

    at: int
    """Where the second begins, in characters."""
    score: float
    """1 - p(no connective)."""


class Discourse(NamedTuple):
    """A document's cohesion by the model."""

    value: float | None
    """Mean score of the boundaries; None for a text of one unit."""
    boundaries: list[Boundary]


class DiscourseScorer:
    """The classifier on its encoder."""

    def __init__(self, model: DiscourseModel, embedder: Embedder) -> None:
        self.model, self.embedder = model.eval(), embedder

    @classmethod
    def load(cls, folder: Path = SHIPPED, *, device: str = "auto") -> DiscourseScorer:
        """A trained classifier, by default the shipped one. Raises UserError if it is not there or cannot be read."""
        return cls(read_discourse(folder), transformer_embedder(MINILM, device))

    @torch.inference_mode()
    def score(self, texts: Sequence[str]) -> list[Discourse]:
        """One result a text; all units are encoded together."""
        found = [units(text) for text in texts]
        pieces = [text[start:end] for text, spans in zip(texts, found, strict=True) for start, end in spans]
        counts = [len(spans) for spans in found]
        vectors = self.embedder(pieces).split(counts) if pieces else [torch.empty(0)] * len(texts)
        spoken = torch.tensor([_has_words(piece) for piece in pieces], dtype=torch.bool).split(counts)
        return [self._document(*one) for one in zip(found, vectors, spoken, strict=True)]

    def _document(self, spans: Sequence[Span], vectors: Float[Tensor, "unit d"], spoken: Bool[Tensor, " unit"]) -> Discourse:
        if len(spans) < 2:
            return Discourse(None, [])
        tied = 1 - self.model(vectors[:-1], vectors[1:])[:, -1].exp()  # no connective is the last
        scores = tied * (spoken[:-1] & spoken[1:])
        boundaries = [Boundary(start, score) for (start, _), score in zip(spans[1:], scores.tolist(), strict=True)]
        return Discourse(cohesion(scores), boundaries)


def cohesion(scores: Float[Tensor, " boundary"]) -> float:
    """Cohesion_DMR of a document from the scores of its boundaries: their mean."""
    return float(scores.mean())


def _has_words(unit: str) -> bool:
    return sum(character.isalpha() or character == " " for character in unit) >= LEAST_LETTERS * len(unit)


def _pieces(text: str) -> Iterator[Span]:
    """Sentences; the lines of one that is too long to be one, as tables and lists have no full stops."""
    for start, end in sentences(text):
        if end - start <= NO_SENTENCE:
            yield start, end
            continue
        for line in re.finditer(r"\S[^\n]*", text[start:end]):
            yield start + line.start(), start + line.end()


def units(text: str) -> list[Span]:
    """Places of the units: sentences, joined until one exceeds LONGEST characters."""
    found: list[Span] = []
    begun: int | None = None
    length = last = 0
    for start, end in _pieces(text):
        if end - start < SHORTEST:
            continue
        begun, length, last = start if begun is None else begun, length + end - start, end
        if length > LONGEST:
            found.append((begun, end))
            begun, length = None, 0
    return found if begun is None else [*found, (begun, last)]


def read_discourse(folder: Path) -> DiscourseModel:
    """The classifier of a folder. Raises UserError if it is not there or cannot be read."""
    try:
        shape = json.loads((folder / MANIFEST).read_text())["shape"]
        model = DiscourseModel(**shape)
        model.load_state_dict({name: tensor.float() for name, tensor in load_file(folder / WEIGHTS).items()})
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        made = "`interp longtext train-discourse` makes one"
        raise UserError(f"{folder} holds no discourse model ({error}); {made}") from None
    return model
