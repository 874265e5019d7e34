"""Routing records as they are read back: a run folder that `training.moe.records` wrote, or the same tables as JSON lines.

A folder holds `routes/part-*.parquet` or `routes.jsonl`, and `passes` and `logits` likewise; a file is `routes` alone.
Without passes the sizes are what the rows show, and slots, hence padding, are unknown; without logits nothing is replayed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp.runs.atomic import replacing
from interp.runs.errors import UserError
from interp.runs.folder import finished_manifest
from training.moe.plan import Request
from training.moe.records import PASSES, ROUTES, TABLES, Tokens, request_of

_MAY_LACK = {"token_id": -1, "filled": False, "rectified": False, "slot": -1, "weight": np.nan}
"""Columns of routes that a file of another program may lack, and what is taken then."""
_LOGITS = pa.schema([*list(ROUTES)[:6], ROUTES.field("rank"), ("place", pa.int32())])
"""Columns beside the lists."""
MOST_JSON_BYTES = 300_000_000
KINDS = ("kept", "dropped", "filled", "rectified")


class Recorded(NamedTuple):
    """What one layer's router said in one pass."""

    tokens: Tokens
    """Padding included, by rank and place."""
    request: Request
    logits: Float[Tensor, "rank token expert"]


@dataclass(frozen=True)
class Records:
    """The records of a run."""

    path: Path
    manifest: dict[str, Any]
    """Of the run folder; empty for records without one."""
    tables: dict[str, ds.Dataset]

    @classmethod
    def open(cls, path: Path) -> Records:
        """Raises UserError, naming the column, for what are no routing records, and for a run that has not finished."""
        manifest = finished_manifest(path) if (path / "manifest.json").exists() else {}
        found = {table: one for table in TABLES if (one := _dataset(path, table)) is not None}
        if "routes" not in found:
            told = "a run of `interp moe train` or `interp moe record`, or a file of routes, .jsonl or .parquet"
            raise UserError(f"{path} has no routing records; accepted is {told}")
        return cls(path, manifest, found)

    @cached_property
    def passes(self) -> pd.DataFrame:
        """A row a (step, layer), which is the index; `slots` is -1 where it is unknown."""
        if "passes" in self.tables:
            frame = self.tables["passes"].to_table().to_pandas()
            frame["capacity"] = frame["capacity"].fillna(np.inf)
        else:
            frame = _shown_by(self.loads_seen)
        if (twice := frame[["step", "layer"]].duplicated()).any():
            told = frame.loc[twice, ["step", "layer"]].iloc[0].to_dict()
            raise UserError(f"{self.path} has two passes of {told}; accepted is one of a step and layer")
        return frame.set_index(["step", "layer"]).sort_index()

    @property
    def steps(self) -> list[int]:
        """Forward passes."""
        return sorted(self.passes.index.unique("step").tolist())

    @property
    def layers(self) -> list[int]:
        """Numbers of the layers that route, as the model counts its layers."""
        return sorted(self.passes.index.unique("layer").tolist())

    @property
    def replayable(self) -> bool:
        """Whether logits and rules are there."""
        return "logits" in self.tables and "passes" in self.tables

    def routes(self, step: int, layer: int | None = None) -> pd.DataFrame:
        """Rows of a step, or of a layer of it, in the order in which they were written."""
        return _filled_up(self.tables["routes"].to_table(filter=_where(step, layer)))

    @cached_property
    def loads_seen(self) -> pd.DataFrame:
        """Rows by step, layer, rank and expert that have any, a column a kind. Raises UserError for impossible rows."""
        columns = ["step", "layer", "rank", "expert", "probability", "kept", "filled", "rectified"]
        counted = []
        for batch in self.tables["routes"].to_batches(columns=columns, batch_size=1 << 20):
            frame = _filled_up(pa.Table.from_batches([batch]))
            _refuse_impossible(frame, self.path)
            frame["dropped"] = ~(frame["kept"] | frame["filled"] | frame["rectified"])
            counted.append(frame.groupby(columns[:4])[list(KINDS)].sum())
        found = pd.concat(counted) if counted else pd.DataFrame(columns=[*columns[:4], *KINDS]).set_index(columns[:4])
        if found.empty:
            raise UserError(f"{self.path} has no rows of routes; accepted is one row at least")
        return found.groupby(columns[:4]).sum().astype(int)

    @cached_property
    def loads(self) -> pd.DataFrame:
        """A row a (step, layer, rank, expert): demand, kept, dropped, filled, rectified, padding (NaN if unknown), slots.

        Raises UserError for rows that do not fit the sizes of their pass.
        """
        passes, names = self.passes.reset_index(), ["step", "layer", "rank", "expert"]
        cells = passes["ranks"] * passes["experts"]
        every = passes.loc[passes.index.repeat(cells), ["step", "layer", "experts", "slots"]]
        place = np.concatenate([np.arange(count) for count in cells])
        every = every.assign(rank=place // every["experts"], expert=place % every["experts"]).set_index(names)
        if strangers := self.loads_seen.index.difference(every.index).tolist():
            told = ", ".join(f"{name} {value}" for name, value in zip(names, strangers[0], strict=True))
            raise UserError(f"{self.path} has rows of {told}, which its passes do not have; accepted are rows of its passes")
        frame = self.loads_seen.reindex(every.index, fill_value=0)
        frame["demand"] = frame["kept"] + frame["dropped"]
        frame["slots"] = every["slots"].where(every["slots"] >= 0).astype(float)
        frame["padding"] = frame["slots"] - frame["kept"] - frame["filled"]
        if (frame["padding"] < 0).any():
            told = f"more routes than slots ({frame.index[frame['padding'] < 0][0]})"
            raise UserError(f"{self.path} has {told}; accepted is kept + filled up to the slots of the pass")
        return frame.reset_index()

    def recorded(self, step: int, layer: int) -> Recorded:
        """What the router of a layer said. Raises UserError where no logits are stored."""
        if not self.replayable:
            raise UserError(f"{self.path} has no router logits; accepted for a replay are records with logits and passes")
        row = self.passes.loc[(step, layer)]
        frame = self.tables["logits"].to_table(filter=_where(step, layer)).to_pandas()
        shape = int(row["ranks"]), int(row["tokens"]), int(row["experts"])
        where = frame["rank"].to_numpy(np.int64) * shape[1] + frame["place"].to_numpy(np.int64)
        logits = _box(frame["logits"], where, shape, 0.0)
        by = None
        if "choose_by" in frame and frame["choose_by"].notna().any():
            by = _box(frame["choose_by"], where, shape, -np.inf)
        mask = torch.zeros(shape[0] * shape[1], dtype=torch.bool)
        mask[torch.from_numpy(where)] = True
        request = request_of(logits, str(row["scoring"]), by, None if mask.all() else mask.view(shape[:2]))
        return Recorded(_tokens(frame, where, mask.numpy()), request, logits)


def write_json_lines(path: Path, frame: pd.DataFrame) -> None:
    """A table of records, or some of its rows, as JSON lines."""
    with replacing(path) as temporary:
        frame.to_json(temporary, orient="records", lines=True, double_precision=15, force_ascii=False)


def _dataset(path: Path, table: str) -> ds.Dataset | None:
    """The table, checked; None where it is not there."""
    parts = sorted((path / table).glob("part-*.parquet"))
    if table == "routes" and path.is_file():
        parts = [path] if path.suffix == ".parquet" else []
    lines = path if path.is_file() and not parts else path / f"{table}.jsonl"
    if table != "routes" and path.is_file():
        return None
    if not parts and not lines.is_file():
        return None
    schema = {"routes": ROUTES, "passes": PASSES, "logits": _LOGITS}[table]
    optional = set(_MAY_LACK) if table == "routes" else {"balance", "capacity", "token_id"}
    name = parts[0] if parts else lines
    try:
        found = _parquet(parts) if parts else _json(lines)
    except (OSError, ValueError) as error:
        raise UserError(f"{name} cannot be read as {table}: {str(error).splitlines()[0]}") from None
    if missing := [column for column in schema.names if column not in found.schema.names and column not in optional]:
        has = ", ".join(found.schema.names)
        raise UserError(
            f"{name} lacks the column {missing[0]} of {table}; accepted are {', '.join(schema.names)}; it has {has}"
        )
    return _typed(found, schema, name)


def _parquet(parts: list[Path]) -> ds.Dataset:
    return ds.dataset([str(part) for part in parts], format="parquet")


def _json(path: Path) -> ds.Dataset:
    import pyarrow.json as lines

    if (size := path.stat().st_size) > MOST_JSON_BYTES:
        raise ValueError(f"its {size:,} bytes are more than {MOST_JSON_BYTES:,}; accepted beyond is Parquet")
    return ds.dataset(lines.read_json(path))


def _typed(found: ds.Dataset, schema: pa.Schema, name: Path) -> ds.Dataset:
    """With the schema's types; columns that are not in it stay if they are lists of numbers."""
    lists = [field for field in found.schema if field.name in ("logits", "choose_by")]
    whole = pa.schema([*schema, *(lists if schema is _LOGITS else [])])
    if isinstance(found, ds.InMemoryDataset):
        table = found.to_table()
        return ds.dataset(pa.table({field.name: _cast(table, field, name) for field in whole}, schema=whole))
    typed = ds.dataset(found.files, schema=whole, format="parquet")  # casts as it reads
    for field in whole:
        try:
            if field.name in found.schema.names and found.schema.field(field.name).type != field.type:
                typed.to_table(columns=[field.name])
        except pa.ArrowException as error:
            raise _wrong(field, name, error) from None
    return typed


def _cast(table: pa.Table, field: pa.Field, name: Path) -> pa.ChunkedArray | pa.Array:
    if field.name not in table.schema.names:
        return pa.nulls(len(table), field.type)
    try:
        return table[field.name].cast(field.type)
    except pa.ArrowException as error:
        raise _wrong(field, name, error) from None


def _wrong(field: pa.Field, name: Path, error: Exception) -> UserError:
    told = str(error).splitlines()[0]
    return UserError(f"the column {field.name} of {name} holds no {field.type} ({told}); accepted is {field.type}")


def _where(step: int, layer: int | None) -> ds.Expression:
    found = ds.field("step") == step
    return found if layer is None else found & (ds.field("layer") == layer)


def _filled_up(table: pa.Table) -> pd.DataFrame:
    frame = table.to_pandas()
    return frame.assign(
        **{
            name: frame[name].fillna(instead).astype(ROUTES.field(name).type.to_pandas_dtype())
            for name, instead in _MAY_LACK.items()
            if name in frame
        }
    )


def _refuse_impossible(frame: pd.DataFrame, path: Path) -> None:
    """Raises UserError for rows that no router makes."""
    several: Bool[np.ndarray, " row"] = frame[["kept", "filled", "rectified"]].astype(int).sum(axis=1).to_numpy() > 1
    wrong = {
        "an empty cell in": frame.isna().any(axis=1),
        "a negative rank or expert in": (frame["rank"] < 0) | (frame["expert"] < 0),
        "a probability that is negative or not finite in": ~(
            np.isfinite(frame["probability"]) & (frame["probability"] >= 0)
        ),
        "more than one of kept, filled and rectified in": pd.Series(several, frame.index),
    }
    for told, rows in wrong.items():
        if rows.any():
            found = frame[rows.to_numpy(bool)].iloc[0].to_dict()
            raise UserError(f"{path} has {told} {int(rows.sum()):,} rows, the first {found}; accepted are rows without")


def _shown_by(seen: pd.DataFrame) -> pd.DataFrame:
    """Sizes that the rows show: the largest rank and expert; slots are unknown."""
    frame = seen.reset_index()
    found = frame.groupby(["step", "layer"], as_index=False).size().drop(columns="size")
    return found.assign(ranks=frame["rank"].max() + 1, experts=frame["expert"].max() + 1, slots=-1)


def _box(lists: pd.Series, where: np.ndarray, shape: tuple[int, int, int], empty: float) -> Tensor:
    box = np.full((shape[0] * shape[1], shape[2]), empty, dtype=np.float32)
    box[where] = np.stack(lists.to_numpy()) if len(lists) else box[where]
    return torch.from_numpy(box).view(shape)


def _tokens(frame: pd.DataFrame, where: np.ndarray, real: np.ndarray) -> Tokens:
    """Numbered through as the plan does; padding has sequence -1."""
    columns: dict[str, Any] = {}
    for name, empty in (("sequence", -1), ("position", -1), ("token_id", -1), ("token", "")):
        values = np.full(len(real), empty, dtype=object if name == "token" else np.int64)
        values[where] = frame[name].to_numpy()
        columns[name] = values
    return Tokens(**{**columns, "token": columns["token"].tolist()})
