"""The kinds of dictionary that can be trained, by the name that the command line uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from interp.dictionaries.base import Dictionary
from interp.dictionaries.batchtopk import BatchTopK
from interp.dictionaries.jumprelu import JumpRelu, JumpReluDictionary
from interp.dictionaries.objective import Objective
from interp.dictionaries.relu import L1, ReluDictionary
from interp.dictionaries.topk import TopK, TopKDictionary
from interp.dictionaries.transcoder import JumpReluTranscoder


class Kind(NamedTuple):
    """How one kind is trained and stored."""

    dictionary: type[Dictionary]
    """The finished form."""
    objective: Callable[[int, float], Objective]
    """From active features a position and L1 weight, of which each kind takes what it needs."""
    transcodes: bool = False
    """Whether it reads what the MLPs read, and stands at the MLPs only."""


KINDS: dict[str, Kind] = {
    "topk": Kind(TopKDictionary, lambda k, _: TopK(k)),
    "l1": Kind(ReluDictionary, lambda _, l1: L1(l1)),
    "batchtopk": Kind(JumpReluDictionary, lambda k, _: BatchTopK(k)),
    "jumprelu": Kind(JumpReluDictionary, lambda k, _: JumpRelu(k)),
    "transcoder": Kind(JumpReluTranscoder, lambda k, _: BatchTopK(k), transcodes=True),
}
