"""What the long-text panels show of a document, a side, moved borders and a mixture agrees with what it is made from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.longtext_panels import breakdown, document, marked, mixture
from apps.longtext_panels.borders import groups, moved, reference_of, retyped, with_cuts, with_levels
from apps.longtext_panels.compare import as_jsonl
from apps.longtext_panels.corpus import LongTexts
from apps.longtext_panels.reading import Reading, cut, of_run
from apps.longtext_panels.repeats import repeated_spans
from apps.longtext_panels.view import View
from apps.shell.exports import to_json
from benchmarks.made_longtext import make_longtext
from interp.runs.errors import UserError
from training.longtext.metrics import METRICS
from training.longtext.thresholds import Thresholds
from training.longtext.types import COHERENCE, Cuts


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> View:
    path = tmp_path_factory.mktemp("runs") / "made"
    make_longtext(path, documents=90, chinese=30)
    texts = LongTexts.open(path)
    documents = texts.documents[texts.documents["language"] == "en"].assign(before=lambda one: one["type"])
    return View(texts, "en", documents, np.ones(len(documents), bool), texts.thresholds, groups(documents)[0])


@given(st.text(alphabet="ab .\n。", max_size=400), st.integers(5, 60))
def test_segments_cover_the_text(text: str, size: int) -> None:
    spans = cut(text, size)
    assert "".join(text[start:end] for start, end in spans) == text
    assert all(end - start <= 2 * size for start, end in spans)


def test_repeats_against_a_plain_search() -> None:
    boiler = "All rights are reserved by the owner of this page and site. "
    text = f"{boiler}One two three four five six seven eight nine. {boiler}Ten eleven twelve thirteen."
    found = [text[start:end] for start, end in repeated_spans(text, "en")]
    assert found == [boiler.strip(" ."), boiler.strip(" .")]
    assert repeated_spans("一二三四五六七八九十甲乙丙丁戊" * 2, "zh") and not repeated_spans("short", "en")
    words = [f"w{number}" for number in range(100)]
    assert repeated_spans(" ".join(words), "en") == []


def test_marks_are_the_words_and_markup_is_escaped(seen: View) -> None:
    reading = of_run(seen, 0)
    html = marked.text_html(reading, reading.segments[0], ["connectives", "pronouns", "repeats", "boundaries"])
    assert "&lt;script&gt;" in html and "<script>" not in html
    assert (
        '<mark class="conn again" title="connective">However</mark>' in html
        or '<mark class="conn" title="connective">However</mark>' in html
    )
    assert ">them</mark>" in html and html.count('class="seam"') > 1
    plain = marked.text_html(reading, reading.segments[0], [])
    assert "<mark" not in plain and "seam" not in plain


@pytest.mark.parametrize("number", [1, 2, 3, 61, 62])
def test_terms_sum_to_their_dimensions(seen: View, number: int) -> None:
    chinese = seen.texts.documents[seen.texts.documents["language"] == "zh"].assign(before="holistic")
    own = seen if number < 60 else View(seen.texts, "zh", chinese, np.ones(len(chinese), bool), seen.thresholds, None)
    reading = of_run(own, number)
    terms, row = breakdown.terms(reading), reading.scores
    assert sum(term.part for term in terms["csn"] if not term.missing) == pytest.approx(row["csn"])
    assert max(term.part for term in terms["cpx"] if not term.missing) == pytest.approx(row["cpx"])
    if number < 60:
        assert sum(term.part for term in terms["coh"]) == pytest.approx(row["coh"])
    else:
        assert all(term.missing.startswith("not computed (needs a language model") for term in terms["coh"])
    assert str(row["rule"]) in breakdown.verdict_html(reading)


def test_without_coherence_the_discourse_model_does_not_count(seen: View) -> None:
    scores = seen.documents.loc[3].copy()
    scores[list(COHERENCE)] = np.nan
    assert seen.thresholds is not None
    typed = retyped(pd.DataFrame([scores]).astype({name: float for name in METRICS}), seen.thresholds).iloc[0]
    whole = of_run(seen, 3)
    reading = Reading("x", whole.text, "en", typed, {}, whole.reference)
    parts = {term.metric: term.part for term in breakdown.terms(reading)["csn"]}
    assert np.isnan(parts.pop("cohesion_dmr")) and sum(parts.values()) == pytest.approx(typed["csn"])
    assert "does not count" in breakdown.table_html(reading)


def test_evidence_is_json(seen: View) -> None:
    found = json.loads(to_json(document.evidence(of_run(seen, 0))))
    assert found["id"] == "doc-0" and found["scores"]["type"] == found["scores"]["before"] and found["evidence"]["windows"]


def test_moved_thresholds_type_as_the_rule_does_and_can_be_read_again(seen: View, tmp_path: Path) -> None:
    group, thresholds = seen.group, seen.thresholds
    assert group is not None and thresholds is not None
    pd.testing.assert_series_equal(retyped(seen.documents, thresholds)["type"], seen.documents["type"])
    cuts = Cuts(0.1, 0.95, 0.4)
    changed = with_cuts(thresholds, group, cuts)
    found = retyped(seen.documents, changed)
    own = found[found["reference"] == group.reference]
    high = np.fmin(own["coh"], own["csn"]) >= 0.95
    assert ((own["type"] == "holistic") == high).all() and len(own) < len(found)
    changed.write(tmp_path / "moved.yaml")
    again = Thresholds.read(tmp_path / "moved.yaml")
    pd.testing.assert_series_equal(retyped(seen.documents, again)["type"], found["type"])
    raw = with_levels(thresholds, group.reference, {})
    assert retyped(seen.documents, raw)["coh"].isin(np.arange(9) / 8).any()
    assert reference_of(thresholds, group.reference).cuts_for(group.basis) != cuts


def test_cuts_of_sliders() -> None:
    cuts = Cuts(0.2137, 0.58, 0.4)
    assert moved(cuts, 0.2135, 0.58, 0.4) == cuts
    assert moved(cuts, 0.9, 0.1, 0.3) == Cuts(0.9, 0.9, 0.3)


@given(st.lists(st.integers(0, 100), min_size=3, max_size=3), st.integers(0, 2))
def test_locked_shares_sum_to_a_hundred(values: list[int], place: int) -> None:
    shares = dict(zip(("holistic", "aggregated", "chaotic"), values, strict=True))
    moved_one = list(shares)[place]
    found = mixture.rebalanced(shares, moved_one)
    assert sum(found.values()) == 100 and found[moved_one] == shares[moved_one] and min(found.values()) >= 0


def test_factors_give_the_shares(seen: View) -> None:
    held = {"holistic": 100.0, "aggregated": 50.0, "chaotic": 10.0}
    factors = mixture.factors_of({"holistic": 0.5, "aggregated": 0.5, "chaotic": 0.0}, held)
    assert factors == {"holistic": 1.0, "aggregated": 2.0, "chaotic": 0.0}
    with pytest.raises(UserError, match="no document is chaotic"):
        mixture.factors_of({"holistic": 0.5, "aggregated": 0.4, "chaotic": 0.1}, held | {"chaotic": 0.0})


def test_saved_side_can_be_read_again(seen: View) -> None:
    rows = [json.loads(line) for line in as_jsonl(seen, seen.documents.head(3)).splitlines()]
    assert [row["id"] for row in rows] == ["doc-0", "doc-1", "doc-2"] and all(row["text"] for row in rows)
    assert rows[0]["coherence_diff"] == pytest.approx(seen.documents["coherence_diff"].iloc[0])


def test_reading_without_thresholds_has_no_type(seen: View) -> None:
    scores = pd.Series(dict.fromkeys(seen.documents.columns, np.nan))
    reading = Reading("x", "text", "en", scores, {"missing": {}}, None)
    assert "No type" in breakdown.verdict_html(reading) and "not computed" in breakdown.table_html(reading)
