"""The discourse model's probabilities by their formula, units and pairs of a known text, and training on planted ties."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from interp.corpora.document import Document
from interp.runs.errors import UserError
from training.longtext.discourse import DiscourseModel, DiscourseScorer, read_discourse, units
from training.longtext.discourse_data import NONE, Pair, PairOptions, collect, frequent, neighbours
from training.longtext.discourse_training import DiscourseTraining, figures, ship_discourse, train_discourse

SENTENCE = "The library keeps every table that it reads in memory"


def test_probabilities_by_the_formula() -> None:
    torch.manual_seed(0)
    model = DiscourseModel(3, 4, 2, 5)
    torch.nn.init.normal_(model.table)
    u, v = torch.randn(2, 6, 3)
    h = torch.cat([u, v, u - v, u * v], 1) @ model.aggregate.weight.T + model.aggregate.bias
    senses = torch.softmax(h @ model.senses.weight.T + model.senses.bias, 1)
    expected = senses @ torch.softmax(model.table, 1)
    assert torch.allclose(model(u, v).exp(), expected, atol=1e-6) and torch.allclose(expected.sum(1), torch.ones(6))


def test_units_are_joined_until_they_exceed_256_characters() -> None:
    sentence = "A sentence of exactly fifty characters, counted so. "
    text = "Oh. " + sentence * 12  # the first is too short to count
    found = units(text)
    assert [text[start:end].count("exactly") for start, end in found] == [6, 6]  # 6 * 51 > 256 >= 5 * 51
    assert found[0][0] == 4 and units("") == [] and units("Only one here.") == [(0, 14)]


def test_tables_are_cut_at_their_lines() -> None:
    row = "| 12 | 0.5 | some cell | another cell |"
    found = units("\n".join([row] * 40))
    assert len(found) == 6 and all((end - start + 1) % (len(row) + 1) == 0 for start, end in found)


class Planted:
    """Vectors by the first letter of a text."""

    def __call__(self, texts: list[str]) -> torch.Tensor:
        return torch.stack([torch.nn.functional.one_hot(torch.tensor(ord(text[0]) % 4), 4).float() for text in texts])


def test_a_document_is_the_mean_over_its_boundaries() -> None:
    torch.manual_seed(1)
    model = DiscourseModel(4, 4, 2, 3)
    torch.nn.init.normal_(model.table)
    texts = ["".join(f"{letter} {'long sentence ' * 20}. " for letter in "ABCA"), "Short text.", ""]
    found = DiscourseScorer(model, Planted()).score(texts)  # type: ignore[arg-type]
    spans = units(texts[0])
    assert [boundary.at for boundary in found[0].boundaries] == [start for start, _ in spans[1:]] and len(spans) == 4
    vectors = Planted()([texts[0][start:end] for start, end in spans])
    scores = 1 - model(vectors[:-1], vectors[1:]).detach().exp()[:, -1]
    assert found[0].value == pytest.approx(float(scores.mean())) and found[1:] == [(None, []), (None, [])]


def test_units_without_words_are_tied_to_nothing() -> None:
    model = DiscourseModel(4, 4, 2, 3)
    rows, speech = "12 | 0.5; 77 | 0.1; " * 30, "words and more words " * 20
    found = DiscourseScorer(model, Planted()).score([f"A {speech}. 1 {rows}. B {speech}. A {speech}."])[0]  # type: ignore[arg-type]
    assert [boundary.score > 0 for boundary in found.boundaries] == [False, False, True]


def test_pairs_of_a_known_text() -> None:
    text = f"{SENTENCE}.\nHowever, it forgets\nwhat it wrote before that. Another sentence follows it here.\n\nSo, a new paragraph has no pair."
    pairs = list(neighbours(Document("s", "n", text), PairOptions()))
    assert pairs == [
        Pair(f"{SENTENCE}.", "it forgets what it wrote before that.", "however"),
        Pair("However, it forgets what it wrote before that.", "Another sentence follows it here.", NONE),
    ]
    assert not list(
        neighbours(Document("s", "n", "x = {1: 2, 3: 4, 5: 6} + [7, 8].\nHowever, a = b[3] ** 2 // {9}."), PairOptions())
    )


def documents(count: int) -> list[Document]:
    """Each says how a thing is, and `however` or `therefore` goes with what it says next."""
    rng, made = np.random.default_rng(0), []
    for number in range(count):
        good = rng.integers(2)
        first = f"The {'pleasant' if good else 'horrible'} weather of day {number} was noticed by everybody in town."
        tie, second = ("Therefore", "people went out to walk") if good else ("However", "people stayed inside to read")
        filler = "A completely different sentence about cooking rice stands here between them."
        made.append(Document(f"s{number % 97}", f"d{number}", f"{first} {tie}, {second} in house {number}. {filler}"))
    return made


def test_collected_pairs_are_balanced_and_capped() -> None:
    options = PairOptions(most=30, most_of_source=2, unrelated=0.5)
    found = collect(documents(200), options, seed=1)
    names = [pair.connective for pair in found]
    assert names.count("however") == names.count("therefore") == 30 and names.count(NONE) == 60
    assert sum(not pair.neighbours for pair in found) == 30 and found == collect(documents(200), options, seed=1)
    assert frequent(names, 30) == ("however", "therefore", NONE) and frequent(names, 31) == (NONE,)


def test_unrelated_sentences_are_of_two_documents() -> None:
    made = []
    for name in ("left", "right"):
        said = " ".join(f"The {name} river was crossed by people on day {number}." for number in range(60))
        tied = " ".join(f"However, the {name} bridge was closed to them in year {number}." for number in range(60))
        made.append(Document(name, name, f"{said} {tied}"))
    apart = [pair for pair in collect(made, PairOptions(), seed=0) if not pair.neighbours]
    assert len(apart) > 20
    assert all(("left" in pair.first) != ("left" in pair.second) for pair in apart)


def test_figures_of_a_known_prediction() -> None:
    probabilities = torch.tensor([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8], [0.4, 0.4, 0.2]])
    found = figures(probabilities.log(), torch.tensor([0, 1, 2, 2]), np.array([True, True, True, False]))
    assert found["accuracy"] == 0.5 and found["connective_accuracy"] == 0.5 and found["largest_class"] == 0.5
    assert found["auc_connective_or_none"] == 1.0 and found["auc_untied_neighbours_or_unrelated"] == 0.0


@pytest.mark.slow
def test_training_learns_planted_ties_resumes_and_ships(tmp_path: Path) -> None:
    lines = [json.dumps({"source": one.source, "text": one.text}) for one in documents(420)]
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("\n".join(lines))
    options = PairOptions(most_of_source=100)
    settings = DiscourseTraining(steps=150, batch=64, width=16, text=str(corpus), pairs=options)
    found = train_discourse(settings, tmp_path / "run", device="cpu")
    assert found["connective_accuracy"] > 0.95 > 0.8 > found["largest_class"] and found["auc_connective_or_none"] > 0.95
    (tmp_path / "run" / "checkpoint.safetensors").unlink()
    again = train_discourse(settings, tmp_path / "run", device="cpu")
    assert again == found  # vectors and pairs were kept, the steps are the same
    manifest = ship_discourse(tmp_path / "run", tmp_path / "shipped")
    assert manifest["classes"][-1] == NONE and manifest["results"] == found
    first, second = torch.randn(2, 3, 384)
    shipped, own = read_discourse(tmp_path / "shipped"), read_discourse(tmp_path / "run")
    assert torch.equal(shipped(first, second), own(first, second))


def test_texts_with_too_few_pairs_and_folders_without_a_model(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("\n".join(json.dumps({"source": f"s{number}", "text": SENTENCE}) for number in range(20)))
    with pytest.raises(UserError, match="holds 0 pairs to train on"):
        train_discourse(DiscourseTraining(text=str(corpus)), tmp_path / "run", device="cpu")
    with pytest.raises(UserError, match="holds no discourse model"):
        read_discourse(tmp_path)
