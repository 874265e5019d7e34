"""What a strategy does to a model: the decoder trained on the same corpus under each, with equal draws, seeds in pairs.

    <out>/                         the corpus as tokens (`training.sampling.token_corpus`)
    <out>/<strategy>[_clip<tau>][_random]_<seed>/     a run of the decoder (`training.sampling.strategy_training`)

A document is read as its first tokens, so equal draws are nearly equal tokens (`tokens_read` says how nearly); within a seed
all strategies begin from the same weights. After the paper in kind (arXiv 2402.14526); its models are thousands
of times as large, and shape, corpus and schedule are ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from interp.runs.device import resolve
from interp.runs.errors import UserError
from interp.runs.folder import Run, read_manifest
from interp.runs.loop import fit
from training.sampling.expected import expected
from training.sampling.lengths import mean_lengths
from training.sampling.strategies import Strategy
from training.sampling.strategy_training import StrategyJob, StrategyTraining
from training.sampling.token_corpus import TokenCorpus, token_corpus

if TYPE_CHECKING:
    from training.sampling.folder import SamplingRun


@dataclass(frozen=True)
class Comparison:
    """What is compared."""

    strategies: tuple[str, ...] = ("random", "uniform", "clusterclip", "general_to_specific")
    clip: float = 4.0
    """tau, of the strategies that have one; more than the passes, or not enough can be drawn without going on at random."""
    on_exhausted: str = "stop"
    """What comes when all clusters are knocked out, as `Strategy` has it."""
    seeds: int = 5
    training: StrategyTraining = field(default_factory=StrategyTraining)

    def chosen(self) -> list[Strategy]:
        """The strategies. Raises UserError for one that is not known."""
        return [Strategy.named(name, clip=self.clip, on_exhausted=self.on_exhausted) for name in self.strategies]


def compare(run: SamplingRun, out: Path, settings: Comparison = Comparison(), *, device: str = "auto") -> pd.DataFrame:
    """Train every strategy with every seed, or go on where that was left; return the rows of `measured`.

    Raises UserError for a strategy that is not known, a clip that does not allow enough draws, or fewer than 4 clusters.
    """
    chosen = settings.chosen()
    if (count := len(run.sizes)) < 4:
        raise UserError(f"{run.path} has {count} clusters; accepted are 4 or more, as results are told by quarters of them")
    corpus = token_corpus(run, out, settings.training.corpus)
    for seed in range(settings.seeds):
        for strategy in chosen:
            _train(corpus, settings.training, strategy, seed, _place(out, strategy, seed), device)
    return measured(out, corpus, settings)


def _place(out: Path, strategy: Strategy, seed: int) -> Path:
    """A folder of its own for every clip, and for what comes after it: a sweep may share the rest."""
    clip = f"_clip{strategy.clip:g}" if np.isfinite(strategy.clip) else ""
    then = "_random" if strategy.on_exhausted == "random" else ""
    return out / f"{strategy.kind}{clip}{then}_{seed}"


def _train(corpus: TokenCorpus, settings: StrategyTraining, strategy: Strategy, seed: int, out: Path, device: str) -> None:
    config = asdict(settings) | strategy.settings() | {"clip": f"{strategy.clip:g}"}  # JSON has no infinity
    if out.exists() and (found := read_manifest(out)).get("status") == "complete":
        if found["config"] != config or found["seed"] != seed:
            raise UserError(f"{out} was trained with other settings; take another folder")
        return
    folder = Run.open(out, config=config, seed=seed)
    job = StrategyJob(corpus, settings, strategy, seed, resolve(device))
    folder.finish(fit(job, folder, job.schedule))


def measured(out: Path, corpus: TokenCorpus, settings: Comparison) -> pd.DataFrame:
    """Losses of finished runs in nats a token, columns strategy, seed, part, loss, gap.

    Parts: `q1` (the quarter of the clusters that are rarest) to `q4` (commonest), `macro` (mean over clusters), `micro`
    (over documents as they lie). `gap` is the loss on held-out documents minus that on documents that could be drawn.
    """
    return pd.DataFrame(_rows(out, corpus, settings))


def _rows(out: Path, corpus: TokenCorpus, settings: Comparison) -> Iterator[dict[str, Any]]:
    parts = parts_of(corpus.sizes)
    for strategy in settings.chosen():
        for seed in range(settings.seeds):
            results = read_manifest(_place(out, strategy, seed))["results"]
            held_out, trained = np.array(results["held_out"]), np.array(results["trained"])
            for part, weights in parts.items():
                loss, gap = float(weights @ held_out), float(weights @ (held_out - trained))
                yield {"strategy": strategy.kind, "seed": seed, "part": part, "loss": loss, "gap": gap}


def parts_of(sizes: Int[np.ndarray, " cluster"]) -> dict[str, Float[np.ndarray, " cluster"]]:
    """Weights of the clusters in each part; they sum to one."""
    count = len(sizes)
    quarters = np.array_split(np.argsort(sizes, kind="stable"), 4)
    parts = {f"q{number}": np.isin(np.arange(count), members) / len(members) for number, members in enumerate(quarters, 1)}
    return parts | {"macro": np.full(count, 1 / count), "micro": sizes / sizes.sum()}


def against(table: pd.DataFrame, baseline: str = "random") -> pd.DataFrame:
    """Each strategy's loss and gap minus the baseline's of the same seed: mean over seeds and its 95 % t interval.

    Columns strategy, part, measure (`loss`, `gap`), mean, low, high, seeds.
    """
    from scipy.stats import t

    long = table.melt(["strategy", "seed", "part"], ["loss", "gap"], "measure")
    wide = long.pivot(index=["part", "measure", "seed"], columns="strategy", values="value")
    differences = wide.drop(columns=baseline).sub(wide[baseline], axis=0).stack().rename("difference")
    grouped = differences.groupby(["strategy", "part", "measure"])
    found = grouped.agg(mean="mean", deviation="std", seeds="count").reset_index()
    half = t.ppf(0.975, found.seeds - 1) * found.deviation / np.sqrt(found.seeds)
    return found.assign(low=found["mean"] - half, high=found["mean"] + half).drop(columns="deviation")


def clipped(corpus: TokenCorpus, settings: Comparison) -> dict[str, int]:
    """How many clusters each strategy is expected to knock out within the budget."""
    budget = settings.training.budget(corpus)
    return {one.kind: len(expected(corpus.sizes, one, budget).clipped) for one in settings.chosen()}


def tokens_read(corpus: TokenCorpus, settings: Comparison) -> dict[str, int]:
    """Tokens that each strategy is expected to read: those of short documents are fewer than a document's room."""
    of_cluster = mean_lengths(corpus.lengths, corpus.drawable, len(corpus.sizes))
    budget = settings.training.budget(corpus)
    return {one.kind: round(float(expected(corpus.sizes, one, budget).counts @ of_cluster)) for one in settings.chosen()}
