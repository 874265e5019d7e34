"""CoNLL-U: where words stand in the text, and which line is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from interp.heads.relations.conllu import conllu_sentences
from interp.runs.errors import UserError

SENTENCE = """\
# newdoc id = letters
# sent_id = one
# text = I don't   sell "you's" (now).
1\tI\ti\tPRON\t_\t_\t4\tnsubj\t_\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdo\tdo\tAUX\t_\t_\t4\taux\t_\t_
3\tn't\tnot\tPART\t_\t_\t4\tadvmod\t_\tCorrectForm=not
4\tsell\tsell\tVERB\t_\t_\t0\troot\t_\t_
4.1\tsell\tsell\tVERB\t_\t_\t_\t_\t0:root\t_
5\t"\t"\tPUNCT\t_\t_\t6\tpunct\t_\tSpaceAfter=No
6-7\tyou's\t_\t_\t_\t_\t_\t_\t_\tX=1|SpaceAfter=No
6\tyou\tyou\tPRON\t_\t_\t4\tobj\t_\tSpaceAfter=No
7\tus\twe\tPRON\t_\t_\t6\tconj\t_\t_
8\t"\t"\tPUNCT\t_\t_\t6\tpunct\t_\t_
9\t(\t(\tPUNCT\t_\t_\t10\tpunct\t_\tSpaceAfter=No
10\tnow\tnow\tADV\t_\t_\t4\tadvmod\t_\tSpaceAfter=No
11\t)\t)\tPUNCT\t_\t_\t10\tpunct\t_\tSpaceAfter=No
12\t.\t.\tPUNCT\t_\t_\t4\tpunct\t_\t_
"""


def written(path: Path, text: str) -> Path:
    file = path / "trees.conllu"
    file.write_text(text, encoding="utf-8")
    return file


def test_words_stand_where_the_text_has_them(tmp_path: Path) -> None:
    (sentence,) = conllu_sentences(written(tmp_path, SENTENCE))
    assert sentence.name == "one:1"
    assert sentence.text == "I don't   sell \"you's\" (now)."
    assert [sentence.text[word.span.start : word.span.end] for word in sentence.words] == [
        "I", "do", "n't", "sell", '"', "you's", "you's", '"', "(", "now", ")", ".",
    ]  # fmt: skip
    assert [word.head for word in sentence.words] == [3, 3, 3, None, 5, 3, 5, 5, 9, 3, 9, 3]
    assert sentence.words[2].label == "advmod"


def test_without_a_text_line_the_forms_are_joined(tmp_path: Path) -> None:
    lines = [line for line in SENTENCE.splitlines(keepends=True) if not line.startswith("#")]
    (sentence,) = conllu_sentences(written(tmp_path, "".join(lines)))
    assert sentence.text == "I don't sell \"you's\" (now)."
    assert sentence.name == "trees.conllu:1"
    assert sentence.text[slice(*sentence.words[9].span)] == "now"


@pytest.mark.parametrize("ends", ["\n", "\n\n\n", "\r\n\r\n", ""])
def test_sentences_end_with_blank_lines_or_the_file(tmp_path: Path, ends: str) -> None:
    two = SENTENCE + "\n" + SENTENCE.replace("= one", "= two").rstrip("\n") + ends
    first, second = conllu_sentences(written(tmp_path, "# global.columns = ID\n\n" + two))
    assert (first.name, second.name) == ("one:3", "two:22")
    assert first.words == second.words


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("10\tnow\tnow", "10\tnow now", 16, "found 9 tab-separated fields"),
        ("4\tsell", "5\tsell", 8, "found the word number '5'; expected 4"),
        ("4\tsell", "x\tsell", 8, "found the word number 'x'; expected 4"),
        ("6-7\t", "7-8\t", 11, "found the range 7-8; expected one that begins with 6"),
        (
            "_\t_\t10\tpunct",
            "_\t_\t13\tpunct",
            15,
            r"found the head '13'; accepted are 0 for a root, or a word of 1 \.\. 12",
        ),
        ("_\t_\t10\tpunct", "_\t_\t_\tpunct", 15, "found the head '_'"),
        ("sell \"you's", "buy \"you's", 8, "found 'sell' where '# text' goes on with 'buy"),
        ("sell \"you's", "buy or sell \"you's", 8, "found 'sell' where '# text' goes on with 'buy or"),
        ("6-7\tyou's", "6-14\tyou's", 18, "the sentence ends with word 12, inside the range 6-14"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, old: str, new: str, line: int, told: str) -> None:
    assert old in SENTENCE
    with pytest.raises(UserError, match=told) as refused:
        list(conllu_sentences(written(tmp_path, SENTENCE.replace(old, new, 1))))
    assert f"trees.conllu, line {line}: " in str(refused.value) and "\n" not in str(refused.value)


def test_what_is_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent\.conllu cannot be read \(No such file"):
        list(conllu_sentences(tmp_path / "absent.conllu"))
    file = tmp_path / "latin.conllu"
    file.write_bytes("# text = ein\n1\tschön".encode("latin-1"))
    with pytest.raises(UserError, match=r"latin\.conllu, line 2: this is not UTF-8"):
        list(conllu_sentences(file))
