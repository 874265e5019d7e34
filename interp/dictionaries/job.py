"""What every dictionary training shares, whatever model it is for: one bank over the sites of a frozen model.

A model's job says how to get activations: `_stream(first, count)` gives those of `count` items (games, windows of text)
from number `first` on, as a function of these numbers alone, so that a killed run goes on to the same result.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import KW_ONLY, asdict, dataclass
from typing import Any, NamedTuple

import torch
from accelerate import PartialState
from jaxtyping import Float
from torch import Tensor

from interp.dictionaries.bank import Bank
from interp.dictionaries.base import Dictionary
from interp.dictionaries.kinds import KINDS
from interp.dictionaries.revival import resample
from interp.dictionaries.sets import DictionarySet, load_set
from interp.dictionaries.transcoder import is_transcoder
from interp.runs.errors import UserError
from interp.runs.loop import Job
from interp.runs.schedule import Schedule

FORMAT = "6.54.0"
"""Version of SAELens whose format we write; without one SAELens takes a file for one of its older formats."""
THRESHOLD_SPEED = 10
"""Learning rate of trained thresholds over that of the weights."""


@dataclass(frozen=True)
class Recipe:
    """Settings that do not depend on the model."""

    kind: str = "topk"
    """One of `interp.dictionaries.kinds.KINDS`."""
    steps: int = 26_400
    _: KW_ONLY
    d_sae: int = 1024
    k: int = 32
    """Active features a position: at most (topk), on average (batchtopk, transcoder), aimed at (jumprelu)."""
    l1: float = 0.5
    """Weight of the summed activations against the squared error of unit-variance activations (l1 alone)."""
    lr: float = 2e-3
    warmup: int = 200
    decay_share: float = 0.3
    resample_every: int = 50
    """Steps between revivals of dead features; 0 for none, as (it seems) in the paper."""
    dead_after: int = 500_000
    """Positions without firing after which a feature counts as dead."""
    warm_start: str = ""
    """A set to begin from, of any kind that reads the same; the optimizer begins afresh. Empty: random directions."""
    seed: int = 2

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UserError(f"no kind of dictionary '{self.kind}'; kinds are {', '.join(KINDS)}")

    @property
    def schedule(self) -> Schedule:
        """Warm-up, constant, linear decay."""
        return Schedule.of(self.steps, self.warmup, self.decay_share)


class Stream(NamedTuple):
    """Activations of some positions."""

    written: Float[Tensor, "site row d_model"]
    read: Float[Tensor, "site row d_model"] | None
    """For transcoders."""


class DictionaryJob(Job):
    """One bank over some sites of one frozen model."""

    module: Bank

    def __init__(
        self, settings: Recipe, sites: Sequence[str], d_model: int, *, items: int, sample: int, device: torch.device
    ) -> None:
        """`items` a step over all processes; the scales are fitted to the first `sample` of them."""
        self.settings, self.kind, self.d_model, self._items = settings, KINDS[settings.kind], d_model, items
        self.sites = [site for site in sites if site.endswith("M") or not self.kind.transcodes]
        self.objective = self.kind.objective(settings.k, settings.l1)
        generator = torch.Generator().manual_seed(settings.seed)
        self.module = Bank(len(self.sites), d_model, settings.d_sae, generator=generator).to(device)
        self.module.fit(*self._stream(0, sample), self.objective)
        if settings.warm_start:
            self._begin_from(load_set(settings.warm_start))
        self.optimizers = [self._optimizer()]

    def _begin_from(self, dictionaries: DictionarySet) -> None:
        shape = (self.d_model, self.settings.d_sae)
        for number, site in enumerate(self.sites):
            found = dictionaries.get(site)
            if found is None or is_transcoder(found.architecture) != self.kind.transcodes or found.W_enc.shape != shape:
                wanted = f"{'a transcoder' if self.kind.transcodes else 'an autoencoder'} of {shape[1]} features at {site}"
                raise UserError(f"{self.settings.warm_start} cannot be begun from: it has not {wanted}")
            self.module.unfold(number, found.state_dict())

    def _optimizer(self) -> torch.optim.Optimizer:
        """Adam; thresholds move faster, for their start is several units from where they end."""
        *weights, threshold = self.module.parameters()
        lr = self.settings.lr
        groups: list[dict[str, Any]] = [{"params": weights}, {"params": [threshold], "lr": THRESHOLD_SPEED * lr}]
        return torch.optim.Adam(groups, lr=lr, betas=(0.9, 0.999), fused=True)

    @abstractmethod
    def _stream(self, first: int, count: int) -> Stream:
        """Activations of `self.sites` on `count` items from number `first` on."""

    @abstractmethod
    def _metadata(self) -> dict[str, Any]:
        """SAELens' metadata: `model_name` and the like, without the hook's name."""

    def backward(self, step: int) -> dict[str, float | Tensor]:
        """One forward of the model on this process's items, then all dictionaries' gradients."""
        state = PartialState()
        share = self._items // state.num_processes
        self._latest = self._stream(step * self._items + state.process_index * share, share)
        sums = self.module.backward(*self._latest, self.objective)
        variance = self.d_model  # of scaled activations, by the choice of scale
        return {
            "loss": sums.squared_error.mean() / variance,
            "worst_unexplained": sums.squared_error.max() / variance,
            "l0": sums.l0.mean(),
        }

    def after_step(self, step: int) -> None:
        """Renormalise the decoders; now and then revive dead features, never during the decay."""
        self.module.normalise()
        every, schedule = self.settings.resample_every, self.settings.schedule
        if every and (step + 1) % every == 0 and step < schedule.decay_start:
            dead = (self.module.since_fired >= self.settings.dead_after).nonzero()
            generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + step)
            resample(self.module, dead, *self._latest, self.objective, self.optimizers[0], generator)

    def evaluate(self) -> dict[str, Any]:
        """Features that did not fire within the last `dead_after` positions, by site."""
        dead = (self.module.since_fired >= self.settings.dead_after).sum(-1)
        return {"dead": dict(zip(self.sites, dead.tolist(), strict=True))}

    def dictionaries(self) -> DictionarySet:
        """The bank's dictionaries, acting on raw activations."""
        found: dict[str, Dictionary] = {}
        for number, site in enumerate(self.sites):
            dictionary = self.kind.dictionary(self._config(site))
            tensors = self.module.folded(number)
            dictionary.load_state_dict({name: tensors[name] for name in dictionary.state_dict()})
            found[site] = dictionary.eval().requires_grad_(False)
        return DictionarySet(found)

    def _config(self, site: str) -> dict[str, Any]:
        """SAELens' cfg.json."""
        layer = site[1:-1]
        hook = f"blocks.{layer}.hook_{'attn' if site.endswith('A') else 'mlp'}_out"
        config: dict[str, Any] = {
            "architecture": self.kind.dictionary.architecture,
            "d_in": self.d_model,
            "d_sae": self.settings.d_sae,
            "dtype": "float32",
            "device": "cpu",
            "apply_b_dec_to_input": not self.kind.transcodes,
            "normalize_activations": "none",
            "reshape_activations": "none",
            "metadata": {
                **self._metadata(),
                "hook_name": hook,
                "sae_lens_version": FORMAT,
                "trained_as": asdict(self.settings),
            },
        }
        if self.kind.transcodes:
            config["d_out"] = self.d_model
            config["metadata"] |= {"hook_name": f"blocks.{layer}.mlp.hook_in", "hook_name_out": hook}
        if self.settings.kind == "topk":
            config |= {"k": self.settings.k, "rescale_acts_by_decoder_norm": False}
        return config
