"""Draws obey the closed form, never pass the clip, and are the same from wherever they are taken up."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from interp.runs.errors import UserError
from training.sampling import stream as module
from training.sampling.expected import expected
from training.sampling.sampler import ClusterSampler
from training.sampling.strategies import KINDS, Budget, Strategy

EXAMPLE = np.repeat([0, 1, 2], [5, 1, 3])
ORDERS = ("iid", "round_robin")
CLIPPED = [kind for kind in KINDS if kind not in ("random", "uniform")]


def counted(sampler: ClusterSampler, clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draws of each document, and of each cluster."""
    draws = np.zeros(len(clusters), int)
    for block in sampler.blocks():
        draws += np.bincount(block, minlength=len(clusters))
    return draws, np.bincount(clusters[clusters >= 0], weights=draws[clusters >= 0])


@pytest.fixture(scope="module")
def corpus() -> tuple[np.ndarray, np.ndarray]:
    """Cluster of each document, and sizes: 40 clusters falling as Zipf's law, mixed."""
    sizes = (8000 / np.arange(1, 41) ** 1.2).astype(int)
    return np.random.default_rng(0).permutation(np.repeat(np.arange(40), sizes)), sizes


def test_the_worked_example() -> None:
    strategies = {order: Strategy.named("clusterclip", clip=2, order=order) for order in ORDERS}
    drawn = {
        order: [
            counted(ClusterSampler(EXAMPLE, strategies[order], Budget(12), seed=seed), EXAMPLE)[1] for seed in range(1000)
        ]
        for order in ORDERS
    }
    assert all(counts.tolist() == [5, 2, 5] for counts in drawn["round_robin"])
    assert np.mean(drawn["iid"], axis=0) == pytest.approx([5.28, 1.95, 4.77], abs=0.08)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_counts_obey_the_closed_form(kind: str, order: str, corpus: tuple[np.ndarray, np.ndarray]) -> None:
    clusters, sizes = corpus
    strategy, budget = Strategy.named(kind, clip=2, order=order), Budget(int(1.5 * len(clusters)))
    draws, counts = counted(ClusterSampler(clusters, strategy, budget, seed=5), clusters)
    foreseen = expected(sizes, strategy, budget)
    assert draws.sum() == budget.amount
    assert np.all(counts <= strategy.clip * sizes) and draws.max() <= np.ceil(counts / sizes).max()
    within = 1 + 1e-6 if order == "round_robin" and strategy.stairs == 1 else 4 * np.sqrt(np.maximum(foreseen.counts, 100))
    assert np.all(np.abs(counts - foreseen.counts) <= within)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", CLIPPED)
@pytest.mark.parametrize("clip", [1.5, 2])
def test_beyond_the_clips_draws_go_on_at_random(
    kind: str, clip: float, order: str, corpus: tuple[np.ndarray, np.ndarray]
) -> None:
    """Three passes with a clip below them: all that the rule can draw, and then every document alike."""
    clusters, sizes = corpus
    strategy = Strategy.named(kind, clip=clip, order=order, on_exhausted="random")
    stopping, budget = replace(strategy, on_exhausted="stop"), Budget(3 * len(clusters))
    stream = np.array(list(ClusterSampler(clusters, strategy, budget, seed=5)))
    begun = np.array(list(ClusterSampler(clusters, stopping, budget, seed=5)))
    assert len(stream) == budget.amount and stream[: len(begun)].tolist() == begun.tolist()
    assert np.bincount(clusters[stream[: len(begun)]]).tolist() == strategy.limits(sizes).tolist()
    foreseen, counts = expected(sizes, strategy, budget), np.bincount(clusters[stream])
    rest = sizes * (budget.amount - len(begun)) / sizes.sum()
    assert foreseen.counts == pytest.approx(strategy.limits(sizes) + rest) and foreseen.draws == pytest.approx(budget.amount)
    assert np.all(np.abs(counts - foreseen.counts) <= (1 + 1e-6 if order == "round_robin" else 4 * np.sqrt(sizes)))


@pytest.mark.parametrize("order", ORDERS)
def test_a_clip_of_two_and_three_passes_draws_every_document_three_times(order: str) -> None:
    strategy = Strategy.named("clusterclip", clip=2, order=order, on_exhausted="random")
    stream = list(ClusterSampler(EXAMPLE, strategy, Budget(27)))
    assert np.bincount(stream).tolist() == [3] * 9
    assert np.bincount(stream[:18]).tolist() == [2] * 9


