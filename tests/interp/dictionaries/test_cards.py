"""Cards of a dictionary whose features are known: one for each move, read off a model that knows nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from interp.dictionaries import DictionarySet
from interp.dictionaries.cards import EXAMPLES, Cards, compute
from interp.dictionaries.jumprelu import JumpReluDictionary
from interp.dictionaries.traffic import traffic
from interp.othello.games import Games, random_games, replay, tokens, unpack
from interp.othello.notation import SQUARE_OF_TOKEN, parse_square
from interp.othello.transformer import OthelloConfig, OthelloTransformer
from interp.runs.errors import UserError

GAMES, SEED = 60, 5


@pytest.fixture(scope="module")
def model() -> OthelloTransformer:
    """What its MLP writes depends on the last move alone."""
    found = OthelloTransformer(OthelloConfig(n_layers=1), generator=torch.Generator().manual_seed(0)).eval()
    found.requires_grad_(False)
    found.pos_embed.weight.zero_()
    found.blocks[0].attention.output.weight.zero_()  # type: ignore[union-attr]
    return found


@pytest.fixture(scope="module")
def cards(model: OthelloTransformer, tmp_path_factory: pytest.TempPathFactory) -> Cards:
    """Feature t is 2 when token t was just played, and 0 otherwise; features above 59 are dead."""
    written = traffic(model, torch.arange(60)[:, None])["L0M"].written[:, 0]
    dictionary = JumpReluDictionary(
        {"architecture": "jumprelu", "d_in": 128, "d_sae": 64, "apply_b_dec_to_input": False}
    ).requires_grad_(False)
    dictionary.W_enc[:, :60] = 2 * torch.linalg.pinv(written)
    dictionary.W_dec.normal_(generator=torch.Generator().manual_seed(1))
    dictionary.threshold.fill_(1.0)
    path = tmp_path_factory.mktemp("cards") / "cards.parquet"
    compute(model, DictionarySet({"L0M": dictionary}), path, games=GAMES, seed=SEED)
    return Cards(path)


def _games() -> Games:
    return random_games(GAMES, seed=SEED, split="test")


def test_labels_and_statistics(cards: Cards) -> None:
    assert len(cards) == 60 and cards.card("L0M", 60) is None and cards.label("L0M", 61) is None
    square = parse_square("c4")
    token = int(tokens(np.array([square], np.uint8))[0])
    card = cards.card("L0M", token)
    assert card is not None and cards.label("L0M", token) == card.label == "c4 was just played"
    assert card.f1 == card.f1_held_out == 1.0
    games = _games()
    played = games.moves[:, :59] == square
    assert card.frequency == pytest.approx(played.mean()) and card.maximum == pytest.approx(2, abs=1e-3)
    assert card.moves[square] == 1 and np.count_nonzero(card.moves) == 1
    assert card.histogram[-1] == 1 and card.mine[square] == 1 and card.theirs[square] == 0
    flips = unpack(games.flipped[:, :59][played]).mean(0)
    np.testing.assert_allclose(card.flips, flips / flips.max(), atol=0.5 / 31 + 1e-6)
    assert card.black == pytest.approx(games.black[:, :59][played].mean())
    plies = played.sum(0) / played.sum(0).max()
    np.testing.assert_allclose(card.plies, plies, atol=0.5 / 31 + 1e-6)


def test_logits_are_the_direct_path(cards: Cards, model: OthelloTransformer) -> None:
    rows = torch.empty(64, 128).normal_(generator=torch.Generator().manual_seed(1))
    card = cards.card("L0M", 7)
    assert card is not None and np.isnan(card.logits[[27, 28, 35, 36]]).all()
    direct = ((rows[7] - rows[7].mean()) @ model.unembed.weight[:60].T).numpy()  # the untrained gain is one
    np.testing.assert_allclose(
        card.logits[SQUARE_OF_TOKEN], direct - direct.mean(), atol=np.abs(direct - direct.mean()).max() / 29
    )


def test_examples_are_games_in_which_the_feature_fires(cards: Cards) -> None:
    for token in (0, 30, 59):
        card = cards.card("L0M", token)
        assert card is not None and len(card.examples) == EXAMPLES
        for moves, activation in card.examples:
            assert moves[-1] == SQUARE_OF_TOKEN[token] and activation == pytest.approx(card.maximum, rel=1 / 255)
            replay(list(moves))  # raises at an illegal move


def test_search_wants_every_word(cards: Cards) -> None:
    assert [card.label for card in cards.search("C4 played")] == ["c4 was just played"]
    assert len(cards.search("played", limit=7)) == 7 and cards.search("c4 mine") == []


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cards.parquet").write_bytes(b"no")
    with pytest.raises(UserError, match="holds no feature cards"):
        len(Cards(tmp_path / "cards.parquet"))
    with pytest.raises(UserError, match="holds no feature cards"):
        len(Cards(tmp_path / "absent.parquet"))
