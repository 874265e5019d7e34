"""Tokens a second of our TopK dictionary training against dense autograd and against SAELens' trainer.

All train d_in 128 -> 1,024 features with k 32 on the same activations in memory, with the same number of threads, in
turn: one site, and the Othello transformer's twelve sites at once (a token then passes all twelve dictionaries). The
dense step is the same step with torch's topk, autograd and fused Adam, on the whole batch or in blocks, whichever is
faster. SAELens runs its own loops at its defaults in an environment that is made here on the first call.

The floor is the arithmetic that no TopK step avoids, done at the rate of `torch.mm` on the encoder's product: that
product, and for the k active features of a row decoding, the gradient of each activation, and two outer products.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import torch
from jaxtyping import Float
from torch import Tensor

from benchmarks.harness import arguments, publish
from benchmarks.peers.dense_autograd import DenseTrainer
from benchmarks.peers.process import Peer, environment
from interp.dictionaries.bank import ROWS_AT_ONCE, Bank
from interp.dictionaries.kinds import KINDS
from interp.othello.games import POSITIONS, random_games, tokens
from interp.othello.transformer import OthelloTransformer, load_shipped
from interp.runs.atomic import write_tensors

REQUIREMENT = "sae-lens==6.54.12"
SEED, LR = 5, 1e-3


@dataclass(frozen=True)
class Size:
    """How much is measured; the defaults are those of the committed result."""

    d_sae: int = 1024
    k: int = 32
    rows: int = 4096
    """SAELens' default batch."""
    batches: int = 4
    """Held in memory and used over and over."""
    repeats: int = 9


