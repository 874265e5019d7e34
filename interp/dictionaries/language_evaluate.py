"""How much of a language model a dictionary set keeps, on held-out text.

For each site: mean active features, explained variance 1 - sum |x - x^|^2 / sum |x - mean x|^2, share of features that
fired. For the set as a whole: next-token cross-entropy of the model, with all sites of the set spliced, and with all of
them writing zeros. Positions that were not trained on (`interp.dictionaries.language.SKIPPED`) are left as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.dictionaries.base import Dictionary
from interp.dictionaries.language import SKIPPED, text_windows
from interp.dictionaries.language_sites import read_hook, sites_of, written_hook
from interp.dictionaries.transcoder import is_transcoder
from interp.runs.errors import UserError

if TYPE_CHECKING:
    from interp.models.bridge import LanguageModel

_BATCH = 4
Hooks = list[tuple[str | Callable[..., Any], Callable[..., Any]]]
"""As TransformerLens takes them: a hook's name and what to do there."""


class LanguageEvaluation(NamedTuple):
    """Evaluation of one set on held-out text."""

    sites: list[dict[str, Any]]
    """`site`, `l0`, `explained_variance`, `alive` for each."""
    loss: float
    """Cross-entropy of the model, nats a token."""
    spliced_loss: float
    """With every site's output replaced by its reconstruction."""
    zeroed_loss: float
    """With every site of the set writing zeros."""
    positions: int
    """How many positions were measured."""


class _Sums:
    """Running sums of one site."""

    def __init__(self, dictionary: Dictionary) -> None:
        self.dictionary = dictionary
        d_model, d_sae = dictionary.W_dec.shape[1], dictionary.W_dec.shape[0]
        self.total, self.squares, self.error, self.active = torch.zeros(d_model, dtype=torch.float64), 0.0, 0.0, 0.0
        self.fired, self.rows = torch.zeros(d_sae, dtype=torch.bool), 0

    def add(self, read: Float[Tensor, "row d_in"], written: Float[Tensor, "row d_model"]) -> None:
        """Take note of some positions."""
        acts, reconstruction = self.dictionary(read if is_transcoder(self.dictionary.architecture) else written)
        self.error += float((written - reconstruction).double().square().sum())
        self.squares += float(written.double().square().sum())
        self.total += written.double().sum(0).cpu()
        self.active += float((acts > 0).sum())
        self.fired |= (acts > 0).any(0).cpu()
        self.rows += len(written)

    def result(self) -> dict[str, float]:
        """Figures of all positions so far."""
        variance = self.squares - float(self.total.square().sum()) / self.rows
        return {
            "l0": self.active / self.rows,
            "explained_variance": 1 - self.error / variance,
            "alive": float(self.fired.double().mean()),
        }


@torch.no_grad()
def evaluate_language_set(
    model: LanguageModel, dictionaries: Mapping[str, Dictionary], *, text: str, context: int = 128, count: int = 24
) -> LanguageEvaluation:
    """Evaluate on the first `count` held-out windows of `context` tokens of a text (`default` or a file).

    Raises UserError for a dictionary whose site or width the model has not, and for text without a window.
    """
    sites, d_model = sites_of(model.bridge.cfg.n_layers), model.bridge.cfg.d_model
    for site, dictionary in dictionaries.items():
        if site not in sites or dictionary.config["d_in"] != d_model:
            found = f"a dictionary at {site} that reads {dictionary.config['d_in']} numbers"
            raise UserError(f"{found} does not fit {model.name}: {d_model} numbers at L0A .. {sites[-1]}")
    device = next(model.bridge.parameters()).device
    dictionaries = {site: dictionary.to(device) for site, dictionary in dictionaries.items()}
    tokens = text_windows(model, text, "held-out", context, count).to(device)
    sums = {site: _Sums(dictionary) for site, dictionary in dictionaries.items()}
    losses = torch.zeros(3, dtype=torch.float64)
    for batch in tokens.split(_BATCH):
        splicing = [hook for site, dictionary in dictionaries.items() for hook in _splice(site, dictionary)]
        zeroing: Hooks = [(written_hook(site), _after_first(torch.zeros_like)) for site in dictionaries]
        measuring = [hook for site, site_sums in sums.items() for hook in _measure(site, site_sums)]
        losses += torch.stack([_summed_loss(model, batch, hooks) for hooks in (measuring, splicing, zeroing)])
    loss, spliced, zeroed = (losses / (len(tokens) * (context - 1))).tolist()
    rows = [{"site": site, **site_sums.result()} for site, site_sums in sums.items()]
    return LanguageEvaluation(rows, loss, spliced, zeroed, len(tokens) * (context - SKIPPED))


def _summed_loss(model: LanguageModel, batch: Int[Tensor, "window pos"], hooks: Hooks) -> Tensor:
    logits = model.bridge.run_with_hooks(batch, fwd_hooks=hooks, return_type="logits", use_cache=False)
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), batch[:, 1:].flatten(), reduction="sum")
    return loss.double().cpu()


def _after_first(replace: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """A hook that replaces all but the first positions."""
    return lambda value, hook: torch.cat([value[:, :SKIPPED], replace(value[:, SKIPPED:])], 1)


def _reading(site: str, dictionary: Dictionary, seen: dict[str, Tensor]) -> Hooks:
    """Keeps what a transcoder reads until the site writes."""

    def keep(value: Tensor, hook: Any) -> None:
        seen["read"] = value[:, SKIPPED:]

    return [(read_hook(site), keep)] if is_transcoder(dictionary.architecture) else []


def _splice(site: str, dictionary: Dictionary) -> Hooks:
    seen: dict[str, Tensor] = {}
    replace = _after_first(lambda written: dictionary(seen.get("read", written)).reconstruction)
    return [*_reading(site, dictionary, seen), (written_hook(site), replace)]


def _measure(site: str, sums: _Sums) -> Hooks:
    seen: dict[str, Tensor] = {}

    def measure(value: Tensor, hook: Any) -> None:
        written = value[:, SKIPPED:].flatten(0, 1)
        sums.add(seen["read"].flatten(0, 1) if seen else written, written)

    return [*_reading(site, sums.dictionary, seen), (written_hook(site), measure)]
