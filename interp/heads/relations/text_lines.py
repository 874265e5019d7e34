"""Lines of a UTF-8 file with their numbers, which is what a mistake in a data file is told by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from interp.runs.errors import UserError


class Line(NamedTuple):
    """One line without its end."""

    place: str
    """`file, line 7`: how a message begins that is about this line."""
    number: int
    text: str


def text_lines(path: Path) -> Iterator[Line]:
    """All lines. Only line feeds end a line (a carriage return before one goes too): texts may hold Unicode's others.

    Raises UserError for a file that cannot be read or is not UTF-8.
    """
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        number = error.object.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {number}: this is not UTF-8 text ({error.reason})") from None
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else [], start=1):
        yield Line(f"{path}, line {number}", number, line.removesuffix("\r"))
