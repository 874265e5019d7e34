"""What each attention and MLP of the Othello transformer reads and writes, and runs with writes replaced.

Forward hooks see both ends of a module, which a transcoder needs: it reads one and stands in for the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from interp.dictionaries.base import Dictionary
from interp.dictionaries.transcoder import is_transcoder
from interp.othello.transformer import OthelloTransformer
from interp.runs.errors import UserError

Replacement = Callable[[Tensor, Tensor], Tensor]
"""From what a module reads and what it would write to what is written instead."""


class Traffic(NamedTuple):
    """Both ends of one site's module."""

    read: Float[Tensor, "batch pos d_model"]
    """After the LayerNorm, gain and bias included."""
    written: Float[Tensor, "batch pos d_model"]
    """Output bias included."""

    def input_of(self, dictionary: Dictionary) -> Float[Tensor, "batch pos d_model"]:
        """What a dictionary of this site encodes."""
        return self.read if is_transcoder(dictionary.architecture) else self.written


@contextmanager
def replaced(model: OthelloTransformer, replacements: Mapping[str, Replacement]) -> Iterator[None]:
    """Within the block the named sites write what their replacement says."""
    with ExitStack() as stack:
        for site, replace in replacements.items():
            stack.enter_context(_hooked(_module(model, site), replace))
        yield


@contextmanager
def _hooked(module: nn.Module, replace: Replacement) -> Iterator[None]:
    handle = module.register_forward_hook(lambda _, read, written: replace(read[0], written))
    try:
        yield
    finally:
        handle.remove()


def _module(model: OthelloTransformer, site: str) -> nn.Module:
    block = model.blocks[int(site[1:-1])]
    return block.get_submodule("attention" if site.endswith("A") else "mlp")


@torch.no_grad()
def traffic(model: OthelloTransformer, tokens: Int[Tensor, "batch pos"]) -> dict[str, Traffic]:
    """Both ends of every write site, in the order in which they write."""
    seen: dict[str, Traffic] = {}

    def keep(site: str) -> Replacement:
        return lambda read, written: seen.setdefault(site, Traffic(read, written)).written

    with replaced(model, {site: keep(site) for site in model.sites}):
        model(tokens)
    return seen


def refuse_misfits(model: OthelloTransformer, dictionaries: Mapping[str, Dictionary]) -> None:
    """Raises UserError for a dictionary whose site or width the model has not."""
    for site, dictionary in dictionaries.items():
        if site not in model.sites:
            raise UserError(f"the model has no site {site}; its sites are {', '.join(model.sites)}")
        if dictionary.config["d_in"] != model.config.d_model:
            width = dictionary.config["d_in"]
            raise UserError(f"the dictionary of {site} reads {width} numbers, but the model has {model.config.d_model}")


def stand_in(dictionary: Dictionary) -> Replacement:
    """Replace a site's output by the dictionary's reconstruction of it."""
    return lambda read, written: dictionary(Traffic(read, written).input_of(dictionary)).reconstruction
