"""Feature cards: what every feature of a dictionary set does, computed once and read lazily.

The protocol of He et al. 2024 (arXiv 2402.12201): over a feature's strongest inputs, the mover's colour, the moves,
the discs turned, the mean board and the ply; beside it the activation histogram, the tiles that its decoder writes
for (direct path through the final LayerNorm's gain, centring included and its scale left out, mean over tiles
removed), the nearest probe direction, an automatic label checked on held-out games, and example games, kept as their
number in the seeded stream. One zstd Parquet row a living feature, boards in 31 or 32 levels: a set of 12 x 1024
features stays below 3 MB.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from interp.dictionaries.base import Dictionary
from interp.dictionaries.firings import Firings
from interp.dictionaries.labels import THRESHOLDS, best_labels, f1_of
from interp.dictionaries.traffic import refuse_misfits, traffic
from interp.othello.evaluate import batches
from interp.othello.games import POSITIONS, Games, random_games
from interp.othello.notation import SQUARE_OF_TOKEN
from interp.othello.predicates import BOARD_STATES, NAMES, columns, predicates
from interp.othello.probes import Probes
from interp.othello.transformer import OthelloTransformer
from interp.runs.atomic import replacing
from interp.runs.errors import UserError
from interp.runs.progress import Progress

BINS = 20
"""Bins of the activation histogram, from 0 to the feature's maximum."""
EXAMPLES = 4
"""Example games a feature, spread evenly over its strongest inputs."""
_LEVELS, _SIGNED = 31, 15
_FINE = 255
"""Of a feature's maximum, for the activations of examples."""
_SHARES = ("mine", "theirs", "moves", "flips", "plies")


class Example(NamedTuple):
    """A position at which a feature is strong."""

    moves: tuple[int, ...]
    """Squares from the start up to the position."""
    activation: float


@dataclass(frozen=True)
class Card:
    """One feature."""

    site: str
    index: int
    label: str
    """Such as `c4 is mine`."""
    f1: float
    """F1 of the label where it was found."""
    f1_held_out: float
    """F1 of the label on other games: the one to trust."""
    threshold: float
    """Share of the maximum above which the feature counts as firing for the label."""
    frequency: float
    """Share of positions where the feature is active."""
    maximum: float
    histogram: Float[np.ndarray, " 20"]
    """Log of 1 + count for each bin of active values, scaled to a peak of 1."""
    mine: Float[np.ndarray, " 64"]
    """Share of the strongest inputs in which each square is mine (the player who just moved)."""
    theirs: Float[np.ndarray, " 64"]
    moves: Float[np.ndarray, " 64"]
    """Where the strongest inputs' moves were played, scaled to a peak of 1, as are flips and plies."""
    flips: Float[np.ndarray, " 64"]
    plies: Float[np.ndarray, " 59"]
    black: float
    """Share of the strongest inputs in which black moved."""
    logits: Float[np.ndarray, " 64"]
    """What the decoder writes for each tile by the direct path; NaN at the centre."""
    probe: str
    """Nearest probe direction, such as `c4 is theirs`; empty without probes."""
    cosine: float
    examples: tuple[Example, ...]
    """Some of the strongest inputs, strongest first."""


class Pass(NamedTuple):
    """Activations of one batch of games at one site."""

    site: str
    activations: Float[Tensor, "position feature"]
    holds: Bool[np.ndarray, "position predicate"]
    first: int
    """Number of the first position in the stream."""


@torch.no_grad()
def _activations(model: OthelloTransformer, dictionaries: Mapping[str, Dictionary], games: int, seed: int) -> Iterator[Pass]:
    done = 0
    for batch in batches(games, seed=seed):
        holds = predicates(batch.games).reshape(-1, len(NAMES))
        seen = traffic(model, batch.tokens)
        for site, dictionary in dictionaries.items():
            encoded = seen[site].input_of(dictionary).flatten(0, 1)
            yield Pass(site, dictionary.encode(encoded), holds, done)
        done += len(holds)


