"""Train the decoder, and keep what it was at log-spaced steps (after Ren et al. 2024, arXiv 2402.13055, section 5).

    runs/<name>/tokenizer/            trained on the run's own mix
    runs/<name>/text.safetensors      the real text as tokens: a resumed run needs no corpus
    runs/<name>/checkpoints/step_N/   models in half precision

Muon updates the matrices of the blocks, AdamW the embeddings and norms. The paper's model is 600 times as large and
reads real text alone; the mix (`training.lm.mix`) and the shape are ours.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate import PartialState
from jaxtyping import Float, Int
from safetensors import safe_open
from torch import Tensor
from torch.nn.functional import cross_entropy

from interp.corpora.document import Split
from interp.corpora.windows import DEFAULT, corpus
from interp.runs.atomic import write_tensors
from interp.runs.device import autocast, resolve
from interp.runs.errors import UserError
from interp.runs.folder import Run
from interp.runs.loop import Job, fit
from interp.runs.schedule import Schedule
from training.lm.checkpoints import log_spaced, save_checkpoint
from training.lm.mix import TURNS, Mix, packed, tokenizer_sample
from training.lm.model import DecoderShape, new_decoder
from training.lm.tokenizer import train_tokenizer
from training.optimizers.split import split_optimizers

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

_HELD_OUT = 16
"""Sequences of each kind that the loss is measured on."""
_TOKENIZER_TEXTS = 2_000


@dataclass(frozen=True)
class DecoderTraining:
    """Settings of one run."""

    steps: int = 8_000
    batch: int = 4
    """Sequences a step, over all processes."""
    layers: int = 4
    d_model: int = 128
    heads: int = 4
    vocab: int = 2048
    context: int = 512
    """Tokens a sequence."""
    short_steps: int = 2_000
    """First steps, in which each sequence is read as pieces: looking back is learnt sooner where there is less to see
    (sequence-length warm-up: Li et al. 2022, arXiv 2108.06084)."""
    short_context: int = 128
    """Tokens a piece."""
    text: str = DEFAULT
    """`default` for the installed text, or a .txt or .jsonl file."""
    text_tokens: int = 8_000_000
    """Most tokens of real text; read again and again if the run needs more."""
    muon_lr: float = 0.01
    adamw_lr: float = 1e-3
    weight_decay: float = 0.01
    warmup: int = 50
    decay_share: float = 0.3
    warm_start: str = ""
    """A folder of a checkpoint to begin from, its tokenizer included; the optimizers begin afresh. Empty: random."""
    seed: int = 1

    def __post_init__(self) -> None:
        if self.context % self.short_context:
            raise UserError(f"a context of {self.context} cannot be cut into pieces of {self.short_context} tokens")

    @property
    def schedule(self) -> Schedule:
        """Warm-up, constant, linear decay."""
        return Schedule.of(self.steps, self.warmup, self.decay_share)

    @property
    def shape(self) -> DecoderShape:
        """The MLP is three times as wide as the model."""
        return DecoderShape(self.vocab, self.layers, self.d_model, self.heads, 3 * self.d_model, self.context)


def prepare_text(settings: DecoderTraining, out: Path) -> tuple[PreTrainedTokenizerFast, dict[str, Tensor]]:
    """The run's tokenizer and real text, train and held-out; made and written to `out` when they are not there."""
    from transformers import PreTrainedTokenizerFast

    file = out / "text.safetensors"
    if not file.exists():
        tokenizer = _tokenizer(settings)
        tokenizer.save_pretrained(out / "tokenizer")
        splits: dict[Split, int] = {"train": settings.text_tokens, "held-out": _HELD_OUT * settings.context}
        write_packed(file, settings.text, tokenizer, splits, shortest=settings.context)
    return PreTrainedTokenizerFast.from_pretrained(out / "tokenizer", local_files_only=True), read_packed(file)


def write_packed(
    file: Path, text: str, tokenizer: PreTrainedTokenizerFast, splits: dict[Split, int], *, shortest: int
) -> None:
    """Write what `packed_splits` gives."""
    write_tensors(file, packed_splits(text, tokenizer, splits, shortest=shortest))


def packed_splits(
    text: str, tokenizer: PreTrainedTokenizerFast, splits: dict[Split, int], *, shortest: int
) -> dict[str, Int[Tensor, " token"]]:
    """The first tokens of each split of a corpus, as many as asked for.

    Raises UserError for a split with fewer than `shortest`.
    """
    texts = {
        split: packed((document.text for document in corpus(text, split)), tokenizer, count)
        for split, count in splits.items()
    }
    if min(map(len, texts.values())) < shortest:
        told = " and ".join(f"{len(tokens):,} tokens of '{split}'" for split, tokens in texts.items())
        raise UserError(f"'{text}' has {told}; each needs {shortest:,}, and what has one source is held out together")
    return {split: tokens.to(torch.int32) for split, tokens in texts.items()}


