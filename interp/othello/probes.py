"""Linear probes for the board: which of three states a square is in, read from the residual stream at every depth.

As in Nanda et al. 2023 (arXiv 2309.00941), one matrix [d_model, 64, 3] a layer without bias. There are two frames:
{mine, theirs, empty}, where "mine" belongs to the player who just moved, and {black, white, empty} for comparison.
Depth 0 is the sum of the embeddings, depth l the stream after layer l. `interp.othello.probe_fit` fits them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F

from interp.othello.evaluate import batches
from interp.othello.games import POSITIONS, Games, random_games, unpack
from interp.othello.transformer import Edit, OthelloTransformer
from interp.runs.atomic import write_json, write_tensors
from interp.runs.errors import UserError

FRAMES = {"mine": ("mine", "theirs", "empty"), "black": ("black", "white", "empty")}
"""Frames and the three states that each tells apart."""

SHIPPED = Path(__file__).parent / "weights" / "probes.safetensors"


class Accuracy(NamedTuple):
    """Share of squares read correctly on held-out games."""

    mean: float
    """Over games, plies 1 .. 59 and 64 squares."""
    low: float
    """Lower end of the 95 % interval over games."""
    high: float
    """Upper end."""


@torch.no_grad()
def residual_streams(
    model: OthelloTransformer, tokens: Int[Tensor, "batch pos"]
) -> Float[Tensor, "depth batch pos d_model"]:
    """The residual stream at depth 0 (embeddings) and after each layer."""
    streams = [model.embed(tokens) + model.pos_embed.weight[: tokens.shape[1]]]

    def keep(stream: Tensor) -> Tensor:
        streams.append(stream)
        return stream

    taps: dict[int, Edit] = dict.fromkeys(range(model.config.n_layers), keep)
    model.forward_edited(tokens, {}, residual=taps)
    return torch.stack(streams)


def board_states(games: Games, plies: int = POSITIONS) -> Int[Tensor, "frame games plies 64"]:
    """State of each square (index into its frame's triple), frames in the order of `FRAMES`."""
    mine, theirs = unpack(games.mine[:, :plies]), unpack(games.theirs[:, :plies])
    relative = np.where(mine, 0, np.where(theirs, 1, 2))
    swapped = np.where(relative == 2, 2, 1 - relative)
    absolute = np.where(games.black[:, :plies, None], relative, swapped)
    return torch.from_numpy(np.stack([relative, absolute]).astype(np.int64))


class Probes(nn.Module):
    """Probes of both frames at every depth."""

    def __init__(self, depths: int = 7, d_model: int = 128) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(len(FRAMES), depths, d_model, 64, 3))

    def forward(self, streams: Float[Tensor, "depth batch pos d_model"]) -> Float[Tensor, "frame depth batch pos 64 3"]:
        """Logits of the three states of every square."""
        depth, batch, pos, d_model = streams.shape
        flat = streams.reshape(depth, batch * pos, d_model)
        logits = torch.matmul(flat, self.weight.flatten(3))
        return logits.view(len(FRAMES), depth, batch, pos, 64, 3)

    @torch.no_grad()
    def read(
        self, model: OthelloTransformer, tokens: Int[Tensor, "batch pos"], *, frame: str = "mine"
    ) -> Float[Tensor, "depth batch pos 64 3"]:
        """Probabilities of the states of `FRAMES[frame]` that the probes read in `model`."""
        return self(residual_streams(model, tokens))[list(FRAMES).index(frame)].softmax(-1)

    @torch.no_grad()
    def directions(self, depth: int, *, frame: str = "mine") -> Float[Tensor, "192 d_model"]:
        """Unit direction of each state of each square (state-major, as the first columns of the predicates).

        A state's weight minus the mean of the square's three weights: the part that the softmax sees.
        """
        weight = self.weight[list(FRAMES).index(frame), depth]
        centred = (weight - weight.mean(-1, keepdim=True)).permute(2, 1, 0)
        return F.normalize(centred.reshape(192, -1), dim=-1)


@torch.no_grad()
def accuracies(model: OthelloTransformer, probes: Probes, *, games: int, seed: int) -> dict[str, list[Accuracy]]:
    """Accuracy of each frame at each depth on held-out games."""
    correct = []
    for batch in batches(games, seed=seed, device=probes.weight.device):
        guesses = probes(residual_streams(model, batch.tokens)).argmax(-1)
        truth = board_states(batch.games).to(guesses.device)[:, None]
        correct.append((guesses == truth).double().mean((-1, -2)).cpu())
    by_game = torch.cat(correct, dim=-1)
    return {frame: [_interval(depth) for depth in by_game[index]] for index, frame in enumerate(FRAMES)}


def majority(*, games: int, seed: int) -> dict[str, Accuracy]:
    """Accuracy of always naming each square's most frequent state over training games."""
    before = board_states(random_games(games, seed=seed))
    after = torch.cat([board_states(batch.games) for batch in batches(games, seed=seed)], dim=1)
    guess = F.one_hot(before, 3).sum((1, 2)).argmax(-1)
    correct = (after == guess[:, None, None]).double().mean((-1, -2))
    return {frame: _interval(correct[index]) for index, frame in enumerate(FRAMES)}


def _interval(by_game: Float[Tensor, " games"]) -> Accuracy:
    mean = float(by_game.mean())
    margin = 1.96 * float(by_game.std()) / len(by_game) ** 0.5 if len(by_game) > 1 else 0.0
    return Accuracy(mean, max(0.0, mean - margin), min(1.0, mean + margin))


def save_probes(probes: Probes, path: Path, manifest: dict[str, Any]) -> None:
    """Write the weights, and beside them a JSON manifest (how they were fitted, how well they read)."""
    shape = {"depths": probes.weight.shape[1], "d_model": probes.weight.shape[2]}
    write_tensors(path, {"weight": probes.weight}, {"shape": json.dumps(shape)})
    write_json(path.with_suffix(".json"), {"frames": FRAMES, **shape, **manifest})


def load_probes(path: Path = SHIPPED) -> Probes:
    """Read what `save_probes` wrote; by default the shipped probes. Raises UserError if the file holds none."""
    try:
        with safe_open(path, framework="pt") as file:
            probes = Probes(**json.loads((file.metadata() or {})["shape"]))
            probes.load_state_dict({"weight": file.get_tensor("weight")})
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{path} holds no probes ({error}); expected a file of interp othello probe") from None
    return probes.requires_grad_(False)
