"""Options of `interp sample` that say what to draw, and what they mean together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from interp.runs.errors import UserError

if TYPE_CHECKING:
    from training.sampling.grouped import GroupedCorpus
    from training.sampling.lengths import TokenCount
    from training.sampling.schedule import Schedule
    from training.sampling.strategies import Budget, Strategy

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
Then = Annotated[
    str | None, typer.Option("--on-exhausted", help="When all clusters are knocked out: stop, or random draws of all.")
]
Draws = Annotated[int | None, typer.Option(help="Budget in documents.")]
Tokens = Annotated[int | None, typer.Option(help="Budget in tokens.")]
TokenColumn = Annotated[str | None, typer.Option(help="Column with a document's tokens.")]
Tokenizer = Annotated[str | None, typer.Option(help="tokenizer.json, or a folder with one, to count tokens by.")]
PerToken = Annotated[float | None, typer.Option(help="Characters that count as a token without either; 4.")]
Seed = Annotated[int | None, typer.Option(min=0, help="0 without it.")]
ScheduleFile = Annotated[
    Path | None, typer.Option("--schedule", help="YAML of `interp sample plan --out`, instead of the above.")
]


class Asked(NamedTuple):
    """Options that say what to draw; None where they were not given."""

    strategy: str | None
    clip: float | None
    alpha: float | None
    order: str | None
    on_exhausted: str | None
    draws: int | None
    tokens: int | None
    token_column: str | None
    tokenizer: str | None
    characters_per_token: float | None
    seed: int | None

    def rule(self) -> tuple[Strategy, Budget, TokenCount]:
        """What they mean; what has no effect without a clip is told on standard error."""
        from training.sampling.lengths import CHARACTERS_PER_TOKEN, TokenCount
        from training.sampling.strategies import Budget, Strategy

        strategy = Strategy.named(
            self.strategy or "clusterclip",
            clip=self.clip,
            alpha=self.alpha,
            order=self.order or "iid",
            on_exhausted=self.on_exhausted or "stop",
        )
        options = {"--clip": (self.clip, strategy.clip), "--on-exhausted": (self.on_exhausted, strategy.on_exhausted)}
        for option, (given, taken) in options.items():
            if given not in (None, taken):
                typer.echo(f"interp: strategy '{strategy.kind}' has no clip, so {option} {given} does nothing", err=True)
        per_token = CHARACTERS_PER_TOKEN if self.characters_per_token is None else self.characters_per_token
        count = TokenCount(self.token_column, self.tokenizer, per_token)
        return strategy, Budget.of(self.draws, self.tokens), count

    def schedule(self, run: GroupedCorpus, plan: Path | None) -> Schedule:
        """The schedule over a run. Raises UserError if options are given beside a schedule's file."""
        from training.sampling.schedule import Schedule

        if plan is None:
            strategy, budget, count = self.rule()
            return Schedule.of_run(run, strategy, budget, seed=self.seed or 0, tokens=count)
        given = [f"--{name.replace('_', '-')}" for name, value in self._asdict().items() if value is not None]
        if given:
            raise UserError(f"{', '.join(given)} beside --schedule {plan}; accepted is either the file or the options")
        return Schedule.read(plan)
