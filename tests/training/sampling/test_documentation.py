"""Python's documentation as a corpus: whole documents, one of each name, the same ones for the same seed."""

from __future__ import annotations

import argparse
import inspect
import json
from pathlib import Path

import pytest

from training.sampling.documentation import SHORTEST, Document, documents, write_documentation


@pytest.fixture(scope="module")
def found() -> dict[str, Document]:
    return {one.id: one for one in documents()}


def test_docstrings_are_those_that_python_shows(found: dict[str, Document]) -> None:
    method = found["argparse.ArgumentParser"]
    assert method.text == inspect.getdoc(argparse.ArgumentParser)
    assert (method.source, method.kind) == ("argparse", "class")


def test_topics_are_cut_at_headings_and_nothing_is_lost(found: dict[str, Document]) -> None:
    from pydoc_data.topics import topics

    parts = [one.text for name, one in found.items() if name.startswith("reference/lambda/")]
    assert parts and all(part in topics["lambda"] for part in parts)
    assert sum(one.kind == "topic" for one in found.values()) > len(topics) * 0.9
    assert all(len(one.text) >= SHORTEST for one in found.values())


def test_file_keeps_to_the_limit_and_to_the_seed(tmp_path: Path) -> None:
    told = write_documentation(tmp_path / "one.jsonl", characters=60_000, seed=3)
    write_documentation(tmp_path / "again.jsonl", characters=60_000, seed=3)
    write_documentation(tmp_path / "other.jsonl", characters=60_000, seed=4)
    rows = [json.loads(line) for line in (tmp_path / "one.jsonl").read_text().splitlines()]
    assert told == {"documents": len(rows), "characters": sum(len(row["text"]) for row in rows)}
    assert 40_000 < told["characters"] <= 60_000 and len({row["id"] for row in rows}) == len(rows)
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "again.jsonl").read_bytes()
    assert (tmp_path / "one.jsonl").read_bytes() != (tmp_path / "other.jsonl").read_bytes()
