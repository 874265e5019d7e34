"""A language model's tokens of whole documents, for the type-token ratio: fast where the tokenizer splits as GPT-2's does.

Byte-level tokenizers cut a text into pieces by a regular expression and encode each piece by itself. A document repeats
its pieces, so one compiled pass finds the distinct ones and the tokenizer sees only those it has not seen before. Pieces
are told apart by a hash of 8 bytes. Other tokenizers, and texts with a special token or with characters newer than
Python's Unicode data, are encoded as they come.
"""

from __future__ import annotations

import functools
import json
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Int, Int32
from numba import njit

from interp.models.gguf import converted
from interp.models.registry import ALIASES, SHIPPED, shipped_path
from interp.runs.errors import UserError
from training.longtext.characters import LETTER, NUMBER, SPACE, codes_of, flags

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_REMEMBERED = 1 << 18
_BLANK, _MARK = np.uint32(ord(" ")), np.uint32(ord("'"))
_GPT2 = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
_ENDINGS = np.array([[ord(one) for one in word.ljust(2)] for word in ("s", "t", "re", "ve", "m", "ll", "d")], np.uint32)
_PRIME = np.uint64(0x9E3779B97F4A7C15)


def load_tokenizer(name: str) -> Tokenizer:
    """The tokenizer of a language model, without the model; a folder or a shipped name does not need transformers either.

    Raises UserError if there is none, or a folder has no `tokenizer.json`.
    """
    from tokenizers import Tokenizer

    shipped = ALIASES.get(name, name)
    folder = converted(shipped_path(shipped)) if shipped in SHIPPED else Path(name)
    if (folder / "tokenizer.json").exists():
        return whole(Tokenizer.from_file(str(folder / "tokenizer.json")))
    if folder.is_dir():
        raise UserError(f"{folder} has no tokenizer.json; accepted is a model's folder with one")
    return whole(_of_hub(name))


def _of_hub(name: str) -> Tokenizer:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(name).backend_tokenizer
    except (OSError, ValueError, AttributeError) as error:
        reason = (str(error).strip().splitlines() or ["nothing is said"])[0]
        raise UserError(f"'{name}' has no tokenizer that can be loaded: {reason}") from None


def whole(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer, so that it neither truncates nor pads, whatever was stored with it."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


class DocumentTokens:
    """Token ids of whole documents, without special tokens."""

    def __init__(self, backend: Tokenizer) -> None:
        self._backend = backend
        description = json.loads(self._backend.to_str())
        splitter = description["pre_tokenizer"] or {}
        self.fast = description["normalizer"] is None and _GPT2.items() <= splitter.items()
        """Whether pieces are found by the compiled pass."""
        self._special = [one["content"] for one in description["added_tokens"]]
        self._known: dict[str, np.ndarray] = {}

    def __call__(self, text: str) -> Int32[np.ndarray, " token"]:
        """All tokens in their order."""
        codes = codes_of(text)
        if not self.fast or any(special in text for special in self._special) or _unassigned()[codes].any():
            return np.array(self._backend.encode(text, add_special_tokens=False).ids, np.int32)
        places, numbers = _pieces(codes, flags(), _ENDINGS)
        return _concatenated(self._encoded([text[start:end] for start, end in places.tolist()]), numbers)

    def _encoded(self, pieces: list[str]) -> list[Int32[np.ndarray, " token"]]:
        known = self._known if len(self._known) < _REMEMBERED else {}
        missing = [piece for piece in pieces if piece not in known]
        for piece, found in zip(missing, self._backend.encode_batch_fast(missing, add_special_tokens=False), strict=True):
            known[piece] = np.array(found.ids, np.int32)
        self._known = known
        return [known[piece] for piece in pieces]


@functools.cache
def _unassigned() -> Bool[np.ndarray, " code"]:
    """Code points of which Python knows nothing, but a newer tokenizer may."""
    return np.fromiter((unicodedata.category(chr(code)) == "Cn" for code in range(0x110000)), bool, 0x110000)


def _concatenated(
    encoded: list[Int32[np.ndarray, " token"]], numbers: Int[np.ndarray, " piece"]
) -> Int32[np.ndarray, " token"]:
    """The tokens of the pieces with these numbers, one after the other."""
    if not encoded:
        return np.empty(0, np.int32)
    lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
    return _joined(np.concatenate(encoded), np.cumsum(lengths) - lengths, lengths, numbers)


@njit(cache=True)
def _joined(tokens, starts, lengths, numbers):
    found = np.empty(lengths[numbers].sum(), np.int32)
    at = 0
    for number in numbers:
        for token in range(starts[number], starts[number] + lengths[number]):
            found[at] = tokens[token]
            at += 1
    return found


@njit(cache=True)
def _pieces(codes, table, endings):
    """Places of the distinct pieces in the order in which they come, and the number of every piece of the text."""
    places, numbers = np.empty((1024, 2), np.int64), np.empty(len(codes), np.int64)
    slots, hashes = np.full(4096, -1), np.zeros(4096, np.uint64)
    distinct = count = start = 0
    while start < len(codes):
        end = _piece_end(codes, start, table, endings)
        key = _hash(codes, start, end)
        slot = key & np.uint64(len(slots) - 1)
        while slots[slot] >= 0 and hashes[slot] != key:
            slot = (slot + np.uint64(1)) & np.uint64(len(slots) - 1)
        if slots[slot] < 0:
            slots[slot], hashes[slot] = distinct, key
            places[distinct, 0], places[distinct, 1] = start, end
            distinct += 1
        numbers[count] = slots[slot]
        count, start = count + 1, end
        if distinct == len(places):
            places = np.concatenate((places, np.empty_like(places)))
            slots, hashes = _grown(slots, hashes)
    return places[:distinct], numbers[:count].copy()


@njit(cache=True)
def _grown(slots, hashes):
    """The same entries in tables of twice the size."""
    size = 2 * len(slots)
    more, keys = np.full(size, -1), np.zeros(size, np.uint64)
    for old in range(len(slots)):
        if slots[old] >= 0:
            slot = hashes[old] & np.uint64(size - 1)
            while more[slot] >= 0:
                slot = (slot + np.uint64(1)) & np.uint64(size - 1)
            more[slot], keys[slot] = slots[old], hashes[old]
    return more, keys


@njit(cache=True)
def _hash(codes, start, end):
    key = np.uint64(end - start)
    for at in range(start, end):
        key = (key ^ np.uint64(codes[at])) * _PRIME
        key ^= key >> np.uint64(29)
    return key


@njit(cache=True)
def _kind(code, table):
    """Letter, number, white space or something else; Python takes four control characters for white space, Unicode not."""
    flag = table[code]
    if flag & LETTER:
        return 1
    if flag & NUMBER:
        return 2
    return 3 if flag & SPACE and not 0x1C <= code <= 0x1F else 0


@njit(cache=True)
def _piece_end(codes, start, table, endings):
    """End of the piece by `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+`."""
    last = len(codes)
    if codes[start] == _MARK:
        for ending in endings:
            width = 1 if ending[1] == _BLANK else 2
            if start + width < last and codes[start + 1] == ending[0] and (width == 1 or codes[start + 2] == ending[1]):
                return start + width + 1
    at = start + 1 if codes[start] == _BLANK and start + 1 < last else start
    kind = _kind(codes[at], table)
    if kind == 3:
        at, kind = start, _kind(codes[start], table)
    end = at + 1
    while end < last and _kind(codes[end], table) == kind:
        end += 1
    if kind == 3 and end < last and end - start > 1:
        return end - 1
    return end
