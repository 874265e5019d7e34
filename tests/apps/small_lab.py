"""The real lab on a small untrained transformer with random dictionaries: everything is computed, nothing is shipped."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from apps.circuits_panels import feature_cards, othello_lab
from interp.dictionaries.sets import DictionarySet
from interp.dictionaries.topk import TopKDictionary
from interp.othello import transformer
from interp.othello.transformer import OthelloConfig, OthelloTransformer

FEATURES = 40


def random_set(model: OthelloTransformer, seed: int) -> DictionarySet:
    """TopK dictionaries with unit decoders and their transposes as encoders."""
    generator = torch.Generator().manual_seed(seed)
    made = {}
    for site in model.sites:
        width = model.config.d_model
        dictionary = TopKDictionary({"d_in": width, "d_sae": FEATURES, "k": 6, "apply_b_dec_to_input": True})
        directions = torch.nn.functional.normalize(torch.randn(FEATURES, width, generator=generator), dim=-1)
        dictionary.W_dec.data, dictionary.W_enc.data = directions, directions.T.clone()
        dictionary.b_dec.data = 0.01 * torch.randn(width, generator=generator)
        made[site] = dictionary.requires_grad_(False)
    return DictionarySet(made)


def small_lab(monkeypatch: pytest.MonkeyPatch, folder: Path) -> othello_lab.OthelloLab:
    """A lab with two sets whose cards would lie in `folder`/NAME."""
    model = OthelloTransformer(
        OthelloConfig(n_layers=2, d_model=32, n_heads=4, d_mlp=64), generator=torch.Generator().manual_seed(0)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(8 if parameter.ndim == 2 else 1)
    sets = {"topk": random_set(model, 1), "l1": random_set(model, 2)}
    for place in (othello_lab, transformer):
        monkeypatch.setattr(place, "load_shipped", lambda: model.eval())
    monkeypatch.setattr(othello_lab, "load_set", sets.__getitem__)
    monkeypatch.setattr("interp.dictionaries.load_set", sets.__getitem__)
    monkeypatch.setattr(othello_lab, "shipped_sets", lambda: sorted(sets))
    monkeypatch.setattr(feature_cards, "set_folder", lambda name: folder / name)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    feature_cards.stored_cards.cache_clear()
    return othello_lab.OthelloLab()
