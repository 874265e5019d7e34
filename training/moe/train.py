"""Training of an upcycled mixture on real text goes on, its ranks simulated in one process or a process each.

    runs/<name>/text.safetensors   real text as tokens (`training.moe.text`), or in the folder above
    runs/<name>/metrics.jsonl      losses, and how tokens were routed in each layer
    runs/<name>/routes/ ...        routing records of a few held-out sequences (`training.moe.records`)
    runs/<name>/model/             the result (`training.moe.mixtral`)

Sequences are those of `training.lm.mix`: real text, demonstrations, echoes, invented worlds, as the decoder read before.
Loss is cross-entropy, with the balancing loss and the z-loss summed over layers: 0.01 of the former and none of the latter,
as arXiv 2402.12399 has it by its code. Optimizer (AdamW, its betas), learning rate and schedule are our choice for a model
ten thousand times as small.

Under torchrun processes share the sequences of a step. Either each simulates all ranks for its share, or, with `parallel`,
each is a rank, with its share of the experts: then losses, weights and records are those of one process.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from torch import Tensor

from interp.corpora.windows import DEFAULT
from interp.models.checkpoints import checkpoints
from interp.models.load import CausalModel, load_causal
from interp.runs.device import autocast, resolve
from interp.runs.errors import UserError
from interp.runs.loop import Job, fit
from interp.runs.processes import sum_over_processes
from interp.runs.refusable import refusable
from interp.runs.schedule import Schedule
from training.lm.mix import Mix
from training.lm.train import next_token_loss
from training.moe.counts import counts_of
from training.moe.decoder import MoEShape, moe_layers, place_of, record_pass, router_losses, seed_orders, traffic_of
from training.moe.division import assemble, divided_parameters
from training.moe.evaluate import evaluate
from training.moe.held_out import KINDS, HeldOut, held_out
from training.moe.layer import MoELayer, Traffic
from training.moe.mixtral import plain, rules_from, save_moe
from training.moe.parallel import ParallelMoELayer
from training.moe.pieces import check_fits
from training.moe.records import RecordWriter
from training.moe.rules import Rules
from training.moe.text import prepared_text
from training.moe.upcycle import upcycle

JOB = "moe train"
DECODER = "decoder"
"""Name of the decoder that ships, at its last checkpoint."""
HELD_OUT_SEED = 0
"""Of the demonstrations that all runs are measured on."""


LOGGED = ("demand", "kept", "dropped", "filled", "padding", "rectified")
"""Counts of every layer in the metrics."""


@dataclass(frozen=True)
class MoETraining:
    """Settings of one run."""

    model: str = DECODER
    """`decoder`, the one that ships, or what `interp.models.load.load_causal` takes."""
    shape: MoEShape = field(default_factory=MoEShape)
    rules: Rules = field(default_factory=lambda: Rules(2, 2.0))
    router: str = "top-k"
    """Name of `training.moe.baselines.ROUTERS`."""
    bias_rate: float = 0.0
    """Rate of loss-free balancing; 0 for none."""
    balance: float = 0.01
    z: float = 0.0
    steps: int = 500
    batch: int = 8
    """Sequences a step, over all processes."""
    context: int = 256
    """Tokens a sequence."""
    text: str = DEFAULT
    """`default` for the installed text, or a .txt or .jsonl file."""
    text_tokens: int = 1_000_000
    """Most tokens of real text that are read, again and again if the run needs more."""
    held_out_tokens: int = 16_384
    """Tokens of held-out real text, and of held-out demonstrations."""
    lr: float = 5e-4
    weight_decay: float = 0.01
    warmup: int = 20
    decay_share: float = 0.3
    record_every: int = 0
    """Steps between routing records, 0 for none; the last step then has one as well."""
    recorded: int = 8
    """Held-out sequences whose routing is recorded."""
    parallel: bool = False
    """A process of torchrun a rank, experts divided among them."""
    seed: int = 1

    def __post_init__(self) -> None:
        if self.held_out_tokens < self.context:
            raise UserError(f"{self.held_out_tokens} held-out tokens make no sequence of {self.context}; accepted are more")
        if self.recorded < 1:
            raise UserError(f"{self.recorded} recorded sequences are refused; accepted are 1 or more")

    @property
    def schedule(self) -> Schedule:
        """Warm-up, constant, linear decay."""
        return Schedule.of(self.steps, self.warmup, self.decay_share)

    def config(self, processes: int = 1) -> dict[str, Any]:
        """Settings as JSON has them. Several processes are one more: slots and drops depend on their number, unless they
        are the ranks."""
        told = asdict(self) | {"rules": plain(self.rules), "job": JOB}
        if not told["parallel"]:
            del told["parallel"]
            return told | ({"processes": processes} if processes > 1 else {})
        return told


def dense_model(name: str, *, device: str = "auto") -> CausalModel:
    """The dense model of that name. Raises UserError as `load_causal` does."""
    from interp.heads.decoder import SHIPPED

    return load_causal(checkpoints(SHIPPED)[-1].model if name == DECODER else name, device=device)


class MoEJob(Job):
    """Cross-entropy of the next token, and the router's losses."""

    def __init__(self, settings: MoETraining, dense: CausalModel, text: dict[str, Tensor], out: Path) -> None:
        self.settings, self.tokenizer, self.device = settings, dense.tokenizer, dense.model.device
        self.units_per_step = settings.batch * settings.context
        options: dict[str, Any] = {"router": settings.router, "bias_rate": settings.bias_rate or None}
        options["kind"] = ParallelMoELayer if settings.parallel else MoELayer
        self.module = self.model = upcycle(
            dense.model, settings.shape, settings.rules, seed=settings.seed, **options
        ).train()
        self.sharded = divided_parameters(self.model)
        self.mix = Mix(text["train"], self.tokenizer, length=settings.context, seed=settings.seed)
        self.measured = measured_on(settings, text["held-out"], self.tokenizer)
        _check_held_out(self.measured, place_of(self.model)[1])
        ranks = settings.shape.ranks  # in one process as well, which is to record the same
        self.recorded, self.domains = self.measured.sample(-(-settings.recorded // ranks) * ranks)
        self.writer = RecordWriter(out)
        self.optimizers = [_adamw(self.model, settings)]

    def begin(self, step: int) -> None:
        """Drop records of steps that are taken anew: a prolonged run goes on from before its decay."""
        if PartialState().is_main_process:
            for table in ("passes", "routes", "logits"):  # a step without its pass is none
                for part in (self.writer.folder / table).glob("part-*.parquet"):
                    if int(part.stem.removeprefix("part-")) >= step:
                        part.unlink()

    def backward(self, step: int) -> dict[str, float | Tensor]:
        """Read this process's share of the step's sequences."""
        state, batch = PartialState(), self.settings.batch
        share = batch // state.num_processes
        tokens = self.mix.sequences(step * batch + state.process_index * share, share).to(self.device)
        seed_orders(self.model, self.settings.seed, step)
        with autocast(self.device):
            logits = self.model(tokens, use_cache=False).logits
        loss = next_token_loss(logits.float(), tokens).mean()
        balance, z = router_losses(self.model)
        (loss + self.settings.balance * balance + self.settings.z * z).backward()
        told = {"loss": loss.detach(), "balance": balance.detach(), "z": z.detach()}
        return told | _routed(traffic_of(self.model), state.num_processes) | _sent(self.model, state.num_processes)

    def after_step(self, step: int) -> None:
        """Record how held-out sequences are routed now."""
        every = self.settings.record_every
        taking_part = self.sharded or PartialState().is_main_process
        if every and taking_part and (step % every == 0 or step + 1 == self.settings.steps):
            tokens = self.recorded.to(self.device)
            record_pass(self.model, self.tokenizer, tokens, self.writer, step=step, domains=self.domains)

    def evaluate(self) -> dict[str, Any]:
        """Loss, accuracy and rates with the rules of training, on held-out sequences."""
        return evaluate(self.model, self.measured, self.settings.rules, batch=self.settings.batch)._asdict()


def _routed(passed: dict[int, Traffic], processes: int) -> dict[str, float | Tensor]:
    """What happened to choices and slots, layer by layer, and the largest load over the mean one, of all processes.

    Counts are times `processes`, as what is logged is the mean over them: so it is the step's sum.
    """
    told: dict[str, float | Tensor] = {}
    loads = sum_over_processes(torch.stack([traffic.plan.demand.sum(0).double() for traffic in passed.values()]))
    for (layer, traffic), load in zip(passed.items(), loads, strict=True):
        counts = counts_of(traffic.plan)._asdict()
        told |= {f"layer_{layer}_{name}": counts[name] * processes for name in LOGGED}
        told[f"layer_{layer}_max_load"] = load.max() / load.mean()
    return told


def _sent(model: Any, processes: int) -> dict[str, float | Tensor]:
    """Bytes that went to other ranks forward, all layers and ranks together: buffers, and rows in them."""
    parallel = [layer.exchange for layer in moe_layers(model).values() if isinstance(layer, ParallelMoELayer)]
    passed = [exchange for exchange in parallel if exchange is not None]
    if not passed:
        return {}
    sent, useful = (sum(column) * processes for column in zip(*passed, strict=True))
    return {"bytes_sent": sent, "bytes_useful": useful}


def _adamw(model: Any, settings: MoETraining) -> torch.optim.Optimizer:
    """AdamW with the paper's betas; only the matrices of the blocks decay."""
    matrices = [weight for weight in model.model.layers.parameters() if weight.ndim > 1]
    chosen = {id(weight) for weight in matrices}
    rest = [weight for weight in model.parameters() if id(weight) not in chosen]
    groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=settings.lr, betas=(0.9, 0.95), fused=True)


def measured_on(settings: MoETraining, text: Tensor, tokenizer: Any) -> HeldOut:
    """Held-out sequences of a run: the same for all runs on one text."""
    tasks = settings.held_out_tokens // settings.context
    return held_out(text, tokenizer, length=settings.context, tasks=tasks, seed=HELD_OUT_SEED)


def train(settings: MoETraining, out: Path, *, text: Path | None = None, device: str = "auto") -> dict[str, Any]:
    """Train, or go on with, the run at `out`; return its evaluation, and why `model/` is no Mixtral (None if it is one).

    `text` is the folder in which runs on the same text share it, the one above `out`. Raises UserError, and leaves the
    folder as it was, for settings that cannot be, a model that cannot be upcycled or has too few positions, a text that
    is too short or of other settings, and a run of other settings or on another number of processes.
    """
    where = resolve(device)
    _check_processes(settings, processes := PartialState().num_processes)
    with refusable(out, config=settings.config(processes), seed=settings.seed) as run:
        dense = dense_model(settings.model, device=str(where))
        check_fits(settings.context, dense.model.config)
        with PartialState().main_process_first():
            tokens = prepared_text(settings, dense.tokenizer, text or out)
        job = MoEJob(settings, dense, tokens, out)
    results = fit(job, run, settings.schedule, evaluate_every=100)
    whole = assemble(job.model) if job.sharded else job.model
    if run.primary:
        reason = save_moe(whole, job.tokenizer, out / "model", every=settings.shape.every)
        run.finish(results := results | {"no_mixtral": reason})
    return results


def _check_processes(settings: MoETraining, processes: int) -> None:
    """Under torchrun every process simulates the ranks for its share of the sequences, or is one of them."""
    if settings.batch % processes:
        raise UserError(f"{settings.batch} sequences a step cannot be divided among {processes} processes")
    if not settings.parallel:
        if processes > 1 and settings.bias_rate:
            told = f"loss-free balancing on {processes} processes is refused"
            raise UserError(f"{told}; accepted is one, which sees all loads, or a process a rank (parallel)")
        return
    if settings.shape.ranks != processes or processes == 1:
        told = f"{settings.shape.ranks} ranks in parallel on {processes} processes are refused"
        raise UserError(f"{told}; accepted are two or more that torchrun starts, a process a rank")
    if settings.rules.order == "random":
        raise UserError("order 'random' in parallel is refused; accepted are those that one process would find as well")


def _check_held_out(measured: HeldOut, processes: int) -> None:
    """Processes that divide the experts read equally many sequences, of which a last batch may have few."""
    for kind, sequences in zip(KINDS, (measured.text, measured.tasks), strict=True):
        if (count := len(sequences)) % processes:
            told = f"{count} held-out sequences of {kind} cannot be divided among {processes} ranks"
            raise UserError(f"{told}; accepted are held-out tokens of a multiple, as far as the text goes")


def settings_of(config: dict[str, Any]) -> MoETraining:
    """The settings that `MoETraining.config` told. Raises UserError for those of another version."""
    told = {name: value for name, value in config.items() if name not in ("job", "processes")}
    try:
        return MoETraining(**(told | {"shape": MoEShape(**config["shape"]), "rules": rules_from(config["rules"])}))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"settings of a run cannot be read: {error}; accepted are those of `interp {JOB}` now") from None
