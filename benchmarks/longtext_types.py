"""Types of documents whose type is known by construction, found by thresholds that were fitted to other sources.

For each set of metrics the cuts are fitted to the documents of one half of the sources and judged on those of the other
half; which half is which was fixed by a hash of the sources' names. The shipped thresholds, which were fitted once to
documents of the first half, are judged on those of the second as they are. Accuracy is balanced over the three types.
Intervals are the middle 95 % of 1,000 bootstrap samples that draw whole sources within each type, as documents of a source
are alike. AUC is of single metrics; curves are means over damaged prose.

What is read is listed in `longtext_sources.txt`, with the packages it comes from, beside the English text that every
machine has; Python's help topics are left out, as the shipped discourse model was trained on them.
Scores are kept in `runs/longtext_types`, a folder for each choice of sources and size, and taken up where they were left.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.harness import arguments, publish
from interp.runs.errors import UserError
from training.longtext.fit import fit_labels
from training.longtext.folder import LongTextRun
from training.longtext.metrics import METRICS, MetricSet, Scorer, ScorerOptions
from training.longtext.perturb import changes, curves
from training.longtext.score import Scoring, score
from training.longtext.thresholds import Thresholds
from training.longtext.truth import BYTES, Source, construct, installed_sources, read_sources, sides, write_truth
from training.longtext.types import CHAOTIC, HOLISTIC, MODELLED, TYPES

RESAMPLES = 1_000
RATES = (0.5, 1.0)
"""Of damage, beside none."""
SETS = {"statistical without TTR": (*MODELLED, "complexity_ttr"), "statistical": MODELLED, "all": ()}
"""Metrics that each set leaves out."""
HALVES = {"fit": "first half", "test": "second half"}
"""What thresholds are fitted to; they are judged on the other half."""
SHIPPED = "first half, as shipped"
SEED = 0
_TABLES = ("accuracy", "confusion", "recall_by_kind", "auc", "read")
SOURCES = Path(__file__).with_name("longtext_sources.txt")


def construction(sources: Sequence[Source], size: int) -> str:
    """A name for what documents are built from: another source, file, side, size or seed gives another."""
    listed = [(*astuple(replace(one, files=())), [name for name, _ in one.files]) for one in sources]
    return hashlib.sha256(json.dumps([listed, size, SEED]).encode()).hexdigest()[:12]


def truth(sources: Sequence[Source], language: str, documents: int, size: int, out: Path) -> Path:
    """The documents of a language as JSON lines, written once."""
    if not out.exists():
        spoken = [one for one in sources if one.language == language]
        write_truth(construct(spoken, documents=documents, size=size, seed=SEED), out)
    return out


def scored(corpus: Path, out: Path, language: str, metrics: MetricSet) -> pd.DataFrame:
    """Scores of the documents with what is known of each."""
    settings = Scoring(ScorerOptions(metrics=metrics), language)  # type: ignore[arg-type]
    score(str(corpus), out, settings, thresholds="none", engine="inline")
    run = LongTextRun.open(out)
    known = {name: run.labels(name) for name in ("source", "kind", "side")}
    frame = run.scores.assign(label=run.labels("type"), **known)
    return frame[frame["rejected"].isna()].reset_index(drop=True)


def predicted(frame: pd.DataFrame, left_out: Sequence[str], fitted_on: str) -> pd.DataFrame:
    """Documents of the other half with the types that thresholds of one half give them."""
    hidden = frame.assign(**dict.fromkeys(left_out, np.nan))
    fit, test = (hidden[(hidden["side"] == fitted_on) == own] for own in (True, False))
    return test.assign(type=Thresholds(fit_labels(fit, fit["label"])).type(test)["type"])


def as_shipped(frame: pd.DataFrame, left_out: Sequence[str]) -> pd.DataFrame:
    """Documents of the second half with the types that the shipped thresholds give them."""
    test = frame[frame["side"] == "test"].assign(**dict.fromkeys(left_out, np.nan))
    return test.assign(type=Thresholds.read("constructed").type(test)["type"])


def balanced(found: pd.DataFrame) -> float:
    """Mean over the types of the share of their documents that is found to be of them."""
    return float((found["type"] == found["label"]).groupby(found["label"]).mean().mean())


def interval(found: pd.DataFrame, generator: np.random.Generator) -> list[float]:
    """Of the balanced accuracy: sources are drawn anew within each type."""
    hits = (found["type"] == found["label"]).astype(float)
    groups = [
        [(one.sum(), len(one)) for _, one in hits[rows.index].groupby(rows["source"])] for _, rows in found.groupby("label")
    ]
    means = []
    for _ in range(RESAMPLES):
        drawn = [np.array(sources)[generator.integers(len(sources), size=len(sources))].sum(0) for sources in groups]
        means.append(np.mean([right / count for right, count in drawn]))
    return [round(float(edge), 4) for edge in np.quantile(means, [0.025, 0.975])]


class Judged(NamedTuple):
    """Documents of one half of the sources, their types found by cuts of the other half."""

    head: dict[str, Any]
    """Language, set of metrics, half that the cuts were fitted to."""
    found: pd.DataFrame

    def accuracy(self, generator: np.random.Generator) -> dict[str, Any]:
        """Balanced, with its interval, and plain."""
        low, high = interval(self.found, generator)
        counts = {"documents": len(self.found), "sources": self.found["source"].nunique()}
        plain = float((self.found["type"] == self.found["label"]).mean())
        return {
            **self.head,
            **counts,
            "balanced_accuracy": balanced(self.found),
            "low": low,
            "high": high,
            "accuracy": plain,
        }

    def confusion(self) -> list[dict[str, Any]]:
        """Documents by the type they were built as (rows) and the one that was found (columns)."""
        table = pd.crosstab(self.found["label"], self.found["type"]).reindex(TYPES, columns=TYPES, fill_value=0)
        return [{**self.head, "built_as": kind, **row} for kind, row in table.to_dict("index").items()]

    def recall(self) -> dict[str, Any]:
        """Share of the documents of each kind whose type was found."""
        right = self.found["type"] == self.found["label"]
        return {**self.head, **right.groupby(self.found["kind"]).mean().to_dict()}


def judged(frame: pd.DataFrame, language: str, name: str) -> list[Judged]:
    """One set of metrics, thresholds fitted to either half, and the shipped ones."""
    head = {"language": language, "metrics": name}
    fitted = [Judged({**head, "fitted_to": told}, predicted(frame, SETS[name], half)) for half, told in HALVES.items()]
    return [*fitted, Judged({**head, "fitted_to": SHIPPED}, as_shipped(frame, SETS[name]))]


def auc(values: np.ndarray, positive: np.ndarray) -> float | None:
    """Chance that a value of a positive exceeds one of a negative, ties counting half; None without both."""
    from scipy.stats import rankdata

    known = np.isfinite(values)
    values, positive = values[known], positive[known]
    count, others = int(positive.sum()), int((~positive).sum())
    if not count or not others:
        return None
    return float((rankdata(values)[positive].sum() - count * (count + 1) / 2) / (count * others))


def aucs(frame: pd.DataFrame, language: str) -> Iterator[dict[str, Any]]:
    """How well each metric that was computed tells chaotic from the rest alone, and holistic from aggregated."""
    label = frame["label"].to_numpy()
    for name in METRICS:
        values = frame[name].to_numpy(float)
        told = label != CHAOTIC
        rest = auc(values[told], label[told] == HOLISTIC)
        chaos = auc(values, label == CHAOTIC)
        if chaos is not None:
            told_apart = {"chaotic_against_rest": chaos, "holistic_against_aggregated": rest}
            yield {"language": language, "metric": name, "documents": int(np.isfinite(values).sum()), **told_apart}


def measure_language(
    sources: Sequence[Source], language: str, folder: Path, *, documents: int, modelled: int, size: int
) -> dict[str, Any]:
    """Accuracies and AUCs of a language. The sets with model metrics are of fewer documents of the same sources; the AUC
    of a metric is over the most documents that have it."""
    counts = {"statistical": documents} | ({"all": modelled} if modelled and language == "en" else {})
    found: list[Judged] = []
    areas: dict[str, dict[str, Any]] = {}
    frames = {}
    for metrics, count in counts.items():
        corpus = truth(sources, language, count, size, folder / f"{language}_{count}.jsonl")
        frames[metrics] = scored(corpus, folder / f"{language}_{count}_{metrics}", language, metrics)  # type: ignore[arg-type]
    for metrics, frame in frames.items():
        names = list(SETS) if metrics == "all" else ["statistical"] if language == "zh" else list(SETS)[:2]
        found += [one for name in names for one in judged(frame, language, name)]
        areas = {row["metric"]: row for row in aucs(frame, language)} | areas
    held = frames["statistical"]
    table = held.groupby(["label", "kind", "source", "side"]).agg(documents=("id", "size"), bytes=("bytes", "sum"))
    generator = np.random.default_rng(SEED)
    return {
        "accuracy": [one.accuracy(generator) for one in found],
        "confusion": [row for one in found for row in one.confusion()],
        "recall_by_kind": [one.recall() for one in found],
        "auc": list(areas.values()),
        "read": table.reset_index().assign(language=language).to_dict("records"),
    }


def damaged(corpus: Path, scorer: Scorer, language: str, texts: int, characters: int) -> list[dict[str, Any]]:
    """Curves over the first prose documents of a corpus, cut to so many characters."""
    table = pd.read_json(corpus, lines=True)
    prose = [text[:characters] for text in table.loc[table["kind"] == "prose", "text"].head(texts)]
    return changes(curves(prose, scorer, language=language, rates=RATES, seed=SEED))  # type: ignore[arg-type]


def measure(sources: Sequence[Source], folder: Path, given: Any) -> dict[str, Any]:
    """All figures of all languages that have sources of every kind."""
    sizes: dict[str, Any] = {"documents": given.documents, "modelled": given.modelled, "size": given.size}
    parts: dict[str, Any] = {}
    curved: list[dict[str, Any]] = []
    for language in dict.fromkeys(source.language for source in sources):
        parts[language] = measure_language(sources, language, folder, **sizes)
        corpus = folder / f"{language}_{given.documents}.jsonl"
        metrics: MetricSet = "all" if given.modelled and language == "en" else "statistical"
        scorer = Scorer(ScorerOptions(metrics=metrics))
        count, characters = (given.damaged, 8_000) if metrics == "all" else (24, BYTES)
        rows = damaged(corpus, scorer, language, count, characters) if count else []
        curved += [{"language": language, "texts": count, **row} for row in rows]
    return {
        "title": "Types of long texts",
        **{name: [row for part in parts.values() for row in part[name]] for name in _TABLES},
        "damage": curved,
        "halves": {
            f"{language} {make}": {side: [one.name for one in own] for side, own in sides(chosen).items()}
            for language in parts
            for make in ("prose", "pieces", "rows")
            if (chosen := [one for one in sources if one.language == language and one.make == make])
        },
        "note": (
            f"Documents of about {given.size:,} bytes built from real text; chance is 0.333. Chaotic are half tables and "
            "dumps, half prose whose lines are shuffled: their words are those of prose. Language is given, not detected: a "
            "table of numbers has none. Docstrings and READMEs are of packages that the discourse model was not trained on. "
            "Cuts are fitted to one half of the sources, judged are the documents of the other; intervals draw sources."
        ),
    }


def main() -> None:
    """Construct, score, judge and write the result."""
    parser = arguments(__doc__)
    parser.add_argument("--sources", type=Path, default=SOURCES, help="a list of sources, one a line")
    parser.add_argument("--documents", type=int, default=24, help="of each type, language and half, without model metrics")
    parser.add_argument("--modelled", type=int, default=8, help="the same with model metrics; 0 for none")
    parser.add_argument("--damaged", type=int, default=3, help="prose documents that are damaged; 0 for none")
    parser.add_argument("--size", type=int, default=BYTES, help="bytes of a document")
    parser.add_argument("--out", type=Path, default=Path("runs/longtext_types"))
    given = parser.parse_args()
    if given.quick:
        given.documents, given.modelled, given.size, given.out = 8, 0, 4_096, given.out / "quick"
    try:
        sources = read_sources(given.sources) + [one for one in installed_sources() if one.make != "prose"]
        folder = given.out / construction(sources, given.size)
        publish("longtext_types", measure(sources, folder, given), quick=given.quick, seed=SEED)
    except UserError as error:
        raise SystemExit(f"nothing is measured: {error}") from None


if __name__ == "__main__":
    main()
