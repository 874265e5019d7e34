"""Runs learn, survive a kill to the same result, route by the same chance again, and leave records that add up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from interp.runs import loop
from interp.runs.errors import UserError
from interp.runs.folder import Run, read_manifest, read_metrics
from tests.training.moe.dense import written_model, written_text
from training.lm.train import read_packed
from training.moe import train as module
from training.moe import trained
from training.moe.decoder import MoEShape, moe_layers
from training.moe.held_out import HeldOut
from training.moe.mixtral import save_moe
from training.moe.rules import Rules
from training.moe.text import prepared_text
from training.moe.train import MoEJob, MoETraining, dense_model, settings_of, train
from training.moe.trained import check_alike, dense_measures, open_trained
from training.moe.upcycle import upcycle

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> MoETraining:
    folder = tmp_path_factory.mktemp("given")
    return MoETraining(
        str(written_model(folder)), MoEShape(4, 2), Rules(2, 1.0, fill="own", rectify=True), steps=8, batch=4, context=96,
        text=str(written_text(folder)), text_tokens=4_000, held_out_tokens=384, lr=1e-2, warmup=2, record_every=4, recorded=2,
    )  # fmt: skip


def test_a_run_learns_and_is_opened_again(settings: MoETraining, tmp_path: Path) -> None:
    found = train(settings, tmp_path / "run", device="cpu")
    assert found["no_mixtral"] is None and read_manifest(tmp_path / "run")["results"] == found
    assert settings_of(read_manifest(tmp_path / "run")["config"]) == settings
    run = open_trained(tmp_path / "run", device="cpu")
    assert run.rules == settings.rules and {layer.ranks for layer in moe_layers(run.model).values()} == {2}
    assert dense_measures(run, device="cpu")["loss"] > found["loss"] + 0.5
    dense = prepared_text(settings, run.tokenizer, tmp_path / "run")
    before = MoEJob(settings, dense_model(settings.model, device="cpu"), dense, tmp_path).evaluate()
    assert before["loss"] > found["loss"] + 0.5 and 0 < found["dropped"] < 1 and found["lost"] == 0


def test_what_happened_to_choices_and_slots_is_logged_for_each_layer(settings: MoETraining, tmp_path: Path) -> None:
    train(settings, tmp_path / "run", device="cpu")
    line = read_metrics(tmp_path / "run")[0]
    for layer in range(4):
        counts = {name: line[f"layer_{layer}_{name}"] for name in ("demand", "kept", "dropped", "filled", "padding")}
        assert counts["demand"] == counts["kept"] + counts["dropped"] == 2 * 4 * 96
        assert counts["kept"] + counts["filled"] + counts["padding"] == 2 * 4 * 48  # ranks, experts, slots
        assert line[f"layer_{layer}_max_load"] >= 1 and line[f"layer_{layer}_rectified"] > 0
    assert line["balance"] > 0 and line["z"] > 0


def test_records_are_of_the_steps_asked_for(settings: MoETraining, tmp_path: Path) -> None:
    train(settings, tmp_path / "run", device="cpu")
    routes = pd.read_parquet(tmp_path / "run/routes")
    assert sorted(routes.step.unique()) == [0, 4, 7] and sorted(routes.layer.unique()) == [0, 1, 2, 3]
    assert len(routes.drop_duplicates(["step", "layer", "sequence", "position"])) == 3 * 4 * 2 * 96
    logits = pd.read_parquet(tmp_path / "run/logits")
    assert len(logits) == 3 * 4 * 2 * 96


@pytest.mark.parametrize("changed", [{}, {"rules": Rules(1, 0.5, order="random")}, {"bias_rate": 0.01}])
def test_a_killed_run_ends_with_the_same_weights(
    changed: dict[str, object], settings: MoETraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = replace(settings, **changed)  # type: ignore[arg-type]
    train(asked, tmp_path / "whole", device="cpu")
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    taken, step = iter(range(5)), MoEJob.backward

    def killed(job: MoEJob, number: int) -> dict[str, float | torch.Tensor]:
        if next(taken, None) is None:
            raise KeyboardInterrupt
        return step(job, number)

    monkeypatch.setattr(MoEJob, "backward", killed)
    with pytest.raises(KeyboardInterrupt):
        train(asked, tmp_path / "run", device="cpu")
    monkeypatch.setattr(MoEJob, "backward", step)
    found = train(asked, tmp_path / "run", device="cpu")
    assert found == read_manifest(tmp_path / "whole")["results"]
    whole, resumed = (load_file(tmp_path / name / "model/model.safetensors") for name in ("whole", "run"))
    assert whole.keys() == resumed.keys() and all(torch.equal(weight, resumed[name]) for name, weight in whole.items())
    pd.testing.assert_frame_equal(*(pd.read_parquet(tmp_path / name / "routes") for name in ("whole", "run")))


def test_means_are_over_seeds_alone(settings: MoETraining, tmp_path: Path) -> None:
    for name, changed in {"one": {}, "two": {"seed": 2}, "longer": {"steps": 2}, "twin": {}}.items():
        train(replace(settings, **({"steps": 1} | changed)), tmp_path / name, device="cpu")  # type: ignore[arg-type]
    check_alike([tmp_path / "one", tmp_path / "two"])
    with pytest.raises(UserError, match="differ in steps: 1 and 2; accepted are runs that differ in seed or rules alone"):
        check_alike([tmp_path / "one", tmp_path / "longer"])
    with pytest.raises(UserError, match="have the same seed and rules; accepted is each once"):
        check_alike([tmp_path / "one", tmp_path / "twin"])
    with pytest.raises(
        UserError, match=r"one/model is no run, so that its seed is unknown; accepted is such a folder alone"
    ):
        check_alike([tmp_path / "one/model", tmp_path / "two/model"])
    check_alike([tmp_path / "one/model"])


@pytest.mark.parametrize(
    "first, second, told",
    [
        (Rules(2, 1.0), Rules(2, 2.0), "differ in capacity: 1.0 and 2.0; .* in seed alone, both being top-2 plain"),
        (Rules(2, 1.0), Rules(2, 1.0, order="random"), "differ in order: confidence and random"),
        (Rules(2, 1.0, fill="own"), Rules(2, 1.0, fill="top1"), "differ in fill: own and top1; .* both being top-2 FR"),
        (Rules(2, 1.0), Rules(1, 2.0), ""),
        (Rules(2, 1.0), Rules(2, 2.0, rectify=True), ""),
    ],
)
def test_rules_of_one_router_are_the_same(
    first: Rules, second: Rules, told: str, settings: MoETraining, tmp_path: Path
) -> None:
    for seed, (name, rules) in enumerate({"first": first, "second": second}.items()):
        asked = replace(settings, rules=rules, seed=seed)
        Run.open(tmp_path / name, config=asked.config(), seed=seed).finish({})
    if not told:
        check_alike([tmp_path / "first", tmp_path / "second"])
        return
    with pytest.raises(UserError, match=told):
        check_alike([tmp_path / "first", tmp_path / "second"])


def test_a_prolonged_run_has_no_record_of_the_decay_it_left(settings: MoETraining, tmp_path: Path) -> None:
    train(settings, tmp_path / "run", device="cpu")
    train(replace(settings, steps=12), tmp_path / "run", device="cpu")
    for table in ("routes", "logits", "passes"):
        assert sorted(pd.read_parquet(tmp_path / "run" / table).step.unique()) == [0, 4, 8, 11]


def test_a_run_goes_on_with_as_many_processes(
    settings: MoETraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has the simulated ranks for its share, so that drops depend on their number."""
    short = replace(settings, steps=1)
    train(short, tmp_path / "run", device="cpu")
    assert "processes" not in short.config(1) and settings_of(short.config(2)) == short
    monkeypatch.setattr(module, "PartialState", lambda: SimpleNamespace(num_processes=2))
    with pytest.raises(UserError, match=r"other settings: processes None \(now 2\)"):
        train(short, tmp_path / "run", device="cpu")