class _Site:
    """Running statistics of one site."""

    def __init__(self, features: int, top: int) -> None:
        self.maximum, self.count = torch.zeros(features), torch.zeros(features)
        self.values, self.inputs = torch.zeros(features, top), torch.zeros(features, top, dtype=torch.int64)
        self.histogram = torch.zeros(features, BINS)
        self.found, self.checked = (Firings(features, len(NAMES), THRESHOLDS) for _ in range(2))

    def first_pass(self, batch: Pass) -> None:
        """Maxima, frequencies and the strongest inputs."""
        activations = batch.activations
        self.maximum = torch.maximum(self.maximum, activations.amax(0))
        self.count += (activations > 0).sum(0)
        values, inputs = activations.T.topk(min(self.values.shape[1], len(activations)))
        values, inputs = torch.cat([self.values, values], 1), torch.cat([self.inputs, inputs + batch.first], 1)
        self.values, order = values.topk(self.values.shape[1])
        self.inputs = inputs.gather(1, order)

    def second_pass(self, batch: Pass) -> None:
        """Histograms and labels, which need the maxima."""
        bins = (batch.activations / self.maximum.clamp(min=1e-12) * BINS).long().clamp(0, BINS - 1)
        self.histogram.scatter_add_(1, bins.T, (batch.activations.T > 0).float())
        self.found.add(batch.activations, self.maximum.numpy(), batch.holds)

    def check(self, batch: Pass) -> None:
        """Labels again, on other games."""
        self.checked.add(batch.activations, self.maximum.numpy(), batch.holds)


def compute(
    model: OthelloTransformer,
    dictionaries: Mapping[str, Dictionary],
    path: Path,
    *,
    probes: Probes | None = None,
    games: int = 500,
    seed: int = 11,
    top: int = 256,
) -> None:
    """Write the cards of every living feature to `path` (Parquet).

    Labels are found on `games` held-out games of stream `seed` and checked on as many of stream `seed + 1`.
    Raises UserError for a set that does not fit the model, or that is never active.
    """
    refuse_misfits(model, dictionaries)
    states = {site: _Site(dictionary.W_dec.shape[0], top) for site, dictionary in dictionaries.items()}
    with Progress(3 * games * POSITIONS * len(states), unit="activations", label="feature cards") as progress:
        for stream, work in ((seed, _Site.first_pass), (seed, _Site.second_pass), (seed + 1, _Site.check)):
            for batch in _activations(model, dictionaries, games, stream):
                work(states[batch.site], batch)
                progress.advance(len(batch.activations))
    positions = _positions(games, seed)
    rows: list[dict[str, Any]] = []
    for site, state in states.items():
        rows += _rows(site, state, positions, _decoder(model, dictionaries[site].W_dec, probes, site))
    _write(path, rows, {"games": games, "seed": seed, "top": top})


def _positions(games: int, seed: int) -> Bool[Tensor, "position predicate"]:
    parts = [batch.games for batch in batches(games, seed=seed)]
    whole = Games(*(np.concatenate(field) for field in zip(*parts, strict=True)))
    return torch.from_numpy(predicates(whole)).flatten(0, 1)


class _Decoder(NamedTuple):
    logits: Tensor
    probe: list[str]
    cosine: Tensor


@torch.no_grad()
def _decoder(model: OthelloTransformer, W_dec: Tensor, probes: Probes | None, site: str) -> _Decoder:
    """Direct logits of every tile, and the probe direction (read after the site's layer) nearest to each row."""
    centred = W_dec - W_dec.mean(-1, keepdim=True)
    tiles = (centred * model.norm_final.weight) @ model.unembed.weight[:60].T
    tiles = tiles - tiles.mean(-1, keepdim=True)
    if probes is None:
        return _Decoder(tiles, [""] * len(W_dec), torch.zeros(len(W_dec)))
    cosines = F.normalize(W_dec, dim=-1) @ probes.directions(int(site[1:-1]) + 1).T
    cosine, nearest = cosines.max(-1)
    return _Decoder(tiles, [NAMES[BOARD_STATES][column] for column in nearest.tolist()], cosine)


def _rows(site: str, state: _Site, positions: Tensor, decoder: _Decoder) -> list[dict[str, Any]]:
    labels = best_labels(state.found)
    checked = f1_of(labels, state.checked)
    total = len(positions)
    rows = []
    for index in state.maximum.nonzero()[:, 0].tolist():
        strong = state.values[index] > 0
        inputs, values = state.inputs[index][strong], state.values[index][strong]
        shown = torch.linspace(0, len(inputs) - 1, min(EXAMPLES, len(inputs))).round().long()
        scale = float(decoder.logits[index].abs().max()) or 1.0
        rows.append(
            {
                "site": site,
                "index": index,
                "label": NAMES[labels.predicate[index]],
                "f1": float(labels.f1[index]),
                "f1_held_out": float(checked[index]),
                "threshold": float(THRESHOLDS[labels.threshold[index]]),
                "frequency": float(state.count[index]) / total,
                "maximum": float(state.maximum[index]),
                "histogram": _levels(torch.log1p(state.histogram[index])),
                **_boards(positions[inputs].float().mean(0), inputs),
                "logits": (decoder.logits[index] / scale * _SIGNED).round().to(torch.int8).numpy().tobytes(),
                "logit_scale": scale,
                "probe": decoder.probe[index],
                "cosine": float(decoder.cosine[index]),
                "examples": inputs[shown].tolist(),
                "example_activations": _bytes(values[shown] / state.maximum[index] * _FINE),
            }
        )
    return rows


