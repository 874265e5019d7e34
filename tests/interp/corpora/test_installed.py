"""The installed text: real, the same each time, and never a source in both splits."""

from __future__ import annotations

from itertools import islice

import pytest

from interp.corpora.document import split_of
from interp.corpora.installed import docstrings, installed_documents, prose


@pytest.fixture(scope="module")
def documents() -> dict[str, list]:
    """The first documents of both splits."""
    return {split: list(islice(installed_documents(split), 40)) for split in ("train", "held-out")}


def test_all_kinds_take_turns(documents: dict[str, list]) -> None:
    names = [document.name for document in documents["train"][:8]]
    assert [name.startswith("topic/") for name in names] == [True, False, False, False] * 2
    assert [name.startswith("python/") for name in names] == [False, True, False, False] * 2
    assert [name.endswith("/description") for name in names] == [False, False, True, False] * 2
    assert all(len(document.text) >= 200 for document in documents["train"])
    assert len({document.name for document in documents["train"]}) == 40


def test_the_order_is_the_same_again(documents: dict[str, list]) -> None:
    assert list(islice(installed_documents("train"), 40)) == documents["train"]


def test_sources_are_either_trained_on_or_held_out(documents: dict[str, list]) -> None:
    for split, found in documents.items():
        assert {split_of(document.source) for document in found} == {split}
    assert not {d.source for d in documents["train"]} & {d.source for d in documents["held-out"]}


def test_about_one_source_in_twelve_is_held_out() -> None:
    held_out = sum(split_of(f"source {number}") == "held-out" for number in range(6000))
    assert 400 < held_out < 600


def test_docstrings_in_their_order_and_nothing_else() -> None:
    code = '"""Module."""\nclass A:\n    """Class.\n\n    More.\n    """\n    def f(self):\n        "Method."\n        return "no"\n'
    assert docstrings(code) == "Module.\n\nClass.\n\nMore.\n\nMethod."
    assert docstrings("def f(:") == ""


def test_badges_and_directives_are_left_out() -> None:
    text = "# Name\n[![badge](x)](y)\n<img src='z'>\n.. image:: a\n   :target: b\nProse stays: with :words: inside."
    assert prose(text) == "# Name\nProse stays: with :words: inside."
