"""Where the comments of JavaScript, C and Java are, and which of their lines begin in plain code.

A scanner by regular expressions that gives up rather than guess: a file in which a slash, a quote or a backslash could
be read in two ways is left alone. Choices, all ours:

- JavaScript: whether a slash divides or begins a regular expression is told from the token before it and, behind a
  closing parenthesis, from what stood before the opening one; behind a closing brace we give up. A `<` where an
  operand is expected is JSX (or an HTML comment): given up, since a comment among its children would be text.
- C: spliced lines, directives and their continuations are followed; given up on trigraphs, on raw strings (C++), and on
  a comment marker that is itself cut by a splice.
- Java: given up on Unicode escapes that stand for quotes, slashes, stars, backslashes or line ends, which Java reads
  before it looks for comments.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from training.comments.source import Unreadable

LINE_END = re.compile(r"[\n\r\u2028\u2029]")
"""What ends a line in JavaScript, inside a block comment too."""
_SPLICE = r"\\\r?\n"
_TOKENS = {
    "JavaScript": r"""
        (?P<space>[\s\ufeff]+)
      | (?P<line>//[^\n\r\u2028\u2029]*)
      | (?P<block>/\*(?:[^*]|\*(?!/))*\*/)
      | (?P<string>"(?:[^"\\\n\r]|\\(?:\r\n|[\s\S]))*" | '(?:[^'\\\n\r]|\\(?:\r\n|[\s\S]))*')
      | (?P<word>[\w$#\\\u200c\u200d]+)
      | (?P<other>=>|\+\+|--|\?\.(?!\d)|\.\.\.|[\s\S])
    """,
    "C": rf"""
        (?P<space>(?:[ \t\f\v\r]|{_SPLICE})+)
      | (?P<newline>\n)
      | (?P<line>//(?:{_SPLICE}|[^\n])*)
      | (?P<block>/\*(?:[^*]|\*(?!/))*\*/)
      | (?P<string>"(?:[^"\\\n]|\\(?:\r\n|[\s\S]))*" | '(?:[^'\\\n]|\\(?:\r\n|[\s\S]))*')
      | (?P<word>\.?\d(?:'?[\w.]|[eEpP][+-])* | (?:[^\W\d]|\$)[\w$]*)
      | (?P<other>[\s\S])
    """,
    "Java": r"""
        (?P<space>\s+)
      | (?P<line>//[^\n\r]*)
      | (?P<block>/\*(?:[^*]|\*(?!/))*\*/)
      | (?P<text_block>\"{3}[ \t\f]*\r?\n(?:[^"\\]|\\[\s\S]|"(?!""))*\"{3})
      | (?P<string>"(?:[^"\\\n\r]|\\[^\n\r])*" | '(?:[^'\\\n\r]|\\[^\n\r])+')
      | (?P<word>[\w$]+)
      | (?P<other>[\s\S])
    """,
}
_PATTERNS = {name: re.compile(pattern, re.VERBOSE) for name, pattern in _TOKENS.items()}
SCANNED = tuple(_TOKENS)
"""Names of the languages that `scan` reads."""
_LINE = re.compile(rf"(?:{_SPLICE}|[^\n])*")
_REGEX = re.compile(r"/(?![*/])(?:[^/\\\[\n\r\u2028\u2029]|\\[^\n\r\u2028\u2029]|\[(?:[^\]\\\n\r]|\\[^\n\r])*\])+/[\w$]*")
_TEMPLATE = re.compile(r"(?:[^`\\$]|\\[\s\S]|\$(?!\{))*(`|\$\{)")
_BEFORE_OPERAND = frozenset(
    ("return", "typeof", "instanceof", "in", "of", "new", "delete", "void", "throw", "case", "do", "else", "yield", "await")
)
_BEFORE_CONDITION = frozenset(("if", "while", "for", "with"))
_TRAPS = {
    "JavaScript": (),
    "C": (
        (re.compile(r"\?\?/"), "the trigraph for a backslash"),
        (re.compile(r"[/*](?:\\[ \t]*\r?\n)+[ \t]*[/*]"), "a comment marker that may be cut by a backslash"),
        (re.compile(r"\\[ \t]+\r?\n"), "a backslash with space behind it at a line's end"),
        (re.compile(r"\b(?:u8|[uUL])?R\"[^\s()\\]{0,16}\("), "a raw string of C++"),
    ),
    "Java": (
        (
            re.compile(r"(?<!\\)(?:\\\\)*\\u+00(?:0[aAdD]|2[27aAfF]|5[cC])"),
            "a Unicode escape for a quote, a slash, a star, a backslash or a line end",
        ),
    ),
}


class Span(NamedTuple):
    """Part of a text."""

    start: int
    end: int
    kind: str
    """`line` or `block` for comments, `directive` for a whole preprocessor line, else `text`: no line inside begins in
    plain code."""


@dataclass
class _Scan:
    text: str
    language: str
    at: int = 0
    spans: list[Span] = field(default_factory=list)
    last: str = ""
    """Last token that is neither space nor comment."""
    before_last: str = ""
    parens: list[str] = field(default_factory=list)
    closed: str = ""
    """What stood before the parenthesis that the last `)` closed."""
    braces: list[bool] = field(default_factory=list)
    """For each open brace, whether it is a template's."""
    directive: int | None = None
    """Where the preprocessor line begins that we are in."""

    def fail(self, what: str) -> Unreadable:
        return Unreadable(f"{what}, line {self.text.count(chr(10), 0, self.at) + 1}")

    def take(self, end: int, kind: str) -> None:
        self.spans.append(Span(self.at, end, kind))
        self.at = end

    def token(self, text: str) -> None:
        if text == "await" and self.last == "for" and self.before_last not in (".", "?."):
            return  # `for await (`: what follows the parenthesis follows a `for`
        self.before_last, self.last = self.last, text


def scan(text: str, language: str) -> list[Span]:
    """Comments, and whatever else lines may begin inside of, in order; `language` is JavaScript, C or Java.

    Raises Unreadable for a text that could be read in two ways, or ends in the middle of something.
    """
    for trap, told in _TRAPS[language]:
        if found := trap.search(text):
            raise Unreadable(f"it has {told}, line {text.count(chr(10), 0, found.start()) + 1}")
    state = _Scan(text, language)
    if text.startswith("#!") and language == "JavaScript":
        state.at = len(text.split("\n", 1)[0])
    match = _PATTERNS[language].match
    while state.at < len(text):
        found = match(text, state.at)
        assert found and found.lastgroup  # the last alternative takes any character
        _step(state, found.lastgroup, found.group())
    if state.parens or state.braces:
        raise state.fail("a parenthesis or brace is not closed")
    return state.spans


def _step(state: _Scan, kind: str, text: str) -> None:
    end = state.at + len(text)
    if kind in ("line", "block"):
        state.take(end, kind)
    elif kind in ("string", "text_block"):
        state.take(end, "text")
        state.token('"')
    elif kind == "space":
        if "\\" in text:
            state.take(end, "text")
        state.at = end
    elif kind == "newline":
        _end_directive(state)
        state.at = end
    elif kind == "word":
        state.token(text)
        state.at = end
    else:
        _other(state, text)


def _other(state: _Scan, text: str) -> None:
    """A quote that closes nothing, or punctuation."""
    if text in "\"'":
        if state.directive is None:
            raise state.fail("a string or character is not closed")
        # `#error don't // stop`: to the preprocessor all that follows on the line is one token.
        rest = _LINE.match(state.text, state.at)
        assert rest
        state.take(rest.end(), "text")
        return
    if state.text.startswith("/*", state.at):
        raise state.fail("a comment is not closed")
    if state.language == "C":
        _c_punctuation(state, text)
    elif state.language == "JavaScript":
        _javascript_punctuation(state, text)
        return
    state.token(text)
    state.at += len(text)


def _c_punctuation(state: _Scan, text: str) -> None:
    if text == "#" and state.directive is None and _first_on_line(state):
        state.directive = state.at


def _first_on_line(state: _Scan) -> bool:
    """Whether nothing but space and comments is before, on this line."""
    start = state.text.rfind("\n", 0, state.at) + 1
    at = state.at
    for span in reversed(state.spans):
        if span.end <= start or state.text[span.end : at].strip():
            break
        if span.kind == "block":
            at, start = span.start, state.text.rfind("\n", 0, span.start) + 1
        elif span.kind == "text" and not state.text[span.start : span.end].strip("\\ \t\r\n\f\v"):
            at = span.start
        else:
            break
    return not state.text[start:at].strip()


def _end_directive(state: _Scan) -> None:
    if state.directive is not None:
        state.spans.append(Span(state.directive, state.at, "directive"))
        state.directive = None


def _operand_expected(state: _Scan) -> bool:
    """Whether what comes may begin an expression. Raises Unreadable where we cannot tell."""
    last = state.last
    if last == "}":
        raise state.fail("what stands behind a closing brace could be read in two ways")
    if last == ")":
        return state.closed in _BEFORE_CONDITION
    if last in ("]", '"', "`", "++", "--"):
        return False
    if re.match(r"[\w$#\\]", last):
        return last in _BEFORE_OPERAND and state.before_last not in (".", "?.")
    return True


def _javascript_punctuation(state: _Scan, text: str) -> None:
    if text == "`":
        state.at += 1
        _template(state, state.at - 1)
        return
    if text == "/" and _operand_expected(state):
        found = _REGEX.match(state.text, state.at)
        if not found:
            raise state.fail("a regular expression is not closed")
        state.take(found.end(), "text")
        state.token("]")  # an operand has ended
        return
    if text == "<" and (state.text.startswith("<!--", state.at) or _operand_expected(state)):
        raise state.fail("it has JSX or an HTML comment")
    if text == "--" and state.text.startswith("-->", state.at) and not _line_before(state).strip():
        raise state.fail("it has an HTML comment")
    _brackets(state, text)


def _line_before(state: _Scan) -> str:
    line = state.text[state.text.rfind("\n", 0, state.at) + 1 : state.at]
    return re.sub(r"/\*.*?\*/|.*\*/", "", line)


def _brackets(state: _Scan, text: str) -> None:
    if text == "(":
        state.parens.append("" if state.before_last in (".", "?.") else state.last)
    elif text == ")":
        if not state.parens:
            raise state.fail("a parenthesis closes nothing")
        state.closed = state.parens.pop()
    elif text == "{":
        state.braces.append(False)
    elif text == "}":
        if not state.braces:
            raise state.fail("a brace closes nothing")
        if state.braces.pop():
            state.at += 1
            _template(state, state.at - 1)
            return
    state.token(text)
    state.at += len(text)


def _template(state: _Scan, start: int) -> None:
    """A template's characters up to its end or to a `${`; `start` is where they begin, the delimiter included."""
    found = _TEMPLATE.match(state.text, state.at)
    if not found:
        raise state.fail("a template is not closed")
    state.at = start
    state.take(found.end(), "text")
    if found.group(1) == "`":
        state.token("`")
    else:
        state.braces.append(True)
        state.token("{")
