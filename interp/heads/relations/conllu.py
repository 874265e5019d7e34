"""CoNLL-U files: gold dependency trees of the Universal Dependencies treebanks.

https://universaldependencies.org/format.html. The text is that of `# text`, or the forms joined as `SpaceAfter=No` says.
Words of a multi-word token (`1-2 don't`) have their own letters where their forms add up to the token (`do`, `n't`), and
share all of it otherwise (French `du` = `de le`). Empty nodes belong to the enhanced graph and are passed over.
Own code, since the `conllu` library neither finds words in the text nor says on which line a file is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from interp.heads.relations.dependencies import ParsedSentence, Word
from interp.heads.relations.document import Span
from interp.heads.relations.text_lines import Line, text_lines
from interp.runs.errors import UserError

_FIELDS = 10
_COMMENT = re.compile(r"#\s*(\w+)\s*=\s*(.*)")
_NUMBER = re.compile(r"[0-9]+")
_RANGE = re.compile(r"([0-9]+)-([0-9]+)")
_EMPTY_NODE = re.compile(r"[0-9]+\.[0-9]+")


class _Row(NamedTuple):
    place: str
    id: str
    form: str
    head: str
    label: str
    spaced: bool
    """A space follows."""


class _Token(NamedTuple):
    """What is written without a space, and the syntactic words in it."""

    row: _Row
    words: list[_Row]


def conllu_sentences(path: Path) -> Iterator[ParsedSentence]:
    """The sentences of a file, named `sent_id:line` (the file's name where there is no `sent_id`).

    Raises UserError for the first line that is wrong, and for a file that cannot be read.
    """
    for filled, group in groupby(text_lines(path), key=lambda line: bool(line.text.strip())):
        lines = list(group) if filled else []
        rows = [_row(line) for line in lines if not line.text.startswith("#")]
        if rows:
            comments = {match[1]: match[2] for line in lines if (match := _COMMENT.match(line.text))}
            name = f"{comments.get('sent_id', path.name)}:{lines[0].number}"
            yield _sentence(name, comments.get("text"), list(_tokens(rows)))


def _row(line: Line) -> _Row:
    fields = line.text.split("\t")
    if len(fields) != _FIELDS:
        raise UserError(f"{line.place}: found {len(fields)} tab-separated fields; CoNLL-U has {_FIELDS}")
    number, form, *_, head, label, _, misc = fields
    return _Row(line.place, number, form, head, label, "SpaceAfter=No" not in misc.split("|"))


def _tokens(rows: Sequence[_Row]) -> Iterator[_Token]:
    """Rows by the token in which they are written. Raises UserError if the ids do not count 1, 2, 3, ..."""
    covered = word = 0
    token: _Token
    for row in rows:
        if _EMPTY_NODE.fullmatch(row.id):
            continue
        if span := _RANGE.fullmatch(row.id):
            first, covered = map(int, span.groups())
            if first != word + 1 or covered < first:
                raise UserError(f"{row.place}: found the range {row.id}; expected one that begins with {word + 1}")
            token = _Token(row, [])
            yield token
            continue
        word += 1
        if row.id != str(word):
            raise UserError(f"{row.place}: found the word number '{row.id}'; expected {word}")
        if word > covered:
            yield _Token(row, [row])
        else:
            token.words.append(row)
    if word < covered:
        raise UserError(f"{rows[-1].place}: the sentence ends with word {word}, inside the range {token.row.id}")


def _sentence(name: str, text: str | None, tokens: list[_Token]) -> ParsedSentence:
    written = _joined(tokens) if text is None else text
    rows = [row for token in tokens for row in token.words]
    spans = list(_spans(written, tokens))
    words = (Word(span, _governor(row, len(rows)), row.label) for row, span in zip(rows, spans, strict=True))
    return ParsedSentence(name, written, tuple(words))


def _joined(tokens: list[_Token]) -> str:
    return "".join(token.row.form + (" " if token.row.spaced else "") for token in tokens).rstrip()


def _governor(row: _Row, words: int) -> int | None:
    if not _NUMBER.fullmatch(row.head) or not 0 <= int(row.head) <= words:
        raise UserError(f"{row.place}: found the head '{row.head}'; accepted are 0 for a root, or a word of 1 .. {words}")
    return int(row.head) - 1 if int(row.head) else None


def _spans(text: str, tokens: list[_Token]) -> Iterator[Span]:
    """Where each word stands: tokens follow each other in the text with nothing but white space between."""
    end = 0
    for token in tokens:
        start = text.find(token.row.form, end)
        if start < 0 or text[end:start].strip():
            found = text[end:].strip()[:20]
            raise UserError(f"{token.row.place}: found '{token.row.form}' where '# text' goes on with '{found}'")
        end = start + len(token.row.form)
        yield from _word_spans(token, Span(start, end))


def _word_spans(token: _Token, whole: Span) -> Iterator[Span]:
    forms = [row.form for row in token.words]
    if "".join(forms) != token.row.form:
        yield from (whole for _ in forms)
        return
    start = whole.start
    for form in forms:
        yield Span(start, start + len(form))
        start += len(form)
