"""The eight metrics of long text (arXiv 2402.13583, figure of the pipeline), and the one way to compute them.

Values are None where a metric was not computed, with the reason: never 0. Each formula has a file of its own:
`coherence`, `discourse`, `cohesion`, `complexity`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Language = Literal["en", "zh"]
Dimension = Literal["coherence", "cohesion", "complexity"]
Needs = Literal["nothing", "tokenizer", "language model", "sentence encoder"]
MetricSet = Literal["statistical", "all"]
"""`statistical`: no forward pass of a model (the type-token ratio needs the model's tokenizer alone)."""


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


class Scored(NamedTuple):
    """What was found about one document."""

    metrics: dict[str, float | None]
    """A value for every name of METRICS."""
    tokens: int | None
    """Of the language model's tokenizer."""
    evidence: dict[str, Any]
    """Can be written as JSON: `windows` [{start, end, acc_l, acc_s, diff, nll_l, nll_s}] with places in characters of
    the text, `boundaries` [{at, score}], `words`, `pronouns`, `connectives` (counts), `lines` (line statistics)."""
    missing: dict[str, str]
    """The reason for every metric that is None."""


class Scorer:
    """Scores documents; what it needs of models is loaded when it is first asked for, and then stays."""

    def __init__(self, options: ScorerOptions | None = None) -> None:
        self.options = options or ScorerOptions()

    def score(self, texts: Sequence[str], languages: Sequence[Language]) -> list[Scored]:
        """One result a text, in their order; model metrics are computed in batches over all texts.

        Raises UserError for a model that cannot be loaded.
        """
        raise NotImplementedError
