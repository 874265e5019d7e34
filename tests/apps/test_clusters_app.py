"""The clusters page in process: default run, every control, selections, bad runs and links, what a rerun costs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from apps.clusters_panels import opening
from apps.clusters_panels.corpus import Corpus
from benchmarks.made_corpus import make_corpus
from interp.runs.atomic import write_json
from training.sampling.folder import SamplingRun

SCRIPT = str(Path(__file__).parent / "on_made_corpus.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "made"
    make_corpus(path, documents=400, clusters=9, empty=1)
    return path


@pytest.fixture
def on_made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("RUN_FOLDER", str(folder))
    monkeypatch.setattr(opening, "asked_run", opening.asked_run)  # the script replaces it
    yield folder


def visit(**params: str) -> AppTest:
    page = AppTest.from_file(SCRIPT, default_timeout=120)
    for name, value in params.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception, page.exception[0].message
    return page


def html(page: AppTest) -> str:
    return " ".join(block.proto.body for block in page.get("html"))


def test_opens_with_numbers_table_and_charts(on_made: Path) -> None:
    page, run = visit(), SamplingRun.open(on_made)
    assert not page.error
    assert f"<b>{run.sizes.sum():,}</b>" in html(page) and "<b>0.310</b>" in html(page)
    assert page.dataframe[0].value["size"].tolist() == run.sizes.tolist()
    assert len(page.get("plotly_chart")) == 4


def test_every_control_moves_without_complaint(on_made: Path) -> None:
    page = visit()
    for colour in ("source", "language", "length", "similarity"):
        page.selectbox(key="colour").set_value(colour).run()
        assert not page.exception and not page.error
    for kind in page.selectbox(key="strategy").options:
        page.selectbox(key="strategy").select(kind).run()
        assert not page.exception and not page.error and "✗" not in html(page)
    page.selectbox(key="strategy").set_value("temperature").run()
    page.toggle(key="clipped").set_value(False).run()
    page.slider(key="alpha").set_value(0.0).run()
    page.segmented_control(key="unit").set_value("tokens").run()
    page.segmented_control(key="view").set_value("Bars").run()
    page.slider(key="common").set_value(80).run()
    assert not page.exception and not page.error and "No clip" in html(page)


def test_budget_beyond_the_clip_is_told(on_made: Path) -> None:
    page = visit()
    page.slider(key="clip").set_value(1.0).run()
    run = SamplingRun.open(on_made)
    assert f"All clusters are knocked out at {run.sizes.sum():,} of {3 * run.sizes.sum():,} draws" in html(page)
    page.toggle(key="goes_on").set_value(True).run()
    assert not page.exception and not page.error and "exceeded only once all are out" in html(page)


def test_cluster_is_chosen_by_box_row_point_and_link(on_made: Path) -> None:
    page = visit()
    page.selectbox(key="cluster").set_value(2).run()
    assert "Cluster 2" in html(page) and page.query_params["cluster"] in ("2", ["2"])
    assert "Cluster 4" in html(visit(cluster="4"))
    empty = visit(cluster="8")
    assert "This cluster is empty" in html(empty) and not empty.error


@pytest.mark.parametrize("asked", ["9", "-1", "<b>", "1e3", "²"])
def test_bad_cluster_of_a_link_is_told(on_made: Path, asked: str) -> None:
    page = visit(cluster=asked)
    assert len(page.error) == 1 and "ignored" in page.error[0].value and "All documents" in html(page)


def test_search_finds_texts_and_shows_them_escaped(on_made: Path) -> None:
    page = visit(search="HOSTILE")
    assert "1 documents with “HOSTILE”" in html(page)
    assert "&lt;script&gt;" in html(page) and "<script>" not in html(page)
    page.text_input(key="search").set_value("no such words").run()
    assert "No text and no id" in html(page) and not page.exception
    page.button(key="clear").click().run()
    assert "All documents" in html(page)


def selection(*numbers: int) -> dict[str, Any]:
    points = [{"x": 0.0, "y": 0.0, "customdata": [number]} for number in numbers]
    return {"selection": {"points": points, "point_indices": [], "box": [], "lasso": []}}


def test_documents_drawn_around_are_shown_and_can_be_left(on_made: Path) -> None:
    page = visit()
    page.session_state["map-0"] = selection(3, 5, 3, 100_000)
    page.run()
    assert "2 documents from the map" in html(page) and "doc-5" in html(page)
    assert len(page.error) == 1 and "1 selected documents are not in this run" in page.error[0].value.replace("\\", "")
    page.button(key="clear").click().run()
    assert "All documents" in html(page) and not page.error


def test_pages_and_kinds_of_examples(on_made: Path) -> None:
    page = visit(cluster="0")
    for kind in ("At its border", "Random", "All"):
        page.segmented_control(key="kind").set_value(kind).run()
        assert not page.exception and html(page).count("lab-doc") > 5
    members = SamplingRun.open(on_made).members(0)
    next(one for one in page.get("pagination")).set_value(2).run()
    assert f"doc-{members[5]}<" in html(page) and f"doc-{members[0]}<" not in html(page)


def test_marks_stay_with_their_cluster(on_made: Path) -> None:
    page = visit(cluster="1")
    page.segmented_control(key="mark-1").set_value("noisy").run()
    page.text_input(key="note-1").set_value("=formula").run()
    page.selectbox(key="cluster").set_value(3).run()
    assert page.session_state["_marks"] == {1: ("noisy", "=formula")}
    page.selectbox(key="cluster").set_value(1).run()
    assert page.segmented_control(key="mark-1").value == "noisy"


def test_bad_run_is_told_and_the_shipped_one_opens(on_made: Path, tmp_path: Path) -> None:
    page = visit()
    page.text_input(key="run").set_value(str(tmp_path)).run()
    assert len(page.error) == 1 and "manifest" in page.error[0].value and "<b>2,079</b>" in html(page)
    page.text_input(key="run").set_value(str(on_made)).run()
    assert not page.error and not page.exception
    assert len(visit(run="/nowhere\0").error) == 1


@pytest.mark.parametrize("damage", ["clusters.parquet", "assignments.parquet", "documents", "running", "job"])
def test_damaged_run_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    run = make_corpus(tmp_path / "made", documents=60, clusters=3)
    if damage in ("running", "job"):
        changed = {"status": "running"} if damage == "running" else {"config": {"job": "another"}}
        write_json(run.path / "manifest.json", run.manifest | changed)
    elif damage == "documents":
        (run.path / damage / "part-00000.parquet").unlink()
    else:
        (run.path / damage).write_bytes(b"no parquet")
    monkeypatch.setenv("RUN_FOLDER", str(run.path))
    page = visit()
    assert len(page.error) == 1 and not page.exception and "<b>2,079</b>" in html(page)


def test_unrelated_reruns_read_nothing_anew(on_made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = visit(search="violin")
    searched: list[str] = []
    monkeypatch.setattr(Corpus, "search", lambda self, words: searched.append(words))
    monkeypatch.setattr(Corpus, "open", lambda path: searched.append(str(path)))
    page.slider(key="passes").set_value(1.0).run()
    page.selectbox(key="colour").set_value("similarity").run()
    assert not searched and not page.exception
