"""Routing records: what a router asked for, what capacity allowed, what rectification repaired, token by token.

    routes/part-<step>.parquet   a row a (step, layer, token, choice), the columns of `ROUTES`
    logits/part-<step>.parquet   a row a (step, layer, token): router logits, so that a plan can be replayed
    passes/part-<step>.parquet   a row a (step, layer): rules and sizes; written last, so a step that is there is whole
    loads/part-<step>.parquet    a row a (step, layer, rank, expert): counts, in place of routes that were not kept
    domains/part-<n>.parquet     a row a text of known domain: said once, as routes have a text's number in every row

They lie in a run folder. A step is one forward pass, whose tokens compete for slots: of training its step, else a count.
Logits are float32, since rounded ones tie, and a replay under the recorded rules is to give the recorded rows.
`training.moe.record_files` reads them back, and the same tables as JSON lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.runs.parts import part_path, write_part
from training.moe.plan import RoutingPlan, scores_of
from training.moe.rules import Rules

ROUTES = pa.schema([
    ("step", pa.int64()),
    ("layer", pa.int16()),
    ("sequence", pa.int64()),
    ("position", pa.int32()),
    ("token_id", pa.int32()),
    ("token", pa.string()),
    ("rank", pa.int16()),
    ("choice", pa.int8()),
    ("expert", pa.int16()),
    ("probability", pa.float32()),
    ("kept", pa.bool_()),
    ("filled", pa.bool_()),
    ("rectified", pa.bool_()),
    ("slot", pa.int32()),
    ("weight", pa.float32()),
])  # fmt: skip
"""`choice` counts from 0; of a stand-in it is -1. A choice of the first k is `kept`, or else was dropped; `filled` uses a
slot that would have been padding; `rectified` is a stand-in on the token's own rank. `slot` is -1 without a slot, `weight`
is 0 for what was dropped."""

PASSES = pa.schema([
    ("step", pa.int64()),
    ("layer", pa.int16()),
    ("ranks", pa.int16()),
    ("tokens", pa.int32()),
    ("experts", pa.int16()),
    ("slots", pa.int32()),
    ("router", pa.string()),
    ("scoring", pa.string()),
    ("k", pa.int8()),
    ("capacity", pa.float64()),
    ("fill", pa.string()),
    ("rectify", pa.bool_()),
    ("order", pa.string()),
    ("unrouted", pa.string()),
    ("scale", pa.string()),
    ("detach", pa.bool_()),
    ("seed", pa.int64()),
    ("balance", pa.float32()),
    ("row_bytes", pa.int32()),
])  # fmt: skip
"""`tokens` is S of a rank, `slots` C of an expert on a rank; the rules, their seed that of this pass' order, where it is
`random`; `balance` is the load-balancing loss, if known; `row_bytes` what a token takes on its way to an expert, and its
output on the way back: the model's width times the bytes of a number, if known."""

LOADS = pa.schema([
    ("step", pa.int64()),
    ("layer", pa.int16()),
    ("rank", pa.int16()),
    ("expert", pa.int16()),
    ("kept", pa.int64()),
    ("dropped", pa.int64()),
    ("filled", pa.int64()),
    ("rectified", pa.int64()),
])  # fmt: skip
"""Rows of `ROUTES`, counted."""

DOMAINS = pa.schema([("sequence", pa.int64()), ("domain", pa.string())])
"""Where a text is from, or what it is; a text without a row is of no known domain."""

LOGITS = pa.schema([*list(ROUTES)[:6], ROUTES.field("rank"), ("place", pa.int32()), ("mass", pa.float32())])
"""And the lists `logits` and `choose_by`, one number an expert. `mass` is the sum of the token's weights, 1 if empty."""


class Decoder(Protocol):
    """What is needed of a tokenizer."""

    def decode(self, token_ids: list[int], /) -> Any:
        """Text of tokens."""


