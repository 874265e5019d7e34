"""Train the discourse model on connective-initial sentences, and make it the one that comes with the package.

    runs/<name>/pairs/train.parquet, held-out.parquet   first, second, connective, neighbours
    runs/<name>/sentences/, embeddings/                 the distinct sentences and their vectors, part by part
    runs/<name>/discourse.safetensors, discourse.json   the classifier in half precision, and what it is

DMR alternates between the senses and the table (EM, arXiv 2306.10658); here all parameters descend together on the
likelihood itself, log sum_z p(z | u, v) p(c | z), which is what EM climbs. There are as many senses as connectives, as in
DMR, and each begins with a connective of its own: a table without such a preference stays where it is, as all senses are
alike to it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from accelerate import PartialState
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import dropout, nll_loss

from interp.corpora.document import Split
from interp.corpora.windows import DEFAULT, corpus
from interp.runs.atomic import sha256, write_frame, write_json, write_tensors
from interp.runs.device import resolve
from interp.runs.errors import UserError
from interp.runs.folder import Run, finished_manifest, origin
from interp.runs.loop import Job, fit
from interp.runs.parts import Parts, part_path, write_part
from interp.runs.schedule import Schedule
from training.longtext.discourse import MANIFEST, SHIPPED, WEIGHTS, DiscourseModel, read_discourse
from training.longtext.discourse_data import PairOptions, collect, frequent
from training.sampling.embed import embed
from training.sampling.embedders import MINILM
from training.sampling.folder import COLUMN

_OWN_SENSE = 5.0
"""What the table gives a connective in its own sense, to begin with, above all others."""
_PART = 1024
"""Sentences that are embedded between two chances to be killed."""


@dataclass(frozen=True)
class DiscourseTraining:
    """Settings of one run."""

    steps: int = 3_000
    batch: int = 256
    width: int = 128
    """Of the pair's representation; DMR's is that of its encoder."""
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    dropout: float = 0.2
    """Of the sentences' vectors."""
    text: str = DEFAULT
    """`default` for the installed text, or a .txt or .jsonl file."""
    pairs: PairOptions = field(default_factory=PairOptions)
    seed: int = 1

    @property
    def schedule(self) -> Schedule:
        """Warm-up, constant, linear decay."""
        return Schedule.of(self.steps, 50, 0.3)


class _Encoded:
    """Pairs of a split: numbers of their sentences, and their classes."""

    def __init__(self, frame: pd.DataFrame, sentences: pd.Index, classes: Sequence[str]) -> None:
        known = frame[frame["connective"].isin(classes)]
        self.first = torch.from_numpy(sentences.get_indexer(known["first"]))
        self.second = torch.from_numpy(sentences.get_indexer(known["second"]))
        self.label = torch.from_numpy(pd.Index(classes).get_indexer(known["connective"]))
        self.neighbours = known["neighbours"].to_numpy(dtype=bool)

    def __len__(self) -> int:
        return len(self.label)


class DiscourseJob(Job):
    """Negative log-likelihood of the connective, on vectors that stay as they are."""

    unit = "pairs"

    def __init__(
        self, settings: DiscourseTraining, vectors: Float[Tensor, "sentence d"], train: _Encoded, held_out: _Encoded,
        connectives: int, device: torch.device,
    ) -> None:  # fmt: skip
        self.settings, self.train, self.held_out, self.device = settings, train, held_out, device
        self.vectors, self.units_per_step = vectors.to(device), settings.batch
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            model = DiscourseModel(vectors.shape[1], settings.width, connectives, connectives)
        with torch.no_grad():
            model.table.copy_(_OWN_SENSE * torch.eye(connectives))
        self.module = self.model = model.to(device)
        rate, decay = settings.learning_rate, settings.weight_decay
        self.optimizers = [torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay)]

    def backward(self, step: int) -> dict[str, float | Tensor]:
        """Read this process's share of the step's pairs."""
        state, batch = PartialState(), self.settings.batch
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + step)
        rows = torch.randint(len(self.train), (batch,), generator=generator)[state.process_index :: state.num_processes]
        torch.manual_seed(self.settings.seed * 1_000_003 + step)
        sides = [dropout(self.vectors[side[rows]], self.settings.dropout) for side in (self.train.first, self.train.second)]
        loss = nll_loss(self.model(*sides), self.train.label[rows].to(self.device))
        loss.backward()
        return {"loss": loss.detach()}

    @torch.no_grad()
    def evaluate(self) -> dict[str, Any]:
        """Figures on held-out sources."""
        pairs = self.held_out
        found = self.model(self.vectors[pairs.first], self.vectors[pairs.second]).cpu()
        return {"held_out_loss": float(nll_loss(found, pairs.label)), **figures(found, pairs.label, pairs.neighbours)}


