"""Documents of known type: continuous, mixed or shuffled as their type says, and no source on both sides."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from interp.runs.errors import UserError
from training.longtext.plain_text import blocks, html_blocks, text_blocks
from training.longtext.truth import Source, construct, sides, write_truth

SENTENCE = "On day {n} the travellers of book {book} crossed another river and wrote about it."
SIZE = 2_000


@pytest.fixture
def sources(tmp_path: Path) -> list[Source]:
    for book in range(4):
        paragraphs = "\n\n".join(SENTENCE.format(n=n, book=book).replace("crossed", "crossed\n") for n in range(200))
        (tmp_path / f"book{book}.txt").write_text(paragraphs)
        (tmp_path / f"pieces{book}.txt").write_text("\n".join(SENTENCE.format(n=n, book=f"p{book}") for n in range(200)))
        (tmp_path / f"rows{book}.csv").write_text("\n".join(f"{book},{n},{n * n}" for n in range(900)))
    makes = {"prose": "book{}.txt", "pieces": "pieces{}.txt", "rows": "rows{}.csv"}
    return [Source.of(f"{make}:en:{tmp_path / name.format(book)}") for make, name in makes.items() for book in range(4)]


def test_each_type_is_built_as_it_says(sources: list[Source]) -> None:
    found = list(construct(sources, documents=4, size=SIZE))
    days = {one.id: [int(word) for word in one.text.split() if word.isdecimal()][::2] for one in found if one.kind != "rows"}
    for one in found:
        assert SIZE - 100 * (one.kind == "shuffled") <= len(one.text.encode()) <= SIZE + 600
        assert {"prose": "holistic", "pieces": "aggregated", "rows": "chaotic", "shuffled": "chaotic"}[one.kind] == one.type
        if one.kind == "prose":
            assert "\n\n" in one.text and "crossed another" in one.text  # unwrapped
            numbers = [int(line.split()[2]) for line in one.text.split("\n\n")]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        elif one.kind == "rows":
            numbers = [int(line.split(",")[1]) for line in one.text.split("\n")]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        else:
            assert sorted(days[one.id]) != days[one.id]


def test_sources_are_on_one_side_and_no_text_is_used_twice(sources: list[Source]) -> None:
    found = list(construct(sources, documents=8, size=SIZE))
    assert len({(one.source, one.side) for one in found}) == len({one.source for one in found}) == 12
    assert {side: len(own) for side, own in sides(sources[:4]).items()} == {"fit": 2, "test": 2}
    for side in ("fit", "test"):
        counts = {
            kind: sum(one.kind == kind and one.side == side for one in found)
            for kind in ("prose", "pieces", "rows", "shuffled")
        }
        assert counts == {"prose": 8, "pieces": 8, "rows": 4, "shuffled": 4}
    prose = [line for one in found if one.kind == "prose" for line in one.text.split("\n\n")]
    assert len(prose) == len(set(prose))
    shuffled = " ".join(one.text for one in found if one.kind == "shuffled")
    assert not any(line in shuffled.replace("\n", " ") and line in prose for line in prose[:20])
    assert found == list(construct(sources, documents=8, size=SIZE))


def test_they_are_written_as_json_lines(sources: list[Source], tmp_path: Path) -> None:
    counts = write_truth(construct(sources, documents=2, size=SIZE), tmp_path / "truth.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text().splitlines()]
    assert sum(counts.values()) == len(lines) == len({line["id"] for line in lines})
    assert counts["en holistic prose fit"] == 2 and {"id", "text", "type", "source", "side"} <= lines[0].keys()


def test_blocks_of_pages_manuals_and_texts(tmp_path: Path) -> None:
    page = (
        "<head><title>no</title></head><body><h1>A</h1><p>one\n <b>two</b> &amp; three<script>x</script><li>four</li>五\n六"
    )
    assert html_blocks(page) == ["A", "one two & three", "four", "五六"]
    assert text_blocks("one\ntwo\n\nthree") == ["one two", "three"] and text_blocks("one\ntwo\nthree") == [
        "one",
        "two",
        "three",
    ]
    assert text_blocks("a\nb\n%\nc\n%\nd\n%\n") == ["a b", "c", "d"]
    assert text_blocks("迈向/v 充满/v\n希望/n 。/w") == ["迈向充满", "希望。"]
    manual = '.TH LS 1\n.SH NAME\nls \\- list\n.\\" hidden\n.PP\n.B bold\nand \\fIrest\\fP\n'
    (tmp_path / "ls.1.gz").write_bytes(gzip.compress(manual.encode()))
    assert blocks(tmp_path / "ls.1.gz") == ["NAME", "ls - list", "bold and rest"]


@pytest.mark.parametrize(
    "given, said",
    [("prose:en", "is no source"), ("poem:en:x", "is no source"), ("rows:zh:absent", "no file or folder absent")],
)
def test_refuses(given: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        Source.of(given)
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(UserError, match="cannot be read as text"):
        blocks(tmp_path / "bad.txt")
