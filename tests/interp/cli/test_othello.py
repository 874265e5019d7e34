"""`interp othello` as a user meets it, with a small transformer in place of the shipped one."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import torch

from interp.othello import transformer
from interp.othello.probes import load_probes
from interp.othello.transformer import OthelloConfig, OthelloTransformer, save
from tests.interp.cli.test_main import call

MODEL = OthelloTransformer(OthelloConfig(n_layers=2, d_model=16, n_heads=2, d_mlp=32), generator=torch.Generator().manual_seed(0)).eval()


@pytest.fixture(autouse=True)
def shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small transformer ships."""
    monkeypatch.setattr(transformer, "load_shipped", lambda: MODEL)


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    """The one object that a verb prints."""
    assert call("othello", *words, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_evaluate_takes_the_shipped_model_or_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = printed(capsys, "evaluate", "--games", "3", "--seed", "7")
    assert {"legal_top1", "legal_mass", "by_ply"} <= set(found) and len(found["by_ply"]) == 59
    save(MODEL, tmp_path / "m.safetensors")
    assert printed(capsys, "evaluate", "--games", "3", "--model", str(tmp_path / "m.safetensors")) == found


def test_play_prints_a_position(capsys: pytest.CaptureFixture[str]) -> None:
    found = printed(capsys, "play", "--moves", "f5 d6")
    assert found["legal"] == ["c3", "c4", "c5", "c6", "c7"] and len(found["probabilities"]) == 60
    assert found["to_move"] == "black" and found["board"][4] == "...OXX.."


@pytest.mark.parametrize("words", [("--json",), ()])
def test_play_refuses_a_bad_game_in_one_line(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert call("othello", "play", "--moves", "f5 a1", *words) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err == "interp: a1 at ply 2 is illegal: the legal moves there are f4 d6 f6\n"


def test_play_converses(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("f5\na1\nundo\nquit\n"))
    assert call("othello", "play") == 0
    told = capsys.readouterr()
    assert "the model plays" in told.out and told.out.rstrip().endswith("bye")
    assert told.err.startswith("interp: a1 at ply 3 is illegal") and told.err.count("\n") == 1


def test_play_ends_with_its_input(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert call("othello", "play", "--you", "white") == 0
    assert "the model plays" in capsys.readouterr().out


def test_probe_reports_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["probe", "--out", str(tmp_path / "probes"), "--games", "128", "--test-games", "4", "--edits", "20"]
    found = printed(capsys, *words, "--results", str(tmp_path / "result.json"))
    assert len(found["accuracy"]) == 2 * 3 and len(found["editing"]) == 2 * 4
    written = json.loads((tmp_path / "result.json").read_text())
    assert written.pop("about")["seed"] == 5 and written == found
    assert load_probes(tmp_path / "probes" / "probes.safetensors").weight.shape == (2, 3, 16, 64, 3)
    assert call("othello", *words) == 0
    assert "random weights" in capsys.readouterr().out


def test_probes_of_another_transformer_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["probe", "--out", str(tmp_path / "probes"), "--games", "64", "--test-games", "2", "--edits", "10"]
    printed(capsys, *words)
    save(OthelloTransformer(MODEL.config, generator=torch.Generator().manual_seed(1)), tmp_path / "other.safetensors")
    assert call("othello", *words, "--model", str(tmp_path / "other.safetensors")) == 2
    assert "holds a run with other settings: transformer" in capsys.readouterr().err


def test_ship_refuses_what_is_no_finished_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("othello", "ship", str(tmp_path)) == 2
    assert "is no run folder" in capsys.readouterr().err
