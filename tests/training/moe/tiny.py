"""Tiny random models of the supported families, in transformers' own classes."""

from __future__ import annotations

from typing import Any

import torch

_COMMON: dict[str, Any] = {
    "vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
    "max_position_embeddings": 64, "intermediate_size": 24, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
_QWEN: dict[str, Any] = {"num_experts": 8, "num_experts_per_tok": 3, "moe_intermediate_size": 12}
_DEEPSEEK: dict[str, Any] = {
    "n_routed_experts": 8, "num_experts_per_tok": 3, "moe_intermediate_size": 12, "n_shared_experts": 1, "n_group": 4,
    "topk_group": 2, "first_k_dense_replace": 1, "kv_lora_rank": 8, "q_lora_rank": 8, "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 4, "v_head_dim": 8, "head_dim": 4, "routed_scaling_factor": 2.5,
}  # fmt: skip

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "mixtral": ("Mixtral", {"num_local_experts": 4, "num_experts_per_tok": 2}),
    "qwen2": ("Qwen2Moe", {**_QWEN, "shared_expert_intermediate_size": 20}),
    "qwen3": ("Qwen3Moe", {**_QWEN, "norm_topk_prob": True, "head_dim": 8}),
    "olmoe": ("Olmoe", {"num_experts": 8, "num_experts_per_tok": 3}),
    "deepseek v2": ("DeepseekV2", {**_DEEPSEEK, "topk_method": "greedy"}),
    "deepseek v2, groups": ("DeepseekV2", {**_DEEPSEEK, "topk_method": "group_limited_greedy"}),
    "deepseek v3": ("DeepseekV3", _DEEPSEEK),
}
"""By name: the prefix of the classes, and what the config has beside the common sizes."""

NORMALISED = {"mixtral", "qwen3", "deepseek v3"}
"""Those whose weights are divided by their sum."""


def tiny(family: str, *, experts: str = "grouped_mm", seed: int = 0) -> Any:
    """A causal model of the family, its weights large enough for experts and scores to differ."""
    import transformers

    prefix, options = FAMILIES[family]
    config = getattr(transformers, f"{prefix}Config")(**{**_COMMON, **options})
    torch.manual_seed(seed)
    model = getattr(transformers, f"{prefix}ForCausalLM")._from_config(config, experts_implementation=experts).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" not in name:
                parameter.normal_(std=0.3)
        for name, buffer in model.named_buffers():
            if name.endswith("e_score_correction_bias"):
                buffer.normal_(std=0.3)
    return model
