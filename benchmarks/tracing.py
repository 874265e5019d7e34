"""One traced circuit against patching every edge of it, and how well direct contributions match direct patching.

Tracing attributes the root and every feature that it expands to all sources below, so the circuit it computes has one
exact weight for each (source, target) pair where the target reads the source: the *attributed* edges. Pruning comes
after and *keeps* the few that hold nearly all influence. Patching knows neither beforehand: the same circuit costs it
one forward pass for each attributed edge, and that is the ratio that the bar is about. Reported too: patching only the
kept edges, as if an oracle had named them, held to the same bar; and one ablation for each source, which gives total
effects on the root alone and no edges. 64 passes are batched, and a pass is the fused transformer's own, the fastest
there is.

The floors: the attributed edges' dot products as one `torch.mm`, over tracing; and for single rows reading once the
vectors that they contract, at the rate at which all vectors are summed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from benchmarks.harness import arguments, publish, seconds_in_turn
from interp.circuits.attribution import attribute
from interp.circuits.baselines import path_patching
from interp.circuits.decomposition import Decomposition, decompose
from interp.circuits.sources import Kind, SparseDictionary
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
EVERYTHING = Pruning(nodes=2.0, edges=2.0, max_nodes=10**9)
"""Expands as the default does and drops nothing; a share of one would drop what rounding hides in the total."""


@dataclass(frozen=True)
class Size:
    """How much is measured; the defaults are those of the committed result."""

    games: int = 5
    rows: int = 200
    """Single rows timed, over all games."""
    correlations: int = 40
    """Rows compared with path patching, over all games."""
    repeats: int = 7


@dataclass(frozen=True)
class Measured:
    """One game's figures."""

    counts: dict[str, int]
    """Sources, attributed edges, kept edges, kept nodes."""
    seconds: dict[str, float]
    """Decomposing, tracing, a batch of patched passes, and the floors."""
    rows: np.ndarray
    """Seconds of each row."""
    correlations: list[float]


def prompt(game: int) -> tuple[torch.Tensor, int]:
    """Tokens of a held-out game up to its 59th move, and the token that follows."""
    games = random_games(1, seed=SEED, first=game, split="test")
    return torch.as_tensor(tokens(games.moves))[0, :MOVES], int(TOKEN_OF_SQUARE[games.moves[0, MOVES]])


def patched_batch(model: OthelloTransformer, prompt_tokens: torch.Tensor) -> torch.Tensor:
    """One batch of 64 patched forward passes: what a site writes is edited at one position of each."""
    positions = torch.arange(BATCH) % prompt_tokens.shape[-1]

    def edit(output: torch.Tensor) -> torch.Tensor:
        output[torch.arange(BATCH), positions] *= 0.5
        return output

    with torch.no_grad():
        return model.forward_edited(prompt_tokens.expand(BATCH, -1), {"L0M": edit})


