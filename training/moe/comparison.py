"""Routers compared: the upcycled decoder trained with each, seeds in pairs, and each switched on at test time only.

    <out>/text.safetensors                  the text that all runs share
    <out>/top-<k>_<router>_<seed>/          a run of `training.moe.train`, with
        evaluated.parquet, orders.parquet   what was measured on it

Within a seed all runs begin with the same router, and read the same sequences. After arXiv 2402.12399 in kind: it trains
Llama-2-7B with every rectification and k at c_eff = k (by its configs); model, text, budget and schedule are ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from safetensors import safe_open

from interp.runs.atomic import write_frame
from interp.runs.errors import UserError
from interp.runs.folder import read_manifest
from training.moe.evaluate import KEYS, MEASURES, evaluate, quality, row_of, swept, with_intervals
from training.moe.orders import ORDER_KEYS, ordered
from training.moe.rules import Order, Rules
from training.moe.text import prepared_text
from training.moe.train import MoETraining, dense_model, measured_on, train
from training.moe.trained import open_trained
from training.moe.variants import VARIANTS, name_of, named, variant


@dataclass(frozen=True)
class Comparison:
    """What is compared."""

    training: MoETraining = field(default_factory=MoETraining)
    """Rules and seed are replaced by those of each run."""
    ks: tuple[int, ...] = (1, 2)
    variants: tuple[str, ...] = tuple(VARIANTS)
    """The first one is what others are told against, and what they are switched on at test time only for."""
    seeds: int = 3
    capacities: tuple[float, ...] = (0.5, 0.75, 1.0, 1.5)
    """c_eff a choice, so that k times as much is tested."""
    orders: tuple[Order, ...] = ("confidence", "random", "reverse")
    order_capacities: tuple[float, ...] = (0.5, 1.0)
    """c_eff a choice at which orders are compared."""

    def of(self, k: int, name: str, seed: int) -> MoETraining:
        """Settings of one run, at c_eff = k."""
        return replace(self.training, rules=variant(name, Rules(k, float(k))), seed=seed)


class Compared(NamedTuple):
    """A row a seed."""

    rows: pd.DataFrame
    """Columns `KEYS`, seed, `MEASURES`."""
    orders: pd.DataFrame
    """Columns `ORDER_KEYS`, seed, `MEASURES`: the plain router's tokens served in other orders."""
    dense: dict[str, float]
    """Loss and accuracy of the dense model."""


def compare(out: Path, settings: Comparison = Comparison(), *, device: str = "auto") -> Compared:
    """Train every router with every seed and measure it, or go on where that was left.

    Raises UserError for an unknown router, and for runs or a text at `out` of other settings.
    """
    dense = dense_model(settings.training.model, device=device)
    text = prepared_text(settings.training, dense.tokenizer, out)
    held_out = measured_on(settings.training, text["held-out"], dense.tokenizer)
    found: dict[str, list[pd.DataFrame]] = {"evaluated": [], "orders": []}
    for seed, k, name in _runs(settings):
        place = _place(out, seed, k, name)
        _train(settings.of(k, name, seed), place, out, device)
        for kind, frame in _measured(place, settings, settings.of(k, name, seed).rules, device).items():
            found[kind].append(frame.assign(seed=seed))
    rows, orders = (pd.concat(frames, ignore_index=True) for frames in found.values())
    return Compared(rows, orders, quality(dense.model, held_out, batch=settings.training.batch))


def _runs(settings: Comparison) -> Iterator[tuple[int, int, str]]:
    """Seed by seed, so that what is finished early is paired."""
    for seed in range(1, settings.seeds + 1):
        for k in settings.ks:
            for name in settings.variants:
                yield seed, k, name


def _place(out: Path, seed: int, k: int, name: str) -> Path:
    return out / f"top-{k}_{name}_{seed}"


def _train(settings: MoETraining, place: Path, text: Path, device: str) -> None:
    if place.exists() and (found := read_manifest(place)).get("status") == "complete":
        if found["config"] != settings.config():
            raise UserError(f"{place} was trained with other settings; take another folder")
        return
    train(settings, place, text=text, device=device)


def _measured(place: Path, settings: Comparison, trained: Rules, device: str) -> dict[str, pd.DataFrame]:
    """Rows of one run, measured now or before; of the first router, also under all others and in all orders."""
    asked = _asked(settings, trained)
    found = {kind: _read(place / f"{kind}.parquet", rows) for kind, rows in asked.items()}
    if missing := [kind for kind, frame in found.items() if frame is None]:
        run = open_trained(place, device=device)
        for kind in missing:
            rows = [row | evaluate(run.model, run.held_out, rules, batch=run.batch)._asdict() for row, rules in asked[kind]]
            write_frame(place / f"{kind}.parquet", pd.DataFrame(rows))
            found[kind] = pd.DataFrame(rows)
    return {kind: frame for kind, frame in found.items() if frame is not None}


