"""`interp sample`: cluster a corpus, and draw from its clusters such that rare ones are seen and none is overdone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from interp.cli.options import AsJson
from interp.cli.output import emit, numbers
from interp.runs.errors import UserError

if TYPE_CHECKING:
    from training.sampling.expected import Expectation
    from training.sampling.folder import SamplingRun
    from training.sampling.lengths import TokenCount
    from training.sampling.schedule import Schedule
    from training.sampling.strategies import Budget, Strategy

app = typer.Typer(no_args_is_help=True, help="Balanced sampling over the clusters of a corpus (ClusterClip).")

_SHOWN = 20
"""Clusters listed as text."""

RunFolder = Annotated[Path, typer.Argument(help="Folder that `interp sample prepare` made.")]
Kind = Annotated[
    str | None,
    typer.Option(
        "--strategy",
        help="random, uniform, clusterclip (without it), general_to_specific, specific_to_general, temperature.",
    ),
]
Clip = Annotated[float | None, typer.Option(help="Passes over a cluster before it is knocked out; clusterclip has 5.")]
Alpha = Annotated[float | None, typer.Option(help="Of temperature: 1 as documents lie, 0 all clusters alike.")]
Turns = Annotated[str | None, typer.Option("--order", help="Clusters drawn iid, or in turns: round_robin.")]
Draws = Annotated[int | None, typer.Option(help="Budget in documents.")]
Tokens = Annotated[int | None, typer.Option(help="Budget in tokens.")]
TokenColumn = Annotated[str | None, typer.Option(help="Column with a document's tokens.")]
Tokenizer = Annotated[str | None, typer.Option(help="tokenizer.json, or a folder with one, to count tokens by.")]
PerToken = Annotated[float | None, typer.Option(help="Characters that count as a token without either; 4.")]
Seed = Annotated[int | None, typer.Option(min=0, help="0 without it.")]
ScheduleFile = Annotated[
    Path | None, typer.Option("--schedule", help="YAML of `interp sample plan --out`, instead of the above.")
]


class _Asked(NamedTuple):
    """Options that say what to draw; None where they were not given."""

    strategy: str | None
    clip: float | None
    alpha: float | None
    order: str | None
    draws: int | None
    tokens: int | None
    token_column: str | None
    tokenizer: str | None
    characters_per_token: float | None
    seed: int | None

    def rule(self) -> tuple[Strategy, Budget, TokenCount]:
        """What they mean; a clip without effect is told on standard error."""
        from training.sampling.lengths import CHARACTERS_PER_TOKEN, TokenCount
        from training.sampling.strategies import Budget, Strategy

        strategy = Strategy.named(
            self.strategy or "clusterclip", clip=self.clip, alpha=self.alpha, order=self.order or "iid"
        )
        if self.clip is not None and strategy.clip != self.clip:
            typer.echo(f"interp: strategy '{strategy.kind}' has no clip, so --clip {self.clip:g} does nothing", err=True)
        count = TokenCount(self.token_column, self.tokenizer, self.characters_per_token or CHARACTERS_PER_TOKEN)
        return strategy, Budget.of(self.draws, self.tokens), count

    def schedule(self, run: SamplingRun, plan: Path | None) -> Schedule:
        """The schedule over a run. Raises UserError if options are given beside a schedule's file."""
        from training.sampling.schedule import Schedule

        if plan is None:
            strategy, budget, count = self.rule()
            return Schedule.of_run(run, strategy, budget, seed=self.seed or 0, tokens=count)
        given = [f"--{name.replace('_', '-')}" for name, value in self._asdict().items() if value is not None]
        if given:
            raise UserError(f"{', '.join(given)} beside --schedule {plan}; accepted is either the file or the options")
        return Schedule.read(plan)


