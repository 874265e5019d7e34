"""What the README tells people to type exists: targets of make, verbs and options of `interp`, imports, links."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from interp.cli.main import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FENCES = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [line.strip() for language, text in FENCES if language == "bash" for line in text.splitlines() if line.strip()]
INTERP = [line for line in COMMANDS if line.startswith("interp ")]
PYTHON = [text for language, text in FENCES if language == "python"]


def verb(words: list[str]) -> tuple[Any, list[str]]:
    """The command that `words` name, and its remaining words."""
    command: Any = get_command(app)
    context: Any = command.make_context("interp", [], resilient_parsing=True)
    while hasattr(command, "get_command") and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None:
            break
        command, words = found, words[1:]
    return command, words


def test_the_readme_shows_commands_of_every_kind() -> None:
    assert len(INTERP) >= 8 and PYTHON and any(line.startswith("make ") for line in COMMANDS)


@pytest.mark.parametrize("line", INTERP)
def test_verbs_and_options_exist(line: str) -> None:
    command, rest = verb(shlex.split(line, comments=True)[1:])
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    unknown = [word for word in rest if word.startswith("--") and word not in known]
    assert not unknown
    assert not hasattr(command, "get_command") or rest in ([], ["--help"]), f"no such verb: {rest}"


def test_targets_of_make_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = {line.split()[1] for line in COMMANDS if line.startswith("make ")}
    assert named <= targets


@pytest.mark.parametrize("text", PYTHON)
def test_imports_of_code_exist(text: str) -> None:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module or "")
            assert all(hasattr(module, alias.name) for alias in node.names)


def test_links_and_pictures_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert not [target for target in targets if "://" not in target and not (ROOT / target).exists()]
