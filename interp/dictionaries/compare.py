"""Sets side by side: sparsity against what is kept, one row a set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interp.dictionaries.base import Dictionary
from interp.dictionaries.evaluate import SetEvaluation
from interp.othello.games import POSITIONS
from interp.runs.folder import from_here

MATTERS = 0.02
"""Nats that zeroing a site must cost for its loss recovered to count."""


def summary(label: str, dictionaries: Mapping[str, Dictionary], result: SetEvaluation) -> dict[str, Any]:
    """One set in a row: means and worst cases over its sites."""
    one = next(iter(dictionaries.values()))
    trained = one.config.get("metadata", {}).get("trained_as", {})
    explained = [site["explained_variance"] for site in result.sites]
    recovered = [site["loss_recovered"] for site in result.sites if site["zero_cost"] >= MATTERS]
    return {
        "label": label,
        "family": trained.get("kind", one.architecture),
        "k": trained.get("k") if trained.get("kind") != "l1" else None,
        "positions": _positions(trained),
        "begun_from": from_here(trained.get("warm_start", "")) or None,
        "l0": _mean([site["l0"] for site in result.sites]),
        "explained_variance": _mean(explained),
        "least_explained": min(explained),
        "least_recovered": min(recovered, default=None),
        "alive": _mean([site["alive"] for site in result.sites]),
        "joint_legal_top1": result.joint_legal_top1,
        "model_legal_top1": result.model_legal_top1,
        "best_coverage": max(result.coverage.values()),
        "best_reconstruction": max(result.reconstruction.values()),
    }


def _positions(trained: Mapping[str, Any]) -> int | None:
    """Of this training alone; what the set that it began from has seen comes on top."""
    return trained["steps"] * trained["games"] * POSITIONS if {"steps", "games"} <= trained.keys() else None


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
