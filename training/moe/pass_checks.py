"""Rules and sizes of recorded passes, checked before anything is routed by them: they may be of another program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from interp.runs.errors import UserError
from training.moe.baselines import ROUTERS
from training.moe.ranks import check_ranks
from training.moe.records import rules_of
from training.moe.rules import Rules

_SCORINGS = ("softmax", "sigmoid")
_SIZES = ["ranks", "tokens", "experts", "k", "row_bytes"]
_MAY_BE_UNKNOWN = ["balance", "row_bytes"]
_UNCHECKED = ["slots", "balance", "seed"]


def check_passes(passes: pd.DataFrame, path: Path) -> None:
    """Raises UserError, naming the pass, for rules that no router has; passes that only rows show have none."""
    if "k" not in passes:
        return
    for column in passes.columns.difference(_MAY_BE_UNKNOWN):
        if (empty := passes[column].isna()).any():
            accepted = f"a value in every column of passes but {' and '.join(_MAY_BE_UNKNOWN)}"
            raise _wrong(path, passes.index[empty][0], f"no {column}", accepted)
    for place, row in passes.drop_duplicates(passes.columns.difference(_UNCHECKED).tolist()).iterrows():
        _check_row(path, place, row.to_dict())


def _check_row(path: Path, place: Any, row: dict[str, Any]) -> None:
    for name, known in {"router": tuple(ROUTERS), "scoring": _SCORINGS}.items():
        if row[name] not in known:
            raise _wrong(path, place, f"{name} '{row[name]}'", ", ".join(known))
    if small := [name for name in _SIZES if row[name] < 1]:
        raise _wrong(path, place, f"{small[0]} {row[small[0]]}", "a whole number from 1")
    if row["k"] > (most := 1 if row["router"] == "BASE" else row["experts"]):
        raise _wrong(
            path, place, f"k {row['k']}", f"up to {most}, as its router '{row['router']}' has {row['experts']} experts"
        )
    rules: list[Callable[[], Rules | None]] = [
        lambda: rules_of(row),
        lambda: check_ranks(int(row["experts"]), int(row["ranks"])),
    ]
    for check in rules:
        try:
            check()
        except UserError as error:
            step, layer = place
            raise UserError(f"the pass of step {step} and layer {layer} of {path} cannot be: {error}") from None


def _wrong(path: Path, place: Any, found: str, accepted: str) -> UserError:
    step, layer = place
    return UserError(f"the pass of step {step} and layer {layer} of {path} has {found}; accepted is {accepted}")
