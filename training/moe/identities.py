"""Sums that hold in every plan, counted from a step's routes; a record that lost, doubled or moved a row breaks one.

Both sides are counted apart: choices against the tokens that were read and k, slots against sizes and capacity, rows in
slots against different slots, stand-ins against ranks. A sum holds if it does in each layer, whatever it is over all.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import pandas as pd

from training.moe.record_files import Records
from training.moe.records import rules_of
from training.moe.replay import Replay

_TOKEN = ["layer", "sequence", "position"]


class Identity(NamedTuple):
    """A sum, in words, with both of its sides."""

    told: str
    holds: bool | None
    """None where the records do not tell one of the sides."""


def recorded_identities(records: Records, step: int) -> list[Identity]:
    """Of all layers of a recorded step; none of a step whose counts alone were kept."""
    if step not in records.routed_steps:
        return []
    return identities(records.passes.loc[step], records.routes(step), records.tokens_read(step))


def replayed_identities(found: Replay, step: int, layer: int) -> list[Identity]:
    """Of a layer that was routed again."""
    plan = found.plan
    row = found.recorded.settings | {name: getattr(plan.rules, name) for name in plan.rules.__dataclass_fields__}
    passes = pd.DataFrame([row | {"slots": plan.slots}], index=[layer])
    return identities(passes, found.rows(step, layer), pd.Series({layer: int(plan.real.sum())}))


def identities(passes: pd.DataFrame, routes: pd.DataFrame, tokens: pd.Series) -> list[Identity]:
    """Of `passes` and `tokens` that were read, by layer, and the rows of `ROUTES` that are theirs.

    Where the tokens that were read are unknown, those that have a row stand for them.
    """
    seen = routes[_TOKEN].drop_duplicates().groupby("layer").size()
    tokens = tokens.reindex(passes.index).fillna(seen.reindex(passes.index, fill_value=0)).astype(int)
    return [_choices(passes, routes, tokens), _slots(passes, routes), *_in_slots(passes, routes), _stand_ins(passes, routes)]


def _choices(passes: pd.DataFrame, routes: pd.DataFrame, tokens: pd.Series) -> Identity:
    """Every token that was read asks for k experts."""
    asked = routes[~(routes["filled"] | routes["rectified"])]
    told = f"{len(asked):,} kept + dropped = {tokens.sum():,} tokens x k"
    if "k" not in passes or not passes["router"].isin(["top-k", "BASE"]).all():
        return Identity(told, None)
    each = asked.groupby(_TOKEN).size()
    whole = each.groupby("layer").size().reindex(passes.index, fill_value=0)
    right = bool((each == passes["k"].reindex(each.index.get_level_values("layer")).to_numpy()).all())
    return Identity(told, right and bool((whole == tokens).all()))


def _slots(passes: pd.DataFrame, routes: pd.DataFrame) -> Identity:
    """C is ceil(S c_eff / E), or where capacity is infinite what is needed."""
    cells = passes["ranks"] * passes["experts"]
    told = f"{(cells * passes['slots']).sum():,} slots = {cells.sum():,} experts on ranks x ceil(tokens x c_eff / experts)"
    if "k" not in passes or (passes["slots"] < 0).any():
        return Identity(told.replace(f"{(cells * passes['slots']).sum():,}", "unknown"), None)
    asked = routes[~(routes["filled"] | routes["rectified"])]
    most = asked.groupby(["layer", "rank", "expert"]).size().groupby("layer").max().reindex(passes.index, fill_value=0)
    return Identity(told, all(row["slots"] == _capacity(row, int(most[layer])) for layer, row in passes.iterrows()))


def _capacity(row: pd.Series, most: int) -> int:
    """C of a pass whose largest demand of a rank for an expert is `most`."""
    found = rules_of(row.to_dict()).slots(int(row["tokens"]), int(row["experts"]))
    if found is None:
        found = most if row["router"] == "top-k" else math.ceil(row["tokens"] * row["k"] / row["experts"])
    return max(1, found)


def _in_slots(passes: pd.DataFrame, routes: pd.DataFrame) -> list[Identity]:
    """Rows in slots have one each, and of a token each another expert."""
    rows = routes[routes["kept"] | routes["filled"]]
    used = rows[["layer", "rank", "expert", "slot"]].drop_duplicates()
    below = used["slot"].between(0, passes["slots"].reindex(used["layer"]).to_numpy() - 1)
    pairs = rows[[*_TOKEN, "expert"]].drop_duplicates()
    known = bool((passes["slots"] >= 0).all() and not (rows["slot"] < 0).all())
    told, use = f"{len(rows):,} kept + filled = ", int(below.sum())
    return [
        Identity(f"{told}{use:,} slots in use", len(rows) == use if known else None),
        Identity(f"{told}{len(pairs):,} pairs of token and expert", len(rows) == len(pairs)),
    ]


def _stand_ins(passes: pd.DataFrame, routes: pd.DataFrame) -> Identity:
    """At most one a token, by an expert of its own rank."""
    rows = routes[routes["rectified"]]
    local = (passes["experts"] // passes["ranks"]).reindex(rows["layer"]).to_numpy()
    own = rows[rows["expert"] // local == rows["rank"]].drop_duplicates(_TOKEN)
    return Identity(f"{len(rows):,} rectified = {len(own):,} tokens with an expert of their own rank", len(rows) == len(own))
