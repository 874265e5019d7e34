"""The tracer on a real language model: how well its dictionaries explain held-out text, and one factual prompt traced.

The dictionaries come from `interp dictionaries train --model smollm2-135m-instruct --out runs/smollm2_dictionaries` and
are too large to ship; without them there is nothing to measure and nothing is written. Completeness is the difference
between the logit and the sum of its contributions, relative to the sum of |contributions|. A sample of reported edges
is checked by intervention: with everything else frozen, where the change must equal the edge, and with all later
layers reacting, where it need not. Removing a circuit's strongest features is checked against removing as many others.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.stats import spearmanr

from benchmarks.harness import arguments, publish, seconds
from interp.circuits.attribution import attribute
from interp.circuits.decomposition import Decomposition, decompose
from interp.circuits.grammar import node_target
from interp.circuits.graph import Graph
from interp.circuits.interventions import TOTAL, ablate, edited_run, value_in
from interp.circuits.naming import find_sources
from interp.circuits.sources import Kind
from interp.circuits.targets import LogitTarget, Target
from interp.circuits.trace import Pruning, trace
from interp.dictionaries.language_evaluate import LanguageEvaluation, evaluate_language_set
from interp.dictionaries.language_sets import load_language_set
from interp.models.bridge import LanguageModel
from interp.models.load import load_language
from interp.models.network import Network

MODEL = "smollm2-135m-instruct"
PROMPT, ANSWER = "The capital of France is", " Paris"
LONG = " The museum was built beside the river, and every summer thousands of visitors come to see its paintings." * 3
FOLLOWED = Pruning(expand=0.0005)
"""With sixty sites the influence spreads thinner than in the Othello transformer."""
SEED = 5
EDGES = 24
REMOVED = 20


class Size(NamedTuple):
    """How much is measured."""

    windows: int
    edges: int
    repeats: int


def explained(measured: LanguageEvaluation) -> dict[str, object]:
    """Figures on held-out text: means over the sites of a kind, and every site's own as columns."""
    rows = measured.sites
    figures: dict[str, object] = {
        "held_out_positions": measured.positions,
        "loss": measured.loss,
        "loss_all_sites_spliced": measured.spliced_loss,
        "loss_all_sites_zero": measured.zeroed_loss,
    }
    for kind, name in (("A", "attention"), ("M", "mlp")):
        chosen = [row for row in rows if row["site"].endswith(kind)]
        if chosen:
            figures[f"explained_variance_{name}"] = float(np.mean([row["explained_variance"] for row in chosen]))
            figures[f"active_features_{name}"] = float(np.mean([row["l0"] for row in chosen]))
    return figures | {"sites": {key: [row[key] for row in rows] for key in rows[0]}}


def prompt_explained(d: Decomposition) -> float:
    """Share of the outputs' squared size that the dictionaries explain on the prompt, where they apply."""
    errors, missed, written = d.sources.kind == Kind.ERROR, 0.0, 0.0
    for site in d.dictionaries:
        order = d.network.sites.index(site) + 1
        here = errors & (d.sources.order == order)
        missed += float(d.sources.vectors[here].double().square().sum())
        written += float(d.record.output(site)[d.sources.position[here]].double().square().sum())
    return 1 - missed / written


def traced(d: Decomposition, target: Target, size: Size) -> tuple[Graph, dict[str, object]]:
    """The circuit and its figures."""
    row, graph = attribute(d, target), trace(d, target, pruning=FOLLOWED)
    magnitude = row.contributions.double().abs()
    unexplained = magnitude[(d.sources.kind == Kind.ERROR) | (d.sources.kind == Kind.OUTPUT)].sum()
    decomposing = seconds(lambda: decompose(d.network, d.dictionaries, d.record.tokens), repeats=size.repeats, warmup=1)
    tracing = seconds(lambda: trace(d, target, pruning=FOLLOWED), repeats=size.repeats, warmup=1)
    return graph, {
        "tokens": len(d.record.tokens),
        "sources": len(d.sources.kind),
        "value": row.value,
        "sums": row.sums,
        "completeness": abs(row.residual) / row.magnitude,
        "errors_share_of_contributions": float(unexplained) / row.magnitude,
        "influence_comes_from": graph.ends,
        "nodes": len(graph.nodes),
        "edges": len(graph.edge_source),
        "decompose_seconds": decomposing,
        "trace_seconds": tracing,
    }