def figures(
    log_probabilities: Float[Tensor, "pair connective"], label: Int[Tensor, " pair"], neighbours: np.ndarray
) -> dict[str, float]:
    """Accuracy over all classes and over the connectives alone, and how well 1 - p(none) tells pairs apart (AUC).

    `largest_class` is the accuracy of always naming the commonest connective.
    """
    from sklearn.metrics import roc_auc_score

    none = log_probabilities.shape[1] - 1
    tied = (label != none).numpy()
    among, own = log_probabilities[tied][:, :none].argmax(-1), label[tied]
    score = 1 - log_probabilities[:, none].exp().numpy()
    aside = ~tied & neighbours
    return {
        "accuracy": float((log_probabilities.argmax(-1) == label).float().mean()),
        "connective_accuracy": float((among == own).float().mean()),
        "largest_class": float(own.bincount().max() / len(own)),
        "auc_connective_or_none": float(roc_auc_score(tied, score)),
        "auc_neighbours_or_unrelated": float(roc_auc_score(neighbours, score)),
        "auc_connective_or_unrelated": float(roc_auc_score(tied[~aside], score[~aside])),
        "auc_untied_neighbours_or_unrelated": float(roc_auc_score(neighbours[~tied], score[~tied])),
    }


def prepare_pairs(settings: DiscourseTraining, out: Path) -> dict[Split, pd.DataFrame]:
    """Pairs of both splits; collected and written to `out` when they are not there.

    Raises UserError if the text holds too few.
    """
    found: dict[Split, pd.DataFrame] = {}
    for split in get_args(Split):
        path = out / "pairs" / f"{split}.parquet"
        if not path.exists():
            write_frame(path, pd.DataFrame(collect(corpus(settings.text, split), settings.pairs, seed=settings.seed)))
        found[split] = pd.read_parquet(path)
    counts = {split: len(frame) for split, frame in found.items()}
    if min(counts.values()) == 0 or len(frequent(found["train"]["connective"], settings.pairs.fewest)) < 3:
        raise UserError(
            f"'{settings.text}' holds {counts['train']} pairs to train on and {counts['held-out']} held out; accepted is "
            f"text with two connectives of at least {settings.pairs.fewest} pairs"
        )
    return found


def _vectors(sentences: pd.Index, out: Path, device: str) -> Float[Tensor, "sentence d"]:
    """The sentences' vectors; embedded, or what is left of them, when they are not there."""
    folder, texts = out / "sentences", sentences.tolist()
    for number, first in enumerate(range(0, len(texts), _PART)):
        if not part_path(folder, number).exists():
            write_part(part_path(folder, number), pa.table({"text": texts[first : first + _PART]}))
    embed(Parts(folder), out / "embeddings", MINILM, device=device, engine="inline")
    values = Parts(out / "embeddings").column(COLUMN).combine_chunks().flatten().to_numpy()
    return torch.from_numpy(values.reshape(len(texts), -1).copy())


def train_discourse(settings: DiscourseTraining, out: Path, *, device: str = "auto") -> dict[str, Any]:
    """Train, or go on with, the run at `out`; return the figures on held-out sources."""
    where, primary = resolve(device), PartialState().is_main_process
    run = Run.open(out, config=asdict(settings), seed=settings.seed, primary=primary)
    with PartialState().main_process_first():
        pairs = prepare_pairs(settings, out)
    sentences = pd.Index(sorted({text for frame in pairs.values() for side in ("first", "second") for text in frame[side]}))
    classes = frequent(pairs["train"]["connective"], settings.pairs.fewest)
    train, held_out = (_Encoded(pairs[split], sentences, classes) for split in ("train", "held-out"))
    job = DiscourseJob(settings, _vectors(sentences, out, str(where)), train, held_out, len(classes), where)
    results = fit(job, run, settings.schedule, evaluate_every=500)
    results |= {"connectives": len(classes) - 1, "train_pairs": len(train), "held_out_pairs": len(held_out)}
    if run.primary:
        _write(job.model, classes, out)
        run.finish(results)
    return results


def _write(model: DiscourseModel, classes: Sequence[str], folder: Path) -> None:
    """The classifier in half precision, and its shape and classes."""
    write_tensors(folder / WEIGHTS, {name: tensor.half() for name, tensor in model.state_dict().items()})
    senses, connectives = model.table.shape
    shape = {"encoded": model.aggregate.in_features // 4, "width": model.aggregate.out_features}
    write_json(folder / MANIFEST, {"shape": {**shape, "senses": senses, "connectives": connectives}, "classes": classes})


def ship_discourse(run: Path, folder: Path = SHIPPED) -> dict[str, Any]:
    """Make a finished run's classifier the one that comes with the package; return its manifest.

    Raises UserError, and leaves `folder` as it is, if the run is not finished or its classifier cannot be read.
    """
    manifest = finished_manifest(run)
    read_discourse(run)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS).write_bytes((run / WEIGHTS).read_bytes())
    own = json.loads((run / MANIFEST).read_text())
    shipped = {**own, **origin(manifest), "results": manifest["results"], "sha256": sha256(folder / WEIGHTS)}
    write_json(folder / MANIFEST, shipped)
    return shipped