def random_targets(d: Decomposition, count: int, generator: np.random.Generator) -> list[Target]:
    """Logits, active features of every site, and attention scores, all reading far back."""
    active = (d.sources.kind == Kind.FEATURE).nonzero()[:, 0].numpy()
    late = active[d.sources.position[active].numpy() >= MOVES - 5]
    targets: list[Target] = [LogitTarget(int(generator.integers(60)), MOVES - 1) for _ in range(count // 4)]
    for source in generator.choice(late, count // 2):
        site = d.network.sites[int(d.sources.order[source]) - 1]
        targets.append(FeatureTarget(site, int(d.sources.index[source]), int(d.sources.position[source])))
    layers, heads = len(d.network.layers), len(d.network.layers[0].attention.W_Q)
    for _ in range(count // 4):
        layer, head, key = generator.integers(layers), generator.integers(heads), generator.integers(MOVES)
        targets.append(AttentionTarget(int(layer), int(head), MOVES - 1, int(key)))
    return targets


def time_rows(d: Decomposition, targets: list[Target]) -> tuple[np.ndarray, int]:
    """Wall-clock seconds of each row, and how many source vectors all of them contract."""
    taken, contracted = [], 0
    for target in targets:
        began = time.perf_counter()
        row = attribute(d, target)
        taken.append(time.perf_counter() - began)
        contracted += int(row.contributions.count_nonzero())
    return np.array(taken), contracted


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


def products_alone(d: Decomposition, edges: int) -> None:
    """As many dot products of vectors with sources as there are edges, as one product."""
    vectors = d.sources.vectors
    torch.mm(vectors[: max(1, round(edges / len(vectors)))], vectors.T)


def measure_game(model: OthelloTransformer, dictionaries: Mapping[str, SparseDictionary], game: int, size: Size) -> Measured:
    """All figures of one held-out game, the root being the logit of the move that follows."""
    prompt_tokens, following = prompt(game)
    network, generator = Network.from_othello(model), np.random.default_rng((SEED, game))
    d, root = decompose(network, dictionaries, prompt_tokens), LogitTarget(following, MOVES - 1)
    attributed, kept = len(trace(d, root, pruning=EVERYTHING).edge_source), trace(d, root)
    timed = seconds_in_turn(
        lambda: decompose(network, dictionaries, prompt_tokens),
        lambda: trace(d, root),
        lambda: patched_batch(model, prompt_tokens),
        lambda: products_alone(d, attributed),
        lambda: d.sources.vectors.sum(),
        repeats=size.repeats,
    )
    names = ("decompose", "trace", "patched_batch", "products", "reading")
    times = dict(zip(names, timed, strict=True))
    counts = {
        "sources": len(d.sources.kind),
        "attributed_edges": attributed,
        "kept_edges": len(kept.edge_source),
        "kept_nodes": len(kept.nodes),
    }
    rows, contracted = time_rows(d, random_targets(d, size.rows // size.games, generator))
    times["row_floor"] = times.pop("reading") / len(d.sources.vectors) * contracted / len(rows)
    correlations = agreement(d, random_targets(d, size.correlations // size.games, generator), generator)
    return Measured(counts, times, rows, correlations)


def measure(model: OthelloTransformer, dictionaries: Mapping[str, SparseDictionary], size: Size) -> dict[str, Any]:
    """Medians over the games."""
    games = [measure_game(model, dictionaries, game, size) for game in range(size.games)]

    def median(figure: Callable[[Measured], float]) -> float:
        return statistics.median(map(figure, games))

    def ratio(counted: str) -> float:
        return median(lambda game: times_patching(game, counted))

    rows = np.concatenate([game.rows for game in games])
    correlations = [value for game in games for value in game.correlations if not np.isnan(value)]
    return {
        "times_patching_attributed_edges": ratio("attributed_edges"),
        "times_patching_kept_edges": ratio("kept_edges"),
        "times_ablating_each_source": ratio("sources"),
        "row_p95_seconds": float(np.quantile(rows, 0.95)),
        "row_p50_seconds": float(np.quantile(rows, 0.5)),
        "spearman_with_path_patching_median": float(np.median(correlations)),
        "spearman_with_path_patching_p10": float(np.quantile(correlations, 0.1)),
        "decompose_seconds": median(lambda game: game.seconds["decompose"]),
        "trace_seconds": median(lambda game: game.seconds["trace"]),
        "patched_batch_of_64_seconds": median(lambda game: game.seconds["patched_batch"]),
        "share_of_mm": round(median(lambda game: game.seconds["products"] / game.seconds["trace"]), 3),
        "row_share_of_read_bandwidth": round(median(lambda game: game.seconds["row_floor"] / float(game.rows.mean())), 3),
        "counts": {name: round(statistics.median(game.counts[name] for game in games)) for name in games[0].counts},
        "target": {"times_patching_attributed_edges": 50, "times_patching_kept_edges": 50, "row_p95_seconds": 0.1},
        "note": (
            f"Medians over {size.games} held-out games of {MOVES} moves, decomposing included. A traced circuit has an "
            "exact weight for every attributed edge: patching takes one pass for each, 64 a batch. Kept edges are those "
            "left after pruning, which patching could not know beforehand; the same bar for both."
        ),
    }


def times_patching(game: Measured, counted: str) -> float:
    """Seconds of as many patched passes as `counted` says over those of decomposing and tracing."""
    patching = game.counts[counted] / BATCH * game.seconds["patched_batch"]
    return patching / (game.seconds["decompose"] + game.seconds["trace"])


def main() -> None:
    """Measure and write the result."""
    parser = arguments(__doc__)
    parser.add_argument("--model", type=Path, help="a transformer of `interp othello train`; default: the shipped one")
    parser.add_argument("--set", default="topk", help="a dictionary set's name or folder")
    given = parser.parse_args()
    model = load(given.model) if given.model else load_shipped()
    size = Size(games=1, rows=8, correlations=4, repeats=1) if given.quick else Size()
    result = measure(model, load_set(given.set), size)
    publish("tracing", {"set": Path(given.set).name, **result}, quick=given.quick, seed=SEED)


if __name__ == "__main__":
    main()
