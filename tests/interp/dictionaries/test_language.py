"""Dictionaries of language models: what the hooks carry, resuming, SAELens folders, evaluation; tiny random models."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from interp.dictionaries.language import LanguageDictionaryJob, LanguageTraining, text_windows, train_language
from interp.dictionaries.language_evaluate import evaluate_language_set
from interp.dictionaries.language_sets import load_language_set
from interp.dictionaries.language_sites import (
    parse_sites,
    read_hook,
    site_of_hook,
    sites_of,
    written_hook,
)
from interp.dictionaries.relu import ReluDictionary
from interp.dictionaries.sets import DictionarySet
from interp.models.bridge import LanguageModel
from interp.models.language_traffic import language_traffic
from interp.models.load import load
from interp.models.network import Network
from interp.runs import loop
from interp.runs.errors import UserError
from tests.interp.models.families import WORDS, tokenizer, transformers_model

FAMILIES = ["llama", "qwen2", "gpt2", "neox"]


@pytest.fixture(scope="module")
def models() -> dict[str, LanguageModel]:
    """A tiny random model of each family."""
    return {kind: load(transformers_model(kind), tokenizer=tokenizer()) for kind in FAMILIES}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Random sentences of the tiny tokenizer's words."""
    generator = torch.Generator().manual_seed(0)
    lines = [
        json.dumps({"text": " ".join(WORDS[i] for i in torch.randint(len(WORDS), (40,), generator=generator))})
        for _ in range(300)
    ]
    file = tmp_path_factory.mktemp("text") / "words.jsonl"
    file.write_text("\n".join(lines))
    return str(file)


def settings(text: str, **changes: Any) -> LanguageTraining:
    """A run of a second."""
    few = LanguageTraining(
        steps=12,
        model="tiny",
        text=text,
        context=16,
        windows=4,
        d_sae=48,
        k=4,
        lr=1e-2,
        warmup=2,
        resample_every=5,
        dead_after=150,
    )
    return replace(few, **changes)


@pytest.mark.parametrize("kind", FAMILIES)
def test_hooks_carry_what_the_network_records(kind: str, models: dict[str, LanguageModel]) -> None:
    bridge, sites = models[kind].bridge, ["L0A", "L0M", "L1A", "L1M"]
    tokens = torch.randint(3, 17, (2, 9), generator=torch.Generator().manual_seed(1))
    seen = language_traffic(bridge, tokens, [written_hook(site) for site in sites] + [read_hook("L0M"), read_hook("L1M")])
    for row in range(2):
        record = Network.from_bridge(bridge).run(tokens[row])
        for site in sites:
            torch.testing.assert_close(seen[written_hook(site)][row], record.output(site), atol=1e-4, rtol=1e-4)
        for layer in (0, 1):
            expected = record.layers[layer].mlp_normed
            torch.testing.assert_close(seen[read_hook(f"L{layer}M")][row], expected, atol=1e-4, rtol=1e-4)


def test_a_pass_ends_at_the_highest_site(models: dict[str, LanguageModel]) -> None:
    bridge, ran = models["llama"].bridge, []
    with bridge.hooks(fwd_hooks=[("blocks.1.hook_in", lambda value, hook: ran.append(1))]):
        language_traffic(bridge, torch.tensor([[3, 4, 5]]), [written_hook("L0M")])
        assert not ran
        language_traffic(bridge, torch.tensor([[3, 4, 5]]), [written_hook("L1A")])
    assert ran


