"""Density: the worked example, each language's traps, licence headers, notebooks, corpora and what is skipped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from interp.runs.errors import UserError
from tests.interp.cli.calling import call
from training.comments.corpus import measure, source_files
from training.comments.density import count, density
from training.comments.languages import LANGUAGES
from training.comments.source import Unreadable
from training.comments.tables import summary

EXAMPLE = 'x = "# not a comment"  # one\ndef f(a):\n    """Say a."""\n    return a\n'
PYTHON = LANGUAGES["Python"]


def test_the_worked_example() -> None:
    assert len(EXAMPLE) == 69 and density(EXAMPLE, PYTHON) == pytest.approx(9 / 69)
    assert density(EXAMPLE, PYTHON, markers=True) == pytest.approx((5 + 12) / 69)
    assert density(EXAMPLE.replace("\n", "\r\n"), PYTHON) == density(EXAMPLE, PYTHON)


@pytest.mark.parametrize(
    ("name", "text", "characters"),
    [
        ("Python", "async def f():\n    '''ab'''\n", 2),
        ("Python", "class A:\n    if 1:\n        def f(self):\n            'ab'\n            'cd'\n", 2),
        ("Python", "f'''ab'''\nb'cd'\n'ef'\n", 0),
        ("Python", "#!/bin/sh # ab\n#: cd\n##\n", 4),
        ("Python", "# é\nx = 'ü'  # ö\n", 2),
        ("JavaScript", "r = /[/]\\/\\/ no/; // ab\ns = `// no ${1 /* cd */}`\n", 4),
        ("JavaScript", "#!/usr/bin/env node\nx = 'http://no' // ab", 2),
        ("JavaScript", "return <a href='//no'>{/* ab */}</a>\n", 2),
        ("C", '#define U "http://no" /* ab */\n#if 0\nno\n#endif\nint a; // cd \\\nef\n', 9),
        ("Java", 'String s = """\n  // no\n  """; /** ab\n * cd */\n', 8),
        ("TypeScript", "let a: string = '// no' // ab\n", 2),
        ("C++", 'auto s = R"(// no)"; // ab\n', 2),
        ("C#", 'var s = "// no"; /// ab\n', 2),
        ("Go", "package a\ns := `// no` // ab\n", 2),
        ("Rust", '/// ab\nlet s = "// no"; /* c /* d */ e */\n', 2 + 11),
        ("PHP", "<?php\n$s = '# no'; # ab\n// cd\n", 4),
        ("Ruby", "s = '# no' # ab\n=begin\ncd\n=end\n", 4),
        ("Shell", "#!/bin/sh\necho '# no' # ab\n", 2),
        ("Perl", "$s = '# no'; # ab\n", 2),
        ("Lua", "s = '-- no' -- ab\n--[[ cd ]]\n", 4),
        ("Julia", 's = "# no" # ab\n#= cd =#\n', 4),
        ("R", "s <- '# no' # ab\n", 2),
        ("SQL", "select '-- no' -- ab\n/* cd */\n", 4),
        ("CSS", "a { b: '/* no */' } /* ab */\n", 2),
        ("Cython", "cdef str s = '# no' # ab\n", 2),
        ("Fortran", "program a ! ab\nend\n", 2),
        ("Kotlin", 'val s = "// no" // ab', 2),
        ("Scala", 'val s = "// no" // ab\n', 2),
        ("Swift", 'let s = "// no" // ab\n', 2),
    ],
)
def test_comments_and_nothing_that_looks_like_them(name: str, text: str, characters: int) -> None:
    assert count(text, LANGUAGES[name]).comment == characters


@pytest.mark.parametrize(
    ("name", "text", "licence"),
    [
        ("Python", "#!/bin/sh\n# Copyright 2024 A\n# MIT\n\n# About\nx = 1\n", 19),
        ("Python", "# About\nx = 1\n# Copyright 2024 A\n", 0),
        ("C", "/* Copyright\n * A */\n#include <a>\n", 14),
        ("PHP", "<?php\n// SPDX-License-Identifier: MIT\necho 1;\n", 28),
        ("Go", "// About it\n\n// Licensed to A\npackage a\n", 13),
    ],
)
def test_licence_headers_are_known(name: str, text: str, licence: int) -> None:
    found = count(text, LANGUAGES[name])
    assert found.licence == licence and (found.density_without_licence < found.density) == (licence > 0)


