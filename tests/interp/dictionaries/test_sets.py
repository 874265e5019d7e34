"""Folding the bank's scales changes nothing, and files survive bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from interp.dictionaries import load_set
from interp.dictionaries.jumprelu import JumpReluDictionary
from interp.dictionaries.kinds import KINDS
from interp.dictionaries.objective import select
from interp.dictionaries.saelens import load_dictionary, save_dictionary
from interp.dictionaries.train import DictionaryTraining, OthelloDictionaryJob
from interp.othello.transformer import OthelloConfig, OthelloTransformer
from interp.runs.errors import UserError

MODEL = OthelloTransformer(OthelloConfig(n_layers=1), generator=torch.Generator().manual_seed(0)).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_taken_out_of_the_bank_a_dictionary_computes_the_same(kind: str) -> None:
    job = OthelloDictionaryJob(DictionaryTraining(kind=kind, d_sae=256, k=4), MODEL, torch.device("cpu"))
    bank, transcodes = job.module, KINDS[kind].transcodes
    generator = torch.Generator().manual_seed(1)
    written, read = torch.randn(2, len(job.sites), 50, 128, generator=generator) * 0.1
    inputs, _ = bank.scaled(written, read if transcodes else None)
    pre = bank.pre_activations(inputs)
    acts = select(pre, 4) if kind == "topk" else pre.relu() * (pre > bank.threshold[:, None])
    expected = (acts @ bank.decoder + bank.decoder_bias[:, None]) / bank.scale[:, None, None]
    assert list(job.dictionaries()) == (["L0M"] if transcodes else ["L0A", "L0M"])
    for number, dictionary in enumerate(job.dictionaries().values()):
        result = dictionary((read if transcodes else written)[number])
        torch.testing.assert_close(result.reconstruction, expected[number], atol=1e-5, rtol=1e-4)
        assert torch.equal(result.acts > 0, acts[number] > 0)


def test_round_trip_is_bit_exact(tmp_path: Path) -> None:
    config = {"architecture": "jumprelu", "d_in": 8, "d_sae": 16, "apply_b_dec_to_input": False, "metadata": {"a": 1}}
    dictionary = JumpReluDictionary(config)
    for parameter in dictionary.parameters():
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(0))
    save_dictionary(dictionary, tmp_path / "L0A")
    again = load_dictionary(tmp_path / "L0A")
    assert again.config == config
    assert all(torch.equal(a, b) for a, b in zip(dictionary.parameters(), again.parameters(), strict=True))
    assert list(load_set(tmp_path)) == ["L0A"]
    (tmp_path / "L0A" / "cfg.json").write_text(json.dumps({**config, "architecture": "gated"}))
    with pytest.raises(UserError, match="kind 'gated'"):
        load_dictionary(tmp_path / "L0A")
    with pytest.raises(UserError, match="no dictionary set 'absent'"):
        load_set("absent")
