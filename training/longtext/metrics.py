"""The eight metrics of long text (arXiv 2402.13583, figure of the pipeline), and the one way to compute them.

Values are None where a metric was not computed, with the reason: never 0. Each formula has a file of its own:
`coherence`, `discourse`, `cohesion`, `complexity`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

from interp.runs.errors import UserError
from training.longtext.coherence import CoherenceModel, preset
from training.longtext.complexity import moving_type_token_ratio, type_token_ratio
from training.longtext.discourse import DiscourseScorer
from training.longtext.language import Language
from training.longtext.statistical import Paragraphs, chinese, english
from training.longtext.tokens import DocumentTokens, load_tokenizer
from training.longtext.types import COHERENCE, MODELLED

Dimension = Literal["coherence", "cohesion", "complexity"]
Needs = Literal["nothing", "tokenizer", "language model", "sentence encoder"]
MetricSet = Literal["statistical", "all"]
"""`statistical`: no forward pass of a model (the type-token ratio needs the model's tokenizer alone)."""

Ratio = Literal["plain", "moving"]
MOST_TOKENS_A_CHARACTER = 1.0
"""A tokenizer that spends more on Chinese reads bytes, and its model is asked nothing about it (SmolLM2's spends 1.75)."""
_CHINESE = "语言模型读完一句话，再预测下一个词；它见过的汉字越多，一个汉字需要的符号就越少。"
"""What a tokenizer is tried on: how much of a document is Chinese must not decide."""
_COHERENCE = tuple(COHERENCE)


class Metric(NamedTuple):
    """One metric as a reader meets it."""

    name: str
    dimension: Dimension
    languages: tuple[Language, ...]
    """For which it can be computed; model metrics of a model that does not know a language are missing as well."""
    needs: Needs
    definition: str
    """One sentence."""
    source: str
    """Where the definition comes from, and what in it is our choice."""


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "coherence_acc_l", "coherence", ("en", "zh"), "language model",
            "Share of the last tokens of a window that a language model predicts from the whole window before them.",
            "LongWanjuan's code, coherence/get_en_coherence.py",
        ),
        Metric(
            "coherence_acc_s", "coherence", ("en", "zh"), "language model",
            "The same share for the same tokens where the model sees only the window's end.",
            "LongWanjuan's code, coherence/get_en_coherence.py",
        ),
        Metric(
            "coherence_diff", "coherence", ("en", "zh"), "language model",
            "What the longer context adds: coherence_acc_l - coherence_acc_s.",
            "LongWanjuan's code, coherence/get_en_coherence.py",
        ),
        Metric(
            "cohesion_dmr", "cohesion", ("en",), "sentence encoder",
            "How surely neighbouring sentences are tied by a connective: mean of 1 - p(no connective) over the boundaries.",
            "model after DMR (arXiv 2306.10658), ours on the shipped encoder in place of RoBERTa; the mean is our choice",
        ),
        Metric(
            "cohesion_conn", "cohesion", ("en", "zh"), "nothing",
            "Connectives: occurrences a word (English), share of the characters (Chinese).",
            "LongWanjuan's code, cohesion/get_pron_conn_score.py; lists and the English formula are ours",
        ),
        Metric(
            "cohesion_pron", "cohesion", ("en", "zh"), "nothing",
            "Pronouns: share of the words (English), share of the characters (Chinese).",
            "LongWanjuan's code, cohesion/get_pron_conn_score.py; lists are ours",
        ),
        Metric(
            "complexity_ttr", "complexity", ("en", "zh"), "tokenizer",
            "Type-token ratio: distinct tokens of the language model's tokenizer over all tokens of the document.",
            "LongWanjuan's code, dedu_rate",
        ),
        Metric(
            "complexity_para", "complexity", ("en", "zh"), "nothing",
            "Mean length of the lines that are not blank, in words (English) or characters (Chinese).",
            "LongWanjuan's code stores line statistics; which of them the paper's figure means is our choice",
        ),
    )
}  # fmt: skip
"""By name, in the order of tables: coherence, cohesion, complexity."""


@dataclass(frozen=True)
class ScorerOptions:
    """What is computed, by which models."""

    metrics: MetricSet = "statistical"
    model: str = "smollm2-135m-instruct"
    """Causal language model of the coherence, and tokenizer of the type-token ratio: what `interp.models.load` takes."""
    windows: str = "cpu"
    """Preset of `training.longtext.coherence.PRESETS`: cpu (4 windows of 512/256/128), paper (4096/2048/1024, all)."""
    device: str = "auto"
    ratio: Ratio = "plain"
    """Type-token ratio of the whole document (the paper's), or the mean over windows of 1,000 tokens."""
    paragraphs: Paragraphs = Paragraphs()  # noqa: RUF009 - immutable

    def __post_init__(self) -> None:
        for asked, kinds, what in ((self.metrics, MetricSet, "metric set"), (self.ratio, Ratio, "type-token ratio")):
            if asked not in get_args(kinds):
                raise UserError(f"there is no {what} '{asked}'; accepted are {', '.join(get_args(kinds))}")
        preset(self.windows)

    @property
    def scale(self) -> dict[str, str]:
        """What metrics must have in common to be on one scale."""
        kind = {"ratio": self.ratio, "paragraphs": "/".join(self.paragraphs)}
        return {"model": self.model, "windows": self.windows, **kind}


