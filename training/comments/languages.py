"""Programming languages: file name endings, the lexer of each, and how the four that we write comments in mark them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, NamedTuple

from interp.runs.errors import UserError

PYTHON = "Python"
NOTEBOOK = "Jupyter Notebook"
"""Its code cells count, as Python."""


class Language(NamedTuple):
    """One language."""

    name: str
    lexer: str
    """Alias of its lexer in Pygments."""
    suffixes: tuple[str, ...]
    opener: str = ""
    """What begins a comment that we write; empty where we write none."""
    closer: str = ""
    fence: str = ""
    """Its name behind the three backquotes of a Markdown block."""


_TABLE = (
    Language(PYTHON, "python", (".py", ".pyw", ".pyi"), "#", "", "python"),
    Language("JavaScript", "javascript", (".js", ".mjs", ".cjs", ".jsx"), "//", "", "javascript"),
    Language("C", "c", (".c", ".h"), "/*", "*/", "c"),
    Language("Java", "java", (".java",), "//", "", "java"),
    Language(NOTEBOOK, "python", (".ipynb",)),
    Language("C++", "cpp", (".cc", ".cpp", ".cxx", ".hpp", ".hh", ".hxx", ".cu", ".cuh")),
    Language("C#", "csharp", (".cs",)),
    Language("Cython", "cython", (".pyx", ".pxd", ".pxi")),
    Language("CSS", "css", (".css",)),
    Language("Fortran", "fortran", (".f90", ".f95", ".f03")),
    Language("Go", "go", (".go",)),
    Language("Julia", "julia", (".jl",)),
    Language("Kotlin", "kotlin", (".kt",)),
    Language("Lua", "lua", (".lua",)),
    Language("Perl", "perl", (".pl", ".pm")),
    Language("PHP", "php", (".php",)),
    Language("R", "splus", (".r",)),
    Language("Ruby", "ruby", (".rb",)),
    Language("Rust", "rust", (".rs",)),
    Language("Scala", "scala", (".scala",)),
    Language("Shell", "bash", (".sh", ".bash")),
    Language("SQL", "sql", (".sql",)),
    Language("Swift", "swift", (".swift",)),
    Language("TypeScript", "typescript", (".ts", ".tsx")),
)
LANGUAGES = {language.name: language for language in _TABLE}
"""By name."""
WRITTEN = tuple(language.name for language in _TABLE if language.opener)
"""Languages in which comments are written and stripped, the code provably unchanged."""
_BY_SUFFIX = {suffix: language for language in _TABLE for suffix in language.suffixes}


def language_of(path: Path) -> Language | None:
    """The language that a file's name says, None for a file that is no source in one of ours."""
    return _BY_SUFFIX.get(path.suffix.lower())


def written_language(path: Path, name: str = "") -> Language:
    """The language of a file to be commented: `name`, or what its ending says.

    Raises UserError where comments are not written in that language.
    """
    found = LANGUAGES.get(name) if name else language_of(path)
    if found is None or not found.opener:
        told = f"language '{name}'" if name else f"{path} is in {found.name if found else 'no language that we know'}"
        raise UserError(f"{told}; comments are written and stripped in {', '.join(WRITTEN)}")
    return found


@functools.cache
def lexer(alias: str) -> Any:
    """A Pygments lexer that leaves blank lines and the text's end as they are. Raises UserError without Pygments."""
    try:
        from pygments.lexers import get_lexer_by_name
    except ImportError:
        raise UserError("languages other than Python need Pygments: pip install 'interp-lab[data]'") from None
    return get_lexer_by_name(alias, stripnl=False, ensurenl=False)
