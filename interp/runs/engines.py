"""Map a stage over the shards of a corpus: in this process, in a pool of processes, on Ray, or on torchrun's ranks.

A shard is a source file and the target that the stage writes, whole or not at all. Shards whose target exists are done,
so a job goes on where it was killed, under any engine; all engines call the same stage on the same shards.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any, Literal, NamedTuple, get_args

import torch
from accelerate import PartialState

from interp.runs.device import resolve
from interp.runs.errors import UserError
from interp.runs.progress import Progress

Engine = Literal["auto", "inline", "process", "ray"]
"""Where a stage runs; auto is inline under torchrun, on CUDA, for one worker or one shard, else a pool of processes."""


class Shard(NamedTuple):
    """A piece of work."""

    source: Path
    target: Path
    weight: int
    """Its size in the unit of progress: documents, say."""


Stage = Callable[[Path, Path], None]
"""Reads a source and writes a target. It is pickled; what is heavy it loads when it is first called in a process."""


def pending(shards: Sequence[Shard]) -> list[Shard]:
    """The shards that are not done."""
    return [shard for shard in shards if not shard.target.exists()]


def map_shards(
    stage: Stage,
    shards: Sequence[Shard],
    *,
    engine: Engine = "auto",
    workers: int | None = None,
    device: str = "cpu",
    unit: str = "documents",
    label: str = "shards",
) -> None:
    """Make every target that is absent; return when all are there.

    `workers` is the number of processes, as many as cores without it. Under torchrun each rank takes every world-th
    shard. `device` is where the stage computes: several processes do not share a GPU well, so auto then stays inline.

    Raises UserError for an unknown engine, one that is not installed, or a worker that was killed.
    """
    if engine not in get_args(Engine):
        raise UserError(f"unknown engine '{engine}'; accepted are {', '.join(get_args(Engine))}")
    distributed = "LOCAL_RANK" in os.environ
    if distributed and engine in ("process", "ray"):
        raise UserError(f"engine '{engine}' starts processes itself, and so did torchrun; with torchrun take --engine auto")
    left = pending(shards)
    if not left and not distributed:
        return
    own = _of_this_rank(left, device) if distributed else left
    count = processes(len(own), engine, workers, device)
    chosen = ("inline" if count == 1 else "process") if engine == "auto" else engine
    done = sum(shard.weight for shard in shards) - sum(shard.weight for shard in left)
    total = done + sum(shard.weight for shard in own)
    with Progress(total, unit=unit, label=label, start=done, enabled=PartialState().is_main_process) as progress:
        for shard in _RUN[chosen](stage, own, count):
            progress.advance(shard.weight)
    if distributed:
        PartialState().wait_for_everyone()


def _of_this_rank(shards: Sequence[Shard], device: str) -> Sequence[Shard]:
    """Every world-th shard, once all ranks have seen which are left."""
    resolve(device)
    state = PartialState()
    state.wait_for_everyone()
    return shards[state.process_index :: state.num_processes]


def processes(shards: int, engine: Engine, workers: int | None, device: str) -> int:
    """How many processes `map_shards` takes for so many shards."""
    alone = "LOCAL_RANK" in os.environ or device.startswith("cuda")
    if engine == "inline" or (engine == "auto" and alone):
        return 1
    return max(min(workers or os.cpu_count() or 1, shards), 1)


def _inline(stage: Stage, shards: Sequence[Shard], workers: int) -> Iterator[Shard]:
    for shard in shards:
        stage(shard.source, shard.target)
        yield shard


def _process(stage: Stage, shards: Sequence[Shard], workers: int) -> Iterator[Shard]:
    # Spawned, not forked: a fork of a process whose libraries have threads may hang.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_begin_worker, initargs=(workers,))
    try:
        running = {pool.submit(stage, shard.source, shard.target): shard for shard in shards}
        for future in as_completed(running):
            future.result()
            yield running[future]
    except BrokenProcessPool:
        raise UserError(
            "a worker process was killed, most likely for want of memory; what is done is kept: the same command goes on "
            "(fewer --workers take less memory)"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_worker(workers: int) -> None:
    _share_cores(workers)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever: it holds the other end of its own queue."""
    if parent := parent_process():
        parent.join()
        os._exit(1)


def _share_cores(workers: int) -> None:
    torch.set_num_threads(max(min((os.cpu_count() or 1) // workers, torch.get_num_threads()), 1))


class _RayStage:
    """The stage in an actor, so that what it loads stays loaded."""

    def __init__(self, stage: Stage, workers: int) -> None:
        _share_cores(workers)
        self._stage = stage

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        try:
            self._stage(Path(row["source"]), Path(row["target"]))
        except UserError as error:  # Ray would wrap it until it is no UserError any more
            return {**row, "refused": str(error)}
        return {**row, "refused": ""}


def _ray(stage: Stage, shards: Sequence[Shard], workers: int) -> Iterator[Shard]:
    # Before the import, which reads them: no telemetry; a slow machine's workers may register late; and processes of
    # this machine alone meet on loopback, where no firewall is between them (the name is of where Ray made that usual).
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_agent_register_timeout_ms", "90000")
    if "RAY_ADDRESS" not in os.environ:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
        import ray.data
    except ImportError:
        raise UserError("engine 'ray' needs Ray: pip install 'interp-lab[dist]'") from None
    rows = [
        {"number": number, "source": str(shard.source.resolve()), "target": str(shard.target.resolve())}
        for number, shard in enumerate(shards)
    ]
    _begin_ray()
    data: Any = ray.data.from_items(rows, override_num_blocks=len(rows))
    pool = ray.data.ActorPoolStrategy(size=workers)
    for row in data.map(_RayStage, fn_constructor_args=(stage, workers), compute=pool, num_cpus=1).iter_rows():
        if row["refused"]:
            raise UserError(row["refused"])
        yield shards[row["number"]]


def _begin_ray() -> None:
    """Start Ray on this machine, unless the user has joined a cluster; it ends with this process."""
    import ray
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    if ray.is_initialized():
        return
    try:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray gives itself half a minute, which a busy machine exceeds, and raises this very class
        raise UserError(f"Ray does not start ({error}); the engine process needs no start") from None


_RUN: dict[str, Callable[[Stage, Sequence[Shard], int], Iterator[Shard]]] = {
    "inline": _inline,
    "process": _process,
    "ray": _ray,
}
