"""Sparse upcycling (arXiv 2212.05055; as arXiv 2402.12399 does by its code): every expert begins as a copy of the MLP.

The router begins at random. Whatever it chooses, the copies give one result, and a token's weights sum to 1; so the
mixture equals the dense model but for tokens without any route. That is proved on tokens before the model is handed out.

Only gated MLPs with SiLU and without biases are taken (Llama, Mistral, Qwen, SmolLM, OLMo, our decoder): they are what
Mixtral's experts are, and dense models with other MLPs are those that no mixture of today is upcycled from.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu

from interp.runs.errors import UserError
from training.moe.decoder import MoEShape, layer_number, routed_by
from training.moe.layer import LayerShape, MoELayer
from training.moe.rules import Rules
from training.moe.variants import check_router

PROJECTIONS = ("gate_proj", "up_proj", "down_proj")
_ACCEPTED = "accepted are gated MLPs with SiLU and without biases, one a layer"
_PROBE = (2, 64)
"""Sequences and tokens on which the mixture is compared with the dense model."""


def upcycle(
    model: Any,
    shape: MoEShape,
    rules: Rules,
    *,
    router: str = "top-k",
    bias_rate: float | None = None,
    seed: int = 0,
    kind: type[MoELayer] = MoELayer,
) -> Any:
    """Replace MLPs of a dense `transformers` model, in place, by mixtures of their copies; return the model.

    `router` and `bias_rate` are those of `MoELayer`; routers' weights come from `seed`. With `kind` `ParallelMoELayer`
    experts are divided among the processes of torchrun, a rank each.

    Raises:
        UserError: for MLPs of another kind, for rules and numbers that cannot be, and if the mixture differs from the
            dense model in its logits; the model is then as it was.
    """
    check_router(router, rules)
    mlps = gated_mlps(model)
    options: dict[str, Any] = {"router": router, "bias_rate": bias_rate, "kind": kind}
    replaced = {name: mlp for number, (name, mlp) in enumerate(mlps.items()) if number % shape.every == shape.every - 1}
    if not replaced:
        raise UserError(f"a mixture in every {shape.every} layers leaves none of {len(mlps)}; accepted is at most that many")
    mixtures = {name: copies_of(mlp, shape, rules, seed=2 * layer_number(name) + seed * 1_000, **options)
                for name, mlp in replaced.items()}  # fmt: skip
    dense = _probe_logits(model)
    _put(model, mixtures)
    try:
        check_identity(model, dense, rules)
    except UserError:
        _put(model, replaced)
        raise
    return model


def gated_mlps(model: Any) -> dict[str, nn.Module]:
    """The MLP of every layer, by its name in the model. Raises UserError where a layer has none that can be copied."""
    found = {
        name: module
        for name, module in model.named_modules()
        if name.endswith(".mlp") and all(isinstance(getattr(module, one, None), nn.Linear) for one in PROJECTIONS)
    }
    layers, kind = getattr(getattr(model, "config", None), "num_hidden_layers", None), type(model).__name__
    if not found or len(found) != layers:
        raise UserError(f"{kind} has {len(found)} gated MLPs in {layers} layers; {_ACCEPTED}")
    for name, mlp in found.items():
        if any(getattr(mlp, one).bias is not None for one in PROJECTIONS):
            raise UserError(f"{name} of {kind} has biases; {_ACCEPTED}")
        if not _is_silu(getattr(mlp, "act_fn", None)):
            raise UserError(f"{name} of {kind} has activation {getattr(mlp, 'act_fn', None)}; {_ACCEPTED}")
    return found


def copies_of(
    mlp: Any, shape: MoEShape, rules: Rules, *, seed: int = 0, kind: type[MoELayer] = MoELayer, **options: Any
) -> MoELayer:
    """A mixture each of whose experts is the MLP, with its type and device; `options` are those of `MoELayer`."""
    gate, up, down = (getattr(mlp, name).weight for name in PROJECTIONS)
    sizes = LayerShape(gate.shape[1], gate.shape[0], shape.experts, shape.ranks)
    layer = kind(sizes, rules, seed=seed, **options).to(gate.device, gate.dtype)
    with torch.no_grad():
        layer.experts.gate_up_proj.copy_(torch.cat([gate, up]))
        layer.experts.down_proj.copy_(down)
    return layer.train(mlp.training)


@torch.no_grad()
def check_identity(model: Any, dense: Float[Tensor, "sequence pos vocab"], rules: Rules) -> None:
    """Raise UserError unless the model's logits are those of the dense one on the same tokens.

    Tokens are routed by `rules` with IR, so that whatever capacity refuses has a stand-in and every token a result.
    """
    with routed_by(model, Rules(rules.k, rules.capacity, fill=rules.fill, rectify=True, order=rules.order)):
        found = _probe_logits(model)
    allowed = torch.finfo(dense.dtype).eps ** 0.5 * float(dense.abs().max())
    if not (apart := float((found - dense).abs().max())) <= allowed:
        told = f"the upcycled {type(model).__name__} differs from the dense one by {apart:.2g} in its logits"
        raise UserError(f"{told}; accepted is {allowed:.2g}")


@torch.no_grad()
def _probe_logits(model: Any) -> Float[Tensor, "sequence pos vocab"]:
    """Logits on tokens by chance, in evaluation mode."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(model.config.vocab_size, _PROBE, generator=generator).to(model.device)
    was_training = model.training
    logits = model.eval()(tokens, use_cache=False).logits
    model.train(was_training)
    return logits


def _put(model: Any, modules: dict[str, Any]) -> None:
    for name, module in modules.items():
        model.set_submodule(name, module)


def _is_silu(activation: Any) -> bool:
    line = torch.linspace(-4, 4, 17)
    return isinstance(activation, nn.Module) and torch.allclose(activation(line), silu(line))
