"""The metrics that need no model, of one document, with what they were computed from."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from training.longtext.characters import codes_of, lowered
from training.longtext.cohesion import chinese_connectives, chinese_pronouns, coverage, english_connectives, rate
from training.longtext.complexity import Average, line_statistics, paragraph_length
from training.longtext.sentences import english_sentences, paragraphs
from training.longtext.words import chinese_words, english_words


class Paragraphs(NamedTuple):
    """What Complexity_para is taken of; all three are ours to choose, the paper does not say."""

    average: Average = "mean"
    unit: Literal["lines", "blocks"] = "lines"
    """Lines that are not blank, or what stands between blank lines: text that is wrapped has paragraphs of many lines."""
    chinese: Literal["characters", "words"] = "characters"
    """In what Chinese paragraphs are measured; words are jieba's."""


class Statistical(NamedTuple):
    """Values by metric, and their evidence, which can be written as JSON."""

    values: dict[str, float]
    evidence: dict[str, Any]


def english(text: str, options: Paragraphs = Paragraphs()) -> Statistical:  # noqa: B008 - immutable
    """Metrics of an English text. Raises ValueError for a text that is blank."""
    low, original = codes_of(lowered(text)), codes_of(text)
    counted = english_words(low, english_sentences(low, original))
    connectives, lines = english_connectives(low), line_statistics(original, "en")
    values = {
        "cohesion_conn": rate(connectives, counted.words),
        "cohesion_pron": rate(counted.pronouns, counted.words),
        "complexity_para": _english_paragraphs(text, counted.words, lines.lines, options),
    }
    return Statistical(
        values,
        {"words": counted.words, "pronouns": counted.pronouns, "connectives": connectives, "lines": lines._asdict()},
    )


def _english_paragraphs(text: str, words: int, lines: int, options: Paragraphs) -> float:
    """The mean shares the words of the whole text; for the median, each paragraph's words are counted by themselves."""
    if options.average == "mean":
        return words / (lines if options.unit == "lines" else len(paragraphs(text, options.unit)))
    pieces = [(codes_of(lowered(piece)), codes_of(piece)) for piece in paragraphs(text, options.unit)]
    return paragraph_length([english_words(low, english_sentences(low, own)).words for low, own in pieces], "median")


def chinese(text: str, options: Paragraphs = Paragraphs()) -> Statistical:  # noqa: B008 - immutable
    """Metrics of a Chinese text. Raises ValueError for a text that is blank."""
    codes = codes_of(text)
    pronouns, connectives, lines = chinese_pronouns(codes), chinese_connectives(codes), line_statistics(codes, "zh")
    pieces = paragraphs(text, options.unit)
    lengths = [len(chinese_words(piece)) if options.chinese == "words" else len(piece) for piece in pieces]
    values = {
        "cohesion_conn": coverage(connectives, len(text)),
        "cohesion_pron": coverage(pronouns, len(text)),
        "complexity_para": paragraph_length(lengths, options.average),
    }
    return Statistical(
        values, {"characters": len(text), "pronouns": pronouns, "connectives": connectives, "lines": lines._asdict()}
    )
