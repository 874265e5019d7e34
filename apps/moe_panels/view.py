"""What a session looks at: a step, a layer, an expert, a token, and other rules to route by.

Controls keep their values in the session under the keys below, which are also those of a link.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import streamlit as st

from apps.moe_panels.traffic import Traffic
from apps.shell.page import report
from training.moe.rules import Rules
from training.moe.variants import VARIANTS, name_of, variant

RUN, STEP, LAYER, EXPERT = "run", "step", "layer", "expert"
ROUTER, K, CAPACITY, PRIORITY = "router", "k", "capacity", "priority"
TEXT, POSITION, SHOWN = "text", "position", "shown"
AGAIN = "Routed again"
_NO_LIMIT = "no limit"
_CAPACITIES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0)


@dataclass(frozen=True)
class View:
    """What all panels of one run of the script show."""

    traffic: Traffic
    step: int
    layer: int
    expert: int
    recorded: Rules | None
    """Of the pass, if they were recorded."""
    rules: Rules | None
    """To route again by; None where nothing can be replayed."""
    opening: tuple[int, int]
    """Layer and expert that a link need not name; a control must begin with them, as a link leaves out where it began."""

    @property
    def layers(self) -> list[int]:
        """Layers that route in this step."""
        return sorted(self.traffic.records.passes.loc[self.step].index.tolist())

    @property
    def experts(self) -> pd.DataFrame:
        """Counts of the step, a row a (layer, expert)."""
        return self.traffic.experts[self.traffic.experts["step"] == self.step]

    @property
    def routed(self) -> bool:
        """Whether the step's routes were kept, not their counts alone."""
        return self.step in self.traffic.records.routed_steps


def steps_of(traffic: Traffic) -> list[str]:
    """Steps as the slider has them."""
    return [str(step) for step in traffic.records.steps]


def opening_step(traffic: Traffic) -> int:
    """The last step whose routes were kept."""
    return (traffic.records.routed_steps or traffic.records.steps)[-1]


def step_of(traffic: Traffic) -> int:
    """The step that the session or the link names, or the last one whose routes were kept."""
    asked = _asked(STEP)
    if asked in steps_of(traffic):
        return int(str(asked))
    _ignore(STEP, asked, traffic)
    return opening_step(traffic)


def view(traffic: Traffic) -> View:
    """The view that the session's controls ask for."""
    step = step_of(traffic)
    layers = sorted(traffic.records.passes.loc[step].index.tolist())
    first = layers[len(layers) // 2]
    layer = _number(LAYER, layers, first, traffic)
    _, experts = traffic.sizes(step, layer)
    recorded = traffic.rules(step, layer)
    busiest = traffic.experts.query("step == @step and layer == @layer").nlargest(1, "demand")["expert"].iloc[0]
    expert = _number(EXPERT, list(range(experts)), int(busiest), traffic)
    rules = asked_rules(recorded, experts) if recorded and traffic.replayable(step) else None
    return View(traffic, step, layer, expert, recorded, rules, (first, int(busiest)))


def _number(name: str, known: list[int], otherwise: int, traffic: Traffic) -> int:
    asked = _asked(name)
    if str(asked) in map(str, known):
        return int(str(asked))
    _ignore(name, asked, traffic)
    return otherwise


def _asked(name: str) -> Any:
    return st.session_state.get(name, st.query_params.get(name))


def _ignore(name: str, asked: Any, traffic: Traffic) -> None:
    """Tell of a value that these records do not have, and forget it."""
    if asked is not None:
        report(f"{name.capitalize()} '{str(asked)[:60]}' ignored: {traffic.name} has none of that number here.")
        st.session_state.pop(name, None)
        st.query_params.pop(name, None)


def choose(**numbers: int) -> None:
    """Look at another step, layer, expert or token."""
    for name, number in numbers.items():
        st.session_state[name] = str(number) if name in (STEP, LAYER, EXPERT) else number


def capacity_text(capacity: float) -> str:
    """A capacity as the slider has it."""
    return _NO_LIMIT if math.isinf(capacity) else f"{capacity:g}"


def capacities(recorded: Rules) -> list[str]:
    """Stops of the slider, the recorded capacity among them."""
    return [capacity_text(one) for one in sorted({*_CAPACITIES, recorded.capacity, math.inf})]


def opening_router(recorded: Rules) -> str:
    """What is compared with first: both rectifications, or none where some were on."""
    return "FR+IR" if name_of(recorded) == "plain" else "plain"


def asked_rules(recorded: Rules, experts: int) -> Rules:
    """The recorded rules with what the controls change in them; values of a bad link count as not given."""
    router, k, capacity = _asked(ROUTER), _asked(K), _asked(CAPACITY)
    rules = variant(router if router in VARIANTS else opening_router(recorded), recorded)
    if rules.fill != "off" and _asked(PRIORITY) in ("own", "top1"):
        rules = replace(rules, fill=_asked(PRIORITY))
    if str(k) in map(str, range(1, experts + 1)):
        rules = replace(rules, k=int(str(k)))
    if capacity in capacities(recorded):
        rules = replace(rules, capacity=math.inf if capacity == _NO_LIMIT else float(str(capacity)))
    return rules


def told(rules: Rules | None) -> str:
    """Rules in a few words."""
    if rules is None:
        return "rules unknown"
    limit = "no limit" if math.isinf(rules.capacity) else f"c {rules.capacity:g}"
    return f"top-{rules.k}, {limit}, {name_of(rules)}"
