"""A text that the reader pastes or uploads, scored on the spot by the metrics that need no model."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from apps.longtext_panels.corpus import LongTexts
from apps.longtext_panels.reading import Reading
from apps.shell.page import note, plain
from interp.runs.errors import UserError
from training.longtext.language import detect
from training.longtext.metrics import Language, Scorer, ScorerOptions
from training.longtext.score import refusal
from training.longtext.statistical import Paragraphs
from training.longtext.thresholds import EVERY, Thresholds

TYPES = ["txt", "md", "rst", "html", "py", "csv", "log", "json"]
MOST_BYTES = 5_000_000
_NAME = "your text"
_SPOKEN = {"detected": None, "English": "en", "Chinese": "zh"}


def reading(texts: LongTexts) -> Reading | None:
    """Draw the form; return the text as scored, or None, with a sentence, if there is none to score."""
    with st.form("own", border=False):
        pasted = st.text_area(
            "Paste a text", height=150, key="pasted", placeholder="English or Chinese, the longer the better"
        )
        with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
            upload = st.file_uploader("or upload one", TYPES, key="uploaded", width=420)
            spoken = st.selectbox("Language", list(_SPOKEN), key="spoken", width=130)
            st.form_submit_button("Score", type="primary", icon=":material/straighten:")
    note("Scored by the statistical metrics, typed by the run's thresholds; nothing leaves this machine.")
    try:
        text = decoded(upload.getvalue(), upload.name) if upload is not None else pasted
        if not text.strip():
            return None
        return scored(text, _SPOKEN[spoken], texts.thresholds, _scorer(options(texts)))  # type: ignore[arg-type]
    except UserError as error:
        st.error(plain(f"{error}."), icon=":material/error:")
        return None


def decoded(content: bytes, name: str) -> str:
    """An uploaded file as text. Raises UserError for one that is too large, or no UTF-8 text."""
    if len(content) > MOST_BYTES:
        raise UserError(f"{name} has {len(content):,} bytes; accepted are {MOST_BYTES:,} or fewer")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{name} is no UTF-8 text (byte {error.start:,}); accepted are texts in UTF-8") from None


def options(texts: LongTexts) -> ScorerOptions:
    """Those of the run, but no metric that needs a model: its thresholds are on the scale of its own tokenizer."""
    settings = texts.settings
    paragraphs = Paragraphs(*settings.get("paragraphs", Paragraphs()))
    model = settings.get("model", ScorerOptions.model)
    return ScorerOptions(model=model, ratio=settings.get("ratio", "plain"), paragraphs=paragraphs)


def scored(text: str, spoken: Language | None, thresholds: Thresholds | None, scorer: Scorer) -> Reading:
    """The text with its metrics and its type. Raises UserError for one that is no text, or of another language."""
    language = spoken or detect(text)
    size = len(text.encode("utf-8", "replace"))
    if (reason := refusal(text, language, size)) is not None or language is None:
        raise UserError(f"the text cannot be scored: {reason}; accepted are English and Chinese texts")
    found = scorer.score([text], [language])[0]
    row = {"language": language, "domain": EVERY, "tokens": found.tokens, "characters": len(text), **found.metrics}
    frame = pd.DataFrame([row])
    frame[list(found.metrics)] = frame[list(found.metrics)].astype(float)
    typed = _typed(frame, thresholds)
    reference = None
    if thresholds is not None and isinstance(typed.iloc[0]["type_basis"], str):
        reference = thresholds.reference(language)
    evidence = {**found.evidence, "missing": found.missing}
    return Reading(_NAME, text, language, typed.iloc[0], evidence, reference, ("statistical metrics",))


def _typed(frame: pd.DataFrame, thresholds: Thresholds | None) -> pd.DataFrame:
    found = (thresholds or Thresholds(())).type(frame.assign(language=frame["language"] if thresholds else None))
    return frame.assign(**{name: found[name] for name in found})


@st.cache_resource(max_entries=2, show_spinner="Loading the tokenizer")
def _scorer(options: ScorerOptions) -> Scorer:
    """One for all sessions: it remembers the tokens that it has seen."""
    return Scorer(options)
