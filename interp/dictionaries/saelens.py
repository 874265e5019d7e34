"""Folders in SAELens' format: `cfg.json` and `sae_weights.safetensors`, read and written bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from interp.dictionaries.base import Dictionary
from interp.dictionaries.jumprelu import JumpReluDictionary
from interp.dictionaries.relu import ReluDictionary
from interp.dictionaries.topk import TopKDictionary
from interp.dictionaries.transcoder import JumpReluTranscoder, ReluTranscoder
from interp.runs.atomic import write_json, write_tensors
from interp.runs.errors import UserError

ARCHITECTURES: dict[str, type[Dictionary]] = {
    kind.architecture: kind
    for kind in (ReluDictionary, TopKDictionary, JumpReluDictionary, ReluTranscoder, JumpReluTranscoder)
}


def save_dictionary(dictionary: Dictionary, folder: Path) -> None:
    """Write one dictionary."""
    write_tensors(folder / "sae_weights.safetensors", dictionary.state_dict())
    write_json(folder / "cfg.json", dictionary.config)


def load_dictionary(folder: Path) -> Dictionary:
    """Read one dictionary. Raises UserError for a folder that holds none, or one of a kind or option we do not know."""
    try:
        config = json.loads((folder / "cfg.json").read_text())
        weights = load_file(folder / "sae_weights.safetensors")
        kind = config["architecture"]
        _refuse_unknown(folder, config)
        dictionary = ARCHITECTURES[kind]({"apply_b_dec_to_input": False, **config})
        dictionary.config = config if "apply_b_dec_to_input" in config else dictionary.config
        dictionary.load_state_dict(weights)
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        told = " ".join(str(error).split())
        raise UserError(f"{folder} holds no dictionary in SAELens format ({type(error).__name__}: {told})") from None
    return dictionary.eval().requires_grad_(False)


def _refuse_unknown(folder: Path, config: dict[str, object]) -> None:
    if config["architecture"] not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise UserError(f"{folder} holds a dictionary of kind '{config['architecture']}'; known kinds are {known}")
    for option in ("normalize_activations", "reshape_activations"):
        if config.get(option, "none") != "none":
            raise UserError(f"{folder} asks for {option} '{config[option]}'; only 'none' is supported")
    if config.get("rescale_acts_by_decoder_norm"):
        raise UserError(f"{folder} asks for activations rescaled by decoder norms; fold them in SAELens first")
