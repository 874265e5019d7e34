"""Windows of tokens: whole, in order, none across two documents."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from interp.corpora.document import Document, split_of
from interp.corpora.windows import corpus, windows
from interp.runs.errors import UserError


def letters(text: str) -> list[int]:
    """One token a letter."""
    return [ord(letter) for letter in text]


def test_windows_follow_each_other_within_a_document() -> None:
    documents = [Document("a", "a", "abcdefgh"), Document("b", "b", "xy"), Document("c", "c", "ijklmnopq")]
    found = windows(documents, letters, length=3, count=10)
    assert ["".join(map(chr, row)) for row in found.tolist()] == ["abc", "def", "ijk", "lmn", "opq"]
    assert torch.equal(windows(documents, letters, length=3, count=2), found[:2])
    assert len(windows(documents, letters, length=3, count=10, per_document=1)) == 2
    assert windows([], letters, length=3, count=10).shape == (0, 3)


def test_a_file_is_split_by_its_pieces(tmp_path: Path) -> None:
    file = tmp_path / "book.txt"
    file.write_text("\n\n".join(f"Part {number} " + "word " * 900 for number in range(60)))
    parts = {split: list(corpus(str(file), split)) for split in ("train", "held-out")}
    assert len(parts["train"]) + len(parts["held-out"]) == 60
    assert 0 < len(parts["held-out"]) < 15
    assert all(split_of(document.source) == split for split, found in parts.items() for document in found)


def test_an_absent_file_is_refused() -> None:
    with pytest.raises(UserError, match="cannot be read"):
        next(corpus("/nowhere/absent.txt", "train"))
