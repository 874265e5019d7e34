"""Strategies compared: equal draws, paired seeds, parts that weigh what they say, and runs that are not trained twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from interp.runs.errors import UserError
from interp.runs.folder import read_manifest
from tests.training.sampling.corpus import write_corpus
from training.sampling.comparison import Comparison, against, clipped, compare, parts_of, tokens_read
from training.sampling.folder import SamplingRun
from training.sampling.prepare import Preparation, prepare
from training.sampling.strategy_training import StrategyJob, StrategyTraining
from training.sampling.token_corpus import HELD_OUT_EVERY, CorpusOptions, token_corpus

CORPUS = CorpusOptions(tokens=24, vocab=400)
SMALL = StrategyTraining(CORPUS, passes=2.0, batch=4, layers=1, d_model=32, heads=2)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> SamplingRun:
    folder = tmp_path_factory.mktemp("prepared")
    settings = Preparation(embedder="tfidf", clusters=4, map="pca", seed=2)
    prepare(str(write_corpus(folder / "corpus.jsonl")), folder / "run", settings, engine="inline")
    return SamplingRun.open(folder / "run")


def test_a_tenth_of_every_cluster_is_held_out_and_never_drawn(run: SamplingRun, tmp_path: Path) -> None:
    corpus = token_corpus(run, tmp_path, CORPUS)
    assert len(corpus.tokens) == run.sizes.sum()
    for cluster, size in enumerate(run.sizes):
        assert corpus.held_out[corpus.cluster == cluster].sum() == (size - 2) // HELD_OUT_EVERY + 1
    assert (corpus.sizes + np.bincount(corpus.cluster[corpus.held_out]) == run.sizes).all()
    job = StrategyJob(corpus, SMALL, Comparison(("uniform",)).chosen()[0], 0, torch.device("cpu"))
    assert not corpus.held_out[job.drawn].any() and len(job.drawn) == SMALL.budget(corpus).amount


def test_a_skewed_corpus_falls_off_by_rank_and_holds_out_as_much(run: SamplingRun, tmp_path: Path) -> None:
    even = token_corpus(run, tmp_path / "even", CORPUS)
    skewed = token_corpus(run, tmp_path / "skewed", replace(CORPUS, skew=2.0))
    allowed = np.ceil(even.sizes[0] / np.arange(1, len(even.sizes) + 1) ** 2)
    assert (skewed.sizes == np.minimum(even.sizes, allowed)).all() and skewed.sizes.sum() < even.sizes.sum()
    assert skewed.held_out.sum() == even.held_out.sum()
    with pytest.raises(UserError, match="take another folder"):
        token_corpus(run, tmp_path / "even", replace(CORPUS, skew=2.0))


def test_comparison_is_paired_and_taken_up_where_it_was_left(run: SamplingRun, tmp_path: Path) -> None:
    settings = Comparison(("random", "clusterclip"), clip=2.5, seeds=2, training=SMALL)
    table = compare(run, tmp_path, settings, device="cpu")
    assert len(table) == 2 * 2 * 6 and table.loss.between(0, 12).all()
    finished = read_manifest(tmp_path / "random_0")["finished"]
    again = compare(run, tmp_path, settings, device="cpu")
    pd.testing.assert_frame_equal(again, table)
    assert read_manifest(tmp_path / "random_0")["finished"] == finished
    found = against(table).set_index(["strategy", "part", "measure"])
    by_hand = table[table.part == "q1"].pivot(index="seed", columns="strategy", values="loss")
    difference = by_hand.clusterclip - by_hand.random
    row = found.loc[("clusterclip", "q1", "loss")]
    assert row["mean"] == pytest.approx(difference.mean())
    assert row.high - row["mean"] == pytest.approx(12.7062 * difference.std() / 2**0.5, rel=1e-4)  # t, one degree of freedom


def test_a_clip_that_allows_too_few_draws_is_refused(run: SamplingRun, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"clip 1 allows .* fewer than .* above 2, or going on at random$"):
        compare(run, tmp_path, Comparison(("clusterclip",), clip=1, seeds=1, training=SMALL), device="cpu")


def test_draws_go_on_at_random_where_that_is_asked_for(run: SamplingRun, tmp_path: Path) -> None:
    asked = Comparison(("random", "clusterclip"), clip=1, on_exhausted="random", seeds=1, training=SMALL)
    assert set(compare(run, tmp_path, asked, device="cpu").strategy) == {"random", "clusterclip"}
    assert read_manifest(tmp_path / "clusterclip_clip1_random_0")["config"]["on_exhausted"] == "random"
    corpus = token_corpus(run, tmp_path, CORPUS)
    assert clipped(corpus, asked) == {"random": 0, "clusterclip": 4}


def test_parts_are_means_over_quarters_clusters_and_documents() -> None:
    sizes = np.array([80, 40, 20, 10, 8, 4, 2, 1])
    parts = parts_of(sizes)
    loss = np.arange(8.0)
    assert [weights @ loss for weights in parts.values()] == pytest.approx(
        [6.5, 4.5, 2.5, 0.5, 3.5, (loss * sizes).sum() / 165]
    )


def test_clipped_clusters_are_counted_from_the_closed_form(run: SamplingRun, tmp_path: Path) -> None:
    corpus = token_corpus(run, tmp_path, CORPUS)
    training = replace(SMALL, passes=2.0)
    assert clipped(corpus, Comparison(("random", "uniform"), training=training)) == {"random": 0, "uniform": 0}
    all_but_the_largest = clipped(corpus, Comparison(("clusterclip",), clip=2.2, training=training))
    assert all_but_the_largest == {"clusterclip": 3}


def test_tokens_read_are_those_of_the_documents_drawn(run: SamplingRun, tmp_path: Path) -> None:
    """Random sampling reads every document as often as there are passes."""
    corpus = token_corpus(run, tmp_path, CORPUS)
    read = tokens_read(corpus, Comparison(("random", "uniform"), training=SMALL))
    draws, kept = SMALL.budget(corpus).amount, ~corpus.held_out
    assert read["random"] == pytest.approx(draws * corpus.lengths[kept].mean(), rel=1e-6, abs=1)
    assert corpus.lengths.max() <= 24 and read["uniform"] != read["random"]


def test_trained_runs_and_corpora_of_other_settings_are_refused(run: SamplingRun, tmp_path: Path) -> None:
    settings = Comparison(("random",), seeds=1, training=SMALL)
    compare(run, tmp_path, settings, device="cpu")
    with pytest.raises(UserError, match="other settings"):
        compare(run, tmp_path, replace(settings, training=replace(SMALL, passes=3.0)), device="cpu")
