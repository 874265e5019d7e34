"""Instruction data for a generator of comments: code that people have commented, and the same code stripped by us.

The paper has its pairs written by GPT-4 for some 4,000 samples of ten languages; ours are the comments that authors wrote
themselves, in sources that every machine has: the standard library and the installed packages, Python, JavaScript, C and
Java. A pair is a piece of a file, a function or a class, as it was (the answer) and without its comments (the question).
Pieces of files that are not worth comments are answered with the end token alone; they are the implicit filter's
negatives. A question is worded in one of the templates of `training.comments.prompts`, drawn by a seed.

A line of the JSONL: instruction, input, output (both the code alone), text, answer (both as Markdown for training),
language, source (files of one package, held out together), name, kind (`commented` or `declined`), density.
"""

from __future__ import annotations

import ast
import functools
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from interp.corpora.document import rank
from interp.runs.atomic import replacing
from interp.runs.errors import UserError
from training.comments.corpus import default_folders, source_files
from training.comments.density import density
from training.comments.languages import PYTHON, WRITTEN, Language, language_of
from training.comments.low_value import low_value
from training.comments.prompts import TEMPLATES, fence, request
from training.comments.source import Source, Unreadable, lines_of, read_source
from training.comments.strip import strip

_PIECE_END = re.compile(r"^}[;,)]*\s*$")


@dataclass(frozen=True)
class InstructionOptions:
    """Which pieces are taken; all defaults are ours."""

    pairs: int = 2_000
    """Commented pieces."""
    declined: float = 0.2
    """Pieces answered with the end token, over all."""
    shortest: int = 200
    longest: int = 2_400
    """Characters of a piece without comments."""
    least_density: float = 0.05
    most_density: float = 0.6
    per_file: int = 4
    """Pieces of a file, at most."""
    seed: int = 0


def build(folders: Sequence[Path] | None, out: Path, options: InstructionOptions) -> dict[str, Any]:
    """Write instruction data to the JSONL file `out`; return how much there is of each kind and language.

    Raises UserError where the sources hold no commented code.
    """
    written = written_files(folders)
    commented = list(islice(commented_pieces(written, options), options.pairs))
    if not commented:
        raise UserError("the sources hold no commented code in Python, JavaScript, C or Java")
    count = round(len(commented) * options.declined / max(1 - options.declined, 1e-9))
    rows = commented + list(islice(_declined(written, options), count))
    generator = np.random.default_rng(options.seed)
    templates = generator.integers(len(TEMPLATES), size=len(rows))
    order = generator.permutation(len(rows))
    with replacing(out) as temporary, temporary.open("w", encoding="utf-8") as file:
        for number in order:
            file.write(json.dumps(_record(rows[number], int(templates[number])), ensure_ascii=False) + "\n")
    kinds, languages = (Counter(row[key] for row in rows) for key in ("kind", "language"))
    return {"out": str(out), "records": len(rows), "kinds": dict(kinds), "languages": dict(languages)}


def written_files(folders: Sequence[Path] | None) -> list[Path]:
    """Files in the four languages that comments are written in, in an order that mixes packages and is always the same.

    Without `folders` those of the standard library and the installed packages.
    """
    found = source_files(folders or default_folders())
    written = [path for path in found if (language := language_of(path)) and language.name in WRITTEN]
    return sorted(written, key=lambda path: rank(_name(path)))


def _record(row: dict[str, Any], template: int) -> dict[str, Any]:
    language: Language = row["of"]
    answer = f"{fence(language)}\n{row['output'].rstrip()}\n```" if row["output"] else ""
    told = {
        "instruction": TEMPLATES[template].format(language=language.name),
        "text": request(row["input"], language, template),
        "answer": answer,
    }
    return told | {key: value for key, value in row.items() if key != "of"}


def commented_pieces(files: Iterable[Path], options: InstructionOptions) -> Iterator[dict[str, Any]]:
    """Functions and classes that people have commented, file by file.

    Keys: input (the piece without its comments, as `strip` proves), output (the piece), density, of (the `Language`),
    language, name, source, kind.
    """
    for path, source in _readable(files):
        if not low_value(source.text):
            long_enough = (piece for piece in pieces(source) if len(piece) >= options.shortest)
            pairs = (_pair(source._replace(text=piece), options) for piece in long_enough)
            for pair in islice(filter(None, pairs), options.per_file):
                yield _about(path, source) | pair | {"kind": "commented"}


def _declined(files: Iterable[Path], options: InstructionOptions) -> Iterator[dict[str, Any]]:
    for path, source in _readable(files):
        if reason := low_value(source.text):
            code = source.text[: options.longest].rsplit("\n", 1)[0] if len(source.text) > options.longest else source.text
            if code.strip():
                yield _about(path, source) | {"input": code, "output": "", "kind": "declined", "reason": reason}


def _readable(files: Iterable[Path]) -> Iterator[tuple[Path, Source]]:
    for path in files:
        try:
            language = language_of(path)
            if language is not None:
                yield path, read_source(path, language)
        except Unreadable:
            continue


def _about(path: Path, source: Source) -> dict[str, Any]:
    name = _name(path)
    return {"of": source.language, "language": source.language.name, "name": name, "source": source_of(path)}


def source_of(path: Path) -> str:
    """What a file is held out with: its package, or its own name in a folder that is none of the default ones."""
    return _name(path).split("/")[0]


def _name(path: Path) -> str:
    """A file's path from its package on: the same on every machine."""
    roots = [root for root in _roots() if path.is_relative_to(root)]
    root = max(roots, key=lambda one: len(one.parts), default=path.parent)
    return path.relative_to(root).as_posix()


@functools.cache
def _roots() -> list[Path]:
    return default_folders()


def _pair(piece: Source, options: InstructionOptions) -> dict[str, Any] | None:
    """A piece without and with its comments, if it has enough of both."""
    try:
        share = density(piece.text, piece.language)
        if not options.least_density <= share <= options.most_density:
            return None
        bare = strip(piece).text
    except Unreadable:
        return None
    if not options.shortest <= len(bare) <= options.longest or bare == piece.text:
        return None
    return {"input": bare, "output": piece.text, "density": share}


def pieces(source: Source) -> Iterator[str]:
    """Functions and classes on the outermost level, with the comments above them, without indentation."""
    lines = lines_of(source.text.replace("\r\n", "\n"))
    if source.language.name != PYTHON:
        yield from _braced(lines)
        return
    try:
        body = ast.parse("".join(lines)).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)]) - 1
            while first and lines[first - 1].startswith("#"):
                first -= 1
            yield "".join(lines[first : node.end_lineno])


def _braced(lines: list[str]) -> Iterator[str]:
    """Runs of lines between two that hold nothing but an outermost closing brace."""
    run: list[str] = []
    for line in lines:
        run.append(line)
        if _PIECE_END.match(line):
            yield "".join(run).strip("\n") + "\n"
            run = []
