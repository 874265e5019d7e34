"""A prepared corpus as tokens, with a tenth of every cluster held out: what strategies are compared on.

<out>/tokenizer/             trained on the documents that are not held out
<out>/corpus.safetensors     tokens, cluster, held_out: a row a document
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Int
from safetensors.torch import load_file
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


def token_corpus(run: SamplingRun, out: Path, *, tokens: int, vocab: int) -> TokenCorpus:
    """The first `tokens` tokens of every document of a prepared run; made and written to `out` when not there.

    Raises UserError for a run with a cluster too small to hold out a document of.
    """
    from transformers import PreTrainedTokenizerFast

    file = out / "corpus.safetensors"
    if not file.exists():
        _write(run, out, file, tokens, vocab)
    stored = load_file(file)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(out / "tokenizer", local_files_only=True)
    return TokenCorpus(
        stored["tokens"].long(), stored["cluster"].numpy(), stored["held_out"].numpy(), int(tokenizer.eos_token_id)
    )


def _write(run: SamplingRun, out: Path, file: Path, length: int, vocab: int) -> None:
    cluster = drawable(run)
    kept = np.flatnonzero(cluster >= 0)
    if (smallest := int(run.sizes.min())) < 2:
        raise UserError(f"{run.path} has a cluster of {smallest} documents; accepted are 2 or more: prepare fewer clusters")
    texts = [text for batch in run.documents(["text"]) for text in batch.column(0).to_pylist()]
    order = pd.Series(cluster[kept]).groupby(cluster[kept]).cumcount().to_numpy()
    held_out = order % HELD_OUT_EVERY == 1
    tokenizer = train_tokenizer((texts[number] for number in kept[~held_out]), vocab)
    tokenizer.save_pretrained(out / "tokenizer")
    tokens = np.full((len(kept), length), tokenizer.eos_token_id, np.int32)
    for row, number in enumerate(kept):
        found = tokenizer(texts[number], truncation=True, max_length=length).input_ids
        tokens[row, : len(found)] = found
    columns = {"tokens": tokens, "cluster": cluster[kept], "held_out": held_out}
    write_tensors(file, {name: torch.from_numpy(column) for name, column in columns.items()})
