"""Comments for a file, line by line, its code unchanged by construction (after Song et al. 2024, arXiv 2402.13013, 3).

The paper's decoding rule is not known to us. Ours: a writer (a language model, or anything that proposes lines) is asked
before each line that may carry a comment. What it proposes goes through the language's grammar and the rules on single
comments; what passes is inserted on a line of its own, with the indentation of the line below; anything else is dropped
and the original line goes on. So nothing but comments can come in, and `training.comments.unchanged` proves it again.

Lines that are comments, or have one above, are left as they are.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple, Protocol

from training.comments.density import density
from training.comments.filters import FileRules, rejection
from training.comments.languages import PYTHON, Language
from training.comments.layout import Layout, layout
from training.comments.lexers import content, lexer_comments
from training.comments.python_comments import python_comments
from training.comments.remarks import Dropped, Remark, RemarkRules, objection, read_remark
from training.comments.source import Source, Unreadable, decode, with_line_feeds
from training.comments.unchanged import Cut, inserted_only


class Place(NamedTuple):
    """Where a comment may stand."""

    line: int
    """Number, from 0, of the line below."""
    blank: int
    """Blank lines above."""
    indent: str
    below: str
    """The line below, without its end."""
    docstring: bool
    """Whether a docstring may stand here too."""


class Proposal(NamedTuple):
    """A line that a writer proposes."""

    text: str
    complete: bool = True
    """Whether it came to an end by itself."""


class Writer(Protocol):
    """What proposes comments."""

    def begin(self, code: str, language: Language) -> float:
        """Read a task anew; return the probability that its answer is the end token alone."""

    def propose(self, place: Place) -> Proposal | None:
        """The line to stand before `place.below`, None to go on with that."""

    def write(self, line: str, blank: int) -> None:
        """Take a line, with so many blank lines above, into what was written so far."""


@dataclass(frozen=True)
class AnnotationRules:
    """How a file is commented, and what of it is kept; all defaults are ours."""

    most_end: float = 0.5
    """Probability of the end token from which a file is not worth comments (implicit filter)."""
    most_consecutive: int = 1
    """Comment lines in a row. The definition's bound is 5; ours asks once a place."""
    most_characters: int = 6_000
    """Longest piece that a writer reads at once; longer files are read piece by piece."""
    remark: RemarkRules = field(default_factory=RemarkRules)
    file: FileRules = field(default_factory=FileRules)


class Inserted(NamedTuple):
    """A comment that was written."""

    line: int
    """Number from 0 of the original line that it stands before."""
    text: str
    kind: str


@dataclass
class Annotated:
    """What became of a file."""

    accepted: bool = False
    reason: str | None = None
    """Why it was not accepted: low_value (implicit filter), unreadable, code_changed, or a code of the explicit filter."""
    detail: str | None = None
    p_end: float | None = None
    """Probability of the end token at the beginning."""
    density_before: float | None = None
    density_after: float | None = None
    code: str = ""
    """With comments if accepted, otherwise the original."""
    candidate: str = ""
    """What the explicit filter judged."""
    inserted: list[Inserted] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    places: int = 0
    """Lines before which the writer was asked."""
    seconds: float = 0.0


def annotate(source: Source, writer: Writer, rules: AnnotationRules | None = None) -> Annotated:
    """Comment one file."""
    began, found = time.perf_counter(), Annotated(code=source.text)
    try:
        found.density_before = density(source.text, source.language)
        plan, commented = layout(source), comment_lines(source)
        _Session(source, plan, commented, writer, rules or AnnotationRules(), found).run()
    except Unreadable as error:
        found.reason, found.detail = "unreadable", str(error)
    found.seconds = time.perf_counter() - began
    return found


