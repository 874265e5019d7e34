"""The relation index of SmolLM2 over AGENDA test, and its context-only computation against the whole vocabulary.

The run is that of `interp heads index --agenda`: a forward pass, events of all layers, sums on disk, then the table with
permutations and bootstrap; the model's forward pass alone over the same batches stands beside it. The abstracts come
from --agenda or from INTERP_DATA; without them there is nothing to measure and nothing is written.

The peer does what the definition says: every event's head output times the whole unembedding, one batched matrix
product, softmax, then the context's entries. Both start from the same attention inputs and patterns and end with each
event's shares; the events are all that the index needs at tau 0 in a sample of documents and layers.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.harness import arguments, publish, seconds_in_turn
from interp.heads.index.batches import Batch, by_length, make_batch
from interp.heads.index.events import ContextReadout, Events, attended, find_events
from interp.heads.index.kernels import raised
from interp.heads.index.layers import LayerReading, layer_reader
from interp.heads.index.options import IndexOptions
from interp.heads.index.recall import lay_out
from interp.heads.index.run import PART, relation_index
from interp.heads.relations.aligned import AlignedDocument
from interp.heads.relations.alignment import AlignmentOptions, align
from interp.heads.relations.sources import read_relations
from interp.models.bridge import LanguageModel
from interp.models.load import load_language

MODEL = "smollm2-135m"
CHUNK = 512
"""Events whose logits on the whole vocabulary are held at once by the peer: 100 MB."""


class Size(NamedTuple):
    """How much is measured."""

    documents: int | None
    sampled: int
    """Documents whose events are scored both ways."""
    every: int
    """Every how many layers, for the same."""
    repeats: int


class Sample(NamedTuple):
    """Events of one layer with all that both ways start from."""

    readout: ContextReadout
    reading: LayerReading
    events: Events


def sample(model: LanguageModel, documents: Sequence[AlignedDocument], every: int) -> list[Sample]:
    """All events at tau 0 of every n-th layer."""
    options, found = IndexOptions(), []
    reader = layer_reader(model, options.source)
    for group in by_length(documents):
        batch = make_batch(group, reader.network.embedding.device)
        readout, earliest = ContextReadout(reader, batch, options), lay_out(batch, options.source, 0).earliest

        def visit(reading: LayerReading, readout: ContextReadout = readout, earliest: np.ndarray = earliest) -> None:
            if reading.layer % every == 0:
                where = attended(reading, readout.batch, options)
                found.append(Sample(readout, reading, find_events(where, readout.batch, earliest)))

        reader.visit(batch.tokens, visit)
    return [one for one in found if len(one.events.row)]


def context_only(samples: Sequence[Sample]) -> list[np.ndarray]:
    """Shares of every event, each layer's as one matrix [event, distinct]."""
    found = []
    for readout, reading, events in samples:
        logits = readout.logits(reading, events).cpu().numpy()
        shares = np.zeros(logits.shape)
        for event, width in enumerate(_widths(readout.batch, events)):
            raised(logits[event, :width], shares[event, :width])
        found.append(shares)
    return found


@torch.no_grad()
def whole_vocabulary(samples: Sequence[Sample]) -> list[np.ndarray]:
    """The same through a softmax over all tokens, `CHUNK` events a matrix product."""
    found = []
    for readout, reading, events in samples:
        network, written, shares = readout.network, readout.written(reading, events), []
        columns, inside = _context(readout.batch, events)
        for first in range(0, len(written), CHUNK):
            rows = slice(first, first + CHUNK)
            p = (written[rows] @ network.unembedding + network.unembedding_bias).softmax(-1).gather(1, columns[rows])
            mean = (p * inside[rows]).sum(1, keepdim=True) / inside[rows].sum(1, keepdim=True)
            q = (p - mean).clamp(min=0) * inside[rows]
            shares.append(q / q.sum(1, keepdim=True))
        found.append(torch.cat(shares).cpu().numpy())
    return found


def _widths(batch: Batch, events: Events) -> list[int]:
    return batch.seen[events.row.cpu().numpy(), events.query.cpu().numpy()].tolist()


