"""The app's tests open on games of their own, so that they do not change with the shipped ones."""

from __future__ import annotations

from pathlib import Path

from apps.circuits_panels import presets

presets.FILE = Path(__file__).parent / "games.json"
