"""The causal test against networks run without the heads, and on models in which one head alone does anything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from interp.heads.icl.accuracy import accuracies
from interp.heads.icl.readout import Readout
from interp.heads.icl.tasks import KINDS
from interp.heads.relations.aligned import AlignedDocument, AlignedTriplet
from interp.heads.scores.ablation import ablated
from interp.heads.scores.causal_test import AblationOptions, _summary, accuracy_test, recall_test, recallable
from interp.models.bridge import LanguageModel
from interp.models.load import load
from interp.models.network import Network
from interp.runs.errors import UserError
from tests.interp.heads.scores.test_ablation import without
from tests.interp.models.families import tokenizer, transformers_model

HEADS = {(0, 1), (1, 3)}


def document(name: str, tokens: list[int], *triplets: tuple[str, list[tuple[int, int]]]) -> AlignedDocument:
    aligned = (AlignedTriplet(relation, number, tuple(pairs)) for number, (relation, pairs) in enumerate(triplets))
    return AlignedDocument(name, torch.tensor(tokens), tuple(aligned))


def test_recallable_positions_by_hand() -> None:
    """Head mentions at 0 and 7, tail mentions at 2, 4 and 9."""
    pairs = [(s, o) for s in (0, 7) for o in (2, 4, 9)]
    once, late = [(1, 3)], [(6, 1), (6, 8)]
    one = document("a", list(range(10)), ("r", pairs), ("s", once), ("t", late))
    assert recallable(one, "r") == [4, 9]
    assert recallable(one, "r", "reverse") == [7]
    assert recallable(one, "s") == [], "mentioned once"
    assert recallable(one, "t") == [8]
    assert recallable(one) == [4, 8, 9]
    assert recallable(one, "t", "reverse") == [], "the tail's head is mentioned once"


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return load(transformers_model("qwen2"), tokenizer=tokenizer())


def documents() -> list[AlignedDocument]:
    generator = np.random.default_rng(0)
    found = []
    for number in range(6):
        tokens = generator.integers(3, 17, size=12 + number).tolist()
        pairs = [(s, o) for s in (1, 6) for o in (3, 8, 10)]
        found.append(document(f"d{number}", tokens, ("r", pairs), ("s", [(2, 4), (2, 9)])))
    return [*found, document("nothing", [5, 6, 7], ("r", [(0, 2)]))]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mean", "zero"])
def test_effects_are_those_of_networks_without_the_heads(kind: str, model: LanguageModel) -> None:
    texts = documents()
    options = AblationOptions(kind, draws=3, resamples=200, seed=1)  # type: ignore[arg-type]
    found = recall_test(model, texts, HEADS, relation="r", options=options, progress=False)
    network = Network.from_bridge(model.bridge).to(torch.float64)

    def log_p(one: Network) -> np.ndarray:
        rows = [one.run(text.tokens).logits.log_softmax(-1) for text in texts[:-1]]
        return np.array(
            [np.mean([row[o - 1, text.tokens[o]] for o in (8, 10)]) for row, text in zip(rows, texts[:-1], strict=True)]
        )

    with torch.no_grad():
        z = [torch.cat([network.run(text.tokens).layers[layer].z for text in texts[:-1]], 1).mean(1) for layer in (0, 1)]
        means = torch.stack(z) if kind == "mean" else torch.zeros(2, 4, 8)
        intact = log_p(network)
        sets = [[tuple(map(int, head.split("."))) for head in text.split()] for text in found.sets["heads"]]
        effects = [log_p(without(network, one, means)) - intact for one in sets]  # type: ignore[arg-type]
    assert set(sets[0]) == HEADS and all(not set(one) & HEADS for one in sets[1:]) and len(sets) == 4
    np.testing.assert_allclose(found.sets.effect, [effect.mean() for effect in effects], atol=1e-4)
    assert found.intact == pytest.approx(intact.mean(), abs=1e-4) and found.documents == 6 and found.occurrences == 12
    assert found.excess.value == pytest.approx(effects[0].mean() - np.mean(effects[1:]), abs=1e-4)
    assert found.rank == 1 + sum(effect.mean() <= effects[0].mean() for effect in effects[1:])
    assert found.p_value == found.rank / 4
    for one in (found.effect, found.excess):
        assert one.low <= one.value <= one.high and one.low < one.high


@pytest.fixture(scope="module")
def lonely() -> LanguageModel:
    """Only head 1.2 writes anything."""
    core = transformers_model("llama")
    with torch.no_grad():
        for index, layer in enumerate(core.model.layers):
            weight = layer.self_attn.o_proj.weight
            weight *= 10 * torch.tensor([(index, column // 8) == (1, 2) for column in range(32)])
    return load(core, tokenizer=tokenizer())


@pytest.mark.slow
def test_the_only_head_that_writes_has_all_of_the_effect(lonely: LanguageModel) -> None:
    found = recall_test(lonely, documents(), [(1, 2)], options=AblationOptions("zero", draws=4), progress=False)
    assert (found.sets.effect[1:] == 0).all() and abs(found.effect.value) > 0.01
    assert found.excess == pytest.approx(found.effect) and found.rank == (1 if found.effect.value < 0 else 5)
    nothing = recall_test(lonely, documents(), [(0, 2)], options=AblationOptions(draws=3), progress=False)
    assert nothing.effect.value == 0 and nothing.rank > 1, "a set that does nothing never ranks first by a tie"


@pytest.mark.slow
def test_refusals(model: LanguageModel) -> None:
    with pytest.raises(UserError, match="none of 7 documents mentions a tail again after its head for the relation 'q'"):
        recall_test(model, documents(), HEADS, relation="q")
    with pytest.raises(UserError, match="there is no task 'ten-class'"):
        accuracy_test(model, HEADS, ["ten-class"], progress=False)


@pytest.mark.parametrize("wrong", [{"kind": "median"}, {"draws": 0}])
def test_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="accepted are"):
        AblationOptions(**wrong)


def labels_only() -> LanguageModel:
    """A random model over the words of the fruit and month task that says nothing but 0 and 1."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<s>", "<unk>", "0", "1", ",", ":", *KINDS["fruit"].split(), *KINDS["month"].split()]
    core = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    network = transformers_model("llama")
    with torch.no_grad():
        network.lm_head.weight[[2, 3]] *= 30.0
    return load(network, tokenizer=PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", unk_token="<unk>"))


@pytest.mark.slow
def test_accuracy_under_ablation_is_accuracy_of_the_ablated_model() -> None:
    model = labels_only()
    options = AblationOptions("zero", draws=3, seed=2)
    found = accuracy_test(model, HEADS, ["fruit-month"], shots=(2, 4), count=30, options=options, progress=False)
    assert list(dict.fromkeys(found.sets.set)) == ["intact", "heads", "random 1", "random 2", "random 3"]
    for name, heads in (("intact", ()), ("heads", HEADS)):
        with ablated(model, heads):
            expected = accuracies(Readout(model), ["fruit-month"], shots=(2, 4), count=30, seed=2)
        mine = found.sets[found.sets.set == name].drop(columns="set").reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, expected)
    row = found.summary[(found.summary.shots == 4) & (found.summary.measure == "pattern")].iloc[0]
    assert 0 < row["intact"] < 1 and 1 <= row["rank"] <= 4 and row["p_value"] == row["rank"] / 4
    assert found.summary.intact.ne(found.summary.ablated).any()
    averaged = accuracy_test(model, HEADS, ["fruit-month"], shots=(2,), count=30, options=replace(options, kind="mean"))
    assert averaged.summary.intact.iloc[0] == found.summary.intact.iloc[0]


def test_ranks_of_accuracies() -> None:
    values = {"intact": [0.9, np.nan], "heads": [0.3, 0.2], "random 1": [0.3, 0.5], "random 2": [0.8, 0.1]}
    rows = [
        {"set": name, "task": "t", "shots": 5, "measure": measure, "value": value}
        for name, pair in values.items()
        for measure, value in zip(("pattern", "given"), pair, strict=True)
    ]
    table = _summary(pd.DataFrame(rows)).set_index("measure")
    assert table.loc["pattern", "rank"] == 2 and table.loc["pattern", "p_value"] == pytest.approx(2 / 3)
    assert table.loc["pattern", "random"] == pytest.approx(0.55) and np.isnan(table.loc["given", "rank"])
    assert table.index.tolist() == ["pattern", "given"]
