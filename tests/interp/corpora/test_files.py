"""Texts of the user's: cut into pieces, sources kept, mistakes told with their line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from interp.corpora.files import file_documents
from interp.runs.errors import UserError


def test_a_text_is_cut_at_blank_lines_and_nothing_is_lost(tmp_path: Path) -> None:
    paragraphs = [f"Paragraph {number}." + " word" * 300 for number in range(9)]
    file = tmp_path / "book.txt"
    file.write_text("\n\n".join(paragraphs))
    found = list(file_documents(file))
    assert len(found) > 2
    assert "\n\n".join(document.text for document in found) == "\n\n".join(paragraphs).strip()
    assert len({document.source for document in found}) == len(found)


def test_lines_of_one_source_stay_together(tmp_path: Path) -> None:
    file = tmp_path / "notes.jsonl"
    lines = [{"text": "one", "source": "a"}, {"text": "two", "source": "a"}, {"text": "three"}]
    file.write_text("\n".join(json.dumps(line) for line in lines) + "\n\n")
    found = list(file_documents(file))
    assert [document.text for document in found] == ["one", "two", "three"]
    assert [document.source for document in found] == ["a", "a", "notes.jsonl:3"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", b'{"text": "x"}\n{"txt": 1}\n', "line 2: expected an object with a string 'text'"),
        ("a.jsonl", b"[1]\n", "line 1"),
        ("a.jsonl", b"{\n", "line 1"),
        ("a.txt", b"\xff\xfe", "is not UTF-8 text"),
        ("a.pdf", b"x", "accepted are .txt, .jsonl files"),
        ("absent.txt", None, "cannot be read"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=says):
        list(file_documents(tmp_path / name))