class _Session(NamedTuple):
    """One file on its way; what becomes of it is written down in `found`."""

    source: Source
    plan: Layout
    commented: frozenset[int]
    writer: Writer
    rules: AnnotationRules
    found: Annotated

    def run(self) -> None:
        for piece in _pieces(self.plan, self.rules.most_characters):
            code = "".join(self.plan.lines[piece.start : piece.stop])
            p_end = self.writer.begin(code, self.source.language)
            if self.found.p_end is None:
                self.found.p_end = p_end
                if p_end > self.rules.most_end:
                    self.found.reason = "low_value"
                    return
            self._write(piece)
        self._judge()

    def _write(self, piece: range) -> None:
        blank = 0
        for number in piece:
            line = self.plan.lines[number].rstrip("\r\n")
            if not line.strip():
                blank += 1
                continue
            place = Place(number, blank, _indent(line), line, number in self.plan.bodies)
            if self.plan.open[number] and not self._commented(number):
                place = self._comment(place)
            self.writer.write(line, place.blank)
            blank = 0

    def _comment(self, place: Place) -> Place:
        """Write comments at a place; return the place of the line below them."""
        self.found.places += 1
        for _ in range(self.rules.most_consecutive):
            remark = self._remark(place)
            if remark is None:
                break
            text = place.indent + remark.written(self.source.language)
            self.found.inserted.append(Inserted(place.line, text, remark.kind))
            self.writer.write(text, place.blank)
            place = place._replace(blank=0, docstring=False)
        return place

    def _remark(self, place: Place) -> Remark | None:
        """What the writer proposes, if it is a comment worth keeping; otherwise it is noted with the reason."""
        proposal = self.writer.propose(place)
        if proposal is None:
            return None
        remark = read_remark(proposal.text, self.source.language, docstring=place.docstring)
        reason = remark if isinstance(remark, str) else self._objection(remark, proposal, place)
        if isinstance(remark, Remark) and reason is None:
            return remark
        self.found.dropped.append(Dropped(place.line, proposal.text, str(reason)))
        return None

    def _objection(self, remark: Remark, proposal: Proposal, place: Place) -> str | None:
        language, text = self.source.language, remark.written(self.source.language)
        if not proposal.complete:
            return "too_long"
        if any(one.text.strip() == text for one in self.found.inserted):
            return "repeated"
        try:
            self.source.encoded(text)
        except UnicodeEncodeError:
            return "unsafe"
        return objection(remark, place.below, language, self.rules.remark)

    def _commented(self, number: int) -> bool:
        """Whether a line is a comment or stands under one."""
        return number in self.commented or number - 1 in self.commented

    def _judge(self) -> None:
        """Put the file together, prove it, and filter it."""
        source, found = self.source, self.found
        found.candidate, cuts = assembled(self.plan, found.inserted)
        told = inserted_only(source.text, found.candidate, cuts, source.language) or self._misread()
        if told:
            found.reason, found.detail = "code_changed", told
            return
        found.density_after = density(found.candidate, source.language)
        before, after = (source.text, found.density_before or 0.0), (found.candidate, found.density_after)
        found.reason = rejection(before, after, [content(one.text.strip()) for one in found.inserted], self.rules.file)
        if found.reason is None:
            found.accepted, found.code = True, found.candidate

    def _misread(self) -> str | None:
        """What is wrong if the commented file's bytes would be read as another text: a comment can name an encoding."""
        try:
            read = decode(self.source.encoded(self.found.candidate), self.source.language)
        except Unreadable as error:
            return f"the result cannot be read: {error}"
        return None if read == self.source._replace(text=self.found.candidate) else "the result has another encoding"


def comment_lines(source: Source) -> frozenset[int]:
    """Numbers from 0 of the lines that begin with or in a comment or docstring. Raises Unreadable."""
    code, language = with_line_feeds(source.text), source.language
    lexed = python_comments(code) if language.name == PYTHON else lexer_comments(code, language)
    starts = [0, *accumulate(len(line) + 1 for line in code.split("\n"))]
    found: set[int] = set()
    for one in lexed.comments:
        first, last = bisect_right(starts, one.start) - 1, bisect_right(starts, one.end) - 1
        behind_code = bool(code[starts[first] : one.start].strip())
        found.update(range(first + behind_code, last + 1))
    return frozenset(found)


def _pieces(plan: Layout, most: int) -> Iterator[range]:
    """Line numbers in pieces of at most so many characters, if lines that may carry a comment allow it.

    Cut is in the last half of a piece, before the last of the lines that are indented least.
    """
    first = 0
    while first < len(plan.lines):
        size, last = 0, first
        while last < len(plan.lines) and (size == 0 or size + len(plan.lines[last]) <= most):
            size += len(plan.lines[last])
            last += 1
        if last < len(plan.lines):
            places = [number for number in range(last, (first + last) // 2, -1) if plan.open[number]]
            last = min(places, key=lambda number: len(_indent(plan.lines[number])), default=last)
        yield range(first, last)
        first = last


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def assembled(plan: Layout, inserted: Sequence[Inserted]) -> tuple[str, list[Cut]]:
    """The text with comments on lines of their own, and where in it they are."""
    above: dict[int, list[str]] = {}
    for one in inserted:
        above.setdefault(one.line, []).append(one.text)
    usual = next((_end(line) for line in plan.lines if _end(line)), "\n")
    parts, cuts, at = [], [], 0
    for number, line in enumerate(plan.lines):
        for text in above.get(number, ()):
            parts.append(text + (_end(line) or usual))
            cuts.append(Cut(at, at + len(parts[-1])))
            at += len(parts[-1])
        parts.append(line)
        at += len(line)
    return "".join(parts), cuts


def _end(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]
