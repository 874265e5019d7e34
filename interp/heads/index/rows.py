"""Sums of shares as rows of Parquet: one for each triplet, direction, order, layer, head and level that has events.

| column | |
|---|---|
| document, triplet, relation | which triplet |
| direction | `forward` or `reverse` (attend to the tail, recall the head) |
| order | `tail first` or `head first` in the text, the roles being those of the direction |
| layer, head | counted from 0 |
| tau | the largest threshold that these events exceed, 0 for the arg max alone |
| events | number of events (pairs of mentions and positions j) |
| sum | sum of the tail's share a over them |
| control_events, control_sums | the same for each matched random tail, over the events in which it has been read |
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Float, Int

from interp.heads.index.recall import Recall

_WORD = pa.dictionary(pa.int32(), pa.string())
_GROUP = {"document": _WORD, "triplet": pa.int32(), "relation": pa.string(), "direction": pa.string(), "order": _WORD}


def schema(slots: int) -> pa.Schema:
    """Of the rows when each triplet has `slots` - 1 candidates."""
    columns = _GROUP | {"layer": pa.int16(), "head": pa.int16(), "tau": pa.float64(), "events": pa.int32()}
    columns |= {"sum": pa.float32(), "control_events": pa.list_(pa.int32(), slots - 1)}
    return pa.schema(columns | {"control_sums": pa.list_(pa.float32(), slots - 1)})


def group_table(recall: Recall) -> pa.Table:
    """The columns that say which triplet: one row a group."""
    columns = {name: [getattr(group, name) for group in recall.groups] for name in _GROUP}
    return pa.table(columns, schema=pa.schema(_GROUP))


def layer_rows(
    groups: pa.Table,
    recall: Recall,
    layer: int,
    taus: Sequence[float],
    sums: Float[np.ndarray, "group head level slot"],
    counts: Int[np.ndarray, "group head level slot"],
) -> pa.Table:
    """Rows of one layer, without those of triplets whose own tail has no event in a head, in either order."""
    own = np.zeros((len(groups), counts.shape[1]), dtype=bool)
    np.logical_or.at(own, recall.triplet, counts[..., 0].any(-1))
    group, head, level = (counts.any(-1) & own[recall.triplet][..., None]).nonzero()
    kept, events = sums[group, head, level], counts[group, head, level]
    form = schema(sums.shape[-1])
    values = (
        np.full(len(group), layer), head, np.asarray(taus)[level], events[:, 0], kept[:, 0], events[:, 1:], kept[:, 1:],
    )  # fmt: skip
    arrays = [_array(value, kind) for value, kind in zip(values, form.types[len(_GROUP) :], strict=True)]
    return pa.table([*groups.take(pa.array(group)).columns, *arrays], schema=form)


def _array(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    if values.ndim == 1:
        return pa.array(values.astype(kind.to_pandas_dtype()), kind)
    inner = values.astype(kind.value_type.to_pandas_dtype()).ravel()
    return pa.FixedSizeListArray.from_arrays(pa.array(inner, kind.value_type), values.shape[1])


def write_rows(path: Path, rows: pa.Table) -> None:
    """Write Parquet with each relation and direction in a row group of its own, so that a reader of one skips the others."""
    words = (pc.unique(rows.column(name)).to_pylist() for name in ("relation", "direction"))
    with pq.ParquetWriter(path, rows.schema, compression="zstd") as writer:
        for relation, direction in product(*words):
            writer.write_table(rows.filter((pc.field("relation") == relation) & (pc.field("direction") == direction)))
