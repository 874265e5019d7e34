"""Experts that are divided among processes (`training.moe.parallel`): the parameters they are, and the whole model again."""

from __future__ import annotations

from typing import Any

from torch import nn

from interp.runs.processes import gathered
from training.moe.layer import LayerShape, MoELayer
from training.moe.parallel import ParallelMoELayer


def divided_parameters(model: nn.Module) -> frozenset[str]:
    """Names of the parameters of which this process holds its own experts' rows; none where all ranks are simulated."""
    found = ((name, layer.experts.named_parameters()) for name, layer in _parallel(model).items())
    return frozenset(f"{name}.experts.{part}".lstrip(".") for name, parts in found for part, _ in parts)


def assemble(model: Any) -> Any:
    """Put the whole model together in the first process, in place and in main memory; its ranks are simulated from then on.

    Every process calls this. Those other than the first are left with what they had.
    """
    for name, layer in _parallel(model).items():
        parts = {part: gathered(own.detach()) for part, own in layer.experts.named_parameters()}
        if layer.place[0] == 0:
            state = layer.state_dict() | {f"experts.{part}": whole for part, whole in parts.items() if whole is not None}
            model.set_submodule(name, _simulated(layer, state).train(layer.training))
    return model.cpu()


def _parallel(model: nn.Module) -> dict[str, ParallelMoELayer]:
    return {name: module for name, module in model.named_modules() if isinstance(module, ParallelMoELayer)}


def _simulated(layer: ParallelMoELayer, state: dict[str, Any]) -> MoELayer:
    experts, d_model, d_expert = state["experts.down_proj"].shape
    rate = layer.bias.rate if layer.bias is not None else None
    whole = MoELayer(
        LayerShape(d_model, d_expert, experts, layer.place[1]), layer.rules, router=layer.router, bias_rate=rate
    ).to(state["experts.down_proj"].dtype)
    whole.load_state_dict(state)
    return whole
