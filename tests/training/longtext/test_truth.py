"""Documents of known type: continuous, mixed or shuffled as their type says, and no source on both sides."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Iterable, Iterator
from importlib.metadata import PackagePath
from pathlib import Path

import pytest

from interp.corpora.document import Document
from interp.runs.errors import UserError
from training.longtext import truth
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
    days = {kind: _days(one.text for one in found if one.kind == kind) for kind in ("prose", "shuffled")}
    assert min(map(len, days.values())) > 100 and not days["prose"] & days["shuffled"]
    assert found == list(construct(sources, documents=8, size=SIZE))


def _days(texts: Iterable[str]) -> set[tuple[str, ...]]:
    """Number and book of each line of prose; both stand on the first of its wrapped lines."""
    return {match for text in texts for match in re.findall(r"day (\d+) the travellers of book (\d)", text)}


def test_shuffled_prose_keeps_the_lengths_of_its_paragraphs(tmp_path: Path) -> None:
    chosen = random.Random(0)
    text = "\n\n".join(" ".join(chosen.choices(["a", "river", "travellers"], k=chosen.randint(9, 90))) for _ in range(300))
    (tmp_path / "book.txt").write_text(text)
    found = construct([Source.of(f"prose:en:{tmp_path / 'book.txt'}")], documents=4, size=SIZE)
    lengths = {"prose": [], "shuffled": []}  # type: dict[str, list[int]]
    for one in found:
        lengths[one.kind] += [len(line.split()) for line in one.text.splitlines() if line]
    means = {kind: sum(counts) / len(counts) for kind, counts in lengths.items()}
    assert means["shuffled"] == pytest.approx(means["prose"], rel=0.3) and max(lengths["shuffled"]) > 40


class _Package:
    """Installed, with a list of its files."""

    def __init__(self, root: Path, name: str) -> None:
        (root / name).mkdir()
        self.metadata, self.root = {"Name": name}, root
        self.files = [PackagePath(f"{name}/RECORD"), PackagePath(f"{name}/table.csv")]
        for file in self.files:
            (root / file).write_text(f"package {name}\n")

    def locate_file(self, file: PackagePath) -> Path:
        return self.root / file


def test_an_installed_package_is_on_one_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = [_Package(tmp_path, f"package{number}") for number in range(60)]

    def documents(split: str) -> Iterator[Document]:
        for number in range(60):
            for name in ("description", "module.py"):
                yield Document(f"package{number}", f"package{number}/{name}", f"package{number} of {split} text\n\n" * 60)

    monkeypatch.setattr(truth.metadata, "distributions", lambda: packages)
    monkeypatch.setattr(truth, "installed_documents", documents)
    truth._installed.cache_clear()
    try:
        found = sides(one for one in truth.installed_sources() if one.make != "prose")
        texts = {side: "\n".join(_lines(own)) for side, own in found.items()}
    finally:
        truth._installed.cache_clear()
    named = {side: set(re.findall(r"package\d+", text)) for side, text in texts.items()}
    assert min(map(len, named.values())) > 10 and not named["fit"] & named["test"]
    assert len(named["fit"] | named["test"]) == 60
    for side, text in texts.items():
        assert " of held-out" in text and " of train" not in text  # what the discourse model has not seen
        assert {one.make for one in found[side]} == {"pieces", "rows"}


def _lines(sources: Iterable[Source]) -> Iterator[str]:
    for source in sources:
        for _, read in source.files:
            yield from read()


def test_they_are_written_as_json_lines(sources: list[Source], tmp_path: Path) -> None:
    counts = write_truth(construct(sources, documents=2, size=SIZE), tmp_path / "truth.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text().splitlines()]
    assert sum(counts.values()) == len(lines) == len({line["id"] for line in lines})
    assert counts["en holistic prose fit"] == 2 and {"id", "text", "type", "source", "side"} <= lines[0].keys()


def test_a_folder_of_tables_is_a_source_of_rows(sources: list[Source], tmp_path: Path) -> None:
    found = Source.of(f"rows:en:{tmp_path}")
    assert {name for name, _ in found.files} >= {f"rows{book}.csv" for book in range(4)}


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
