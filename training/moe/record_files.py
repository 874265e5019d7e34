"""Routing records as they are read back: a run folder that `training.moe.records` wrote, or the same tables as JSON lines.

A folder holds `routes/part-*.parquet` or `routes.jsonl`, and the other tables likewise; a file is `routes` or `loads` alone.
Without passes the sizes are what the rows show, and slots, hence padding, are unknown; without logits nothing is replayed;
without domains all texts are of none that is known.
"""

from __future__ import annotations

from collections.abc import Iterator
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
from training.moe.plan import Request, scores_of
from training.moe.record_tables import MAY_LACK, SCHEMAS, open_tables
from training.moe.records import Tokens

KINDS = ("kept", "dropped", "filled", "rectified")
_KEYS = ["step", "layer", "rank", "expert"]


class Recorded(NamedTuple):
    """What one layer's router said in one pass."""

    tokens: Tokens
    """Padding included, by rank and place."""
    request: Request
    logits: Float[Tensor, "rank token expert"]
    settings: dict[str, Any]
    """The row of the pass: rules, scoring, router."""


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
        found = open_tables(path)
        if not {"routes", "loads"} & set(found):
            told = "a run of `interp moe train` or `interp moe record`, or its routes as .jsonl or .parquet"
            raise UserError(f"{path} has no routing records; accepted is {told}")
        return cls(path, manifest, found)

    @cached_property
    def passes(self) -> pd.DataFrame:
        """A row a (step, layer), which is the index; `slots` is -1 where it is unknown, `row_bytes` is NaN."""
        frame = _filled_up(self.tables["passes"].to_table(), "passes") if "passes" in self.tables else _shown_by(self.seen)
        if (twice := frame[["step", "layer"]].duplicated()).any():
            told = frame.loc[twice, ["step", "layer"]].iloc[0].to_dict()
            raise UserError(f"{self.path} has two passes of {told}; accepted is one of a step and layer")
        return frame.set_index(["step", "layer"]).sort_index()

    @property
    def steps(self) -> list[int]:
        """Forward passes."""
        return sorted(self.passes.index.unique("step").tolist())

    @cached_property
    def routed_steps(self) -> list[int]:
        """Those whose routes were kept, not their counts alone."""
        if "routes" not in self.tables:
            return []
        return sorted(set(self.tables["routes"].to_table(columns=["step"])["step"].unique().to_pylist()))

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
        return _filled_up(self.tables["routes"].to_table(filter=_where(step, layer)), "routes")

    def reads(self, first: int, last: int, layer: int) -> pd.DataFrame:
        """Rows that experts of a layer read in the steps from `first` to `last`: a row a `sequence`, a column an expert."""
        if "routes" not in self.tables:
            return pd.DataFrame()
        read = ds.field("kept") | ds.field("filled") | ds.field("rectified")
        where = (ds.field("step") >= first) & (ds.field("step") <= last) & (ds.field("layer") == layer) & read
        rows = self.tables["routes"].to_table(columns=["sequence", "expert"], filter=where).to_pandas()
        return rows.groupby(["sequence", "expert"]).size().unstack(fill_value=0)

    @cached_property
    def domains(self) -> pd.Series:
        """Domain of every text of which it is known, by its number. Raises UserError for a text of two."""
        if "domains" not in self.tables:
            return pd.Series(dtype=str)
        found = self.tables["domains"].to_table().to_pandas().dropna().drop_duplicates().set_index("sequence")["domain"]
        if found.index.has_duplicates:
            text = found.index[found.index.duplicated()][0]
            told = f"text {text} of {self.path} is of the domains {', '.join(found.loc[text])}"
            raise UserError(f"{told}; accepted is one domain a text")
        return found

    def tokens_read(self, step: int) -> pd.Series:
        """Tokens whose logits are there, by layer: all that were no padding. Empty without logits."""
        if "logits" not in self.tables:
            return pd.Series(dtype=float)
        rows = self.tables["logits"].to_table(columns=["layer"], filter=_where(step, None))
        return rows["layer"].to_pandas().value_counts()

    @cached_property
    def seen(self) -> pd.DataFrame:
        """Rows by step, layer, rank and expert that have any, a column a kind. Raises UserError for impossible rows."""
        found = [frame for table in ("routes", "loads") if table in self.tables for frame in self._counted(table)]
        whole = pd.concat(found) if found else pd.DataFrame()
        if whole.empty:
            raise UserError(f"{self.path} has no rows; accepted is one routed token at least")
        return whole.groupby(_KEYS)[list(KINDS)].sum().astype(int)

    def _counted(self, table: str) -> Iterator[pd.DataFrame]:
        columns = [*_KEYS, *(["probability"] if table == "routes" else ["dropped"]), "kept", "filled", "rectified"]
        for batch in self.tables[table].to_batches(columns=columns, batch_size=1 << 20):
            frame = _filled_up(pa.Table.from_batches([batch]), table)
            _refuse_impossible(frame, self.path)
            if table == "loads":
                frame = frame[~frame["step"].isin(self.routed_steps)]
            else:
                frame["dropped"] = ~(frame["kept"] | frame["filled"] | frame["rectified"])
            yield frame.groupby(_KEYS, as_index=False)[list(KINDS)].sum()

    @cached_property
    def loads(self) -> pd.DataFrame:
        """A row a (step, layer, rank, expert): demand, kept, dropped, filled, rectified, padding (NaN if unknown), slots.

        Raises UserError for rows that do not fit the sizes of their pass.
        """
        passes = self.passes.reset_index()
        cells = passes["ranks"] * passes["experts"]
        every = passes.loc[passes.index.repeat(cells), ["step", "layer", "experts", "slots"]]
        place = np.concatenate([np.arange(count) for count in cells])
        every = every.assign(rank=place // every["experts"], expert=place % every["experts"]).set_index(_KEYS)
        if strangers := self.seen.index.difference(every.index).tolist():
            told = ", ".join(f"{name} {value}" for name, value in zip(_KEYS, strangers[0], strict=True))
            raise UserError(f"{self.path} has rows of {told}, which its passes do not have; accepted are rows of its passes")
        frame = self.seen.reindex(every.index, fill_value=0)
        frame["demand"] = frame["kept"] + frame["dropped"]
        frame["slots"] = every["slots"].where(every["slots"] >= 0).astype(float)
        frame["padding"] = frame["slots"] - frame["kept"] - frame["filled"]
        if (frame["padding"] < 0).any():
            told = ", ".join(
                f"{name} {value}" for name, value in zip(_KEYS, frame.index[frame["padding"] < 0][0], strict=True)
            )
            raise UserError(f"{self.path} has more routes than slots at {told}; accepted is kept + filled up to the slots")
        return frame.reset_index()

    def recorded(self, step: int, layer: int) -> Recorded:
        """What the router of a layer said. Raises UserError where no logits are stored."""
        if not self.replayable:
            raise UserError(f"{self.path} has no router logits; accepted for a replay are records with logits and passes")
        row = self.passes.loc[(step, layer)]
        frame = self.tables["logits"].to_table(filter=_where(step, layer)).to_pandas()
        if frame.empty:
            raise UserError(f"{self.path} has no router logits of step {step}; accepted is a step whose routes were kept")
        shape = int(row["ranks"]), int(row["tokens"]), int(row["experts"])
        where = frame["rank"].to_numpy(np.int64) * shape[1] + frame["place"].to_numpy(np.int64)
        logits = _box(frame["logits"], where, shape, 0.0, self.path)
        by = None
        if "choose_by" in frame and frame["choose_by"].notna().any():
            by = _box(frame["choose_by"], where, shape, -np.inf, self.path)
        mask = torch.zeros(shape[0] * shape[1], dtype=torch.bool)
        mask[torch.from_numpy(where)] = True
        mass = np.ones(len(mask), dtype=np.float32)
        mass[where] = frame["mass"].fillna(1)
        real = None if mask.all() else mask.view(shape[:2])
        request = Request(scores_of(logits, str(row["scoring"])), by, real, torch.from_numpy(mass).view(shape[:2]))
        return Recorded(_tokens(frame, where, mask.numpy()), request, logits, row.to_dict())


def write_json_lines(path: Path, frame: pd.DataFrame) -> None:
    """A table of records, or some of its rows, as JSON lines."""
    with replacing(path) as temporary:
        frame.to_json(temporary, orient="records", lines=True, double_precision=15, force_ascii=False)


def _where(step: int, layer: int | None) -> ds.Expression:
    found = ds.field("step") == step
    return found if layer is None else found & (ds.field("layer") == layer)


def _filled_up(rows: pa.Table, table: str) -> pd.DataFrame:
    frame, schema = rows.to_pandas(), SCHEMAS[table]
    return frame.assign(
        **{
            name: frame[name].fillna(instead).astype(schema.field(name).type.to_pandas_dtype())
            for name, instead in MAY_LACK[table].items()
            if name in frame and instead is not None
        }
    )


def _refuse_impossible(frame: pd.DataFrame, path: Path) -> None:
    """Raises UserError for rows that no router makes."""
    wrong: dict[str, Bool[np.ndarray, " row"] | pd.Series] = {
        "an empty cell in": frame.isna().any(axis=1),
        "a negative number in": (frame[_KEYS[2:]] < 0).any(axis=1),
    }
    if "probability" in frame:
        probability, flags = frame["probability"], frame[["kept", "filled", "rectified"]]
        wrong["a probability that is negative or not finite in"] = ~(np.isfinite(probability) & (probability >= 0))
        wrong["more than one of kept, filled and rectified in"] = flags.sum(axis=1) > 1
    else:
        wrong["a negative count in"] = (frame[list(KINDS)] < 0).any(axis=1)
    for told, rows in wrong.items():
        if rows.any():
            found = frame[np.asarray(rows, bool)].iloc[0].to_dict()
            raise UserError(f"{path} has {told} {int(rows.sum()):,} rows, the first {found}; accepted are rows without")


def _shown_by(seen: pd.DataFrame) -> pd.DataFrame:
    """Sizes that the rows show: the largest rank and expert; slots are unknown."""
    frame = seen.reset_index()
    found = frame.groupby(["step", "layer"], as_index=False).size().drop(columns="size")
    return found.assign(ranks=frame["rank"].max() + 1, experts=frame["expert"].max() + 1, slots=-1)


def _box(lists: pd.Series, where: np.ndarray, shape: tuple[int, int, int], empty: float, path: Path) -> Tensor:
    """Numbers of every token by rank and place. Raises UserError for lists or places that do not fit the pass."""
    if (lists.str.len() != shape[2]).any() or len(where) != len(np.unique(where)) or where.max() >= shape[0] * shape[1]:
        told = f"{shape[0]} ranks of {shape[1]} tokens and {shape[2]} experts"
        raise UserError(
            f"{path} has logits that do not fit {told}; accepted is a list of that many experts at each place once"
        )
    box = np.full((shape[0] * shape[1], shape[2]), empty, dtype=np.float32)
    box[where] = np.stack(lists.to_numpy())
    return torch.from_numpy(box).view(shape)


def _tokens(frame: pd.DataFrame, where: np.ndarray, real: np.ndarray) -> Tokens:
    """Numbered through as the plan does; padding has sequence -1."""
    columns: dict[str, Any] = {}
    for name, empty in (("sequence", -1), ("position", -1), ("token_id", -1), ("token", "")):
        values = np.full(len(real), empty, dtype=object if name == "token" else np.int64)
        values[where] = frame[name].to_numpy()
        columns[name] = values
    return Tokens(**{**columns, "token": columns["token"].tolist()})
