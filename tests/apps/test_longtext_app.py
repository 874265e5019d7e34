"""The long-text page in process: default run, every control, borders, documents, own texts, bad runs and links."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from apps.longtext_panels import opening
from apps.longtext_panels.corpus import LongTexts
from benchmarks.made_longtext import make_longtext
from interp.runs.atomic import write_json
from training.longtext.folder import LongTextRun
from training.longtext.ship import DEMO

SCRIPT = str(Path(__file__).parent / "on_made_longtext.py")
PROSE = "However, the river rose and it carried them away. Because of that we left early.\n" * 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "made"
    make_longtext(path, documents=90, chinese=30)
    return path


@pytest.fixture
def on_made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LongTextRun]:
    monkeypatch.setenv("RUN_FOLDER", str(folder))
    monkeypatch.setattr(opening, "asked_run", opening.asked_run)  # the script replaces it
    yield LongTextRun.open(folder)


def visit(**params: str) -> AppTest:
    page = AppTest.from_file(SCRIPT, default_timeout=120)
    for name, value in params.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception, page.exception[0].message
    return page


def html(page: AppTest) -> str:
    return " ".join(block.proto.body for block in page.get("html"))


def counts(run: LongTextRun, language: str) -> dict[str, int]:
    own = run.scores[(run.scores["language"] == language) & run.scores["rejected"].isna()]
    return own["type"].value_counts().to_dict()


def test_opens_with_numbers_table_and_charts(on_made: LongTextRun) -> None:
    page, types = visit(), counts(on_made, "en")
    assert not page.error
    shown = html(page)
    for kind, count in types.items():
        assert f"<b>{count} · {count / 59:.0%}</b><span>{kind}</span>" in shown
    assert "<b>2</b><span>not scored</span>" in shown
    assert page.dataframe[0].value["margin"].is_monotonic_increasing and len(page.dataframe[0].value) == 59
    assert len(page.get("plotly_chart")) == 2


def test_languages_are_never_mixed(on_made: LongTextRun) -> None:
    page = visit()
    assert set(page.dataframe[0].value["id"]) == {f"doc-{number}" for number in range(59)}
    page.segmented_control(key="language").set_value("Chinese").run()
    assert not page.exception and set(page.dataframe[0].value["id"]) == {f"doc-{number}" for number in range(60, 90)}
    types = counts(on_made, "zh")
    assert all(f"<b>{count} · {count / 30:.0%}</b><span>{kind}</span>" in html(page) for kind, count in types.items())


def test_what_was_not_computed_is_told_and_never_zero(on_made: LongTextRun) -> None:
    page = visit(language="Chinese")
    assert "coherence_acc_l, coherence_acc_s, coherence_diff" in html(
        page
    ) and "not computed (needs a language model" in html(page)
    assert "coherence_acc_l" not in page.dataframe[0].value and "coh" not in page.dataframe[0].value
    assert page.selectbox(key="metric-zh").options == ["cohesion_conn", "cohesion_pron", "complexity_para"]


def test_moved_borders_change_types_of_their_group_and_come_back(on_made: LongTextRun) -> None:
    page, scores = visit(), on_made.scores
    group = page.selectbox(key="borders-en").value
    assert group.startswith("en/") and len(page.selectbox(key="borders-en").options) == 2
    holistic = scores[(scores["language"] == "en") & (scores["type"] == "holistic")]
    moved = int((holistic["reference"] == group.split(" ")[0]).sum())
    page.slider(key="high-en").set_value(1.0).run()
    assert not page.exception and moved and f"<b>{moved}</b><span>changed type</span>" in html(page)
    assert f"<b>{len(holistic) - moved} · {(len(holistic) - moved) / 59:.0%}</b><span>holistic</span>" in html(page)
    assert "The mixture is of the types that the run gave" in html(page)
    page.button(key="reset").click().run()
    assert "<b>0</b><span>changed type</span>" in html(page)
    page.slider(key="high-en").set_value(1.0).run()
    other = next(one for one in page.selectbox(key="borders-en").options if one != group)
    page.selectbox(key="borders-en").set_value(other).run()
    assert "<b>0</b><span>changed type</span>" in html(page)


def test_low_above_high_moves_high_along(on_made: LongTextRun) -> None:
    page = visit()
    page.slider(key="low-en").set_value(0.95).run()
    page.slider(key="high-en").set_value(0.1).run()
    assert not page.exception and not page.error


def test_raw_thresholds_give_types_too(on_made: LongTextRun) -> None:
    page = visit()
    page.toggle(key="raw").set_value(True).run()
    assert not page.exception and not page.error
    assert "<span>changed type</span>" in html(page) and "low a metric counts as low" in html(page)


def test_filters_choose_documents_and_an_empty_choice_is_told(on_made: LongTextRun) -> None:
    page = visit()
    page.pills(key="type").set_value(["chaotic"]).run()
    assert set(page.dataframe[0].value["type"]) == {"chaotic"}
    page.selectbox(key="domain-en").set_value("books").run()
    assert set(page.dataframe[0].value["domain"]) == {"books"}
    page.session_state["_range-en"] = ("cohesion_conn", 5.0, 6.0)
    page.run()
    assert "No document passes the filters" in html(page) and not page.exception
    page.button(key="clear-empty").click().run()
    assert len(page.dataframe[0].value) == 59


def test_every_control_moves_without_complaint(on_made: LongTextRun) -> None:
    page = visit()
    for axis in page.selectbox(key="up-en").options:
        page.selectbox(key="up-en").select(axis).run()
        assert not page.exception and not page.error
    for metric in page.selectbox(key="metric-en").options:
        page.selectbox(key="metric-en").select(metric).run()
        assert not page.exception and not page.error
    for side in page.selectbox(key="side-0").options:
        page.selectbox(key="side-0").select(side).run()
        assert not page.exception and not page.error
    for order in page.selectbox(key="order-en").options:
        page.selectbox(key="order-en").select(order).run()
        assert not page.exception and not page.error


def test_a_range_of_a_metric_chooses_documents(on_made: LongTextRun) -> None:
    page = visit()
    slider = page.slider(key="range-coherence_acc_l-en")
    low, high = slider.value
    slider.set_value((low, (low + high) / 2)).run()
    values = on_made.scores.set_index("id")["coherence_acc_l"][page.dataframe[0].value["id"]]
    assert 0 < len(values) < 59 and values.max() <= (low + high) / 2 + 1e-9


def test_document_is_read_by_link_and_name(on_made: LongTextRun) -> None:
    page = visit(document="doc-3")
    assert "<b>doc-3</b>" in html(page) and "<mark" in html(page) and "No document is chosen" not in html(page)
    page.text_input(key="name-doc-3").set_value("doc-7").run()
    assert "<b>doc-7</b>" in html(page) and page.query_params["document"] in ("doc-7", ["doc-7"])


def test_link_to_a_chinese_document_opens_in_its_language(on_made: LongTextRun) -> None:
    page = visit(document="doc-77")
    assert page.session_state["language"] == "Chinese" and "<b>doc-77</b>" in html(page)


@pytest.mark.parametrize("asked", ["doc-59", "no such", "<b>"])
def test_bad_document_of_a_link_is_told(on_made: LongTextRun, asked: str) -> None:
    page = visit(document=asked)
    assert len(page.error) == 1 and "ignored" in page.error[0].value and "No document is chosen" in html(page)


def test_segments_turn_and_texts_are_escaped(on_made: LongTextRun) -> None:
    page = visit(document="doc-0")
    assert "&lt;script&gt;" in html(page) and "<script>" not in html(page)
    first = html(page)
    page.button(key="on").click().run()
    assert "segment 2 of" in html(page) and html(page) != first
    page.pills(key="marks").set_value([]).run()
    assert "<mark" not in html(page) and not page.exception


def test_sides_beside_each_other(on_made: LongTextRun) -> None:
    page = visit()
    page.selectbox(key="side-0").set_value("kept by the mixture").run()
    page.selectbox(key="side-1").set_value("dropped by the mixture").run()
    dropped = counts(on_made, "en")["chaotic"]
    assert f"{59 - dropped} documents" in html(page) and f"{dropped} documents" in html(page)
    next(one for one in page.get("pagination")).set_value(2).run()
    assert not page.exception


def test_mixture_by_factors_and_by_shares_that_are_locked(on_made: LongTextRun) -> None:
    page = visit()
    page.slider(key="u-aggregated").set_value(0.0).run()
    page.slider(key="u-holistic").set_value(0.0).run()
    assert not page.exception and "factors" in page.error[0].value
    page.segmented_control(key="way").set_value("Shares of the text").run()
    page.slider(key="share-chaotic").set_value(50).run()
    shares = [page.slider(key=f"share-{kind}").value for kind in ("holistic", "aggregated", "chaotic")]
    assert shares == [40, 10, 50] and not page.error and "chaotic 50.0%" in html(page)


def test_own_text_is_scored_on_the_spot(on_made: LongTextRun) -> None:
    page = visit()
    page.segmented_control(key="read").set_value("Your own text").run()
    page.text_area(key="pasted").set_value(PROSE)
    next(one for one in page.button if one.label == "Score").click().run()
    shown = html(page)
    assert "<b>your text</b>" in shown and "by the rule" in shown and "Nearest border" in shown and not page.error
    assert "not computed (needs a language model" in shown


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.txt", b"\xff\xfe\x00x", "no UTF"),
        ("a.txt", b"\x00\x01\x02" * 90, "binary"),
        ("a.md", "это русский текст".encode() * 9, "neither English nor Chinese"),
        ("a.txt", b"x" * 5_000_001, "accepted are 5,000,000"),
        ("a.txt", b"", None),
    ],
)
def test_bad_uploads_are_told(on_made: LongTextRun, name: str, content: bytes, told: str | None) -> None:
    page = visit()
    page.segmented_control(key="read").set_value("Your own text").run()
    page.get("file_uploader")[0].upload(name, content, "text/plain")
    next(one for one in page.button if one.label == "Score").click().run()
    assert not page.exception
    assert [told in error.value.replace("\\", "") for error in page.error] == ([True] if told else [])


def test_bad_run_is_told_and_the_shipped_one_opens(on_made: LongTextRun, tmp_path: Path) -> None:
    shipped = len(LongTextRun.open(DEMO).scores.query("language == 'en'"))
    page = visit()
    page.text_input(key="run").set_value(str(tmp_path)).run()
    assert len(page.error) == 1 and "manifest" in page.error[0].value and f"<b>{shipped}</b><span>documents" in html(page)
    page.text_input(key="run").set_value(str(on_made.path)).run()
    assert not page.error and not page.exception
    assert len(visit(run="/nowhere\0").error) == 1


@pytest.mark.parametrize(
    "damage", ["scores/part-00000.parquet", "documents/part-00000.parquet", "running", "job", "thresholds.json"]
)
def test_damaged_run_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    run = make_longtext(tmp_path / "made", documents=60)
    if damage in ("running", "job"):
        changed: dict[str, Any] = {"status": "running"} if damage == "running" else {"config": {"job": "another"}}
        write_json(run.path / "manifest.json", run.manifest | changed)
    else:
        (run.path / damage).write_bytes(b"no parquet")
    monkeypatch.setenv("RUN_FOLDER", str(run.path))
    page = visit()
    assert len(page.error) == 1 and not page.exception and "Show everything" in [one.label for one in page.button]


def test_run_without_types_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.parquet as pq

    from training.longtext.score import typed

    run = make_longtext(tmp_path / "made", documents=60)
    part = run.path / "scores" / "part-00000.parquet"
    pq.write_table(typed(pq.read_table(part), None), part)
    (run.path / "thresholds.json").unlink()
    monkeypatch.setenv("RUN_FOLDER", str(run.path))
    page = visit()
    assert not page.error and "This run has no types" in html(page) and "no type" in html(page)


def test_unrelated_reruns_read_nothing_anew(on_made: LongTextRun, monkeypatch: pytest.MonkeyPatch) -> None:
    page = visit()
    read: list[str] = []
    monkeypatch.setattr(LongTexts, "open", lambda path: read.append(str(path)))
    page.slider(key="low-en").set_value(0.1).run()
    page.selectbox(key="up-en").select_index(2).run()
    assert not read and not page.exception
    assert json.dumps(read) == "[]"
