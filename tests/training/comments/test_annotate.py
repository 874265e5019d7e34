"""Generation: nothing a writer proposes changes the code; cached prefixes equal re-encoding; filters and their codes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from tests.training.comments import nasty
from tests.training.comments.small_model import saved, tiny_model
from training.comments import annotate as annotating
from training.comments import cache
from training.comments.annotate import AnnotationRules, Place, Proposal, annotate
from training.comments.filters import FileRules, rejection, repeated_grams
from training.comments.job import Annotation, annotate_folder, read_results
from training.comments.languages import LANGUAGES, Language
from training.comments.remarks import Remark, RemarkRules, objection, read_remark, restating
from training.comments.source import Source, decode
from training.comments.strip import strip
from training.comments.unchanged import Cut, inserted_only
from training.comments.writer import CausalWriter, Prefix, WriterOptions

ANY = AnnotationRules(
    file=FileRules(least_gain=-1, most_dense=2, most_growth=1e9, most_repeats=10**6, most_repeated_grams=2)
)
GOOD = {
    "Python": "# Add the tax to the price",
    "JavaScript": "// Add the tax",
    "C": "/* Add the tax */",
    "Java": "// Add the tax",
}


@dataclass
class Says:
    """A writer that proposes the same lines in turn."""

    lines: list[str]
    p_end: float = 0.0
    said: int = 0
    written: list[str] = field(default_factory=list)

    def begin(self, code: str, language: Language) -> float:
        return self.p_end

    def propose(self, place: Place) -> Proposal | None:
        self.said += 1
        return Proposal(self.lines[(self.said - 1) % len(self.lines)])

    def write(self, line: str, blank: int) -> None:
        self.written += [""] * blank + [line]


def source(text: str, name: str = "Python") -> Source:
    return decode(text.encode(), LANGUAGES[name])


EVIL = [
    "x = 1", "# fine words here\nimport os", "# a\r\nimport os", "# end \\", "# coding: latin-1 is used", "/* open", "/* a */ int evil; /* b */", "*/ int evil;",
    "// a\u2028evil()", "// \\u000aevil();", "// next line \\", "// a ??/", '"""a""" + evil()', '"""a\\"""', "'''quoted'''", '"""one""" """two"""', "# \x0cevil()", "",
    "  ", "#", "//", '""""""', "```", "<|im_end|>", "# noqa", "// eslint-disable-next-line", "/* nested /* twice */", "def evil(): pass", "# a\x00b", "`", "${evil()}",
]  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    file=st.one_of(
        [st.tuples(nasty.files(getattr(nasty, n.upper())), st.just(n)) for n in ("Python", "C", "Java", "JavaScript")]
    ),
    lines=st.lists(st.one_of(st.sampled_from(EVIL), st.sampled_from(list(GOOD.values())), st.text(max_size=12)), min_size=1),
)
@example(("int a;\nint b; // yes", "Java"), ["x = 1", "// a backslash continues no Java line \\"])
def test_whatever_is_proposed_the_code_stays(file: tuple[str, str], lines: list[str]) -> None:
    assume("return / 2" not in file[0])  # which Pygments misreads, so that strip refuses
    given = source(*file)
    found = annotate(given, Says(lines), ANY)
    assert found.reason in (None, "unreadable")
    if found.reason is None:
        assert strip(source(found.code, file[1])).text == strip(given).text
        assert "evil()" not in strip(source(found.code, file[1])).text


@pytest.mark.parametrize(
    ("name", "text", "proposal"),
    [
        ("Python", "def f():\n    return 1\n", "x = 2"),
        ("Python", "s = 1\n", "# coding: rot13"),
        ("JavaScript", "let a = 1\n", "// a\u2028evil()"),
        ("C", "int a;\n", "// c \\"),
        ("C", "int a;\n", "int evil;"),
        ("Java", "int a;\n", "// \\u000a int evil;"),
    ],
)
def test_the_guard_catches_a_generator_that_changes_code(
    name: str, text: str, proposal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The grammar switched off, whatever is proposed goes in; the proof still refuses the file, and gives the original."""

    class Raw(Remark):
        def written(self, language: Language) -> str:
            return self.content

    monkeypatch.setattr(annotating, "read_remark", lambda proposal, language, docstring: Raw("comment", proposal))
    monkeypatch.setattr(annotating, "objection", lambda *_: None)
    found = annotate(source(text, name), Says([proposal]), ANY)
    assert found.reason == "code_changed" and not found.accepted and found.code == text


