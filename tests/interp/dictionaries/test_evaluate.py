"""A perfect dictionary costs nothing, an empty one everything, and baselines are what they are said to be."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from interp.dictionaries import DictionarySet
from interp.dictionaries.board import Boards, board_score, claims_score
from interp.dictionaries.compare import summary
from interp.dictionaries.evaluate import SetEvaluation, evaluate_set, randomised
from interp.dictionaries.relu import ReluDictionary
from interp.dictionaries.traffic import traffic
from interp.dictionaries.transcoder import ReluTranscoder
from interp.othello.evaluate import batches
from interp.othello.probes import Probes
from interp.othello.transformer import OthelloConfig, OthelloTransformer

MODEL = OthelloTransformer(OthelloConfig(n_layers=1), generator=torch.Generator().manual_seed(0)).eval()
CONFIG = {"architecture": "standard", "d_in": 128, "d_sae": 256, "apply_b_dec_to_input": False}
GAMES, SEED = 3, 1


@pytest.fixture(scope="module")
def dictionaries() -> DictionarySet:
    """The identity, as pairs of opposite directions, at the attention; a transcoder that is always off at the MLP."""
    identity, empty = ReluDictionary(CONFIG), ReluTranscoder({**CONFIG, "architecture": "transcoder", "d_out": 128})
    signed = torch.cat([torch.eye(128), -torch.eye(128)])
    identity.requires_grad_(False).W_enc.copy_(signed.T)
    identity.W_dec.copy_(signed)
    return DictionarySet({"L0M": empty.requires_grad_(False), "L0A": identity})


@pytest.fixture(scope="module")
def result(dictionaries: DictionarySet) -> SetEvaluation:
    return evaluate_set(MODEL, dictionaries, games=GAMES, seed=SEED, probes=Probes(depths=2))


def test_identity_recovers_everything_and_an_empty_dictionary_nothing(result: SetEvaluation) -> None:
    whole, nothing = result.sites
    assert (whole["site"], nothing["site"]) == ("L0A", "L0M") and whole["loss_recovered"] == pytest.approx(1, abs=1e-3)
    assert whole["explained_variance"] == pytest.approx(1) and whole["antipodal"] > 0.95
    assert whole["norm_ratio"] == pytest.approx(1) and whole["legal_top1"] == result.model_legal_top1
    assert nothing["loss_recovered"] == pytest.approx(0, abs=1e-6) and nothing["l0"] == nothing["norm_ratio"] == 0
    assert result.joint_legal_top1 == nothing["legal_top1"], "spliced together, the empty one alone does damage"


def test_board_scores_are_fitted_on_the_next_stream(result: SetEvaluation, dictionaries: DictionarySet) -> None:
    rows, boards = [], []
    for seed in (SEED + 1, SEED):
        (batch,) = batches(GAMES, seed=seed)
        rows.append(dictionaries["L0A"].encode(traffic(MODEL, batch.tokens)["L0A"].written.flatten(0, 1)))
        boards.append(Boards.of(batch.games))
    score = board_score(rows[0], boards[0], rows[1], boards[1])
    assert (result.coverage["L0A"], result.reconstruction["L0A"]) == score and score.coverage > 0
    assert result.coverage["L0M"] == result.reconstruction["L0M"] == 0


def test_probes_that_always_say_mine(result: SetEvaluation) -> None:
    (batch,) = batches(GAMES, seed=SEED)
    boards = Boards.of(batch.games)
    always = claims_score(np.arange(128)[None].repeat(len(boards.mine), 0) < 64, boards)
    probes = result.baselines["probes"]
    assert probes is not None
    assert probes["coverage"] == {"L0A": always.coverage, "L0M": always.coverage}
    assert probes["reconstruction"] == {"L0A": always.reconstruction, "L0M": always.reconstruction}


def test_randomised_keeps_norms_and_all_but_the_encoder(dictionaries: DictionarySet) -> None:
    one = dictionaries["L0A"]
    other = randomised(one, torch.Generator().manual_seed(0))
    torch.testing.assert_close(other.W_enc.norm(dim=0), one.W_enc.norm(dim=0))
    assert (other.W_enc * one.W_enc).sum(0).abs().max() < 0.5 and torch.equal(other.W_dec, one.W_dec)


def test_summary_judges_only_sites_that_matter(result: SetEvaluation, dictionaries: DictionarySet) -> None:
    whole, nothing = ({**site, "zero_cost": cost} for site, cost in zip(result.sites, (0.5, 0.01), strict=True))
    row = summary("x", dictionaries, result._replace(sites=[whole, nothing]))
    assert row["least_recovered"] == whole["loss_recovered"] and row["l0"] == (whole["l0"] + nothing["l0"]) / 2
    assert row["least_explained"] == nothing["explained_variance"] and row["family"] == "standard"
    neither = summary("x", dictionaries, result._replace(sites=[nothing]))
    assert neither["least_recovered"] is None and math.isfinite(neither["explained_variance"])
