"""One traced circuit against patching every edge of it, and how well direct contributions match direct patching.

Patching needs a forward pass for each (source, target) edge; 64 edges are batched, and the pass is the fused
transformer's own, the fastest there is. An edge counts if the source lies below the target where the target reads it,
since patching cannot know beforehand that it is small. Beside it: one batched ablation for each source (total effects on
the root alone), the time of single rows, and the rank correlation with path patching.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr

from benchmarks.harness import seconds, write_result
from interp.circuits.attribution import attribute
from interp.circuits.baselines import path_patching
from interp.circuits.decomposition import Decomposition, decompose
from interp.circuits.sources import Kind
from interp.circuits.targets import AttentionTarget, FeatureTarget, LogitTarget, Target
from interp.circuits.trace import Pruning, trace
from interp.dictionaries.sets import load_set
from interp.models.network import Network
from interp.othello.games import random_games, tokens
from interp.othello.notation import TOKEN_OF_SQUARE
from interp.othello.transformer import OthelloTransformer, load, load_shipped

BATCH = 64
MOVES = 59
SEED = 11


def prompt(game: int) -> tuple[torch.Tensor, int]:
    """Tokens of a held-out game up to its 59th move, and the token that follows."""
    games = random_games(1, seed=SEED, first=game, split="test")
    return torch.as_tensor(tokens(games.moves))[0, :MOVES], int(TOKEN_OF_SQUARE[games.moves[0, MOVES]])


def patching_seconds(model: OthelloTransformer, prompt_tokens: torch.Tensor) -> float:
    """One batch of 64 patched forward passes: what a site writes is edited at one position."""
    batch = prompt_tokens.expand(BATCH, -1)

    def patched() -> torch.Tensor:
        with torch.no_grad():
            return model.forward_edited(batch, {"L0M": lambda output: output * 0.5})

    return seconds(patched, repeats=5, warmup=1)


def random_targets(d: Decomposition, count: int, generator: np.random.Generator) -> list[Target]:
    """Logits, active features of every site, and attention scores, all reading far back."""
    active = (d.sources.kind == Kind.FEATURE).nonzero()[:, 0].numpy()
    late = active[d.sources.position[active].numpy() >= MOVES - 5]
    targets: list[Target] = [LogitTarget(int(generator.integers(60)), MOVES - 1) for _ in range(count // 4)]
    for source in generator.choice(late, count // 2):
        site = d.network.sites[int(d.sources.order[source]) - 1]
        targets.append(FeatureTarget(site, int(d.sources.index[source]), int(d.sources.position[source])))
    for _ in range(count // 4):
        layer, head, key = generator.integers(6), generator.integers(8), generator.integers(MOVES)
        targets.append(AttentionTarget(int(layer), int(head), MOVES - 1, int(key)))
    return targets


def row_seconds(d: Decomposition, targets: list[Target]) -> np.ndarray:
    """Wall-clock seconds of each row."""
    taken = []
    for target in targets:
        began = time.perf_counter()
        attribute(d, target)
        taken.append(time.perf_counter() - began)
    return np.array(taken)


def agreement(d: Decomposition, targets: list[Target], generator: np.random.Generator) -> list[float]:
    """Spearman correlation of direct contributions with path patching over 64 sources of each target's reads."""
    found = []
    for target in targets:
        contributions = attribute(d, target).contributions
        reads = contributions.nonzero()[:, 0]
        sample = reads[torch.as_tensor(generator.choice(len(reads), min(BATCH, len(reads)), replace=False))]
        patched = path_patching(d, target, sample)
        found.append(float(spearmanr(contributions[sample].numpy(), patched.numpy()).statistic))
    return found


def measure(model: OthelloTransformer, dictionaries: str) -> dict[str, object]:
    """All figures on one held-out game."""
    prompt_tokens, following = prompt(0)
    network, generator = Network.from_othello(model), np.random.default_rng(SEED)
    loaded = load_set(dictionaries)
    d, root = decompose(network, loaded, prompt_tokens), LogitTarget(following, MOVES - 1)
    everything = Pruning(nodes=1.0, edges=1.0, max_nodes=10**9)
    edges = len(trace(d, root, pruning=everything).edge_source)
    decomposing = seconds(lambda: decompose(network, loaded, prompt_tokens))
    tracing = seconds(lambda: trace(d, root))
    patching = patching_seconds(model, prompt_tokens)
    rows = row_seconds(d, random_targets(d, 200, generator))
    correlations = agreement(d, random_targets(d, 40, generator), generator)
    kept = trace(d, root)
    return {
        "moves": MOVES,
        "sources": len(d.sources.kind),
        "edges_attributed": edges,
        "nodes_kept": len(kept.nodes),
        "edges_kept": len(kept.edge_source),
        "decompose_seconds": decomposing,
        "trace_seconds": tracing,
        "patched_batch_seconds": patching,
        "patch_every_edge_ratio": edges / BATCH * patching / (decomposing + tracing),
        "patch_kept_edges_ratio": len(kept.edge_source) / BATCH * patching / (decomposing + tracing),
        "ablate_every_source_ratio": len(d.sources.kind) / BATCH * patching / (decomposing + tracing),
        "row_p50_seconds": float(np.quantile(rows, 0.5)),
        "row_p95_seconds": float(np.quantile(rows, 0.95)),
        "path_patching_spearman_median": float(np.nanmedian(correlations)),
        "path_patching_spearman_p10": float(np.nanquantile(correlations, 0.1)),
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="a transformer of `interp othello train`; default: the shipped one")
    parser.add_argument("--set", default="topk", help="a dictionary set's name or folder")
    given = parser.parse_args()
    model = load(given.model) if given.model else load_shipped()
    write_result("tracing", {"set": Path(given.set).name, **measure(model, given.set)}, seed=SEED)


if __name__ == "__main__":
    main()
