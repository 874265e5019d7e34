"""Spherical k-means against its definition written out in numpy, and on planted clusters."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import normalized_mutual_info_score

from interp.runs.errors import UserError
from tests.training.sampling.planted import planted
from training.sampling import kmeans
from training.sampling.kmeans import KMeansOptions, Lloyd, initial_centroids, spherical_kmeans
from training.sampling.nearest import search_on
from training.sampling.vectors import Matrix, Subset

CPU = torch.device("cpu")
SIZES = [400, 200, 100, 60, 40, 30, 20, 10]
VECTORS, TRUTH = planted(SIZES)


def cluster(vectors: torch.Tensor, clusters: int, **changes: object) -> kmeans.KMeans:
    return spherical_kmeans(Matrix(vectors), KMeansOptions(clusters, **changes), progress=False)  # type: ignore[arg-type]


def labels(vectors: torch.Tensor, centroids: torch.Tensor) -> np.ndarray:
    return (vectors @ centroids.T).argmax(1).numpy()


def by_definition(vectors: np.ndarray, centroids: np.ndarray, steps: int) -> tuple[np.ndarray, list[float]]:
    """Section 1.4 of the method, one cluster at a time."""
    history = []
    for _ in range(steps):
        similarities = vectors @ centroids.T
        label = similarities.argmax(1)
        history.append(float(np.mean(1 - similarities.max(1))))
        moved = centroids.copy()
        for number in range(len(centroids)):
            if (label == number).any():
                mean = vectors[label == number].mean(0)
                moved[number] = mean / np.linalg.norm(mean)
        centroids = moved
    return centroids, history


def test_steps_are_those_of_the_definition() -> None:
    """Until nothing moves: in the later steps only some centroids do, and only those are compared with."""
    vectors, _ = planted([50] * 16, width=12, noise=0.3)
    found = cluster(vectors, 40, seed=3)
    start = initial_centroids(Matrix(vectors), 40, 3)
    _, history = by_definition(vectors.double().numpy(), start.double().numpy(), len(found.history))
    assert len(history) > 8
    np.testing.assert_allclose(found.history, history, atol=1e-6)
    before_last, _ = by_definition(vectors.double().numpy(), start.double().numpy(), len(found.history) - 1)
    as_sets = [{tuple(np.round(row, 4)) for row in rows} for rows in (found.centroids.double().numpy(), before_last)]
    assert as_sets[0] == as_sets[1]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), clusters=st.integers(2, 20))
def test_distance_never_rises_and_centroids_have_unit_length(seed: int, clusters: int) -> None:
    vectors, _ = planted([20, 15, 10, 5], width=6, noise=0.4, seed=seed)
    found = cluster(vectors, clusters, seed=seed)
    assert all(later <= earlier + 1e-6 for earlier, later in zip(found.history, found.history[1:], strict=False))
    torch.testing.assert_close(torch.linalg.vector_norm(found.centroids, dim=1), torch.ones(len(found.centroids)))
    assert found.inertia == min(found.history)
    assert found.inertia == pytest.approx(float(1 - (vectors @ found.centroids.T).amax(1).mean()), abs=1e-6)
    assert found.sizes.tolist() == np.bincount(labels(vectors, found.centroids), minlength=clusters).tolist()
    assert found.sizes.tolist() == sorted(found.sizes.tolist(), reverse=True)


def test_planted_clusters_are_found() -> None:
    """Random starts fall into local optima, so a user takes the seed of the lowest inertia."""
    best = min((cluster(VECTORS, len(SIZES), seed=seed) for seed in range(8)), key=lambda found: found.inertia)
    assert normalized_mutual_info_score(TRUTH, labels(VECTORS, best.centroids)) > 0.95
    assert best.sizes.tolist() == SIZES


def test_an_empty_cluster_keeps_its_centroid() -> None:
    centroids = torch.stack([VECTORS[0], VECTORS[1], -VECTORS.mean(0) / VECTORS.mean(0).norm()])
    away = VECTORS[(VECTORS @ centroids.T).argmax(1) < 2]
    with search_on(CPU) as search:
        lloyd = Lloyd(Matrix(away), centroids, search)
        lloyd.step()
    assert lloyd.sizes[2] == 0 and torch.equal(lloyd.centroids[2], centroids[2])
    assert not torch.equal(lloyd.centroids[0], centroids[0])


def test_a_cluster_that_has_lost_its_rows_keeps_its_centroid() -> None:
    """The sums of what came and went are not quite nothing; no direction must come of that."""
    angles = torch.tensor([0.0, 0.4, 0.8, 1.0])
    vectors = torch.stack([angles.cos(), angles.sin()], dim=1)
    with search_on(CPU) as search:
        lloyd = Lloyd(Matrix(vectors), vectors[[0, 1, 3]], search)
        lloyd.step()
        kept = lloyd.centroids[1].clone()
        lloyd.centroids = torch.stack([vectors[1], kept, vectors[2]])  # both neighbours take what it had
        lloyd._moved = torch.tensor([0, 2])
        lloyd.step()
    assert lloyd.sizes.tolist() == [2, 0, 2] and torch.equal(lloyd.centroids[1], kept)
    torch.testing.assert_close(torch.linalg.vector_norm(lloyd.centroids, dim=1), torch.ones(3))


def test_the_best_centroids_are_returned_and_patience_ends_a_run_without_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    distances = iter([0.5, 0.3, 0.4, 0.35, 0.31, 0.2])

    def step(self: Lloyd) -> float:
        self.centroids, self.sizes = self.centroids + 1, torch.tensor([3, 2])
        return next(distances)

    monkeypatch.setattr(Lloyd, "step", step)
    found = cluster(VECTORS, 2, patience=3)
    assert found.history == [0.5, 0.3, 0.4, 0.35, 0.31] and found.inertia == 0.3
    assert torch.equal(found.centroids, initial_centroids(Matrix(VECTORS), 2, 42) + 1)


def test_same_seed_same_result_and_streaming_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    once, again, other = (cluster(VECTORS, 10, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(once.centroids, again.centroids) and once.history == again.history
    assert once.history != other.history
    monkeypatch.setattr("training.sampling.vectors.SLAB", 64)
    streamed = spherical_kmeans(
        Subset(Matrix(VECTORS), np.ones(860, bool)), KMeansOptions(10, seed=1), memory=0, progress=False
    )
    torch.testing.assert_close(streamed.centroids, once.centroids)


def test_only_kept_rows_are_clustered() -> None:
    kept = np.arange(len(VECTORS)) % 2 == 0
    found = spherical_kmeans(Matrix(VECTORS), KMeansOptions(8), kept=kept, progress=False)
    alone = cluster(VECTORS[torch.as_tensor(kept)], 8)
    assert torch.equal(found.centroids, alone.centroids) and int(found.sizes.sum()) == kept.sum()


def test_identical_vectors_become_one_cluster_and_a_warning() -> None:
    same = VECTORS[:1].repeat(20_000, 1)
    same[::3] = torch.nn.functional.normalize(same[::3] + 1e-8, dim=1)  # the same text in another batch
    found = cluster(same, 50)
    assert found.sizes.tolist() == [20_000] and found.inertia < 1e-6
    assert found.warning == "different vectors among 20,000 documents: 1; as many clusters, not 50"
    assert cluster(VECTORS, 8).warning is None


def test_initial_centroids_differ() -> None:
    twice = torch.cat([VECTORS[:30]] * 50)
    start = initial_centroids(Matrix(twice), 30, 0)
    assert len(start) == 30 and int(((start @ start.T) > 1 - 1e-6).sum()) == 30
    assert len(initial_centroids(Matrix(twice), 31, 0)) == 30


def test_repeats_are_found_in_pieces_as_in_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kmeans, "_COMPARED", 7)
    rows = torch.cat([VECTORS[:20], VECTORS[5:30]])
    assert kmeans._repeats(rows).tolist() == [False] * 20 + [True] * 15 + [False] * 10


@pytest.mark.parametrize("clusters", [1, 0, -3, 861])
def test_clusters_below_two_or_above_the_rows_are_refused(clusters: int) -> None:
    with pytest.raises(UserError, match="accepted are 2 to as many as documents"):
        cluster(VECTORS, clusters)


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(UserError, match="unknown engine 'cuml': accepted are torch, faiss"):
        cluster(VECTORS, 8, engine="cuml")


def test_faiss_agrees_in_inertia_within_a_hundredth() -> None:
    pytest.importorskip("faiss")
    vectors, _ = planted([300] * 20, width=48, noise=0.15)
    ours, theirs = cluster(vectors, 40, seed=2), cluster(vectors, 40, seed=2, engine="faiss")
    assert theirs.inertia == pytest.approx(ours.inertia, rel=0.01)
    assert theirs.inertia == pytest.approx(float(1 - (vectors @ theirs.centroids.T).amax(1).mean()), abs=1e-6)
