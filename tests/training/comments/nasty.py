"""Text that is hard to read in each language, in pieces that hypothesis puts together."""

from __future__ import annotations

from hypothesis import strategies as st

PYTHON = [
    'x = "# no comment"  # one', "'''a\n# no\n'''", 's = """\n# no\n\\\n"""  # yes', "y = 1 + \\\n    2", "z = (1,\n  # in\n  2)",
    "def f(a):\n    '''Doc.'''\n    return a  # r", "def g():\n\treturn 1", "class A:\n    # c\n    def b(self): pass",
    "async def h():\n    return 'x' # y", "\f", "# -*- coding: utf-8 -*-", "#!/bin/sh", "if x:\n    pass\n# d\nelse:\n    y = 0",
    "f'{x!r} # {y}'", "r'\\\\'  # raw", "'a' '#b' # c", "w = [\n1,\n\n# t\n]", "@a\ndef k():\n    '''Only.'''", "def l():\n    '''A'''; y = 2",
    "x = 1 \\\n# end", "def m(): return '''\n#'''", "if 1:\n  '''s'''\n  x = 3", "class B:\n\n    '''D'''\n\n    x = 1", "é = 'ü'  # ö",
    "lambda: 0;  # t", "def n():\n    'one'\n    'two'\n    return", "b'# bytes'", "def o():\n    f'{1}'\n    return 2", "",
]  # fmt: skip
JAVASCRIPT = [
    "r.push('// no'); // yes", "r.push(`// no\n/* no */ ${1 + /* c */ 2} ${`in // ${3}`}`);", "r.push(/[/]\\/\\/ x/.source) // c",
    "r.push(8 / 2 / 2); /* a\nb */ r.push(1)", "var a = 1\n/* c */\n;[2].map(x => r.push(x))", "if (1) /[*]\\//.test('x'); // y",
    "var f = function () {\n  return\n  // c\n  5\n}\nr.push(f())", "r.push((3) / 4 /* '`' */)", "r.push('a\\\nb') // splice",
    "r.push(/* x */'\"' /* y */)", "var o = { a: `\n`, 'b': 2 } // o\nr.push(o.a + o.b)", "r.push(\n// in\n1,\n2)", "x = 1; x++ // z\nr.push(x)",
    "r.push(typeof /x/ + '/* no */')", "label: for (;;) { /* b */ break label }", "var in_ = { return: 4 }; r.push(in_.return / 2) // d", "",
    "r.push((function () { return /*\n*/ 7 })() === undefined)", "\t// tab", "r.push('\\u2028')", "r.push(`$` + `\\`// ${'$'}`)",
]  # fmt: skip
C = [
    'char a[] = "// no";', "int b; // yes", "#define X(y) y /* c */ + \\\n  1 // d", "/* a\n * b */ int c;", "// spliced \\\nint gone;", "#if 0\nhi\n#endif",
    "int d = 4 /*x*// 2;", "char e = '\\'', f = '\"'; /* q */", '#define S "//"', "#error don't // stop", "int/**/g;", "#define M \\\n\\\n  2\nint h = M;",
    "  #  define N /* a\n b */ 3", 'char i[] = "a\\\n// b";', "int j; /* 1 */ /* 2 */", "double k = 1.e+3, l = 0x1p-2;", "",
    "# /* null */", "#define T(x) #x\nchar m[] = T(a /* b */ c);", "int n = 1 - /* m */ -1;", "\f\tint o;", "#define U \\\n/* c */\nint p;",
]  # fmt: skip
JAVA = [
    'String a = "// no";', "int b; // yes", "/** Doc.\n * @x */", "char c = '\"', d = '\\''; /* e */", 'String f = """\n  // no \\""" /* no */\n  """; // g',
    "@A int h; /* i\n j */ int k;", "int l = 8 / 2 / 2; //m", 'char n = \'\\u0041\'; String o = "\\\\";', "class P<Q extends Object> { } //", "",
    "\tint s /* t */ = 0;", 'String u = "a\\"// b"; // c', 'String v = "";// w',
]  # fmt: skip
ENDS = ["\n", "\r\n"]


def files(pieces: list[str]) -> st.SearchStrategy[str]:
    """Some pieces with one kind of line end, the last line with or without one."""
    return st.builds(
        lambda chosen, end, last: ("\n".join(chosen) + ("\n" if last else "")).replace("\n", end),
        st.lists(st.sampled_from(pieces), max_size=8),
        st.sampled_from(ENDS),
        st.booleans(),
    )