@dataclass(frozen=True)
class Tokens:
    """The tokens of a forward pass, numbered through as plans number them; those that fill up the last rank left out."""

    sequence: Int[np.ndarray, " token"]
    """Id of the text, -1 for padding."""
    position: Int[np.ndarray, " token"]
    token_id: Int[np.ndarray, " token"]
    token: Sequence[str]

    @classmethod
    def of(
        cls, ids: Int[Tensor, "sequence position"], tokenizer: Decoder, *, first: int = 0, mask: Tensor | None = None
    ) -> Tokens:
        """Of a batch; its texts are numbered from `first`. `mask` is False, or 0, for padding."""
        count, length = ids.shape
        sequence = np.repeat(np.arange(first, first + count), length)
        if mask is not None:
            sequence = np.where(mask.cpu().numpy().astype(bool).ravel(), sequence, -1)
        flat = ids.cpu().numpy().ravel()
        known = {number: str(tokenizer.decode([number])) for number in np.unique(flat).tolist()}
        return cls(sequence, np.tile(np.arange(length), count), flat, [known[number] for number in flat.tolist()])


class Routed(NamedTuple):
    """One layer's pass."""

    plan: RoutingPlan
    logits: Float[Tensor, "rank token expert"]
    """Padding included."""
    scoring: str = "softmax"
    """How logits became the scores that weights are proportional to: softmax or sigmoid."""
    choose_by: Float[Tensor, "rank token expert"] | None = None
    """What choices were made by, where not by the scores (`Request.choose_by`)."""
    router: str = "top-k"
    """Its name in `training.moe.baselines.ROUTERS`."""
    balance: float | None = None
    """Load-balancing loss, without its coefficient."""
    mass: Float[Tensor, "rank token"] | None = None
    """Sum of a token's weights, where it is not 1 (`Request.mass`)."""
    row_bytes: int | None = None
    """Bytes of a token as experts get it."""


@dataclass
class RecordWriter:
    """Writes the records of a run folder, a step at a time; a step that is written again replaces itself."""

    folder: Path
    step: int | None = None
    _rows: dict[str, list[pa.Table]] = field(default_factory=lambda: {"routes": [], "logits": [], "passes": []})

    def add(self, step: int, layer: int, tokens: Tokens, routed: Routed) -> None:
        """Take up a layer; the step is written as the next one begins, or at `flush`."""
        if step != self.step:
            self.flush()
            self.step = step
        self._rows["routes"].append(route_rows(step, layer, tokens, routed))
        self._rows["logits"].append(_logit_rows(step, layer, tokens, routed))
        self._rows["passes"].append(_pass_row(step, layer, routed))

    def tell_domains(self, domains: Sequence[str | None], *, first: int = 0, part: int = 0) -> None:
        """Write of which domain each text is, numbered from `first`; None is not known. A part replaces itself."""
        rows = [{"sequence": number, "domain": domain} for number, domain in enumerate(domains, first) if domain is not None]
        write_part(part_path(self.folder / "domains", part), pa.Table.from_pylist(rows, schema=DOMAINS))

    def flush(self) -> None:
        """Write what was taken up."""
        for table, rows in self._rows.items():
            if rows:
                write_part(part_path(self.folder / table, self.step or 0), pa.concat_tables(rows))
                rows.clear()


def route_rows(step: int, layer: int, tokens: Tokens, routed: Routed) -> pa.Table:
    """The rows of `ROUTES` of one layer, ordered by token and choice, stand-ins last."""
    plan = routed.plan
    columns = _choices(plan)
    token, expert = columns["token"], columns["expert"]
    score = scores_of(routed.logits.detach(), routed.scoring).flatten(0, 1)[token, expert]
    order = torch.argsort(token * 256 + columns["choice"] % 256, stable=True).cpu().numpy()
    given = {name: column.detach().cpu().numpy()[order] for name, column in columns.items()}
    where = given.pop("token")
    rows = {
        "step": np.full(len(where), step),
        "layer": np.full(len(where), layer),
        **_who(tokens, where),
        "rank": where // plan.tokens,
        "probability": score.cpu().numpy()[order],
        **given,
    }
    return pa.table({field.name: pa.array(rows[field.name], type=field.type) for field in ROUTES}, schema=ROUTES)


