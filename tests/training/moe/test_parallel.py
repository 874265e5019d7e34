"""Expert parallelism on two and on four processes, against one process that simulates those ranks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from interp.runs.errors import UserError
from tests.training.moe.ranks import CASES, EXPERTS, D, loss_of, made, mask, tokens
from training.moe.layer import LayerShape, MoELayer
from training.moe.parallel import ParallelMoELayer

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]


class Ranks(NamedTuple):
    """What the processes left behind, by rank."""

    tensors: list[dict[str, Tensor]]
    told: list[dict[str, Any]]


@pytest.fixture(scope="module", params=[2, 4])
def ranks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ranks:
    folder = tmp_path_factory.mktemp("ranks")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(request.param)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ['PYTHONPATH']}"}
    script = ["-m", "tests.training.moe.ranks", str(folder)]
    done = subprocess.run([*command, *script], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    numbers = range(request.param)
    return Ranks(
        [load_file(folder / f"rank{rank}.safetensors") for rank in numbers],
        [json.loads((folder / f"rank{rank}.json").read_text()) for rank in numbers],
    )


@pytest.mark.parametrize("case", CASES)
def test_outputs_and_gradients_are_those_of_the_simulation(case: str, ranks: Ranks) -> None:
    world = len(ranks.tensors)
    layer, x = made(MoELayer, case, world), torch.cat([tokens(rank) for rank in range(world)]).requires_grad_()
    masked = torch.cat([mask(rank) for rank in range(world)]) if case == "padding" else None
    out = layer(x, masked)
    loss_of(layer, out).backward()
    assert x.grad is not None and layer.traffic is not None
    plan = layer.traffic.plan
    assert plan.rules.rectify == bool(len(plan.stand_ins.token)) and (case == "dropless") == (plan.slots > 4)

    def found(name: str) -> list[Tensor]:
        return [tensors[f"{case}/{name}"] for tensors in ranks.tensors]

    assert torch.allclose(torch.cat(found("out")), out.detach()) and out.detach().std() > 0.1
    assert torch.allclose(torch.cat(found("x")), x.grad) and x.grad.abs().max() > 1e-4
    for own in found("gate.weight"):
        assert layer.gate.weight.grad is not None and torch.allclose(own, layer.gate.weight.grad)
    for name, parameter in layer.experts.named_parameters():
        assert parameter.grad is not None and torch.allclose(torch.cat(found(f"experts.{name}")), parameter.grad)
        assert parameter.grad.abs().max() > 1e-4
    for own in found("bias") if layer.bias is not None else []:
        assert torch.equal(own, layer.bias.bias) and own.any()  # type: ignore[union-attr]
    for rank, told in enumerate(ranks.told):
        assert told["counts"][case]["stand_ins"] == int(plan.rectified[rank].sum())


def test_bytes_are_those_of_the_formula_and_rectification_sends_nothing(ranks: Ranks) -> None:
    world = len(ranks.told)
    for case in CASES:
        for told in ranks.told:
            count = told["counts"][case]
            formula = 2 * EXPERTS * count["slots"] * D * 8 * (world - 1) // world  # A7, in float64
            assert count["sent"] == formula == sum(count["buffers"]) * (world - 1) // world
            assert len(count["buffers"]) == 2  # there and back, with IR too
            assert count["useful"] == 2 * count["abroad"] * D * 8 <= count["sent"]
    counts = [told["counts"] for told in ranks.told]
    assert all(count["IR"]["sent"] == count["plain"]["sent"] for count in counts)
    assert sum(count["FR"]["useful"] for count in counts) > sum(count["plain"]["useful"] for count in counts)


def test_what_cannot_be_parallel_is_refused_on_every_rank(ranks: Ranks) -> None:
    world = len(ranks.told)
    for rank, told in enumerate(ranks.told):
        group, padded, tokens_of, bad = told["refusals"]
        assert padded.startswith("the pass of all ranks is known only without padding")
        assert bad.startswith(
            "router score nan of rank 0, token 0" if rank == 1 else "another rank could not route its tokens"
        )
        assert (
            group == f"a layer of {2 * world} ranks in a group of {world} processes is refused; accepted is a process a rank"
        )
        own = "6 tokens on rank 1 make 1 slots" if rank == 1 else f"14 tokens on rank {rank} make 2 slots"
        assert tokens_of.startswith(f"{own}, others have 1 to 2; accepted are equally many tokens on every rank")


def test_without_processes_there_is_no_parallelism() -> None:
    with pytest.raises(UserError, match="expert parallelism has no process group; accepted are processes that torchrun"):
        ParallelMoELayer(LayerShape(4, 4, 4, 2), CASES["plain"])
    with pytest.raises(UserError, match="8 experts cannot be divided among 3 ranks; accepted is a multiple"):
        ParallelMoELayer(LayerShape(4, 4, 8, 3), CASES["plain"])
