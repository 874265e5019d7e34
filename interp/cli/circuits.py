"""`interp circuits`: trace logits, features and attention scores to dictionary features, and check what was traced."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli.options import AsJson, Device
from interp.cli.output import emit
from interp.cli.prompts import Prepared, prepare
from interp.runs.errors import UserError

if TYPE_CHECKING:
    from interp.circuits.graph import Graph

app = typer.Typer(no_args_is_help=True, help="Circuits of dictionary features, traced without patching.")

TargetText = Annotated[str, typer.Option("--target", help="logit:c4@12, feature:L2M/845@8 or attention:L1H3@14,13.")]
Moves = Annotated[str | None, typer.Option(help='An Othello game such as "f5 d6 c3".')]
Set = Annotated[str, typer.Option("--set", help="topk, l1, or a folder of dictionaries.")]
Model = Annotated[str | None, typer.Option(help="A language model: shipped name, folder, or Hub id.")]
Dictionaries = Annotated[Path | None, typer.Option(help="The language model's dictionaries, SAELens format.")]
Prompt = Annotated[str | None, typer.Option(help="What the language model reads.")]


@app.command()
def trace(
    target: TargetText,
    moves: Moves = None,
    dictionary_set: Set = "topk",
    model: Model = None,
    dictionaries: Dictionaries = None,
    prompt: Prompt = None,
    graph: Annotated[Path | None, typer.Option(help="Write the circuit here, in Neuronpedia's JSON.")] = None,
    expand: Annotated[float, typer.Option(min=0, max=1, help="Follow features with this share of the influence.")] = 0.002,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Trace a target to the features, embeddings, errors and biases that make it. @P counts positions from 1."""
    prepared = prepare(target, moves, dictionary_set, model, dictionaries, prompt, device)
    from interp.circuits.promoted import with_promoted_tokens
    from interp.circuits.trace import Pruning
    from interp.circuits.trace import trace as follow

    result = follow(prepared.decomposition, prepared.target, pruning=Pruning(expand=expand))
    if prepared.text_of is not None:
        result = with_promoted_tokens(result, prepared.decomposition, prepared.text_of)
    if graph is not None:
        _write_graph(graph, result, prepared)
    emit(summary(result), as_json=as_json, text=_text(result, prepared.tokens))


def summary(graph: Graph) -> dict[str, Any]:
    """What `trace --json` prints."""
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


