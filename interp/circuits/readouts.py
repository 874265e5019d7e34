"""Each target as a linear function of the residual stream below it, everything else held at its observed value.

A readout is a vector u_p for each position p that the target reads, and named bias terms:
value = sum_p u_p . r_p + biases, exactly, where r_p is the residual stream that the target's module reads. With the
norm scales, attention patterns and MLP gates frozen (He et al. 2024, arXiv 2402.12201; section B4 of our notes):

- logit t at i: u_i = LN*_i^T W_U[:, t];
- attention-site feature w_e at i: u_j = LN*_j^T sum_h A^h_ij W_V^h W_O^h w_e, per head if asked;
- MLP-site feature at i (approximate direct contribution): u_i = LN*_i^T W_in (gate * W_out w_e);
- transcoder feature at i: u_i = LN*_i^T w_e.

LN*^T is the transpose of the norm without its bias. The norm's bias and every module's biases are bias terms.
Attention scores are bilinear and live in `interp.circuits.attention_pairs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.circuits.decomposition import Decomposition
from interp.circuits.sources import SparseDictionary, centres_input, dictionary_input
from interp.circuits.targets import FeatureTarget, LogitTarget
from interp.dictionaries.transcoder import is_transcoder
from interp.models.record import Record


class Readouts(NamedTuple):
    """Linear readouts of targets that read the same sites."""

    sites_read: int
    """How many sites, in order of writing, the targets' module reads."""
    target: Int[Tensor, " read"]
    """Which target each read vector belongs to."""
    position: Int[Tensor, " read"]
    reads: Float[Tensor, "read d_model"]
    biases: dict[str, Float[Tensor, " target"]]
    """Bias terms by name."""
    value: Float[Tensor, " target"]
    """The true value, computed from the record without the decomposition."""


def logit_readout(d: Decomposition, target: LogitTarget) -> Readouts:
    """Readout of one logit."""
    network, i = d.network, target.position
    weights = token_weights(d, target)
    direction, bias = network.unembedding @ weights, network.unembedding_bias @ weights
    value = d.record.logits[i] @ weights
    read = network.norm_final.transpose(direction, d.record.final_scale[i])
    biases = {"b_ln": (network.norm_final.bias @ direction)[None], "b_U": bias[None]}
    one = torch.zeros(1, dtype=torch.int64, device=read.device)
    return Readouts(len(network.sites), one, one + i, read[None], biases, value[None])


def token_weights(d: Decomposition, target: LogitTarget) -> Float[Tensor, " vocab"]:
    """Factors on the logits that make up the target; as a vector, since a mean may be over a whole vocabulary."""
    weights = torch.zeros_like(d.network.unembedding_bias)
    if target.minus_mean_of:
        weights[list(target.minus_mean_of)] = -1 / len(target.minus_mean_of)
    weights[target.token] += 1
    return weights


def feature_readouts(d: Decomposition, targets: Sequence[FeatureTarget]) -> Readouts:
    """Readouts of features of one site."""
    site, device = targets[0].site, d.record.tokens.device
    index = torch.tensor([target.index for target in targets], device=device)
    position = torch.tensor([target.position for target in targets], device=device)
    dictionary = d.dictionaries[site]
    if is_transcoder(dictionary.architecture):
        return _transcoder(d, site, index, position)
    if site[-1] == "M":
        return _mlp(d, site, index, position)
    by_head = attention_reads(d, site, index, position)
    reads = by_head.sum(0)
    count, pos = reads.shape[:2]
    return Readouts(
        d.network.reads(site),
        torch.arange(count, device=device).repeat_interleave(pos),
        torch.arange(pos, device=device).repeat(count),
        reads.flatten(0, 1),
        _attention_biases(d, site, index),
        pre_activations(d, site, index, position),
    )


def attention_reads(
    d: Decomposition, site: str, index: Int[Tensor, " target"], position: Int[Tensor, " target"]
) -> Float[Tensor, "head target pos d_model"]:
    """The read vectors of attention-site features by head; zero after each target's own position."""
    layer, record = d.network.layers[int(site[1:-1])], d.record.layers[int(site[1:-1])]
    through = _through_heads(d, site, index)
    at_keys = torch.einsum("htp,htd->htpd", record.pattern[:, position], through)
    return layer.norm_attention.transpose(at_keys, record.attention_scale)