def checked_edges(d: Decomposition, graph: Graph, target: Target, count: int) -> dict[str, object]:
    """The most influential edges between features, or from one to the target, against real forward passes."""
    frame = graph.edge_frame().assign(influence=graph.edge_influence)
    features = set(graph.nodes.loc[graph.nodes["kind"] == "feature", "id"])
    chosen = frame[frame["source"].isin(features)].nlargest(count, "influence")
    rows = []
    for edge in chosen.itertuples():
        goal = target if edge.target == graph.target else node_target(edge.target, d)
        frozen, free = (ablate(d, goal, [edge.source], frozen=still).measured for still in (True, False))
        rows.append({"source": edge.source, "target": edge.target, "weight": edge.weight, "frozen": -frozen, "total": -free})
    weights, still, total = (np.array([row[key] for row in rows]) for key in ("weight", "frozen", "total"))
    return {
        "edges_checked": len(rows),
        "largest_frozen_gap": float(np.max(np.abs(still - weights) / np.abs(weights))),
        "same_sign_when_all_reacts": float(np.mean(np.sign(total) == np.sign(weights))),
        "spearman_when_all_reacts": float(spearmanr(weights, total).statistic),
        "strongest_edges": rows[:8],
    }


def removals(d: Decomposition, graph: Graph, target: LogitTarget) -> dict[str, object]:
    """What the answer loses when the circuit's strongest features go, and when as many random ones of its sites go."""
    strongest = graph.nodes[graph.nodes["kind"] == "feature"].nlargest(REMOVED, "influence")
    chosen = find_sources(d, strongest["id"].tolist())
    others = (d.sources.kind == Kind.FEATURE).nonzero()[:, 0]
    others = others[~torch.isin(others, chosen)]
    generator = torch.Generator().manual_seed(SEED)
    groups = [chosen, *(others[torch.randperm(len(others), generator=generator)[: len(chosen)]] for _ in range(4))]
    record = edited_run(d, groups, factor=0.0, freeze=TOTAL)
    values = value_in(d, record, target).tolist()
    probabilities = record.logits[:, target.position].softmax(-1)[:, target.token].tolist()
    before = d.record.logits[target.position].softmax(-1)[target.token]
    return {
        "removed_features": len(chosen),
        "probability": float(before),
        "probability_without_circuit_features": probabilities[0],
        "probability_without_random_features": float(np.mean(probabilities[1:])),
        "logit_change_without_circuit_features": values[0] - float(value_in(d, d.record, target)),
        "logit_change_without_random_features": float(np.mean(values[1:])) - float(value_in(d, d.record, target)),
    }


def measure(model: LanguageModel, folder: Path, size: Size) -> dict[str, Any]:
    """All figures."""
    dictionaries = load_language_set(folder)
    network, (answer,) = Network.from_bridge(model.bridge), model.tokenizer(ANSWER, add_special_tokens=False).input_ids
    tokens = model.tokens(PROMPT)[0]
    vocabulary = tuple(range(network.unembedding.shape[1]))
    target = LogitTarget(answer, len(tokens) - 1, vocabulary, ANSWER)
    d = decompose(network, dictionaries, tokens)
    graph, circuit = traced(d, target, size)
    longer = model.tokens(LONG + " " + PROMPT)[0]
    at_end = LogitTarget(answer, len(longer) - 1, vocabulary, ANSWER)
    _, long_circuit = traced(decompose(network, dictionaries, longer), at_end, size)
    kept = ("tokens", "sources", "completeness", "decompose_seconds", "trace_seconds")
    about = next(iter(dictionaries.values())).config["metadata"]
    held_out = evaluate_language_set(model, dictionaries, text="default", context=about["context_size"], count=size.windows)
    return {
        "model": model.name,
        "prompt": PROMPT,
        "target_logit": target.text,
        "trained_as": {key: about["trained_as"][key] for key in ("kind", "steps", "k", "d_sae")},
        **explained(held_out),
        "explained_on_the_prompt": prompt_explained(d),
        **circuit,
        **{f"long_prompt_{key}": long_circuit[key] for key in kept},
        **checked_edges(d, graph, target, size.edges),
        **removals(d, graph, target),
        "target": {"completeness": 1e-4, "long_prompt_completeness": 1e-4},
        "note": "the logit is taken minus the mean over the vocabulary; explained variance is on held-out installed text",
    }


def main() -> None:
    """Measure and write the result."""
    parser = arguments(__doc__)
    parser.add_argument("--dictionaries", type=Path, default=Path("runs/smollm2_dictionaries/set"))
    given = parser.parse_args()
    if not given.dictionaries.is_dir():
        command = f"interp dictionaries train --model {MODEL} --out {given.dictionaries.parent}"
        print(
            f"no dictionaries in {given.dictionaries}, so nothing is measured; they are made by {command}", file=sys.stderr
        )
        return
    size = Size(windows=4, edges=4, repeats=1) if given.quick else Size(windows=32, edges=EDGES, repeats=5)
    publish("smollm2_circuit", measure(load_language(MODEL), given.dictionaries, size), quick=given.quick, seed=SEED)


if __name__ == "__main__":
    main()
