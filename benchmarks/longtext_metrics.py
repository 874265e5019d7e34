"""The statistical metrics of long text, against the paper's formulas written plainly, one thread each.

The plain version is what the formulas say, step by step: sentences by a regular expression, each sentence's tokens by
NLTKWordTokenizer, a set of pronouns, one alternation of all connectives, lines split at line feeds, and the tokenizer's
ids of the whole document. Ours must give the same values. Documents are installed documentation joined to 32 kB and more,
which neither version has seen; a second reading of the same documents would flatter ours, which remembers pieces.
"""

from __future__ import annotations

import functools
import os
import re
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Tokenizer

from benchmarks.harness import arguments, publish
from interp.corpora.installed import installed_documents
from training.longtext.characters import lowered
from training.longtext.complexity import type_token_ratio
from training.longtext.lexicons import lexicon
from training.longtext.statistical import english
from training.longtext.tokens import DocumentTokens, load_tokenizer
from training.longtext.words import nltk_tokens

LONG = 32_768
_END = re.compile(r"""(?P<stop>[.!?…]+)["'”’»)\]}]*(?P<space>\s+)|(?P<blank>\s*\n\s*\n\s*)""")
_MARKS = "\"'”’»)]}"
Values = dict[str, float]


class Size(NamedTuple):
    """How much is measured."""

    documents: int
    warmup: int
    """Documents read before the clock starts: they compile, and fill what each version remembers."""


def long_documents(count: int) -> list[str]:
    """Installed texts, joined in their order until each has 32 kB."""
    found: list[str] = []
    held: list[str] = []
    for document in installed_documents("train"):
        held.append(document.text)
        if sum(map(len, held)) >= LONG:
            found.append("\n\n".join(held))
            held = []
        if len(found) == count:
            break
    return found


def plain_sentences(text: str) -> list[str]:
    """The sentences that `training.longtext.sentences` describes, by a regular expression."""
    found, start = [], 0
    for match in _END.finditer(text):
        after = text[match.end() : match.end() + 1]
        if (
            match["blank"]
            or match["space"].count("\n") > 1
            or (not after.islower() and not _abbreviated(text, start, match))
        ):
            found.append(text[start : match.start("blank") if match["blank"] else match.start("space")])
            start = match.end()
    return [sentence for sentence in map(str.strip, [*found, text[start:]]) if sentence]


def _abbreviated(text: str, start: int, match: re.Match[str]) -> bool:
    if match["stop"] != ".":
        return False
    word = re.search(r"[\w.]*\Z", lowered(text[max(start, match.start() - 40) : match.start()]))
    return word is not None and (len(word[0]) == 1 or word[0] in lexicon("abbreviations", "en"))


@functools.cache
def _connectives() -> re.Pattern[str]:
    listed = sorted(lexicon("connectives", "en"), key=len, reverse=True)
    spaced = "|".join(one.replace(" ", r"\s+") for one in listed)
    return re.compile(rf"(?<!\w)(?:{spaced})(?!\w)")


def plain(text: str) -> Values:
    """Pronouns, connectives and paragraphs as the formulas say."""
    tokens = [token for sentence in plain_sentences(text) for token in nltk_tokens(lowered(sentence))]
    pronouns = set(lexicon("pronouns", "en"))
    lines = [line for line in text.split("\n") if line.strip()]
    return {
        "cohesion_conn": len(_connectives().findall(lowered(text))) / len(tokens),
        "cohesion_pron": sum(token in pronouns for token in tokens) / len(tokens),
        "complexity_para": len(tokens) / len(lines),
    }


def plain_ratio(text: str, tokenizer: Tokenizer) -> float:
    """The type-token ratio as the formula says."""
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    return len(set(ids)) / len(ids)


def timed(texts: Sequence[str], *works: Callable[[str], object]) -> list[list[float]]:
    """Seconds of each work on each text, the works taken in turn so that a drift of the machine's speed hits all alike."""
    taken: list[list[float]] = [[] for _ in works]
    for text in texts:
        for work, times in zip(works, taken, strict=True):
            began = time.perf_counter()
            work(text)
            times.append(time.perf_counter() - began)
    return taken


def measure(texts: Sequence[str], size: Size) -> dict[str, Any]:
    """All figures. Raises AssertionError if the two versions differ."""
    tokenizer = load_tokenizer("smollm2-135m")
    documents = DocumentTokens(tokenizer)
    works: tuple[Callable[[str], object], ...] = (
        lambda text: english(text).values,
        lambda text: type_token_ratio(documents(text)),
        plain,
        lambda text: plain_ratio(text, tokenizer),
    )
    timed(texts[: size.warmup], *works)
    measured = texts[size.warmup :]
    ours, ratio, theirs, their_ratio = (np.array(times) for times in timed(measured, *works))
    gap = max(abs(plain(text)[name] - value) for text in measured for name, value in english(text).values.items())
    ratio_gap = max(abs(plain_ratio(text, tokenizer) - type_token_ratio(documents(text))) for text in measured)
    assert gap < 1e-12 and ratio_gap < 1e-12
    megabytes = sum(len(text.encode()) for text in measured) / 1e6
    return {
        "documents": len(measured),
        "megabytes": megabytes,
        "times_plain": theirs.sum() / ours.sum(),
        "times_plain_with_type_token_ratio": (theirs + their_ratio).sum() / (ours + ratio).sum(),
        "times_plain_type_token_ratio_alone": their_ratio.sum() / ratio.sum(),
        "least_times_plain_of_a_document": float((theirs / ours).min()),
        "megabytes_a_second": megabytes / ours.sum(),
        "megabytes_a_second_with_type_token_ratio": megabytes / (ours + ratio).sum(),
        "megabytes_a_second_plain": megabytes / theirs.sum(),
        "median_milliseconds_a_document": 1e3 * statistics.median(ours),
        "largest_difference": max(gap, ratio_gap),
        "target": {"times_plain": 5, "times_plain_with_type_token_ratio": 2.5},
        "note": (
            "English: pronouns, connectives, paragraphs; the type-token ratio with SmolLM2's tokenizer. Documents of "
            "installed documentation, 32 kB and more each, none read before; one thread each."
        ),
    }


def main() -> None:
    """Measure and write the result."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # ours encodes pieces in batches, which would take all cores
    given = arguments(__doc__).parse_args()
    size = Size(12, 4) if given.quick else Size(220, 20)
    publish("longtext_metrics", measure(long_documents(size.documents), size), quick=given.quick)


if __name__ == "__main__":
    main()