@app.command()
def plan(
    run: Annotated[Path | None, typer.Argument(help="Folder that `interp sample prepare` made, or give --sizes.")] = None,
    sizes: Annotated[str | None, typer.Option(help="Documents of each cluster, commas between, instead of a run.")] = None,
    lengths: Annotated[str | None, typer.Option(help="With --sizes and --tokens: mean tokens of each cluster.")] = None,
    strategy: Kind = None,
    clip: Clip = None,
    alpha: Alpha = None,
    order: Turns = None,
    draws: Draws = None,
    tokens: Tokens = None,
    token_column: TokenColumn = None,
    tokenizer: Tokenizer = None,
    characters_per_token: PerToken = None,
    seed: Seed = None,
    out: Annotated[Path | None, typer.Option(help="Write the schedule to this YAML file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Expected draws of every cluster, and when each is knocked out; draws nothing (arXiv 2402.14526)."""
    asked = _Asked(strategy, clip, alpha, order, draws, tokens, token_column, tokenizer, characters_per_token, seed)
    schedule = _planned(asked, run, sizes, lengths)
    if out:
        schedule.write(out)
    foreseen = schedule.expected()
    result = {
        "expected": foreseen.counts.tolist(),
        "clipped": foreseen.clipped,
        "clip_times": foreseen.clip_times.tolist(),
        "lambda": foreseen.level,
        "draws": foreseen.draws,
        "schedule": str(out) if out else None,
        **_told(schedule),
    }
    emit(result, as_json=as_json, text=_planned_table(schedule, foreseen))


@app.command()
def draw(
    run: RunFolder,
    strategy: Kind = None,
    clip: Clip = None,
    alpha: Alpha = None,
    order: Turns = None,
    draws: Draws = None,
    tokens: Tokens = None,
    token_column: TokenColumn = None,
    tokenizer: Tokenizer = None,
    characters_per_token: PerToken = None,
    seed: Seed = None,
    schedule: ScheduleFile = None,
    out: Annotated[Path | None, typer.Option(help="Write draws of every document to this Parquet file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Draw, and count: draws of each cluster beside what was expected, most repeats of a document."""
    import numpy as np

    from training.sampling.folder import SamplingRun

    asked = _Asked(strategy, clip, alpha, order, draws, tokens, token_column, tokenizer, characters_per_token, seed)
    corpus = SamplingRun.open(run)
    planned = asked.schedule(corpus, schedule)
    sampler, began = planned.sampler(corpus), time.perf_counter()
    drawn = np.zeros(len(corpus), np.int64)
    for block in sampler.blocks():
        drawn += np.bincount(block, minlength=len(drawn))
    seconds = time.perf_counter() - began
    if out:
        _write_draws(out, corpus, drawn)
    counts = np.bincount(corpus.assignments["cluster"], weights=drawn, minlength=len(planned.sizes)).astype(int)
    result = {
        "counts": counts.tolist(),
        "max_repeats": int(drawn.max()),
        "expected": planned.expected().counts.tolist(),
        "clipped": np.flatnonzero(_at_limit(counts, planned)).tolist(),
        "draws": int(drawn.sum()),
        "documents": int((drawn > 0).sum()),
        "seconds": round(seconds, 4),
        **_told(planned),
    }
    emit(result, as_json=as_json, text=_drawn_text(result))


@app.command("export")
def export_corpus(
    run: RunFolder,
    out: Annotated[Path, typer.Option(help=".jsonl, .jsonl.gz, .jsonl.zst or .parquet.")],
    strategy: Kind = None,
    clip: Clip = None,
    alpha: Alpha = None,
    order: Turns = None,
    draws: Draws = None,
    tokens: Tokens = None,
    token_column: TokenColumn = None,
    tokenizer: Tokenizer = None,
    characters_per_token: PerToken = None,
    seed: Seed = None,
    schedule: ScheduleFile = None,
    as_json: AsJson = False,
) -> None:
    """Write the resampled corpus: documents in the order in which they are drawn, repeats included."""
    from training.sampling.export import export
    from training.sampling.folder import SamplingRun

    asked = _Asked(strategy, clip, alpha, order, draws, tokens, token_column, tokenizer, characters_per_token, seed)
    corpus = SamplingRun.open(run)
    planned = asked.schedule(corpus, schedule)
    began = time.perf_counter()
    done = export(corpus, planned.sampler(corpus), out)
    result = {"out": str(out), **done._asdict(), "seconds": round(time.perf_counter() - began, 3), **_told(planned)}
    text = f"{out}: {done.draws:,} documents, {done.documents:,} different ones, none more than {done.max_repeats} times"
    emit(result, as_json=as_json, text=text)


def _planned(asked: _Asked, run: Path | None, sizes: str | None, lengths: str | None) -> Schedule:
    """Schedule over a run, or over sizes alone. Raises UserError for both or neither."""
    from training.sampling.schedule import Schedule

    if (run is None) == (sizes is None):
        raise UserError("clusters are given " + ("twice" if run else "nowhere") + "; accepted is either a run or --sizes")
    if run is not None:
        from training.sampling.folder import SamplingRun

        return asked.schedule(SamplingRun.open(run), None)
    strategy, budget, count = asked.rule()
    counts, means = numbers(sizes or ""), numbers(lengths) if lengths else None
    if means is not None and len(means) != len(counts):
        raise UserError(f"--lengths has {len(means)} numbers for the {len(counts)} of --sizes; accepted is one a cluster")
    return Schedule(strategy, budget, counts, asked.seed or 0, None, means and tuple(map(float, means)), count)


def _told(schedule: Schedule) -> dict[str, Any]:
    """What the figures rest on."""
    from dataclasses import asdict

    return {"strategy": asdict(schedule.strategy), "budget": asdict(schedule.budget), "seed": schedule.seed}


def _at_limit(counts: Any, schedule: Schedule) -> Any:
    """Clusters that have no draw left."""
    import numpy as np

    limits = schedule.strategy.limits(np.array(schedule.sizes))
    return (limits > 0) & (counts >= np.floor(limits * (1 + 1e-12)))


def _write_draws(out: Path, corpus: SamplingRun, drawn: Any) -> None:
    from interp.runs.atomic import write_frame

    write_frame(out, corpus.assignments[["id", "cluster", "duplicate_of"]].assign(draws=drawn))


def _planned_table(schedule: Schedule, foreseen: Expectation) -> str:
    import pandas as pd

    table = pd.DataFrame({"size": schedule.sizes, "expected": foreseen.counts, "knocked out after": foreseen.clip_times})
    table.insert(2, "passes", table["expected"] / table["size"].where(table["size"] > 0))
    shown = table.head(_SHOWN).to_string(index_names=False, float_format="{:.2f}".format)
    return (
        f"{shown}\n{len(foreseen.clipped)} of {len(table)} clusters are knocked out within {foreseen.draws:,.0f} draws"
        + (f"; shown are the first {_SHOWN}" if len(table) > _SHOWN else "")
    )


def _drawn_text(result: dict[str, Any]) -> str:
    import pandas as pd

    table = pd.DataFrame({"draws": result["counts"], "expected": result["expected"]})
    return (
        f"{table.head(_SHOWN).to_string(float_format='{:.2f}'.format)}\n"
        f"{result['draws']:,} draws of {result['documents']:,} documents, none more than {result['max_repeats']} times; "
        f"{len(result['clipped'])} of {len(table)} clusters knocked out"
    )
