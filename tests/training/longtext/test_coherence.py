"""Coherence of a random small model against its definition written out: a forward pass a run, window by window."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from interp.runs.errors import UserError
from training.longtext.coherence import PRESETS, CoherenceModel, Windows, chosen, preset

WINDOWS = Windows(16, 8, 4, None)
WORDS = [f"w{number}" for number in range(40)]
TEXT = " ".join(WORDS[(7 * number + number // 5) % 40] for number in range(70))


def tokenizer() -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)} | {"?": 40}, unk_token="?"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="?", bos_token="?")


@pytest.fixture(scope="module")
def model() -> CoherenceModel:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=41,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
    )
    network: Any = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        network.lm_head.weight.mul_(20)
    return CoherenceModel(network, tokenizer(), "a random model")


@torch.no_grad()
def by_definition(model: CoherenceModel, context: list[int], targets: int) -> tuple[float, float]:
    logits = model.model(torch.tensor([context])).logits[0].double()
    places = range(len(context) - targets, len(context))
    hits = [float(logits[at - 1].argmax() == context[at]) for at in places]
    nats = [-float(logits[at - 1].log_softmax(-1)[context[at]]) for at in places]
    return sum(hits) / targets, sum(nats) / targets


def test_both_runs_by_definition(model: CoherenceModel) -> None:
    ids = model.tokenizer(TEXT, add_special_tokens=False).input_ids
    found = model.score([TEXT], WINDOWS)[0]
    assert found is not None and len(found.evidence["windows"]) == len(ids) // 16 == 4
    rows = []
    for number, window in enumerate(found.evidence["windows"]):
        tokens = ids[16 * number : 16 * number + 16]
        (acc_l, nll_l), (acc_s, nll_s) = by_definition(model, tokens, 4), by_definition(model, tokens[-8:], 4)
        rows.append((acc_l, acc_s, nll_l, nll_s))
        assert (window["acc_l"], window["acc_s"], window["diff"]) == (acc_l, acc_s, acc_l - acc_s)
        assert window["nll_l"] == pytest.approx(nll_l, rel=1e-4) and window["nll_s"] == pytest.approx(nll_s, rel=1e-4)
        assert TEXT[window["start"] : window["end"]].split() == [WORDS[token] for token in tokens]
    acc_l, acc_s, _, _ = (sum(column) / 4 for column in zip(*rows, strict=True))
    assert found.metrics == pytest.approx(
        {"coherence_acc_l": acc_l, "coherence_acc_s": acc_s, "coherence_diff": acc_l - acc_s}
    )
    further = found.evidence["coherence"]
    assert further["ppl_l"] == pytest.approx(sum(math.exp(row[2]) for row in rows) / 4, rel=1e-4)
    assert further["ppl_delta"] == pytest.approx(further["ppl_s"] - further["ppl_l"])
    assert further["diff_ratio"] == pytest.approx((acc_l - acc_s) / (acc_l + 1e-5))


def test_batches_do_not_matter_and_short_texts_have_none(model: CoherenceModel, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [TEXT, "w1 w2", TEXT[::-1].replace(" ", " w"), ""]
    together = model.score(texts, WINDOWS)
    monkeypatch.setattr(model, "_budget", 1)
    alone = model.score(texts, WINDOWS)
    assert [found is None for found in together] == [False, True, False, True]
    for one, other in zip(together, alone, strict=True):
        assert (one is None) == (other is None)
        assert one is None or other is None or one.metrics == pytest.approx(other.metrics)


def test_a_model_that_computes_all_logits_gives_the_same(model: CoherenceModel, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = model.score([TEXT], WINDOWS)[0]
    monkeypatch.setattr(model, "_keeps", False)
    assert kept is not None and model.score([TEXT], WINDOWS)[0].metrics == pytest.approx(kept.metrics)  # type: ignore[union-attr]


def test_windows_of_a_long_document_lie_evenly() -> None:
    assert list(chosen(3, 4)) == [0, 1, 2] and list(chosen(100, None)) == list(range(100))
    assert list(chosen(16, 4)) == [2, 6, 10, 14] and list(chosen(5, 4)) == [0, 1, 3, 4]


def test_presets_and_windows_that_do_not_fit(model: CoherenceModel) -> None:
    assert PRESETS["paper"] == (4096, 2048, 1024, None) and all(
        one.window > one.short > one.targets for one in PRESETS.values()
    )
    with pytest.raises(UserError, match="there are no windows 'huge'"):
        preset("huge")
    with pytest.raises(UserError, match="reads 64 tokens at most"):
        model.score([TEXT], preset("cpu"))
