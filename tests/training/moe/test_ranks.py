"""Experts are divided among ranks or refused, and tokens are dealt in order, the last rank filled up."""

from __future__ import annotations

import pytest
import torch

from interp.runs.errors import UserError
from training.moe.decoder import layer_number
from training.moe.ranks import check_ranks, dealt


@pytest.mark.parametrize("experts, ranks", [(6, 4), (4, 0), (0, 1), (2, 4)])
def test_experts_that_cannot_be_divided_are_refused(experts: int, ranks: int) -> None:
    with pytest.raises(UserError, match=f"{experts} experts cannot be divided among {ranks} ranks; accepted is a multiple"):
        check_ranks(experts, ranks)
    check_ranks(6, 3)


def test_tokens_are_dealt_in_order() -> None:
    assert dealt(torch.arange(4), 2).tolist() == [[0, 1], [2, 3]]
    assert dealt(torch.arange(5), 2, -1).tolist() == [[0, 1, 2], [3, 4, -1]]
    rows = torch.arange(1.0, 7.0).view(3, 2)
    assert dealt(rows, 2).tolist() == [[[1, 2], [3, 4]], [[5, 6], [0, 0]]]


def test_the_layer_of_a_module_is_told_by_its_name() -> None:
    names = {"model.layers.3.mlp.gate": 3, "transformer.h.11.mlp": 11, "towers.2.layers.5.mlp": 5, "blocks.4.mlp": 4}
    assert {name: layer_number(name) for name in names} == names
    assert layer_number("gate") == 0 and layer_number("gate", 7) == 7
