"""The shipped run is whole, light and licensed; what is unfit to ship is refused and leaves it as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.made_longtext import make_longtext
from interp.runs.atomic import sha256, write_json
from interp.runs.errors import UserError
from training.longtext.folder import LongTextRun
from training.longtext.metrics import METRICS
from training.longtext.ship import DEMO, MOST_BYTES, ship


def test_shipped_run_is_whole_and_light() -> None:
    run, hashes = LongTextRun.open(DEMO), json.loads((DEMO / "manifest.json").read_text())["sha256"]
    held = {str(path.relative_to(DEMO)): sha256(path) for path in DEMO.rglob("*") if path.is_file()}
    held.pop("manifest.json")
    assert held == hashes and any(name.startswith("licences/") for name in held)
    scores = run.scores
    assert scores["bytes"].sum() <= MOST_BYTES and sum(path.stat().st_size for path in DEMO.rglob("*")) < 1_500_000
    english = scores[scores["language"] == "en"]
    assert english[list(METRICS)].notna().all().all() and scores["type"].notna().all()
    assert set(scores["language"]) == {"en", "zh"} and set(scores["type"]) == {"holistic", "aggregated", "chaotic"}


def test_a_run_is_copied_with_its_licences(tmp_path: Path) -> None:
    run = make_longtext(tmp_path / "made", documents=60)
    licence = tmp_path / "book" / "LICENSE"
    licence.parent.mkdir()
    licence.write_text("as you like")
    ship(run.path, [licence], "cut short.", tmp_path / "demo")
    copied = LongTextRun.open(tmp_path / "demo")
    assert copied.scores.equals(run.scores) and copied.text("doc-3") == run.text("doc-3") and copied.thresholds is not None
    assert (tmp_path / "demo" / "licences" / "book-LICENSE").read_text() == "as you like"
    assert (tmp_path / "demo" / "licences" / "NOTICE").read_text().startswith("What was changed: cut short.")
    for licences, told in (([], "no licence"), ([tmp_path / "none"], "is missing")):
        with pytest.raises(UserError, match=told):
            ship(run.path, licences, "cut short.", tmp_path / "demo")
    write_json(run.path / "manifest.json", run.manifest | {"status": "running"})
    with pytest.raises(UserError, match="not finished"):
        ship(run.path, [licence], "cut short.", tmp_path / "demo")
    assert LongTextRun.open(tmp_path / "demo").text("doc-3")