def test_a_run_is_measured_on_the_text_it_was_trained_on(settings: MoETraining, tmp_path: Path) -> None:
    train(replace(settings, steps=1), tmp_path / "of/run", text=tmp_path / "of", device="cpu")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "of").rglob("*")}
    run = open_trained(tmp_path / "of/run", device="cpu")
    assert torch.equal(run.held_out.text.flatten(), read_packed(tmp_path / "of/text.safetensors")["held-out"])
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "of").rglob("*")} == before
    (tmp_path / "of/text.safetensors").unlink()
    with pytest.raises(UserError, match=r"neither .*run nor the folder above has text\.safetensors"):
        open_trained(tmp_path / "of/run", device="cpu")


def test_text_of_other_settings_is_refused(settings: MoETraining, tmp_path: Path) -> None:
    dense = dense_model(settings.model, device="cpu")
    prepared_text(settings, dense.tokenizer, tmp_path)
    assert prepared_text(replace(settings, seed=2), dense.tokenizer, tmp_path)
    for changed in ({"text": "other.jsonl"}, {"model": "decoder"}, {"text_tokens": 9}, {"held_out_tokens": 96}):
        told = f"is of other settings: {next(iter(changed))} .*; take another folder"
        with pytest.raises(UserError, match=told):
            prepared_text(replace(settings, **changed), dense.tokenizer, tmp_path)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="is of other settings"):
        train(replace(settings, text_tokens=9), tmp_path / "run", text=tmp_path, device="cpu")


