"""What linear probes read at each depth, against two baselines, and what editing the board through them does.

The baselines of Nanda et al. 2023 (arXiv 2309.00941): probes of the same recipe on a transformer of random weights
(how much a linear map of the moves alone can say) and each square's most frequent state. The editing experiment is
that of `interp.othello.steering`; its alpha is chosen on games of one stream and judged on another.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple, get_args

import torch

from interp.othello.probe_fit import train_probes
from interp.othello.probes import FRAMES, Probes, accuracies, majority, save_probes
from interp.othello.steering import Operation, best_alpha, edit_cases, edit_errors
from interp.othello.transformer import OthelloTransformer
from interp.runs.atomic import write_json
from interp.runs.folder import about

ALPHAS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
"""Lengths of an edit, as shares of the residual stream's own, from which one is chosen."""
EDIT_PLIES = (10, 20, 30, 40)
"""Positions that are edited: after these many moves."""


class Reading(NamedTuple):
    """Accuracy of one frame at one depth on unseen games, with the ends of its 95 % interval over games."""

    frame: str
    """`mine` {mine, theirs, empty} or `black` {black, white, empty}."""
    depth: int
    """0 for the sum of the embeddings, l for the stream after layer l (counted from 1)."""
    accuracy: float
    low: float
    high: float
    random_weights: float
    """The same recipe on a transformer of random weights."""
    random_low: float
    random_high: float
    majority: float
    """Always naming each square's most frequent state."""


class Editing(NamedTuple):
    """Wrong moves in the predicted legal set after an edit, with half of each 95 % interval."""

    operation: Operation
    ply: int
    alpha: float
    errors: float
    margin: float
    null: float
    """Without the edit, against the edited board."""
    null_margin: float
    cases: int


class ProbeReport(NamedTuple):
    """The whole experiment."""

    accuracy: list[Reading]
    editing: list[Editing]
    transformer: str
    """First 16 digits of the SHA-256 of the transformer's weights."""
    games: int
    """Games that the probes were fitted to."""
    test_games: int
    seed: int

    def rows(self) -> dict[str, Any]:
        """The report as plain lists and objects, for JSON."""
        lists = {"accuracy": [row._asdict() for row in self.accuracy], "editing": [row._asdict() for row in self.editing]}
        return self._asdict() | lists


def digest(model: OthelloTransformer) -> str:
    """First 16 digits of the SHA-256 of a transformer's weights in float32, the same for every file that holds them."""
    found = hashlib.sha256()
    for name, weight in sorted(model.state_dict().items()):
        found.update(name.encode() + weight.detach().cpu().float().numpy().tobytes())
    return found.hexdigest()[:16]


def probe_report(
    model: OthelloTransformer, out: Path, *, games: int, test_games: int, edits: int, seed: int
) -> tuple[Probes, ProbeReport]:
    """Fit, measure, edit; the fits live in two run folders below `out` and go on where they were killed.

    Writes `out/probes.safetensors` and its JSON manifest. `edits` is the number of games drawn for each kind of edit.
    Raises UserError if `out` holds fits to another transformer or with other settings.
    """
    weights = digest(model)
    device = model.unembed.weight.device
    blank = OthelloTransformer(model.config, generator=torch.Generator().manual_seed(seed)).eval().to(device)
    fits = {"trained": (model, weights), "random_weights": (blank, f"random weights of seed {seed}")}
    found, read = {}, {}
    for name, (transformer, label) in fits.items():
        found[name] = train_probes(transformer, out / name, games=games, seed=seed, label=label)
        read[name] = accuracies(transformer, found[name], games=test_games, seed=seed)
    base = majority(games=test_games, seed=seed)
    accuracy = [
        Reading(frame, depth, *reached, *random, base[frame].mean)
        for frame in FRAMES
        for depth, (reached, random) in enumerate(zip(read["trained"][frame], read["random_weights"][frame], strict=True))
    ]
    probes = found["trained"]
    report = ProbeReport(accuracy, edit_rows(model, probes, count=edits, seed=seed), weights, games, test_games, seed)
    save_probes(probes, out / "probes.safetensors", report.rows())
    return probes, report


def edit_rows(model: OthelloTransformer, probes: Probes, *, count: int, seed: int) -> list[Editing]:
    """Flips and erasures after each of `EDIT_PLIES` moves; alpha is chosen for each at the stream `seed`."""
    rows = []
    for operation in get_args(Operation):
        for ply in EDIT_PLIES:
            alpha = best_alpha(model, probes, operation, alphas=ALPHAS, seed=seed, ply=ply)
            cases = edit_cases(operation, count=count, seed=seed + 1, ply=ply)
            found = edit_errors(model, probes, cases, alpha=alpha)
            rows.append(
                Editing(operation, ply, alpha, found.edited, found.edited_margin, found.null, found.null_margin, found.cases)
            )
    return rows


def as_table(report: ProbeReport) -> str:
    """The report for people."""
    lines = ["frame  depth  read correctly (95 %)     random weights  majority"]
    for row in report.accuracy:
        interval = f"{row.accuracy:.4f} ({row.low:.4f} .. {row.high:.4f})"
        lines.append(f"{row.frame:6s} {row.depth:5d}  {interval:26s}{row.random_weights:14.4f}{row.majority:10.4f}")
    lines += ["", "edit   ply  alpha  wrong legal moves   without the edit    cases"]
    for edit in report.editing:
        errors, null = f"{edit.errors:.3f} ± {edit.margin:.3f}", f"{edit.null:.3f} ± {edit.null_margin:.3f}"
        lines.append(f"{edit.operation:6s} {edit.ply:3d}  {edit.alpha:5.2f}  {errors:18s}  {null:18s}  {edit.cases:4d}")
    return "\n".join(lines)


def write_results(report: ProbeReport, path: Path) -> None:
    """Write the report as a result file, with all that is needed to measure again."""
    write_json(path, {**report.rows(), "about": about(report.seed)})
