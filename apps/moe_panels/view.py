"""What a session looks at: a step, a layer, an expert, a token, and other rules to route by.

Controls keep their values in the session under the keys below, which are also those of a link.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import streamlit as st

from apps.moe_panels.brush import STEPS, brushed, forget
from apps.moe_panels.traffic import Traffic
from apps.shell.page import report
from training.moe.rules import Fill, Rules
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
    priority: Fill
    """What fill-in goes by wherever it is on, in `rules` or in a variant of them."""
    opening: tuple[int, int]
    """Layer and expert that a link need not name; a control must begin with them, as a link leaves out where it began."""
    brushed: tuple[int, int] | None = None
    """First and last of the steps that panel A sums up; None for the step alone."""

    @property
    def steps(self) -> tuple[int, int]:
        """First and last of the steps that numbers over steps are of."""
        return self.brushed or (self.step, self.step)

    @property
    def span(self) -> list[int]:
        """All steps between these."""
        first, last = self.steps
        return [step for step in self.traffic.records.steps if first <= step <= last]

    @property
    def layers(self) -> list[int]:
        """Layers that route in this step."""
        return sorted(self.traffic.records.passes.loc[self.step].index.tolist())

    @property
    def variants(self) -> list[str]:
        """Routers to compare."""
        return variants_of(self.traffic.router(self.step, self.layer))

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
    first, busiest = opening_place(traffic)
    layer = _number(LAYER, sorted(traffic.records.passes.loc[step].index.tolist()), first, traffic)
    _, experts = traffic.sizes(step, layer)
    recorded = traffic.rules(step, layer)
    expert = _number(EXPERT, list(range(experts)), busiest, traffic)
    rules = None
    if recorded and not traffic.why_not(step, layer):
        rules = asked_rules(recorded, experts, traffic.router(step, layer))
    return View(traffic, step, layer, expert, recorded, rules, asked_priority(recorded), (first, busiest), _brushed(traffic))


def _brushed(traffic: Traffic) -> tuple[int, int] | None:
    if (found := brushed(traffic)) is None:
        _ignore(STEPS, st.query_params.get(STEPS), traffic)
    return found


def opening_place(traffic: Traffic) -> tuple[int, int]:
    """The middle layer and its busiest expert, of the opening step so that what a link leaves out is one thing."""
    step = opening_step(traffic)
    layers = sorted(traffic.records.passes.loc[step].index.tolist())
    layer = layers[len(layers) // 2]
    experts = traffic.experts.query("step == @step and layer == @layer")
    return layer, int(experts.nlargest(1, "demand")["expert"].iloc[0])


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
    if STEP in numbers:
        forget()
    for name, number in numbers.items():
        st.session_state[name] = str(number) if name in (STEP, LAYER, EXPERT) else number


def capacity_text(capacity: float) -> str:
    """A capacity as the slider has it; in full where six digits are those of another stop."""
    if math.isinf(capacity):
        return _NO_LIMIT
    short = f"{capacity:g}"
    return repr(capacity) if float(short) in _CAPACITIES and capacity not in _CAPACITIES else short


def capacities(recorded: Rules) -> dict[str, float]:
    """Stops of the slider and what they stand for, as 2/3 is not what its text says; the recorded capacity among them."""
    return {capacity_text(one): one for one in sorted({*_CAPACITIES, recorded.capacity, math.inf})}


def variants_of(router: str) -> list[str]:
    """Rectifications that a router can have: fill-in needs (k+1)-th choices, which only top-k makes."""
    return [name for name, asked in VARIANTS.items() if router == "top-k" or asked["fill"] == "off"]


def choices_of_k(router: str, experts: int) -> list[str]:
    """What k can be."""
    return ["1"] if router == "BASE" else [str(k) for k in range(1, experts + 1)]


def opening_router(recorded: Rules, router: str) -> str:
    """What is compared with first: all rectifications there are, or none where some were on."""
    return variants_of(router)[-1] if name_of(recorded) == "plain" else "plain"


def asked_priority(recorded: Rules | None) -> Fill:
    """What fill-in goes by, where it is on."""
    asked = _asked(PRIORITY)
    if asked in ("own", "top1"):
        return asked  # type: ignore[no-any-return]
    return recorded.fill if recorded and recorded.fill != "off" else "own"


def asked_rules(recorded: Rules, experts: int, router: str) -> Rules:
    """The recorded rules with what the controls change in them; values of a bad link count as not given."""
    asked, k, capacity = _asked(ROUTER), _asked(K), capacities(recorded).get(str(_asked(CAPACITY)))
    name = asked if asked in variants_of(router) else opening_router(recorded, router)
    rules = variant(name, recorded, asked_priority(recorded))
    if str(k) in choices_of_k(router, experts):
        rules = replace(rules, k=int(str(k)))
    return rules if capacity is None else replace(rules, capacity=capacity)


def told(rules: Rules | None) -> str:
    """Rules in a few words."""
    if rules is None:
        return "rules unknown"
    limit = capacity_text(rules.capacity)
    limit = limit if limit == _NO_LIMIT else f"c {limit}"
    return f"top-{rules.k}, {limit}, {name_of(rules)}"
