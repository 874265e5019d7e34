"""`interp moe record`: how a mixture of experts routes the user's text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from interp.cli.moe_options import FILL, ORDER, RECTIFY, is_on
from interp.cli.options import AsJson, Device
from interp.cli.output import emit


def record(
    model: Annotated[
        str,
        typer.Argument(help="A folder in transformers' format, an id owner/name, or ours: `interp moe train`, `upcycle`."),
    ],
    text: Annotated[
        str, typer.Option(help="JSONL, CSV or Parquet (.gz and .zst too), .txt, .md, a folder of them, or hf:owner/name.")
    ],
    out: Annotated[Path, typer.Option(help="Run folder; a run that is there goes on.")],
    capacity: Annotated[float | None, typer.Option(help="c_eff: slots over tokens; inf drops nothing.")] = None,
    fill: Annotated[str | None, FILL] = None,
    rectify: Annotated[str | None, RECTIFY] = None,
    order: Annotated[str | None, ORDER] = None,
    ranks: Annotated[
        int | None, typer.Option(min=1, help="Simulated ranks that a batch's tokens and the experts lie on.")
    ] = None,
    length: Annotated[int | None, typer.Option(help="Tokens that are read at once; 512, or the model's positions.")] = None,
    batch_tokens: Annotated[int, typer.Option(min=1, help="Tokens of a batch, which compete for slots.")] = 2048,
    text_column: Annotated[str, typer.Option(help="Column with the text.")] = "text",
    id_column: Annotated[str, typer.Option(help="Column with the identifiers.")] = "id",
    domain_column: Annotated[
        str | None, typer.Option(help="Column that says of which domain a text is, to see which expert reads what.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the order random.")] = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Record how every token of a text is routed, layer by layer, with the router's logits for replay.

    A model routes as it does by itself where nothing is said: ours with the rules and ranks it was trained with, Hugging
    Face's, which have no capacity, dropping nothing on one rank. --capacity, --fill and --rectify put that there, and the
    model goes on with what they leave.

    Texts are read at once, as a prompt is. Generation with a cache is another matter: a pass then has one token of each
    sequence, which asks k different experts, and each has a slot at least. So a batch of one never drops a choice however
    small the capacity, and drops that are recorded here say nothing about it.
    """
    rectified = None if rectify is None else is_on(rectify)
    from training.moe.recording import Recording
    from training.moe.recording import record as recorded

    asked: dict[str, Any] = {"capacity": capacity, "fill": fill, "rectify": rectified, "order": order, "seed": seed}
    asked |= {"text_column": text_column, "id_column": id_column, "domain_column": domain_column}
    settings = Recording(ranks=ranks, length=length, batch_tokens=batch_tokens, **asked)
    result = recorded(model, text, out, settings, device=device) | {"out": str(out)}
    emit(result, as_json=as_json, text=_told(result))


def _told(result: dict[str, Any]) -> str:
    rejected = "".join(f", {count} rejected ({reason})" for reason, count in result["rejected"].items())
    padding = "" if result["padding_rate"] is None else f", {result['padding_rate']:.1%} of slots empty"
    return (
        f"{result['out']}: {result['tokens']:,} tokens of {result['recorded']:,} texts in {result['steps']:,} batches"
        f"{rejected}, {result['set_aside']} rows set aside; {result['drop_rate']:.1%} of choices dropped{padding}, "
        f"{result['rectified']:,} tokens rectified"
    )
