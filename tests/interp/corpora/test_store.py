"""Corpora on disk: columns keep their types where one type holds them, over all parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interp.corpora.store import store
from interp.runs.errors import UserError


def stored(folder: Path, entries: list[dict[str, Any]], part_rows: int = 2) -> pa.Table:
    file = folder / "x.jsonl"
    file.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    parts = store(str(file), folder / "out", part_rows=part_rows)
    assert len(parts.paths) == -(-len(parts) // part_rows)
    assert len({pq.read_schema(path) for path in parts.paths}) == 1
    return pa.Table.from_batches(parts.batches())


def test_documents_and_metadata(tmp_path: Path) -> None:
    entries = [{"id": number, "text": "x" * (number + 1), "stars": number / 2, "tags": ["a"]} for number in range(5)]
    table = stored(tmp_path, entries)
    assert table.column_names == ["id", "text", "characters", "stars", "tags"]
    assert table["id"].to_pylist() == list("01234") and table["characters"].to_pylist() == [1, 2, 3, 4, 5]
    assert table["stars"].type == pa.float64() and table["tags"].to_pylist() == [["a"]] * 5


def test_types_that_differ_between_parts(tmp_path: Path) -> None:
    values = [1, 2, 0.5, None, "three", {"four": []}, {}, 2**70]
    entries = [
        {"text": "x", "mixed": value, "wide": number + 0.5 * (number > 4), **({"late": True} if number > 5 else {})}
        for number, value in enumerate(values)
    ]
    table = stored(tmp_path, entries)
    assert [json.loads(one) if one else None for one in table["mixed"].to_pylist()[2:]] == [*values[2:4], *values[4:]]
    assert table["mixed"].to_pylist()[:2] == ["1", "2"]
    assert table["wide"].type == pa.float64()
    assert table["late"].to_pylist() == [None] * 6 + [True] * 2


def test_columns_named_like_ours(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text('{"body": "one", "text": "a title", "characters": 9}\n')
    parts = store(str(file), tmp_path / "out", text_column="body")
    assert pa.Table.from_batches(parts.batches()).to_pylist() == [
        {"id": "x.jsonl:1", "text": "one", "characters": 3, "source_text": "a title", "source_characters": 9}
    ]


def test_what_is_set_aside_is_written(tmp_path: Path) -> None:
    stored(tmp_path, [{"text": "x"}, {"text": ""}, {"id": "x.jsonl:1", "text": "y"}])
    aside = pq.read_table(tmp_path / "out" / "set_aside.parquet").to_pylist()
    assert [one["place"] for one in aside] == ["x.jsonl:2", "x.jsonl:3"] and aside[1]["excerpt"] == "y"


def test_another_corpus_or_other_columns_are_refused(tmp_path: Path) -> None:
    table, file = stored(tmp_path, [{"text": "x", "body": "y"}]), str(tmp_path / "x.jsonl")
    assert pa.Table.from_batches(store(file, tmp_path / "out").batches()) == table
    with pytest.raises(UserError, match=r"another corpus: text_column text \(now body\); take"):
        store(file, tmp_path / "out", text_column="body")
    with pytest.raises(UserError, match=r"another corpus: source .*x.jsonl \(now other.jsonl\), id_column id \(now name\)"):
        store("other.jsonl", tmp_path / "out", id_column="name")


def test_a_refusal_leaves_no_log_and_a_kill_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(UserError):
        store(str(tmp_path / "empty.jsonl"), tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.parquet"))
    table = stored(tmp_path, [{"text": "x"}] * 4)
    (tmp_path / "out" / "set_aside.parquet").unlink()
    (tmp_path / "out" / "documents" / "part-00009.parquet").write_bytes(b"of an attempt before")
    assert stored(tmp_path, [{"text": "x"}] * 4) == table
