"""`interp moe upcycle`, `train`, `evaluate`: mixtures made of a dense model, trained on, and measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli.moe_options import FILL, ORDER, RECTIFY, is_on
from interp.cli.options import AsJson, Device
from interp.cli.output import emit
from interp.runs.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from training.moe.rules import Rules

Model = Annotated[str, typer.Option(help="decoder (ours), or a dense model: a shipped name, a folder, an id owner/name.")]
Experts = Annotated[int, typer.Option(min=1, help="Experts a layer, all copies of its MLP.")]
Ranks = Annotated[int, typer.Option(min=1, help="Simulated ranks, each with its share of tokens and experts.")]
Every = Annotated[int, typer.Option(min=1, help="Experts in the last of so many layers.")]
K = Annotated[int, typer.Option("--k", help="Experts a token asks for.")]
Capacity = Annotated[float | None, typer.Option(help="c_eff: slots over tokens; inf drops nothing. As a default k.")]
Fill = Annotated[str, FILL]
Rectify = Annotated[str, RECTIFY]
Order = Annotated[str, ORDER]
Router = Annotated[str, typer.Option(help="top-k, 'expert choice' or BASE.")]
BiasRate = Annotated[float, typer.Option(min=0, help="Rate of loss-free balancing; 0 for none.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the routers' first weights and of the sequences.")]


def upcycle(
    out: Annotated[Path, typer.Option(help="Folder to write; there must be none.")],
    model: Model = "decoder",
    experts: Experts = 8,
    ranks: Ranks = 4,
    every: Every = 1,
    k: K = 2,
    capacity: Capacity = None,
    fill: Fill = "off",
    rectify: Rectify = "off",
    order: Order = "confidence",
    router: Router = "top-k",
    seed: Seed = 1,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Make a mixture of a dense model, every expert a copy of its MLP; transformers loads it as Mixtral where it can be."""
    if out.exists():
        raise UserError(f"{out} exists; accepted is a new folder")
    rules = _rules(k, capacity, fill, rectify, order)
    from training.moe.decoder import MoEShape

    shape = MoEShape(experts, ranks, every)
    from training.moe.mixtral import save_moe
    from training.moe.train import dense_model
    from training.moe.upcycle import upcycle as copied

    dense = dense_model(model, device=device)
    mixture = copied(dense.model, shape, rules, router=router, seed=seed)
    reason = save_moe(mixture, dense.tokenizer, out, every=every)
    parameters = sum(weight.numel() for weight in mixture.parameters())
    result = {"out": str(out), "parameters": parameters, "format": "own" if reason else "mixtral", "no_mixtral": reason}
    told = f"for `interp moe` alone: {reason}" if reason else "transformers loads it as Mixtral"
    emit(result, as_json=as_json, text=f"{out}: {parameters:,} parameters, equal to the dense model; {told}")


