"""Does ClusterClip beat random sampling at this scale? Four strategies, five seeds in pairs, and a sweep over the clip.

The corpus is Python's own documentation and that of the installed packages:

    interp sample documentation runs/documentation.jsonl --packages --characters 15000000
    interp sample prepare runs/documentation.jsonl --out runs/documentation --clusters 64

k-means makes clusters of such a corpus nearly alike (the Gini coefficient of their sizes is 0.18), so there is nothing to
balance. The clusters are therefore thinned out until their sizes fall as one over their rank.

Trained runs are kept in `runs/clusterclip` and taken up where they were left. The main clip exceeds the passes: at a clip of
2 and 3 passes every cluster is knocked out after twice its size. What the sweep has at clip 2 goes on at random from there:
then every document is seen as often as under random sampling, but in another order.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.harness import arguments, publish
from interp.runs.errors import UserError
from training.sampling.balance import balance
from training.sampling.comparison import Comparison, against, clipped, compare, tokens_read
from training.sampling.folder import SamplingRun
from training.sampling.strategy_training import StrategyTraining
from training.sampling.token_corpus import CorpusOptions, TokenCorpus, token_corpus

SWEEP, SWEEP_SEEDS = (6.0, 12.0), 3
"""Clips beside the main one; no clip at all is `uniform`."""
EXHAUSTED, CLIPPED = 2.0, ("clusterclip", "general_to_specific")
"""A clip that the passes exceed, and the strategies that have one; with as many seeds as the main one."""
SKEW = 1.0
"""Zipf's law over the clusters."""


def measure(run: SamplingRun, out: Path, main: Comparison, sweep: list[Comparison]) -> dict[str, Any]:
    """Mean losses, differences to random with their intervals, and how many clusters are knocked out."""
    table = compare(run, out, main)
    corpus = token_corpus(run, out, main.training.corpus)
    shape = balance(corpus.sizes)._asdict() | {"held_out": int(corpus.held_out.sum()), "clusters": len(corpus.sizes)}
    return {
        "corpus": shape,
        "draws": main.training.budget(corpus).amount,
        "tokens_a_document": main.training.corpus.tokens,
        "skew": main.training.corpus.skew,
        "clip": main.clip,
        "passes": main.training.passes,
        "seeds": main.seeds,
        "clipped": clipped(corpus, main),
        "tokens_read": tokens_read(corpus, main),
        "losses": _means(table),
        **_by_measure(against(table), "against_random"),
        **_by_measure(pd.concat([_swept(run, out, corpus, table, one) for one in sweep]), "sweep"),
    }


def _means(table: pd.DataFrame) -> list[dict[str, Any]]:
    return table.groupby(["strategy", "part"], as_index=False)[["loss", "gap"]].mean().to_dict("records")


def _swept(run: SamplingRun, out: Path, corpus: TokenCorpus, table: pd.DataFrame, asked: Comparison) -> pd.DataFrame:
    trained = compare(run, out, asked)
    random = table[(table.strategy == "random") & (table.seed < asked.seeds)]
    found = against(pd.concat([random, trained])).query("part in ['q1', 'macro', 'micro']")
    facts = {"clip": asked.clip, "on_exhausted": asked.on_exhausted, "clipped": found.strategy.map(clipped(corpus, asked))}
    return found.assign(**facts)


def _by_measure(found: pd.DataFrame, name: str) -> dict[str, Any]:
    """A list of rows each measure: together they are more than the README shows of a list."""
    groups = found.groupby("measure")
    return {f"{kind}_{name}": rows.drop(columns="measure").to_dict("records") for kind, rows in groups}


def main() -> None:
    """Train, measure and write the result."""
    parser = arguments(__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/documentation"), help="a run of `interp sample prepare`")
    given = parser.parse_args()
    try:
        run = SamplingRun.open(given.run)
    except UserError as error:
        print(f"nothing is measured: {error}", file=sys.stderr)
        return
    seeds = 2 if given.quick else 5
    corpus = CorpusOptions(tokens=32, vocab=512, skew=SKEW) if given.quick else CorpusOptions(skew=SKEW)
    training = StrategyTraining(corpus, layers=1, d_model=32, heads=2) if given.quick else StrategyTraining(corpus)
    fewer = min(SWEEP_SEEDS, seeds)
    sweep = [Comparison(("clusterclip",), clip, seeds=fewer, training=training) for clip in SWEEP]
    sweep.append(Comparison(CLIPPED, EXHAUSTED, "random", seeds, training))
    out = Path("runs") / ("clusterclip_quick" if given.quick else "clusterclip")
    result = measure(run, out, Comparison(seeds=seeds, training=training), sweep)
    publish("clusterclip", result, quick=given.quick, seed=0)


if __name__ == "__main__":
    main()
