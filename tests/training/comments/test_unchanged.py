"""Comments come and go, the code stays: nasty files, independent judges (Python's compiler, gcc, node), a faulty writer."""

from __future__ import annotations

import dis
import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from types import CodeType

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.training.comments import nasty
from training.comments.annotate import Inserted, assembled
from training.comments.c_family import scan
from training.comments.languages import LANGUAGES
from training.comments.layout import layout
from training.comments.source import Source, Unreadable, decode
from training.comments.strip import strip
from training.comments.unchanged import Cut, difference, inserted_only

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def source(text: str, name: str) -> Source:
    return decode(text.encode(), LANGUAGES[name])


def commented_everywhere(given: Source) -> tuple[str, list[Cut]]:
    """Comments before all lines that may have one, docstrings wherever they may be."""
    plan, language = layout(given), given.language
    said = " ".join(filter(None, [language.opener, "said \"'` ${", language.closer]))
    inserted = [Inserted(number, f"  {said}", "comment") for number, may in enumerate(plan.open) if may]
    for number in sorted(plan.bodies):
        line = plan.lines[number]
        indent = line[: len(line) - len(line.lstrip(" \t"))]
        inserted.append(Inserted(number, f'{indent}"""Told."""', "docstring"))
    return assembled(plan, inserted)


def compiled(text: str) -> object:
    """What Python runs: instructions and constants, without line numbers, docstrings and what stands in their place."""

    def of(code: CodeType) -> list[object]:
        shown = [one for one in dis.get_instructions(code) if one.opname != "NOP"]
        return [(one.opname, _argument(one)) for one in shown]

    def _argument(one: dis.Instruction) -> object:
        if one.opcode in dis.hasjrel or one.opcode in dis.hasjabs:
            return None
        return of(one.argval) if isinstance(one.argval, CodeType) else repr(one.argval)

    return of(compile(text, "f", "exec", dont_inherit=True, optimize=2))


@QUICK
@given(text=nasty.files(nasty.PYTHON))
def test_python_compiles_to_the_same_with_comments_everywhere_and_with_none(text: str) -> None:
    before = _readable(text, "Python")
    after, cuts = commented_everywhere(before)
    assert inserted_only(before.text, after, cuts, before.language) is None
    bare = strip(before).text
    assert strip(source(after, "Python")).text == bare == strip(source(bare, "Python")).text
    assert compiled(text) == compiled(after)
    if "'two'" not in text:  # with -OO Python takes the second string for a docstring too
        assert compiled(text) == compiled(bare)


@QUICK
@given(
    file=st.one_of(
        [st.tuples(nasty.files(getattr(nasty, one.upper())), st.just(one)) for one in ("C", "Java", "JavaScript")]
    )
)
def test_what_is_inserted_can_be_stripped_again(file: tuple[str, str]) -> None:
    text, name = file
    before = _readable(text, name)
    after, cuts = commented_everywhere(before)
    assert inserted_only(before.text, after, cuts, before.language) is None
    bare = _bare(before)
    assert strip(source(after, name)).text == bare and strip(source(bare, name)).removed == 0


def _readable(text: str, name: str) -> Source:
    found = source(text, name)
    try:
        layout(found)
    except Unreadable:
        assume(False)
    return found


@pytest.mark.skipif(not shutil.which("gcc"), reason="no gcc")
@pytest.mark.slow
@FEW
@given(text=nasty.files(nasty.C))
def test_gcc_sees_the_same(text: str) -> None:
    before = _readable(text, "C")
    after, _ = commented_everywhere(before)
    expanded = [_expanded(one) for one in (text, after, strip(before).text)]
    assert expanded[0] == expanded[1] == expanded[2]


def _expanded(text: str) -> list[str]:
    """The program behind the preprocessor; `#error` must not stop it."""
    command = ["gcc", "-E", "-P", "-x", "c", "-w", "-"]
    return subprocess.run(
        command, input=text.replace("#error", "#pragma"), capture_output=True, text=True, check=True
    ).stdout.split()


def _bare(given: Source) -> str:
    """Without comments; Pygments takes `.return / 2` for the beginning of a regular expression, and then we refuse."""
    try:
        return strip(given).text
    except Unreadable as error:
        assert "return / 2" in given.text, error
        assume(False)
        raise


