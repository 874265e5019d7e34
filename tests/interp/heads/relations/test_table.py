"""Tables: every whole-word mention, rows of a text together, and which line is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.heads.relations.table import mentions, read_table
from interp.runs.errors import UserError

HEADER = "text\thead\trelation\ttail\n"


def written(path: Path, *rows: str, header: str = HEADER) -> Path:
    file = path / "own.tsv"
    file.write_text(header + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return file


@given(st.text("ab c.é_1", max_size=30), st.text("abé.", min_size=1, max_size=3))
def test_mentions_are_the_matches_with_no_letter_beside(text: str, word: str) -> None:
    """Left to right without overlap, as a reader would mark them."""
    expected, end = [], 0
    for start in range(len(text)):
        beside = text[max(start - 1, 0) : start] + text[start + len(word) : start + len(word) + 1]
        free = not any(letter.isalnum() or letter == "_" for letter in beside)
        if start >= end and text.startswith(word, start) and free:
            expected.append((start, end := start + len(word)))
    assert [tuple(span) for span in mentions(word, text)] == expected


def test_rows_of_one_text_make_one_document(tmp_path: Path) -> None:
    found = read_table(
        written(
            tmp_path,
            "Rome is the capital of Italy; Romeo left Rome.\tRome\tcapital\tItaly",
            "C++ beats C.\tC++\tbeats\tC",
            "Rome is the capital of Italy; Romeo left Rome.\tItaly\thas\tRome",
        )
    )
    rome, languages = found.documents
    assert (rome.name, languages.name) == ("own.tsv:2", "own.tsv:3")
    assert [t.relation for t in rome.triplets] == ["capital", "has"]
    assert rome.triplets[0].head == ((0, 4), (41, 45)) and rome.triplets[0].tail == ((23, 28),)
    assert languages.triplets[0].head == ((0, 3),)
    assert found.triplets == {"capital": 1, "beats": 1, "has": 1}


def test_rows_that_show_nothing_are_set_aside_and_counted(tmp_path: Path) -> None:
    text = "the cat sat"
    rows = [
        f"{text}\tcat\tr\tsat",
        f"{text}\tcat\tr\tmat",
        f"{text}\tat\tr\tcat",
        f"{text}\tcat\tr\tcat",
        f"{text}\tcat\tr\tsat",
    ]
    found = read_table(written(tmp_path, *rows, "", "other\tcat\tr\tother"))
    assert found.counts == {
        "documents": 1, "triplets": {"r": 1},
        "dropped": {
            "rows that are given twice": 1, "rows whose head or tail is not in their text": 3,
            "rows whose head is their tail": 1, "documents without a triplet": 1,
        },
    }  # fmt: skip
    assert read_table(written(tmp_path, *rows), limit=1).triplets == {"r": 1}


def test_a_byte_order_mark_windows_ends_and_odd_separators_are_read(tmp_path: Path) -> None:
    file = tmp_path / "own.tsv"
    file.write_bytes(b"\xef\xbb\xbf" + (HEADER + "a\u2028b and c\tb\tr\tc").replace("\n", "\r\n").encode())
    assert read_table(file).documents[0].text == "a\u2028b and c"


@pytest.mark.parametrize(
    ("rows", "header", "told"),
    [
        (["a b\ta\tr"], HEADER, r"own\.tsv, line 2: found 3 tab-separated fields; expected text head relation tail"),
        (["a b\ta\tr\tb", "a b\ta\t \tb"], HEADER, r"own\.tsv, line 3: the field 'relation' is empty"),
        (["a b\ta\tr\tb"], "text,head,relation,tail\n", "line 1: found 'text,head,relation,tail'; expected the header"),
        ([], "", "line 1: found nothing; expected the header text head relation tail"),
        ([], HEADER, r"own\.tsv gives no relation triplet; set aside: it is empty"),
        (["a b\tx\tr\tb"], HEADER, "no relation triplet; set aside: 1 rows whose head or tail is not in their text"),
    ],
)
def test_bad_tables_are_told_in_one_sentence(tmp_path: Path, rows: list[str], header: str, told: str) -> None:
    with pytest.raises(UserError, match=told) as refused:
        read_table(written(tmp_path, *rows, header=header))
    assert "\n" not in str(refused.value)
