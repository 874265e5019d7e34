"""`interp models` as a user meets it."""

from __future__ import annotations

import json

import pytest

from tests.interp.cli.test_main import call


def test_the_list_tells_source_licence_and_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("models", "--json") == 0
    models = {row["name"]: row for row in json.loads(capsys.readouterr().out)["models"]}
    assert models["smollm2-135m-instruct"]["licence"] == "Apache-2.0"
    assert models["smollm2-135m-instruct"]["bytes"] == 98_362_432
    assert all(row["source"] and row["licence"] for row in models.values())
    assert call("models") == 0
    assert len(capsys.readouterr().out.splitlines()) == len(models)


def test_an_unknown_model_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("models", "check", "nothing") == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1 and "there is no model 'nothing'" in told.err
