"""From modules to `Network`: the Othello transformer, and transformers' GPT-2, Llama family and NeoX.

Weights are read from the state dict under transformers' own names, which a TransformerLens Bridge keeps inside its
wrappers. A short forward pass of both must agree, so an unknown variant is refused rather than traced wrongly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from interp.models.activations import NAMES
from interp.models.network import MLP, Attention, Layer, Network, Norm
from interp.models.rotary import Rotary
from interp.othello.transformer import OthelloTransformer
from interp.runs.errors import UserError

_TOLERANCE = 1e-3


def from_othello(model: OthelloTransformer) -> Network:
    """The Othello transformer as a `Network`; weights are shared, not copied."""
    weights, config = _Weights(model.state_dict()), model.config
    layers = []
    for index in range(config.n_layers):
        block = weights.below(f"blocks.{index}.")
        qkv = block["attention.qkv.weight"].view(3, config.n_heads, config.d_head, -1).mT
        biases = block["attention.qkv.bias"].view(3, config.n_heads, config.d_head)
        W_O = block["attention.output.weight"].T.reshape(config.n_heads, config.d_head, -1)
        q, k, v = qkv
        b_q, b_k, b_v = biases
        attention = Attention(q, k, v, W_O, b_q, b_k, b_v, block["attention.output.bias"], config.d_head**-0.5)
        mlp = MLP(*block.linear("mlp.up"), *block.linear("mlp.down"), "gelu")
        layers.append(Layer(block.norm("norm_attention", 1e-5), attention, block.norm("norm_mlp", 1e-5), mlp))
    unembedding = weights["unembed.weight"].T
    return Network(
        weights["embed.weight"], weights["pos_embed.weight"], tuple(layers), weights.norm("norm_final", 1e-5),
        unembedding, unembedding.new_zeros(unembedding.shape[1]),
    )  # fmt: skip


def from_transformers(model: Any) -> Network:
    """A Hugging Face causal language model, wrapped by a Bridge or not.

    Raises UserError when the architecture is not described here or its logits are not reproduced.
    """
    network = read_weights(model)
    with torch.no_grad():
        tokens = torch.arange(5, device=network.embedding.device) % len(network.embedding)
        require_logits(model, network.run(tokens).logits, model(tokens[None]).logits[0])
    return network


def read_weights(model: Any) -> Network:
    """`from_transformers` without a forward pass, for a caller who compares the logits itself."""
    kind = model.config.model_type
    if kind not in _READERS:
        raise UserError(f"'{kind}' models cannot be traced; the tracer reads {', '.join(sorted(_READERS))}")
    weights = {name.replace("._original_component", ""): value for name, value in model.state_dict().items()}
    return _READERS[kind](_Weights(weights), model)


def require_logits(model: Any, found: Float[Tensor, "pos vocab"], expected: Float[Tensor, "pos vocab"]) -> None:
    """Raise UserError if a `Network`'s logits are not those of the model that it was read from."""
    gap = (found - expected).abs().max() / expected.abs().max()
    if not gap < _TOLERANCE:
        kind = model.config.model_type
        raise UserError(f"this '{kind}' model computes something else than its family: logits differ by {gap:.1%}")


