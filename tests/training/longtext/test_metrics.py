"""The scorer: every metric has a value or a reason, statistical and with models, in both languages."""

from __future__ import annotations

import json

import pytest

from interp.runs.errors import UserError
from training.longtext.metrics import METRICS, Scored, Scorer, ScorerOptions
from training.longtext.statistical import Paragraphs

CHINESE = "我们知道，他们在学习。因为下雨，所以我没去，但是他去了。\n首先，这个问题其实很难。总之，大家都要努力。"
MODELS = {name for name, metric in METRICS.items() if metric.needs in ("language model", "sentence encoder")}


def prose(characters: int) -> str:
    from pydoc_data.topics import topics

    return "\n\n".join(topics.values())[:characters]


def complete(found: Scored) -> bool:
    """Whether each metric has either a value or a reason, and everything can be written."""
    missing = {name for name, value in found.metrics.items() if value is None}
    return (
        list(found.metrics) == list(METRICS)
        and missing == set(found.missing)
        and bool(json.dumps(found._asdict(), allow_nan=False))
    )


def test_statistical() -> None:
    english, chinese = Scorer().score([prose(20_000), CHINESE], ["en", "zh"])
    assert complete(english) and complete(chinese) and set(english.missing) == MODELS
    assert english.tokens and english.tokens > 4_000 and english.evidence["words"] > 3_000
    assert set(chinese.missing) == {*MODELS, "complexity_ttr"} and "tokens a character" in chinese.missing["complexity_ttr"]


def test_a_model_without_chinese_is_not_asked_about_texts_with_little_of_it() -> None:
    found = Scorer().score([CHINESE + " SmolLM2 reads documentation in English." * 40], ["zh"])[0]
    assert complete(found) and "tokens a character" in found.missing["complexity_ttr"]


def test_options_change_what_they_name() -> None:
    text = prose(30_000)
    plain, other = (
        Scorer(options).score([text], ["en"])[0]
        for options in (ScorerOptions(), ScorerOptions(ratio="moving", paragraphs=Paragraphs(unit="blocks")))
    )
    changed = {name for name in METRICS if plain.metrics[name] != other.metrics[name]}
    assert changed == {"complexity_ttr", "complexity_para"}
    assert other.metrics["complexity_ttr"] > plain.metrics["complexity_ttr"]  # type: ignore[operator]


def test_order_of_metrics_and_names() -> None:
    assert [metric.dimension for metric in METRICS.values()] == ["coherence"] * 3 + ["cohesion"] * 3 + ["complexity"] * 2
    assert all(metric.definition.endswith(".") and metric.source for metric in METRICS.values())


@pytest.mark.parametrize("options", [{"metrics": "most"}, {"windows": "huge"}, {"ratio": "half"}])
def test_settings_that_are_none(options: dict[str, str]) -> None:
    with pytest.raises(UserError, match="accepted are"):
        ScorerOptions(**options)  # type: ignore[arg-type]


@pytest.mark.slow
def test_all_metrics_by_the_shipped_models() -> None:
    long, short, chinese = Scorer(ScorerOptions("all", device="cpu")).score(
        [prose(6_000), "Too short.", CHINESE], ["en", "en", "zh"]
    )
    assert (
        complete(long)
        and not long.missing
        and all(-1 <= value <= 1 for name, value in long.metrics.items() if name in MODELS)
    )
    rates = [long.metrics[name] for name in ("coherence_acc_l", "coherence_acc_s", "cohesion_dmr")]
    assert all(0.05 < rate < 0.95 for rate in rates if rate is not None)
    assert len(long.evidence["windows"]) >= 2 and len(long.evidence["boundaries"]) > 5
    assert complete(short) and "shorter than a window" in short.missing["coherence_acc_l"]
    assert "single unit" in short.missing["cohesion_dmr"]
    assert complete(chinese) and "English" in chinese.missing["cohesion_dmr"]
