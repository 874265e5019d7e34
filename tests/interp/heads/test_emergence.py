"""Over checkpoints: each is measured once, and a decoder ships with what was measured."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from interp.heads import emergence as module
from interp.heads.decoder import shipped_checkpoints, shipped_emergence, shipped_losses
from interp.heads.emergence import EmergenceOptions, emergence
from interp.heads.icl.levels import LevelOptions
from interp.heads.relations.synthetic import synthetic_relations
from interp.models.checkpoints import checkpoints, revisions
from interp.runs.errors import UserError
from training.lm.ship import ship
from training.lm.train import DecoderTraining, train


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs")
    file = place / "text.jsonl"
    lines = [
        f'{{"text": "{" ".join(f"Boat {n + i} of harbour {n} left at hour {i % 7}." for i in range(80))}"}}'
        for n in range(150)
    ]
    file.write_text("\n".join(lines))
    settings = DecoderTraining(
        steps=10, batch=4, layers=2, d_model=16, heads=2, vocab=600, text=str(file), text_tokens=20_000
    )
    train(settings, place / "run", device="cpu")
    return place / "run"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, run: Path) -> EmergenceOptions:
    monkeypatch.setattr(module, "_relations", lambda options: [synthetic_relations(options.documents)])
    return EmergenceOptions(LevelOptions(("four-class",), (0, 2), 5, text=str(run.parent / "text.jsonl")), documents=4)


@pytest.mark.slow
def test_each_checkpoint_is_measured_once_and_ships(
    run: Path, quick: EmergenceOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="is not measured"):
        ship(run, [], tmp_path / "shipped")
    found = checkpoints(run)
    first = emergence(found[:2], run, quick, device="cpu")
    monkeypatch.setattr(module, "load_language", lambda *_, **__: pytest.fail("measured again"))
    again = emergence(found[:2], run, quick, device="cpu")
    monkeypatch.undo()
    pd.testing.assert_frame_equal(first.levels, again.levels)
    monkeypatch.setattr(module, "_relations", lambda options: [synthetic_relations(options.documents)])
    whole = emergence(found, run, quick, device="cpu")
    assert set(whole.heads.step) == {one.step for one in found} == set(whole.levels.step)
    assert set(whole.levels[whole.levels.measure == "loss reduction"].task) == {"(50, 50)", "(50, 450)"}
    with pytest.raises(UserError, match="has no checkpoint of step 7"):
        ship(run, [7], tmp_path / "shipped")
    ship(run, [2], tmp_path / "shipped")
    assert [one.step for one in shipped_checkpoints(tmp_path / "shipped")] == [2, 10]
    pd.testing.assert_frame_equal(
        shipped_emergence(tmp_path / "shipped").heads.reset_index(drop=True), whole.heads.reset_index(drop=True)
    )
    losses = shipped_losses(tmp_path / "shipped")
    assert set(losses.kind) == {"train"} and len(losses) == 1


def test_revisions_are_named_after_their_steps() -> None:
    found = revisions("EleutherAI/pythia-160m", ["step512", "step0"])
    assert [tuple(one) for one in found] == [(0, "EleutherAI/pythia-160m@step0"), (512, "EleutherAI/pythia-160m@step512")]
    with pytest.raises(UserError, match="revision 'main' says no step"):
        revisions("EleutherAI/pythia-160m", ["main"])
