"""Near-duplicates, found before clusters are balanced: a text in many copies is a cluster that balancing would draw more.

Two texts are near-duplicates if their sets of word triples have a Jaccard similarity of 0.8 or more, as estimated by
MinHash (datasketch); two without words, if they are the same but for space around them. Documents are read once, in
their order. One that is like a document kept before is its duplicate, any other is kept; nothing is compared with a
duplicate, so each really is like the one that stands for it. The paper has no such step; all choices are ours.

A kept document takes some 4 kB of memory: 128 hashes, and an entry in each of the index's bands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice

import numpy as np
from jaxtyping import Int

from interp.runs.errors import UserError

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")
"""A word, or one character of a script that leaves no space between words."""
_AT_ONCE = 4096
"""Shingles hashed at once: their permutations are a matrix."""


@dataclass(frozen=True)
class DuplicateOptions:
    """What counts as a near-duplicate."""

    threshold: float = 0.8
    """Least Jaccard similarity; 1 leaves copies that differ in case, punctuation and space alone."""
    shingle: int = 3
    """Words in a row that are compared; a text of fewer words is one shingle."""
    permutations: int = 128
    seed: int = 1


DEFAULT = DuplicateOptions()


def near_duplicates(texts: Iterable[str], options: DuplicateOptions = DEFAULT) -> Int[np.ndarray, " document"]:
    """For each text the number of the earlier one that it repeats, -1 where it is kept.

    Raises UserError for a threshold that is not above 0 and at most 1.
    """
    if not 0 < options.threshold <= 1:
        raise UserError(f"a similarity of {options.threshold} was given for near-duplicates; accepted is above 0, at most 1")
    exact: dict[bytes, int] = {}
    similar = _Similar(options) if options.threshold < 1 else None
    found = []
    for number, text in enumerate(texts):
        words = _WORD.findall(text.casefold())
        said = " ".join(words) or text.strip()
        key = blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        first = exact.get(key, -1)
        if first < 0 and similar and words:
            first = similar.find_or_keep(number, words)
        exact.setdefault(key, number if first < 0 else first)
        found.append(first)
    return np.array(found, dtype=np.int64)


class _Similar:
    """An index of the documents kept so far."""

    def __init__(self, options: DuplicateOptions) -> None:
        from datasketch import MinHash, MinHashLSH

        self._options = options
        self._blank = MinHash(num_perm=options.permutations, seed=options.seed)
        # A missed pair stays for good, a wrong candidate costs a comparison: so misses weigh nine times as much.
        banded_for = min(options.threshold, 0.95)  # nearer to 1 there would be a single band
        self._index = MinHashLSH(banded_for, num_perm=options.permutations, weights=(0.1, 0.9))
        self._hashes: dict[int, np.ndarray] = {}

    def find_or_keep(self, number: int, words: list[str]) -> int:
        """The most similar kept document, the first of equals; -1 if none is near enough, and then this one is kept."""
        signature = self._blank.copy()
        shingles = _shingles(words, self._options.shingle)
        while batch := list(islice(shingles, _AT_ONCE)):
            signature.update_batch(batch)
        candidates = sorted(self._index.query(signature))
        if candidates:
            theirs = np.stack([self._hashes[candidate] for candidate in candidates])
            similarity = (theirs == signature.hashvalues).mean(1)
            best = int(similarity.argmax())
            if similarity[best] >= self._options.threshold:
                return candidates[best]
        self._index.insert(number, signature, check_duplication=False)
        self._hashes[number] = signature.hashvalues.astype(np.uint32)  # hashes have 32 bits
        return -1


def _shingles(words: list[str], width: int) -> Iterator[bytes]:
    for first in range(max(len(words) - width + 1, 1)):
        yield " ".join(words[first : first + width]).encode("utf-8", "surrogatepass")
