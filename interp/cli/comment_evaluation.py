"""`interp comments evaluate`: programming problems, solved by a model and judged by their unit tests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interp.cli.options import AsJson, Device
from interp.cli.output import emit


def evaluate(
    problems: Annotated[str, typer.Argument(help="A file in HumanEval's or MBPP's format, or hf:owner/name.")],
    model: Annotated[str, typer.Option(help="A shipped name, a folder, or a Hub id owner/name.")] = "smollm2-135m",
    out: Annotated[Path, typer.Option(help="Run folder; a run that is there goes on.")] = Path("runs/code_evaluation"),
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many problems.")] = None,
    samples: Annotated[int, typer.Option(min=1, help="Solutions a problem; more than one need a temperature.")] = 1,
    temperature: Annotated[
        float, typer.Option(min=0, help="0 takes the likeliest token; HumanEval's are 0.2 and 0.8.")
    ] = 0.0,
    longest: Annotated[int, typer.Option(min=1, help="Most new tokens of a solution.")] = 384,
    packages: Annotated[bool, typer.Option("--packages", help="Let solutions import installed packages.")] = False,
    seed: int = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """pass@k of a model on problems with unit tests; what it writes runs in the sandbox."""
    from training.comments.code_evaluation import CodeEvaluation, rates
    from training.comments.code_evaluation import evaluate as run

    settings = CodeEvaluation(problems, model, limit, samples, temperature, longest=longest, packages=packages, seed=seed)
    table = run(settings, out, device=device)
    found = [rate._asdict() for rate in rates(table)]
    result = {
        "model": model,
        "problems": int(table.id.nunique()),
        "samples": samples,
        "pass_at": found,
        "statuses": table.status.value_counts().to_dict(),
        "isolation": sorted(table.isolation.unique()),
        "passed": sorted(table[table.passed].id.unique()),
    }
    told = ", ".join(f"pass@{one['k']} {one['value']:.3f} ({one['low']:.3f} to {one['high']:.3f})" for one in found)
    emit(
        result,
        as_json=as_json,
        text=f"{result['problems']} problems, {told}; solutions ran under {' and '.join(result['isolation'])}",
    )
