"""`interp moe replay`, `ship`: recorded routing under other rules, without the model; records that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from interp.cli.options import AsJson
from interp.cli.output import emit
from interp.runs.errors import UserError


def replay(
    run: Annotated[Path, typer.Argument(help="Run of `interp moe train --record-every` or `interp moe record`.")],
    step: Annotated[int | None, typer.Option(help="Which forward pass; the last one if none is given.")] = None,
    k: Annotated[int | None, typer.Option("--k", help="Experts a token asks for; as recorded if none is given.")] = None,
    capacity: Annotated[float | None, typer.Option(help="c_eff: slots over tokens; as recorded if none is given.")] = None,
    as_json: AsJson = False,
) -> None:
    """What plain, IR, FR and FR+IR would make of recorded router logits: drop, padding, how tokens fare, rows moved."""
    from dataclasses import replace

    from training.moe.pass_checks import check_passes
    from training.moe.record_files import Records
    from training.moe.records import rules_of
    from training.moe.replay import compare
    from training.moe.variants import VARIANTS, variant

    records = Records.open(run)
    check_passes(records.passes, run)
    asked = (records.routed_steps or records.steps)[-1] if step is None else step
    if not records.replayable or asked not in records.routed_steps:
        known = ", ".join(map(str, records.routed_steps)) if records.replayable else "none"
        raise UserError(f"{run} has no router logits of step {asked}; accepted are steps that have them: {known}")
    layers = records.passes.loc[asked].index.tolist()
    rules = rules_of(records.passes.loc[(asked, layers[0])].to_dict())
    changed: dict[str, Any] = {name: value for name, value in (("k", k), ("capacity", capacity)) if value is not None}
    variants = {name: variant(name, replace(rules, **changed)) for name in VARIANTS}
    table = compare(records, [(asked, layer) for layer in layers], {"recorded": None, **variants})
    shown = table.drop(columns=["demand", "slots"]).to_string(index=False, float_format="{:.3f}".format)
    emit({"step": asked, "layers": layers, "table": table.to_dict("records")}, as_json=as_json, text=shown)


def ship(
    run: Annotated[Path, typer.Argument(help="Run folder with routing records.")],
    steps: Annotated[str, typer.Option(help="Steps whose routes and logits go along, with commas between.")],
    licence: Annotated[list[Path], typer.Option(help="Licence of the text, which goes with it; may be given often.")],
    about: Annotated[str, typer.Option(help="What the text is, for the notice beside the licences.")],
    as_json: AsJson = False,
) -> None:
    """Make a run's routing records those that come with the package."""
    from interp.cli.output import numbers
    from training.moe.ship import ship as copy

    manifest = copy(run, numbers(steps), licence, about)
    emit(manifest, as_json=as_json, text=f"shipped: {len(manifest['sha256'])} files of {run}")
