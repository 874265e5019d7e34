"""Embedders are read once, and anew once their folder is another."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.training.sampling.corpus import entries
from training.sampling.embed import loaded
from training.sampling.tfidf import TfidfEmbedder, fit_tfidf

TEXTS = [entry["text"] for entry in entries()]


def test_a_folder_that_was_made_anew_is_read_anew(tmp_path: Path) -> None:
    folder = tmp_path / "tfidf"
    fit_tfidf(TEXTS, width=3).save(folder)
    first = loaded(str(folder), "cpu")
    assert loaded(str(folder), "cpu") is first
    shutil.rmtree(folder)
    fit_tfidf(TEXTS[:20], width=3).save(folder)
    second = loaded(str(folder), "cpu")
    assert isinstance(second, TfidfEmbedder) and second.words == TfidfEmbedder.load(folder).words
    assert isinstance(first, TfidfEmbedder) and second.words != first.words
