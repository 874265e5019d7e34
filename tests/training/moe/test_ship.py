"""Shipped records are those of the run: routes of the chosen steps, counts of all; what must not be shipped is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from interp.runs.atomic import write_json
from interp.runs.errors import UserError
from tests.training.moe.made_records import write_records
from training.moe import ship as shipping
from training.moe.record_files import Records
from training.moe.replay import replayed_rows
from training.moe.rules import Rules
from training.moe.ship import ship
from training.moe.specialisation import NO_DOMAIN, co_activation, domains_read, top_tokens

BOTH = Rules(k=2, capacity=1.5, fill="own", rectify=True)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_records(tmp_path / "run", BOTH, steps=4)
    manifest = {"status": "complete", "config": {"model": "made"}, "seed": 1, "results": {"loss": 2.0}, "command": "x"}
    write_json(tmp_path / "run" / "manifest.json", manifest)
    (tmp_path / "LICENSE").write_text("as you like")
    return tmp_path / "run"


def test_shipped_records_count_and_replay_as_the_run_does(run: Path, tmp_path: Path) -> None:
    manifest = ship(run, [3, 1], [tmp_path / "LICENSE"], "made text", tmp_path / "demo")
    whole, shipped = Records.open(run), Records.open(tmp_path / "demo")
    pd.testing.assert_frame_equal(shipped.loads, whole.loads)
    pd.testing.assert_frame_equal(shipped.passes, whole.passes)
    pd.testing.assert_series_equal(shipped.domains, whole.domains)
    assert shipped.routed_steps == [1, 3] and shipped.manifest["config"]["model"] == "made"
    pd.testing.assert_frame_equal(replayed_rows(shipped, 3, 1), whole.routes(3, 1))
    files = {str(path.relative_to(tmp_path / "demo")) for path in (tmp_path / "demo").rglob("*") if path.is_file()}
    assert files == {*manifest["sha256"], "manifest.json"}
    for name, known in manifest["sha256"].items():
        assert hashlib.sha256((tmp_path / "demo" / name).read_bytes()).hexdigest() == known
    assert "made text" in (tmp_path / "demo" / "licences" / "NOTICE").read_text()
    ship(run, [0], [tmp_path / "LICENSE"], "made text", tmp_path / "demo")
    assert Records.open(tmp_path / "demo").routed_steps == [0]


def test_what_must_not_be_shipped(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo, licence = tmp_path / "demo", tmp_path / "LICENSE"
    for steps, licences, told in [
        ([9], [licence], "no routes of step 9"),
        ([], [licence], "one of its steps"),
        ([1], [], "no licence"),
        ([1], [tmp_path / "absent"], "absent is missing"),
    ]:
        with pytest.raises(UserError, match=told):
            ship(run, steps, licences, "made text", demo)
    monkeypatch.setattr(shipping, "MOST_BYTES", 1000)
    with pytest.raises(UserError, match="ship fewer steps"):
        ship(run, [1], [licence], "made text", demo)
    manifest = json.loads((run / "manifest.json").read_text())
    write_json(run / "manifest.json", manifest | {"status": "running"})
    with pytest.raises(UserError, match="not finished"):
        ship(run, [1], [licence], "made text", demo)
    assert not demo.exists()


def test_licences_of_one_name_are_all_shipped(run: Path, tmp_path: Path) -> None:
    licences = [tmp_path / place / "foo" / "LICENSE" for place in ("x", "y")] + [tmp_path / "LICENSE"]
    for path in licences[:2]:
        path.parent.mkdir(parents=True)
        path.write_text(f"of {path.parts[-3]}")
    ship(run, [1], [*licences, licences[0]], "made text", tmp_path / "demo")
    texts = [path.read_text() for path in (tmp_path / "demo" / "licences").iterdir() if path.name != "NOTICE"]
    assert sorted(texts) == ["as you like", "of x", "of y"]


def test_what_was_shipped_before_stays_until_the_new_is_whole(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship(run, [1], [tmp_path / "LICENSE"], "made text", tmp_path / "demo")
    before = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if target == tmp_path / "demo" and self.name != "old":
            raise OSError("no space")
        return before(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="no space"):
        ship(run, [0], [tmp_path / "LICENSE"], "made text", tmp_path / "demo")
    assert Records.open(tmp_path / "demo").routed_steps == [1]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".demo")]


def routes() -> pd.DataFrame:
    """Expert 0 reads every 'a'; 'b' goes to 1 and 2 once, and once is dropped by 0."""
    rows = [("a", 0, 0), ("a", 0, 1), ("b", 1, 2), ("b", 2, 2), ("b", 0, 3)]
    frame = pd.DataFrame(rows, columns=["token", "expert", "position"])
    kept = [True, True, True, True, False]
    return frame.assign(sequence=0, probability=0.5, kept=kept, filled=False, rectified=False)


def test_tokens_of_an_expert_are_those_it_reads() -> None:
    found = top_tokens(routes(), 0)
    assert found["token"].tolist() == ["a"] and found["count"].tolist() == [2]
    assert found["share"].tolist() == [1.0] and found["lift"].tolist() == [2.0]
    assert top_tokens(routes(), 1)["share"].tolist() == [0.5] and top_tokens(routes(), 7).empty


def test_domains_of_an_expert_are_sure_by_their_texts() -> None:
    reads = pd.DataFrame({0: [30, 50, 10, 10, 0], 3: [70, 50, 90, 90, 2]})
    found = domains_read(reads, pd.Series({0: "prose", 1: "prose", 2: "code", 3: "code"})).set_index(["expert", "domain"])
    prose, code, lone = (found.loc[(0, name)] for name in ("prose", "code", NO_DOMAIN))
    assert prose["rows"] == 80 and prose["share"] == 0.8 and prose["overall"] == pytest.approx(200 / 402)
    assert prose["lift"] == pytest.approx(0.8 / (200 / 402)) == pytest.approx(0.4 / (100 / 402)), "both ways round"
    # two texts of 100 rows with 30 and 50: their mean is 40 +- t(1 degree) x 10, over the rate of all rows
    assert prose["high"] == pytest.approx((0.4 + 12.7062 * 0.1) / (100 / 402), rel=1e-4) and prose["low"] == 0
    assert code["low"] == code["high"] == code["lift"] < 1, "texts that agree"
    assert lone["texts"] == 1 and np.isnan(lone["low"]), "one text says nothing of a domain"
    few = domains_read(pd.DataFrame({0: [1, 1], 1: [9, 9]}), pd.Series({0: "a", 1: "a"})).set_index("expert")
    assert np.isnan(few.at[0, "low"]) and few.at[1, "high"] == 1, "2 rows are too few, 18 are not"


def test_one_text_in_twenty_is_out_of_its_interval() -> None:
    generator = np.random.default_rng(0)
    sure, alike = 0, pd.Series({text: text % 2 for text in range(12)})
    for _ in range(400):
        chances = generator.beta(2, 6, size=12)  # texts lean, domains do not
        own = generator.binomial(200, chances)
        found = domains_read(pd.DataFrame({0: own, 1: 200 - own}), alike)
        sure += int(((found["low"] > 1) | (found["high"] < 1)).sum())
    assert sure / (400 * 4) < 0.07, "by rows alone it would be most of them"


def test_pairs_are_over_chance() -> None:
    ratio = co_activation(routes(), 3)
    assert np.isnan(np.diag(ratio)).all() and ratio.at[0, 1] == 0
    generator = np.random.default_rng(0)
    chosen = np.array([generator.choice(4, 2, replace=False) for _ in range(4000)])
    frame = pd.DataFrame({"expert": chosen.ravel(), "position": np.repeat(np.arange(4000), 2), "sequence": 0, "token": "a"})
    even = co_activation(frame.assign(kept=True, filled=False, rectified=False), 4).to_numpy()
    assert np.nanmax(np.abs(even - 1)) < 0.1
