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
    """The shipped games."""
    return read_presets(FILE)


def read_presets(path: Path) -> tuple[Preset, ...]:
    """The games of a file. Raises ValueError for an entry that is no link."""
    return tuple(preset_of(**entry) for entry in json.loads(path.read_text()))


def preset_of(name: str, about: str, link: dict[str, str]) -> Preset:
    """One entry of the file. Raises ValueError for a link that would not open whole."""
    screen, problems = open_link(link, _NOWHERE, (link.get("set", _NOWHERE.set),))
    if problems:
        raise ValueError(f"preset '{name}': {' '.join(problems)}")
    return Preset(name, about, screen)
