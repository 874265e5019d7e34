"""One proposed comment: what the language's grammar makes of it, and whether it is worth keeping.

A generator may propose anything. Only text that is one comment, and stays one in every reading of the language, goes on;
reason codes say why the rest does not. Rules and figures are ours (the paper's are not known to us).
"""

from __future__ import annotations

import ast
import keyword
import re
import warnings
from dataclasses import dataclass
from typing import Literal, NamedTuple

from training.comments.languages import PYTHON, Language

Kind = Literal["comment", "docstring"]
_BREAK = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029\0]")
_ENCODING = re.compile(r"coding[:=]")
_DIRECTIVE = re.compile(
    r"^(?:type:|noqa\b|fmt:|isort:|pylint:|mypy:|pyright:|ruff:|nosec\b|pragma\b|yapf:|flake8\b|cython:|distutils:|!"
    r"|[#@]\s*\w|eslint\b|jshint\b|jslint\b|globals?\s|istanbul\b|c8\s|prettier-|ts-|@ts-|jsx\s"
    r"|NOLINT|fall-?\s?through|clang-format|lint\b|coverage:|region\b|endregion\b|sourceMappingURL)",
    re.IGNORECASE,
)
_BOILERPLATE = re.compile(
    r"as an ai|language model|i(?:'m| am) sorry|i cannot|i can't|here(?:'s| is) the|sure[,!]|certainly[,!]|your code here"
    r"|^(?:todo|fixme|xxx)\b[:\s.!]*(?:add|write|implement)?\s*(?:a |the )?"
    r"(?:comments?|docstring|here|this|code|me)?[\s.!]*$"
    r"|^(?:add|insert|write)\b.{0,24}\bcomments?\b.{0,40}\b(?:code|function|class|explain)",  # the request, said back
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Za-z][a-z]+|[A-Z]+(?![a-z])|\d+")
_NAME = re.compile(r"[A-Za-z_$][\w$]*")


@dataclass(frozen=True)
class RemarkRules:
    """What a single comment must be."""

    longest: int = 200
    """Characters."""
    shortest_words: int = 2
    restating: float = 0.8
    """Jaccard index with the names of the next line above which a comment only repeats it."""
    alphabetic: float = 0.3
    """Share of letters below which it is no language."""


class Remark(NamedTuple):
    """One comment, ready to be put before a line."""

    kind: Kind
    content: str

    def written(self, language: Language) -> str:
        """With its markers."""
        if self.kind == "docstring":
            return f'"""{self.content}"""'
        return " ".join(filter(None, (language.opener, self.content, language.closer)))


class Dropped(NamedTuple):
    """A proposal that was not taken."""

    line: int
    """Number from 0 of the line that it stood before."""
    text: str
    reason: str


def read_remark(proposal: str, language: Language, *, docstring: bool) -> Remark | str:
    """A proposed line as a comment, or the reason code for which it is none; docstrings only where `docstring` allows."""
    text = proposal.strip(" \t")
    if language.name == PYTHON and text.startswith('"""'):
        content = text[3:].removesuffix('"""').strip(" \t")
        # A quote or backslash at the wrong place would end the docstring or escape something.
        broken = '"' in content or "\\" in content or _BREAK.search(content)
        return "no_comment" if broken or not docstring or not text.endswith('"""', 3) else Remark("docstring", content)
    if not text.startswith(language.opener) or not text.endswith(language.closer):
        return "no_comment"
    content = text[len(language.opener) : len(text) - len(language.closer)].strip(" \t")
    return "unsafe" if _unsafe(content, language) else Remark("comment", content)


def _unsafe(content: str, language: Language) -> bool:
    """Whether a comment of this content could end early, go on in the next line, or mean something to the language."""
    if _BREAK.search(content):
        return True
    if language.name == PYTHON:
        return bool(_ENCODING.search(content))
    if language.name == "Java":
        return "\\u" in content
    return language.name == "C" and any(one in f"{content} " for one in ("*/", "/*", "\\", "??/"))


def objection(remark: Remark, next_line: str, language: Language, rules: RemarkRules) -> str | None:
    """The reason code for which a comment before `next_line` is not worth keeping, None if it is."""
    content = remark.content
    if len(content) > rules.longest:
        return "too_long"
    if _DIRECTIVE.search(content):
        return "directive"
    if _BOILERPLATE.search(content):
        return "boilerplate"
    letters = sum(letter.isalpha() for letter in content)
    if letters < rules.alphabetic * len(content) or len(content.split()) < rules.shortest_words:
        return "not_language"
    if _is_code(content, language):
        return "code_in_comment"
    return "restating" if restating(content, next_line) > rules.restating else None


def words(text: str) -> set[str]:
    """The parts of a text's words and names, in lower case: `getName` has `get` and `name`."""
    return {word.lower() for word in _WORD.findall(text)}


def restating(comment: str, line: str) -> float:
    """Jaccard index of the words of a comment and the parts of the names of a line; 0 if one of them has none."""
    said, named = words(comment), words(" ".join(_NAME.findall(line)))
    return len(said & named) / len(said | named) if said and named else 0.0


def _is_code(content: str, language: Language) -> bool:
    if language.name != PYTHON:
        return bool(re.search(r"[;{}]\s*$|^\s*[\w.]+\([^)]*\)\s*;?$|^[\w.\[\]]+\s*[-+*/|&]?=\s*\S", content))
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        first = content.split(maxsplit=1)[0].rstrip(":")
        return content.endswith(":") and keyword.iskeyword(first)
    plain = ast.Module, ast.Expr, ast.Name, ast.Load, ast.Tuple
    return not all(isinstance(node, plain) for node in ast.walk(tree))
