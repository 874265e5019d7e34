"""Are there semantic heads in SmolLM2-135M, beyond copying? The relation index at full size, and what ablation says.

AGENDA in letters, as in the paper (arXiv 2402.13055), and gold trees of UD English EWT, each in three variants: the
tool's default, the attended token through OV, and the formula taken literally (embeddings alone). Whole tables go to
`notebooks/results`, what they come to into the result. Heads to ablate are chosen on every other document, by how far
their index exceeds the random tails', and tested on the rest against random heads of the same layers; a relation for which
no head stands out has nothing to ablate.

Data come from --data or INTERP_DATA; without them there is nothing to measure and nothing is written. Index runs are
kept in `runs/` and taken up where they were left.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from benchmarks.harness import arguments, publish
from interp.heads.index.options import IndexOptions
from interp.heads.index.result import COMPARED, FEW, Measurement, head_set, stability
from interp.heads.index.run import relation_index
from interp.heads.relations.aligned import AlignedDocument
from interp.heads.relations.alignment import AlignmentOptions, align
from interp.heads.relations.collected import Relations
from interp.heads.relations.sources import read_relations
from interp.heads.scores.causal_test import AblationOptions, recall_test, recallable
from interp.heads.scores.copying import copying_scores
from interp.models.bridge import LanguageModel
from interp.models.load import load_language
from interp.runs.atomic import write_frame

MODEL, SEED = "smollm2-135m", 0
TABLES = Path(__file__).parents[1] / "notebooks" / "results"
VARIANTS = {
    "current": IndexOptions(),
    "attended": IndexOptions(ov_token="attended"),
    "embeddings": IndexOptions(source="embed"),
}
TOP = 5
"""Heads of a relation that are ablated together."""


class Size(NamedTuple):
    """How much is measured."""

    limit: int | None
    """Documents read."""
    tested: int
    """Documents that an ablation is tested on."""
    draws: int
    """Random sets of heads."""


def read(data: Path, limit: int | None) -> dict[str, Relations]:
    """Both sources."""
    return {
        "agenda": read_relations(agenda=data / "agenda" / "test.tsv", limit=limit),
        "ewt": read_relations(conllu=data / "ud_english_ewt" / "test.conllu", limit=limit),
    }


def measure(model: LanguageModel, sources: dict[str, Relations], size: Size, runs: Path | None) -> dict[str, Any]:
    """All figures; with a folder for runs the whole tables are written too."""
    studies = {name: study(model, name, relations, runs) for name, relations in sources.items()}
    result: dict[str, Any] = {"model": MODEL, "about_cells": f"{FEW} events and {COMPARED} compared triplets or more"}
    for name, one in studies.items():
        current = one.measured["current"]
        result[name] = {
            "documents": len(one.documents),
            "relations": [summary(one.tables, relation) for relation in current.relations],
            "ratio_shares": current.ratio_shares().to_dict("records"),
            "stability": agreement(current),
            "causal": causal(model, one.documents, current, standing_out(one.tables["current"]), size),
        }
    return result | {"copying": copying(model)}


class Study(NamedTuple):
    """One source in all variants."""

    documents: tuple[AlignedDocument, ...]
    measured: dict[str, Measurement]
    tables: dict[str, pd.DataFrame]


def study(model: LanguageModel, name: str, relations: Relations, runs: Path | None) -> Study:
    """Measure a source in every variant; with a folder for runs, write the whole tables."""
    alignment = align(relations.documents, model.tokenizer, AlignmentOptions(context=model.bridge.cfg.n_ctx))
    about = {"counts": {"read": relations.counts, "aligned": alignment.counts}}
    measured = {
        variant: relation_index(
            model, alignment.documents, chosen, out=runs and runs / f"heads_{name}_{variant}", about=about
        )
        for variant, chosen in VARIANTS.items()
    }
    tables = {variant: measurement.table() for variant, measurement in measured.items()}
    if runs:
        write_tables(tables, name)
    return Study(alignment.documents, measured, tables)


def write_tables(tables: dict[str, pd.DataFrame], name: str) -> None:
    """Every head, relation, direction and variant."""
    whole = pd.concat([table.assign(variant=variant) for variant, table in tables.items()], ignore_index=True)
    write_frame(TABLES / f"semantic_heads_{name}.parquet", whole)


def summary(tables: dict[str, pd.DataFrame], relation: str) -> dict[str, Any]:
    """One relation, forwards: how strong the best head is, and how many stand out, in each variant."""
    row: dict[str, Any] = {"relation": relation}
    for variant, table in tables.items():
        cells = table[(table.relation == relation) & (table.direction == "forward")]
        enough = cells[(cells.events >= FEW) & (cells.compared >= COMPARED)]
        row[f"significant_{variant}"] = int((enough.q_value < 0.05).sum())
        if len(enough):
            best = enough.loc[enough.excess.idxmax()]
            row |= {f"best_{variant}": f"L{best['layer']}H{best['head']}", f"excess_{variant}": float(best.excess)}
    return row


def agreement(measurement: Measurement) -> list[dict[str, Any]]:
    """Mean overlap (Jaccard) of the relations' sets of heads at tau 2.2 with those at 2.0 and 2.5 (their figure 15)."""
    found = stability(measurement, taus=(2.0, 2.2, 2.5))
    return found.groupby(["tau", "other"], as_index=False)["jaccard"].mean().to_dict("records")


def standing_out(table: pd.DataFrame) -> list[str]:
    """Relations that some head recalls better than random tails."""
    cells = table[(table.direction == "forward") & (table.events >= FEW) & (table.compared >= COMPARED)]
    return list(cells[cells.q_value < 0.05].relation.unique())


def causal(
    model: LanguageModel,
    documents: tuple[AlignedDocument, ...],
    measurement: Measurement,
    relations: list[str],
    size: Size,
) -> list[dict[str, Any]]:
    """What a relation's best heads do for the recall of its tails, on documents that did not choose them."""
    choosing, testing = documents[::2], documents[1::2]
    table = measurement.on([document.name for document in choosing]).table(statistics=None)
    options, rows = AblationOptions(draws=size.draws, seed=SEED), []
    for relation in relations:
        heads = sorted(head_set(table, relation, "forward", top=TOP))
        asked = [one for one in testing if recallable(one, relation)][: size.tested]
        if len(heads) < TOP or not asked:
            continue
        test = recall_test(model, asked, heads, relation=relation, options=options)
        excess = {"excess": test.excess.value, "low": test.excess.low, "high": test.excess.high}
        counts = {"rank": test.rank, "sets": size.draws + 1, "documents": test.documents, "occurrences": test.occurrences}
        named = " ".join(f"L{layer}H{head}" for layer, head in heads)
        rows.append({"relation": relation, "heads": named, "effect": test.effect.value, **excess, **counts})
    return rows


def copying(model: LanguageModel) -> list[dict[str, Any]]:
    """The ten heads that copy most."""
    scores = copying_scores(model).heads
    return scores.nlargest(10, "copying").to_dict("records")


def main() -> None:
    """Measure and write the result."""
    parser = arguments(__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("INTERP_DATA", "data")))
    given = parser.parse_args()
    if not given.data.is_dir():
        print(f"{given.data} is absent: give the folder of agenda/ and ud_english_ewt/ by --data", file=sys.stderr)
        return
    size = Size(40, 6, 2) if given.quick else Size(None, 20, 20)
    runs = None if given.quick else Path("runs")
    result = measure(load_language(MODEL), read(given.data, size.limit), size, runs)
    publish("semantic_heads", result, quick=given.quick, seed=SEED)


if __name__ == "__main__":
    main()