def test_notebooks_count_their_python_cells() -> None:
    cells = [
        ("code", ["x = 1  # one\n", "%magic # no\n", "!ls # no"]),
        ("markdown", ["# no"]),
        ("code", ["%%bash\n", "# no"]),
    ]
    book = {"cells": [{"cell_type": kind, "source": text} for kind, text in cells], "metadata": {}, "nbformat": 4}
    found = count(json.dumps(book), LANGUAGES["Jupyter Notebook"])
    assert (found.comment, found.characters) == (3, len("x = 1  # one\n%magic # no\n!ls # no"))


@pytest.mark.parametrize(("kernel", "language"), [("R", "R"), (3, "3"), (["Python"], r"\['Python'\]")])
def test_notebooks_of_other_languages_are_no_python(kernel: object, language: str) -> None:
    book = {"cells": [], "metadata": {"kernelspec": {"language": kernel}}, "nbformat": 4}
    with pytest.raises(Unreadable, match=f"a notebook of the language {language}"):
        count(json.dumps(book), LANGUAGES["Jupyter Notebook"])


def test_questions_in_notebooks_are_no_lines_for_ipython() -> None:
    cell = ["x = 1  # why?\n", "'''So?'''\n", "print?\n", "# Is it?"]
    book = {"cells": [{"cell_type": "code", "source": cell}], "metadata": {}, "nbformat": 4}
    assert count(json.dumps(book), LANGUAGES["Jupyter Notebook"]).comment == len("why?Is it?")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "a.py").write_text(EXAMPLE)
    (folder / "b.c").write_text("/* Copyright A */\nint a;\n")
    (folder / "empty.py").write_text("")
    (folder / "binary.py").write_bytes(b"\x7fELF\x00\x01")
    (folder / "mixed.js").write_bytes("// é\n".encode() + b"// \xe9\n")
    (folder / "open.py").write_text("x = '''\n")
    (folder / "line.py").write_text("x = [" + "1, " * 50_000 + "]\n")
    with (folder / "huge.js").open("wb") as file:
        file.truncate(100_000_000)
    (folder / "__pycache__" / "c.py").write_text("# no\n")
    (folder / "notes.txt").write_text("# no\n")
    return folder


def test_a_corpus_is_counted_and_the_rest_is_listed(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "comments", "density", str(corpus), "--json")
    found = json.loads(out)
    assert code == 0 and found["files"] == 3
    assert found["density"] == pytest.approx((9 + 11) / (69 + 25))
    assert found["macro"] == pytest.approx((9 / 69 + 11 / 25) / 2)  # an empty file has no density
    assert found["by_language"]["C"]["density_without_licences"] == 0
    reasons = {Path(one["path"]).name: one["reason"] for one in found["skipped"]}
    told = {
        "binary.py": "zero bytes",
        "mixed.js": "not utf-8",
        "open.py": "parses",
        "line.py": "a line of over",
        "huge.js": "bytes, over",
    }
    assert reasons.keys() == told.keys() and all(text in reasons[name] for name, text in told.items())


def test_a_run_of_counting_goes_on(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from training.comments import corpus as module

    monkeypatch.setattr(module, "PART_FILES", 3)
    table = measure([corpus], tmp_path / "run", engine="inline")
    parts = sorted((tmp_path / "run" / "density").glob("*.parquet"))
    assert len(parts) == 3
    parts[1].unlink()
    assert measure([corpus], tmp_path / "run", engine="inline").equals(table)
    assert summary(table)["files"] == 3


def test_without_source_files_it_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "comments", "density", str(tmp_path))
    assert code == 2 and "has no source file" in err and err.count("\n") == 1
    with pytest.raises(UserError, match="no language that we know"):
        list(source_files([Path("README.md")]))
    (tmp_path / "bad.py").write_text("x = '''")
    code, out, _ = call(capsys, "comments", "density", str(tmp_path), "--json")
    assert code == 0 and json.loads(out)["density"] is None and json.loads(out)["skipped"]
