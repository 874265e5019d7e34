"""Mixtures: factors become draws, schedules come back as they were, and what has factor 0 never comes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.runs.errors import UserError
from tests.training.sampling.made_run import make_run
from training.sampling.draws import draw
from training.sampling.expected import expected
from training.sampling.sampler import ClusterSampler
from training.sampling.schedule import Schedule, _parsed
from training.sampling.strategies import Budget, Strategy

RECIPE = Strategy.mixture([1, 2, 0])


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0])), min_size=1, max_size=6).filter(
        lambda groups: any(size and factor for size, factor in groups)
    ),
    st.integers(1, 300),
)
def test_expected_draws_are_the_share_of_size_times_factor(groups: list[tuple[int, float]], draws: int) -> None:
    sizes, factors = (np.array(column) for column in zip(*groups, strict=True))
    strategy = Strategy.mixture(factors.tolist())
    found = expected(sizes, strategy, Budget(draws))
    assert found.counts == pytest.approx(draws * sizes * factors / (sizes * factors).sum())
    assert found.level == pytest.approx(draws / (sizes * factors).sum()) and not found.clipped
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    drawn = np.bincount(clusters[list(ClusterSampler(clusters, strategy, Budget(draws)))], minlength=len(sizes))
    assert np.all(np.abs(drawn - found.counts) <= 1 + 1e-6) and not drawn[factors == 0].any()


def test_one_pass_draws_each_document_as_often_as_its_factor_says(tmp_path: Path) -> None:
    run = make_run(tmp_path, [7, 4, 5])
    schedule = Schedule.of_run(run, RECIPE, Budget(15))
    drawn = draw(run, schedule)
    times = dict(zip((0, 1, 2), RECIPE.factors, strict=True))
    assert [int(count) for count in drawn.documents] == [times[cluster] for cluster in run.assignments["cluster"]]


def test_schedules_and_states_keep_the_factors(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [7, 4, 5])
    schedule = Schedule.of_run(run, RECIPE, Budget(40), seed=3)
    schedule.write(tmp_path / "mixture.yaml")
    assert Schedule.read(tmp_path / "mixture.yaml") == schedule
    assert "factors" not in yaml.safe_load(Schedule(Strategy.named("random"), Budget(3), (5,)).text())["strategy"]
    sampler = schedule.sampler()
    stream = iter(sampler)
    begun = [next(stream) for _ in range(9)]
    resumed = schedule.sampler()
    resumed.load_state_dict(json.loads(json.dumps(sampler.state_dict())))
    assert begun + list(resumed) == list(schedule.sampler())


@pytest.mark.parametrize("factors", [[], [0, 0], [-1, 1], [math.inf], [math.nan, 1]])
def test_refuses_factors(factors: list[float]) -> None:
    with pytest.raises(UserError, match="are refused"):
        Strategy.mixture(factors)


def test_refuses_groups_that_do_not_fit() -> None:
    with pytest.raises(UserError, match="3 factors for 2 groups"):
        expected(np.array([4, 4]), RECIPE, Budget(3))
    with pytest.raises(UserError, match="no group with a factor above 0"):
        expected(np.array([0, 0, 9]), RECIPE, Budget(3))
    broken = Schedule(RECIPE, Budget(3), (1, 1, 1)).text().replace("factors", "factory")
    with pytest.raises(KeyError):
        _parsed(yaml.safe_load(broken))
