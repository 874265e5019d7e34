"""Read dictionaries of a language model from a folder, whatever its sub-folders are called.

Our own sets name a folder after its site. SAELens' users name theirs as they like, and the file says which hook it is
for (`hook_name`, in `metadata` since version 6; `hook_name_out` of a transcoder).
"""

from __future__ import annotations

import json
from pathlib import Path

from interp.dictionaries.base import Dictionary
from interp.dictionaries.language_sites import read_hook, site_of_hook
from interp.dictionaries.saelens import load_dictionary
from interp.dictionaries.sets import DictionarySet
from interp.runs.errors import UserError


def load_language_set(folder: Path) -> DictionarySet:
    """All dictionaries below `folder`, itself included.

    Raises UserError if there is none, one cannot be read, one belongs to no write site or (a transcoder) reads something
    else than the MLP's normalised input, or two belong to the same site.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder; expected one with dictionaries in SAELens format")
    found: dict[str, Dictionary] = {}
    for file in sorted(folder.rglob("cfg.json")):
        site = _site(file)
        if site in found:
            raise UserError(f"{folder} holds two dictionaries for site {site}; keep one, such as {file.parent}")
        found[site] = load_dictionary(file.parent)
    if not found:
        raise UserError(f"{folder} holds no dictionary: expected sub-folders with cfg.json and sae_weights.safetensors")
    return DictionarySet(found)


def _site(file: Path) -> str:
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        metadata = config.get("metadata") or {}
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{file} cannot be read as a dictionary's configuration ({error})") from None
    reads = metadata.get("hook_name") or config.get("hook_name") or ""
    hook = metadata.get("hook_name_out") or config.get("hook_name_out") or reads
    site = site_of_hook(hook)
    if site is None:
        raise UserError(
            f"{file.parent} is a dictionary of '{hook}'; traced are those of what attention or an MLP writes, such as "
            "blocks.5.hook_attn_out and blocks.5.hook_mlp_out"
        )
    # Other hooks before an MLP carry the stream before its norm, or without the norm's weights.
    if hook != reads and reads != read_hook(site):
        raise UserError(f"{file.parent} is a transcoder of '{reads}'; traced are those that read '{read_hook(site)}'")
    return site
