"""The card of the Othello transformer that we ship, written from the manifest of the run that trained it.

After Mitchell et al. 2019 (arXiv 1810.03993), reduced to what can be measured here: what it is, what it saw, how well
it does what it was trained for, and where it ends. Every figure comes from the manifest; none is typed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from interp.runs.errors import UserError

WEIGHTS = Path(__file__).parents[1] / "othello" / "weights"
"""Folder of `model.safetensors`, `manifest.json` (a run's manifest and the weights' `sha256`) and `MODEL_CARD.md`."""


def read_manifest(folder: Path = WEIGHTS) -> dict[str, Any]:
    """The manifest that lies beside the weights.

    Raises UserError if there is none, or the weights are not those that it describes.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        with (folder / "model.safetensors").open("rb") as weights:
            found = hashlib.file_digest(weights, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise UserError(f"the Othello transformer is not shipped in full: {error}") from None
    if manifest.get("sha256") != found:
        raise UserError(f"{folder} holds other weights than its manifest describes: sha256 {found}")
    return manifest


def _training(manifest: dict[str, Any]) -> str:
    """Table rows of the commands that made the weights, in their order."""
    runs = [*manifest["history"], manifest]
    rows = []
    for number, run in enumerate(runs, start=1):
        name = "command" if len(runs) == 1 else f"command {number} of {len(runs)}"
        note = f"; {run['note']}" if "note" in run else ""
        rows.append(f"| {name} | `{run['command']}` (seed {run['seed']}{note}) |")
    return "\n".join(rows)


def othello_card(folder: Path = WEIGHTS) -> str:
    """The card in Markdown. Raises UserError as `read_manifest` does."""
    manifest = read_manifest(folder)
    results = manifest["results"]
    return f"""# Othello transformer

A decoder of 6 layers, d_model 128, 8 heads of 16, MLP 512, GELU, pre-LayerNorm, learned positions, after He et al. 2024
(arXiv 2402.12201), trained by our own command. It predicts legal moves, not good ones. Licence: MIT.

| | |
|---|---|
| data | {manifest["games"]:,} random legal games, generated as needed; unseen games come from another stream |
| target | uniform over the legal moves (ours; the paper samples one move) |
{_training(manifest)}
| code | `{manifest.get("git_revision") or "unknown"}` |
| weights (sha256) | `{manifest["sha256"]}` |

Measured on {results["games"]:,} unseen games, after plies 1 to 59:

| measure | value |
|---|---|
| first choice legal | {results["legal_top1"]:.4f} |
| probability on legal moves | {results["legal_mass"]:.4f} |
| cross-entropy (nats) | {results["cross_entropy"]:.4f} |
| least possible (nats) | {results["floor"]:.4f} |

Limits: it knows random play only, so positions from expert games are unusual for it; it sees at most 60 moves; a pass
is not a token and has to be inferred from the moves.
"""
