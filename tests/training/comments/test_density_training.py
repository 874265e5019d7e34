"""Trainings at several densities: what is equal between them, what differs, and a comparison that is taken up again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from interp.runs.errors import UserError
from interp.runs.folder import read_manifest
from training.comments.density_experiment import DensityExperiment, experiment, interval, summary
from training.comments.density_training import DensityJob, DensityTraining, held_out_tasks, reading, tokenizer_of, tuning

SMALL = DensityTraining(
    programs=150, tuning_tasks=8, tuning_steps=2, test_tasks=3, batch=4, context=64, layers=1, d_model=16, heads=2
)
MANY = replace(SMALL, programs=1_500)


def text(tokens: torch.Tensor) -> str:
    return tokenizer_of(MANY).decode(tokens.flatten()).replace("<|endoftext|>", "\n")


def test_equal_code_reads_the_same_programs_and_equal_total_the_same_tokens() -> None:
    bare, more, instead = (reading(MANY, *cell, seed=1) for cell in ((0.0, "code"), (0.3, "code"), (0.3, "total")))
    assert bare.programs == more.programs == MANY.programs and bare.density == 0
    assert more.tokens.numel() > 1.2 * bare.tokens.numel() and instead.tokens.numel() == bare.tokens.numel()
    assert instead.programs < 0.85 * MANY.programs
    assert more.density == pytest.approx(0.3, abs=0.03) and instead.density == pytest.approx(0.3, abs=0.03)
    code = [line for line in text(more.tokens).split("\n") if line and "#" not in line]
    assert code[:200] == [line for line in text(bare.tokens).split("\n") if line][:200]


def test_without_comments_both_controls_are_the_same() -> None:
    assert torch.equal(reading(SMALL, 0.0, "code", 2).tokens, reading(SMALL, 0.0, "total", 2).tokens)


def test_tuning_is_the_same_at_all_densities_and_holds_no_test() -> None:
    jobs = [DensityJob(SMALL, density, "code", 3, torch.device("cpu")) for density in (0.0, 0.2)]
    assert torch.equal(jobs[0].tuning, jobs[1].tuning) and len(tuning(SMALL, 3)) == SMALL.tuning_steps * SMALL.batch
    assert all(torch.equal(a, b) for a, b in zip(jobs[0].model.parameters(), jobs[1].model.parameters(), strict=True))
    assert not {task.program.intent for task in held_out_tasks(SMALL)} & set(
        text(tuning(SMALL, 3)).splitlines(keepends=True)
    )
    assert not torch.equal(tuning(SMALL, 3), tuning(SMALL, 4))


def test_answers_do_not_depend_on_what_is_asked_beside_them() -> None:
    job = DensityJob(SMALL, 0.0, "code", 0, torch.device("cpu"))
    prompts = [task.prompt for task in held_out_tasks(SMALL)]
    assert job.answers(prompts) == [job.answers([prompt])[0] for prompt in prompts]


def test_a_control_that_is_not_known() -> None:
    with pytest.raises(UserError, match="accepted are code, total"):
        reading(SMALL, 0.1, "lines", 0)  # type: ignore[arg-type]


def test_experiment_is_taken_up_where_it_was_left(tmp_path: Path) -> None:
    settings = DensityExperiment((0.0, 0.3), 2, SMALL)
    table = experiment(tmp_path, settings, device="cpu")
    assert len(table) == 8 and len(list(tmp_path.iterdir())) == 6
    assert table.pass_rate.between(0, 1).all()
    finished = read_manifest(tmp_path / "code_0_0")["finished"]
    pd.testing.assert_frame_equal(experiment(tmp_path, settings, device="cpu"), table)
    assert read_manifest(tmp_path / "code_0_0")["finished"] == finished
    with pytest.raises(UserError, match="trained with other settings"):
        experiment(tmp_path, replace(settings, training=replace(SMALL, batch=8)), device="cpu")


def test_summary_pairs_seeds() -> None:
    rows = [
        {"control": "code", "density": density, "seed": seed, "pass_rate": 0.1 * seed + density, "exact_rate": 0.0,
         "programs": 1, "read_density": density, "steps": 1}
        for density in (0.0, 0.3) for seed in range(3)
    ]  # fmt: skip
    last = summary(pd.DataFrame(rows)).iloc[1]
    assert last.gain == pytest.approx(0.3) and last.gain_low == pytest.approx(0.3) == pytest.approx(last.gain_high)
    assert last.pass_rate == pytest.approx(0.4) and last.pass_high - last.pass_rate == pytest.approx(
        4.303 * 0.1 / 3**0.5, rel=1e-3
    )
    assert interval(np.array([0.5])) == (0.5, 0.5)
