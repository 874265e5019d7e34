"""`interp circuits`: trace logits, features and attention scores to dictionary features."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli.output import emit, finite
from interp.cli.prompts import Prepared, prepare

if TYPE_CHECKING:
    from interp.circuits.graph import Graph

app = typer.Typer(no_args_is_help=True, help="Circuits of dictionary features, traced without patching.")


@app.callback()
def circuits() -> None:
    """Keeps `trace` a verb of its own while it is the only one."""


@app.command()
def trace(
    target: Annotated[str, typer.Option(help="logit:c4@12, feature:L2M/845@8 or attention:L1H3@14,13.")],
    moves: Annotated[str | None, typer.Option(help='An Othello game such as "f5 d6 c3".')] = None,
    dictionary_set: Annotated[str, typer.Option("--set", help="topk, l1, or a folder of dictionaries.")] = "topk",
    model: Annotated[str | None, typer.Option(help="A language model: shipped name, folder, or Hub id.")] = None,
    dictionaries: Annotated[Path | None, typer.Option(help="The language model's dictionaries, SAELens format.")] = None,
    prompt: Annotated[str | None, typer.Option(help="What the language model reads.")] = None,
    graph: Annotated[Path | None, typer.Option(help="Write the circuit here, in Neuronpedia's JSON.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:0, ...")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Trace a target to the features, embeddings, errors and biases that make it. @P counts positions from 1."""
    prepared = prepare(target, moves, dictionary_set, model, dictionaries, prompt, device)
    from interp.circuits.trace import trace as follow

    result = follow(prepared.decomposition, prepared.target)
    if graph is not None:
        _write_graph(graph, result, prepared)
    found = summary(result)
    emit(found, as_json=as_json, text=_text(result, prepared.tokens))


def summary(graph: Graph) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "target": graph.target,
        "value": graph.value,
        **graph.sums,
        "residual": graph.residual,
        "ends": graph.ends,
        "nodes": len(graph.nodes),
        "edges": len(graph.edge_source),
        "seconds": graph.seconds,
    }


def _write_graph(path: Path, graph: Graph, prepared: Prepared) -> None:
    from interp.circuits.export import neuronpedia
    from interp.runs.atomic import write_json

    slug = "".join(letter if letter.isalnum() else "-" for letter in graph.target)
    document = neuronpedia(
        graph,
        prepared.decomposition,
        prepared.target,
        slug=slug,
        scan=prepared.scan,
        prompt=prepared.prompt,
        prompt_tokens=prepared.tokens,
    )
    write_json(path, json.loads(json.dumps(finite(document))))


def _text(graph: Graph, tokens: list[str]) -> str:
    sums = ", ".join(f"{name} {value:+.3f}" for name, value in graph.sums.items())
    direct = graph.nodes.iloc[1:]
    largest = direct.reindex(direct["contribution"].abs().sort_values(ascending=False).index).head(10)
    return "\n".join(
        [
            "  ".join(f"{position} {token!r}" for position, token in enumerate(tokens, start=1)),
            f"{graph.target} = {graph.value:.4f}: {sums} (rest {graph.residual:.1e})",
            *(f"  {row.contribution:+.3f}  {row.id}" for row in largest.itertuples()),
            "influence comes from " + ", ".join(f"{name} {share:.0%}" for name, share in graph.ends.items()),
            f"{len(graph.nodes)} nodes, {len(graph.edge_source)} edges, {graph.seconds:.2f} s",
        ]
    )