@app.command()
def inputs(
    target: TargetText,
    moves: Moves = None,
    dictionary_set: Set = "topk",
    model: Model = None,
    dictionaries: Dictionaries = None,
    prompt: Prompt = None,
    top: Annotated[int, typer.Option(min=1, help="Inputs to list, largest first.")] = 20,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """List a target's direct inputs: of an attention feature by head too, of an attention score by pairs."""
    prepared = prepare(target, moves, dictionary_set, model, dictionaries, prompt, device)
    from interp.circuits.attention_pairs import attention_pairs
    from interp.circuits.attribution import attribute, attribute_by_head
    from interp.circuits.targets import AttentionTarget, FeatureTarget

    d, goal = prepared.decomposition, prepared.target
    row = attribute(d, goal)
    found: dict[str, Any] = {"target": goal.text, "value": row.value, **row.sums, "residual": row.residual}
    if isinstance(goal, AttentionTarget):
        frame = attention_pairs(d, goal).top(top)[["query", "key", "contribution"]]
    else:
        frame = row.to_frame().head(top)[["id", "activation", "contribution"]]
    found["inputs"], found["biases_by_name"] = frame.to_dict("records"), row.biases
    if isinstance(goal, FeatureTarget) and goal.site.endswith("A"):
        found["heads"] = attribute_by_head(d, goal).double().sum(1).tolist()
    lines = [f"{goal.text} = {row.value:.4f}", frame.to_string(index=False, float_format="{:+.4f}".format)]
    lines += ["by head: " + ", ".join(f"{head:+.3f}" for head in found["heads"])] if "heads" in found else []
    emit(found, as_json=as_json, text="\n".join(lines))


@app.command()
def ablate(
    target: TargetText,
    nodes: Annotated[str, typer.Option(help="Nodes to scale together, such as L2M/845@8,error:L1A@3,token@2.")],
    moves: Moves = None,
    dictionary_set: Set = "topk",
    model: Model = None,
    dictionaries: Dictionaries = None,
    prompt: Prompt = None,
    factor: Annotated[float, typer.Option(help="Factor on the nodes; 0 removes them.")] = 0.0,
    frozen: Annotated[bool, typer.Option(help="Let only the direct edges act.")] = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Scale nodes in a real forward pass and compare the target's change with the traced one."""
    prepared = prepare(target, moves, dictionary_set, model, dictionaries, prompt, device)
    from interp.circuits.interventions import ablate as scale

    names = [name.strip() for name in nodes.split(",")]
    outcome = scale(prepared.decomposition, prepared.target, names, factor=factor, frozen=frozen)
    found = {"target": prepared.target.text, "predicted": outcome.predicted, "measured": outcome.measured}
    text = f"{prepared.target.text}: predicted {outcome.predicted:+.4f}, measured {outcome.measured:+.4f}"
    emit(found, as_json=as_json, text=text)


@app.command()
def curve(
    target: TargetText,
    moves: Moves = None,
    dictionary_set: Set = "topk",
    model: Model = None,
    dictionaries: Dictionaries = None,
    prompt: Prompt = None,
    counts: Annotated[str, typer.Option(help="How many of the strongest nodes to keep.")] = "0,1,3,10,30,100,300,1000",
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Keep only the strongest nodes of a circuit, by influence, and see how much of the target survives."""
    try:
        kept = [int(word) for word in counts.split(",")]
    except ValueError:
        raise UserError(f"--counts takes numbers such as 1,10,100; got '{counts}'") from None
    prepared = prepare(target, moves, dictionary_set, model, dictionaries, prompt, device)
    from interp.circuits.faithfulness import faithfulness
    from interp.circuits.trace import ranking

    d, goal = prepared.decomposition, prepared.target
    points = [point._asdict() for point in faithfulness(d, goal, ranking(d, goal), kept)]
    lines = [f"{point['kept']:7d} nodes kept: {point['value']:9.4f}  {point['fraction']:7.1%}" for point in points]
    emit({"target": goal.text, "points": points}, as_json=as_json, text="\n".join(lines))


@app.command()
def search(
    dictionary_set: Set = "topk",
    games: Annotated[int, typer.Option(min=1, help="Games over which flips are counted.")] = 60,
    ply: Annotated[int, typer.Option(min=1, max=59, help="Moves of the first game that the other searches see.")] = 30,
    seed: int = 11,
    as_json: AsJson = False,
) -> None:
    """Find the paper's worked circuits on the shipped transformer: legality, flips, mine/theirs, parity."""
    from interp.circuits.worked import worked_circuits
    from interp.dictionaries.sets import load_set
    from interp.models.network import Network
    from interp.othello.games import random_games
    from interp.othello.notation import SQUARE_OF_TOKEN, square_name
    from interp.othello.transformer import load_shipped

    network, found_set = Network.from_othello(load_shipped()), load_set(dictionary_set)
    found = worked_circuits(network, found_set, random_games(games, seed=seed, split="test"), ply=ply)
    legality, flip, alternation = found.legality, found.flip, found.alternation
    square = square_name(int(SQUARE_OF_TOKEN[legality.target.token]))
    rows: dict[str, Any] = {
        "legality": {"target": f"logit-mean:{square}@{ply}", "value": legality.value, "last_mlp": legality.from_last_mlp},
        "flip": {"feature": f"{found.flip_site}/{flip.feature}", **flip._asdict(), "square": square_name(flip.square)},
        "alternation": {"target": alternation.target.text, "even": alternation.even, "odd": alternation.odd},
        "parity": [{"head": f"L{layer}H{head}", "contrast": contrast} for layer, head, contrast in found.parity],
    }
    lines = [
        f"legality: logit-mean:{square}@{ply} = {legality.value:.3f}, of it {legality.from_last_mlp:.3f} by the last MLP",
        f"flip: {rows['flip']['feature']} fires when {rows['flip']['square']} is turned, F1 {flip.f1:.3f}",
        f"mine/theirs: {alternation.target.text}: even distances {alternation.even:+.3f}, odd {alternation.odd:+.3f}",
        "parity: " + ", ".join(f"{row['head']} {row['contrast']:+.2f}" for row in rows["parity"]),
    ]
    emit(rows, as_json=as_json, text="\n".join(lines))


def _write_graph(path: Path, graph: Graph, prepared: Prepared) -> None:
    from interp.circuits.export import neuronpedia
    from interp.runs.atomic import write_json

    document = neuronpedia(
        graph,
        prepared.decomposition,
        prepared.target,
        scan=prepared.scan,
        prompt=prepared.prompt,
        prompt_tokens=prepared.tokens,
    )
    write_json(path, document)


def _text(graph: Graph, tokens: list[str]) -> str:
    sums = ", ".join(f"{name} {value:+.3f}" for name, value in graph.sums.items())
    direct = graph.nodes.iloc[1:]
    largest = direct.reindex(direct["contribution"].abs().sort_values(ascending=False).index).head(10)
    return "\n".join(
        [
            "  ".join(f"{position} {token!r}" for position, token in enumerate(tokens, start=1)),
            f"{graph.target} = {graph.value:.4f}: {sums} (rest {graph.residual:.1e})",
            *(f"  {row.contribution:+.3f}  {row.id:16} {_words(row)}".rstrip() for row in largest.itertuples()),
            "influence comes from " + ", ".join(f"{name} {share:.0%}" for name, share in graph.ends.items()),
            f"{len(graph.nodes)} nodes, {len(graph.edge_source)} edges, {graph.seconds:.2f} s",
        ]
    )


def _words(row: Any) -> str:
    """What a node's label says beyond its name."""
    return str(row.label).removeprefix(str(row.id).rsplit("@", 1)[0]).strip()
