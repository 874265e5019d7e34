"""What the panels get from the library, against the identities that hold on any model, trained or not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from random_lab import RandomLab
from small_lab import small_lab

from apps.circuits_panels import feature_cards, find_presets
from apps.circuits_panels.lab import Lab
from apps.circuits_panels.othello_lab import OthelloLab
from apps.circuits_panels.presets import preset_of
from apps.circuits_panels.state import parse_target
from interp.circuits.export import schema
from interp.dictionaries import cards
from interp.othello.games import random_games
from interp.othello.notation import TOKEN_OF_SQUARE, parse_moves
from interp.runs.errors import UserError

MOVES = tuple(parse_moves("f5 d6 c3 d3 c4 f4 e6"))
TARGETS = ("logit:f6@7", "feature:L1M/{active}@7", "attention:L1H2@7,4")


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[OthelloLab]:
    yield small_lab(monkeypatch, tmp_path)
    feature_cards.stored_cards.cache_clear()


def _active(lab: OthelloLab, site: str = "L1M", set_name: str = "topk") -> int:
    table = lab.decomposed(MOVES, set_name).sources
    order, last = lab.sites.index(site) + 1, len(MOVES) - 1
    return int(table.index[(table.order == order) & (table.position == last) & (table.index >= 0)][0])


def _targets(lab: OthelloLab) -> list[str]:
    return [target.format(active=_active(lab)) for target in TARGETS]


def test_random_lab_answers_what_the_panels_ask() -> None:
    asked = {name for name in vars(Lab) if not name.startswith("_")} | set(Lab.__annotations__)
    assert {name for name in asked if not hasattr(RandomLab(), name)} == set()


def test_circuit_adds_up_and_is_drawable(lab: OthelloLab) -> None:
    for target in _targets(lab):
        circuit = lab.trace(MOVES, target, "topk")
        assert sum(circuit.sums.values()) == pytest.approx(circuit.value, abs=1e-4)
        assert set(circuit.nodes["row"]) <= {"target", "embed", *lab.sites}
        assert set(circuit.nodes["kind"]) <= {"target", "feature", "error", "bias", "embedding"}
        assert circuit.nodes["id"].is_unique and circuit.edges["influence"].between(0, 1.0001).all()


def test_inputs_of_a_node_add_up_to_it(lab: OthelloLab) -> None:
    node = f"L1M/{_active(lab)}@7"
    inputs = lab.inputs(MOVES, "logit:f6@7", "topk", node)
    circuit = lab.trace(MOVES, f"feature:{node}", "topk")
    own = circuit.sums["biases"] - inputs.loc[inputs["kind"] == "bias", "contribution"].sum()
    assert inputs["contribution"].sum() + own == pytest.approx(circuit.value, abs=1e-4)
    with pytest.raises(UserError, match="no feature"):
        lab.inputs(MOVES, "logit:f6@7", "topk", "L1M/99999@7")


def test_pairs_of_a_score_add_up_from_either_side(lab: OthelloLab) -> None:
    target = TARGETS[2]
    pairs, value = lab.pairs(MOVES, target, "topk"), lab.trace(MOVES, target, "topk").value
    for side in pairs.sides.values():
        assert side["contribution"].sum() == pytest.approx(value, abs=1e-4)
        assert side["contribution"].abs().is_monotonic_decreasing
    assert pairs.total == len(pairs.sides["query"]) * len(pairs.sides["key"])


def test_scaling_with_all_else_held_changes_what_was_predicted(lab: OthelloLab) -> None:
    for target in _targets(lab):
        nodes = lab.trace(MOVES, target, "topk").nodes
        chosen = nodes[nodes["kind"].isin(["feature", "error"])].head(4)["id"].tolist()
        result = lab.ablate(MOVES, target, "topk", chosen, 0.5)
        assert result.each["id"].tolist() == [*chosen, "together"]
        assert np.allclose(result.each["held"], result.each["predicted"], atol=1e-4)
        assert result.before.sum() == pytest.approx(1, abs=0.2) and not np.allclose(result.before, result.after)
    untouched = lab.ablate(MOVES, "logit:f6@7", "topk", chosen, 1.0)
    assert np.allclose(untouched.each[["predicted", "held", "measured"]], 0, atol=1e-5)


def test_counterpart_is_the_nearest_direction(lab: OthelloLab) -> None:
    assert lab.counterpart("topk", "L0M", 7, "topk") == (7, pytest.approx(1))
    mine, others = lab.dictionaries("topk")["L0M"].W_dec[7], lab.dictionaries("l1")["L0M"].W_dec
    cosines = torch.cosine_similarity(mine, others)
    assert lab.counterpart("topk", "L0M", 7, "l1") == (int(cosines.argmax()), pytest.approx(float(cosines.max()), abs=1e-5))


def test_document_is_in_neuronpedias_schema(lab: OthelloLab) -> None:
    import jsonschema

    for target in _targets(lab):
        document = json.loads(json.dumps(lab.document(MOVES, target, "topk"), allow_nan=False))
        jsonschema.validate(document, schema())
        assert parse_target(document["nodes"][0]["node_id"])[1] == 7 and document["metadata"]["scan"] == "othello-topk"


def test_notebook_cell_runs_and_traces_the_same(lab: OthelloLab) -> None:
    for target in _targets(lab):
        names: dict[str, Any] = {}
        exec(lab.notebook_cell(MOVES, target, "topk"), names)
        assert names["graph"].value == pytest.approx(lab.trace(MOVES, target, "topk").value)


def test_without_cards_the_command_is_named_and_the_weights_speak(lab: OthelloLab) -> None:
    assert "interp dictionaries features --set l1" in lab.cards_notice("l1")
    card = lab.card("topk", "L0M", 3)
    assert card is not None and card.label == "" and lab.card("topk", "L0M", 99999) is None
    row = lab.dictionaries("topk")["L0M"].W_dec[3].detach() * lab.model.norm_final.weight
    direct = (lab.model.unembed.weight.detach() @ row.detach())[TOKEN_OF_SQUARE[[19, 44]]]
    assert card.boards[0][1][19] - card.boards[0][1][44] == pytest.approx(float(direct[0] - direct[1]), abs=1e-5)
    assert lab.search("topk", "c4", MOVES).empty


def test_unreadable_cards_are_named(lab: OthelloLab, tmp_path: Path) -> None:
    (tmp_path / "topk").mkdir()
    (tmp_path / "topk" / "cards.parquet").write_bytes(b"no parquet")
    assert "cards.parquet of this set holds no feature cards" in lab.cards_notice("topk")
    assert lab.trace(MOVES, "logit:f6@7", "topk").nodes["label"].str.len().min() > 0


@pytest.fixture
def labelled(lab: OthelloLab, tmp_path: Path) -> OthelloLab:
    sets = {site: lab.dictionaries("topk")[site] for site in lab.sites}
    cards.compute(lab.model, sets, tmp_path / "topk" / "cards.parquet", games=6, top=16)
    return lab


def test_cards_label_nodes_and_are_found_by_label(labelled: OthelloLab, tmp_path: Path) -> None:
    stored = cards.Cards(tmp_path / "topk" / "cards.parquet")
    index = _active(labelled)
    expected = stored.card("L1M", index)
    assert expected is not None and labelled.cards_notice("topk") == "" and labelled.cards_notice("l1") != ""
    nodes = labelled.trace(MOVES, f"feature:L1M/{index}@7", "topk").nodes.set_index("id")
    features = nodes[nodes["kind"] == "feature"]
    doubt = "" if expected.f1_held_out >= feature_cards.TRUSTED else "?"
    assert feature_cards.short_label("topk", "L1M", index) == f"{expected.label}{doubt}"
    assert all(" " in label for label in features["label"])
    row = features.iloc[0]
    card = stored.card(row["site"], row["index"])
    assert card is not None and row["density"] == pytest.approx(card.frequency)
    assert nodes.loc[nodes["kind"] != "feature", "density"].isna().all()
    hits = labelled.search("topk", expected.label, MOVES)
    assert (hits["activation"] > 0).is_monotonic_decreasing
    assert set(hits["label"]) == {expected.label} and index in hits.loc[hits["site"] == "L1M", "index"].tolist()
    active = hits.loc[(hits["site"] == "L1M") & (hits["index"] == index), "activation"].iloc[0]
    table = labelled.decomposed(MOVES, "topk").sources
    assert active == pytest.approx(
        float(table.activation[(table.index == index) & (table.position == 6) & (table.order == 4)][0])
    )


def test_drawn_card_shows_the_stored_numbers(labelled: OthelloLab, tmp_path: Path) -> None:
    index = _active(labelled)
    stored = cards.Cards(tmp_path / "topk" / "cards.parquet").card("L1M", index)
    drawn = labelled.card("topk", "L1M", index)
    assert stored is not None and drawn is not None and drawn.label.rstrip("?") == stored.label
    assert drawn.facts["F1 on other games"].startswith(f"{stored.f1_held_out:.2f}")
    assert drawn.label.endswith("?") == ("?" in drawn.facts["F1 on other games"])
    assert drawn.histogram["right"].iloc[-1] == pytest.approx(stored.maximum)
    assert np.array_equal(drawn.boards[0][1], stored.mine) and len(drawn.examples) == len(stored.examples) > 0
    moves, strength = drawn.examples[0]
    position = labelled.decomposed(moves, "topk").sources
    found = (position.index == index) & (position.position == len(moves) - 1) & (position.order == 4)
    assert float(position.activation[found][0]) == pytest.approx(strength, abs=stored.maximum / 255)


def test_lab_without_dictionaries_says_what_makes_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    small_lab(monkeypatch, tmp_path)
    monkeypatch.setattr("apps.circuits_panels.othello_lab.shipped_sets", lambda: [])
    with pytest.raises(UserError, match="interp dictionaries train"):
        OthelloLab()


def test_search_for_presets_finds_circuits_that_trace(lab: OthelloLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find_presets, "PLIES", (8, 11))
    monkeypatch.setattr(find_presets, "FLIP_GAMES", 20)
    monkeypatch.setattr(find_presets, "SURE", 0.0)
    games = random_games(3, seed=1, split="test")
    entries = [
        find_presets.legality(lab, games, "topk"),
        find_presets.flip(lab, games, "topk", sites=("L0M", "L1M")),
        find_presets.alternation(lab, games, "topk"),
        find_presets.parity(lab, games, "topk"),
    ]
    presets = [preset_of(**json.loads(json.dumps(entry))) for entry in entries]
    assert [preset.screen.target.kind for preset in presets] == ["logit", "feature", "feature", "attention"]
    for preset in presets:
        circuit = lab.trace(preset.screen.shown, preset.screen.target_text, preset.screen.set)
        assert sum(circuit.sums.values()) == pytest.approx(circuit.value, abs=1e-3)
    for preset in presets[1:3]:
        assert lab.trace(preset.screen.shown, preset.screen.target_text, "topk").value > 0