def _context(batch: Batch, events: Events) -> tuple[torch.Tensor, torch.Tensor]:
    """Each event's distinct tokens, and which of them have been seen."""
    tokens = torch.nn.utils.rnn.pad_sequence(list(batch.vocabularies), batch_first=True)[events.row]
    widths = torch.tensor(_widths(batch, events), device=tokens.device)
    return tokens, (torch.arange(tokens.shape[1], device=tokens.device) < widths[:, None]).to(torch.float32)


def forward_seconds(model: LanguageModel, documents: Sequence[AlignedDocument]) -> float:
    """The model's forward pass alone, in the batches of the index."""
    device, began = next(model.bridge.parameters()).device, time.perf_counter()
    with torch.no_grad():
        for first in range(0, len(documents), PART):
            for group in by_length(documents[first : first + PART]):
                model.bridge.original_model(make_batch(group, device).tokens, use_cache=False)
    return time.perf_counter() - began


def peak_memory() -> float:
    """Largest resident size of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)


def index_run(model: LanguageModel, documents: Sequence[AlignedDocument]) -> dict[str, Any]:
    """Seconds and memory of the whole job, first one part of it and then all."""
    with tempfile.TemporaryDirectory() as folder:
        relation_index(model, documents[:PART], out=Path(folder) / "part")
        memory, began = peak_memory(), time.perf_counter()
        measurement = relation_index(model, documents, out=Path(folder) / "all")
        measured = time.perf_counter() - began
        table = measurement.table()
        return {
            "index_seconds": time.perf_counter() - began,
            "of_which_table_seconds": time.perf_counter() - began - measured,
            "peak_memory_of_one_part_gb": memory,
            "peak_memory_gb": peak_memory(),
            "events": int(table.events.sum()),
            "rows": measurement.rows.count_rows(),
        }


def measure(model: LanguageModel, documents: Sequence[AlignedDocument], size: Size) -> dict[str, Any]:
    """All figures."""
    samples = sample(model, documents[: size.sampled], size.every)
    pairs = zip(context_only(samples), whole_vocabulary(samples), strict=True)
    gap = max(float(np.abs(ours - theirs).max()) for ours, theirs in pairs)
    ours, theirs = seconds_in_turn(lambda: context_only(samples), lambda: whole_vocabulary(samples), repeats=size.repeats)
    forward, run = forward_seconds(model, documents), index_run(model, documents)
    return {
        "documents": len(documents),
        "tokens": sum(len(document.tokens) for document in documents),
        "triplets": sum(len(document.triplets) for document in documents),
        **run,
        "forward_pass_alone_seconds": forward,
        "index_over_forward_pass": run["index_seconds"] / forward,
        "times_whole_vocabulary": theirs / ours,
        "context_only_microseconds_an_event": ours / sum(len(one.events.row) for one in samples) * 1e6,
        "scored_both_ways": sum(len(one.events.row) for one in samples),
        "largest_difference_of_shares_float32": gap,
        "target": {"index_seconds": 900, "times_whole_vocabulary": 100},
        "note": (
            "AGENDA test in letters (the paper's preprocessing), SmolLM2-135M-Instruct, float32. The index's pass ends "
            "at the last layer's attention, so it can cost less than the pass alone, which includes the unembedding."
        ),
    }


def main() -> None:
    """Measure and write the result."""
    parser = arguments(__doc__)
    data = Path(os.environ.get("INTERP_DATA", "data"))
    parser.add_argument("--agenda", type=Path, default=data / "agenda" / "test.tsv", help="AGENDA's test.tsv")
    given = parser.parse_args()
    if not given.agenda.exists():
        print(f"{given.agenda} is absent: give AGENDA's test.tsv by --agenda, or its folder by INTERP_DATA", file=sys.stderr)
        return
    size = Size(12, 8, 10, 1) if given.quick else Size(None, 16, 5, 3)
    model = load_language(MODEL)
    relations = read_relations(agenda=given.agenda, limit=size.documents)
    documents = align(relations.documents, model.tokenizer, AlignmentOptions(context=model.bridge.cfg.n_ctx)).documents
    publish("relation_index", measure(model, documents, size), quick=given.quick)


if __name__ == "__main__":
    main()
