"""Sites of a language model and the TransformerLens hooks that carry what they write and read.

Names are the older ones of TransformerLens, which SAELens' files use.
"""

from __future__ import annotations

import re

from interp.runs.errors import UserError

_SITE_HOOK = re.compile(r"blocks\.(\d+)\.(?:hook_(attn|mlp)_out|(attn|mlp)\.hook_out)")
_RANGE = re.compile(r"L(\d+)([AM])(?:-L(\d+)\2)?")


def written_hook(site: str) -> str:
    """Name of the hook that carries what a site writes."""
    return f"blocks.{site[1:-1]}.hook_{'attn' if site.endswith('A') else 'mlp'}_out"


def read_hook(site: str) -> str:
    """Name of the hook that carries the normalised input of an MLP site, which transcoders read."""
    return f"blocks.{site[1:-1]}.mlp.hook_in"


def site_of_hook(name: str) -> str | None:
    """The site whose writes a hook carries, whichever of TransformerLens' names it goes by; None for other hooks."""
    match = _SITE_HOOK.fullmatch(name)
    return match and f"L{int(match[1])}{'A' if 'attn' in match.groups() else 'M'}"


def sites_of(n_layers: int) -> list[str]:
    """All sites of a model in order of writing."""
    return [f"L{layer}{kind}" for layer in range(n_layers) for kind in "AM"]


def parse_sites(text: str, n_layers: int) -> list[str]:
    """Sites from `all`, or from names and ranges such as `L5M,L8A-L12A`, in order of writing.

    Raises UserError for anything else, and for a site that the model has not.
    """
    known = sites_of(n_layers)
    if text == "all":
        return known
    found: set[str] = set()
    for word in text.split(","):
        match = _RANGE.fullmatch(word.strip())
        if match is None:
            raise UserError(f"'{word}' is no site; accepted are all, names such as L5M and ranges such as L5M-L9M")
        first, kind, last = match.groups()
        found |= {f"L{layer}{kind}" for layer in range(int(first), int(last or first) + 1)}
    if not found or not found <= set(known):
        stranger = next(iter(sorted(found - set(known))), text)
        raise UserError(f"site {stranger} is none of this model's; its sites are L0A .. {known[-1]}")
    return [site for site in known if site in found]
