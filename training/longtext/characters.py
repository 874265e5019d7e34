"""Texts as arrays of code points, and what Python knows of each code point as one byte of flags.

The flags are those of Python's own string methods, so a compiled pass and a regular expression agree on every character.
"""

from __future__ import annotations

import functools
import unicodedata

import numpy as np
from jaxtyping import UInt16, UInt32

WORD, DIGIT, SPACE, LOWER, LETTER, NUMBER, APART, SPECIAL, DISPUTED = (np.uint16(1 << bit) for bit in range(9))
"""Bits: \\w; \\d; \\s; a lower-case letter; \\p{L}; \\p{N}; and for English words: a token wherever it stands; a token
depending on its neighbours; a character that may be \\w, \\d or \\s for one engine of regular expressions and not for
another, as NLTK uses two."""
_APART = '«“‘„»”’;@#$%&‒–—―?!*[](){}<>"'
_SPECIAL = ".,:-`"
_AGREED = ("Lu", "Ll", "Lt", "Lm", "Lo", "Nd", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "Zs", "Zl", "Zp")
_ASCII_DISPUTED = range(0x1C, 0x20)
_ASSIGNED = (range(0x32400), range(0xE0000, 0xE0200))
"""Beyond these no code point is a letter, number or space."""


def codes_of(text: str) -> UInt32[np.ndarray, " character"]:
    """The code points of a text."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def lowered(text: str) -> str:
    """`text` in lower case, one code point for one: the one letter that Python would lower to two loses its dot."""
    return text.replace("İ", "i").lower()


@functools.cache
def flags() -> UInt16[np.ndarray, " code"]:
    """Flags of every code point."""
    table = np.full(0x110000, DISPUTED, np.uint16)
    for code in (code for block in _ASSIGNED for code in block):
        character = chr(code)
        category = unicodedata.category(character)
        table[code] = (
            WORD * (character.isalnum() or character == "_")
            | DIGIT * character.isdecimal()
            | SPACE * character.isspace()
            | LOWER * character.islower()
            | LETTER * (category[0] == "L")
            | NUMBER * (category[0] == "N")
            | DISPUTED * (category not in _AGREED if code >= 0x80 else code in _ASCII_DISPUTED)
        )
    for characters, flag in ((_APART, APART), (_SPECIAL, SPECIAL)):
        table[[ord(character) for character in characters]] |= flag
    return table
