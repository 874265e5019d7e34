"""Writes `presets.json`: `python -m apps.circuits_panels.find_presets` searches the shipped model for circuits to open on.

The paper's worked circuits (He et al. 2024, arXiv 2402.12201) are looked for with `interp.circuits.worked` on games of
the test stream: a legality logit that the last MLP carries, a flip feature of an early MLP, a mine/theirs alternation in
OV, and a head whose scores alternate with distance. Feature numbers change with every training, so this is run again
whenever weights are replaced. How the examples are ranked is our choice; every number in a description is measured here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from apps.circuits_panels.link import link_params
from apps.circuits_panels.othello_lab import OthelloLab
from apps.circuits_panels.presets import FILE
from apps.circuits_panels.state import Screen, Target
from interp.circuits import worked
from interp.circuits.decomposition import Decomposition
from interp.othello.games import POSITIONS, Games, random_games, squares_of, unpack
from interp.othello.notation import SQUARE_OF_TOKEN, TOKEN_OF_SQUARE, square_name
from interp.runs.atomic import write_json

GAMES, SEED, PLIES = 12, 5, (14, 20, 26)
"""Games searched, their stream, and the numbers of moves after which positions are looked at."""
SURE = 0.97
"""The legality circuit is looked for where the model gives legal moves at least this probability."""
FLIP_GAMES = 60


class Position(NamedTuple):
    """A position of the search."""

    game: int
    ply: int
    decomposition: Decomposition


def positions(lab: OthelloLab, games: Games, set_name: str) -> Iterator[Position]:
    """Every position of the search, decomposed."""
    for game in range(len(games.moves)):
        for ply in PLIES:
            moves = tuple(games.moves[game, :ply].tolist())
            yield Position(game, ply, lab.decomposed(moves, set_name))


def screen_of(games: Games, game: int, ply: int, target: Target, **rest: Any) -> Screen:
    """The screen that shows a target after a move of a game."""
    return Screen(tuple(games.moves[game].tolist()), ply, target, **rest)


def legality(lab: OthelloLab, games: Games, set_name: str) -> dict[str, Any]:
    """The legal move whose logit owes the largest share to features of the last MLP."""
    best: tuple[float, Position, worked.LegalityLogit] | None = None
    for place in positions(lab, games, set_name):
        legal = [int(TOKEN_OF_SQUARE[square]) for square in squares_of(games.legal[place.game, place.ply - 1])]
        if float(place.decomposition.record.logits[-1].softmax(-1)[legal].sum()) < SURE:
            continue
        found = worked.legality_logit(place.decomposition, legal)
        share = found.from_last_mlp / max(found.value, 1.0)
        if best is None or share > best[0]:
            best = share, place, found
    assert best is not None, "in no position of the search is the model sure of the legal moves"
    share, place, found = best
    square = int(SQUARE_OF_TOKEN[found.target.token])
    about = (
        f"The logit of {square_name(square)} stands {found.value:.1f} above the mean of all squares; features of the last "
        f"MLP contribute {found.from_last_mlp:.1f} of it."
    )
    screen = screen_of(games, place.game, place.ply, Target("logit", square=square), set=set_name)
    return _entry(f"Legality: why {square_name(square)} may be played at move {place.ply + 1}", about, screen)


def flip(lab: OthelloLab, games: Games, set_name: str, *, sites: Sequence[str] = ("L0M", "L1M")) -> dict[str, Any]:
    """The best detector of a turned square in an early MLP, at a move where it is strong."""
    sample = random_games(FLIP_GAMES, seed=SEED + 1, split="test")
    dictionaries = lab.dictionaries(set_name)
    found = [(site, worked.flip_features(lab.network, dictionaries[site], site, sample, count=1)[0]) for site in sites]
    site, feature = max(found, key=lambda pair: pair[1].f1)
    game, ply = _strongest_flip(lab, games, set_name, site, feature)
    about = (
        f"{site}/{feature.feature} is active when {square_name(feature.square)} is turned by the move just made: "
        f"F1 {feature.f1:.2f} (precision {feature.precision:.2f}, recall {feature.recall:.2f}) over {FLIP_GAMES} games."
    )
    screen = screen_of(games, game, ply, Target("feature", site=site, index=feature.feature), set=set_name)
    return _entry(f"A flip detector in an early MLP: {square_name(feature.square)} is turned", about, screen)


def _strongest_flip(lab: OthelloLab, games: Games, set_name: str, site: str, feature: worked.FlipFeature) -> tuple[int, int]:
    """Game and ply at which the square is turned and the feature is largest."""
    turned = unpack(games.flipped[:, :POSITIONS])[..., feature.square]
    with torch.inference_mode():
        written = lab.model.write_sites(torch.as_tensor(TOKEN_OF_SQUARE[games.moves[:, :POSITIONS]]))[site]
        active = lab.dictionaries(set_name)[site].encode(written)[..., feature.feature].numpy()
    game, ply = np.unravel_index(np.argmax(np.where(turned, active, -1.0)), turned.shape)
    return int(game), int(ply) + 1


def alternation(lab: OthelloLab, games: Games, set_name: str, *, sites: Sequence[str] = ("L0A", "L1A")) -> dict[str, Any]:
    """The attention feature to which moves at even and odd distance contribute most against each other."""
    best: tuple[Position, worked.Alternation] | None = None
    for place in positions(lab, games, set_name):
        for site in sites:
            found = worked.alternations(place.decomposition, site)
            if found and (best is None or found[0].score > best[1].score):
                best = place, found[0]
    assert best is not None, "no attention feature is active in the search"
    place, found_best = best
    target = found_best.target
    about = (
        f"To {target.site}/{target.index}, moves at an even distance contribute {found_best.even:+.2f} and those at an odd "
        f"distance {found_best.odd:+.2f}: what was mine a move ago is theirs now."
    )
    screen = screen_of(games, place.game, place.ply, Target("feature", site=target.site, index=target.index), set=set_name)
    return _entry(f"Mine and theirs alternate in OV: {target.site}/{target.index}", about, screen)


def parity(lab: OthelloLab, games: Games, set_name: str) -> dict[str, Any]:
    """The head whose position part of the score alternates most, at the move it looks at most."""
    place = Position(0, PLIES[-1], lab.decomposed(tuple(games.moves[0, : PLIES[-1]].tolist()), set_name))
    contrasts = worked.positional_parity(place.decomposition)
    layer, head = (int(number) for number in np.unravel_index(int(contrasts.abs().argmax()), contrasts.shape))
    contrast = float(contrasts[layer, head])
    pattern = place.decomposition.record.layers[layer].pattern[head, -1]
    whose = "the other player's" if contrast > 0 else "the same player's"
    about = (
        f"From positions alone, L{layer}H{head} scores {whose} moves {abs(contrast):.1f} standard deviations above the "
        "others: in QK, whose turn it was is read from the parity of the distance."
    )
    target = Target("attention", layer=layer, head=head, key=int(pattern.argmax()) + 1)
    screen = screen_of(games, place.game, place.ply, target, set=set_name, panel="Attention")
    return _entry(f"Positional parity in QK: head L{layer}H{head}", about, screen)


def _entry(name: str, about: str, screen: Screen) -> dict[str, Any]:
    return {"name": name, "about": about, "link": link_params(screen)}


def main() -> None:
    """Search and write the file."""
    lab = OthelloLab()
    games = random_games(GAMES, seed=SEED, split="test")
    set_name = lab.sets[0]
    entries = [search(lab, games, set_name) for search in (legality, flip, alternation, parity)]
    write_json(FILE, entries)
    for entry in entries:
        print(f"{entry['name']}: {entry['link']['target']}")


if __name__ == "__main__":
    main()