def _asked(settings: Comparison, trained: Rules) -> dict[str, list[tuple[dict[str, Any], Rules]]]:
    """What is measured on a run: columns that tell rows apart, and rules."""
    plain = name_of(trained) == settings.variants[0]
    sizes = [trained.k * share for share in settings.capacities]
    sweep = swept(trained, capacities=sizes, tests=settings.variants if plain else ())
    found = {"evaluated": [(row_of(rules, trained), rules) for rules in sweep]}
    if plain:
        sizes = [trained.k * share for share in settings.order_capacities]
        orders = ordered(trained, capacities=sizes, orders=settings.orders)
        found["orders"] = [(row_of(rules, trained) | {"order": rules.order}, rules) for rules in orders]
    return found


def _read(file: Path, asked: list[tuple[dict[str, Any], Rules]]) -> pd.DataFrame | None:
    """What was measured before, if it is what is asked for now."""
    if not file.exists():
        return None
    found, keys = pd.read_parquet(file), list(asked[0][0])
    same = set(keys) <= set(found) and found[keys].to_dict("records") == [row for row, _ in asked]
    return found if same else None


def spread(out: Path, settings: Comparison) -> pd.DataFrame:
    """How far experts have parted, columns router, trained_with, apart: mean over layers, experts, matrices and seeds of
    the distance of an expert's weights from the experts' mean, over the norm of that mean. Copies have 0."""
    rows = []
    for seed, k, name in _runs(settings):
        rules, apart = settings.of(k, name, seed).rules, []
        with safe_open(_place(out, seed, k, name) / "checkpoint.safetensors", framework="pt") as stored:
            for weights in (stored.get_tensor(key) for key in stored.keys() if ".mlp.experts." in key):  # noqa: SIM118
                mean = weights.mean(0)
                apart.append(float((weights - mean).flatten(1).norm(dim=1).mean() / mean.norm()))
        rows.append({"router": f"top-{rules.k}", "trained_with": name, "apart": sum(apart) / len(apart)})
    return pd.DataFrame(rows).groupby(["router", "trained_with"], as_index=False, sort=False).mean()


def trained_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Each router tested as it was trained, at c_eff = k: means over seeds with intervals."""
    return with_intervals(_as_trained(rows))


def at_test_time(rows: pd.DataFrame) -> pd.DataFrame:
    """The plainly trained models at c_eff = k under each router: means over seeds with intervals."""
    return with_intervals(rows[(rows.trained_with == "plain") & (rows.capacity == _k(rows))])


def against(rows: pd.DataFrame, baseline: pd.DataFrame, keys: tuple[str, ...] = KEYS) -> pd.DataFrame:
    """Each row minus the baseline's of the same seed and k: mean difference over seeds and its interval.

    `baseline` has one row a seed and k.
    """
    held = baseline.set_index(["router", "seed"])[list(MEASURES)]
    pairs = pd.MultiIndex.from_frame(rows[["router", "seed"]])
    differences = rows.copy()
    differences[list(MEASURES)] = rows[list(MEASURES)].to_numpy() - held.loc[pairs].to_numpy()
    return with_intervals(differences, keys)


def differences(rows: pd.DataFrame) -> pd.DataFrame:
    """Trained with each router, and each at test time only, against plain at c_eff = k, in pairs of one seed."""
    base = _as_trained(rows)
    base = base[base.trained_with == "plain"]
    tested = rows[(rows.capacity == _k(rows)) & ~((rows.trained_with == "plain") & (_names(rows) == "plain"))]
    return against(tested, base)


def order_differences(orders: pd.DataFrame) -> pd.DataFrame:
    """Each order against confidence at the same capacity, in pairs of one seed."""
    parts = []
    for _, part in orders.groupby(["router", "capacity"], sort=False):
        parts.append(against(part[part.order != "confidence"], part[part.order == "confidence"], ORDER_KEYS))
    return pd.concat(parts, ignore_index=True)


def _as_trained(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows.capacity == _k(rows)) & (rows.trained_with == _names(rows))]


def _k(rows: pd.DataFrame) -> pd.Series:
    return rows.router.str.removeprefix("top-").astype(float)


def _names(rows: pd.DataFrame) -> pd.Series:
    """The router of each row, by the paper's name."""
    pairs = zip(rows.fill, rows.rectify, strict=True)
    return pd.Series([named(fill, rectify == "on") for fill, rectify in pairs], index=rows.index)
