"""Tune a generator of comments by low-rank adapters (LoRA: Hu et al. 2021, arXiv 2106.09685, through `peft`).

Loss is on the answer alone, its end token included: of a declined file the end token is all there is. The base model's
weights stay as they are; a checkpoint holds the adapter and its optimizer. Records of held-out sources are left out of
training, and the loss on them is the run's result; without such sources there is none.

    runs/<name>/checkpoint.safetensors
    runs/<name>/adapter/                 what `interp comments add --model` takes

The order of the records is a function of seed and step. The paper tunes Code Llama 7B in full; its settings are not known
to us, ours are sized for the shipped model.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import PartialState
from jaxtyping import Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from interp.corpora.document import split_of
from interp.models.load import load_causal
from interp.runs.atomic import sha256
from interp.runs.device import autocast, resolve
from interp.runs.errors import UserError
from interp.runs.loop import Job, fit
from interp.runs.refusable import refusable
from interp.runs.schedule import Schedule
from training.comments.prompts import end_token, prompt
from training.comments.source import lines_of

_HELD_OUT = 32
"""Records that the loss is measured on, at most."""
_IGNORED = -100


@dataclass(frozen=True)
class Adapter:
    """Shape of a low-rank adapter."""

    rank: int = 16
    alpha: int = 32
    targets: str = "all-linear"
    """Names of the modules that get one, commas between, or all-linear."""


@dataclass(frozen=True)
class Tuning:
    """Settings of one run; all defaults are ours."""

    data: str
    """JSONL file of `interp comments instructions`."""
    model: str = "smollm2-135m"
    steps: int = 400
    batch: int = 8
    """Records a step, over all processes: a multiple of their number."""
    most_tokens: int = 1024
    """Longer records are left out."""
    rank: int = 16
    alpha: int = 32
    targets: str = "all-linear"
    """Names of the modules that get an adapter, commas between, or all-linear."""
    lr: float = 3e-4
    warmup: int = 20
    decay_share: float = 0.3
    seed: int = 0


class Example(NamedTuple):
    """One record as tokens."""

    tokens: Int[Tensor, " pos"]
    prompt: int
    """Tokens that are asked, not answered."""

    @property
    def declined(self) -> bool:
        """Whether the answer is the end token alone."""
        return len(self.tokens) == self.prompt + 1


class AdapterJob(Job):
    """A job that trains, and checkpoints, the adapter of a model and nothing else."""

    def __init__(self, model: Any, lr: float) -> None:
        """`model` is one of `adapted`."""
        self.model = model
        self.module = nn.ParameterList([one for one in model.parameters() if one.requires_grad])
        self.optimizers = [torch.optim.AdamW(self.module.parameters(), lr=lr, weight_decay=0.0)]

    def save(self, base: str, folder: Path) -> None:
        """Write the adapter; `base` is the name that its model was loaded by."""
        # peft would name the cache of this machine; the name that was given loads everywhere.
        self.model.peft_config["default"].base_model_name_or_path = base
        self.model.save_pretrained(folder)


class TuningJob(AdapterJob):
    """Cross-entropy of the answers, each record weighing by its tokens."""

    def __init__(self, settings: Tuning, device: torch.device) -> None:
        """Raises UserError for a model or data that cannot be read, or a batch that the processes cannot share."""
        if settings.batch % (processes := PartialState().num_processes):
            raise UserError(f"batch {settings.batch} is no multiple of the {processes} processes that share it")
        base = load_causal(settings.model, device=str(device))
        records = read_records(Path(settings.data))
        self.settings, self.device = settings, device
        self.train, self.held_out = split_examples(records, base.tokenizer, settings.most_tokens)
        super().__init__(
            adapted(base.model, Adapter(settings.rank, settings.alpha, settings.targets), settings.seed), settings.lr
        )
        self.unit, self.units_per_step = "records", settings.batch

    def backward(self, step: int) -> dict[str, float | Tensor]:
        """This process's share of the step's records, one at a time: they differ much in length."""
        state, batch = PartialState(), self.settings.batch
        share = batch // state.num_processes
        first = step * batch + state.process_index * share
        chosen = [self.train[self._number(first + one)] for one in range(share)]
        count = sum(len(one.tokens) - one.prompt for one in chosen)
        total = torch.zeros((), device=self.device)
        for one in chosen:
            loss = answer_loss(self.model, one, self.device) / count
            loss.backward()
            total += loss.detach()
        return {"loss": total}

    def _number(self, draw: int) -> int:
        """Records come in a new order in each pass."""
        turn, place = divmod(draw, len(self.train))
        return int(np.random.default_rng([self.settings.seed, turn]).permutation(len(self.train))[place])

    @torch.no_grad()
    def evaluate(self) -> dict[str, Any]:
        """Nats a token of the answers of held-out sources; the end token's probability for both kinds of their files.

        What there are no such files for is None.
        """
        losses = [float(answer_loss(self.model, one, self.device)) for one in self.held_out]
        count = sum(len(one.tokens) - one.prompt for one in self.held_out)
        ends: dict[bool, list[float]] = {True: [], False: []}
        for one in self.held_out:
            # The loss of an end token as the whole answer is its probability.
            alone = Example(torch.cat([one.tokens[: one.prompt], one.tokens[-1:]]), one.prompt)
            ends[one.declined].append(float(answer_loss(self.model, alone, self.device).neg().exp()))
        return {
            "held_out_loss": sum(losses) / count if count else None,
            "held_out": len(self.held_out),
            "p_end_declined": _mean(ends[True]),
            "p_end_commented": _mean(ends[False]),
        }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def read_records(path: Path) -> list[dict[str, Any]]:
    """Records of `interp comments instructions`. Raises UserError for a file that has none."""
    try:
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        if records and all(map(_is_record, records)):
            return records
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from None
    except ValueError:
        pass
    raise UserError(
        f"{path} holds no instruction data: every line must be an object of the texts 'text' and 'answer', perhaps 'source'"
    )


def _is_record(found: Any) -> bool:
    texts = ("text", "answer", "source")
    return isinstance(found, dict) and all(isinstance({"source": "", **found}.get(name), str) for name in texts)


def split_examples(
    records: Sequence[dict[str, Any]], tokenizer: Any, most_tokens: int
) -> tuple[list[Example], list[Example]]:
    """Records as tokens, for training and of held-out sources (perhaps none); those that are too long are left out.

    Raises UserError where none is left to train on.
    """
    found: dict[str, list[Example]] = {"train": [], "held-out": []}
    for record in records:
        example = tokenized(record, tokenizer)
        if len(example.tokens) <= most_tokens:
            found[split_of(record.get("source", ""))].append(example)
    train, held_out = found["train"], found["held-out"][:_HELD_OUT]
    if not train:
        raise UserError(f"no record has at most {most_tokens} tokens and a source to train on; {len(records)} were read")
    return train, held_out


def tokenized(record: dict[str, Any], tokenizer: Any) -> Example:
    """A record as a generator will meet it: the prompt, then the answer line by line as it writes, then the end token."""
    asked = _tokens(prompt(record["text"], tokenizer), tokenizer)
    answer = [token for line in answer_lines(record["answer"]) for token in _tokens(line, tokenizer)]
    return Example(torch.tensor([*asked, *answer, end_token(tokenizer)]), len(asked))


def answer_lines(answer: str) -> list[str]:
    """What `training.comments.writer` makes tokens of at once: a line with the line ends and blank lines before it."""
    found, before = [], ""
    for line in lines_of(answer):
        text = line.rstrip("\r\n")
        if text.strip():
            found.append(before + text)
            before = ""
        before += "\n"
    return found


def _tokens(text: str, tokenizer: Any) -> list[int]:
    return tokenizer(text, add_special_tokens=False).input_ids


def answer_loss(model: Any, example: Example, device: torch.device) -> Tensor:
    """Summed nats of the answer's tokens."""
    tokens = example.tokens[None].to(device)
    kept = len(example.tokens) - example.prompt + 1
    with autocast(device):
        logits = model(input_ids=tokens, use_cache=False, logits_to_keep=kept).logits
    return cross_entropy(logits[0, :-1].float(), tokens[0, example.prompt :], reduction="sum")


