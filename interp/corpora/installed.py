"""Text that comes with Python and with the installed packages: help topics, docstrings, descriptions.

Four kinds take turns, each in the order of a hash of its names: Python's help topics, docstrings of the standard
library, the packages' descriptions (their READMEs), docstrings of the packages. Nothing is copied or imported: sources
are parsed, a file only when its turn comes. Two machines with the same packages read the same text; badges and other
markup at the start of a line are left out. The mix is our choice.
"""

from __future__ import annotations

import ast
import inspect
import re
import sysconfig
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from interp.corpora.document import Document, Split, rank, split_of

_LEFT_OUT = {"test", "tests", "testing", "idlelib", "turtledemo", "site-packages", "dist-packages", "__pycache__"}
_MARKUP = re.compile(r"\s*(<|!\[|\[!\[|\.\. |:\w+:)")
_SHORTEST = 200


class _Place(NamedTuple):
    """Where a document can be read."""

    source: str
    name: str
    read: Callable[[], str]


def installed_documents(split: Split) -> Iterator[Document]:
    """The documents of a split, at least 200 characters each."""
    kinds = [_topics(), _library(), _descriptions(), _package_modules()]
    queues = [iter(sorted((p for p in places if split_of(p.source) == split), key=_turn)) for places in kinds]
    while queues:
        for queue in list(queues):
            document = next(_long_enough(queue), None)
            if document is None:
                queues.remove(queue)
            else:
                yield document


def _turn(place: _Place) -> tuple[int, str]:
    return rank(place.name), place.name


def _long_enough(places: Iterator[_Place]) -> Iterator[Document]:
    for place in places:
        text = place.read()
        if len(text) >= _SHORTEST:
            yield Document(place.source, place.name, text)


def docstrings(code: str) -> str:
    """All docstrings of a module's source in their order, blank lines between; empty if it does not parse."""
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError):
        return ""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = [ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, documented)]
    return "\n\n".join(filter(None, found))


def prose(description: str) -> str:
    """A package's description without badges, pictures, HTML, directives and their options."""
    return "\n".join(line for line in description.splitlines() if not _MARKUP.match(line)).strip()


def _topics() -> list[_Place]:
    from pydoc_data.topics import topics

    return [_Place(f"topic/{name}", f"topic/{name}", partial(inspect.cleandoc, text)) for name, text in topics.items()]


def _library() -> list[_Place]:
    root = Path(sysconfig.get_path("stdlib"))
    files = [file.relative_to(root) for file in root.rglob("*.py")]
    return [_module(root, file, f"python/{file.parts[0]}", f"python/{file.as_posix()}") for file in files if _kept(file)]


def _descriptions() -> list[_Place]:
    return [_Place(name, f"{name}/description", partial(_description, dist)) for name, dist in _packages().items()]


def _package_modules() -> list[_Place]:
    found = []
    for name, distribution in _packages().items():
        root = Path(str(distribution.locate_file("")))
        files = [Path(file) for file in distribution.files or () if file.suffix == ".py"]
        found += [_module(root, file, name, f"{name}/{file.as_posix()}") for file in files if _kept(file)]
    return found


def _packages() -> dict[str, metadata.Distribution]:
    """Installed packages by name; the first of two copies is the one that would be imported."""
    found: dict[str, metadata.Distribution] = {}
    for distribution in metadata.distributions():
        found.setdefault(distribution.metadata["Name"] or "unnamed", distribution)
    return found


def _kept(file: Path) -> bool:
    """No tests, and nothing outside the root, where a package puts its scripts."""
    return not _LEFT_OUT & {*file.parts} and ".." not in file.parts


def _module(root: Path, file: Path, source: str, name: str) -> _Place:
    return _Place(source, name, lambda: docstrings(_content(root / file)))


def _content(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _description(distribution: metadata.Distribution) -> str:
    return prose(str(distribution.metadata.json.get("description", "")))