def read_packed(file: Path) -> dict[str, Int[Tensor, " token"]]:
    """The splits that `write_packed` wrote."""
    with safe_open(file, framework="pt") as stored:
        return {split: stored.get_tensor(split) for split in stored.keys()}  # noqa: SIM118 - not a dict


def _tokenizer(settings: DecoderTraining) -> PreTrainedTokenizerFast:
    if settings.warm_start:
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast.from_pretrained(settings.warm_start, local_files_only=True)
    sample = tokenizer_sample(corpus(settings.text, "train"), texts=_TOKENIZER_TEXTS, seed=settings.seed)
    return train_tokenizer(sample, settings.vocab)


class DecoderJob(Job):
    """Cross-entropy of the next token."""

    def __init__(
        self, settings: DecoderTraining, tokenizer: PreTrainedTokenizerFast, text: dict[str, Tensor],
        snapshots: Path, device: torch.device,
    ) -> None:  # fmt: skip
        self.settings, self.tokenizer, self.snapshots, self.device = settings, tokenizer, snapshots, device
        self.units_per_step = settings.batch * settings.context
        self.mix = Mix(text["train"], tokenizer, length=settings.context, seed=settings.seed)
        self.held_out = _held_out(self.mix, text["held-out"])
        self.due = set(log_spaced(settings.steps))
        self.module = self.model = self._model().train().to(device)
        rates = {"muon_lr": settings.muon_lr, "adamw_lr": settings.adamw_lr, "weight_decay": settings.weight_decay}
        self.optimizers = split_optimizers(self.model, self.model.model.layers, **rates)

    def _model(self) -> LlamaForCausalLM:
        if self.settings.warm_start:
            from transformers import LlamaForCausalLM

            return LlamaForCausalLM.from_pretrained(self.settings.warm_start, local_files_only=True, dtype=torch.float32)
        return new_decoder(self.settings.shape, end=self.tokenizer.eos_token_id, seed=self.settings.seed)

    def backward(self, step: int) -> dict[str, float | Tensor]:
        """Read this process's share of the step's sequences."""
        state, batch = PartialState(), self.settings.batch
        share = batch // state.num_processes
        tokens = self.mix.sequences(step * batch + state.process_index * share, share).to(self.device)
        if step < self.settings.short_steps:
            tokens = tokens.view(-1, self.settings.short_context)
        with autocast(self.device):
            logits = self.model(tokens, use_cache=False).logits
        loss = next_token_loss(logits.float(), tokens).mean()
        loss.backward()
        return {"loss": loss.detach()}

    def after_step(self, step: int) -> None:
        """Keep the model at log-spaced steps."""
        if step + 1 in self.due:
            self.snapshot(step + 1)

    def snapshot(self, step: int) -> None:
        """Write the model as it is now."""
        if PartialState().is_main_process:
            save_checkpoint(self.snapshots, step, self.model, self.tokenizer)

    @torch.no_grad()
    def evaluate(self) -> dict[str, Any]:
        """Loss in nats a token on held-out sequences of each kind."""
        losses = {}
        for kind, tokens in self.held_out.items():
            pieces = [next_token_loss(self.model(piece).logits.float(), piece) for piece in tokens.to(self.device).split(4)]
            losses[f"{kind}_loss"] = float(torch.cat(pieces).mean())
        return losses


def next_token_loss(
    logits: Float[Tensor, "sequence pos vocab"], tokens: Int[Tensor, "sequence pos"]
) -> Float[Tensor, "sequence pos-1"]:
    """Nats of each token given those before it."""
    return cross_entropy(logits[:, :-1].mT, tokens[:, 1:], reduction="none")


def _held_out(mix: Mix, text: Int[Tensor, " token"]) -> dict[str, Int[Tensor, "sequence pos"]]:
    """Real text of held-out sources, and invented documents of numbers that no run reaches."""
    count = len(text) // mix.length
    found = {"text": text[: count * mix.length].view(count, mix.length).long()}
    for kind in sorted(set(TURNS) - {"text"}):
        numbers = range(2 * 10**9, 2 * 10**9 + _HELD_OUT)
        found[kind] = torch.stack([mix.made(kind, number) for number in numbers])
    return found


def train(settings: DecoderTraining, out: Path, *, device: str = "auto") -> dict[str, Any]:
    """Train, or go on with, the run at `out`; return the final losses on held-out text."""
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # one a checkpoint otherwise
    where = resolve(device)
    run = Run.open(out, config=asdict(settings), seed=settings.seed, primary=PartialState().is_main_process)
    with PartialState().main_process_first():
        tokenizer, text = prepare_text(settings, out)
    job = DecoderJob(settings, tokenizer, text, out / "checkpoints", where)
    if not run.checkpoint.exists():
        job.snapshot(0)
    results = fit(job, run, settings.schedule, evaluate_every=100)
    if run.primary:
        run.finish(results)
    return results
