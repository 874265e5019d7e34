"""Train dictionaries for a Hugging Face language model on real text, on one stream of activations, never stored.

Each step reads some windows of text, runs the frozen model once up to the highest site, and updates all sites'
dictionaries (`Bank`) on every position but the first of each window. The first position is an attention sink: in
SmolLM2 its residual stream is a hundred times as long as any other and the same for every token, so it would rule the
loss and teach nothing. The dictionaries say so in SAELens' `seqpos_slice`, and the tracer leaves that position whole.
The windows are a function of the corpus and the step number, so a killed run goes on to the same result; when the
corpus is at its end it begins again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate import PartialState
from jaxtyping import Int
from torch import Tensor

from interp.corpora.document import Split
from interp.corpora.windows import DEFAULT, corpus, windows
from interp.dictionaries.job import DictionaryJob, Recipe, Stream
from interp.dictionaries.kernels import GROUP
from interp.dictionaries.language_sites import parse_sites, read_hook, written_hook
from interp.dictionaries.sets import DictionarySet
from interp.models.language_traffic import language_traffic
from interp.runs.errors import UserError
from interp.runs.folder import Run
from interp.runs.loop import fit

if TYPE_CHECKING:
    from interp.models.bridge import LanguageModel

SKIPPED = 1
"""Positions at the start of each window that are not trained on."""
_SHORTEST = 8
_SAMPLE_POSITIONS = 2_000
"""For the scales."""
_FINGERPRINTED = 64


@dataclass(frozen=True)
class LanguageTraining(Recipe):
    """Settings of one run."""

    steps: int = 600
    model: str = ""
    """What `interp.models.load` was given."""
    sites: str = "all"
    """See `interp.dictionaries.language_sites.parse_sites`."""
    text: str = DEFAULT
    """`default` for the installed text, or a .txt or .jsonl file."""
    context: int = 128
    """Tokens a window."""
    windows: int = 4
    """Windows a step, over all processes."""
    warmup: int = 40
    resample_every: int = 50
    dead_after: int = 20_000


class LanguageDictionaryJob(DictionaryJob):
    """One bank over some sites of one frozen language model."""

    settings: LanguageTraining

    def __init__(self, settings: LanguageTraining, model: LanguageModel) -> None:
        """Raises UserError for settings that do not fit the model or a corpus without a single window."""
        config = model.bridge.cfg
        sites = parse_sites(settings.sites, config.n_layers)
        _check(settings, config.n_ctx)
        self.model, self.device = model, next(model.bridge.parameters()).device
        self.units_per_step = settings.windows * (settings.context - SKIPPED)
        count = max(settings.steps * settings.windows, _FINGERPRINTED)
        self.tokens = text_windows(model, settings.text, "train", settings.context, count)
        sample = -(-_SAMPLE_POSITIONS // (settings.context - SKIPPED))
        super().__init__(settings, sites, config.d_model, items=settings.windows, sample=sample, device=self.device)

    def _stream(self, first: int, count: int) -> Stream:
        chosen = torch.arange(first, first + count) % len(self.tokens)
        ends = [written_hook, read_hook] if self.kind.transcodes else [written_hook]
        seen = language_traffic(
            self.model.bridge, self.tokens[chosen].to(self.device), [end(site) for site in self.sites for end in ends]
        )

        def stacked(end: Callable[[str], str]) -> Tensor:
            return torch.stack([seen[end(site)][:, SKIPPED:].flatten(0, 1) for site in self.sites])

        return Stream(stacked(written_hook), stacked(read_hook) if self.kind.transcodes else None)

    def _metadata(self) -> dict[str, Any]:
        return {
            "model_name": self.model.name,
            "context_size": self.settings.context,
            "prepend_bos": bool(special_tokens(self.model)),
            "seqpos_slice": [SKIPPED, None],
            "dataset_path": self.settings.text,
        }

    @property
    def fingerprint(self) -> str:
        """Hash of the first windows: other text, other packages or another tokenizer change it."""
        return hashlib.sha256(self.tokens[:_FINGERPRINTED].numpy().tobytes()).hexdigest()[:16]


def _check(settings: LanguageTraining, n_ctx: int) -> None:
    if not _SHORTEST <= settings.context <= n_ctx:
        raise UserError(f"a context of {settings.context} tokens does not fit; accepted are {_SHORTEST} .. {n_ctx}")
    if settings.d_sae % GROUP:
        raise UserError(f"{settings.d_sae} features a site are refused; their number must be a multiple of {GROUP}")


def text_windows(model: LanguageModel, text: str, split: Split, context: int, count: int) -> Int[Tensor, "window context"]:
    """The first `count` windows of a split, or fewer; each begins with what the tokenizer puts before every text.

    Raises UserError for text that is too short for one window.
    """
    prefix = special_tokens(model)

    def encode(piece: str) -> list[int]:
        return model.tokenizer(piece, add_special_tokens=False, verbose=False).input_ids

    found = windows(corpus(text, split), encode, length=context - len(prefix), count=count)
    if not len(found):
        raise UserError(f"the {split} part of '{text}' has no piece of {context} tokens; give more text or less --context")
    return torch.cat([torch.tensor(prefix, dtype=torch.int64).expand(len(found), -1), found], 1)


def special_tokens(model: LanguageModel) -> list[int]:
    """What the model's tokenizer puts before every text: nothing, or a token for its beginning."""
    return list(model.tokenizer("").input_ids)


def train_language(settings: LanguageTraining, model: LanguageModel, out: Path) -> DictionarySet:
    """Train, or go on with, the run at `out`; write the set to `out/set` and return it."""
    job = LanguageDictionaryJob(settings, model)
    config = {**asdict(settings), "text_fingerprint": job.fingerprint}
    run = Run.open(out, config=config, seed=settings.seed, primary=PartialState().is_main_process)
    results = fit(job, run, settings.schedule, log_every=5)
    dictionaries = job.dictionaries()
    if run.primary:
        dictionaries.save(out / "set")
        run.finish({**results, "windows": len(job.tokens)})
    return dictionaries
