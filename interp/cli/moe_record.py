"""`interp moe record`: how a mixture of experts routes the user's text."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from interp.cli.options import AsJson, Device
from interp.cli.output import emit
from interp.runs.errors import UserError


def record(
    model: Annotated[str, typer.Argument(help="Mixture of experts: a folder in transformers' format, or an id owner/name.")],
    text: Annotated[
        str, typer.Option(help="JSONL, CSV or Parquet (.gz and .zst too), .txt, .md, a folder of them, or hf:owner/name.")
    ],
    out: Annotated[Path, typer.Option(help="Run folder; a run that is there goes on.")],
    capacity: Annotated[float, typer.Option(help="c_eff: slots over tokens; inf drops nothing, as the model itself.")] = (
        math.inf
    ),
    fill: Annotated[str, typer.Option(help="Fill-in rectification by own or top1 probability, or off.")] = "off",
    rectify: Annotated[str, typer.Option(help="Intra-GPU rectification: on or off.")] = "off",
    order: Annotated[str, typer.Option(help="First served: confidence, reverse, random or position.")] = "confidence",
    ranks: Annotated[int, typer.Option(min=1, help="Simulated ranks that a batch's tokens and the experts lie on.")] = 1,
    length: Annotated[int | None, typer.Option(help="Tokens that are read at once; 512, or the model's positions.")] = None,
    batch_tokens: Annotated[int, typer.Option(min=1, help="Tokens of a batch, which compete for slots.")] = 2048,
    text_column: Annotated[str, typer.Option(help="Column with the text.")] = "text",
    id_column: Annotated[str, typer.Option(help="Column with the identifiers.")] = "id",
    seed: Annotated[int, typer.Option(min=0, help="Of the order random.")] = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Record how every token of a text is routed, layer by layer, with the router's logits for replay.

    Hugging Face's mixtures have no capacity and drop nothing; --capacity, --fill and --rectify put it there, and the model
    goes on with what they leave. Texts are read at once, as a prompt is. Generation with a cache is another matter: a pass
    then has one token of each sequence, which asks k different experts, and each has a slot at least. So a batch of one
    never drops a choice however small the capacity, and drops that are recorded here say nothing about it.
    """
    if rectify not in ("on", "off"):
        raise UserError(f"rectify '{rectify}' is unknown; accepted are on, off")
    from training.moe.rules import Rules

    asked: dict[str, Any] = {"capacity": capacity, "fill": fill, "rectify": rectify == "on", "order": order, "seed": seed}
    Rules(1, **asked)  # refused before the model is read
    from training.moe.recording import Recording
    from training.moe.recording import record as recorded

    asked |= {"text_column": text_column, "id_column": id_column}
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
