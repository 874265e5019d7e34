"""A scored run out of nothing: documents of three types in two languages, with metrics, evidence and thresholds.

It has the files that `interp longtext score --metrics all` leaves, without the cost of a model.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from interp.corpora.rows import SetAside
from interp.runs.atomic import write_frame, write_json
from interp.runs.parts import part_path, write_part
from training.longtext.fit import fit_labels
from training.longtext.folder import EVIDENCE, JOB, SCORES, LongTextRun
from training.longtext.metrics import METRICS
from training.longtext.score import typed
from training.longtext.thresholds import Thresholds
from training.longtext.types import TYPES

_PART = 5_000
_MIDDLE = {"holistic": 0.8, "aggregated": 0.5, "chaotic": 0.2}
_PROSE = {
    "en": "However, the river {0} rose and it carried them away. Because of that we left {0} early.\n",
    "zh": "然而,第{0}条河的水位上涨了,它把我们带走了。因此他们很早就离开了这里。\n",
}
HOSTILE = "<script>alert('hostile')</script> **bold** $x$ "


def make_longtext(folder: Path, *, documents: int, chinese: int = 0, seed: int = 0) -> LongTextRun:
    """Write a finished run to `folder`: so many documents, the last `chinese` of them Chinese, types by turns.

    Metadata: `known`, the type that the metrics were drawn for. Domains are books and web. Chinese documents lack the model
    metrics and the type-token ratio. Document 0's text begins with HTML; one row was set aside, and with more than 60
    documents the last English one is rejected.
    """
    generator = np.random.default_rng(seed)
    english = documents - chinese
    known = np.array(TYPES)[np.arange(documents) % 3]
    language = np.where(np.arange(documents) < english, "en", "zh")
    texts = [_text(language[number], number) for number in range(documents)]
    frame = _scores(known, language, texts, generator)
    rejected = np.arange(documents) == english - 1 if documents > 60 else np.zeros(documents, bool)
    frame.loc[rejected, list(METRICS)] = np.nan
    frame["rejected"] = ["binary: 9% of its characters are control characters" if out else None for out in rejected]
    kept = frame[~rejected]
    thresholds = Thresholds(fit_labels(kept, pd.Series(known, frame.index)[~rejected]), {"model": "made", "windows": "cpu"})
    for part, first in enumerate(range(0, documents, _PART)):
        rows = slice(first, first + _PART)
        table = pa.table({"id": frame["id"][rows].tolist(), "text": texts[rows], "known": known[rows].tolist()})
        table = table.append_column("characters", pa.array([len(text) for text in texts[rows]]))
        write_part(part_path(folder / "documents", part), table)
        scores = pa.Table.from_pandas(frame[rows], schema=SCORES, preserve_index=False)
        write_part(part_path(folder / "scores", part), typed(scores, thresholds))
        found = [json.dumps(_evidence(frame.iloc[number], texts[number])) for number in range(documents)[rows]]
        write_part(part_path(folder / "evidence", part), pa.table([frame["id"][rows].tolist(), found], schema=EVIDENCE))
    aside = {"place": ["made:7"], "reason": ["no text"], "excerpt": [""]}
    write_frame(folder / "set_aside.parquet", pd.DataFrame(aside, columns=list(SetAside._fields)))
    thresholds.write(folder / "thresholds.json")
    config = {"job": JOB, "source": "made", "metrics": "all", "model": "smollm2-135m-instruct", "windows": "cpu"}
    results = {"documents": documents, "scored": int((~rejected).sum()), "set_aside": 1, "types": {}}
    write_json(folder / "manifest.json", {"config": config, "seed": seed, "status": "complete", "results": results})
    return LongTextRun.open(folder)


def _text(language: str, number: int) -> str:
    line = _PROSE[language]
    body = "".join(line.format(number * 100 + at) for at in range(60 + 40 * (number % 4)))
    return f"{HOSTILE}\n{body}" if number == 0 else body


def _scores(known: np.ndarray, language: np.ndarray, texts: list[str], generator: np.random.Generator) -> pd.DataFrame:
    count = len(known)
    middle = np.array([_MIDDLE[kind] for kind in known])
    frame: dict[str, Any] = {"id": [f"doc-{number}" for number in range(count)], "language": language}
    frame["domain"] = np.where(np.arange(count) % 2, "web", "books")
    frame["characters"] = [len(text) for text in texts]
    frame["bytes"] = [len(text.encode()) for text in texts]
    frame["long"] = np.array(frame["bytes"]) >= 32_768
    frame["tokens"] = np.array(frame["characters"]) // 4
    for name, metric in METRICS.items():
        spread = (
            np.where(known == "chaotic", generator.choice([0.0, 1.0], count), 0.5)
            if metric.dimension == "complexity"
            else middle
        )
        values = spread + generator.normal(scale=0.12, size=count)
        absent = (language == "zh") & (metric.needs != "nothing")
        frame[name] = np.where(absent, np.nan, values)
    columns = {name: frame.get(name) for name in SCORES.names}
    return pd.DataFrame(columns, index=range(count))


def _evidence(row: pd.Series, text: str) -> dict[str, Any]:
    missing = {name: "the model knows no Chinese" for name in METRICS if pd.isna(row[name])}
    found: dict[str, Any] = {
        "words": len(text.split()),
        "pronouns": len(text) // 50,
        "connectives": {"however": len(text) // 90, "because": len(text) // 90},
        "lines": {"lines": text.count("\n"), "mean": 90.0, "longest": 120},
        "missing": missing,
    }
    if row["language"] == "en":
        quarter = len(text) // 4
        found["windows"] = [
            {
                "start": at * quarter,
                "end": (at + 1) * quarter,
                "acc_l": 0.5,
                "acc_s": 0.45 + 0.02 * at,
                "diff": 0.05 - 0.02 * at,
            }
            for at in range(4)
        ]
        found["boundaries"] = [{"at": at, "score": (at % 700) / 700} for at in range(300, len(text), 300)]
    return found
