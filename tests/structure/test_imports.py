"""TransformerLens costs ten seconds to import: what needs no language model never pays for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = "[name for name in ('transformer_lens', 'transformers') if name in sys.modules]"


def modules(folder: str) -> list[str]:
    """Every module below `folder` that may be imported without starting something."""
    files = sorted((ROOT / folder).rglob("*.py"))
    return [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files if not file.stem.startswith("__")]


@pytest.mark.parametrize(
    "code",
    [
        *(
            f"import {', '.join(modules(package))}"
            for package in (
                "interp",
                "training",
                "apps/circuits_panels",
                "apps/clusters_panels",
                "apps/longtext_panels",
                "apps/moe_panels",
            )
        ),
        "from interp.models.network import Network; from interp.othello.transformer import OthelloTransformer\n"
        "Network.from_othello(OthelloTransformer())",
    ],
)
def test_language_model_libraries_stay_out(code: str) -> None:
    child = subprocess.run([sys.executable, "-c", f"{code}\nimport sys; print({HEAVY})"], capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    assert child.stdout.strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize("words", [["othello", "perft", "--depth", "3"], ["models"], ["models", "check", "absent"]])
def test_verbs_without_a_language_model_stay_light(words: list[str]) -> None:
    code = f"import sys; from interp.cli.main import main\ntry: main({words})\nexcept SystemExit: print({HEAVY})"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert child.stdout.strip().splitlines()[-1] == "[]", child.stderr