def train(
    out: Annotated[Path, typer.Option(help="Run folder; a run that is there goes on.")],
    model: Model = "decoder",
    experts: Experts = 8,
    ranks: Ranks = 4,
    every: Every = 1,
    k: K = 2,
    capacity: Capacity = None,
    fill: Fill = "off",
    rectify: Rectify = "off",
    order: Order = "confidence",
    router: Router = "top-k",
    bias_rate: BiasRate = 0.0,
    balance: Annotated[float, typer.Option(min=0, help="Weight of the load-balancing loss.")] = 0.01,
    z: Annotated[float, typer.Option("--z", min=0, help="Weight of the router z-loss.")] = 0.0,
    steps: Annotated[int, typer.Option(min=1, help="Steps of the whole run; more than before prolongs it.")] = 500,
    batch: Annotated[int, typer.Option(min=1, help="Sequences a step.")] = 8,
    context: Annotated[int, typer.Option(min=2, help="Tokens a sequence.")] = 256,
    text: Annotated[str, typer.Option(help="default (text installed here), or a .txt or .jsonl file.")] = "default",
    held_out: Annotated[int, typer.Option(min=2, help="Tokens of held-out text, and of demonstrations.")] = 16_384,
    lr: Annotated[float, typer.Option(min=0, help="Peak learning rate.")] = 5e-4,
    record_every: Annotated[int, typer.Option(min=0, help="Steps between routing records; 0 for none.")] = 0,
    parallel: Annotated[bool, typer.Option("--parallel", help="Under torchrun: a process a rank, experts divided.")] = False,
    seed: Seed = 1,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Upcycle a dense model and train it on real text, demonstrations and invented worlds."""
    rules = _rules(k, capacity, fill, rectify, order)
    from accelerate import PartialState

    from training.moe.decoder import MoEShape
    from training.moe.train import MoETraining
    from training.moe.train import train as run

    asked: dict[str, Any] = {"router": router, "bias_rate": bias_rate, "balance": balance, "z": z, "text": text, "lr": lr}
    sizes: dict[str, Any] = {"steps": steps, "batch": batch, "context": context, "record_every": record_every}
    sizes |= {"held_out_tokens": held_out, "parallel": parallel}
    settings = MoETraining(model, MoEShape(experts, ranks, every), rules, **asked, **sizes, seed=seed)
    found = run(settings, out, device=device)
    if PartialState().is_main_process:
        told = f"loss {found['loss']:.3f} in nats a token, accuracy {found['accuracy']:.1%}"
        rates = f"{found['dropped']:.1%} of choices dropped, {found['padding']:.1%} of slots empty"
        emit(found, as_json=as_json, text=f"{out}: {told}, {rates}")


def evaluate(
    runs: Annotated[list[Path], typer.Argument(help="Runs of `interp moe train` that differ in seed, or in router.")],
    test: Annotated[str, typer.Option(help="Routers: plain, IR, FR, FR+IR, commas between; as trained if none.")] = "",
    capacity: Annotated[str, typer.Option(help="c_eff, commas between; as trained if none.")] = "",
    orders: Annotated[str, typer.Option(help="Also orders of serving: confidence, reverse, random, position.")] = "",
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Held-out loss, accuracy on few-shot demonstrations, drop and padding rates, under any rules at test time."""
    import pandas as pd

    from training.moe.evaluate import KEYS, sweep, with_intervals
    from training.moe.orders import ORDER_KEYS, by_order
    from training.moe.trained import check_alike, dense_measures, open_trained

    capacities, tests, served = _decimals(capacity), _words(test), _words(orders)
    check_alike(runs)
    rows: list[dict[str, Any]] = []
    ordered: list[dict[str, Any]] = []
    dense: dict[str, dict[str, float]] = {}
    for folder in runs:
        one = open_trained(folder, device=device)
        asked: dict[str, Any] = {"capacities": capacities, "batch": one.batch}
        rows += sweep(one.model, one.held_out, one.rules, tests=tests, **asked)
        if served:
            ordered += by_order(one.model, one.held_out, one.rules, orders=served, **asked)
        if one.dense and one.dense not in dense:
            dense[one.dense] = dense_measures(one, device=device)
    table = with_intervals(pd.DataFrame(rows), KEYS)
    result: dict[str, Any] = {"table": table.to_dict("records"), "dense": dense}
    if served:
        result["orders"] = with_intervals(pd.DataFrame(ordered), ORDER_KEYS).to_dict("records")
    emit(result, as_json=as_json, text=_table_text(table, result.get("orders"), dense))


def _rules(k: int, capacity: float | None, fill: str, rectify: str, order: str) -> Rules:
    rectified = is_on(rectify)
    from training.moe.rules import Rules

    asked: dict[str, Any] = {"fill": fill, "rectify": rectified, "order": order}
    return Rules(k, float(k) if capacity is None else capacity, **asked)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",")) if text else ()


def _decimals(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in _words(text))
    except ValueError:
        raise UserError(
            f"'{text}' is no list of capacities; accepted are numbers with commas between, such as 0.5,1,2"
        ) from None


def _table_text(table: pd.DataFrame, orders: list[dict[str, Any]] | None, dense: dict[str, dict[str, float]]) -> str:
    import pandas as pd

    shown = [_shown(table)] + ([_shown(pd.DataFrame(orders))] if orders else [])
    told = [f"{name}, dense: loss {one['loss']:.4f}, accuracy {one['accuracy']:.4f}" for name, one in dense.items()]
    note = "accuracy is that of labels in few-shot demonstrations; low and high are 95 % intervals over seeds"
    return "\n\n".join([*shown, "\n".join([*told, note])])


def _shown(table: pd.DataFrame) -> str:
    """Without the columns of intervals that there are not."""
    return table.dropna(axis=1, how="all").to_string(index=False, float_format="{:.4f}".format)
