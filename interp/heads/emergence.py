"""When, over training, each level of in-context learning and each head's recall of relations appears (section 5).

    <out>/emergence/step_N_levels.parquet    loss reduction and accuracies of the few-shot tasks
    <out>/emergence/step_N_heads.parquet     relation index of every head, arg max alone as the paper does over training

One measurement a checkpoint; what is there is not measured again. The paper draws only heads whose index rises; here
every head is kept, with the control of matched random tails beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from interp.heads.icl.levels import LevelOptions, held_out, levels
from interp.heads.index.options import IndexOptions
from interp.heads.index.run import relation_index
from interp.heads.relations.alignment import AlignmentOptions, align
from interp.heads.relations.collected import Relations
from interp.heads.relations.installed import installed_relations
from interp.heads.relations.synthetic import synthetic_relations
from interp.models.checkpoints import Checkpoint
from interp.models.load import load_language
from interp.runs.atomic import write_frame
from interp.runs.progress import Progress

if TYPE_CHECKING:
    from interp.models.bridge import LanguageModel

_WITHOUT_TAU = IndexOptions(tau=None)


@dataclass(frozen=True)
class EmergenceOptions:
    """What is measured at each checkpoint."""

    levels: LevelOptions = field(default_factory=LevelOptions)
    documents: int = 100
    """Made-up texts for the knowledge-graph relations, and twice as many sentences for subj, obj, mod."""
    seed: int = 0
    """Of the made-up texts."""


class Emergence(NamedTuple):
    """Tidy tables over checkpoints."""

    levels: pd.DataFrame
    """Columns step, task, shots, measure, value, low, high, count; loss reduction has its (i, j) as task and no shots."""
    heads: pd.DataFrame
    """Columns step and those of `interp.heads.index.result.Measurement.table` that need no drawing."""


def emergence(
    checkpoints: Sequence[Checkpoint], out: Path, options: EmergenceOptions = EmergenceOptions(), *, device: str = "auto"
) -> Emergence:
    """Measure every checkpoint that `out` does not hold yet, and return all.

    Raises UserError for a checkpoint that cannot be loaded, or whose context is too short for loss reduction.
    """
    missing = [one for one in checkpoints if not _file(out, one, "heads").exists()]
    texts = held_out(options.levels.text) if missing else []
    relations = _relations(options) if missing else []
    with Progress(len(missing), unit="checkpoints", label="emergence") as progress:
        for checkpoint in missing:
            model = load_language(checkpoint.model, device=device)
            write_frame(_file(out, checkpoint, "levels"), levels(model, options.levels, texts))
            write_frame(_file(out, checkpoint, "heads"), _heads(model, relations))  # last: where it is, both are
            progress.advance(1, f"step {checkpoint.step:,}")
    return read_emergence(out, checkpoints)


def read_emergence(out: Path, checkpoints: Sequence[Checkpoint]) -> Emergence:
    """What `emergence` has written for these checkpoints."""
    return Emergence(
        *(
            pd.concat([pd.read_parquet(_file(out, one, kind)).assign(step=one.step) for one in checkpoints])
            for kind in ("levels", "heads")
        )
    )


def _relations(options: EmergenceOptions) -> list[Relations]:
    return [synthetic_relations(options.documents, seed=options.seed), installed_relations(2 * options.documents)]


def _heads(model: LanguageModel, relations: list[Relations]) -> pd.DataFrame:
    tables = []
    for found in relations:
        aligned = align(found.documents, model.tokenizer, AlignmentOptions(context=model.bridge.cfg.n_ctx))
        measured = relation_index(model, aligned.documents, _WITHOUT_TAU, progress=False)
        table = measured.table(tau=None, statistics=None)
        tables.append(table.drop(columns=["low", "high", "p_value", "q_value"]))
    return pd.concat(tables, ignore_index=True)


def _file(out: Path, checkpoint: Checkpoint, kind: str) -> Path:
    return out / "emergence" / f"step_{checkpoint.step:06d}_{kind}.parquet"


def half_rise(steps: Sequence[float], values: Sequence[float]) -> float:
    """The step at which a curve has made half of its way from its first value to its last, on a log scale of steps.

    A change point that needs no threshold of its own; NaN for a curve that ends where it began. Between two checkpoints
    it is interpolated in log(1 + step).
    """
    x, y = np.log1p(np.asarray(steps, dtype=float)), np.asarray(values, dtype=float)
    way = y[-1] - y[0]
    if len(y) < 2 or abs(way) < 1e-9:
        return float("nan")
    done = (y - y[0]) / way
    after = int(np.argmax(done >= 0.5))
    share = (0.5 - done[after - 1]) / (done[after] - done[after - 1])
    return float(np.expm1(x[after - 1] + share * (x[after] - x[after - 1])))
