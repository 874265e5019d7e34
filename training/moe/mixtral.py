"""Upcycled models on disk: as Mixtral where its architecture allows, so that `transformers` loads them by itself.

    config.json, model.safetensors, tokenizer   in transformers' format: Mixtral's, or the dense architecture's config
                                                 with the weights of its mixtures under the names of ours
    moe.json                                     experts, ranks, layers and rules, which no config of transformers has

Mixtral drops nothing: `transformers` computes what ours does at infinite capacity, and the copy is proved to before it is
written. Mixtral has experts in every layer, softmax routing with the top-k mass made 1, and attention without biases.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from interp.models.load import CausalModel
from interp.runs.atomic import write_json
from interp.runs.device import resolve
from interp.runs.errors import UserError
from training.moe.decoder import MoEShape, moe_layers, routed_by
from training.moe.layer import LayerShape, MoELayer
from training.moe.rules import Rules
from training.moe.upcycle import upcycle

if TYPE_CHECKING:
    from transformers import MixtralForCausalLM

_SHARED = (
    "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim",
    "max_position_embeddings", "rms_norm_eps", "tie_word_embeddings", "rope_parameters", "sliding_window", "hidden_act",
    "pad_token_id", "bos_token_id", "eos_token_id",
)  # fmt: skip
"""What Mixtral's config says in the words of Llama's."""


def to_mixtral(model: Any) -> MixtralForCausalLM:
    """The upcycled model as `transformers`' Mixtral, proved to give the same logits where nothing is dropped.

    Raises UserError, naming the reason, for what Mixtral cannot say.
    """
    from transformers import MixtralConfig, MixtralForCausalLM

    layers, config = moe_layers(model), model.config
    if len(layers) != config.num_hidden_layers:
        raise UserError(f"{len(layers)} of {config.num_hidden_layers} layers have experts; Mixtral has them in every layer")
    for number, layer in layers.items():
        if layer.router != "top-k" or layer.bias is not None:
            router = layer.router if layer.bias is None else "a balancing bias"
            raise UserError(f"layer {number} routes by {router}; Mixtral's experts are the top k of a softmax")
    one = next(iter(layers.values()))
    experts, _, d_expert = one.experts.down_proj.shape
    shared = {name: getattr(config, name) for name in _SHARED if hasattr(config, name)}
    asked: dict[str, Any] = {"intermediate_size": d_expert, "num_local_experts": experts, "num_experts_per_tok": one.rules.k}
    found = MixtralForCausalLM(MixtralConfig(**shared, **asked)).to(model.device, model.dtype)
    try:
        found.load_state_dict(model.state_dict())
    except RuntimeError as error:
        reason = " ".join(str(error).split("\n", 1)[-1].split())
        raise UserError(f"{type(model).__name__} has weights that Mixtral has not: {reason}") from None
    _check_same(found.eval(), model)
    return found


@torch.no_grad()
def _check_same(mixtral: Any, model: Any) -> None:
    tokens = torch.arange(64, device=model.device).view(2, 32) % model.config.vocab_size
    rules = next(iter(moe_layers(model).values())).rules
    was_training = model.training
    with routed_by(model, Rules(rules.k)):
        ours, theirs = (one.eval()(tokens, use_cache=False).logits for one in (model, mixtral))
    model.train(was_training)
    if not (apart := float((ours - theirs).abs().max())) <= torch.finfo(ours.dtype).eps ** 0.5 * float(ours.abs().max()):
        raise UserError(f"{type(model).__name__} as Mixtral differs by {apart:.2g} in its logits: another architecture")


def save_moe(model: Any, tokenizer: Any, folder: Path, *, every: int) -> str | None:
    """Write the model, its tokenizer and its rules; return why it is none that `transformers` loads, None if it is one."""
    layers = moe_layers(model)
    one = next(iter(layers.values()))
    try:
        written, reason = to_mixtral(model), None
    except UserError as error:
        written, reason = model, str(error)
    unfinished = folder.with_name(f".{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)  # of an attempt that was killed
    written.save_pretrained(unfinished)
    tokenizer.save_pretrained(unfinished)
    shape = MoEShape(len(one.experts), one.ranks, every)
    rate = one.bias.rate if one.bias is not None else None
    told = {**asdict(shape), "router": one.router, "bias_rate": rate, "rules": plain(one.rules)}
    write_json(unfinished / "moe.json", told)
    if folder.exists():
        shutil.rmtree(folder)
    unfinished.rename(folder)
    return reason


def load_moe(folder: Path, *, device: str = "auto") -> CausalModel:
    """The model that `save_moe` wrote, and its tokenizer. Raises UserError for a folder of others or damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    shape, rules, options = _read_moe(folder)
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        if config.model_type == "mixtral":
            model: Any = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
            _ours_for_mixtrals(model, shape, rules)
        else:
            model = upcycle(AutoModelForCausalLM.from_config(config, dtype=torch.float32), shape, rules, **options)
            found = model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
            if found.unexpected_keys or set(found.missing_keys) - {"lm_head.weight"}:
                raise UserError(f"the weights in {folder} are not those of its config.json and moe.json")
            model.tie_weights()
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"the mixture in {folder} cannot be read: {reason}") from None
    return CausalModel(model.to(resolve(device)).eval(), tokenizer)


def _read_moe(folder: Path) -> tuple[MoEShape, Rules, dict[str, Any]]:
    """What `moe.json` says: shape, rules, options of `MoELayer`."""
    try:
        told = json.loads((folder / "moe.json").read_text(encoding="utf-8"))
        shape, rules = MoEShape(told["experts"], told["ranks"], told["every"]), rules_from(told["rules"])
        return shape, rules, {"router": told["router"], "bias_rate": told["bias_rate"]}
    except (OSError, ValueError, TypeError, KeyError):
        raise UserError(
            f"{folder} holds no mixture of ours; accepted are folders with moe.json of `interp moe upcycle`"
        ) from None


def _ours_for_mixtrals(model: Any, shape: MoEShape, rules: Rules) -> None:
    """Put our layer, with the same weights, in the place of each of Mixtral's blocks."""
    for layer in model.model.layers:
        experts, d_model, d_expert = layer.mlp.experts.down_proj.shape
        ours = MoELayer(LayerShape(d_model, d_expert, experts, shape.ranks), rules)
        ours.load_state_dict(layer.mlp.state_dict())
        layer.mlp = ours


def plain(rules: Rules) -> dict[str, Any]:
    """Rules as JSON has them: capacity in words, as it may be infinite."""
    return asdict(rules) | {"capacity": str(rules.capacity)}


def rules_from(told: dict[str, Any]) -> Rules:
    """The rules of which `plain` told."""
    return Rules(**(told | {"capacity": float(told["capacity"])}))