@pytest.mark.parametrize("kind", FAMILIES)
def test_training_explains_more_and_more(kind: str, models: dict[str, LanguageModel], text: str, tmp_path: Path) -> None:
    found = train_language(settings(text, steps=60, resample_every=0), models[kind], tmp_path / "run")
    assert list(found) == ["L0A", "L0M", "L1A", "L1M"]
    losses = [json.loads(line)["loss"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert losses[-1] < 0.5 * losses[0]
    assert all(
        torch.equal(a, b)
        for site in found
        for a, b in zip(found[site].parameters(), load_language_set(tmp_path / "run")[site].parameters(), strict=True)
    )
    metadata = found["L1A"].config["metadata"]
    assert metadata["hook_name"] == "blocks.1.hook_attn_out"
    assert (metadata["context_size"], metadata["seqpos_slice"], metadata["prepend_bos"]) == (16, [1, None], False)


class Killed(Exception):
    """In place of a kill."""


@pytest.mark.parametrize("kind", ["topk", "transcoder"])
def test_a_killed_run_ends_like_an_uninterrupted_one(
    kind: str, models: dict[str, LanguageModel], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = settings(text, kind=kind, sites="L1M,L0M")
    whole = train_language(wanted, models["qwen2"], tmp_path / "whole")
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    backward = LanguageDictionaryJob.backward

    def dying(self: LanguageDictionaryJob, step: int) -> Any:
        if step == 7:
            raise Killed
        return backward(self, step)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(LanguageDictionaryJob, "backward", dying)
        train_language(wanted, models["qwen2"], tmp_path / "killed")
    again = train_language(wanted, models["qwen2"], tmp_path / "killed")
    assert list(again) == list(whole) == ["L0M", "L1M"]
    for site in whole:
        assert all(torch.equal(a, b) for a, b in zip(whole[site].parameters(), again[site].parameters(), strict=True))


def test_other_text_is_no_resumption(models: dict[str, LanguageModel], text: str, tmp_path: Path) -> None:
    train_language(settings(text), models["llama"], tmp_path / "run")
    lines = Path(text).read_text().splitlines()
    other = tmp_path / "words.jsonl"
    other.write_text("\n".join(lines[::-1]))
    with pytest.raises(UserError, match="text_fingerprint"):
        train_language(settings(str(other)), models["llama"], tmp_path / "run")


def test_a_short_corpus_begins_again(models: dict[str, LanguageModel], text: str) -> None:
    job = LanguageDictionaryJob(settings(text), models["llama"])
    count = len(job.tokens)
    assert torch.equal(job._stream(count, 2).written, job._stream(0, 2).written)
    assert job._stream(0, 2).written.shape == (4, 2 * 15, 32)


def test_windows_begin_with_what_the_tokenizer_puts_first(models: dict[str, LanguageModel], text: str) -> None:
    from tokenizers.processors import TemplateProcessing

    with_bos = tokenizer()
    with_bos._tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    model = models["llama"]._replace(tokenizer=with_bos)
    plain, prefixed = (text_windows(one, text, "train", 16, 3) for one in (models["llama"], model))
    assert prefixed[:, 0].tolist() == [1, 1, 1] and prefixed.shape == (3, 16)
    assert torch.equal(prefixed[0, 1:], plain[0, :15])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sites": "L7M"}, "site L7M is none of this model's; its sites are L0A .. L1M"),
        ({"sites": "M3"}, "'M3' is no site"),
        ({"context": 65}, "accepted are 8 .. 64"),
        ({"d_sae": 50}, "must be a multiple of 16"),
        ({"text": "/nowhere.txt"}, "cannot be read"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    changes: dict[str, Any], says: str, models: dict[str, LanguageModel], text: str
) -> None:
    with pytest.raises(UserError, match=says):
        LanguageDictionaryJob(replace(settings(text), **changes), models["llama"])


def test_text_too_short_is_refused(models: dict[str, LanguageModel], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("the cat sat")
    with pytest.raises(UserError, match="has no piece of 16 tokens"):
        LanguageDictionaryJob(settings(str(tmp_path / "a.txt")), models["llama"])


def test_sites_as_text() -> None:
    assert parse_sites("all", 2) == sites_of(2) == ["L0A", "L0M", "L1A", "L1M"]
    assert parse_sites("L3M,L1A-L2A, L3M", 5) == ["L1A", "L2A", "L3M"]
    assert [
        site_of_hook(name) for name in ("blocks.3.hook_mlp_out", "blocks.12.attn.hook_out", "blocks.1.hook_resid_post")
    ] == ["L3M", "L12A", None]


def perfect(sites: list[str]) -> DictionarySet:
    """Dictionaries that reconstruct exactly, with both signs of every dimension as features."""
    signed = torch.cat([torch.eye(32), -torch.eye(32)])
    found = {}
    for site in sites:
        dictionary = ReluDictionary({"architecture": "standard", "d_in": 32, "d_sae": 64, "apply_b_dec_to_input": False})
        with torch.no_grad():
            dictionary.W_enc.copy_(signed.T)
            dictionary.W_dec.copy_(signed)
        found[site] = dictionary
    return DictionarySet(found)


def test_a_perfect_set_costs_nothing_and_an_empty_one_everything(models: dict[str, LanguageModel], text: str) -> None:
    model, found = models["neox"], perfect(sites_of(2))
    kept = evaluate_language_set(model, found, text=text, context=16, count=6)
    assert kept.positions == 6 * 15
    assert kept.spliced_loss == pytest.approx(kept.loss, abs=1e-4)
    assert all(
        row["explained_variance"] == pytest.approx(1, abs=1e-5) and row["l0"] == pytest.approx(32) for row in kept.sites
    )
    tokens = text_windows(model, text, "held-out", 16, 6)
    with torch.no_grad():
        logits = model.bridge(tokens)[:, :-1]
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
    assert kept.loss == pytest.approx(float(expected), abs=1e-5)
    for dictionary in found.values():
        dictionary.W_dec.data.zero_()
    lost = evaluate_language_set(model, found, text=text, context=16, count=6)
    assert lost.spliced_loss == pytest.approx(lost.zeroed_loss, abs=1e-5) and lost.zeroed_loss != pytest.approx(
        lost.loss, abs=1e-3
    )
    assert all(row["explained_variance"] <= 1e-6 for row in lost.sites)


@pytest.mark.parametrize(("site", "width"), [("L2A", 32), ("L0A", 16)])
def test_sets_of_another_model_are_not_evaluated(site: str, width: int, models: dict[str, LanguageModel], text: str) -> None:
    found = ReluDictionary({"architecture": "standard", "d_in": width, "d_sae": 16, "apply_b_dec_to_input": False})
    with pytest.raises(UserError, match=f"a dictionary at {site} that reads {width} numbers does not fit"):
        evaluate_language_set(models["llama"], {site: found}, text=text, context=16)


def test_transcoders_are_measured_from_what_they_read(models: dict[str, LanguageModel], text: str, tmp_path: Path) -> None:
    found = train_language(settings(text, kind="transcoder", steps=60), models["gpt2"], tmp_path / "run")
    assert list(found) == ["L0M", "L1M"]
    rows = evaluate_language_set(models["gpt2"], found, text=text, context=16, count=6).sites
    record = Network.from_bridge(models["gpt2"].bridge)
    tokens = text_windows(models["gpt2"], text, "held-out", 16, 6)
    runs = [record.run(row) for row in tokens]
    read = torch.cat([run.layers[1].mlp_normed[1:] for run in runs])
    written = torch.cat([run.layers[1].mlp_out[1:] for run in runs])
    error = (written - found["L1M"](read).reconstruction).square().sum()
    explained = 1 - error / (written - written.mean(0)).square().sum()
    assert rows[1]["explained_variance"] == pytest.approx(float(explained), abs=1e-4)


def test_foreign_folders_are_found_by_their_hook(tmp_path: Path) -> None:
    found = perfect(["L0A", "L1M"])
    for site, (folder, config) in zip(
        found,
        [
            ("layer_0/sae", {"metadata": {"hook_name": "blocks.0.attn.hook_out"}}),
            ("b", {"hook_name": "blocks.1.hook_mlp_out"}),
        ],
        strict=True,
    ):
        found[site].config |= config
        from interp.dictionaries.saelens import save_dictionary

        save_dictionary(found[site], tmp_path / folder)
    assert list(load_language_set(tmp_path)) == ["L0A", "L1M"]
    assert list(load_language_set(tmp_path / "b")) == ["L1M"]


@pytest.mark.parametrize(
    ("configs", "says"),
    [
        ({}, "holds no dictionary"),
        ({"a": {"hook_name": "blocks.1.hook_resid_post"}}, "is a dictionary of 'blocks.1.hook_resid_post'"),
        ({"a": {}}, "is a dictionary of ''"),
        (
            {"a": {"metadata": {"hook_name": "blocks.1.ln2.hook_normalized", "hook_name_out": "blocks.1.hook_mlp_out"}}},
            "traced are those that read 'blocks.1.mlp.hook_in'",
        ),
        ({"a": {"hook_name": "blocks.1.hook_mlp_out"}}, "holds no dictionary in SAELens format"),
    ],
)
def test_folders_without_usable_dictionaries_are_refused(tmp_path: Path, configs: dict[str, Any], says: str) -> None:
    for name, config in configs.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "cfg.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=says):
        load_language_set(tmp_path)


def test_two_dictionaries_of_a_site_are_refused(tmp_path: Path) -> None:
    from interp.dictionaries.saelens import save_dictionary

    dictionary = perfect(["L1M"])["L1M"]
    dictionary.config["hook_name"] = "blocks.1.hook_mlp_out"
    save_dictionary(dictionary, tmp_path / "a")
    save_dictionary(dictionary, tmp_path / "b")
    with pytest.raises(UserError, match="two dictionaries for site L1M"):
        load_language_set(tmp_path)
