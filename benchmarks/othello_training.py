"""Training throughput of the Othello transformer as a share of what `torch.mm` reaches at the same shapes.

The floor is the time of every matrix product of one step (forward, and the two of each backward) done by `torch.mm`
alone on contiguous operands; the step is a whole one: games played, forward, backward, Muon and AdamW. Attention
between positions, norms, GELU and the optimizers are overhead by this account.
"""

from __future__ import annotations

from functools import partial

import torch

from benchmarks.harness import seconds_in_turn, write_result
from interp.othello.transformer import OthelloConfig
from training.othello.train import OthelloJob, OthelloTraining

Shape = tuple[int, int, int]


def product_shapes(rows: int, config: OthelloConfig) -> list[Shape]:
    """(m, k, n) of every matrix product of one training step on `rows` positions."""
    d, wide = config.d_model, config.d_mlp
    layers = [(d, 3 * d), (d, d), (d, wide), (wide, d)] * config.n_layers + [(d, config.d_vocab)]
    forward = [(rows, k, n) for k, n in layers]
    return [shape for m, k, n in forward for shape in ((m, k, n), (m, n, k), (n, m, k))]


def multiply(operands: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """All products, one after another."""
    for left, right in operands:
        torch.mm(left, right)


def main() -> None:
    """Measure and write the result."""
    settings = OthelloTraining()
    job = OthelloJob(settings, torch.device("cpu"))
    shapes = product_shapes(settings.batch * 59, job.model.config)
    distinct = {shape: (torch.randn(shape[0], shape[1]), torch.randn(shape[1], shape[2])) for shape in shapes}
    operands = [distinct[shape] for shape in shapes]
    floor, step = seconds_in_turn(partial(multiply, operands), partial(one_step, job), repeats=25)
    operations = sum(2 * m * k * n for m, k, n in shapes)
    result = {
        "games_per_second": round(settings.batch / step, 1),
        "step_gflops": round(operations / step / 1e9, 1),
        "mm_gflops": round(operations / floor / 1e9, 1),
        "share_of_mm": round(floor / step, 3),
        "target": {"share_of_mm": 0.60},
    }
    write_result("othello_training", result, seed=settings.seed)


def one_step(job: OthelloJob) -> None:
    """One whole training step."""
    for optimizer in job.optimizers:
        optimizer.zero_grad(set_to_none=True)
    job.backward(0)
    for optimizer in job.optimizers:
        optimizer.step()


if __name__ == "__main__":
    main()
