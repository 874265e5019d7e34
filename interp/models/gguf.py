"""Quantised GGUF files, converted once to float32 safetensors in the user's cache.

transformers unpacks a 4-bit GGUF in half a minute; the unpacked copy loads in under a second. The copy is named after
the file's content, so that another file never finds it, and it appears under that name only when it is complete.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import tempfile
from pathlib import Path
from typing import Any

from interp.runs.errors import UserError


def cache_folder() -> Path:
    """INTERP_CACHE, or `interp` in the user's cache folder (XDG_CACHE_HOME, else ~/.cache)."""
    if own := os.environ.get("INTERP_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "interp"


def converted(file: Path) -> Path:
    """A folder in transformers' format with the float32 weights and tokenizer of the GGUF `file`; made if absent.

    Raises UserError if transformers cannot read the file.
    """
    folder = cache_folder() / "models" / f"{file.stem}-{_fingerprint(file)}"
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".building-"))
    try:
        _convert(file, building)
        _publish(building, folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return folder


def _publish(building: Path, folder: Path) -> None:
    """Give a complete folder its name; a copy that another process finished first is as good."""
    try:
        building.rename(folder)
    except OSError:
        if not folder.exists():
            raise


def _fingerprint(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:16]


def _convert(file: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    named: dict[str, Any] = {"gguf_file": file.name, "local_files_only": True}
    try:
        tokenizer = AutoTokenizer.from_pretrained(file.parent, **named)
        model = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **named)
    except (OSError, ValueError, KeyError, struct.error) as error:
        raise UserError(f"{file} cannot be read as a GGUF language model ({error})") from None
    # The weights are unpacked by now; left in place, these two refuse to save them, and unpack them again at each load.
    model.hf_quantizer = None  # type: ignore[assignment]
    del model.config.quantization_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
