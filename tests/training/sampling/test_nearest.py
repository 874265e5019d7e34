"""The search gives what sorting all similarities gives, on one core and on many, and leaves torch's threads alone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from tests.training.sampling.planted import planted
from training.sampling import nearest
from training.sampling.nearest import Search, Standing, _OnCores, _OnDevice, search_on

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


def test_rows_come_to_sums_and_go_from_them(search: Search) -> None:
    nowhere = torch.full((len(ROWS),), -1)
    before, after = torch.arange(len(ROWS)) % 5, torch.arange(len(ROWS)) % 3  # targets 5 and 6 get nothing
    sums, counts = torch.ones(7, 16, dtype=torch.float64), torch.full((7,), 2)
    for old, new in ((nowhere, before), (before, after)):
        search.move(ROWS, old, new, sums, counts)
        expected = torch.stack([ROWS[new == target].double().sum(0) + 1 for target in range(7)])
        torch.testing.assert_close(sums, expected, atol=1e-12, rtol=0)
        assert counts.tolist() == [2 + int((new == target).sum()) for target in range(7)]


def test_what_is_known_is_renewed_as_if_all_were_compared(search: Search) -> None:
    """Over many small movements, of one target up to all of them."""
    generator = torch.Generator().manual_seed(0)
    standing, targets = Standing.unknown(len(ROWS), torch.device("cpu")), TARGETS.clone()
    search.renew(ROWS, standing, targets, None)
    for turn in range(40):
        moved = torch.randperm(7, generator=generator)[: turn % 7 + 1].sort().values
        step = torch.randn(len(moved), 16, generator=generator) * (0.02 if turn % 2 else 0.2)
        targets[moved] = torch.nn.functional.normalize(targets[moved] + step, dim=1)
        search.renew(ROWS, standing, targets, moved)
        values, indices = (ROWS @ targets.T).sort(dim=1, descending=True)
        torch.testing.assert_close(standing.similarity, values[:, 0], atol=1e-6, rtol=0)
        assert (standing.label == indices[:, 0])[values[:, 0] - values[:, 1] > 2e-6].all()
        assert (standing.rival >= values[:, 1] - 1e-6).all()


def test_nothing_is_renewed_where_nothing_moved(search: Search) -> None:
    standing = Standing.unknown(len(ROWS), torch.device("cpu"))
    search.renew(ROWS, standing, TARGETS, None)
    before = [part.clone() for part in standing]
    search.renew(ROWS, standing, TARGETS, torch.tensor([], dtype=torch.int64))
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(before, standing, strict=True))


def test_few_rows_are_compared_with_targets_that_stand_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the bound would be right, and of no use."""
    doubtful = []
    renewed = nearest._renew
    monkeypatch.setattr(nearest, "_renew", lambda *known: doubtful.append(renewed(*known)) or doubtful[-1])
    targets, standing = TARGETS.clone(), Standing.unknown(len(ROWS), torch.device("cpu"))
    with _OnCores(2) as search:
        search.renew(ROWS, standing, targets, None)
        assert not doubtful
        targets[2:5] = torch.nn.functional.normalize(targets[2:5] + 0.01, dim=1)
        search.renew(ROWS, standing, targets, torch.tensor([2, 3, 4]))
    assert 0 < sum(map(len, doubtful)) < 0.05 * len(ROWS)


def test_the_number_of_cores_changes_no_bit() -> None:
    results = []
    for cores in (1, 2, 5):
        sums, counts = torch.zeros(7, 16, dtype=torch.float64), torch.zeros(7, dtype=torch.int64)
        standing = Standing.unknown(len(ROWS), torch.device("cpu"))
        with _OnCores(cores) as search:
            search.renew(ROWS, standing, TARGETS, None)
            search.renew(ROWS, standing, TARGETS.roll(1, 0), torch.arange(6))
            search.move(ROWS, torch.full((len(ROWS),), -1), standing.label, sums, counts)
            results.append((*search.two_nearest(ROWS, TARGETS), *standing, sums, counts))
    for other in results[1:]:
        assert all(torch.equal(mine, theirs) for mine, theirs in zip(results[0], other, strict=True))


def test_torch_keeps_its_threads_here_and_in_later_threads() -> None:
    before = torch.get_num_threads()
    with search_on(torch.device("cpu")) as search:
        search.nearest(ROWS, TARGETS)
    with ThreadPoolExecutor(1) as pool:
        assert [torch.get_num_threads(), pool.submit(torch.get_num_threads).result()] == [before, before]
