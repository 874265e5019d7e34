"""The stream of documents that a strategy draws, as a sampler for PyTorch's data loaders.

Rule (arXiv 2402.14526, reconstructed; the paper's own sampler is not public): draw a cluster among the active ones, give
its next document; a cluster's documents come in a shuffled queue, without replacement inside a pass; once it has been
passed over tau times it is knocked out. When all are, the stream ends, or goes on at random if it is asked to.

A position of the stream is a function of the seed and the settings alone. So it can be taken up at any position, and
ranks that count positions the same way never share one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int
from torch.utils.data import Sampler

from interp.runs.errors import UserError
from training.sampling.strategies import Budget, Strategy
from training.sampling.stream import ENDLESS, Documents, Position, Stream

if TYPE_CHECKING:
    from training.sampling.grouped import GroupedCorpus


class ClusterSampler(Sampler[int]):
    """Document numbers in the order in which to train on them; deterministic, resumable, sharded over ranks.

    `clusters` holds the cluster of every document, negative for those never drawn (near-duplicates); `lengths` their
    tokens, for a budget in tokens. Rank r of `world` gets the stream's positions r, r + world, ...; with `drop_last` all
    ranks get equally many. An iteration begins where the last one was left (or at a loaded state), a finished one anew.

    Behind a DataLoader with workers `state_dict()` is ahead of the training, as workers draw what is not asked for yet:
    go on with `seek(consumed * world)`, where `consumed` documents were trained on by each rank.

    Raises UserError for a corpus without documents, lengths that do not fit, a seed that is none, or a rank outside the
    world.
    """

    def __init__(
        self,
        clusters: Int[np.ndarray, " document"],
        strategy: Strategy,
        budget: Budget,
        *,
        lengths: Documents | None = None,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        drop_last: bool = False,
    ) -> None:
        _check(clusters, budget, lengths, seed, rank, world)
        self.seed, self.rank, self.world = seed, rank, world
        self._stream = Stream(clusters, strategy, budget, lengths, seed)
        self._total: int | None = None
        self._passed = 0
        self._end = self.total - self.total % world if drop_last else ENDLESS
        self.seek(0)

    @classmethod
    def of_run(cls, run: GroupedCorpus, strategy: Strategy, budget: Budget, **options: Any) -> ClusterSampler:
        """Sampler over a corpus in groups, such as `interp sample prepare` leaves it; options as above."""
        return cls(drawable(run), strategy, budget, **options)

    @property
    def total(self) -> int:
        """Draws of the whole stream, over all ranks; fewer than the budget if it stops when all clusters are knocked out."""
        if self._total is None:
            self._total = self._stream.total()
        return self._total

    def __len__(self) -> int:
        return len(range(self.rank, min(self.total, self._end), self.world))

    def __iter__(self) -> Iterator[int]:
        for block in self._rest():
            first = self._at.draws + self._passed
            for index, document in enumerate(block.tolist()):
                position = first + index
                self._passed = position + 1 - self._at.draws
                if self._mine(position):
                    yield document

    def blocks(self) -> Iterator[Documents]:
        """The same documents in arrays; a state taken meanwhile is that after the array given last."""
        for block in self._rest():
            positions = self._at.draws + self._passed + np.arange(len(block))
            self._passed += len(block)
            yield block[(positions % self.world == self.rank) & (positions < self._end)]

    def seek(self, position: int) -> None:
        """Make the draw at `position` of the whole stream the next one; drawing again up to there takes its time."""
        self._at = self._stream.start()
        self._block, self._after = self._stream.draw(self._at)
        while position >= self._after.draws and len(self._block):
            self._at = self._after
            self._block, self._after = self._stream.draw(self._at)
        self._passed, self._ended = min(position - self._at.draws, len(self._block)), False

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands, in numbers and lists; with it goes what the stream is a function of."""
        at = asdict(self._at) | {"counts": self._at.counts.tolist(), "wait": self._at.wait.tolist()}
        return {**self._settings(), "at": at, "passed": self._passed}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, on any rank of any world. Raises UserError if it is another stream's."""
        different = [name for name, value in self._settings().items() if state.get(name) != value]
        if different:
            raise UserError(f"the sampler's state belongs to another stream: its {', '.join(different)} differ")
        at = state["at"]
        counts, wait = np.array(at["counts"], np.int64), np.array(at["wait"], float)
        self._at = Position(at["draws"], at["spent"], at.get("phase", 0), counts, wait)
        self._block, self._after = self._stream.draw(self._at)
        self._passed, self._ended = state["passed"], False

    def _settings(self) -> dict[str, Any]:
        stream = self._stream
        rule = {"strategy": stream.strategy.settings(), "budget": asdict(stream.budget), "seed": self.seed}
        return {**rule, "sizes": stream.sizes.tolist(), "documents": stream.digest}

    def _mine(self, position: int) -> bool:
        return position % self.world == self.rank and position < self._end

    def _rest(self) -> Iterator[Documents]:
        """Blocks from where the stream stands, of the first what is left; from the start if they went to the end."""
        if self._ended:
            self.seek(0)
        while len(self._block):
            yield self._block[self._passed :]
            self._at, self._passed = self._after, 0
            self._block, self._after = self._stream.draw(self._at)
        self._ended = True


def drawable(run: GroupedCorpus) -> Int[np.ndarray, " document"]:
    """Cluster of every document of a run, -1 for near-duplicates and what is in no cluster: they are never drawn."""
    table = run.assignments
    return np.where(table["duplicate_of"].isna(), table["cluster"], -1).astype(np.int64)


def _check(
    clusters: Int[np.ndarray, " document"], budget: Budget, lengths: Documents | None, seed: int, rank: int, world: int
) -> None:
    if not np.any(np.asarray(clusters) >= 0):
        raise UserError(f"{len(clusters)} documents with none in a cluster; accepted is a corpus of which some can be drawn")
    if not 0 <= seed < 2**64:
        raise UserError(f"seed {seed} is refused; accepted are whole numbers from 0 up to 2^64 - 1")
    if not 0 <= rank < world:
        raise UserError(f"rank {rank} of {world} is refused; accepted are ranks from 0 up to the number of ranks less one")
    if lengths is None and budget.unit == "tokens":
        raise UserError("a budget in tokens needs the tokens of every document; none were given")
    if lengths is not None and (len(lengths) != len(clusters) or np.min(lengths) < 1):
        raise UserError(f"{len(lengths)} lengths for {len(clusters)} documents; accepted is one each, at least 1")
