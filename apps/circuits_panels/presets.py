"""The shipped games: positions worth looking at, each with a circuit. `apps.circuits_panels.find_presets` writes them.

`presets.json` is a list of objects with `name`, `about` (one sentence on what is seen) and `link` (the parts of a deep
link). The app opens on the first.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

from apps.circuits_panels.link import open_link
from apps.circuits_panels.state import Screen, Target

FILE = Path(__file__).parent / "presets.json"
_NOWHERE = Screen((), 0, Target("logit", square=19))


class Preset(NamedTuple):
    """A game worth looking at."""

    name: str
    """What is seen, in a few words."""
    about: str
    """What is seen, in a sentence."""
    screen: Screen
    """Game, move, target, set and panel."""


@cache
def presets() -> tuple[Preset, ...]:
    """The shipped games. Raises ValueError for an entry that is no link."""
    return tuple(_preset(**entry) for entry in json.loads(FILE.read_text()))


def _preset(name: str, about: str, link: dict[str, str]) -> Preset:
    screen, problems = open_link(link, _NOWHERE, (link.get("set", _NOWHERE.set),))
    if problems:
        raise ValueError(f"preset '{name}': {' '.join(problems)}")
    return Preset(name, about, screen)
