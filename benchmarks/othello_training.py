"""Training throughput of the Othello transformer as a share of the rate that `torch.mm` reaches at the same shapes.

The step is a whole one: games played, exact targets, forward, backward, Muon and AdamW. The rate is that of every
linear map's three products (forward, input gradient, weight gradient) done by `torch.mm` alone on contiguous
operands. What counts as the step's work:

- the share with the bar: the linear maps' products and those of attention (scores and values forward, four backward;
  only the pairs that causality leaves), as in the usual account of model FLOPs; nothing recomputed, no optimizer;
- the linear maps alone, which is stricter;
- with Muon's Newton-Schulz products, which the step must do as well.

Norms, GELU, softmax, cross-entropy, games and the optimizers' element-wise work are overhead in all three.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from benchmarks.harness import arguments, publish, seconds_in_turn
from interp.othello.transformer import OthelloConfig
from training.othello.train import OthelloJob, OthelloTraining

POSITIONS = 59
NEWTON_SCHULZ_STEPS = 5
Shape = tuple[int, int, int]


def linear_maps(config: OthelloConfig) -> list[tuple[int, int]]:
    """(inputs, outputs) of every linear map of a forward pass."""
    d, wide = config.d_model, config.d_mlp
    return [(d, 3 * d), (d, d), (d, wide), (wide, d)] * config.n_layers + [(d, config.d_vocab)]


def product_shapes(rows: int, config: OthelloConfig) -> list[Shape]:
    """(m, k, n) of every linear map's product in one training step on `rows` positions."""
    return [shape for k, n in linear_maps(config) for shape in ((rows, k, n), (rows, n, k), (n, rows, k))]


def product_flops(shapes: list[Shape]) -> int:
    """Floating-point operations of these products."""
    return sum(2 * m * k * n for m, k, n in shapes)


def attention_flops(games: int, config: OthelloConfig) -> int:
    """Operations of attention's six products over the pairs of a query and a key not after it."""
    pairs = POSITIONS * (POSITIONS + 1) // 2
    return 6 * 2 * pairs * config.d_model * config.n_layers * games


def newton_schulz_flops(config: OthelloConfig) -> int:
    """Operations of Muon's orthogonalisation of every matrix of the blocks: Gram matrix, its square, the update."""
    sizes = [(min(shape), max(shape)) for shape in linear_maps(config)[:-1]]
    return NEWTON_SCHULZ_STEPS * sum(2 * n * n * (2 * m + n) for n, m in sizes)


def multiply(operands: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """All products, one after another."""
    for left, right in operands:
        torch.mm(left, right)


def one_step(job: OthelloJob) -> None:
    """One whole training step."""
    for optimizer in job.optimizers:
        optimizer.zero_grad(set_to_none=True)
    job.backward(0)
    for optimizer in job.optimizers:
        optimizer.step()


def measure(games: int, repeats: int) -> dict[str, Any]:
    """Take steps of `games` games in turn with their products alone."""
    job = OthelloJob(OthelloTraining(batch=games), torch.device("cpu"))
    config, shapes = job.model.config, product_shapes(games * POSITIONS, job.model.config)
    distinct = {shape: (torch.randn(shape[0], shape[1]), torch.randn(shape[1], shape[2])) for shape in shapes}
    floor, step = seconds_in_turn(
        partial(multiply, [distinct[shape] for shape in shapes]), partial(one_step, job), repeats=repeats
    )
    linear, attention = product_flops(shapes), attention_flops(games, config)
    rate = linear / floor
    return {
        "games_per_second": round(games / step, 1),
        "share_of_mm": round((linear + attention) / step / rate, 3),
        "share_of_mm_linear_maps_alone": round(linear / step / rate, 3),
        "share_of_mm_with_newton_schulz": round((linear + attention + newton_schulz_flops(config)) / step / rate, 3),
        "mm_gflops": round(rate / 1e9, 1),
        "target": {"share_of_mm": 0.60},
        "note": (
            f"Whole steps of {games} games; the first share counts the products of linear maps and attention, forward "
            "and backward, against `torch.mm` at the linear maps' shapes in the same run."
        ),
    }


def main() -> None:
    """Measure and write the result."""
    quick = arguments(__doc__).parse_args().quick
    result = measure(4, 2) if quick else measure(OthelloTraining().batch, 25)
    publish("othello_training", result, quick=quick, seed=OthelloTraining().seed)


if __name__ == "__main__":
    main()
