"""`interp longtext` as scripts use it: the contract's fields, one-line refusals, and the way from scores to a mixture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.interp.cli.calling import call
from tests.training.longtext.test_score import CHINESE, entries
from training.longtext.metrics import METRICS


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    code, out, err = call(capsys, "longtext", *words, "--json")
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in [*entries(), {"id": "greek", "text": "και το βιβλίο " * 40}]))
    return path


def test_score_prints_what_the_contract_names(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, "score", str(corpus), "--language", "auto", "--metrics", "statistical")
    assert len(found["documents"]) == 25 and [one["place"] for one in found["rejected"]] == ["greek"]
    for one in found["documents"]:
        assert {"id", "language", "type", "type_basis", *METRICS} <= one.keys()
        assert one["type"] in ("holistic", "aggregated", "chaotic") and one["type_basis"] == "cohesion+complexity"
        assert one["coherence_diff"] is None and "coherence_diff" in one["missing"]
        assert one["cohesion_conn"] is not None
    assert {one["language"] for one in found["documents"]} == {"en", "zh"}


def test_documents_below_the_least_size_are_rejected(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in (["--min-bytes", "1200"], "1,200 or more"), (["--long-only"], "32,768 or more"):
        found = asked(capsys, "score", str(corpus), *words)
        assert any(said in one["reason"] for one in found["rejected"])
        assert all(one["bytes"] >= 1200 for one in found["documents"])


def test_from_scores_to_thresholds_to_a_mixture(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, thresholds = str(tmp_path / "run"), str(tmp_path / "thresholds.json")
    corpus.write_text("".join(json.dumps(one) + "\n" for one in entries(16)[:-1]))  # all English
    asked(capsys, "score", str(corpus), "--out", run, "--language", "en", "--thresholds", "none")
    fitted = asked(capsys, "fit", run, "--labels", "type", "--out", thresholds)
    assert fitted["references"][0]["fitted"]["balanced_accuracy"] == {"cohesion+complexity": 1.0}
    again = asked(capsys, "fit", run, "--labels", "type", "--only", "domain=web", "--out", str(tmp_path / "half.json"))
    assert fitted["references"][0]["documents"] == 48 and again["references"][0]["documents"] == 24
    shares = asked(capsys, "fit", run, "--shares", "published", "--out", str(tmp_path / "shares.json"))
    assert shares["references"][0]["fitted"]["reached"]["cohesion+complexity"]["holistic"] > 0.8
    asked(capsys, "score", str(corpus), "--out", run, "--language", "en", "--thresholds", thresholds)
    told = asked(capsys, "explain", "holistic0", "--run", run)
    assert told["rule"] and told["cuts"] and told["type"]
    schedule, out = str(tmp_path / "mix.yaml"), str(tmp_path / "mixed.jsonl")
    mixed = asked(capsys, "mix", run, "--aggregated", "3", "--schedule", schedule, "--out", out)
    lines = [json.loads(line) for line in Path(out).read_text().splitlines()]
    assert len(lines) == mixed["budget"]["amount"] == mixed["written"]["draws"]
    code, drawn, _ = call(capsys, "sample", "draw", run, "--schedule", schedule, "--json")
    assert code == 0 and json.loads(drawn)["max_repeats"] == 3
    assert sum(json.loads(drawn)["counts"]) == len(lines)


@pytest.mark.parametrize(
    "words, said",
    [
        (["score", "absent.jsonl"], "there is no file or folder absent.jsonl"),
        (["score", "{corpus}", "--language", "fr"], "unknown language 'fr'"),
        (["score", "{corpus}", "--metrics", "most"], "no metric set 'most'"),
        (["score", "{corpus}", "--thresholds", "absent.json"], "holds no thresholds"),
        (["explain", "one", "--run", "{folder}"], "is no run folder"),
        (["fit", "{folder}", "--out", "t.json"], "give one of them"),
        (["fit", "{folder}", "--out", "t.json", "--leave-out", "chaotic"], "--leave-out goes with --shares"),
        (["mix", "{folder}"], "is no run folder"),
        (["construct", "{folder}/o.jsonl", "--source", "poem:en:x"], "is no source"),
        (["construct", "{folder}/o.jsonl", "--side", "foo"], "unknown side 'foo'; accepted are fit, test"),
        (["construct", "{folder}/o.jsonl", "--language", "fr"], "unknown language 'fr'; accepted are en, zh"),
        (["construct", "{folder}/o.jsonl", "--no-installed"], "is not written, as the sources give no document"),
        (["construct", "{folder}/o.jsonl", "--no-installed", "--source", "prose:en:{folder}"], "has no file for"),
    ],
)
def test_mistakes_are_one_line(words: list[str], said: str, corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "longtext", *(word.format(corpus=corpus, folder=corpus.parent) for word in words))
    assert code == 2 and said in err and len(err.strip().splitlines()) == 1 and not out


@pytest.mark.parametrize(
    "words, said",
    [
        (["--shares", "published", "--leave-out", "chaotic"], "cannot be left out without --labels"),
        (["--shares", "published", "--leave-out", "odd", "--labels", "type"], "no document of {run} has type=odd; it has"),
        (["--labels", "type", "--only", "fit"], "accepted is COLUMN=VALUE"),
        (["--labels", "type", "--only", "domain=letters"], "no document of {run} has domain=letters"),
    ],
)
def test_documents_to_fit_to_that_are_none(
    words: list[str], said: str, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    asked(capsys, "score", str(corpus), "--out", str(run), "--thresholds", "none")
    code, _, err = call(capsys, "longtext", "fit", str(run), "--out", str(tmp_path / "t.json"), *words)
    assert code == 2 and said.format(run=run) in err and len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("binary.txt", b"\x00\xff\xfe\x80" * 99, "not UTF-8 text"),
        ("empty.jsonl", b"", "it is empty"),
        ("mixed.txt", "Grüße".encode("latin-1") + "世界".encode(), "not UTF-8 text"),
        ("paper.pdf", b"%PDF", "is no corpus we read"),
    ],
)
def test_what_is_no_corpus_is_refused(
    name: str, content: bytes, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    code, _, err = call(capsys, "longtext", "score", str(tmp_path / name))
    assert code == 2 and said in err and len(err.strip().splitlines()) == 1


def test_bad_files_of_a_folder_are_listed_and_the_rest_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "good.txt").write_text(CHINESE)
    (tmp_path / "binary.txt").write_bytes(b"\x00\xff\xfe\x80" * 99)
    (tmp_path / "line.txt").write_text("word " * 4_100_000)
    found = asked(capsys, "score", str(tmp_path))
    assert [one["id"] for one in found["documents"]] == ["good.txt"]
    assert {one["place"] for one in found["rejected"]} == {"binary.txt", "line.txt"}
