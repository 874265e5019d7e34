"""A stretch of text as HTML: escaped, with connectives, pronouns, repeats and weak boundaries marked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from apps.longtext_panels.reading import Reading
from training.longtext.cohesion import connective_spans, pronoun_spans
from training.longtext.sentences import Span

LAYERS = {"connectives": "conn", "pronouns": "pron", "repeats": "again", "boundaries": "seam"}
"""What can be marked, and its class."""
WEAK = 0.15
"""Boundaries that are marked: the weakest of a document, as a share."""
STYLE = """<style>
.lab-text {white-space: pre-wrap; overflow-wrap: anywhere; font-size: .88rem; line-height: 1.5; max-height: 30rem;
  overflow-y: auto; border: 1px solid rgba(128, 128, 128, .3); border-radius: .5rem; padding: .6rem .8rem}
.lab-text mark {background: none; color: inherit; border-radius: .2rem; padding: 0 .08rem}
.lab-text .conn, .lab-key .conn {background: rgba(0, 114, 178, .24)}
.lab-text .pron, .lab-key .pron {background: rgba(230, 159, 0, .32)}
.lab-text .again, .lab-key .again {box-shadow: inset 0 -.16em rgba(204, 121, 167, .85)}
.lab-text .seam, .lab-key .seam {color: #d1592a; font-weight: 700}
.lab-key {font-size: .8rem; opacity: .85}
.lab-key span {margin-right: .8rem; padding: 0 .2rem; border-radius: .2rem}
</style>"""


class Mark(NamedTuple):
    """Something to mark, in characters of the text."""

    start: int
    end: int
    kind: str
    """A class of `LAYERS`."""
    hint: str = ""


def marks_of(reading: Reading, span: Span, layers: Iterable[str]) -> list[Mark]:
    """What to mark between two places. Repeats give way to words, and words to each other in the order of `LAYERS`."""
    start, end = span
    piece, wanted = reading.text[start:end], set(layers)
    found: list[Mark] = []
    for layer, spans_of in (("connectives", connective_spans), ("pronouns", pronoun_spans)):
        if layer in wanted:
            spans = spans_of(piece, reading.language)  # type: ignore[arg-type]
            found += [Mark(start + first, start + last, LAYERS[layer], layer[:-1]) for first, last in spans]
    if "repeats" in wanted:
        inside = [(max(first, start), min(last, end)) for first, last in reading.repeats if first < end and last > start]
        found += [Mark(first, last, "again", "stands in this text more than once") for first, last in inside]
    return found


def weak_boundaries(reading: Reading) -> list[tuple[int, float]]:
    """Place and score of the boundaries whose ties are the weakest of the document, at least one."""
    ranked = sorted(reading.boundaries, key=lambda one: one["score"])
    return [(int(one["at"]), float(one["score"])) for one in ranked[: max(round(WEAK * len(ranked)), 1)]]


def text_html(reading: Reading, span: Span, layers: Sequence[str]) -> str:
    """The text between two places."""
    start, end = span
    kinds: list[list[Mark]] = [[] for _ in range(end - start)]
    for mark in marks_of(reading, span, layers):
        for place in range(mark.start - start, min(mark.end, end) - start):
            kinds[place].append(mark)
    seams = dict(weak_boundaries(reading)) if "boundaries" in layers else {}
    parts, at = [], start
    while at < end:
        here, last = kinds[at - start], at + 1
        while last < end and kinds[last - start] == here and last not in seams:
            last += 1
        parts.append(_seam(seams.get(at)) + _marked(reading.text[at:last], here))
        at = last
    return f'<div class="lab-text" tabindex="0">{"".join(parts)}</div>'


def _marked(text: str, marks: Sequence[Mark]) -> str:
    if not marks:
        return escape(text)
    kinds, hint = " ".join(dict.fromkeys(mark.kind for mark in marks)), marks[0].hint
    return f'<mark class="{kinds}" title="{escape(hint)}">{escape(text)}</mark>'


def _seam(score: float | None) -> str:
    return "" if score is None else f'<span class="seam" title="tie of this boundary: {score:.2f}">‖ </span>'


def key_html(layers: Sequence[str]) -> str:
    """What the marks mean."""
    told = {"repeats": "passages that repeat", "boundaries": "‖ weakest boundaries"}
    return '<div class="lab-key">' + "".join(
        f'<span class="{LAYERS[name]}">{told.get(name, name)}</span>' for name in layers
    ) + "</div>"  # fmt: skip
