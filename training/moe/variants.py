"""The routers that arXiv 2402.12399 compares: plain top-k and its two rectifications, alone and together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from interp.runs.errors import UserError
from training.moe.rules import Fill, Rules

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {"fill": "off", "rectify": False},
    "IR": {"fill": "off", "rectify": True},
    "FR": {"fill": "own", "rectify": False},
    "FR+IR": {"fill": "own", "rectify": True},
}
"""By the names of the paper: IR is intra-GPU, FR fill-in rectification."""


def variant(name: str, rules: Rules, priority: Fill = "off") -> Rules:
    """`rules` with the rectifications of that name; FR fills by `priority`, or keeps the one it has if that is off.

    Raises UserError for an unknown name.
    """
    if name not in VARIANTS:
        raise UserError(f"unknown router '{name}'; accepted are {', '.join(VARIANTS)}")
    asked = VARIANTS[name]
    known = [fill for fill in (priority, rules.fill) if fill != "off" and asked["fill"] != "off"]
    return replace(rules, **(asked | {"fill": [*known, asked["fill"]][0]}))


def name_of(rules: Rules) -> str:
    """The paper's name of the rectifications in use."""
    return named(rules.fill, rules.rectify)


def named(fill: str, rectify: bool) -> str:
    """The paper's name of these rectifications."""
    return {(False, False): "plain", (False, True): "IR", (True, False): "FR", (True, True): "FR+IR"}[fill != "off", rectify]


def label(rules: Rules, router: str = "top-k") -> str:
    """A router of `training.moe.baselines.ROUTERS` and its k in a table."""
    return f"top-{rules.k}" if router == "top-k" else f"{router}, k = {rules.k}"


def check_router(router: str, rules: Rules) -> None:
    """Raise UserError for fill-in with a router that has no (k+1)-th choices."""
    if router != "top-k" and rules.fill != "off":
        raise UserError(f"fill '{rules.fill}' with router '{router}' is refused; accepted is off, or router top-k")
