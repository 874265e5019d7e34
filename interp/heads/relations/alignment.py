"""From characters to tokens: texts with spans become token ids with pairs of positions, for any fast tokenizer.

A mention counts where it is a whole number of tokens, white space aside. Of several tokens the first stands for the
mention (`first`), or the mention is left out (`single`): arXiv 2402.13055 does not say which. A text gets a space in
front if the tokenizer would otherwise encode its first word unlike the same word further on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from jaxtyping import Int

from interp.heads.relations.aligned import AlignedDocument, AlignedTriplet
from interp.heads.relations.document import RelationDocument, Span, Triplet
from interp.runs.errors import UserError

Words = Literal["first", "single"]
Fate = Literal["one token", "several tokens", "not a whole number of tokens", "beyond the context"]
ONE_POSITION = "head and tail at one position"
_PROBE = "the"


@dataclass(frozen=True)
class AlignmentOptions:
    """How texts become tokens."""

    words: Words = "first"
    """What stands for a mention of several tokens: its first, or (`single`) nothing."""
    bos: bool = False
    """Begin with the tokenizer's beginning-of-sequence token. Without one no head can rest its attention there."""
    context: int | None = None
    """Tokens that the model reads at most, that of the beginning included; mentions beyond are dropped."""


class Alignment(NamedTuple):
    """Aligned documents, those without a triplet left out, and what became of everything else."""

    documents: tuple[AlignedDocument, ...]
    mentions: dict[str, int]
    """Distinct mentions by their fate; a place that several triplets share counts once."""
    several: int
    """Kept triplets in which a first token stands for a mention of several."""
    dropped: dict[str, int]
    """Triplets by the reason for which they were dropped: the fate of the first mention, of the head before the tail."""

    @property
    def counts(self) -> dict[str, Any]:
        """All counts, as a report shows them."""
        kept = Counter(triplet.relation for document in self.documents for triplet in document.triplets)
        return {
            "documents": len(self.documents),
            "tokens": sum(len(document.tokens) for document in self.documents),
            "triplets": dict(kept.most_common()),
            "triplets of several tokens": self.several,
            "mentions": self.mentions,
            "dropped": self.dropped,
        }


def align(
    documents: Iterable[RelationDocument], tokenizer: Any, options: AlignmentOptions = AlignmentOptions()
) -> Alignment:
    """Align documents with the tokens of a model.

    Args:
        tokenizer: a fast tokenizer of transformers, which knows the characters of each token.

    Raises:
        UserError: for a tokenizer without offsets, one without the BOS token asked for, an option that does not exist,
            or if no triplet can be aligned.
    """
    aligner = _Aligner(tokenizer, options)
    aligned = tuple(document for document in map(aligner, documents) if document.triplets)
    if not aligned:
        told = ", ".join(f"{count} {reason}" for reason, count in aligner.dropped.items()) or "there is none"
        raise UserError(f"no relation triplet can be aligned with the tokens of {_named(tokenizer)}: {told}")
    return Alignment(aligned, dict(aligner.mentions), aligner.several, dict(aligner.dropped))


class _Place(NamedTuple):
    """What became of one mention."""

    fate: Fate
    position: int | None
    """Of the token that stands for it; None if the mention is dropped."""


class _Encoded(NamedTuple):
    """Token ids and the characters of each token without the white space around; empty for a special token."""

    ids: list[int]
    starts: Int[np.ndarray, " pos"]
    ends: Int[np.ndarray, " pos"]


class _Aligner:
    """Aligns documents one by one and counts."""

    def __init__(self, tokenizer: Any, options: AlignmentOptions) -> None:
        if options.words not in get_args(Words):
            raise UserError(
                f"mentions of several tokens: found '{options.words}'; accepted are {', '.join(get_args(Words))}"
            )
        if not getattr(tokenizer, "is_fast", False):
            raise UserError(f"{_named(tokenizer)} gives no character offsets; accepted are fast tokenizers of transformers")
        if options.bos and tokenizer.bos_token_id is None:
            raise UserError(f"{_named(tokenizer)} has no token for the beginning of a text; accepted is to go without")
        self.tokenizer, self.options = tokenizer, options
        self.space = _leading_space(tokenizer)
        self.mentions: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.several = 0

    def __call__(self, document: RelationDocument) -> AlignedDocument:
        encoded = self._encode(document.text)
        spans = {span for triplet in document.triplets for span in (*triplet.head, *triplet.tail)}
        places = {span: self._place(span, encoded) for span in spans}
        self.mentions.update(place.fate for place in places.values())
        aligned = (self._triplet(number, triplet, places) for number, triplet in enumerate(document.triplets))
        tokens = torch.tensor(encoded.ids[: self.options.context], dtype=torch.int64)
        return AlignedDocument(document.name, tokens, tuple(triplet for triplet in aligned if triplet))

    def _encode(self, text: str) -> _Encoded:
        space = "" if text[:1].isspace() else self.space
        found = self.tokenizer(space + text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        offsets = [_without_space(space + text, *offset) for offset in found.offset_mapping]
        begin = [self.tokenizer.bos_token_id] if self.options.bos else []
        characters = np.array([(len(space), len(space))] * len(begin) + offsets, dtype=np.int64).reshape(-1, 2) - len(space)
        return _Encoded(begin + list(found.input_ids), characters[:, 0], characters[:, 1])

    def _place(self, span: Span, encoded: _Encoded) -> _Place:
        inside = np.flatnonzero((encoded.starts < span.end) & (encoded.ends > span.start))
        whole = len(inside) and encoded.starts[inside].min() == span.start and encoded.ends[inside].max() == span.end
        if not whole:
            return _Place("not a whole number of tokens", None)
        if self.options.context is not None and inside[-1] >= self.options.context:
            return _Place("beyond the context", None)
        if len(inside) == 1:
            return _Place("one token", int(inside[0]))
        return _Place("several tokens", int(inside[0]) if self.options.words == "first" else None)

    def _triplet(self, number: int, triplet: Triplet, places: dict[Span, _Place]) -> AlignedTriplet | None:
        heads, tails = ([places[span] for span in side] for side in (triplet.head, triplet.tail))
        pairs = tuple(
            (head.position, tail.position)
            for head in heads
            for tail in tails
            if head.position is not None and tail.position is not None and head.position != tail.position
        )
        if not pairs:
            self.dropped[_reason(heads, tails)] += 1
            return None
        self.several += any(place.fate == "several tokens" and place.position is not None for place in heads + tails)
        return AlignedTriplet(triplet.relation, number, pairs)


def _reason(heads: Sequence[_Place], tails: Sequence[_Place]) -> str:
    for side in (heads, tails):
        if all(place.position is None for place in side):
            return side[0].fate
    return ONE_POSITION


def _leading_space(tokenizer: Any) -> str:
    """A space, if the tokenizer encodes a word at the start of a text unlike the same word after another."""

    def ids(text: str) -> list[int]:
        return list(tokenizer(text, add_special_tokens=False).input_ids)

    alone = ids(_PROBE)
    return "" if ids(f"{_PROBE} {_PROBE}")[len(alone) :] == alone else " "


def _without_space(text: str, start: int, end: int) -> tuple[int, int]:
    """Some tokenizers count the space before a word to its token, some do not."""
    piece = text[start:end]
    return end - len(piece.lstrip()), start + len(piece.rstrip()) if piece.strip() else end


def _named(tokenizer: Any) -> str:
    return f"the tokenizer {getattr(tokenizer, 'name_or_path', '') or type(tokenizer).__name__}"
