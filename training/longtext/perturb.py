"""Texts damaged in one way and to a known degree: whether each metric sees what it should, and nothing else.

    shuffle      a share of the sentences change places
    connectives  a share of the connectives are deleted
    pronouns     a share of the pronouns become names
    vocabulary   a share of the rarer words become the commonest word of the same length
    splice       every second piece is taken from another text; a piece has the share 1 - rate of the whole, and not less
                 than 1,000 characters

Expected: shuffling lowers the gain from context and the ties between sentences, deletions lower the connectives, names the
pronouns, a collapsed vocabulary the type-token ratio, splicing the gain from context. Each takes other metrics along a
little: words that are deleted shorten lines and make what is left a larger share of the words, and a model predicts what
was damaged less well. A synonym list is not at hand, so the collapse is by length, which is ours.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from interp.runs.errors import UserError
from training.longtext.lexicons import lexicon
from training.longtext.metrics import METRICS, Language, Scorer
from training.longtext.sentences import sentences

Kind = Literal["shuffle", "connectives", "pronouns", "vocabulary", "splice"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_NAMES = {"en": ("Ada", "Turing", "Noether", "Gauss"), "zh": ("李明", "王芳", "张伟", "刘洋")}
_COMMON = 200
"""Words, the commonest of a text, that a collapse leaves as they are."""
_LEAST_PIECE = 1_000


def perturb(text: str, kind: Kind, rate: float, *, language: Language = "en", other: str = "", seed: int = 0) -> str:
    """The text damaged; `rate` 0 leaves it as it is. `other` is what is spliced in.

    Raises UserError for an unknown kind, or a rate outside 0 to 1.
    """
    if kind not in KINDS or not 0 <= rate <= 1:
        raise UserError(f"'{kind}' at rate {rate} is refused; accepted are {', '.join(KINDS)}, at rates from 0 to 1")
    if rate == 0:
        return text
    generator = np.random.default_rng(seed)
    if kind == "shuffle":
        return _shuffled(text, rate, language, generator)
    if kind == "splice":
        return _spliced(text, other, rate)
    if kind == "vocabulary":
        return _collapsed(text, rate, language, generator)
    entries = lexicon(kind, language)
    names = _NAMES[language]

    def replaced(match: re.Match[str]) -> str:
        if generator.random() >= rate:
            return match[0]
        return str(names[generator.integers(len(names))]) if kind == "pronouns" else ""

    return _listed(entries, language).sub(replaced, text)


def curves(
    texts: Sequence[str],
    scorer: Scorer,
    *,
    language: Language = "en",
    kinds: Sequence[Kind] = KINDS,
    rates: Sequence[float] = (0.25, 0.5, 1.0),
    seed: int = 0,
) -> pd.DataFrame:
    """Every metric of every damaged text: a row each with text, kind, rate and the metrics, None where not computed.

    Each kind begins with rate 0, the texts as they are, which are scored once. A text is spliced with the next one.
    """
    texts = list(texts)
    whole = [found.metrics for found in scorer.score(texts, [language] * len(texts))]
    rows: list[dict[str, Any]] = []
    for kind in kinds:
        rows += [{"text": number, "kind": kind, "rate": 0.0, **metrics} for number, metrics in enumerate(whole)]
        for rate in rates:
            damaged = [
                perturb(text, kind, rate, language=language, other=texts[(number + 1) % len(texts)], seed=seed + number)
                for number, text in enumerate(texts)
            ]
            found = scorer.score(damaged, [language] * len(damaged))
            rows += [{"text": number, "kind": kind, "rate": rate, **one.metrics} for number, one in enumerate(found)]
    return pd.DataFrame(rows)


def changes(found: pd.DataFrame) -> list[dict[str, Any]]:
    """Mean of each metric by kind and rate, over its mean at rate 0 (for diff, less that mean: it may be near 0)."""
    rows = []
    for kind, group in found.groupby("kind", sort=False):
        means = group.groupby("rate")[list(METRICS)].mean(numeric_only=False).astype(float)
        for rate, values in means.iterrows():
            row: dict[str, Any] = {"kind": kind, "rate": rate}
            for name, start in means.iloc[0].items():
                after = values[name] - start if name == "coherence_diff" else values[name] / start
                row[str(name)] = None if np.isnan(after) else float(after)
            rows.append(row)
    return rows


def _listed(entries: Sequence[str], language: Language) -> re.Pattern[str]:
    """Any of the entries, longest first; whole words in English, with any white space between them."""
    spaced = (r"\s+".join(map(re.escape, entry.split())) for entry in sorted(entries, key=len, reverse=True))
    any_of = "|".join(spaced)
    return re.compile(rf"(?i)\b(?:{any_of})\b" if language == "en" else f"(?:{any_of})")


def _shuffled(text: str, rate: float, language: Language, generator: np.random.Generator) -> str:
    """Chosen sentences permuted among their places; what stands between sentences stays."""
    spans = sentences(text, language)
    chosen = np.flatnonzero(generator.random(len(spans)) < rate)
    source = np.arange(len(spans))
    source[chosen] = generator.permutation(chosen)
    ends = [start for start, _ in spans[1:]] + [len(text)]
    gaps = [text[end:start] for (_, end), start in zip(spans, ends, strict=True)]
    held = (text[slice(*spans[place])] + gap for place, gap in zip(source, gaps, strict=True))
    return text[: spans[0][0] if spans else 0] + "".join(held)


def _spliced(text: str, other: str, rate: float) -> str:
    """Pieces of the text and of the other one by turns, each at its own place."""
    piece = max(round(len(text) * (1 - rate)), _LEAST_PIECE)
    starts = range(0, len(text), piece)
    return "".join((other if number % 2 else text)[start : start + piece] for number, start in enumerate(starts))


def _collapsed(text: str, rate: float, language: Language, generator: np.random.Generator) -> str:
    pattern = re.compile(r"[A-Za-z]+" if language == "en" else r"[\u4e00-\u9fff]")
    ranked = [word for word, _ in Counter(pattern.findall(text)).most_common()]
    kept = dict.fromkeys(ranked[:_COMMON])
    by_length: dict[int, str] = defaultdict(lambda: ranked[0])
    for word in reversed(ranked[:_COMMON]):
        by_length[len(word)] = word
    gone = {word for word in ranked[_COMMON:] if generator.random() < rate and word not in kept}
    return pattern.sub(lambda match: by_length[len(match[0])] if match[0] in gone else match[0], text)
