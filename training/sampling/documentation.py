"""Python's own documentation as a corpus: the docstrings of the standard library and the language reference's topics.

Every Python has it (PSF licence), it is unbalanced by nature, and it is what the shipped demo run is made of
(`interp sample documentation`). Topics are cut at their headings; a document is never cut shorter. The docstrings of the
installed packages make a larger corpus of the same kind, which is read where it is installed and never shipped.
"""

from __future__ import annotations

import ast
import json
import re
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from interp.runs.atomic import write_text
from interp.runs.errors import UserError

SHORTEST = 100
"""Characters below which a docstring says too little to be a document."""
_LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "testing", "idlelib", "lib2to3", "ensurepip", "pydoc_data"}
_HEADING = re.compile(r"(?m)^(?=[^\n ][^\n]*\n[=*\-~]{4,}$)")
_KINDS = {ast.Module: "module", ast.ClassDef: "class", ast.FunctionDef: "function", ast.AsyncFunctionDef: "function"}


class Document(NamedTuple):
    """One text and where it comes from."""

    id: str
    text: str
    source: str
    """The top-level module or package; `reference` for a topic of the language reference."""
    kind: str
    """module, class, function or topic."""


def documents(*, packages: bool = False) -> Iterator[Document]:
    """All of them: docstrings in the order of their files, then the topics; then docstrings of the installed packages."""
    yield from _below(Path(sysconfig.get_path("stdlib")))
    yield from _topics()
    if packages:
        yield from _below(Path(sysconfig.get_path("purelib")))


def write_documentation(out: Path, *, characters: int = 1_000_000, packages: bool = False, seed: int = 0) -> dict[str, int]:
    """Write at most `characters` of them to `out` as JSON lines, random ones in their own order; count what was written.

    Raises UserError where this Python comes without its standard library's sources.
    """
    found = list({document.id: document for document in documents(packages=packages)}.values())
    if not found:
        raise UserError(f"{sysconfig.get_path('stdlib')} holds no sources; accepted is a Python that comes with them")
    order = np.random.default_rng(seed).permutation(len(found))
    fits = np.cumsum([len(found[number].text) for number in order]) <= characters
    chosen = [found[number] for number in np.sort(order[fits])]
    write_text(out, "".join(json.dumps(document._asdict(), ensure_ascii=False) + "\n" for document in chosen))
    return {"documents": len(chosen), "characters": sum(len(document.text) for document in chosen)}


def _below(root: Path) -> Iterator[Document]:
    for path in sorted(root.rglob("*.py")):
        place = path.relative_to(root)
        if not _LEFT_OUT.intersection(place.parts) and not place.parts[0].startswith("config-"):
            yield from _docstrings(path, place)


def _docstrings(path: Path, place: Path) -> Iterator[Document]:
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError, RecursionError):
        return  # fixtures of broken sources
    module = ".".join(part for part in place.with_suffix("").parts if part != "__init__")
    for name, node in _named(tree, module):
        text = ast.get_docstring(node) or ""
        if len(text) >= SHORTEST:
            yield Document(name, text, module.split(".")[0], _KINDS[type(node)])


def _named(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, name: str
) -> Iterator[tuple[str, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    """The node and all definitions below it, with their qualified names."""
    yield name, node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _named(child, f"{name}.{child.name}")


def _topics() -> Iterator[Document]:
    from pydoc_data.topics import topics

    for topic, text in sorted(topics.items()):
        for number, section in enumerate(_HEADING.split(text)):
            if len(section.strip()) >= SHORTEST:
                yield Document(f"reference/{topic}/{number}", section.strip(), "reference", "topic")