def test_what_comes_at_random_is_shuffled_anew() -> None:
    strategy = Strategy.named("clusterclip", clip=1, on_exhausted="random")
    stream = list(ClusterSampler(np.zeros(500, int), strategy, Budget(1000), seed=2))
    assert sorted(stream[:500]) == sorted(stream[500:]) and stream[:500] != stream[500:]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=6),
    st.sampled_from(KINDS),
    st.sampled_from(ORDERS),
    st.sampled_from([1, 2, 3]),
    st.sampled_from(["stop", "random"]),
    st.integers(1, 200),
    st.integers(0, 2**32),
)
def test_no_document_is_drawn_more_than_tau_times_nor_twice_in_a_pass(
    sizes: list[int], kind: str, order: str, clip: int, then: str, budget: int, seed: int
) -> None:
    """Until all clusters are knocked out, and after that by turns of the whole corpus."""
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    strategy = Strategy.named(kind, clip=clip, order=order, on_exhausted=then)
    stream = np.array(list(ClusterSampler(clusters, strategy, Budget(budget), seed=seed)))
    room = strategy.clip * sum(sizes)
    assert len(stream) == (budget if strategy.on_exhausted == "random" else min(budget, room))
    draws = np.bincount(stream[: int(min(budget, room))], minlength=len(clusters))
    assert draws.max() <= strategy.clip
    if budget > room:
        assert (draws == strategy.clip).all()
        draws = np.bincount(stream, minlength=len(clusters))
    for pool in [clusters >= 0] if strategy.pooled else [clusters == cluster for cluster in range(len(sizes))]:
        assert draws[pool].max() - draws[pool].min() <= 1


@pytest.mark.parametrize("order", ORDERS)
def test_a_fraction_of_a_pass_is_rounded_down_in_draws_as_in_the_closed_form(order: str) -> None:
    sizes = np.array([1] * 1000 + [1000])
    clusters, strategy, budget = np.repeat(np.arange(1001), sizes), Strategy.named("clusterclip", clip=1.5), Budget(2000)
    strategy = replace(strategy, order=order)
    foreseen = expected(sizes, strategy, budget)
    _, counts = counted(ClusterSampler(clusters, strategy, budget), clusters)
    assert counts.tolist() == pytest.approx(foreseen.counts) and counts[-1] == 1000
    assert strategy.limits(np.array([3, 0, 1])).tolist() == [4, 0, 1]
    assert Strategy.named("clusterclip", clip=0.7).limits(np.array([10])).tolist() == [7]


def test_an_endless_clip_draws_what_uniform_draws(corpus: tuple[np.ndarray, np.ndarray]) -> None:
    clusters, _ = corpus
    loose = ClusterSampler(clusters, Strategy.named("clusterclip", clip=math.inf), Budget(5000), seed=3)
    assert list(loose) == list(ClusterSampler(clusters, Strategy.named("uniform"), Budget(5000), seed=3))