def test_a_file_is_commented_in_its_own_line_ends_and_indentation() -> None:
    text = "#!/usr/bin/env python\r\nimport os\r\n\r\n\r\ndef f(a):\r\n\tif a:\r\n\t\treturn os.sep\r\n\treturn None"
    writer = Says(
        ["# Load what is needed", '"""Tell the separator."""', "# With something given", "# Otherwise there is none"]
    )
    found = annotate(source(text), writer, AnnotationRules(file=FileRules(most_growth=9)))
    assert found.accepted, found.reason
    added = [line for line in found.code.split("\r\n") if line not in text.split("\r\n")]
    assert added == ["# Load what is needed", "\t# With something given", "\t\t# Otherwise there is none"]
    assert "\n" not in found.code.replace("\r\n", "") and found.code.startswith("#!/usr/bin/env python\r\n")
    assert writer.written == found.code.split("\r\n")


def test_docstrings_come_only_where_there_may_be_one() -> None:
    text = "import os\n\n\ndef f():\n    return 1\n\n\ndef g():\n    'Has one.'\n    return 2\n"
    found = annotate(source(text), Says(['"""Say so."""', '"""Say more."""', '"""Say it all."""', '"""Say a lot."""']), ANY)
    assert [(one.line, one.kind) for one in found.inserted] == [(0, "docstring"), (4, "docstring")]
    assert {one.reason for one in found.dropped} == {"no_comment"}


def test_a_file_that_the_writer_declines_is_left() -> None:
    writer = Says([GOOD["Python"]], p_end=0.7)
    found = annotate(source("x = 1\n"), writer)
    assert (found.reason, found.p_end, found.code, writer.said) == ("low_value", 0.7, "x = 1\n", 0)
    assert annotate(source("x = 1\n"), writer, AnnotationRules(most_end=0.8)).reason != "low_value"


@pytest.mark.parametrize(
    ("proposal", "below", "reason"),
    [
        ("# noqa: E501", "x = 1", "directive"),
        ("# type: ignore", "x = 1", "directive"),
        ("# TODO: add comments", "x = 1", "boilerplate"),
        ("# Here is the commented code", "x = 1", "boilerplate"),
        ("# Add comments to the function", "x = 1", "boilerplate"),
        ("# ------------", "x = 1", "not_language"),
        ("# Initialise", "x = 1", "not_language"),
        ("# x = compute(3)", "x = 1", "code_in_comment"),
        ("# for line in lines:", "x = 1", "code_in_comment"),
        ("# get user name", "get_user_name()", "restating"),
        (f"# {'long ' * 60}", "x = 1", "too_long"),
        ("# The user is asked only once", "get_user_name()", None),
    ],
)
def test_single_comments_are_judged(proposal: str, below: str, reason: str | None) -> None:
    language = LANGUAGES["Python"]
    remark = read_remark(proposal, language, docstring=False)
    assert isinstance(remark, Remark) and objection(remark, below, language, RemarkRules()) == reason


def test_restating_is_the_jaccard_index_of_words_and_names() -> None:
    assert restating("Get the user name", "getUserName(x)") == 3 / 4
    assert restating("", "x") == 0 == restating("words", "+ 1")


@pytest.mark.parametrize(
    ("before", "after", "comments", "reason"),
    [
        (("a" * 100, 0.1), ("a" * 110, 0.119), ["one"], "no_gain"),
        (("a" * 100, 0.1), ("a" * 150, 0.81), ["one"], "too_dense"),
        (("a" * 100, 0.1), ("a" * 301, 0.5), ["one"], "length"),
        (("a" * 100, 0.1), ("a" * 200, 0.5), ["one"] * 4, "repetition"),
        (("a" * 100, 0.1), ("a" * 200, 0.5), ["a b c d e f", "a b c d e f"], "repetition"),
        (("a" * 100, 0.1), ("a" * 200, 0.5), ["one"] * 3, None),
    ],
)
def test_files_are_judged(
    before: tuple[str, float], after: tuple[str, float], comments: list[str], reason: str | None
) -> None:
    assert rejection(before, after, comments, FileRules()) == reason


def test_repeated_grams_by_hand() -> None:
    assert repeated_grams(["a b c d", "a b c d", "x y"]) == 0.5 and repeated_grams(["x y"]) == 0


