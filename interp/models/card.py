"""Cards of what we ship: the Othello transformer with its probes, and the dictionary sets.

After Mitchell et al. 2019 (arXiv 1810.03993), reduced to what can be measured here: what it is, what it saw, how well
it does what it was trained for, and where it ends. Every figure comes from a manifest that a run left beside the
weights; none is typed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from interp.runs.atomic import sha256
from interp.runs.errors import UserError

_PACKAGE = Path(__file__).parents[1]
WEIGHTS = _PACKAGE / "othello" / "weights"
"""Folder of `model.safetensors`, `manifest.json` (a run's manifest and the weights' `sha256`), `MODEL_CARD.md`, and the
probes with their `probes.json`."""
SETS = _PACKAGE / "dictionaries" / "weights"
"""Folder of the dictionary sets, each with `manifest.json` (a run's manifest, and what `evaluate` found)."""


def read_manifest(folder: Path = WEIGHTS) -> dict[str, Any]:
    """The manifest that lies beside the weights.

    Raises UserError if there is none, or the weights are not those that it describes.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        found = sha256(folder / "model.safetensors")
    except (OSError, ValueError) as error:
        raise UserError(f"the Othello transformer is not shipped in full: {error}") from None
    if manifest.get("sha256") != found:
        raise UserError(f"{folder} holds other weights than its manifest describes: sha256 {found}")
    return manifest


def othello_card(folder: Path = WEIGHTS) -> str:
    """The transformer's card in Markdown, its probes included. Raises UserError as `read_manifest` does."""
    manifest = read_manifest(folder)
    results = manifest["results"]
    about = [
        ("data", f"{manifest['games']:,} random legal games, made as needed; unseen games come from another stream"),
        ("target", "uniform over the legal moves (ours; the paper samples one move)"),
        *_commands(manifest),
        ("code", f"`{manifest.get('git_revision') or 'unknown'}`"),
        ("weights (sha256)", f"`{manifest['sha256']}`"),
    ]
    measures = {
        "first choice legal": "legal_top1",
        "probability on legal moves": "legal_mass",
        "cross-entropy (nats)": "cross_entropy",
        "least possible (nats)": "floor",
    }
    return f"""# Othello transformer

A decoder of 6 layers, d_model 128, 8 heads of 16, MLP 512, GELU, pre-LayerNorm, learned positions, after He et al. 2024
(arXiv 2402.12201), trained by our own command. It predicts legal moves, not good ones. Licence: MIT.

{_table(("", ""), about)}
Measured on {results["games"]:,} unseen games, after plies 1 to 59:

{_table(("measure", "value"), [(name, f"{results[key]:.4f}") for name, key in measures.items()])}
Limits: it knows random play only, so positions from expert games are unusual for it; it sees at most 60 moves; a pass
is not a token and has to be inferred from the moves.
{_probes(folder)}"""


def _commands(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The commands that made the weights, in their order."""
    runs = [*manifest["history"], manifest]
    rows = []
    for number, run in enumerate(runs, start=1):
        name = "command" if len(runs) == 1 else f"command {number} of {len(runs)}"
        note = f"; {run['note']}" if "note" in run else ""
        rows.append((name, f"`{run['command']}` (seed {run['seed']}{note})"))
    return rows


def _probes(folder: Path) -> str:
    """The section on the probes; empty where none lie beside the transformer."""
    if not (folder / "probes.json").exists():
        return ""
    report = json.loads((folder / "probes.json").read_text())
    read = ("accuracy", "random_weights", "majority")
    rows = [
        (" / ".join(report["frames"][row["frame"]]), row["depth"], *(f"{row[key]:.4f}" for key in read))
        for row in report["accuracy"]
    ]
    header = ("states", "after layer", "read correctly", "random weights", "majority")
    return f"""
## Probes

Linear maps from the residual stream to the state of each square, fitted to {report["games"]:,} games (seed
{report["seed"]}), measured on {report["test_games"]:,} unseen ones; 0 is the sum of the embeddings. Licence: MIT.

{_table(header, rows)}"""


def set_card(folder: Path) -> str:
    """The card of the dictionary set in `folder`, in Markdown. Raises UserError if there is no set or no manifest."""
    configs = {path.parent.name: json.loads(path.read_text()) for path in sorted(folder.glob("L*[AM]/cfg.json"))}
    if not configs or not (folder / "manifest.json").exists():
        raise UserError(f"{folder} holds no dictionary set with a manifest.json")
    manifest, first = json.loads((folder / "manifest.json").read_text()), next(iter(configs.values()))
    about = [
        ("architecture", f"{first['architecture']}, {first['d_in']} -> {first['d_sae']}"),
        ("sites", " ".join(configs)),
        *_commands(manifest),
        ("data", f"{manifest['positions']:,} positions of random games; unseen games come from another stream"),
        ("code", f"`{manifest.get('git_revision') or 'unknown'}`"),
        ("transformer (sha256)", f"`{manifest['transformer']}`"),
    ]
    return f"""# Dictionary set {folder.name}

Sparse dictionaries of what each site of the Othello transformer writes. Licence: MIT.

{_table(("", ""), about)}
{_kept(manifest["results"])}"""


def _kept(results: Mapping[str, Any]) -> str:
    """What a set keeps of the transformer, site by site."""
    keys = ("l0", "explained_variance", "loss_recovered", "zero_cost", "alive")
    rows = [(site["site"], *(_number(site[key]) for key in keys)) for site in results["sites"]]
    joint, alone = results["joint_legal_top1"], results["model_legal_top1"]
    return f"""Measured on {results["games"]:,} unseen games:

{_table(("site", *(key.replace("_", " ") for key in keys)), rows)}
First choice legal: {alone:.4f} as trained, {joint:.4f} with all sites spliced.
"""


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in lines)


def cards() -> str:
    """The cards of everything that ships on this machine. Raises UserError if the transformer does not ship."""
    sets = [folder for folder in sorted(SETS.glob("*")) if (folder / "manifest.json").exists()]
    return "\n".join([othello_card(), *(set_card(folder) for folder in sets)])
