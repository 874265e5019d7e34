"""A prepared corpus as tokens, with a tenth of every cluster held out: what strategies are compared on.

<out>/tokenizer/             trained on the documents that are not held out
<out>/corpus.safetensors     tokens, cluster, held_out: a row a document
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Int
from safetensors import safe_open
from torch import Tensor

from interp.runs.atomic import write_tensors
from interp.runs.errors import UserError
from training.lm.tokenizer import train_tokenizer
from training.sampling.sampler import drawable

if TYPE_CHECKING:
    from training.sampling.folder import SamplingRun

HELD_OUT_EVERY = 10
MEASURED = 64
"""Documents of a cluster, at most, that a loss is measured on."""


class TokenCorpus(NamedTuple):
    """A prepared corpus as tokens; near-duplicates are left out."""

    tokens: Int[Tensor, "document pos"]
    """Filled up with end tokens."""
    cluster: Int[np.ndarray, " document"]
    held_out: Bool[np.ndarray, " document"]
    end: int
    """The token after a document."""

    @property
    def lengths(self) -> Int[np.ndarray, " document"]:
        """Tokens of each document, without those that fill it up."""
        return (self.tokens != self.end).sum(1).numpy()

    @property
    def drawable(self) -> Int[np.ndarray, " document"]:
        """Cluster of each document, -1 for those held out."""
        return np.where(self.held_out, -1, self.cluster)

    @property
    def sizes(self) -> Int[np.ndarray, " cluster"]:
        """Documents of each cluster that can be drawn."""
        return np.bincount(self.cluster[~self.held_out], minlength=self.cluster.max() + 1)

    def sample(self, *, held_out: bool) -> Int[np.ndarray, " document"]:
        """The first documents of every cluster on one side, for measuring."""
        chosen = np.flatnonzero(self.held_out == held_out)
        place = pd.Series(self.cluster[chosen]).groupby(self.cluster[chosen]).cumcount().to_numpy()
        return chosen[place < MEASURED]


@dataclass(frozen=True)
class CorpusOptions:
    """What becomes of a prepared corpus."""

    tokens: int = 128
    """Of a document; what is longer is cut off."""
    vocab: int = 2048
    skew: float = 0.0
    """Documents that can be drawn are thinned out until the size of cluster number r falls as (r + 1)^-skew. k-means makes
    clusters of a corpus like documentation nearly alike; the large ones of the paper's kind of corpus are not."""


def token_corpus(run: SamplingRun, out: Path, options: CorpusOptions) -> TokenCorpus:
    """The documents of a prepared run as tokens; made and written to `out` when it is not there.

    Raises UserError for a run with a cluster too small to hold out a document of, and for a corpus made otherwise.
    """
    from transformers import PreTrainedTokenizerFast

    file = out / "corpus.safetensors"
    if not file.exists():
        _write(run, out, file, options)
    with safe_open(file, framework="pt") as stored:
        made = json.loads(stored.metadata()["options"])
        columns = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - not a dict
    if made != (asked := _made_with(run, options)):
        raise UserError(f"{out} holds a corpus made with {made}, not {asked}; take another folder")
    end = PreTrainedTokenizerFast.from_pretrained(out / "tokenizer", local_files_only=True).eos_token_id
    return TokenCorpus(columns["tokens"].long(), columns["cluster"].numpy(), columns["held_out"].numpy(), int(end))


def _write(run: SamplingRun, out: Path, file: Path, options: CorpusOptions) -> None:
    cluster = drawable(run)
    if (smallest := int(run.sizes.min())) < 2:
        raise UserError(f"{run.path} has a cluster of {smallest} documents; accepted are 2 or more: prepare fewer clusters")
    held_out, kept = _chosen(cluster, options.skew)
    texts = [text for batch in run.documents(["text"]) for text in batch.column(0).to_pylist()]
    tokenizer = train_tokenizer((texts[number] for number in np.flatnonzero(kept & ~held_out)), options.vocab)
    tokenizer.save_pretrained(out / "tokenizer")
    tokens = np.full((int(kept.sum()), options.tokens), tokenizer.eos_token_id, np.int32)
    for row, number in enumerate(np.flatnonzero(kept)):
        found = tokenizer(texts[number], truncation=True, max_length=options.tokens).input_ids
        tokens[row, : len(found)] = found
    columns = {"tokens": tokens, "cluster": cluster[kept], "held_out": held_out[kept]}
    tensors = {name: torch.from_numpy(column) for name, column in columns.items()}
    write_tensors(file, tensors, {"options": json.dumps(_made_with(run, options))})


def _made_with(run: SamplingRun, options: CorpusOptions) -> dict[str, Any]:
    return asdict(options) | {"run": run.path.name, "finished": run.manifest["finished"]}


def _chosen(
    cluster: Int[np.ndarray, " document"], skew: float
) -> tuple[Bool[np.ndarray, " document"], Bool[np.ndarray, " document"]]:
    """Which documents are held out, a tenth of every cluster whatever the skew, and which are kept at all."""
    place = pd.Series(cluster).groupby(cluster).cumcount().to_numpy()
    held_out = (place % HELD_OUT_EVERY == 1) & (cluster >= 0)
    rest = np.where(held_out | (cluster < 0), -1, cluster)
    place = pd.Series(rest).groupby(rest).cumcount().to_numpy()
    largest = np.bincount(rest[rest >= 0]).max()
    room = largest * (np.maximum(cluster, 0) + 1.0) ** -skew if skew else np.inf
    return held_out, held_out | ((rest >= 0) & (place < room))
