"""Both ends of a module are what it computes, and a replacement is what the model then writes."""

from __future__ import annotations

import pytest
import torch

from interp.dictionaries.traffic import refuse_misfits, replaced, stand_in, traffic
from interp.dictionaries.transcoder import ReluTranscoder
from interp.othello.evaluate import batches
from interp.othello.transformer import OthelloConfig, OthelloTransformer
from interp.runs.errors import UserError

MODEL = OthelloTransformer(OthelloConfig(n_layers=2), generator=torch.Generator().manual_seed(0)).eval()
TOKENS = next(batches(3, seed=1)).tokens


@torch.no_grad()
def test_traffic_is_what_the_modules_read_and_write() -> None:
    seen = traffic(MODEL, TOKENS)
    assert list(seen) == MODEL.sites
    written = MODEL.write_sites(TOKENS)
    for site, ends in seen.items():
        block = MODEL.blocks[int(site[1])]
        module = block.attention if site.endswith("A") else block.mlp
        assert torch.equal(ends.written, written[site]) and torch.equal(module(ends.read), ends.written)


@torch.no_grad()
def test_a_transcoder_stands_in_for_its_mlp() -> None:
    config = {"architecture": "transcoder", "d_in": 128, "d_out": 128, "d_sae": 256, "apply_b_dec_to_input": False}
    transcoder, map_ = ReluTranscoder(config), torch.randn(128, 128, generator=torch.Generator().manual_seed(1)) / 50
    transcoder.W_enc.copy_(torch.cat([torch.eye(128), -torch.eye(128)]).T)
    transcoder.W_dec.copy_(torch.cat([map_, -map_]))
    read = traffic(MODEL, TOKENS)["L1M"].read
    before = MODEL(TOKENS)
    with replaced(MODEL, {"L1M": stand_in(transcoder)}):
        spliced = MODEL(TOKENS)
    expected = MODEL.forward_edited(TOKENS, {"L1M": lambda _: read @ map_})
    torch.testing.assert_close(spliced, expected, atol=1e-5, rtol=1e-4)
    assert torch.equal(MODEL(TOKENS), before), "the replacement must not outlive its block"
    assert (spliced - before).abs().max() > 1e-3


def test_a_set_of_another_model_is_refused() -> None:
    config = {"architecture": "transcoder", "d_in": 64, "d_out": 64, "d_sae": 16, "apply_b_dec_to_input": False}
    with pytest.raises(UserError, match="L1M reads 64 numbers, but the model has 128"):
        refuse_misfits(MODEL, {"L1M": ReluTranscoder(config)})
    with pytest.raises(UserError, match="no site L2A"):
        refuse_misfits(MODEL, {"L2A": ReluTranscoder(config)})