def _node() -> str | None:
    spec = importlib.util.find_spec("playwright")
    bundled = (
        Path(spec.submodule_search_locations[0]) / "driver" / "node" if spec and spec.submodule_search_locations else None
    )
    return str(bundled) if bundled and bundled.exists() else shutil.which("node")


@pytest.mark.skipif(not _node(), reason="no node")
@pytest.mark.slow
@FEW
@given(text=nasty.files(nasty.JAVASCRIPT))
def test_node_computes_the_same(text: str) -> None:
    before = _readable(text, "JavaScript")
    after, cuts = commented_everywhere(before)
    assert inserted_only(before.text, after, cuts, before.language) is None
    programs = [f"var r = [];\n{one}\n;process.stdout.write(JSON.stringify(r))" for one in (text, after, _bare(before))]
    results = [subprocess.run([_node(), "-e", one], capture_output=True, text=True) for one in programs]
    assert results[0].stdout and len({one.stdout for one in results}) == 1


@pytest.mark.skipif(not shutil.which("javac"), reason="no javac")
@pytest.mark.slow
def test_javac_writes_the_same_classes(tmp_path: Path) -> None:
    """All nasty pieces as members of one class; names are made different, line numbers left out."""
    members = [
        re.sub(r"\b([a-zPs-v])( /\* t \*/)?( =|;|<)", rf"\g<1>{number}\2\3", one) for number, one in enumerate(nasty.JAVA)
    ]
    before = source("class Nasty {\n" + "\n".join(members).replace("@A", "@Deprecated") + "\n}\n", "Java")
    after, cuts = commented_everywhere(before)
    assert inserted_only(before.text, after, cuts, before.language) is None
    assert len({_classes(tmp_path / str(n), one) for n, one in enumerate((before.text, after, strip(before).text))}) == 1


def _classes(folder: Path, text: str) -> str:
    folder.mkdir()
    (folder / "Nasty.java").write_text(text)
    done = subprocess.run(["javac", "-g:none", "Nasty.java"], cwd=folder, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return "|".join(file.read_bytes().hex() for file in sorted(folder.glob("*.class")))


@pytest.mark.parametrize("name", ["Python", "JavaScript", "C", "Java"])
def test_every_nasty_piece_alone_is_read_or_refused_as_meant(name: str) -> None:
    refused = {piece for piece in getattr(nasty, name.upper()) if _refused(piece + "\n", name)}
    assert refused == set()


def _refused(text: str, name: str) -> bool:
    try:
        layout(source(text, name))
    except Unreadable:
        return True
    return False


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("Python", "x = '''\n", "split into tokens|parses"),
        ("Python", "def f(:\n", "parses"),
        ("Python", "x = 1\ry = 2\n", "carriage returns"),
        ("JavaScript", "return <div>a // b</div>\n", "JSX"),
        ("JavaScript", "x = {}\n/a/.test(b)\n", "two ways"),
        ("JavaScript", "x = `a\n", "template is not closed"),
        ("JavaScript", "x = 1 /* a\n", "comment is not closed"),
        ("JavaScript", "x = 'a\n", "string or character is not closed"),
        ("JavaScript", "f(\n", "parenthesis or brace"),
        ("JavaScript", "x = 1\n--> y\n", "HTML comment"),
        ("C", "int a; /\\\n/ b\n", "cut by a backslash"),
        ("C", "/* c *\\\n\\\n/ int x; /* d */\n", "cut by a backslash"),
        ("C", "// a ??/\nint b;\n", "trigraph"),
        ("C", 'char a[] = R"(// b)";\n', "raw string"),
        ("C", "// a \\ \nint b;\n", "space behind it"),
        ("C", "char a = 'b;\n", "not closed"),
        ("Java", 'String a = "\\u0022 + 1; // b";\n', "Unicode escape"),
        ("Java", "int a; // \\u000a int b;\n", "Unicode escape"),
    ],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_is_left_alone(name: str, text: str, told: str) -> None:
    with pytest.raises(Unreadable, match=told):
        layout(source(text, name))