def _through_heads(d: Decomposition, site: str, index: Tensor) -> Tensor:
    """W_V^h W_O^h w_e, [head, target, d_model]."""
    attention = d.network.layers[int(site[1:-1])].attention
    into_heads = torch.einsum("hed,td->hte", attention.W_O, _encoder(d.dictionaries[site], index, d))
    return torch.einsum("hme,hte->htm", attention.W_V[attention.kv_of_head], into_heads)


def _attention_biases(d: Decomposition, site: str, index: Tensor) -> dict[str, Tensor]:
    layer = d.network.layers[int(site[1:-1])]
    attention, encoder = layer.attention, _encoder(d.dictionaries[site], index, d)
    # Each pattern row sums to one, so every head's constant value arrives once.
    value_bias = torch.einsum("he,hed->d", attention.b_V[attention.kv_of_head], attention.W_O)
    return {
        "b_ln": _through_heads(d, site, index).sum(0) @ layer.norm_attention.bias,
        "b_V": encoder @ value_bias,
        "b_O": encoder @ attention.b_O,
        **_encoder_biases(d, site, index),
    }


def _mlp(d: Decomposition, site: str, index: Tensor, position: Tensor) -> Readouts:
    layer, record = d.network.layers[int(site[1:-1])], d.record.layers[int(site[1:-1])]
    encoder = _encoder(d.dictionaries[site], index, d)
    gated = record.gate[position] * (encoder @ layer.mlp.W_out.T)
    normed_reads = gated @ layer.mlp.W_in.T
    biases = {
        "b_ln": normed_reads @ layer.norm_mlp.bias,
        "b_in": gated @ layer.mlp.b_in,
        "b_out": encoder @ layer.mlp.b_out,
        **_encoder_biases(d, site, index),
    }
    reads = layer.norm_mlp.transpose(normed_reads, record.mlp_scale[position])
    value = pre_activations(d, site, index, position)
    return Readouts(d.network.reads(site), torch.arange(len(index), device=index.device), position, reads, biases, value)


def _transcoder(d: Decomposition, site: str, index: Tensor, position: Tensor) -> Readouts:
    layer, record = d.network.layers[int(site[1:-1])], d.record.layers[int(site[1:-1])]
    encoder = _encoder(d.dictionaries[site], index, d)
    biases = {"b_ln": encoder @ layer.norm_mlp.bias, **_encoder_biases(d, site, index)}
    reads = layer.norm_mlp.transpose(encoder, record.mlp_scale[position])
    value = pre_activations(d, site, index, position)
    return Readouts(d.network.reads(site), torch.arange(len(index), device=index.device), position, reads, biases, value)


def _encoder(dictionary: SparseDictionary, index: Tensor, d: Decomposition) -> Tensor:
    """Encoder directions [target, d_model] in the record's precision."""
    return dictionary.W_enc.detach().T[index].to(d.record.resid_final.dtype)


def _encoder_biases(d: Decomposition, site: str, index: Tensor) -> dict[str, Tensor]:
    dictionary, encoder = d.dictionaries[site], _encoder(d.dictionaries[site], index, d)
    biases = {"b_enc": dictionary.b_enc.detach()[index].to(encoder.dtype)}
    if centres_input(dictionary):
        biases["b_dec"] = -encoder @ dictionary.b_dec.detach().to(encoder.dtype)
    return biases


def pre_activations(d: Decomposition, site: str, index: Tensor, position: Tensor) -> Float[Tensor, " target"]:
    """The features' pre-activations in the run itself."""
    return pre_activations_of(d, d.record, site, index, position)


def pre_activations_of(
    d: Decomposition, record: Record, site: str, index: Tensor, position: Tensor
) -> Float[Tensor, "*batch target"]:
    """The features' pre-activations in another run, such as an edited one."""
    dictionary = d.dictionaries[site]
    x = dictionary_input(dictionary, site, record)[..., position, :]
    encoder = _encoder(dictionary, index, d)
    centre = dictionary.b_dec.detach().to(x.dtype) if centres_input(dictionary) else 0.0
    return ((x - centre) * encoder).sum(-1) + dictionary.b_enc.detach()[index].to(x.dtype)