def _choices(plan: RoutingPlan) -> dict[str, Tensor]:
    """Routes, refused choices and stand-ins below each other."""
    routes, refused, stand_ins = plan.routes, plan.refused, plan.stand_ins
    sizes = len(routes.token), len(refused.token), len(stand_ins.token)

    def stacked(*parts: Tensor | float) -> Tensor:
        kind = next(part for part in parts if isinstance(part, Tensor))
        filled = [
            part if isinstance(part, Tensor) else kind.new_full((size,), part)
            for part, size in zip(parts, sizes, strict=True)
        ]
        return torch.cat(filled)

    return {
        "token": stacked(routes.token, refused.token, stand_ins.token),
        "expert": stacked(routes.expert, refused.expert, stand_ins.expert),
        "choice": stacked(routes.choice, refused.choice, -1),
        "kept": stacked(~routes.filled, False, False),
        "filled": stacked(routes.filled, False, False),
        "rectified": stacked(torch.zeros_like(routes.filled), False, True),
        "slot": stacked(routes.slot, -1, -1),
        "weight": stacked(routes.weight.detach(), 0.0, stand_ins.weight.detach()),
    }


def _who(tokens: Tokens, where: Int[np.ndarray, " row"]) -> dict[str, Any]:
    """Columns that tell tokens apart."""
    return {
        "sequence": tokens.sequence[where],
        "position": tokens.position[where],
        "token_id": tokens.token_id[where],
        "token": [tokens.token[number] for number in where.tolist()],
    }


def _logit_rows(step: int, layer: int, tokens: Tokens, routed: Routed) -> pa.Table:
    """Logits of the tokens that are no padding, with their place on their rank."""
    where = np.flatnonzero(tokens.sequence >= 0)
    experts = routed.logits.shape[-1]

    def numbers(box: Tensor) -> pa.Array:
        return pa.array(box.detach().float().flatten(0, 1).cpu().numpy()[where].ravel())

    def listed(box: Tensor) -> pa.Array:
        return pa.FixedSizeListArray.from_arrays(numbers(box), experts)

    kind = pa.list_(pa.float32(), experts)
    by = pa.nulls(len(where), kind) if routed.choose_by is None else listed(routed.choose_by)
    who = _who(tokens, where)
    columns = {
        "step": pa.array(np.full(len(where), step)),
        "layer": pa.array(np.full(len(where), layer), type=pa.int16()),
        **{name: pa.array(values, type=ROUTES.field(name).type) for name, values in who.items()},
        "rank": pa.array(where // routed.plan.tokens, type=pa.int16()),
        "place": pa.array(where % routed.plan.tokens, type=pa.int32()),
        "mass": pa.nulls(len(where), pa.float32()) if routed.mass is None else numbers(routed.mass),
        "logits": listed(routed.logits),
        "choose_by": by,
    }
    return pa.table(columns)


def _pass_row(step: int, layer: int, routed: Routed) -> pa.Table:
    plan = routed.plan
    ranks, experts = plan.shape
    row = {
        "step": step, "layer": layer, "ranks": ranks, "tokens": plan.tokens, "experts": experts, "slots": plan.slots,
        "router": routed.router, "scoring": routed.scoring, "balance": routed.balance, "row_bytes": routed.row_bytes,
        **asdict(plan.rules),
    }  # fmt: skip
    return pa.Table.from_pylist([row], schema=PASSES)


def rules_of(row: dict[str, Any]) -> Rules:
    """Rules of a row of `PASSES`."""
    return Rules(**{name: row[name] for name in Rules.__dataclass_fields__})
