"""The house style as measurements: lengths, docstrings, types, and imports that run one way."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(file for package in ("interp", "training", "apps", "benchmarks") for file in (ROOT / package).rglob("*.py"))
Function = ast.FunctionDef | ast.AsyncFunctionDef
ORDER = ["runs", "corpora", "othello", "models", "heads", "dictionaries", "circuits", "figures"]
"""A package may import those before it and itself."""


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


def functions(file: Path) -> list[Function]:
    return [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, Function)]


def length(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def test_no_file_over_400_lines_and_no_function_over_60() -> None:
    long_files = {name_of(file): count for file in FILES if (count := len(file.read_text().splitlines())) > 400}
    long_functions = {
        f"{name_of(file)}:{node.name}": length(node) for file in FILES for node in functions(file) if length(node) > 60
    }
    assert not long_files and not long_functions


def test_nine_functions_in_ten_have_at_most_30_lines() -> None:
    lengths = sorted(length(node) for file in FILES for node in functions(file))
    assert len(lengths) > 100 and lengths[int(0.9 * len(lengths))] <= 30


def test_no_file_is_a_drawer() -> None:
    assert not [name_of(file) for file in FILES if file.stem in {"utils", "helpers", "misc", "common"}]


def public_definitions(body: list[ast.stmt]) -> list[Function | ast.ClassDef]:
    """Public functions and classes of a module or class; what a function defines inside is its own affair."""
    found: list[Function | ast.ClassDef] = []
    for node in body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            found.append(node)
            found += public_definitions(node.body) if isinstance(node, ast.ClassDef) else []
    return found


def test_every_public_name_has_a_docstring() -> None:
    bare = []
    for file in FILES:
        tree = ast.parse(file.read_text())
        if not ast.get_docstring(tree):
            bare.append(name_of(file))
        bare += [f"{name_of(file)}:{node.name}" for node in public_definitions(tree.body) if not ast.get_docstring(node)]
    assert not bare


def untyped(function: Function) -> list[str]:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    named += [extra for extra in (arguments.vararg, arguments.kwarg) if extra]
    return [one.arg for one in named if one.annotation is None and one.arg not in ("self", "cls")]


def compiled(tree: ast.Module) -> set[ast.AST]:
    """Functions that numba compiles, and what is inside them."""
    roots = [
        node for node in ast.walk(tree) if isinstance(node, Function) and re.search(r"njit|intrinsic", _decorators(node))
    ]
    return {inner for root in roots for inner in ast.walk(root)}


def _decorators(function: Function) -> str:
    return " ".join(ast.unparse(decorator) for decorator in function.decorator_list)


def test_every_parameter_has_a_type() -> None:
    """Compiled kernels excepted: numba infers their types, and annotations there would be a second truth."""
    bare = []
    for file in FILES:
        tree = ast.parse(file.read_text())
        exempt = compiled(tree)
        plain = [node for node in ast.walk(tree) if isinstance(node, Function) and node not in exempt]
        bare += [f"{name_of(file)}:{node.name} {missing}" for node in plain if (missing := untyped(node))]
    assert not bare


def imports(node: ast.AST, *, runtime_only: bool = True) -> list[str]:
    """Modules imported below `node`, those for the type checker alone left out."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and runtime_only:
        return []
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [name for child in ast.iter_child_nodes(node) for name in imports(child)]


@pytest.mark.parametrize("package", ORDER)
def test_imports_run_one_way(package: str) -> None:
    allowed = {f"interp.{name}" for name in ORDER[: ORDER.index(package) + 1]}
    wrong = []
    for file in (ROOT / "interp" / package).rglob("*.py"):
        for module in imports(ast.parse(file.read_text())):
            top = module.split(".")[0]
            inside = ".".join(module.split(".")[:2])
            if top in ("apps", "training", "benchmarks") or (top == "interp" and inside not in allowed):
                wrong.append(f"{name_of(file)}: {module}")
    assert not wrong


def test_nothing_imports_the_command_line_or_the_apps() -> None:
    wrong = [
        f"{name_of(file)}: {module}"
        for file in FILES
        for module in imports(ast.parse(file.read_text()))
        if (module.startswith("interp.cli") and file.parts[-2] != "cli")
        or (module.split(".")[0] == "apps" and "apps" not in file.parts)
    ]
    assert not wrong