@pytest.mark.parametrize(
    ("name", "before", "after", "insertion"),
    [
        ("Python", "s = '''\na\n'''\n", "s = '''\n# c\na\n'''\n", "# c\n"),
        ("Python", "x = 1 + \\\n  2\n", "x = 1 + \\\n# c\n  2\n", "# c\n"),
        ("Python", "x = 1\n", "# c\ny = 2\nx = 1\n", "# c\ny = 2\n"),
        ("Python", "def f():\n    '''d'''\n    return 1\n", "def f():\n    '''d'''\n    '''e'''\n    return 1\n", "    '''e'''\n"),
        ("JavaScript", "s = `\na\n`\n", "s = `\n// c\na\n`\n", "// c\n"),
        ("JavaScript", "x = 1\n", "// c\u2028y = 2\nx = 1\n", "// c\u2028y = 2\n"),
        ("C", "#define X \\\n  1\n", "#define X \\\n// c\n  1\n", "// c\n"),
        ("C", "int a;\nint b;\n", "int a;\n// c \\\nint b;\n", "// c \\\n"),
        ("Java", 's = """\n  a\n  """;\n', 's = """\n// c\n  a\n  """;\n', "// c\n"),
        ("Java", "int a;\n", "// \\u000aint b;\nint a;\n", "// \\u000aint b;\n"),
    ],
)  # fmt: skip
def test_the_proof_finds_what_is_no_comment(name: str, before: str, after: str, insertion: str) -> None:
    """Each removes to the original byte for byte, and yet changes the code."""
    at = after.index(insertion)
    assert inserted_only(before, after, [Cut(at, at + len(insertion))], LANGUAGES[name])


def test_the_proof_finds_changes_outside_what_was_inserted() -> None:
    assert inserted_only("x = 1\n\n", "x = 1\n", [], LANGUAGES["Python"])
    assert difference("a = `x  y`\n", "a = `x y`\n", LANGUAGES["JavaScript"])
    assert difference("return /*\n*/ 7\n", "return 7\n", LANGUAGES["JavaScript"])
    assert difference("return /*\u2028*/ 7\n", "return  7\n", LANGUAGES["JavaScript"])
    assert difference("int a/**/b;\n", "int ab;\n", LANGUAGES["C"])
    assert difference("#define X 1 // c\nint y;\n", "#define X 1 int y;\n", LANGUAGES["C"])


@pytest.mark.parametrize("end", ["\n", "\u2028", "\u2029"])
def test_a_comment_that_ends_a_line_of_javascript_leaves_a_line_end(end: str) -> None:
    assert strip(source(f"return /*{end}*/ 7\n", "JavaScript")).text == "return \n 7\n"


def test_a_slash_behind_for_await_begins_a_regular_expression() -> None:
    text = "for await (x of y) /[/*]/.test(x); f(); /* c */\n"
    assert [text[one.start : one.end] for one in scan(text, "JavaScript")] == ["/[/*]/", "/* c */"]
    divided = "x = y.for\nawait (z) /a/ b /* c */\n"
    assert [divided[one.start : one.end] for one in scan(divided, "JavaScript")] == ["/* c */"]


def test_a_docstring_in_front_of_a_string_stays() -> None:
    text = "def f():\n    '''one'''\n    'two'\n    return 1\n"
    assert strip(source(text, "Python")).text == text
    cut = text.index("    '''one"), text.index("    'two")
    assert difference(text, text[: cut[0]] + text[cut[1] :], LANGUAGES["Python"], cut_before=[Cut(*cut)])


def test_docstrings_that_code_rests_on_are_kept() -> None:
    text = "def f():\n    '''Only.'''\n\n\ndef g():\n    '''A'''; return 1\n\n\ndef h():\n    '''B'''\n    return 2\n"
    assert strip(source(text, "Python")).text == text.replace("    '''B'''\n", "")
    assert strip(source(text, "Python"), docstrings=False).text == text


def test_head_lines_stay_the_first() -> None:
    text = "#!/usr/bin/env python\n# coding: latin-1\n# about\nx = '\xe9'\n"
    given = decode(text.encode("latin-1"), LANGUAGES["Python"])
    assert given.encoding == "iso-8859-1" and layout(given).open == [False, False, True, True]
    assert strip(given).text == "#!/usr/bin/env python\n# coding: latin-1\nx = '\xe9'\n"
    assert given.encoded(given.text) == text.encode("latin-1")


def test_a_byte_order_mark_stays_where_it_is() -> None:
    given = decode(b"\xef\xbb\xbfx = 1  # a\n", LANGUAGES["Python"])
    assert given.encoded(strip(given).text) == b"\xef\xbb\xbfx = 1\n"