class Scored(NamedTuple):
    """What was found about one document."""

    metrics: dict[str, float | None]
    """A value for every name of METRICS."""
    tokens: int | None
    """Of the language model's tokenizer."""
    evidence: dict[str, Any]
    """Can be written as JSON: `windows` [{start, end, acc_l, acc_s, diff, nll_l, nll_s}] with places in characters of
    the text; `boundaries` [{at, score}]; `words` (English) or `characters` (Chinese); `pronouns` and `connectives`, a
    count for each that occurs; `lines`, statistics of the lines; `coherence`, further figures of it."""
    missing: dict[str, str]
    """The reason for every metric that is None."""


class Scorer:
    """Scores documents; what it needs of models is loaded when it is first asked for, and then stays."""

    def __init__(self, options: ScorerOptions | None = None) -> None:
        self.options = options or ScorerOptions()

    def score(self, texts: Sequence[str], languages: Sequence[Language]) -> list[Scored]:
        """One result a text, in their order; model metrics are computed in batches over all texts.

        Raises UserError for a model that cannot be loaded, and ValueError for a text that is blank.
        """
        drafts = [self._statistical(text, language) for text, language in zip(texts, languages, strict=True)]
        if self.options.metrics == "all":
            self._coherence(texts, drafts)
            self._discourse(texts, languages, drafts)
        else:
            for draft in drafts:
                draft.leave_out(MODELLED, "needs a forward pass of a model: metrics 'all'")
        return [draft.scored() for draft in drafts]

    def _statistical(self, text: str, language: Language) -> _Draft:
        found = (english if language == "en" else chinese)(text, self.options.paragraphs)
        draft = _Draft(dict(found.values), found.evidence)
        tokens = self._tokens(text)
        draft.tokens = len(tokens)
        if language == "zh" and self._spent_on_chinese > MOST_TOKENS_A_CHARACTER:
            spent = f"{self._spent_on_chinese:.2f} tokens a character of Chinese"
            reason = f"{self.options.model} spends {spent}: it knows none"
            draft.leave_out((*_COHERENCE, "complexity_ttr"), reason)
        else:
            ratio = type_token_ratio if self.options.ratio == "plain" else moving_type_token_ratio
            draft.values["complexity_ttr"] = ratio(tokens)
        return draft

    def _coherence(self, texts: Sequence[str], drafts: Sequence[_Draft]) -> None:
        asked = [number for number, draft in enumerate(drafts) if _COHERENCE[0] not in draft.missing]
        found = self._coherence_model.score([texts[number] for number in asked], preset(self.options.windows))
        for number, coherence in zip(asked, found, strict=True):
            draft = drafts[number]
            if coherence is None:
                needed = preset(self.options.windows).window
                draft.leave_out(_COHERENCE, f"shorter than a window: {draft.tokens} tokens, {needed} needed")
                continue
            draft.values |= coherence.metrics
            draft.evidence |= coherence.evidence

    def _discourse(self, texts: Sequence[str], languages: Sequence[Language], drafts: Sequence[_Draft]) -> None:
        asked = [number for number, language in enumerate(languages) if language == "en"]
        found = self._discourse_model.score([texts[number] for number in asked])
        for number, discourse in zip(asked, found, strict=True):
            if discourse.value is None:
                drafts[number].leave_out(("cohesion_dmr",), "a single unit of text: there is no boundary to score")
            else:
                drafts[number].values["cohesion_dmr"] = discourse.value
            drafts[number].evidence["boundaries"] = [boundary._asdict() for boundary in discourse.boundaries]
        for draft, language in zip(drafts, languages, strict=True):
            if language != "en":
                draft.leave_out(("cohesion_dmr",), "the sentence encoder and its classifier are English")

    @functools.cached_property
    def _tokens(self) -> DocumentTokens:
        return DocumentTokens(load_tokenizer(self.options.model))

    @functools.cached_property
    def _spent_on_chinese(self) -> float:
        return len(self._tokens(_CHINESE)) / len(_CHINESE)

    @functools.cached_property
    def _coherence_model(self) -> CoherenceModel:
        return CoherenceModel.load(self.options.model, device=self.options.device)

    @functools.cached_property
    def _discourse_model(self) -> DiscourseScorer:
        return DiscourseScorer.load(device=self.options.device)


@dataclass
class _Draft:
    """A result that is being filled."""

    values: dict[str, float]
    evidence: dict[str, Any]
    tokens: int | None = None
    missing: dict[str, str] = field(default_factory=dict)

    def leave_out(self, names: Sequence[str], reason: str) -> None:
        self.missing |= {name: reason for name in names if name not in self.missing}

    def scored(self) -> Scored:
        return Scored({name: self.values.get(name) for name in METRICS}, self.tokens, self.evidence, self.missing)
