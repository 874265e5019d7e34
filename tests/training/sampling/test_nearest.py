"""The search gives what sorting all similarities gives, on one core and on many, and leaves torch's threads alone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from tests.training.sampling.planted import planted
from training.sampling.nearest import Search, _OnCores, _OnDevice, search_on

ROWS, _ = planted([400, 300, 200], width=16, noise=0.3)
TARGETS, _ = planted([4, 3], width=16, seed=5)


@pytest.fixture(params=["one core", "three cores", "device"])
def search(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Search]:
    monkeypatch.setattr("training.sampling.nearest._CACHED", 64 * 7)  # many blocks, the last one short
    monkeypatch.setattr("training.sampling.nearest._ON_DEVICE", 100 * 7)
    made = {"one core": lambda: _OnCores(1), "three cores": lambda: _OnCores(3), "device": _OnDevice}
    with made[request.param]() as found:
        yield found


def test_nearest_and_second_are_the_largest_two_similarities(search: Search) -> None:
    values, indices = (ROWS @ TARGETS.T).sort(dim=1, descending=True)
    one, two = search.nearest(ROWS, TARGETS), search.two_nearest(ROWS, TARGETS)
    for found in (one, two):
        assert torch.equal(found.label, indices[:, 0])
        torch.testing.assert_close(found.similarity, values[:, 0])
    assert torch.equal(two.second, indices[:, 1])
    torch.testing.assert_close(two.margin, values[:, 0] - values[:, 1], atol=1e-6, rtol=0)


def test_one_target_has_no_second(search: Search) -> None:
    two = search.two_nearest(ROWS, TARGETS[:1])
    assert set(two.label.tolist()) == {0} and set(two.second.tolist()) == {-1}
    assert two.margin.isnan().all()
    torch.testing.assert_close(two.similarity, ROWS @ TARGETS[0])


def test_sums_and_counts_are_added_to(search: Search) -> None:
    label = torch.arange(len(ROWS)) % 5  # targets 5 and 6 get nothing
    sums, counts = torch.ones(7, 16, dtype=torch.float64), torch.full((7,), 2)
    search.add(ROWS, label, sums, counts)
    expected = torch.stack([ROWS[label == target].double().sum(0) + 1 for target in range(7)])
    torch.testing.assert_close(sums, expected, atol=1e-12, rtol=0)
    assert counts.tolist() == [182] * 5 + [2, 2]


def test_the_number_of_cores_changes_no_bit() -> None:
    results = []
    for cores in (1, 2, 5):
        sums, counts = torch.zeros(7, 16, dtype=torch.float64), torch.zeros(7, dtype=torch.int64)
        with _OnCores(cores) as search:
            found = search.two_nearest(ROWS, TARGETS)
            search.add(ROWS, found.label, sums, counts)
        results.append((*found, sums, counts))
    for other in results[1:]:
        assert all(torch.equal(mine, theirs) for mine, theirs in zip(results[0], other, strict=True))


def test_torch_keeps_its_threads_here_and_in_later_threads() -> None:
    before = torch.get_num_threads()
    with search_on(torch.device("cpu")) as search:
        search.nearest(ROWS, TARGETS)
    with ThreadPoolExecutor(1) as pool:
        assert [torch.get_num_threads(), pool.submit(torch.get_num_threads).result()] == [before, before]
