"""The shipped games on the shipped weights: every circuit is there, adds up, and says what its description says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.circuits_panels import presets
from apps.circuits_panels.lab import Lab
from apps.circuits_panels.opening import open_lab
from apps.circuits_panels.presets import Preset, read_presets
from interp.runs.errors import UserError

SHIPPED = read_presets(Path(presets.__file__).parent / "presets.json")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    try:
        yield open_lab()
    except UserError as error:
        pytest.skip(f"nothing is shipped yet: {error}")


@pytest.mark.parametrize("preset", SHIPPED, ids=lambda preset: preset.name)
def test_preset_traces_and_its_feature_is_active(lab: Lab, preset: Preset) -> None:
    screen = preset.screen
    circuit = lab.trace(screen.shown, screen.target_text, screen.set)
    scale = circuit.nodes["contribution"].abs().sum() + 1
    assert sum(circuit.sums.values()) == pytest.approx(circuit.value, abs=1e-4 * scale)
    assert circuit.value > 0 or screen.target.kind != "feature"
    assert len(circuit.nodes) > 3 and preset.name and preset.about


def test_removing_the_strongest_features_moves_the_opening_target_as_foretold(lab: Lab) -> None:
    screen = SHIPPED[0].screen
    nodes = lab.trace(screen.shown, screen.target_text, screen.set).nodes
    chosen = nodes[nodes["kind"] == "feature"].nlargest(5, "contribution")["id"].tolist()
    each = lab.ablate(screen.shown, screen.target_text, screen.set, chosen, 0.0).each
    assert each["held"].to_numpy() == pytest.approx(each["predicted"].to_numpy(), abs=1e-3)
    assert each["measured"].iloc[-1] < 0
