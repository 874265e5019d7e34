"""`interp moe`: mixtures of experts, what their routers ask for, what capacity drops and what rectification repairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli.moe_options import FILL, ORDER, RECTIFY, is_on
from interp.cli.moe_record import record
from interp.cli.moe_replay import replay, ship
from interp.cli.moe_training import evaluate, train, upcycle
from interp.cli.options import AsJson
from interp.cli.output import emit
from interp.runs.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from training.moe.plan import RoutingPlan

app = typer.Typer(no_args_is_help=True, help="Mixtures of experts with rectified routing (Rectify-Router).")
app.command()(upcycle)
app.command()(train)
app.command()(evaluate)
app.command()(record)
app.command()(replay)
app.command()(ship)

_ACCEPTED = 'accepted is {"probabilities": [rank][token][expert], "experts_per_rank": a whole number}'


@app.command()
def route(
    file: Annotated[Path, typer.Argument(help='JSON: {"probabilities": [rank][token][expert], "experts_per_rank": 2}.')],
    k: Annotated[int, typer.Option("--k", help="Experts a token asks for.")] = 1,
    capacity: Annotated[float, typer.Option(help="c_eff: slots over tokens; inf drops nothing.")] = 1.0,
    fill: Annotated[str, FILL] = "off",
    rectify: Annotated[str, RECTIFY] = "off",
    order: Annotated[str, ORDER] = "confidence",
    unrouted: Annotated[str, typer.Option(help="Tokens that are rectified: unmet, all, any or ignore_kth.")] = "unmet",
    scale: Annotated[str, typer.Option(help="How often a stand-in counts, by the paper or by its code.")] = "paper",
    seed: Annotated[int, typer.Option(min=0, help="Of the order random.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Route tokens of given probabilities: which choices keep a slot, are dropped, filled in, or rectified."""
    rectified = is_on(rectify)
    probabilities = _probabilities(file)
    from training.moe.plan import route as plan_of
    from training.moe.rules import Rules

    asked: dict[str, Any] = {"fill": fill, "order": order, "unrouted": unrouted, "scale": scale, "seed": seed}
    plan = plan_of(probabilities, Rules(k, capacity, rectify=rectified, **asked))
    result = _plan_lists(plan)
    emit(result, as_json=as_json, text=_plan_text(plan, result))


def _probabilities(file: Path) -> Tensor:
    """What the file holds. Raises UserError for anything but a box of numbers whose experts fit the ranks."""
    found = _read(file)
    probabilities, local = found["probabilities"], found["experts_per_rank"]
    if not isinstance(local, int) or isinstance(local, bool) or local < 1:
        raise UserError(f"experts_per_rank {local!r} in {file} is refused; accepted is a whole number from 1")
    import numpy as np
    import torch

    try:
        box = np.array(probabilities, dtype=np.float64)
    except (TypeError, ValueError):
        raise UserError(f"probabilities in {file} are no box of numbers; {_ACCEPTED}") from None
    if box.ndim != 3 or not box.size:
        raise UserError(f"probabilities in {file} have shape {list(box.shape)}; {_ACCEPTED}")
    ranks, _, experts = box.shape
    if experts != ranks * local:
        told = f"{experts} experts in {file} are not {local} on each of {ranks} ranks"
        raise UserError(f"{told}; accepted are ranks times experts_per_rank")
    return torch.from_numpy(box)


def _read(file: Path) -> dict[str, Any]:
    import json

    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}); {_ACCEPTED}") from None
    except ValueError:
        raise UserError(f"{file} is no JSON; {_ACCEPTED}") from None
    if not isinstance(found, dict) or not {"probabilities", "experts_per_rank"} <= set(found):
        raise UserError(f"{file} lacks probabilities or experts_per_rank; {_ACCEPTED}")
    return found


def _plan_lists(plan: RoutingPlan) -> dict[str, Any]:
    """Lists of [rank, token, expert], in that order, and free slots as [rank, expert, number]."""

    def listed(token: Tensor, expert: Tensor) -> list[list[int]]:
        columns = plan.rank(token), token % plan.tokens, expert
        return sorted([int(part) for part in row] for row in zip(*columns, strict=True))

    routes, filled, padding = plan.routes, plan.routes.filled, plan.padding
    return {
        "slots": plan.slots,
        "kept": listed(routes.token[~filled], routes.expert[~filled]),
        "dropped": listed(plan.refused.token, plan.refused.expert),
        "filled": listed(routes.token[filled], routes.expert[filled]),
        "rectified": listed(plan.stand_ins.token, plan.stand_ins.expert),
        "padding": [[*where, int(padding[tuple(where)])] for where in padding.nonzero().tolist()],
        "drop_rate": plan.drop_rate,
        "padding_rate": plan.padding_rate,
    }


def _plan_text(plan: RoutingPlan, result: dict[str, Any]) -> str:
    import pandas as pd

    columns = {name: getattr(plan, name).sum(0).tolist() for name in ("demand", "kept", "dropped", "filled", "padding")}
    table = pd.DataFrame({**columns, "rectified": plan.rectified.sum(0).tolist()})
    table.index.name = "expert"
    return (
        f"{table.to_string()}\n{plan.slots} slots for each expert on each of {plan.shape[0]} ranks; "
        f"{result['drop_rate']:.1%} of choices dropped, {result['padding_rate']:.1%} of slots empty"
    )
