"""Format compliance and pattern discovery: is the one token that a model adds a label, and is it the right one?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
import torch
from scipy.stats import binomtest

from interp.heads.icl.readout import Readout
from interp.heads.icl.tasks import SHOTS, Task, label_tokens, prompts, tasks
from interp.runs.errors import UserError

COLUMNS = ("task", "shots", "measure", "value", "low", "high", "count")


def accuracies(
    readout: Readout, names: Iterable[str] | None = None, *, shots: Sequence[int] = SHOTS, count: int = 100, seed: int = 0
) -> pd.DataFrame:
    """Rows (task, shots, measure, value, low, high, count); greedy decoding of one token, `count` prompts a row.

    Measures: `format`, `pattern`, `pattern_given_format` (the paper's relation tasks mix the two), and `pattern_unshown`
    where the asked pair is not among the shots, so that no copying answers it. Low and high are Wilson's 95 % interval;
    a value over no prompt is NaN. Raises UserError for a task that is not known.
    """
    known = tasks()
    chosen = list(known) if names is None else list(names)
    if strangers := [name for name in chosen if name not in known]:
        raise UserError(f"there is no task '{strangers[0]}'; tasks are {', '.join(known)}")
    rows = [row for name in chosen for few in shots for row in _measure(readout, known[name], few, count, seed)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _measure(readout: Readout, task: Task, shots: int, count: int, seed: int) -> list[dict[str, Any]]:
    tokenizer = readout.model.tokenizer
    labels = label_tokens(task, tokenizer)
    asked = prompts(task, shots, count, seed, end=labels.end)
    said = _greedy(readout, [tokenizer(prompt.text).input_ids for prompt in asked])
    beginnings = set(labels.ids.values())  # a label of several tokens has begun
    has_format = [token in beginnings or task.is_format(tokenizer.decode([token]).strip()) for token in said]
    right = [token == labels.ids[prompt.label] for token, prompt in zip(said, asked, strict=True)]
    hits = {
        "format": has_format,
        "pattern": right,
        "pattern_given_format": [hit for hit, formed in zip(right, has_format, strict=True) if formed],
        "pattern_unshown": [hit for hit, prompt in zip(right, asked, strict=True) if not prompt.shown],
    }
    return [{"task": task.name, "shots": shots, "measure": name, **_share(found)} for name, found in hits.items()]


def _greedy(readout: Readout, asked: list[list[int]]) -> list[int]:
    room = readout.model.bridge.cfg.n_ctx
    if (longest := max(map(len, asked))) > room:
        raise UserError(f"a prompt of {longest} tokens is longer than the model's context of {room}; take fewer shots")
    with torch.no_grad():
        return readout.next_logits(asked).argmax(-1).tolist()


def _share(hits: list[bool]) -> dict[str, float | int]:
    if not hits:
        return {"value": float("nan"), "low": float("nan"), "high": float("nan"), "count": 0}
    interval = binomtest(sum(hits), len(hits)).proportion_ci(method="wilson")
    return {"value": sum(hits) / len(hits), "low": interval.low, "high": interval.high, "count": len(hits)}


def fewest_shots(found: pd.DataFrame, *, above: float = 0.8, never: int = 20) -> pd.Series:
    """By task, the smallest number of shots whose format accuracy exceeds `above`; `never` where none does (Fig. 12)."""
    formed = found[(found.measure == "format") & (found.value > above)]
    return formed.groupby("task").shots.min().reindex(found.task.unique(), fill_value=never)
