"""A decoder trained on template code at one density of comments, then tuned on tasks, and scored by unit tests.

Reading comes first, tuning last, in one run: the tasks to tune on, their number and the steps on them are the same at
every density, so what differs is what was read. Within a seed all densities read the same programs in the same order and
begin from the same weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from interp.runs.device import autocast
from interp.runs.errors import UserError
from interp.runs.loop import Job
from interp.runs.schedule import Schedule
from training.comments.template_code import HEAD, Program, Task, programs, said, share_of_comments, tasks
from training.lm.mix import packed
from training.lm.model import DecoderShape, new_decoder
from training.lm.tokenizer import train_tokenizer
from training.lm.train import next_token_loss
from training.optimizers.split import split_optimizers
from training.sandbox.limits import Limits
from training.sandbox.verdict import judge

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Control = Literal["code", "total"]
"""What is equal at all densities: tokens of code (the same programs, so comments come on top), or all tokens that are
read (so comments take the place of programs)."""

_SAMPLE = 2_000
"""Programs that the tokenizer is trained on, and the share of comments is reckoned from."""
_LONGEST_ANSWER = 96
_LIMITS = Limits(cpu_seconds=2, seconds=20.0, memory=256 << 20)


@dataclass(frozen=True)
class DensityTraining:
    """Settings that all runs share."""

    programs: int = 8_000
    """Read without comments; also with them where tokens of code are equal."""
    tuning_tasks: int = 2_000
    tuning_steps: int = 250
    test_tasks: int = 150
    batch: int = 8
    """Sequences a step."""
    context: int = 128
    """Tokens a sequence."""
    vocab: int = 512
    layers: int = 2
    d_model: int = 96
    heads: int = 4
    muon_lr: float = 0.01
    adamw_lr: float = 1e-3

    @property
    def shape(self) -> DecoderShape:
        """The MLP is three times as wide as the model; a task and its answer fit."""
        return DecoderShape(self.vocab, self.layers, self.d_model, self.heads, 3 * self.d_model, 256)


class Reading(NamedTuple):
    """What a run reads before it is tuned."""

    tokens: Int[Tensor, "sequence pos"]
    programs: int
    density: float
    """Comment characters over all characters."""


@cache
def tokenizer_of(settings: DensityTraining) -> PreTrainedTokenizerFast:
    """One tokenizer for all densities, trained on fully commented programs and their intents."""
    texts = (one.code([True] * len(one.comments)) for one in _sample())
    tokenizer = train_tokenizer(texts, settings.vocab)
    tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


@cache
def _sample() -> list[Program]:
    return programs(np.random.default_rng([0, 1]), _SAMPLE, held_out=False)


@cache
def held_out_tasks(settings: DensityTraining) -> list[Task]:
    """Intents whose templates, in this order, are in nothing that is read: the same for all seeds."""
    return tasks(np.random.default_rng([0, 2]), settings.test_tasks)


def reading(settings: DensityTraining, density: float, control: Control, seed: int) -> Reading:
    """The programs of a seed, commented at random to this density."""
    if control not in get_args(Control):
        raise UserError(f"unknown control '{control}'; accepted are {', '.join(get_args(Control))}")
    found = programs(np.random.default_rng([seed, 3]), settings.programs, held_out=False)
    share, chance = share_of_comments(density, _sample()), np.random.default_rng([seed, 4])
    marks = [(chance.random(len(one.comments)) < share).tolist() for one in found]
    texts = [one.code(chosen) for one, chosen in zip(found, marks, strict=True)]
    tokens = _tokens(texts, settings)
    if control == "total":
        tokens = tokens[: len(_tokens((one.code() for one in found), settings))]
        texts = texts[: int((tokens == tokenizer_of(settings).eos_token_id).sum())]
    return Reading(_cut(tokens, settings), len(texts), _density(texts))


def _density(texts: Sequence[str]) -> float:
    comments = [len(said(line)) for text in texts for line in text.splitlines() if line.strip().startswith("#")]
    return sum(comments) / sum(map(len, texts))


def tuning(settings: DensityTraining, seed: int) -> Int[Tensor, "sequence pos"]:
    """The tasks to tune on with their answers, over and over, a new order each time."""
    rng = np.random.default_rng([seed, 5])
    found = programs(rng, settings.tuning_tasks, held_out=False)
    wanted = settings.tuning_steps * settings.batch
    texts = [one.intent + one.code() for one in found]
    once = len(_tokens(texts, settings))
    times = wanted * settings.context // once + 1
    return _cut(_tokens((texts[n] for _ in range(times) for n in rng.permutation(len(texts))), settings), settings)[:wanted]


def _tokens(texts: Iterable[str], settings: DensityTraining) -> Int[Tensor, " token"]:
    return packed(texts, tokenizer_of(settings), 10**9)


def _cut(tokens: Int[Tensor, " token"], settings: DensityTraining) -> Int[Tensor, "sequence pos"]:
    return tokens[: len(tokens) // settings.context * settings.context].view(-1, settings.context)


class DensityJob(Job):
    """Cross-entropy of the next token on what is read, then on tasks; evaluated by what its answers do."""

    def __init__(self, settings: DensityTraining, density: float, control: Control, seed: int, device: torch.device) -> None:
        self.settings, self.device = settings, device
        self.tokenizer = tokenizer_of(settings)
        self.reading = reading(settings, density, control, seed)
        self.tuning = tuning(settings, seed)
        self.reading_steps = len(self.reading.tokens) // settings.batch
        self.units_per_step = settings.batch * settings.context
        self.module = self.model = new_decoder(settings.shape, end=self.tokenizer.eos_token_id, seed=seed).train().to(device)
        rates = {"muon_lr": settings.muon_lr, "adamw_lr": settings.adamw_lr, "weight_decay": 0.01}
        self.optimizers = split_optimizers(self.model, self.model.model.layers, **rates)

    @property
    def schedule(self) -> Schedule:
        """The rate falls while the tasks are read."""
        steps = self.reading_steps + self.settings.tuning_steps
        return Schedule(steps, min(20, steps // 10), self.settings.tuning_steps)

    def backward(self, step: int) -> dict[str, float | Tensor]:
        """Read the step's sequences."""
        source, number = (
            (self.reading.tokens, step) if step < self.reading_steps else (self.tuning, step - self.reading_steps)
        )
        tokens = source[number * self.settings.batch : (number + 1) * self.settings.batch].to(self.device)
        with autocast(self.device):
            logits = self.model(tokens, use_cache=False).logits
        loss = next_token_loss(logits.float(), tokens).mean()
        loss.backward()
        return {"loss": loss.detach()}

    def evaluate(self) -> dict[str, Any]:
        """Which held-out tasks its answers pass, and how many answers are the template's own code."""
        asked = held_out_tasks(self.settings)
        answers = self.answers([task.prompt for task in asked])
        passed = [solves(HEAD + answer, task.tests) for task, answer in zip(asked, answers, strict=True)]
        exact = [HEAD + answer == task.program.code() for task, answer in zip(asked, answers, strict=True)]
        read = {"programs": self.reading.programs, "density": self.reading.density, "steps": self.reading_steps}
        return {"passed": passed, "pass_rate": float(np.mean(passed)), "exact_rate": float(np.mean(exact)), **read}

    @torch.no_grad()
    def answers(self, prompts: list[str]) -> list[str]:
        """The likeliest continuation of each prompt, token by token, up to the end token."""
        padded = self.tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left").to(self.device)
        self.model.eval()
        ids = self.model.generate(
            input_ids=padded.input_ids, attention_mask=padded.attention_mask, max_new_tokens=_LONGEST_ANSWER,
            do_sample=False, pad_token_id=self.tokenizer.eos_token_id,
        )  # fmt: skip
        self.model.train()
        return self.tokenizer.batch_decode(ids[:, padded.input_ids.shape[1] :], skip_special_tokens=True)


@cache
def solves(solution: str, tests: str) -> bool:
    """Whether a solution passes, found out in the sandbox once."""
    return judge(solution, tests, limits=_LIMITS).passed
