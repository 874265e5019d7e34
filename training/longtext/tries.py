"""Compiled look-ups that the passes over a text share: one character among some, entries of a `Trie`."""

from __future__ import annotations

from numba import njit

_PLANE = 0x10000


@njit(cache=True, inline="always")
def advance(node, code, alphabet, step):
    """The node that a character leads to, 0 for none."""
    if code >= _PLANE:
        return 0
    return step[node, alphabet[code]]


@njit(cache=True)
def one_of(code, listed):
    """Whether a character is one of some."""
    for one in listed:  # noqa: SIM110 - compiled, where any() is slower
        if code == one:
            return True
    return False


@njit(cache=True)
def entry_at(codes, start, end, alphabet, step, ends):
    """Number of the entry that codes[start:end] is, -1 for none."""
    node = 0
    for place in range(start, end):
        node = advance(node, codes[place], alphabet, step)
        if node == 0:
            return -1
    return ends[node]