@pytest.mark.parametrize("room", [2, 256])
def test_a_cached_prefix_says_what_re_encoding_says(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_ROOM", room)
    model, tokenizer = tiny_model()
    prefix = Prefix(model)
    tokens = tokenizer("def add(a, b):\n    return a + b\n# and more words of it").input_ids
    asked = [tokens[:5], tokens[:12], tokens[:7], tokens[:7] + tokens[2:6], tokens[:7], tokens, tokens[:3]]
    for one in asked:
        with torch.no_grad():
            whole = model(torch.tensor([one])).logits[0, -1].log_softmax(-1)
        assert torch.allclose(prefix.next(one), whole, atol=1e-4)


@pytest.mark.parametrize("name", ["Python", "JavaScript", "C", "Java"])
def test_a_model_is_made_to_write_by_its_margin(name: str) -> None:
    text = {"Python": "def add(a, b):\n    c = a + b\n\n    return c\n", "C": "int add;\nint z;\n"}.get(
        name, "let y = 2;\nlet z = 3;\n"
    )
    model, tokenizer = tiny_model()
    eager = annotate(source(text, name), CausalWriter(model, tokenizer, WriterOptions(-100, -100, most_tokens=6)), ANY)
    assert len(eager.dropped) + len(eager.inserted) == eager.places > 0 and eager.p_end is not None
    shy = annotate(source(text, name), CausalWriter(model, tokenizer, WriterOptions(100, 100)), ANY)
    assert not shy.dropped and not shy.inserted and shy.code == text


def test_a_long_file_is_read_in_pieces_and_comes_out_whole() -> None:
    text = "".join(f"def f{n}(a):\n    b = a + {n}\n    return b\n\n\n" for n in range(40))

    class Counts(Says):
        begun = 0

        def begin(self, code: str, language: Language) -> float:
            self.begun += 1
            assert len(code) <= 400
            return 0.0

    writer = Counts([f"# The number {n} comes in" for n in "abcdefghij"])
    found = annotate(source(text), writer, AnnotationRules(most_characters=400, file=ANY.file))
    assert writer.begun > 4 and found.accepted
    assert [line for line in writer.written if line] == [line for line in found.code.split("\n") if line]


def test_a_folder_resumes_and_tells_its_funnel(tmp_path: Path) -> None:
    code = tmp_path / "code"
    (code / "sub").mkdir(parents=True)
    for number in range(6):
        (code / "sub" / f"a{number}.py").write_text(f"def add{number}(a, b):\n    c = a + b\n    return c\n")
    (code / "b.js").write_bytes(b"\x00\x01")
    (code / "c.java").write_text('String a = "x;\n')
    (code / "d.go").write_text("package d\n")
    settings = Annotation(saved(tmp_path / "model"), WriterOptions(-100, -100, most_tokens=4), ANY)
    told = annotate_folder(code, tmp_path / "run", settings, engine="inline", device="cpu")
    results = read_results(tmp_path / "run")
    assert told["files"] == 8 and told["readable"] == 6 and told["rejected"] == {"unreadable": 2}
    assert told["places"] == told["comments_inserted"] + sum(told["comments_dropped"].values())
    assert set(results[results["reason"] == "unreadable"]["name"]) == {"b.js", "c.java"}
    for row in results[results["accepted"]].itertuples():
        assert (tmp_path / "run" / "code" / row.name).read_text() == row.code
        assert strip(source(row.code)).text == row.original
    (tmp_path / "run" / "results" / "part-00001.parquet").unlink()
    again = annotate_folder(code, tmp_path / "run", settings, engine="inline", device="cpu")
    same = read_results(tmp_path / "run").drop(columns="seconds")
    pd.testing.assert_frame_equal(same, results.drop(columns="seconds"))
    assert {**again, "seconds": 0} == {**told, "seconds": 0} and json.dumps(again)


def test_what_a_folder_will_take_is_told_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = tmp_path / "code"
    code.mkdir()
    for number in range(3):
        (code / f"a{number}.py").write_text("x = 1\n" * 1_500 + "(\n")  # no Python that parses: told, then refused at once
    (code / "b.js").write_bytes(b"\x00" * 3_000_000)
    settings = Annotation(saved(tmp_path / "model"))
    told = annotate_folder(code, tmp_path / "run", settings, engine="inline", device="cpu")
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("comments: about")]
    assert told["rejected"] == {"unreadable": 4} and len(lines) == 1 and "for 3 files on 1 of" in lines[0]
    annotate_folder(code, tmp_path / "run", settings, engine="inline", device="cpu")
    assert "about" not in capsys.readouterr().err


def test_the_proof_is_of_bytes() -> None:
    text, commented = "x = 1\n\n", "# One\nx = 1\n"  # the same tokens, but a blank line is lost
    assert inserted_only(text, commented, [Cut(0, 6)], LANGUAGES["Python"]) is not None
    assert inserted_only(text, commented + "\n", [Cut(0, 6)], LANGUAGES["Python"]) is None
