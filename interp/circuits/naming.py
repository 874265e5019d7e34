"""Names of nodes: `L2M/845@8`, `error:L2M@8`, `bias:L2M@8`, `output:L2M@8`, `token@8`, `position@8`, `bias`.

`@P` is the position counted from 1. `bias` stands for the targets' own constants (biases of norms, modules, encoders).
"""

from __future__ import annotations

import re

import pandas as pd
import torch
from jaxtyping import Int
from torch import Tensor

from interp.circuits.decomposition import Decomposition
from interp.circuits.sources import Kind
from interp.runs.errors import UserError

BIAS_ID = "bias"
KIND_NAMES = {
    Kind.TOKEN: "embedding",
    Kind.POSITION: "embedding",
    Kind.FEATURE: "feature",
    Kind.ERROR: "error",
    Kind.OUTPUT: "output",
    Kind.BIAS: "bias",
}
_PREFIX = {Kind.ERROR: "error:", Kind.OUTPUT: "output:", Kind.BIAS: "bias:"}
_ID = re.compile(r"(?:(?:(error|output|bias):)?(L\d+[AM])(?:/(\d+))?|(token|position))@(\d+)")


def node_ids(d: Decomposition, sources: Int[Tensor, " node"]) -> list[str]:
    """Identifiers of sources."""
    table, sites = d.sources, ["embed", *d.network.sites]
    columns = (table.kind, table.order, table.index, table.position)
    rows = zip(*(column[sources].tolist() for column in columns), strict=True)
    return [_name(Kind(kind), sites[order], index, position) for kind, order, index, position in rows]


def _name(kind: Kind, site: str, index: int, position: int) -> str:
    if kind in (Kind.TOKEN, Kind.POSITION):
        return f"{kind.name.lower()}@{position + 1}"
    return f"{_PREFIX.get(kind, '')}{site}{f'/{index}' if kind == Kind.FEATURE else ''}@{position + 1}"


def find_sources(d: Decomposition, ids: list[str]) -> Int[Tensor, " node"]:
    """Source numbers of identifiers. Raises UserError for one that is no source of this prompt."""
    return torch.tensor([_find(d, node) for node in ids], dtype=torch.int64, device=d.sources.kind.device)


def _find(d: Decomposition, node: str) -> int:
    match = _ID.fullmatch(node)
    if match and int(match[5]) in range(1, len(d.record.tokens) + 1):
        prefix, site, index, embedding, position = match.groups()
        if embedding or site in d.network.sites:
            kind = Kind[(embedding or prefix or "feature").upper()]
            order = 0 if embedding else d.network.sites.index(site) + 1
            start, stop = d.sources.starts[int(position) - 1, order], d.sources.starts[int(position) - 1].max()
            wanted = (int(index) if index else -1, int(kind), order)
            for source in range(int(start), int(stop)):
                found = (int(d.sources.index[source]), int(d.sources.kind[source]), int(d.sources.order[source]))
                if found == wanted:
                    return source
    raise UserError(f"'{node}' is no node of this prompt; nodes are like L2M/845@8 (active there), error:L2M@8, token@8")


def describe(d: Decomposition, sources: Int[Tensor, " node"]) -> pd.DataFrame:
    """`id`, `kind`, `row` (embed, L0A, ...), `move` (position from 1), `site`, `index`, `label`, `activation`."""
    table, sites = d.sources, ["embed", *d.network.sites]
    ids, kinds = node_ids(d, sources), [Kind(kind) for kind in table.kind[sources].tolist()]
    rows = [sites[order] for order in table.order[sources].tolist()]
    return pd.DataFrame(
        {
            "id": ids,
            "kind": [KIND_NAMES[kind] for kind in kinds],
            "row": rows,
            "move": table.position[sources].cpu().numpy() + 1,
            "site": [None if row == "embed" else row for row in rows],
            "index": table.index[sources].cpu().numpy(),
            "label": [name.rsplit("@", 1)[0] for name in ids],
            "activation": table.activation[sources].cpu().numpy(),
        }
    )
