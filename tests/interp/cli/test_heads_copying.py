"""`interp heads copying` on tiny models of four families, and its mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.interp.cli.calling import call
from tests.interp.cli.test_heads import FAMILIES, byte_level
from tests.interp.models.families import transformers_model

pytestmark = pytest.mark.slow
SHORT = ["--sequences", "2", "--shortest", "2", "--longest", "3"]
SCORES = {"copying", "prefix_matching", "previous_token", "duplicate_token", "induction"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    for kind in FAMILIES:
        transformers_model(kind).save_pretrained(root / kind)
        byte_level().save_pretrained(root / kind)
    return root


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_family_gives_a_row_for_every_head(kind: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "heads", "copying", "--model", str(folder / kind), *SHORT, "--json")
    assert code == 0, err
    result = json.loads(out)
    assert len(result["heads"]) == 8
    for row in result["heads"]:
        assert row.keys() >= {"layer", "head", *SCORES} and all(0 <= row[score] <= 1 for score in SCORES)
        assert row["sequences"] == 2 and row["copying_events"] == 4 * (2 + 3)
    assert result["options"]["source"] == "embed" and "merges" in result["options"]["tokens"]
    code, out, _ = call(capsys, "heads", "copying", "--model", str(folder / kind), *SHORT, "--source", "resid", "--json")
    other = json.loads(out)["heads"]
    assert [row["induction"] for row in other] == [row["induction"] for row in result["heads"]]
    assert [row["copying"] for row in other] != [row["copying"] for row in result["heads"]]


def test_text_and_mistakes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = ["--model", str(folder / "llama")]
    code, out, _ = call(capsys, "heads", "copying", *model, *SHORT)
    assert code == 0 and "prefix_matching" in out and out.count("\n") == 1 + 8 + 1
    for words, told in (
        (model, "a random sequence of 4 x 223 tokens needs more than the"),
        ([*model, "--sequences", "0"], "0 random sequences are refused"),
        ([*model, "--shortest", "5", "--longest", "4"], "refused"),
        (["--model", "absent"], "there is no model 'absent'"),
    ):
        code, out, err = call(capsys, "heads", "copying", *words)
        assert (code, out, err.count("\n")) == (2, "", 1) and told in err, err