class _Weights(dict[str, Tensor]):
    """A state dict, or the part of one below a prefix."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__({name: value.detach() for name, value in weights.items()})

    def below(self, prefix: str) -> _Weights:
        """The weights whose names begin with a prefix, without it."""
        return _Weights({name.removeprefix(prefix): value for name, value in self.items() if name.startswith(prefix)})

    def linear(self, name: str) -> tuple[Tensor, Tensor]:
        """Matrix [in, out] and bias of an nn.Linear; zeros without a bias."""
        weight = self[f"{name}.weight"].T
        return weight, self.get(f"{name}.bias", weight.new_zeros(weight.shape[1]))

    def heads(self, name: str, d_head: int) -> tuple[Tensor, Tensor]:
        """Matrix [head, in, d_head] and bias [head, d_head] of a projection to heads."""
        weight, bias = self.linear(name)
        return weight.view(len(weight), -1, d_head).permute(1, 0, 2), bias.view(-1, d_head)

    def norm(self, name: str, eps: float, *, centred: bool = True) -> Norm:
        """A norm; a zero bias where there is none."""
        weight = self[f"{name}.weight"]
        return Norm(weight, self.get(f"{name}.bias", torch.zeros_like(weight)), eps, centred)


def _gpt2(weights: _Weights, model: Any) -> Network:
    config, layers = model.config, []
    d_head = config.n_embd // config.n_head
    for index in range(config.n_layer):
        block = weights.below(f"transformer.h.{index}.")
        # GPT-2's Conv1D holds [in, out], the transpose of nn.Linear.
        matrices = block["attn.c_attn.weight"].view(config.n_embd, 3, config.n_head, d_head).permute(1, 2, 0, 3)
        biases = block["attn.c_attn.bias"].view(3, config.n_head, d_head)
        W_O = block["attn.c_proj.weight"].view(config.n_head, d_head, -1)
        q, k, v = matrices
        b_q, b_k, b_v = biases
        attention = Attention(q, k, v, W_O, b_q, b_k, b_v, block["attn.c_proj.bias"], d_head**-0.5)
        up, down = ((block[f"mlp.{name}.weight"], block[f"mlp.{name}.bias"]) for name in ("c_fc", "c_proj"))
        mlp = MLP(*up, *down, _activation(config.activation_function))
        eps = config.layer_norm_epsilon
        layers.append(Layer(block.norm("ln_1", eps), attention, block.norm("ln_2", eps), mlp))
    embedding, positions = weights["transformer.wte.weight"], weights["transformer.wpe.weight"]
    final = weights.norm("transformer.ln_f", config.layer_norm_epsilon)
    return Network(embedding, positions, tuple(layers), final, *weights.linear("lm_head"))


def _llama(weights: _Weights, model: Any) -> Network:
    config, layers = model.config, []
    d_head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    rotary = _rotary(model.model.rotary_emb)
    for index in range(config.num_hidden_layers):
        block = weights.below(f"model.layers.{index}.")
        (W_Q, b_Q), (W_K, b_K), (W_V, b_V) = (block.heads(f"self_attn.{part}_proj", d_head) for part in "qkv")
        W_O, b_O = block.linear("self_attn.o_proj")
        by_head = W_O.view(-1, d_head, W_O.shape[1])
        attention = Attention(W_Q, W_K, W_V, by_head, b_Q, b_K, b_V, b_O, d_head**-0.5, rotary)
        up, down, gate = (block.linear(f"mlp.{part}_proj") for part in ("up", "down", "gate"))
        mlp = MLP(*up, *down, _activation(config.hidden_act), *gate)
        before = block.norm("input_layernorm", config.rms_norm_eps, centred=False)
        between = block.norm("post_attention_layernorm", config.rms_norm_eps, centred=False)
        layers.append(Layer(before, attention, between, mlp))
    final = weights.norm("model.norm", config.rms_norm_eps, centred=False)
    return Network(weights["model.embed_tokens.weight"], None, tuple(layers), final, *weights.linear("lm_head"))


def _neox(weights: _Weights, model: Any) -> Network:
    config, layers = model.config, []
    heads, d_head = config.num_attention_heads, config.hidden_size // config.num_attention_heads
    rotary = _rotary(model.gpt_neox.rotary_emb)
    for index in range(config.num_hidden_layers):
        block = weights.below(f"gpt_neox.layers.{index}.")
        W, b = block.linear("attention.query_key_value")
        # Rows are ordered head, then query / key / value.
        matrices = W.view(-1, heads, 3, d_head).permute(2, 1, 0, 3)
        biases = b.view(heads, 3, d_head).transpose(0, 1)
        W_O, b_O = block.linear("attention.dense")
        by_head = W_O.view(heads, d_head, -1)
        q, k, v = matrices
        b_q, b_k, b_v = biases
        attention = Attention(q, k, v, by_head, b_q, b_k, b_v, b_O, d_head**-0.5, rotary)
        up, down = block.linear("mlp.dense_h_to_4h"), block.linear("mlp.dense_4h_to_h")
        norms = [block.norm(name, config.layer_norm_eps) for name in ("input_layernorm", "post_attention_layernorm")]
        mlp = MLP(*up, *down, _activation(config.hidden_act))
        layers.append(Layer(norms[0], attention, norms[1], mlp, config.use_parallel_residual))
    final = weights.norm("gpt_neox.final_layer_norm", config.layer_norm_eps)
    unembedding = weights.linear("embed_out" if "embed_out.weight" in weights else "lm_head")
    return Network(weights["gpt_neox.embed_in.weight"], None, tuple(layers), final, *unembedding)


def _rotary(module: Any) -> Rotary:
    return Rotary(module.inv_freq.detach(), factor=float(module.attention_scaling))


def _activation(name: str) -> Any:
    if name not in NAMES:
        raise UserError(f"activation '{name}' has no gate form here; the tracer knows {', '.join(sorted(NAMES))}")
    return NAMES[name]


_READERS: dict[str, Callable[[_Weights, Any], Network]] = {
    "gpt2": _gpt2,
    "llama": _llama,
    "mistral": _llama,
    "qwen2": _llama,
    "gpt_neox": _neox,
}
