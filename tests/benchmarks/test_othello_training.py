"""The operations that are credited are those that torch counts in a real step."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.othello_training import (
    POSITIONS,
    attention_flops,
    measure,
    newton_schulz_flops,
    one_step,
    product_flops,
    product_shapes,
)
from training.othello.train import OthelloJob, OthelloTraining


def test_operations_are_those_of_a_step() -> None:
    games = 2
    job = OthelloJob(OthelloTraining(batch=games), torch.device("cpu"))
    with FlopCounterMode(display=False) as counter:
        one_step(job)
    counted = {str(operator): count for operator, count in counter.get_flop_counts()["Global"].items()}
    linear = counted["aten.mm"] + counted["aten.addmm"]
    assert linear == product_flops(product_shapes(games * POSITIONS, job.model.config))
    assert counted["aten.bmm"] + counted["aten.baddbmm"] == newton_schulz_flops(job.model.config)


def test_attention_is_credited_with_the_pairs_that_causality_leaves() -> None:
    config = OthelloJob(OthelloTraining(batch=1), torch.device("cpu")).model.config
    mask = torch.ones(POSITIONS, POSITIONS).tril()
    forward = sum(2 * int(mask.sum()) * config.d_head for _ in range(2)) * config.n_heads * config.n_layers
    assert attention_flops(5, config) == 5 * 3 * forward


def test_measures() -> None:
    result = measure(2, 1)
    shares = [result[f"share_of_mm{kind}"] for kind in ("_linear_maps_alone", "", "_with_newton_schulz")]
    assert 0 < shares[0] < shares[1] < shares[2] and result["games_per_second"] > 0
