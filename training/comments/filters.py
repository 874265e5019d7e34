"""The explicit filter: rules on a whole commented file, each with a reason code (defaults ours).

code_changed   the proof that the code is unchanged fails
no_gain        density rises by less than 0.02
too_dense      density is above 0.8 (the upper bound of BigCode's filter)
length         more than three times the characters
repetition     one comment more than 3 times, or over 0.3 of the 4-grams of words repeated

Of what a writer proposes for a file, `training.comments.annotate` drops equal comments and those that ran into the limit
of their length, one by one and before this; the rule of 3 is for comments that come from elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FileRules:
    """What a commented file must be."""

    least_gain: float = 0.02
    most_dense: float = 0.8
    most_growth: float = 3.0
    most_repeats: int = 3
    most_repeated_grams: float = 0.3


def rejection(before: tuple[str, float], after: tuple[str, float], comments: Sequence[str], rules: FileRules) -> str | None:
    """The reason code for which a commented file is rejected, None if it is accepted.

    Args:
        before: the original text and its comment density.
        after: the commented text and its comment density.
        comments: what was written, markers left out.
    """
    if after[1] - before[1] < rules.least_gain:
        return "no_gain"
    if after[1] > rules.most_dense:
        return "too_dense"
    if len(after[0]) > rules.most_growth * len(before[0]):
        return "length"
    if comments and max(Counter(comments).values()) > rules.most_repeats:
        return "repetition"
    return "repetition" if repeated_grams(comments) > rules.most_repeated_grams else None


def repeated_grams(comments: Sequence[str], *, size: int = 4) -> float:
    """Share of the word n-grams of all comments that were there before; none goes over from one comment to the next."""
    grams = [
        tuple(words[at : at + size])
        for words in (comment.lower().split() for comment in comments)
        for at in range(len(words) - size + 1)
    ]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0
