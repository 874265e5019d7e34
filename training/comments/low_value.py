"""Code that is not worth comments: what a generator is taught to decline (which code the paper means is not known to us)."""

from __future__ import annotations

import re

_GENERATED = re.compile(
    r"(?:auto(?:matically)?[- ]?generated|generated (?:by|from|automatically)|do not edit|DO NOT MODIFY)", re.IGNORECASE
)
_DATA_LINE = re.compile(
    r"""^[\s()\[\]{},]*(?:(?:0x[\da-fA-F]++|[-+]?[\d.]++(?:[eE][-+]?\d++)?|[bru]?"[^"]*"|[bru]?'[^']*'|None|True|False|null|true|false)
    [\s:,()\[\]{}]*)+(?:\#.*|//.*)?$""",
    re.VERBOSE,
)
"""Numbers are possessive: digits that could be cut into numbers in many ways would be tried in all of them."""
NEAR_EMPTY = 3
"""Lines of code up to which a file has nothing to explain."""
DATA_SHARE = 0.6
"""Share of lines that are literals from which a file is data."""
LONGEST_LINE = 400
"""Mean characters of a line from which a file is minified."""


def low_value(code: str) -> str | None:
    """Why a file is not worth comments: near_empty, generated, minified or data; None if it may be."""
    lines = [line for line in code.splitlines() if line.strip()]
    if len(lines) <= NEAR_EMPTY:
        return "near_empty"
    if _GENERATED.search("\n".join(lines[:10])):
        return "generated"
    if sum(map(len, lines)) > LONGEST_LINE * len(lines):
        return "minified"
    data = sum(len(line) < LONGEST_LINE and bool(_DATA_LINE.match(line)) for line in lines)
    return "data" if data > DATA_SHARE * len(lines) else None
