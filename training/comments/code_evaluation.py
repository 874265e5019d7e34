"""Programming problems solved by a causal language model and judged in the sandbox; resumable by problem.

runs/<name>/manifest.json
runs/<name>/results/part-*.parquet   a problem each: id, sample, solution, passed, status, error, isolation
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import torch

from interp.runs.errors import UserError
from interp.runs.parts import Parts, part_path, write_part
from interp.runs.progress import Progress
from interp.runs.refusable import refusable
from training.comments.pass_at_k import PassRate, pass_rates
from training.comments.problems import Problem, read_problems
from training.sandbox.limits import Limits
from training.sandbox.verdict import judge

if TYPE_CHECKING:
    import pandas as pd

    from interp.models.load import CausalModel


@dataclass(frozen=True)
class CodeEvaluation:
    """Settings of one evaluation; those of sampling are HumanEval's for more than one sample."""

    source: str
    """File or `hf:owner/name` of `training.comments.problems`."""
    model: str = "smollm2-135m"
    """What `interp.models.load.load_causal` takes."""
    problems: int | None = None
    """Only so many, from the first on."""
    samples: int = 1
    temperature: float = 0.0
    """0 takes the likeliest token, which allows no more than one sample."""
    top_p: float = 0.95
    longest: int = 384
    """New tokens."""
    packages: bool = False
    """Whether solutions may import installed packages."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples > 1 and self.temperature <= 0:
            raise UserError(f"{self.samples} samples at temperature 0 are all the same; accepted is a temperature above 0")


def evaluate(settings: CodeEvaluation, out: Path, *, limits: Limits | None = None, device: str = "auto") -> pd.DataFrame:
    """Solve and judge every problem, or go on where that was left; the rows of all samples.

    Raises UserError for problems or a model that cannot be read, or a run with other settings or problems.
    """
    problems = read_problems(settings.source)[: settings.problems]
    digest = hashlib.sha256(repr(problems).encode("utf-8", "surrogatepass")).hexdigest()
    bounds = limits or Limits()
    left = [number for number in range(len(problems)) if not part_path(out / "results", number).exists()]
    with refusable(out, config={**asdict(settings), "problems_sha256": digest}, seed=settings.seed) as run:
        model = _loaded(settings.model, device) if left else None
    if model is not None:
        with Progress(len(problems), unit="problems", label=out.name, start=len(problems) - len(left)) as progress:
            for number in left:
                rows = _solved(model, problems[number], settings, number, bounds)
                write_part(part_path(out / "results", number), pa.Table.from_pylist(rows))
                progress.advance(1)
    table = pa.Table.from_batches(Parts(out / "results").batches()).to_pandas()
    run.finish({"problems": len(problems), "passed": int(table.passed.sum())})
    return table


def _loaded(name: str, device: str) -> CausalModel:
    from interp.models.load import load_causal

    return load_causal(name, device=device)


def _solved(
    model: CausalModel, problem: Problem, settings: CodeEvaluation, number: int, limits: Limits
) -> list[dict[str, Any]]:
    found = []
    for sample, completion in enumerate(completions(model, problem, settings, number)):
        solution = problem.solution(completion)
        verdict = judge(solution, problem.tests, limits=limits, packages=settings.packages)
        told = {"passed": verdict.passed, "status": verdict.outcome.status, "error": verdict.outcome.error}
        isolation = verdict.outcome.isolation
        found.append({"id": problem.id, "sample": sample, "solution": solution, **told, "isolation": isolation})
    return found


@torch.no_grad()
def completions(model: CausalModel, problem: Problem, settings: CodeEvaluation, number: int) -> list[str]:
    """What the model writes after a problem's prompt, a text a sample; each up to a stop."""
    ids = model.tokenizer(problem.prompt, return_tensors="pt").input_ids.to(model.model.device)
    drawn = {"do_sample": True, "temperature": settings.temperature, "top_p": settings.top_p, "top_k": 0}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed * 1_000_003 + number)  # transformers draws from the global generator alone
        written = model.model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=settings.longest,
            num_return_sequences=settings.samples, stop_strings=list(problem.stops), tokenizer=model.tokenizer,
            pad_token_id=model.tokenizer.pad_token_id or model.tokenizer.eos_token_id,
            **(drawn if settings.temperature > 0 else {"do_sample": False}),
        )  # fmt: skip
    return model.tokenizer.batch_decode(written[:, ids.shape[1] :], skip_special_tokens=True)


def rates(table: pd.DataFrame, ks: Sequence[int] = (1, 10, 100)) -> list[PassRate]:
    """pass@k of an evaluation, for every k that its samples allow."""
    by_problem = table.groupby("id").passed
    return pass_rates(int(by_problem.size().iloc[0]), by_problem.sum().tolist(), ks)
