"""Corpora in every form we read give the same documents, and bad rows are set aside while the rest goes on."""

from __future__ import annotations

import csv
import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from interp.corpora.records import Record, read_records
from interp.corpora.rows import SetAside
from interp.runs.errors import UserError

ENTRIES: list[dict[str, Any]] = [
    {"id": "a", "text": "One, two.\nThree — naïve", "lang": "en"},
    {"id": "b", "text": 'He said "no", twice', "lang": "fr"},
    {"id": "c", "text": "四 日本語", "lang": "ja"},
]


def lines(entries: list[Any]) -> bytes:
    return "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries).encode()


def write(path: Path, entries: list[dict[str, Any]]) -> None:
    """The entries in the form that the file's name says."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(entries), path)
    elif path.suffix in (".csv", ".tsv"):
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.DictWriter(file, list(entries[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(entries)
    else:
        pack = {".gz": gzip.compress, ".zst": zstandard.compress}.get(path.suffix, bytes)
        path.write_bytes(pack(lines(entries)))


def read(source: Path | str, **options: str) -> tuple[list[Record], list[SetAside]]:
    found = list(read_records(str(source), **options))
    return [one for one in found if isinstance(one, Record)], [one for one in found if isinstance(one, SetAside)]


@pytest.mark.parametrize("name", ["x.jsonl", "x.JSONL", "x.csv", "x.tsv", "x.parquet", "x.jsonl.gz", "x.ndjson.zst"])
def test_every_form_gives_the_same(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, ENTRIES)
    records, aside = read(tmp_path / name)
    assert [record[:3] for record in records] == [(one["id"], one["text"], {"lang": one["lang"]}) for one in ENTRIES]
    assert [record.place.partition(":")[0] for record in records] == [name] * 3
    assert not aside


def test_several_gzip_members_are_one_file(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl.gz").write_bytes(b"".join(gzip.compress(lines([entry])) for entry in ENTRIES))
    assert len(read(tmp_path / "x.jsonl.gz")[0]) == 3


def test_a_folder_is_read_in_the_order_of_its_paths(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "y.txt").write_text("why")
    (tmp_path / "a.md").write_text("# first")
    (tmp_path / ".hidden.txt").write_text("not this")
    (tmp_path / "c.png").write_bytes(b"\x89PNG")
    write(tmp_path / "d.jsonl", ENTRIES)
    records, aside = read(tmp_path)
    assert [record.id for record in records] == ["a.md", "b/y.txt", "a", "b", "c"]
    assert [one.place for one in aside] == ["c.png"]


def test_columns_by_name_and_ids_that_are_places(tmp_path: Path) -> None:
    write(tmp_path / "x.jsonl", [{"body": "one", "text": 1}, {"body": "two", "key": 7}])
    assert read(tmp_path / "x.jsonl", text_column="body", id_column="key")[0] == [
        Record("x.jsonl:1", "one", {"text": 1}, "x.jsonl:1"),
        Record("7", "two", {}, "x.jsonl:2"),
    ]


def test_bad_lines_are_set_aside_and_the_rest_goes_on(tmp_path: Path) -> None:
    bad = [
        b'{"text": "caf\xe9"}',
        b'{"text": ',
        b'["text"]',
        b'{"text": null}',
        b'{"text": 5}',
        b'{"text": " "}',
        b'{"no": "t"}',
    ]
    bad += [b'{"text": "half a pair \\ud800"}', b'{"id": "a", "text": "again"}', b"[" * 100_000]
    (tmp_path / "x.jsonl").write_bytes(lines(ENTRIES) + b"\n".join(bad) + b"\n\n" + lines([{"text": "the rest"}]))
    records, aside = read(tmp_path / "x.jsonl")
    assert [record.id for record in records] == ["a", "b", "c", "x.jsonl:15"]
    assert [one.place for one in aside] == [f"x.jsonl:{number}" for number in range(4, 14)]
    told = [
        "not UTF-8",
        "not JSON",
        "no JSON object",
        "holds nothing",
        "int",
        "is empty",
        "nothing",
        "UTF-8",
        "was there before",
    ]
    assert all(word in one.reason for word, one in zip(told, aside, strict=False))
    assert all(len(one.excerpt) <= 200 and one.excerpt.encode() for one in aside)


def test_bad_rows_of_a_table(tmp_path: Path) -> None:
    long = "x" * 200_000
    (tmp_path / "x.csv").write_bytes(f"id,text\n1,{long}\n2\n".encode() + b"3,caf\xe9\n4,b,c\n5,end\n")
    records, aside = read(tmp_path / "x.csv")
    assert [(record.id, len(record.text)) for record in records] == [("1", 200_000), ("5", 3)]
    assert [one.place for one in aside] == ["x.csv:3", "x.csv:4", "x.csv:5"]


def test_bad_bytes_in_parquet(tmp_path: Path) -> None:
    texts = pa.StringArray.from_buffers(3, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0"), pa.py_buffer(b"a\xe9c"))
    pq.write_table(pa.table({"text": texts, "raw": [b"p", b"\xff", b"q"]}), tmp_path / "x.parquet")
    records, aside = read(tmp_path / "x.parquet")
    assert [record.text for record in records] == ["a", "c"] and [one.place for one in aside] == ["x.parquet:2"]
    assert [record.text for record in read(tmp_path / "x.parquet", text_column="raw")[0]] == ["p", "q"]


@pytest.mark.parametrize("name", ["b.jsonl.gz", "b.jsonl.zst", "b.parquet"])
def test_a_file_that_breaks_off_does_not_stop_the_folder(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, [{"id": f"b{number}", "text": f"{hash(str(number))}"} for number in range(20_000)])
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    write(tmp_path / "c.jsonl", ENTRIES)
    records, aside = read(tmp_path)
    assert [record.id for record in records[-3:]] == ["a", "b", "c"]
    assert len(aside) in (1, 2) and "cannot be read" in aside[-1].reason and name in aside[-1].place


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("x.jsonl", b"", "holds no document: it is empty"),
        ("x.csv", b"id,text\n", "holds no document: it is empty"),
        ("x.jsonl", b'{"body": "x", "title": "y"}\n', "has no column 'text'; its columns are body, title"),
        ("x.csv", b"body\nx\n", "has no column 'text'; its columns are body"),
        ("x.jsonl", b'{"text": 1}\n', "everything was set aside, first x.jsonl:1"),
        ("x.jsonl.gz", b"no gzip", "cannot be read"),
        ("x.docx", b"PK", "no corpus we read; accepted are"),
    ],
)
def test_what_is_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=said):
        read(tmp_path / name)


def test_names_that_lead_nowhere(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="on the Hub is named hf:owner/name"):
        read("owner/name")
    with pytest.raises(UserError, match="no corpus: 0 files"):
        read(tmp_path)


def test_a_missing_column_shows_early(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(lines([{"body": "x"}]) * 1500 + b"\xff\n")
    found = read_records(str(tmp_path / "x.jsonl"))
    with pytest.raises(UserError, match="no column"):
        for count, _ in enumerate(found):
            assert count < 1000


def test_data_sets_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "owner" / "name").mkdir(parents=True)
    write(tmp_path / "owner" / "name" / "train.jsonl", ENTRIES)
    monkeypatch.chdir(tmp_path)  # `datasets` takes a folder of that name for the data set
    assert [record.id for record in read("hf:owner/name@train")[0]] == ["a", "b", "c"]
    with pytest.raises(UserError, match="cannot be read from the Hub"):
        read("hf:owner/other")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    peaks = []
    for count in (5_000, 50_000):
        write(tmp_path / "x.jsonl.gz", [{"text": f"{number} " * 50} for number in range(count)])
        tracemalloc.start()
        assert sum(1 for _ in read_records(str(tmp_path / "x.jsonl.gz"))) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 45_000 * 150  # the hashes of ids; the text itself is 300 bytes a document
