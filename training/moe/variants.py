"""The routers that arXiv 2402.12399 compares: plain top-k and its two rectifications, alone and together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from interp.runs.errors import UserError
from training.moe.rules import Rules

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {"fill": "off", "rectify": False},
    "IR": {"fill": "off", "rectify": True},
    "FR": {"fill": "own", "rectify": False},
    "FR+IR": {"fill": "own", "rectify": True},
}
"""By the names of the paper: IR is intra-GPU, FR fill-in rectification."""


def variant(name: str, rules: Rules) -> Rules:
    """`rules` with the rectifications of that name; FR keeps its priority where it has one.

    Raises UserError for an unknown name.
    """
    if name not in VARIANTS:
        raise UserError(f"unknown router '{name}'; accepted are {', '.join(VARIANTS)}")
    asked = VARIANTS[name]
    fill = rules.fill if "off" not in (rules.fill, asked["fill"]) else asked["fill"]
    return replace(rules, **(asked | {"fill": fill}))


def name_of(rules: Rules) -> str:
    """The paper's name of the rectifications in use."""
    return {(False, False): "plain", (False, True): "IR", (True, False): "FR", (True, True): "FR+IR"}[
        rules.fill != "off", rules.rectify
    ]
