"""Patching, gradients and faithfulness curves in cases with a known answer."""

from __future__ import annotations

import pytest
import torch

from interp.circuits.attribution import attribute
from interp.circuits.baselines import activation_patching, gradient_times_input, path_patching
from interp.circuits.faithfulness import faithfulness
from interp.circuits.targets import AttentionTarget, FeatureTarget, LogitTarget
from interp.models.random_network import NetworkShape
from interp.runs.errors import UserError
from tests.interp.circuits.cases import random_decomposition

FULL = ("plain", "centred", "plain", "plain")
D = random_decomposition(NetworkShape(), FULL, 0, dtype=torch.float64)
SOURCES = torch.randperm(len(D.sources.kind), generator=torch.Generator().manual_seed(0))[:21]


def test_other_positions_have_no_direct_path_to_a_logit() -> None:
    """Attention would carry them there; held, neither patching nor attribution sees them."""
    target = LogitTarget(2, 5)
    here = SOURCES[D.sources.position[SOURCES] != 5]
    assert torch.equal(path_patching(D, target, here), torch.zeros(len(here), dtype=torch.float64))
    assert torch.equal(attribute(D, target).contributions[here], torch.zeros(len(here), dtype=torch.float64))


def test_last_write_has_no_other_path() -> None:
    target = LogitTarget(2, 5)
    last = ((D.sources.order == 4) & (D.sources.position == 5)).nonzero()[:, 0]
    torch.testing.assert_close(path_patching(D, target, last), activation_patching(D, target, last))


@pytest.mark.parametrize("target", [LogitTarget(2, 5), FeatureTarget("L1A", 3, 5), AttentionTarget(1, 1, 5, 2)], ids=lambda t: t.text)
def test_gradient_is_the_slope_of_patching(target: LogitTarget) -> None:
    """Scaling a source by 1 - e moves the target by e times gradient x input."""
    from interp.circuits.interventions import TOTAL, edited_run, value_in

    step, before = 1e-6, value_in(D, D.record, target)
    moved = value_in(D, edited_run(D, list(SOURCES[:, None]), factor=1 - step, freeze=TOTAL), target)
    torch.testing.assert_close((before - moved) / step, gradient_times_input(D, target, SOURCES), atol=1e-4, rtol=1e-3)


def test_keeping_everything_is_the_model_and_nothing_is_the_baseline() -> None:
    target, everything = LogitTarget(2, 5), torch.arange(len(D.sources.kind))
    nothing, half, full = faithfulness(D, target, everything.flip(0), [0, len(everything) // 2, len(everything)])
    assert (nothing.fraction, full.fraction) == (0, pytest.approx(1))
    assert full.value == pytest.approx(float(D.record.logits[5, 2]))
    assert half.value not in (nothing.value, full.value)


def test_mean_baseline_is_used() -> None:
    target, means = LogitTarget(2, 5), {site: torch.ones(20) for site in D.network.sites}
    none, everything = torch.arange(0), torch.arange(len(D.sources.kind))
    assert faithfulness(D, target, none, [0], means=means)[0].value != faithfulness(D, target, none, [0])[0].value
    full = faithfulness(D, target, everything, [len(everything)], means=means)[0]
    assert full.value == pytest.approx(float(D.record.logits[5, 2]))


def test_the_curve_ends_at_one_where_dictionaries_do_not_apply() -> None:
    for dictionary in (d := random_decomposition(NetworkShape(), FULL, 0, dtype=torch.float64, skipped=2)).dictionaries.values():
        assert dictionary.config["metadata"]["seqpos_slice"] == [2, None]
    everything = torch.arange(len(d.sources.kind))
    nothing, full = faithfulness(d, LogitTarget(2, 5), everything, [0, len(everything)])
    assert (nothing.fraction, full.fraction) == (0, pytest.approx(1))
    assert full.value == pytest.approx(float(d.record.logits[5, 2]))


def test_transcoders_are_refused() -> None:
    d = random_decomposition(NetworkShape(), ("plain", "transcoder", "plain", "plain"), 1)
    with pytest.raises(UserError, match="L0M has a transcoder"):
        faithfulness(d, LogitTarget(2, 5), torch.arange(3), [1])
