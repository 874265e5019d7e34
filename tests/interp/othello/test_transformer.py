"""The transformer: causal, splicing the written outputs back changes nothing, files survive a round trip."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from interp.othello.evaluate import batches, cross_entropy, evaluate
from interp.othello.transformer import OthelloConfig, OthelloTransformer, load, save
from interp.runs.errors import UserError

MODEL = OthelloTransformer(OthelloConfig(n_layers=2), generator=torch.Generator().manual_seed(0)).eval()
TOKENS = torch.arange(20)[None]


@torch.no_grad()
def test_causal_and_size() -> None:
    assert torch.allclose(MODEL(TOKENS)[:, :7], MODEL(TOKENS[:, :7]), atol=1e-5)
    matrices = [w for n, w in OthelloTransformer().blocks.named_parameters() if w.ndim == 2]
    assert sum(weight.numel() for weight in matrices) == 1_179_648


@torch.no_grad()
def test_writes_add_up_to_the_residual_stream() -> None:
    written = MODEL.write_sites(TOKENS)
    assert list(written) == MODEL.sites == ["L0A", "L0M", "L1A", "L1M"]
    stream = MODEL.embed(TOKENS) + MODEL.pos_embed.weight[:20] + sum(written.values())
    assert torch.allclose(MODEL.unembed(MODEL.norm_final(stream)), MODEL(TOKENS), atol=1e-5)
    zeroed = MODEL.forward_edited(TOKENS, {"L1M": torch.zeros_like})
    expected = MODEL.unembed(MODEL.norm_final(stream - written["L1M"]))
    assert torch.allclose(zeroed, expected, atol=1e-5)


def test_file_round_trip(tmp_path: Path) -> None:
    save(MODEL, tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert torch.equal(again(TOKENS), MODEL(TOKENS))
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    with pytest.raises(UserError, match="holds no Othello transformer"):
        load(tmp_path / "broken.safetensors")


def test_the_rules_themselves_score_perfectly() -> None:
    oracle = {batch.tokens.numpy().tobytes(): (batch.targets + 1e-30).log() for batch in batches(5, seed=9)}
    result = evaluate(lambda tokens: oracle[tokens.numpy().tobytes()], games=5, seed=9)
    assert result.legal_top1 == 1 and result.legal_mass == pytest.approx(1)
    assert result.cross_entropy == pytest.approx(result.floor, abs=1e-5)
    assert len(result.by_ply) == 59
    uniform = torch.zeros(1, 61)
    assert cross_entropy(uniform, torch.full((1, 61), 1 / 61)).item() == pytest.approx(torch.log(torch.tensor(61.0)))
