"""`interp circuits`: trace logits, features and attention scores to dictionary features."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli.output import emit, finite
from interp.runs.errors import UserError

if TYPE_CHECKING:
    from interp.circuits.decomposition import Decomposition
    from interp.circuits.graph import Graph
    from interp.circuits.targets import Target

app = typer.Typer(no_args_is_help=True, help="Circuits of dictionary features, traced without patching.")


@app.callback()
def circuits() -> None:
    """Keeps `trace` a verb of its own while it is the only one."""


@app.command()
def trace(
    target: Annotated[str, typer.Option(help="logit:c4@12, feature:L2M/845@8 or attention:L1H3@14,13.")],
    moves: Annotated[str | None, typer.Option(help='An Othello game such as "f5 d6 c3".')] = None,
    dictionary_set: Annotated[str, typer.Option("--set", help="topk, l1, or a folder of dictionaries.")] = "topk",
    model: Annotated[str | None, typer.Option(help="A language model: Hub id or folder.")] = None,
    dictionaries: Annotated[Path | None, typer.Option(help="The language model's dictionaries, SAELens format.")] = None,
    prompt: Annotated[str | None, typer.Option(help="What the language model reads.")] = None,
    graph: Annotated[Path | None, typer.Option(help="Write the circuit here, in Neuronpedia's JSON.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Trace a target to the features, embeddings, errors and biases that make it. @P counts positions from 1."""
    if moves is not None and model is None:
        prepared = _othello(moves, dictionary_set, target)
    elif model is not None and prompt is not None and dictionaries is not None:
        prepared = _language(model, dictionaries, prompt, target)
    else:
        raise UserError("say what to trace: --moves for Othello, or --model, --dictionaries and --prompt together")
    from interp.circuits.trace import trace as follow

    d, goal, names = prepared
    result = follow(d, goal)
    if graph is not None:
        _write_graph(graph, result, d, goal, names, scan=model or "othello")
    found = summary(result)
    emit(found, as_json=as_json, text=_text(result, found))


def summary(graph: Graph) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "target": graph.target,
        "value": graph.value,
        **graph.sums,
        "residual": graph.residual,
        "nodes": len(graph.nodes),
        "edges": len(graph.edge_source),
        "seconds": graph.seconds,
    }


_Prepared = tuple["Decomposition", "Target", list[str]]


def _othello(moves: str, dictionary_set: str, target: str) -> _Prepared:
    """The shipped transformer on a game; bad games are refused before anything is loaded."""
    from interp.othello.games import replay
    from interp.othello.notation import parse_moves, square_name

    squares = parse_moves(moves)
    games = replay(squares)

    import torch

    from interp.circuits.decomposition import decompose
    from interp.circuits.grammar import othello_target
    from interp.dictionaries.sets import load_set
    from interp.models.network import Network
    from interp.othello.games import tokens
    from interp.othello.transformer import load_shipped

    # In float64 the sums agree with the value to many more digits than float32 activations deserve.
    network = Network.from_othello(load_shipped()).to(torch.float64)
    d = decompose(network, load_set(dictionary_set), torch.as_tensor(tokens(games.moves))[0])
    return d, othello_target(target, d), [square_name(square) for square in squares]


def _language(model: str, dictionaries: Path, prompt: str, target: str) -> _Prepared:
    """A language model with the dictionaries of a folder."""
    if not dictionaries.is_dir():
        raise UserError(f"{dictionaries} is no folder; expected one with a sub-folder a site in SAELens format")
    from interp.dictionaries.sets import load_set

    loaded_set = load_set(dictionaries)
    from interp.circuits.decomposition import decompose
    from interp.circuits.grammar import language_target
    from interp.models.bridge import LanguageModel
    from interp.models.load import load
    from interp.models.network import Network

    loaded = load(model)
    if not isinstance(loaded, LanguageModel):
        raise UserError(f"'{model}' is no language model; games of the Othello transformer come with --moves")
    tokenizer = loaded.tokenizer
    tokens = loaded.tokens(prompt)[0]
    d = decompose(Network.from_bridge(loaded.bridge), loaded_set, tokens)

    def token_of(name: str) -> int:
        ids = tokenizer(name, add_special_tokens=False).input_ids
        if len(ids) != 1:
            raise UserError(f"'{name}' is {len(ids)} tokens of this model; a logit is that of one, leading space included")
        return ids[0]

    return d, language_target(target, d, token_of), [str(tokenizer.decode(token)) for token in tokens]


def _write_graph(path: Path, graph: Graph, d: Decomposition, target: Target, names: list[str], *, scan: str) -> None:
    from interp.circuits.export import neuronpedia
    from interp.runs.atomic import write_json

    slug = "".join(letter if letter.isalnum() else "-" for letter in graph.target)
    prompt = " ".join(names) if scan == "othello" else "".join(names)
    document = neuronpedia(graph, d, target, slug=slug, scan=scan, prompt=prompt, prompt_tokens=names)
    write_json(path, json.loads(json.dumps(finite(document))))


def _text(graph: Graph, found: dict[str, Any]) -> str:
    sums = ", ".join(f"{name} {value:+.3f}" for name, value in graph.sums.items())
    direct = graph.nodes.iloc[1:]
    largest = direct.reindex(direct["contribution"].abs().sort_values(ascending=False).index).head(10)
    lines = [f"  {row.contribution:+.3f}  {row.id}" for row in largest.itertuples()]
    head = f"{graph.target} = {graph.value:.4f}: {sums} (rest {graph.residual:.1e})"
    return "\n".join([head, *lines, f"{found['nodes']} nodes, {found['edges']} edges, {graph.seconds:.2f} s"])
