"""The tokens of NLTKWordTokenizer (NLTK 3.10) in one pass over code points.

What its substitutions come to, for a sentence: white space ends a chunk. In a chunk, a character flagged APART is a token
wherever it stands, and so are `..` and longer, `--`, one or two backticks, a comma or colon that no digit follows (the
substitution eats the next character, so of two in a row the second stays), and the last full stop of a sentence. Between
them stand pieces: a piece is a token, apart from apostrophes (`'s`, `n't`, a quote before or behind) and six contractions
such as `cannot`. A chunk with apostrophes of any other kind is left to the caller, with what follows the last full stop
where it stands there: NLTK's rules for it depend on their order. So is one in which an apostrophe, comma or colon meets a
character that NLTK's two engines of regular expressions see differently.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from training.longtext.characters import APART, DIGIT, DISPUTED, SPACE, SPECIAL, WORD
from training.longtext.tries import entry_at, one_of

_MARK, _STOP, _QUOTE, _DASH, _TICK, _COMMA, _COLON, _BLANK = (np.uint32(ord(one)) for one in "'.\"-`,: ")
_CONTRACTIONS = np.array(
    [[ord(one) for one in word.ljust(6)] for word in ("cannot", "gimme", "gonna", "gotta", "lemme", "wanna")]
)
_CLITICS = np.array([[ord(one) for one in word.ljust(2)] for word in ("re", "ve", "ll", "m", "t", "s", "d", "n")])
_CLOSERS = np.array([ord(one) for one in "])}>\"'»”’ "], np.uint32)
_OPENERS = np.array([ord(one) for one in " ([{<"], np.uint32)
_TO_NLTK = -1


@njit(cache=True)
def count_words(low, sentences, flags, alphabet, step, ends, counts, hard):
    """Tokens of all sentences. Adds those listed to `counts`; writes chunks that NLTK must see to `hard`, not counted.

    Returns the tokens and the number of such chunks.
    """
    words = chunks = 0
    for number in range(len(sentences)):
        start, end = sentences[number]
        period, tail = _last_stop(low, start, end, flags)
        at = start
        while at < end:
            if flags[low[at]] & SPACE:
                at += 1
                continue
            begin = at
            while at < end and not flags[low[at]] & SPACE:
                at += 1
            if tail <= begin:
                at = end  # the rule of the last full stop reaches over chunks: they go to NLTK together or not at all
            marks, doubtful = _look(low, begin, at, flags)
            if doubtful or (marks and _walk(low, begin, at, period, flags, alphabet, step, ends, counts, False) == _TO_NLTK):
                hard[chunks, 0], hard[chunks, 1] = begin, at
                chunks += 1
            else:
                words += _walk(low, begin, at, period, flags, alphabet, step, ends, counts, True)
    return words, chunks


@njit(cache=True)
def _look(low, start, end, flags):
    """Whether there are apostrophes, and whether a rule must decide about a character on which engines differ."""
    marks = commas = disputed = False
    for at in range(max(start - 1, 0), min(end + 1, len(low))):
        disputed |= flags[low[at]] & DISPUTED != 0
        if start <= at < end:
            marks |= low[at] == _MARK
            commas |= low[at] == _COMMA or low[at] == _COLON
    return marks, disputed and (marks or commas)


@njit(cache=True)
def _marks(low, start, end):
    count = 0
    for at in range(start, end):
        count += low[at] == _MARK
    return count


@njit(cache=True)
def _last_stop(low, start, end, flags):
    """Place of the full stop that ends the sentence (-1 for none), and where the chunk that holds it begins.

    It stands behind something that is no full stop, and before nothing but closing marks and blanks.
    """
    at = end - 1
    while at > start and one_of(low[at], _CLOSERS):
        if low[at] == _QUOTE and one_of(low[at - 1], _OPENERS):
            return -1, end  # an opening quote
        at -= 1
    if low[at] != _STOP or at == start or low[at - 1] == _STOP:
        return -1, end
    tail = at
    while tail > start and not flags[low[tail - 1]] & SPACE:
        tail -= 1
    return at, tail


@njit(cache=True)
def _walk(low, start, end, period, flags, alphabet, step, ends, counts, counting):
    """Tokens of low[start:end], or _TO_NLTK."""
    words, piece, at, eaten = 0, start, start, -1
    while at < end:
        width = 0
        if flags[low[at]] & (APART | SPECIAL | SPACE):
            width = _width(low, at, end, period, flags, eaten)
        if width == 0:
            at += 1
            continue
        if piece < at:
            found = _piece(low, piece, at, flags, alphabet, step, ends, counts, counting)
            if found == _TO_NLTK:
                return _TO_NLTK
            words += found
        if low[at] == _COMMA or low[at] == _COLON:
            eaten = at + 1
        words += not flags[low[at]] & SPACE
        at += width
        piece = at
    if piece < end:
        found = _piece(low, piece, end, flags, alphabet, step, ends, counts, counting)
        return _TO_NLTK if found == _TO_NLTK else words + found
    return words


@njit(cache=True)
def _width(low, at, end, period, flags, eaten):
    """Characters of the token that begins at `at` and stands apart; 0 if the character belongs to a piece."""
    code = low[at]
    if flags[code] & (APART | SPACE):
        return 1
    following = low[at + 1] if at + 1 < end else _BLANK
    if code == _STOP:
        if following != _STOP:
            return 1 if at == period else 0
        after = at + 1
        while after < end and low[after] == _STOP:
            after += 1
        return after - at
    if code == _DASH:
        return 2 if following == _DASH else 0
    if code == _TICK:
        return 2 if following == _TICK else 1
    return 0 if at == eaten or flags[following] & DIGIT else 1


@njit(cache=True)
def _piece(low, start, end, flags, alphabet, step, ends, counts, counting):
    """Tokens of a piece, or _TO_NLTK."""
    marks = _marks(low, start, end)
    if marks == 0 or end - start == 1:
        return _plain(low, start, end, flags, alphabet, step, ends, counts, counting)
    leads, trails = low[start] == _MARK, low[end - 1] == _MARK
    inner = marks - leads - trails
    if inner == 0 and end - start > 2:
        words = 0
        if trails:
            end, words = end - 1, 1
        if leads and flags[low[start + 1]] & WORD and not _clitic(low, start + 1, end, flags):
            start, words = start + 1, words + 1
        return words + _plain(low, start, end, flags, alphabet, step, ends, counts, counting)
    if inner == 1 and marks == 1:
        head = _head(low, start, end, flags)
        if head == _TO_NLTK:
            return _TO_NLTK
        return (head < end) + _plain(low, start, head, flags, alphabet, step, ends, counts, counting)
    return _TO_NLTK


@njit(cache=True)
def _head(low, start, end, flags):
    """Where the ending of a piece with one apostrophe inside (`'s`, `n't`) begins; `end` if it has none, or _TO_NLTK."""
    mark = start
    while low[mark] != _MARK:
        mark += 1
    following, width = low[mark + 1], end - mark - 1
    if width == 1 and low[mark - 1] == ord("n") and following == ord("t"):
        return mark - 1 if mark - 1 > start else end
    if not flags[low[mark - 1]] & WORD:
        return _TO_NLTK
    if width == 1 and (following == ord("s") or following == ord("m") or following == ord("d")):
        return mark
    if width == 2 and flags[low[end - 1]] & WORD and _clitic(low, mark + 1, end, flags):
        return mark
    if following == ord("y") or following == ord("n") or following == ord("t"):
        return _TO_NLTK  # d'ye, more'n, cannot'tis
    return end


@njit(cache=True)
def _clitic(low, start, end, flags):
    """Whether the word at `start` is one that NLTK takes for an ending."""
    after = start
    while after < end and flags[low[after]] & WORD:
        after += 1
    for clitic in _CLITICS:
        width = 2 if clitic[1] != _BLANK else 1
        if after - start == width and low[start] == clitic[0] and (width == 1 or low[start + 1] == clitic[1]):
            return True
    return False


@njit(cache=True)
def _plain(low, start, end, flags, alphabet, step, ends, counts, counting):
    """Tokens of a piece once its apostrophes are dealt with: one, and more where a word in it is a contraction."""
    words, begin, at = 0, start, start
    while at < end:
        if not flags[low[at]] & WORD:
            at += 1
            continue
        word = at
        while at < end and flags[low[at]] & WORD:
            at += 1
        if 5 <= at - word <= 6 and _contraction(low, word, at, at == end):
            if begin < word:
                words += _token(low, begin, word, alphabet, step, ends, counts, counting)
            words += _token(low, word, word + 3, alphabet, step, ends, counts, counting)
            words += _token(low, word + 3, at, alphabet, step, ends, counts, counting)
            begin = at
    if begin < end:
        words += _token(low, begin, end, alphabet, step, ends, counts, counting)
    return words


@njit(cache=True)
def _contraction(low, start, end, last):
    """Whether a word is one that NLTK cuts behind its third letter; `wanna` only where nothing follows in the piece."""
    for number in range(len(_CONTRACTIONS)):
        word = _CONTRACTIONS[number]
        same = end - start == (6 if word[5] != _BLANK else 5)
        for place in range(end - start):
            same = same and low[start + place] == word[place]
        if same:
            return last or number != len(_CONTRACTIONS) - 1
    return False


@njit(cache=True)
def _token(low, start, end, alphabet, step, ends, counts, counting):
    """One token; counted if it is listed."""
    if counting:
        entry = entry_at(low, start, end, alphabet, step, ends)
        if entry >= 0:
            counts[entry] += 1
    return 1
