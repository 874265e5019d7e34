"""The benchmark's vectors are the same however they are read, and its figures are what their names say."""

from __future__ import annotations

import pytest
import torch

from benchmarks.kmeans import FEW, MORE, Fits, Size, Synthetic, measure


def test_synthetic_vectors_depend_on_their_number_only() -> None:
    vectors = Synthetic(20_000, 8, 30)
    small, large = (torch.cat(list(vectors.blocks(rows))) for rows in (8192, 65_536))
    assert len(vectors) == len(small) and torch.equal(small, large)
    numbers = [19_999, 0, 8192, 0]
    assert torch.equal(vectors.rows(numbers), small[numbers])
    torch.testing.assert_close(torch.linalg.vector_norm(small, dim=1), torch.ones(20_000))


def test_an_iteration_is_the_difference_of_two_fits() -> None:
    fits = Fits(lambda iterations: min(iterations, 3))
    for work in fits.works():
        work()
    assert fits.iterations == {FEW: 1, MORE: 3} and fits.iteration_seconds(2.0, 7.0) == 2.5
    at_once = Fits(lambda iterations: 1)
    for work in at_once.works():
        work()
    with pytest.raises(ValueError, match="must take more than 1"):
        at_once.iteration_seconds(2.0, 2.1)


@pytest.mark.slow
def test_figures_of_a_small_case() -> None:
    pytest.importorskip("faiss")
    found = measure(Size(9000, 16, 50, 10_000, 20_000, 1))
    share = found["matrix_product_seconds"] / found["first_step_seconds"]
    assert found["first_step_share_of_matrix_product"] == pytest.approx(share)
    assert 0 < found["memory_of_few_over_many"] <= 1
    assert found["target"].keys() <= found.keys()
