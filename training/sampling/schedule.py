"""A sampling schedule as a YAML file: what to draw, from which clusters, how much, with which seed.

    version: 1
    run: runs/mine                       the prepared corpus, as its maker typed it
    strategy: {kind: clusterclip, clip: 2.0, alpha: 0.5, order: iid}
    budget: {amount: 12, unit: draws}
    seed: 0
    tokens: {column: null, tokenizer: null, characters: 4.0}
    sizes: [5, 1, 3]                     documents of every cluster, to know the corpus again
    lengths: null                        mean tokens of a document of every cluster, for a budget in tokens
    expected: [5.0, 2.0, 5.0]            draws of every cluster, for the reader: computed anew, never read
    clipped: [1]

`Schedule.read(path).sampler()` gives the sampler that draws it. A clip of null is none; `on_exhausted: random` beside it
goes on at random when all clusters are knocked out. A mixture has `factors` beside, one a cluster, and its run is what
`interp longtext score` made. torch is imported only to draw: planning answers at once.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.runs.errors import UserError
from training.sampling.expected import Expectation, expected
from training.sampling.lengths import TokenCount, mean_lengths
from training.sampling.strategies import Budget, Strategy

if TYPE_CHECKING:
    from training.sampling.grouped import GroupedCorpus
    from training.sampling.sampler import ClusterSampler

VERSION = 1


@dataclass(frozen=True)
class Schedule:
    """Everything that decides a stream of documents."""

    strategy: Strategy
    budget: Budget
    sizes: tuple[int, ...]
    """Documents of every cluster that can be drawn."""
    seed: int = 0
    run: str | None = None
    """Folder of the prepared corpus; None where only sizes are known."""
    lengths: tuple[float, ...] | None = None
    """Mean tokens of a document of every cluster, for a budget in tokens."""
    tokens: TokenCount = field(default_factory=TokenCount)

    @classmethod
    def of_run(
        cls, run: GroupedCorpus, strategy: Strategy, budget: Budget, *, seed: int = 0, tokens: TokenCount | None = None
    ) -> Schedule:
        """Schedule over a prepared corpus. Raises UserError if its documents' tokens are needed and cannot be had."""
        from training.sampling.sampler import drawable

        count, lengths = tokens or TokenCount(), None
        if budget.unit == "tokens":
            means = mean_lengths(count.lengths(run), drawable(run), len(run.sizes))
            lengths = tuple(means.tolist())
        return cls(strategy, budget, tuple(run.sizes.tolist()), seed, str(run.path), lengths, count)

    @classmethod
    def read(cls, path: Path) -> Schedule:
        """Schedule from a YAML file. Raises UserError if it cannot be read or something in it is not accepted."""
        import yaml

        try:
            found = yaml.safe_load(path.read_text(encoding="utf-8"))
            if found["version"] != VERSION:
                raise UserError(f"{path} has version {found['version']}; accepted is {VERSION}")
            return _parsed(found)
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UserError(f"{path} cannot be read as a schedule ({error})") from None
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(
                f"{path} is no sampling schedule ({type(error).__name__}: {error}); `interp sample plan --out` writes one"
            ) from None

    def write(self, path: Path) -> None:
        """Write it as YAML."""
        from interp.runs.atomic import write_text

        write_text(path, self.text())

    def text(self) -> str:
        """The YAML file's content."""
        import yaml

        clip = self.strategy.clip if math.isfinite(self.strategy.clip) else None
        foreseen = self.expected()
        content = {
            "version": VERSION,
            "run": self.run,
            "strategy": self.strategy.settings() | {"clip": clip},
            "budget": asdict(self.budget),
            "seed": self.seed,
            "tokens": asdict(self.tokens),
            "sizes": list(self.sizes),
            "lengths": None if self.lengths is None else list(self.lengths),
            "expected": [round(count, 4) for count in foreseen.counts.tolist()],
            "clipped": foreseen.clipped,
        }
        return yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=120)

    def expected(self) -> Expectation:
        """Expected draws of every cluster."""
        lengths = None if self.lengths is None else np.array(self.lengths)
        return expected(np.array(self.sizes), self.strategy, self.budget, lengths)

    def sampler(self, run: GroupedCorpus | None = None, **options: Any) -> ClusterSampler:
        """The sampler that draws it; `rank`, `world` and `drop_last` as `ClusterSampler` takes them.

        Raises UserError if no run is given or named, or the run has other clusters than the schedule was made for.
        """
        from training.sampling.grouped import open_grouped
        from training.sampling.sampler import ClusterSampler

        if run is None and self.run is None:
            raise UserError("the schedule names no run; give the folder that `interp sample prepare` made")
        corpus = run or open_grouped(Path(self.run or ""))
        if tuple(corpus.sizes.tolist()) != self.sizes:
            raise UserError(f"{corpus.path} has other clusters than the schedule was made for; plan it anew on this run")
        lengths = self.tokens.lengths(corpus) if self.budget.unit == "tokens" else None
        return ClusterSampler.of_run(corpus, self.strategy, self.budget, lengths=lengths, seed=self.seed, **options)


def _parsed(found: dict[str, Any]) -> Schedule:
    rule, budget, lengths = found["strategy"], found["budget"], found["lengths"]
    unit = {"draws": None, "tokens": None} | {budget["unit"]: int(budget["amount"])}
    return Schedule(
        _strategy(rule),
        Budget.of(**unit),
        tuple(int(size) for size in found["sizes"]),
        int(found["seed"]),
        found["run"],
        None if lengths is None else tuple(float(length) for length in lengths),
        TokenCount(**found["tokens"]),
    )


def _strategy(rule: dict[str, Any]) -> Strategy:
    if rule["kind"] == "mixture":
        return Strategy.mixture([float(factor) for factor in rule["factors"]], order=rule["order"])
    then = rule.get("on_exhausted", "stop")
    return Strategy.named(rule["kind"], clip=rule["clip"], alpha=rule["alpha"], order=rule["order"], on_exhausted=then)
