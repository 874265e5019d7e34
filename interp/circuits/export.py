"""A graph as Neuronpedia's attribution-graph JSON, which its front end and circuit-tracer's can open.

Write sites have no field of their own there: a node's `layer` is its transformer layer, `feature_type` says attention
or MLP output, and `jsNodeId` joins the site and the feature. For an attention score the target's node carries
`qk_tracing_results`: the largest pairs, and each side's largest margins; sources named there but pruned from the
graph are described in `qk_only_nodes`.
"""

from __future__ import annotations

import json
import math
import re
from importlib.resources import files
from typing import Any

import pandas as pd

from interp.circuits.attention_pairs import attention_pairs
from interp.circuits.decomposition import Decomposition
from interp.circuits.graph import Graph
from interp.circuits.naming import BIAS_ID, describe, find_sources
from interp.circuits.targets import AttentionTarget, Target

_TYPES = {"A": "attention output", "M": "mlp output"}
_PAIRS = 30


def neuronpedia(
    graph: Graph, d: Decomposition, target: Target, *, scan: str, prompt: str, prompt_tokens: list[str]
) -> dict[str, Any]:
    """The document; every number in it is finite. `scan` names the model."""
    nodes = [_node(row, d) for row in graph.node_frame().to_dict("records")]
    document: dict[str, Any] = {
        "metadata": {
            "slug": slug_of(graph.target),
            "scan": scan,
            "prompt": prompt,
            "prompt_tokens": prompt_tokens,
            "node_threshold": 0.8,
            "info": {"description": f"{graph.target} = {graph.value:.4f}", "generator": {"name": "interp"}},
            "generation_settings": {"value": graph.value, "sums": graph.sums, "residual": graph.residual},
        },
        "qParams": {"pinnedIds": [], "supernodes": [], "linkType": "both", "clickedId": graph.target, "sg_pos": ""},
        "nodes": nodes,
        "links": graph.edge_frame().to_dict("records"),
    }
    if isinstance(target, AttentionTarget):
        nodes[0]["qk_tracing_results"], document["qk_only_nodes"] = _pairs(d, target, {node["node_id"] for node in nodes})
    return document


def slug_of(text: str) -> str:
    """Text as part of an address or a file's name: `attention:L1H3@8,7` -> `attention-l1h3-8-7`."""
    return "-".join(re.findall(r"[^\W_]+", text)).lower()


def schema() -> dict[str, Any]:
    """JSON schema of the fields that Neuronpedia requires."""
    return json.loads((files("interp.circuits") / "neuronpedia.schema.json").read_text())


def _node(row: dict[str, Any], d: Decomposition) -> dict[str, Any]:
    site, kind = row["site"], row["kind"]
    at_site = isinstance(site, str)
    number = int(row["index"])
    layer = "E" if row["row"] == "embed" else site[1:-1] if at_site else str(len(d.network.layers))
    activation = row.get("activation")
    return {
        "node_id": row["id"],
        "feature": number if number >= 0 else None,
        "layer": layer,
        "ctx_idx": max(int(row["move"]) - 1, 0),
        "feature_type": _feature_type(row["id"], kind, site if at_site else None),
        "jsNodeId": f"{site if at_site else layer}_{number if number >= 0 else kind}-0",
        "clerp": str(row["label"]),
        "influence": _finite(row.get("influence")),
        "activation": _finite(activation),
    }


def _feature_type(name: str, kind: str, site: str | None) -> str:
    if kind == "target":
        return "logit" if name.startswith("logit") else name.split(":")[0]
    if site is None:
        return kind
    return f"{_TYPES[site[-1]]} {'whole' if kind == 'output' else kind}"


def _finite(number: float | None) -> float | None:
    return float(number) if number is not None and math.isfinite(number) else None


def _pairs(d: Decomposition, target: AttentionTarget, present: set[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    pairs = attention_pairs(d, target)
    top, (by_query, by_key) = pairs.top(_PAIRS), pairs.margins()
    results = {
        "pair_wise_contributors": top[["query_id", "key_id", "contribution"]].to_numpy().tolist(),
        "top_q_marginal_contributors": _margin(pairs.query_ids, by_query.tolist()),
        "top_k_marginal_contributors": _margin(pairs.key_ids, by_key.tolist()),
    }
    named = {*top["query_id"], *top["key_id"]}
    named |= {name for side in ("q", "k") for name, _ in results[f"top_{side}_marginal_contributors"]}
    absent = sorted(named - present - {BIAS_ID})
    rows = describe(d, find_sources(d, absent)).to_dict("records")
    others = {row["id"]: _node(row, d) for row in rows}
    if BIAS_ID in named - present:
        constants = {"id": BIAS_ID, "kind": "bias", "row": "embed", "move": 0, "site": None, "index": -1, "label": BIAS_ID}
        others[BIAS_ID] = _node(constants, d)
    return results, others


def _margin(ids: list[str], values: list[float]) -> list[list[Any]]:
    largest = pd.Series(values, index=ids).sort_values(key=abs, ascending=False, kind="stable").head(_PAIRS)
    return [[name, float(value)] for name, value in largest.items()]