@pytest.mark.parametrize("block", [7, 65_536])
def test_draws_in_turns_stay_within_one_of_their_share_all_along(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    sizes = np.array([1000, 3, 3, 3, 3, 250])
    clusters = np.repeat(np.arange(6), sizes)
    strategy = Strategy.named("temperature", alpha=1, order="round_robin")
    stream = clusters[list(ClusterSampler(clusters, strategy, Budget(4000)))]
    along = np.cumsum(stream[:, None] == np.arange(6), axis=0)
    share = np.arange(1, 4001)[:, None] * sizes / sizes.sum()
    assert np.abs(along - share).max() <= 1 + 1e-9


def test_seeds_decide(corpus: tuple[np.ndarray, np.ndarray]) -> None:
    clusters, _ = corpus
    first, same, other = (
        list(ClusterSampler(clusters, Strategy.named("clusterclip"), Budget(500), seed=seed)) for seed in (1, 1, 2)
    )
    assert first == same != other


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("draws", [85, 185], ids=["within the clips", "beyond them"])
def test_a_resumed_stream_goes_on_as_if_never_stopped(
    draws: int, kind: str, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK", 16)
    clusters = np.repeat([0, 1, 2, 3], [30, 2, 9, 5])
    strategy = Strategy.named(kind, clip=2, order=order, on_exhausted="random")

    def make(**options: int) -> ClusterSampler:
        return ClusterSampler(clusters, strategy, Budget(draws), seed=4, **options)

    whole = list(make())
    assert len(whole) == len(make()) == draws
    for stop in (0, 1, 16, 37, 85, 92, 93, 96, 112, draws):  # 92 of the 46 documents are the last before all are out
        begun, resumed, sought = make(), make(), make()
        assert list(islice(begun, stop)) == whole[:stop]
        resumed.load_state_dict(json.loads(json.dumps(begun.state_dict())))
        sought.seek(stop)
        assert list(resumed) == list(sought) == whole[stop:]
    assert list(begun) in ([], whole) and list(begun) == whole


@pytest.mark.parametrize("then", ["stop", "random"])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_ranks_share_out_the_stream(world: int, then: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 16)
    strategy, budget = Strategy.named("clusterclip", clip=2, on_exhausted=then), Budget(1000)
    whole = list(ClusterSampler(EXAMPLE, strategy, budget))
    assert len(whole) == (18 if then == "stop" else 1000)
    ranks = [ClusterSampler(EXAMPLE, strategy, budget, rank=rank, world=world) for rank in range(world)]
    even = [ClusterSampler(EXAMPLE, strategy, budget, rank=rank, world=world, drop_last=True) for rank in range(world)]
    assert [list(one) for one in ranks] == [whole[rank::world] for rank in range(world)]
    assert [len(one) for one in ranks] == [len(whole[rank::world]) for rank in range(world)]
    assert [np.concatenate(list(one.blocks())).tolist() for one in ranks] == [list(one) for one in ranks]
    assert {len(one) for one in even} == {len(list(one)) for one in even} == {len(whole) // world}


def test_a_state_taken_on_two_ranks_goes_on_on_one() -> None:
    strategy, budget = Strategy.named("uniform"), Budget(40)
    whole = list(ClusterSampler(EXAMPLE, strategy, budget))
    one_of_two, alone = ClusterSampler(EXAMPLE, strategy, budget, rank=1, world=2), ClusterSampler(EXAMPLE, strategy, budget)
    assert list(islice(one_of_two, 6)) == whole[1:12:2]
    state = one_of_two.state_dict()
    alone.load_state_dict(state)
    assert list(alone) == whole[12:]
    del state["at"]["phase"]  # as of versions whose streams always stop
    alone.load_state_dict(state)
    assert list(alone) == whole[12:]
    with pytest.raises(UserError, match="its seed differ"):
        ClusterSampler(EXAMPLE, strategy, budget, seed=9).load_state_dict(one_of_two.state_dict())


def test_a_state_is_refused_by_clusters_of_the_same_sizes_with_other_documents_or_lengths() -> None:
    strategy, budget, lengths = Strategy.named("uniform"), Budget(40, "tokens"), np.arange(1, 10)
    state = ClusterSampler(EXAMPLE, strategy, budget, lengths=lengths).state_dict()
    ClusterSampler(EXAMPLE.copy(), strategy, budget, lengths=lengths.tolist()).load_state_dict(state)
    for clusters, other in ((np.roll(EXAMPLE, 1), lengths), (EXAMPLE, lengths[::-1])):
        with pytest.raises(UserError, match="its documents differ"):
            ClusterSampler(clusters, strategy, budget, lengths=other).load_state_dict(state)


def test_lengths_mean_nothing_to_a_budget_in_draws() -> None:
    strategy, lengths = Strategy.named("uniform"), np.arange(1, 10)
    with_lengths = ClusterSampler(EXAMPLE, strategy, Budget(20), lengths=lengths)
    assert list(with_lengths) == list(ClusterSampler(EXAMPLE, strategy, Budget(20)))


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_that_is_none_is_refused(seed: int) -> None:
    with pytest.raises(UserError, match=f"seed {seed} is refused"):
        ClusterSampler(EXAMPLE, Strategy.named("uniform"), Budget(40), seed=seed)


def test_a_data_loader_with_workers_gets_every_draw_once() -> None:
    sampler = ClusterSampler(EXAMPLE, Strategy.named("clusterclip", clip=2), Budget(15))
    loader = DataLoader(range(100, 109), batch_size=4, sampler=sampler, num_workers=2)  # type: ignore[arg-type]
    assert len(loader) == 4
    assert [100 + number for number in sampler] == [int(document) for batch in loader for document in batch]


@pytest.mark.parametrize("clip", [2, 0.7])
@pytest.mark.parametrize("kind", KINDS)
def test_a_budget_in_tokens_is_reached_by_the_last_document(
    kind: str, clip: float, corpus: tuple[np.ndarray, np.ndarray]
) -> None:
    clusters, sizes = corpus
    lengths = np.random.default_rng(1).integers(1, 40, len(clusters))
    strategy, budget = Strategy.named(kind, clip=clip, on_exhausted="random"), Budget(300_000, "tokens")
    sampler = ClusterSampler(clusters, strategy, budget, lengths=lengths)
    stream = np.array(list(sampler))
    assert len(stream) == len(sampler)
    assert lengths[stream[:-1]].sum() < budget.amount <= lengths[stream].sum()
    means = np.bincount(clusters, weights=lengths) / sizes
    foreseen = expected(sizes, strategy, budget, means)
    assert len(stream) == pytest.approx(foreseen.draws, rel=0.02)
    counts = np.bincount(clusters[stream], minlength=40)
    assert np.all(np.abs(counts - foreseen.counts) <= 6 * np.sqrt(np.maximum(foreseen.counts, 100)))


def test_what_is_in_no_cluster_is_never_drawn() -> None:
    clusters = np.array([-1, 0, 3, -1, 0])
    for kind in KINDS:
        assert set(ClusterSampler(clusters, Strategy.named(kind), Budget(60))) == {1, 2, 4}


def test_refuses() -> None:
    strategy = Strategy.named("uniform")
    with pytest.raises(UserError, match="2 documents with none in a cluster"):
        ClusterSampler(np.array([-1, -1]), strategy, Budget(3))
    with pytest.raises(UserError, match="rank 2 of 2"):
        ClusterSampler(EXAMPLE, strategy, Budget(3), rank=2, world=2)
    with pytest.raises(UserError, match="none were given"):
        ClusterSampler(EXAMPLE, strategy, Budget(3, "tokens"))
    with pytest.raises(UserError, match="at least 1"):
        ClusterSampler(EXAMPLE, strategy, Budget(3, "tokens"), lengths=np.zeros(9, int))
