"""The decoder of He et al. 2024 (arXiv 2402.12201): 6 layers, d_model 128, 8 heads of 16, MLP 512, GELU, pre-LayerNorm.

A plain torch module with fused attention: 1,179,648 non-embedding weights beside norms and biases. Each block writes
to the residual stream twice; these twelve *write sites* are named `L0A`, `L0M`, ..., `L5M` (attention, MLP) and are
what the dictionaries decompose. Tokens are the 60 playable squares in row-major order and one unused padding token.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F

from interp.runs.atomic import write_tensors
from interp.runs.errors import UserError

Edit = Callable[[Tensor], Tensor]

SHIPPED = Path(__file__).parent / "weights" / "model.safetensors"


@dataclass(frozen=True)
class OthelloConfig:
    """Shape of the transformer; the defaults are the paper's."""

    n_layers: int = 6
    d_model: int = 128
    n_heads: int = 8
    d_mlp: int = 512
    n_ctx: int = 60
    """Longest input in moves; the loss ends at 59, since nothing follows the last move."""
    d_vocab: int = 61

    @property
    def d_head(self) -> int:
        """Width of one head."""
        return self.d_model // self.n_heads


class Attention(nn.Module):
    """Causal multi-head attention; rows of `qkv` stack queries, keys, values, each head by head."""

    def __init__(self, config: OthelloConfig) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        self.qkv = nn.Linear(config.d_model, 3 * config.d_model)
        self.output = nn.Linear(config.d_model, config.d_model)

    def forward(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        """Attention output of an already normalised residual stream."""
        batch, pos, d_model = x.shape
        heads = self.qkv(x).view(batch, pos, 3, self.n_heads, d_model // self.n_heads)
        q, k, v = heads.permute(2, 0, 3, 1, 4)  # each [batch, head, pos, d_head]
        z = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.output(z.transpose(1, 2).reshape(batch, pos, d_model))


class MLP(nn.Module):
    """Two linear maps around an exact GELU."""

    def __init__(self, config: OthelloConfig) -> None:
        super().__init__()
        self.up = nn.Linear(config.d_model, config.d_mlp)
        self.down = nn.Linear(config.d_mlp, config.d_model)

    def forward(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        """MLP output of an already normalised residual stream."""
        return self.down(F.gelu(self.up(x)))


class Block(nn.Module):
    """One layer: attention, then MLP, each added to the residual stream."""

    def __init__(self, config: OthelloConfig) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(config.d_model)
        self.attention = Attention(config)
        self.norm_mlp = nn.LayerNorm(config.d_model)
        self.mlp = MLP(config)


class OthelloTransformer(nn.Module):
    """Next-move logits of Othello games."""

    def __init__(self, config: OthelloConfig | None = None, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config = config or OthelloConfig()
        self.embed = nn.Embedding(config.d_vocab, config.d_model)
        self.pos_embed = nn.Embedding(config.n_ctx, config.d_model)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.norm_final = nn.LayerNorm(config.d_model)
        self.unembed = nn.Linear(config.d_model, config.d_vocab, bias=False)
        self._initialise(generator)

    def _initialise(self, generator: torch.Generator | None) -> None:
        """GPT-2's: normal 0.02, output maps scaled down by the square root of the number of writes."""
        writes = 2 * self.config.n_layers
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                scaled = name.endswith(("output.weight", "down.weight"))
                nn.init.normal_(parameter, std=0.02 / writes**0.5 if scaled else 0.02, generator=generator)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    @property
    def sites(self) -> list[str]:
        """Names of the write sites, in the order in which they write."""
        return [f"L{layer}{kind}" for layer in range(self.config.n_layers) for kind in "AM"]

    def forward(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_vocab"]:
        """Logits of the next move after each move."""
        return self.forward_edited(tokens, {})

    def write_sites(self, tokens: Int[Tensor, "batch pos"]) -> dict[str, Float[Tensor, "batch pos d_model"]]:
        """What each site writes to the residual stream, output biases included."""
        written: dict[str, Tensor] = {}

        def keep(site: str) -> Edit:
            return lambda output: written.setdefault(site, output)

        self.forward_edited(tokens, {site: keep(site) for site in self.sites})
        return written

    def forward_edited(
        self,
        tokens: Int[Tensor, "batch pos"],
        writes: Mapping[str, Edit],
        *,
        residual: Mapping[int, Edit] | None = None,
    ) -> Float[Tensor, "batch pos d_vocab"]:
        """Logits when `writes[site]` maps what a site writes, and `residual[layer]` maps the stream after a layer."""
        residual = residual or {}
        x = self.embed(tokens) + self.pos_embed.weight[: tokens.shape[1]]
        for layer, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            attention = block.attention(block.norm_attention(x))
            x = x + writes[f"L{layer}A"](attention) if f"L{layer}A" in writes else x + attention
            mlp = block.mlp(block.norm_mlp(x))
            x = x + writes[f"L{layer}M"](mlp) if f"L{layer}M" in writes else x + mlp
            x = residual[layer](x) if layer in residual else x
        return self.unembed(self.norm_final(x))


def save(model: OthelloTransformer, path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write weights and config as one safetensors file."""
    write_tensors(path, model.state_dict(), {**(metadata or {}), "config": json.dumps(asdict(model.config))})


def load(path: Path) -> OthelloTransformer:
    """Read what `save` wrote, in float32 and evaluation mode. Raises UserError if the file is none of ours."""
    try:
        with safe_open(path, framework="pt") as file:
            config = OthelloConfig(**json.loads((file.metadata() or {})["config"]))
            weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} holds no Othello transformer ({error}); expected a file of `interp othello train`"
        ) from None
    model = OthelloTransformer(config)
    model.load_state_dict(weights)
    return model.eval()


def load_shipped() -> OthelloTransformer:
    """The trained transformer that comes with the package."""
    return load(SHIPPED)
