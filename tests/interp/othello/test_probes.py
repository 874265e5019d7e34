"""Probes against boards replayed by the plain engine, an oracle that must be read perfectly, and files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from interp.othello import probe_fit, probes
from interp.othello.evaluate import Batch, batch_of
from interp.othello.games import Games, random_games
from interp.othello.probe_fit import ProbeJob, train_probes
from interp.othello.probe_report import digest
from interp.othello.probes import (
    FRAMES,
    Probes,
    accuracies,
    board_states,
    load_probes,
    majority,
    residual_streams,
    save_probes,
)
from interp.othello.transformer import OthelloConfig, OthelloTransformer
from interp.runs.errors import UserError

MODEL = OthelloTransformer(
    OthelloConfig(n_layers=2, d_model=32, n_heads=2, d_mlp=32), generator=torch.Generator().manual_seed(0)
).eval()


def test_board_states_follow_the_masks() -> None:
    games = random_games(3, seed=2)
    states = board_states(games)
    for game, ply, square in ((0, 0, 37), (1, 30, 27), (2, 58, 0)):
        mine = int(games.mine[game, ply]) >> square & 1
        theirs = int(games.theirs[game, ply]) >> square & 1
        relative = 0 if mine else 1 if theirs else 2
        is_black = bool(mine) == bool(games.black[game, ply])
        absolute = 2 if relative == 2 else 0 if is_black else 1
        assert states[:, game, ply, square].tolist() == [relative, absolute]


def test_streams_are_what_the_sites_add_up_to() -> None:
    tokens = torch.arange(12)[None]
    streams = residual_streams(MODEL, tokens)
    with torch.no_grad():
        written = MODEL.write_sites(tokens)
        first = MODEL.embed(tokens) + MODEL.pos_embed.weight[:12]
    torch.testing.assert_close(streams[0], first)
    torch.testing.assert_close(streams[2], first + sum(written.values()))


def test_a_stream_that_holds_the_board_is_read_perfectly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams replaced by one-hot boards, probes by the identity: accuracy 1 in that frame, and its margin is 0."""
    boards = torch.nn.functional.one_hot(board_states(random_games(6, seed=1, split="test"))[0], 3).float()
    monkeypatch.setattr(probes, "residual_streams", lambda model, tokens: boards.flatten(2)[None])
    oracle = Probes(1, 192)
    with torch.no_grad():
        oracle.weight[0, 0] = torch.eye(192).view(192, 64, 3)
        oracle.weight[1, 0] = torch.eye(192).view(192, 64, 3)
    found = accuracies(MODEL, oracle, games=6, seed=1)
    assert found["mine"][0] == (1.0, 1.0, 1.0)
    black_moved = random_games(6, seed=1, split="test").black[:, :59]
    occupied = (boards.argmax(-1) < 2).numpy()
    wrong = (occupied & ~black_moved[..., None]).mean()
    assert found["black"][0].mean == pytest.approx(1 - wrong)


def test_majority_is_the_best_constant() -> None:
    before = board_states(random_games(50, seed=3)).numpy()
    after = board_states(random_games(20, seed=3, split="test")).numpy()
    majority_of = majority(games=20, seed=3)
    before = board_states(random_games(20, seed=3)).numpy()
    for index, frame in enumerate(FRAMES):
        counts = np.stack([(before[index] == state).sum((0, 1)) for state in range(3)])
        expected = (after[index] == counts.argmax(0)).mean()
        assert majority_of[frame].mean == pytest.approx(expected)
        assert majority_of[frame].low < expected < majority_of[frame].high


def test_the_fits_gradient_is_the_cross_entropys_of_every_depth_alone() -> None:
    job = ProbeJob(MODEL, batch=3, seed=8)
    torch.nn.init.normal_(job.weights.weight, generator=torch.Generator().manual_seed(2))
    job.backward(step=4)
    games = random_games(3, seed=8, first=12)
    streams = residual_streams(MODEL, batch_of(games).tokens)
    torch.testing.assert_close(
        (streams * job.scale[:, None, None, None]).square().mean((1, 2, 3)), torch.ones(3), rtol=0.2, atol=0
    )
    alone = Probes(3, 32)
    alone.load_state_dict(job.weights.state_dict())
    logits = alone(streams * job.scale[:, None, None, None])
    for frame, states in enumerate(board_states(games)):
        for depth in range(3):
            torch.nn.functional.cross_entropy(logits[frame, depth].flatten(0, 2), states.flatten()).backward(
                retain_graph=True
            )
    torch.testing.assert_close(job.weights.weight.grad, alone.weight.grad, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(job.fitted()(streams), logits.detach(), rtol=1e-4, atol=1e-4)


def test_fitting_finds_a_board_that_is_in_the_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams are one-hot boards in the frame of the mover: that frame can be read, black's cannot be linearly."""

    def boards_of(games: Games, device: object = "cpu") -> Batch:
        boards = torch.nn.functional.one_hot(board_states(games)[0], 3).float().flatten(2)
        return Batch(boards, torch.empty(0), games)

    monkeypatch.setattr(probe_fit, "batch_of", boards_of)
    monkeypatch.setattr(probe_fit, "residual_streams", lambda model, boards: boards[None])
    blank = OthelloTransformer(OthelloConfig(n_layers=0, d_model=192, n_heads=2, d_mlp=2))
    fitted = train_probes(blank, tmp_path / "run", games=600, batch=3, seed=4)
    games = random_games(10, seed=4, split="test")
    read = (fitted(boards_of(games).tokens[None]).argmax(-1)[:, 0] == board_states(games)).double().mean((1, 2, 3))
    assert read[0] > 0.98 and read[1] < 0.9


def test_a_file_round_trips_and_others_are_refused(tmp_path: Path) -> None:
    probes = Probes(2, 8)
    torch.nn.init.normal_(probes.weight, generator=torch.Generator().manual_seed(0))
    save_probes(probes, tmp_path / "probes.safetensors", {"transformer": digest(MODEL)})
    assert torch.equal(load_probes(tmp_path / "probes.safetensors").weight, probes.weight)
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    with pytest.raises(UserError, match="holds no probes"):
        load_probes(tmp_path / "broken.safetensors")


def test_directions_are_unit_and_do_not_see_a_common_shift() -> None:
    one = Probes(1, 16)
    torch.nn.init.normal_(one.weight, generator=torch.Generator().manual_seed(0))
    found = one.directions(0)
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(192))
    with torch.no_grad():
        one.weight += torch.randn(1, 1, 16, 64, 1, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(one.directions(0), found, rtol=1e-4, atol=1e-5)
