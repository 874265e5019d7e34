"""One round of self-augmentation: a model comments code, filters choose, and the model reads on what was kept.

    <out>/pieces.parquet, <out>/code/    `training.comments.augmentation_pieces`
    <out>/generated/                     a run of `training.comments.job`: comments, and what became of every file
    <out>/arms/<arm>_<seed>/             further training of the same model, with its adapter
    <out>/before.json                    scores of the model as it was

After Song et al. 2024 (arXiv 2402.13013, 3: generate, filter, train further, and the trained model may generate again) at
the size of a CPU. Two arms read equally many tokens, in pairs of equal seeds: the accepted files with their new comments,
and the same files without them. Measured is the loss on code that people wrote and commented, of sources held out, read
with its authors' comments and without any. Sizes, arms and measure are ours. The adapter of an arm is a model that the
next round can begin with.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import torch

from interp.models.load import CausalModel, load_causal
from interp.runs.atomic import write_json
from interp.runs.device import resolve
from interp.runs.engines import Engine
from interp.runs.errors import UserError
from interp.runs.estimate import tell
from interp.runs.folder import Run, read_manifest
from interp.runs.loop import fit
from interp.runs.refusable import refusable
from training.comments.annotate import AnnotationRules
from training.comments.augmentation_pieces import PieceOptions, pieces
from training.comments.augmentation_scores import HeldOut, Scores, held_out, summary
from training.comments.code_loss import code_nats
from training.comments.job import Annotation, annotate_folder, read_results
from training.comments.reading import Reading, ReadingJob
from training.comments.writer import WriterOptions

JOB = "augmentation"
Arm = Literal["plain", "augmented"]
"""What is read: the accepted files without comments, or with those that the model wrote."""


@dataclass(frozen=True)
class Augmentation:
    """Settings of a round; all defaults are ours."""

    model: str = "smollm2-135m"
    """Writes the comments and is trained further; what `interp.models.load.load_causal` takes."""
    pieces: PieceOptions = field(default_factory=PieceOptions)
    writer: WriterOptions = field(default_factory=WriterOptions)
    rules: AnnotationRules = field(default_factory=AnnotationRules)
    reading: Reading = field(default_factory=Reading)
    seeds: int = 2

    def cells(self) -> Iterator[tuple[Arm, int]]:
        """Arm and seed of every training, both arms of a seed before the next seed."""
        yield from ((arm, seed) for seed in range(self.seeds) for arm in get_args(Arm))


class _Round(NamedTuple):
    """A round on its way."""

    out: Path
    settings: Augmentation
    device: torch.device
    held_out: HeldOut


def augment(
    out: Path,
    settings: Augmentation = Augmentation(),
    folders: Sequence[Path] | None = None,
    *,
    engine: Engine = "auto",
    workers: int | None = None,
    device: str = "auto",
) -> dict[str, Any]:
    """Do the round at `out`, or go on with it; return its results.

    `folders` are where code is taken from: without them the standard library and the installed packages.

    Results: files, held_out, sources_held_out, seeds, tokens (that each training reads), funnel (of the filters), read
    (of each arm: texts, tokens_once, passes, density), loss (`training.comments.augmentation_scores.summary`).

    Raises UserError where there is no commented code on a side, no file is accepted, or the run has other settings.
    """
    config = {"job": JOB, "folders": [str(path) for path in folders or ()], **asdict(settings)}
    with refusable(out, config=config, seed=0) as run:
        base = load_causal(settings.model, device=device)
        chosen = pieces(folders, out, settings.pieces)
    this = _Round(out, settings, resolve(device), held_out(chosen, base.tokenizer))
    before = _before(this, base)
    if not (out / "arms").exists():
        _tell(this, base, chosen.bare.tolist())
    annotation = Annotation(settings.model, settings.writer, settings.rules)
    where: dict[str, Any] = {"engine": engine, "workers": workers, "device": device}
    funnel = annotate_folder(out / "code", out / "generated", annotation, **where)
    texts = arm_texts(out)
    after = {cell: _trained(this, *cell, texts[cell[0]]) for cell in settings.cells()}
    plain, augmented = ([after[arm, seed] for seed in range(settings.seeds)] for arm in get_args(Arm))
    results = {
        "files": int((chosen.split == "train").sum()), "held_out": len(this.held_out.sources),
        "sources_held_out": len(set(this.held_out.sources)), "seeds": settings.seeds, "tokens": settings.reading.whole,
        "funnel": funnel, "read": _read(this, texts, base.tokenizer),
        "loss": summary(this.held_out, before, plain, augmented),
    }  # fmt: skip
    run.finish(results)
    return results


def arm_texts(out: Path) -> dict[Arm, list[str]]:
    """What each arm reads: the accepted files, in the same order. Raises UserError where none was accepted."""
    results = read_results(out / "generated")
    accepted = results[results["accepted"]].sort_values("name")
    if accepted.empty:
        reasons = ", ".join(f"{count} {reason}" for reason, count in results["reason"].value_counts().items())
        raise UserError(
            f"none of {len(results)} files in {out / 'generated'} was accepted ({reasons}): there is nothing to read"
        )
    return {"plain": accepted["original"].tolist(), "augmented": accepted["code"].tolist()}


def _before(this: _Round, base: CausalModel) -> Scores:
    place = this.out / "before.json"
    if not place.exists():
        write_json(place, this.held_out.scores(base.model, this.device)._asdict())
    return Scores.read(place)


def _trained(this: _Round, arm: Arm, seed: int, texts: Sequence[str]) -> Scores:
    """Train an arm, or go on with it; return its scores."""
    place, settings = this.out / "arms" / f"{arm}_{seed}", this.settings
    if not (place.exists() and read_manifest(place).get("status") == "complete"):
        run = Run.open(place, config={"arm": arm, "model": settings.model, **asdict(settings.reading)}, seed=seed)
        job = ReadingJob(load_causal(settings.model, device=str(this.device)), texts, settings.reading, seed, this.device)
        fit(job, run, settings.reading.schedule)
        job.save(settings.model, place / "adapter")
        run.finish(this.held_out.scores(job.model, this.device)._asdict())
    return Scores(**read_manifest(place)["results"])


def _tell(this: _Round, base: CausalModel, texts: Sequence[str]) -> None:
    """Say what training and scoring will take; what the comments will, their own job says."""
    reading, cells = this.settings.reading, len(list(this.settings.cells()))
    began = time.perf_counter()
    code_nats(base.model, this.held_out.bare[0], this.device)
    scoring = (time.perf_counter() - began) / len(this.held_out.bare[0].tokens) * this.held_out.tokens
    job = ReadingJob(load_causal(this.settings.model, device=str(this.device)), texts, reading, 0, this.device)
    began = time.perf_counter()
    job.backward(0)
    training = (time.perf_counter() - began) * reading.steps
    work = f"{cells} trainings on {reading.whole:,} tokens each, and their scores, when the comments are written"
    tell(this.out.name, cells * (training + scoring), work)


def _read(this: _Round, texts: dict[Arm, list[str]], tokenizer: Any) -> list[dict[str, Any]]:
    """A row an arm: what there was to read, and how often it was read."""
    results = read_results(this.out / "generated")
    density = {"plain": results["density_before"], "augmented": results["density_after"]}
    rows: list[dict[str, Any]] = []
    for arm in get_args(Arm):
        once = sum(len(tokenizer(text, verbose=False).input_ids) + 1 for text in texts[arm])
        rows.append({
            "arm": arm, "texts": len(texts[arm]), "tokens_once": once, "passes": this.settings.reading.whole / once,
            "density": float(density[arm][results["accepted"]].mean()),
        })  # fmt: skip
    return rows
