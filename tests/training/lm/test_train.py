"""The decoder's run: it learns, survives a kill to the same result, and its checkpoints load like any other model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from interp.models.checkpoints import checkpoints
from interp.models.load import load_language
from interp.runs import loop
from interp.runs.errors import UserError
from interp.runs.folder import read_manifest, read_metrics
from training.lm import train as module
from training.lm.checkpoints import log_spaced
from training.lm.train import DecoderJob, DecoderTraining, prepare_text, train


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DecoderTraining:
    monkeypatch.setattr(module, "_HELD_OUT", 2)
    file = tmp_path / "text.jsonl"
    lines = [
        f'{{"text": "The {n} boats of harbour {n % 7} left at hour {n % 5}, and {n % 3} of them came back again."}}'
        for n in range(600)
    ]
    file.write_text("\n".join(lines))
    return DecoderTraining(
        steps=12, batch=4, layers=2, d_model=32, heads=2, vocab=400, context=32, short_steps=4,
        short_context=16, text=str(file), text_tokens=4_000
    )


def test_a_run_learns_and_its_checkpoints_load(settings: DecoderTraining, tmp_path: Path) -> None:
    results = train(settings, tmp_path / "run", device="cpu")
    found = checkpoints(tmp_path / "run")
    assert [one.step for one in found] == log_spaced(12) == [0, 1, 2, 3, 4, 5, 6, 8, 10, 12]
    before, after = (AutoModelForCausalLM.from_pretrained(one.model, dtype=torch.float32) for one in (found[0], found[-1]))
    held_out = prepare_text(settings, tmp_path / "run")[1]["held-out"][:32].long()[None]
    losses = [module.next_token_loss(model(held_out).logits, held_out).mean().item() for model in (before, after)]
    assert losses[1] < losses[0] - 0.3
    assert read_manifest(tmp_path / "run")["results"] == results
    assert load_language(found[-1].model).check.pattern < 1e-4


def test_a_killed_run_ends_with_the_same_weights(
    settings: DecoderTraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(settings, tmp_path / "whole", device="cpu")
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    taken = iter(range(7))
    step = DecoderJob.backward

    def killed(job: DecoderJob, number: int) -> dict:
        if next(taken, None) is None:
            raise KeyboardInterrupt
        return step(job, number)

    monkeypatch.setattr(DecoderJob, "backward", killed)
    with pytest.raises(KeyboardInterrupt):
        train(settings, tmp_path / "run", device="cpu")
    monkeypatch.setattr(DecoderJob, "backward", step)
    train(settings, tmp_path / "run", device="cpu")
    whole, resumed = (Path(checkpoints(tmp_path / name)[-1].model) / "model.safetensors" for name in ("whole", "run"))
    assert whole.read_bytes() == resumed.read_bytes()
    assert len([line for line in read_metrics(tmp_path / "run") if "loss" in line]) == len(
        [line for line in read_metrics(tmp_path / "whole") if "loss" in line]
    )


def test_a_warm_start_takes_over_weights_and_tokenizer(settings: DecoderTraining, tmp_path: Path) -> None:
    train(settings, tmp_path / "first", device="cpu")
    last = checkpoints(tmp_path / "first")[-1].model
    warm = DecoderTraining(**{**vars(settings), "warm_start": last, "seed": 2})
    tokenizer, text = prepare_text(warm, tmp_path / "second")
    job = DecoderJob(warm, tokenizer, text, tmp_path / "second", torch.device("cpu"))
    kept = AutoModelForCausalLM.from_pretrained(last, dtype=torch.float32).state_dict()
    assert all(torch.equal(weight, kept[name]) for name, weight in job.model.state_dict().items())


def test_text_that_is_too_short_is_refused_in_one_sentence(settings: DecoderTraining, tmp_path: Path) -> None:
    file = tmp_path / "short.txt"
    file.write_text("Only this.")
    short = DecoderTraining(**{**vars(settings), "text": str(file)})
    with pytest.raises(UserError, match=r"has \d+ tokens of 'train' and 0 tokens of 'held-out'; each needs"):
        train(short, tmp_path / "run", device="cpu")


def test_a_folder_without_checkpoints_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no checkpoints"):
        checkpoints(tmp_path)
