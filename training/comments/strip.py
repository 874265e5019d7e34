"""Comments taken out of a file, with the proof that the code is the same.

A comment with lines to itself goes with them; one behind code goes with the space before it; one between code leaves
space if its neighbours would touch. Kept are shebang and encoding lines, and docstrings that the code rests on: the whole
body of something, or not alone on their lines.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from training.comments.c_family import LINE_END
from training.comments.layout import Comment, Layout, layout
from training.comments.source import Source, Unreadable
from training.comments.unchanged import Cut, difference


class Stripped(NamedTuple):
    """A file without comments."""

    text: str
    removed: int
    """Comments and docstrings that were taken out."""


class _Edit(NamedTuple):
    start: int
    end: int
    instead: str


def strip(source: Source, *, docstrings: bool = True) -> Stripped:
    """`source` without comments and, for Python, without `docstrings`.

    Raises Unreadable if the text cannot be read in one way, or the proof fails.
    """
    found = layout(source)
    comments = [one for one in found.comments if docstrings or not one.docstring]
    text, at = [], 0
    for start, end, instead in (_edit(source, found, run) for run in _runs(source.text, comments)):
        text += [source.text[at:start], instead]
        at = end
    result = "".join([*text, source.text[at:]])
    cut = [Cut(one.start, one.end) for one in comments if one.docstring]
    if told := difference(source.text, result, source.language, cut_before=cut):
        raise Unreadable(f"its comments cannot be taken out: {told}")
    return Stripped(result, len(comments))


def _runs(text: str, comments: Sequence[Comment]) -> Iterator[list[Comment]]:
    """Comments with nothing but spaces between them are taken out together."""
    run: list[Comment] = []
    for comment in comments:
        if run and text[run[-1].end : comment.start].strip(" \t"):
            yield run
            run = []
        run.append(comment)
    if run:
        yield run


def _edit(source: Source, found: Layout, run: Sequence[Comment]) -> _Edit:
    text, start, end = source.text, run[0].start, run[-1].end
    starts = found.starts()
    first, last = bisect_right(starts, start) - 1, bisect_right(starts, end) - 1
    line_end = starts[last] + len(found.lines[last])
    before, behind = text[starts[first] : start], text[end:line_end]
    continued = first > 0 and _continues(found, first - 1)
    if not before.strip() and not behind.strip() and not continued:
        return _Edit(starts[first], line_end, "")
    if not behind.strip():
        ended = "\n" if continued and not behind else ""  # a backslash must not be the file's last character
        return _Edit(starts[first] + len(before.rstrip()), end + len(behind.rstrip("\r\n")), ended)
    ends_line = source.language.name == "JavaScript" and LINE_END.search(text, start, end)
    if ends_line:
        return _Edit(start, end, "\n")
    touching = bool(before) and not before[-1].isspace() and not behind[0].isspace()
    return _Edit(start, end, " " if touching else "")


def _continues(found: Layout, number: int) -> bool:
    """Whether a line ends in a backslash of the code, so that the line below belongs to it."""
    line = found.lines[number].rstrip("\r\n")
    last = found.starts()[number] + len(line) - 1
    return line.endswith("\\") and not any(one.start <= last < one.end for one in found.comments)