def activations(model: OthelloTransformer, size: Size) -> Float[Tensor, "batch site row d_in"]:
    """What the sites write on random games."""
    needed = size.batches * size.rows
    games = random_games(-(-needed // POSITIONS), seed=SEED)
    with torch.no_grad():
        written = model.write_sites(torch.from_numpy(tokens(games.moves[:, :POSITIONS])))
    stacked = torch.stack([output.flatten(0, 1)[:needed] for output in written.values()])
    return stacked.unflatten(1, (size.batches, size.rows)).transpose(0, 1).contiguous()


def sparse_step(bank: Bank, k: int) -> Callable[[Tensor], None]:
    """Our step on one batch [site, row, d_in]."""
    objective = KINDS["topk"].objective(k, 0.0)
    optimizer = torch.optim.Adam(bank.parameters(), lr=LR, betas=(0.9, 0.999), fused=True)

    def step(batch: Tensor) -> None:
        bank.backward(batch, None, objective)
        optimizer.step()
        bank.normalise()

    return step


def fresh_bank(batch: Float[Tensor, "site row d_in"], size: Size) -> Bank:
    """A bank fitted to a batch; the same one each time."""
    sites, _, d_in = batch.shape
    bank = Bank(sites, d_in, size.d_sae, generator=torch.Generator().manual_seed(SEED))
    bank.fit(batch, None, KINDS["topk"].objective(size.k, 0.0))
    return bank


def floor_seconds(batch: Tensor, size: Size, encoding: float) -> float:
    """Seconds of the arithmetic of one step at the rate at which `encoding` seconds do the encoder's product."""
    encoder, active = 2 * batch.shape[-1] * size.d_sae, 4 * 2 * batch.shape[-1] * size.k
    return encoding * (encoder + active) / encoder


def case(batches: Float[Tensor, "batch site row d_in"], size: Size, peer: Peer | None) -> dict[str, Any]:
    """All trainers on the same sites, in turn."""
    sites, rows = batches.shape[1:3]
    ours, whole, blocks = (fresh_bank(batches[0], size) for _ in range(3))
    weights = ours.encoder.detach().mT.contiguous()
    steps: dict[str, Callable[[Tensor], object]] = {
        "ours": sparse_step(ours, size.k),
        "dense": DenseTrainer(whole, size.k, lr=LR, rows_at_once=rows).step,
        "dense_in_blocks": DenseTrainer(blocks, size.k, lr=LR, rows_at_once=ROWS_AT_ONCE).step,
        "encoding": lambda batch: [torch.mm(x, weight) for x, weight in zip(batch, weights, strict=True)],
    }
    taken = _in_turn(steps, batches, size.repeats, peer)
    ours_seconds, dense = taken["ours"], min(taken["dense"], taken["dense_in_blocks"])
    saelens = taken.get("saelens")
    return {
        "sites": sites,
        "tokens_per_second": round(rows / ours_seconds),
        "dense_tokens_per_second": round(rows / dense),
        "saelens_tokens_per_second": None if saelens is None else round(rows / saelens),
        "times_dense_autograd": round(dense / ours_seconds, 2),
        "times_saelens": None if saelens is None else round(saelens / ours_seconds, 2),
        "share_of_mm": round(floor_seconds(batches[0], size, taken["encoding"]) / ours_seconds, 3),
    }


def _in_turn(
    steps: dict[str, Callable[[Tensor], object]], batches: Tensor, repeats: int, peer: Peer | None
) -> dict[str, float]:
    """Median seconds of a step of each, after one round that does not count; a turn is one pass over the batches."""
    taken: dict[str, list[float]] = {name: [] for name in (*steps, *(["saelens"] if peer else []))}
    for _ in range(repeats + 1):
        for name, step in steps.items():
            began = time.perf_counter()
            for batch in batches:
                step(batch)
            taken[name].append(time.perf_counter() - began)
        if peer:
            taken["saelens"].append(peer.ask({"sites": batches.shape[1], "steps": len(batches)})["seconds"])
    return {name: statistics.median(times[1:]) / len(batches) for name, times in taken.items()}


def measure(model: OthelloTransformer, size: Size, python: Path | None) -> dict[str, Any]:
    """Both cases; `python` is that of an environment with SAELens, None to leave it out."""
    numba.set_num_threads(torch.get_num_threads())
    batches = activations(model, size)
    about: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        if python is None:
            cases = [case(batches[:, :sites], size, None) for sites in (1, batches.shape[1])]
        else:
            file = Path(folder) / "activations.safetensors"
            write_tensors(file, {"batches": batches})
            threads = torch.get_num_threads()
            argument = {"activations": str(file), "k": size.k, "d_sae": size.d_sae, "threads": threads}
            with Peer(python, Path(__file__).parent / "peers" / "saelens.py", argument) as peer:
                cases = [case(batches[:, :sites], size, peer) for sites in (1, batches.shape[1])]
                about = peer.about
    return _result(cases, size, about)


def _result(cases: list[dict[str, Any]], size: Size, peer: dict[str, Any]) -> dict[str, Any]:
    def least(name: str) -> float | None:
        found = [one[name] for one in cases if one[name] is not None]
        return min(found) if found else None

    return {
        "least_times_dense_autograd": least("times_dense_autograd"),
        "least_times_saelens": least("times_saelens"),
        "cases": cases,
        "target": {"least_times_dense_autograd": 2.5, "least_times_saelens": 2.0},
        "note": (
            f"Batches of {size.rows:,} activations, 128 -> {size.d_sae:,} features, k {size.k}; a token of twelve sites "
            "passes all twelve dictionaries. The share is the least arithmetic at `torch.mm`'s rate over our step."
        ),
        "peer": peer,
    }


def main() -> None:
    """Measure and write the result."""
    quick = arguments(__doc__).parse_args().quick
    if quick:
        result = measure(OthelloTransformer(), Size(d_sae=64, k=4, rows=118, batches=2, repeats=1), None)
    else:
        result = measure(load_shipped(), Size(), environment("saelens", REQUIREMENT))
    publish("dictionary_training", result, quick=quick, seed=SEED)


if __name__ == "__main__":
    main()
