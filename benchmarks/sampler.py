"""Draws a second of the cluster sampler, against weighted draws with replacement as PyTorch makes them.

The corpus is a list of cluster numbers, sizes falling as in Zipf's law; the budget is 1.5 draws a document, tau = 2 (at 2
or more every cluster is knocked out, whatever the rule). The peer gives every document the weight 1 / n_k and calls
`torch.multinomial` with replacement, which is what `WeightedRandomSampler` does: it balances clusters, but knows no
passes and no clip, and can be taken up nowhere but at its start.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.harness import arguments, publish, seconds_in_turn
from training.sampling.expected import expected
from training.sampling.sampler import ClusterSampler
from training.sampling.strategies import KINDS, Budget, Strategy

SEED = 1
CLIP, EPOCHS = 2.0, 1.5


class Size(NamedTuple):
    """How much is measured."""

    documents: int
    clusters: int
    repeats: int


def corpus(size: Size) -> np.ndarray:
    """Cluster of every document, in mixed order."""
    rng = np.random.default_rng(SEED)
    shares = 1 / np.arange(1, size.clusters + 1)
    numbers = rng.choice(size.clusters, size.documents - size.clusters, p=shares / shares.sum())
    return rng.permutation(np.concatenate([np.arange(size.clusters), numbers]))


def _budget(clusters: np.ndarray) -> Budget:
    return Budget(int(EPOCHS * len(clusters)))


def strategy_row(clusters: np.ndarray, kind: str, order: str, repeats: int) -> dict[str, Any]:
    """Rate of one strategy, and how its draws compare with the closed form."""
    strategy, budget = Strategy.named(kind, clip=CLIP, order=order), _budget(clusters)
    sampler = ClusterSampler(clusters, strategy, budget, seed=SEED)
    counts = np.zeros(len(clusters), np.int64)
    for block in sampler.blocks():
        counts += np.bincount(block, minlength=len(counts))
    foreseen = expected(np.bincount(clusters), strategy, budget)
    distance = np.abs(np.bincount(clusters, weights=counts) - foreseen.counts)
    (taken,) = seconds_in_turn(lambda: [len(block) for block in sampler.blocks()], repeats=repeats)
    return {
        "strategy": kind,
        "order": order,
        "draws_per_second": round(sampler.total / taken),
        "largest_deviation_over_root_of_expected": float((distance / np.sqrt(foreseen.counts)).max()),
        "clusters_clipped": len(foreseen.clipped),
        "most_repeats": int(counts.max()),
    }


def loader_rate(clusters: np.ndarray) -> float:
    """Documents a second through the iterator that a data loader uses, one Python integer each."""
    sampler = ClusterSampler(clusters, Strategy.named("clusterclip", clip=CLIP), _budget(clusters), seed=SEED)
    began = time.perf_counter()
    drawn = sum(1 for _ in sampler)
    return drawn / (time.perf_counter() - began)


def resume_seconds(clusters: np.ndarray) -> float:
    """Seconds from a state in the middle of the stream to the next draw."""
    sampler = ClusterSampler(clusters, Strategy.named("clusterclip", clip=CLIP), _budget(clusters), seed=SEED)
    sampler.seek(len(clusters))
    state = sampler.state_dict()
    fresh = ClusterSampler(clusters, Strategy.named("clusterclip", clip=CLIP), _budget(clusters), seed=SEED)
    began = time.perf_counter()
    fresh.load_state_dict(state)
    next(iter(fresh))
    return time.perf_counter() - began


def measure(size: Size) -> dict[str, Any]:
    """All figures."""
    clusters = corpus(size)
    uniform = ClusterSampler(clusters, Strategy.named("uniform"), Budget(size.documents), seed=SEED)
    weights = torch.from_numpy(1 / np.bincount(clusters)[clusters])
    generator = torch.Generator().manual_seed(SEED)
    ours, theirs = seconds_in_turn(
        lambda: [len(block) for block in uniform.blocks()],
        lambda: torch.multinomial(weights, size.documents, True, generator=generator),
        repeats=size.repeats,
    )
    rows = [strategy_row(clusters, kind, order, size.repeats) for kind in KINDS for order in ("iid", "round_robin")]
    return {
        **size._asdict(),
        "clusterclip_draws_per_second": next(row for row in rows if row["strategy"] == "clusterclip")["draws_per_second"],
        "least_draws_per_second": min(row["draws_per_second"] for row in rows),
        "times_torch_multinomial": theirs / ours,
        "loader_draws_per_second": loader_rate(clusters),
        "resume_seconds": resume_seconds(clusters),
        "strategies": rows,
        "target": {"clusterclip_draws_per_second": 1e6, "least_draws_per_second": 1e6},
        "note": (
            "Sizes fall as in Zipf's law, 1.5 draws a document, tau = 2, one core. The peer draws documents with weights "
            "1 / n_k with replacement (torch.multinomial), which knows neither passes nor a clip."
        ),
    }


def main() -> None:
    """Measure and write the result."""
    given = arguments(__doc__).parse_args()
    size = Size(20_000, 100, 2) if given.quick else Size(1_000_000, 2_000, 3)
    publish("sampler", measure(size), quick=given.quick, seed=SEED)


if __name__ == "__main__":
    main()