def _boards(mean: Float[Tensor, " predicate"], inputs: Tensor) -> dict[str, Any]:
    return {
        "mine": _levels(mean[columns("mine")], peak=1.0),
        "theirs": _levels(mean[columns("theirs")], peak=1.0),
        "moves": _levels(mean[columns("played")]),
        "flips": _levels(mean[columns("flipped")]),
        "plies": _levels(torch.bincount(inputs % POSITIONS, minlength=POSITIONS).float()),
        "black": float(mean[NAMES.index("black moved")]),
    }


def _levels(shares: Tensor, peak: float | None = None) -> bytes:
    highest = float(shares.max()) if peak is None else peak
    return _bytes(shares / max(highest, 1e-12) * _LEVELS)


def _bytes(levels: Tensor) -> bytes:
    return levels.round().to(torch.uint8).numpy().tobytes()


def _write(path: Path, rows: list[dict[str, Any]], settings: dict[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not rows:
        raise UserError(f"no feature of the set was active on {settings['games']} games, so {path} was not written")
    table = pa.Table.from_pylist(rows).replace_schema_metadata({"cards": json.dumps(settings)})
    for column in ("f1", "f1_held_out", "threshold", "frequency", "maximum", "black", "logit_scale", "cosine"):
        place = table.column_names.index(column)
        table = table.set_column(place, column, table.column(column).cast(pa.float32()))
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", compression_level=9)


class Cards:
    """Cards of one set; the file is read at the first question."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def _file(self) -> tuple[dict[str, list[Any]], dict[str, Any]]:
        """The columns, and the settings that the cards were made with."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(self.path)
            return table.to_pydict(), json.loads(table.schema.metadata[b"cards"])
        except (OSError, pa.ArrowInvalid, KeyError, TypeError) as error:
            expected = "expected a file of `interp dictionaries features`"
            raise UserError(f"{self.path} holds no feature cards ({error}); {expected}") from None

    @property
    def _table(self) -> dict[str, list[Any]]:
        return self._file[0]

    @property
    def _settings(self) -> dict[str, Any]:
        return self._file[1]

    @cached_property
    def _rows(self) -> dict[tuple[str, int], int]:
        return {key: row for row, key in enumerate(zip(self._table["site"], self._table["index"], strict=True))}

    def __len__(self) -> int:
        return len(self._rows)

    def card(self, site: str, index: int) -> Card | None:
        """The card of one feature; None if it was never active."""
        row = self._rows.get((site, index))
        if row is None:
            return None
        values: dict[str, Any] = {name: column[row] for name, column in self._table.items()}
        for name in (*_SHARES, "histogram"):
            values[name] = np.frombuffer(values[name], np.uint8).astype(np.float32) / _LEVELS
        activations = np.frombuffer(values.pop("example_activations"), np.uint8) / _FINE * values["maximum"]
        places = zip(values["examples"], activations.tolist(), strict=True)
        examples = tuple(Example(self._moves(place), value) for place, value in places)
        tiles = np.full(64, np.nan, np.float32)
        tiles[SQUARE_OF_TOKEN] = np.frombuffer(values["logits"], np.int8) / _SIGNED * values.pop("logit_scale")
        return Card(**{**values, "logits": tiles, "examples": examples})

    def _moves(self, place: int) -> tuple[int, ...]:
        """Moves up to the position with this number in the stream that the cards were made from."""
        game, ply = divmod(place, POSITIONS)
        played = random_games(1, seed=self._settings["seed"], first=game, split="test")
        return tuple(played.moves[0, : ply + 1].tolist())

    def label(self, site: str, index: int) -> str | None:
        """The automatic label of one feature."""
        row = self._rows.get((site, index))
        return None if row is None else str(self._table["label"][row])

    def search(self, text: str, *, limit: int = 50) -> list[Card]:
        """Features whose label has every word of `text` ("c4 mine"), best held-out F1 first."""
        words = text.lower().split()
        scores = self._table["f1_held_out"]
        found = [row for row, label in enumerate(self._table["label"]) if set(words) <= set(label.split())]
        best = sorted(found, key=lambda row: -scores[row])[:limit]
        cards = (self.card(self._table["site"][row], self._table["index"][row]) for row in best)
        return [card for card in cards if card is not None]