def test_an_upcycled_folder_is_measured_on_what_its_model_can_read(
    settings: MoETraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense = dense_model(settings.model, device="cpu")
    save_moe(upcycle(dense.model, settings.shape, settings.rules), dense.tokenizer, tmp_path / "moe", every=1)
    asked: list[tuple[str, dict[str, int]]] = []

    def short(text: str, tokenizer: object, splits: dict[str, int], *, shortest: int) -> dict[str, torch.Tensor]:
        asked.append((text, splits))
        return {name: torch.zeros(shortest, dtype=torch.int32) for name in splits}

    monkeypatch.setattr(trained, "packed_splits", short)
    assert open_trained(tmp_path / "moe", device="cpu").held_out.text.shape == (1, 128)  # the model's positions
    assert asked == [("default", {"held-out": 16_384})]


def test_settings_of_another_version_are_told(settings: MoETraining) -> None:
    for config in ({}, settings.config() | {"speed": 1}, settings.config() | {"shape": {"experts": 8, "size": 2}}):
        with pytest.raises(
            UserError, match=r"settings of a run cannot be read: .*; accepted are those of `interp moe train`"
        ):
            settings_of(config)


def test_what_several_processes_cannot_do_is_refused(settings: MoETraining) -> None:
    with pytest.raises(UserError, match="4 sequences a step cannot be divided among 3 processes"):
        module._check_processes(settings, 3)
    with pytest.raises(UserError, match="loss-free balancing on 2 processes is refused"):
        module._check_processes(replace(settings, bias_rate=0.1), 2)
    parallel = replace(settings, parallel=True)
    for processes, told in ((1, "2 ranks in parallel on 1 processes are refused"), (4, "2 ranks in parallel on 4")):
        with pytest.raises(UserError, match=told):
            module._check_processes(parallel, processes)
    with pytest.raises(UserError, match="order 'random' in parallel is refused"):
        module._check_processes(replace(parallel, rules=Rules(2, 1.0, order="random")), 2)
    module._check_processes(replace(parallel, bias_rate=0.1), 2)
    four, five = torch.zeros(4, 9), torch.zeros(5, 9)
    module._check_held_out(HeldOut(four, four, four > 0), 2)
    for text, tasks, told in ((five, four, "5 held-out sequences of real text"), (four, five, "5 .* of demonstrations")):
        with pytest.raises(UserError, match=f"{told} cannot be divided among 2 ranks"):
            module._check_held_out(HeldOut(text, tasks, tasks > 0), 2)
    with pytest.raises(UserError, match="0 recorded sequences are refused"):
        replace(settings, recorded=0)


def test_losses_of_the_router_count(settings: MoETraining, tmp_path: Path) -> None:
    dense = dense_model(settings.model, device="cpu")
    text = prepared_text(settings, dense.tokenizer, tmp_path)
    gates = {}
    for name, asked in {"none": {"balance": 0.0}, "balance": {"balance": 1.0}, "z": {"balance": 0.0, "z": 1.0}}.items():
        job = MoEJob(replace(settings, **asked), dense_model(settings.model, device="cpu"), text, tmp_path)
        job.backward(0)
        gates[name] = moe_layers(job.model)[3].gate.weight.grad
    assert not torch.allclose(gates["none"], gates["balance"]) and not torch.allclose(gates["none"], gates["z"])


def test_runs_begin_alike_whatever_the_router_of_the_comparison(settings: MoETraining, tmp_path: Path) -> None:
    text = prepared_text(settings, dense_model(settings.model, device="cpu").tokenizer, tmp_path)
    jobs = [
        MoEJob(replace(settings, rules=rules), dense_model(settings.model, device="cpu"), text, tmp_path)
        for rules in (Rules(1, 1.0), Rules(2, 2.0, fill="own", rectify=True))
    ]
    weights = [job.model.state_dict() for job in jobs]
    assert all(torch.equal(weight, weights[1][name]) for name, weight in weights[0].items())
    assert torch.equal(jobs[0].mix.sequences(5, 3), jobs[1].mix.sequences(5, 3))


def test_refused_input_leaves_no_run(settings: MoETraining, tmp_path: Path) -> None:
    for changed, told in (
        ({"text_tokens": 20}, "each needs 96, and"),
        ({"model": "absent"}, "'absent' is no language model"),
        ({"rules": Rules(9)}, "k 9 is more than the 4 experts"),
        ({"text": "absent.jsonl"}, "absent.jsonl cannot be read"),
        ({"context": 129}, "pieces of 129 tokens are longer than the 128 positions of the model; accepted are 1 to 128"),
        (
            {"router": "expert choice", "rules": Rules(2, 1.0, fill="own")},
            "fill 'own' with router 'expert choice' is refused",
        ),
    ):
        with pytest.raises(UserError, match=told):
            train(replace(settings, **changed), tmp_path / "run", device="cpu")  # type: ignore[arg-type]
        assert not (tmp_path / "run").exists()
    with pytest.raises(UserError, match="16 held-out tokens make no sequence of 96"):
        replace(settings, held_out_tokens=16)
    with pytest.raises(UserError, match="holds no mixture of ours"):
        open_trained(tmp_path, device="cpu")