def adapted(model: Any, adapter: Adapter, seed: int) -> Any:
    """The model with adapters whose initial values come from the seed. Raises UserError without peft."""
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError:
        raise UserError("tuning needs peft: pip install 'interp-lab[models]'") from None
    targets = adapter.targets if adapter.targets == "all-linear" else adapter.targets.split(",")
    # No dropout: it would draw from the global generator, and a resumed run would end elsewhere.
    config = LoraConfig(
        r=adapter.rank, lora_alpha=adapter.alpha, target_modules=targets, lora_dropout=0.0, task_type="CAUSAL_LM",
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return get_peft_model(model, config)


def finetune(settings: Tuning, out: Path, *, device: str = "auto") -> dict[str, Any]:
    """Tune, or go on with, the run at `out`; return its loss on held-out answers, and where the adapter lies.

    Raises UserError for a model or data that cannot be read, or a run with other settings or other content of the data.
    """
    read_records(Path(settings.data))
    config = {**asdict(settings), "data_sha256": sha256(Path(settings.data))}
    with refusable(out, config=config, seed=settings.seed) as run:
        job = TuningJob(settings, resolve(device))
    if run.primary and not run.checkpoint.exists():
        run.log(-1, job.evaluate())  # of the model as it was
    results: dict[str, Any] = fit(
        job, run, Schedule.of(settings.steps, settings.warmup, settings.decay_share), evaluate_every=100
    )
    if run.primary:
        job.save(settings.model, out / "adapter")
        results |= {"adapter": str(out / "adapter"), "records": len(job.train)}
        run.finish(results)
    return results
