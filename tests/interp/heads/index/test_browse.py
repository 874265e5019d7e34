"""Single events are those that the index sums, and a prompt's are those of its head."""

from __future__ import annotations

import pytest
import torch

from interp.heads.index.browse import events, raised_tokens
from interp.heads.index.options import IndexOptions
from interp.heads.index.run import relation_index
from interp.models.bridge import LanguageModel
from interp.models.load import load
from tests.interp.heads.cases import random_documents
from tests.interp.models.families import tokenizer, transformers_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return load(transformers_model("qwen2"), tokenizer=tokenizer())


@pytest.mark.parametrize(
    "options",
    [IndexOptions(tau=1.02), IndexOptions("embed", "mixed", tau=None), IndexOptions(final_norm=True, tau=None)],
    ids=str,
)
def test_events_add_up_to_the_index(model: LanguageModel, options: IndexOptions) -> None:
    documents = random_documents(3, count=5, vocab=17)
    frame = events(model, documents, options, top=3)
    rows = relation_index(model, documents, options, progress=False).rows.to_table().to_pandas()
    rows = rows[(rows.tau >= options.threshold) & (rows.events > 0)]
    keys = ["document", "triplet", "relation", "direction", "order", "layer", "head"]
    expected = rows.groupby(keys, observed=True)[["sum", "events"]].sum()
    found = frame.groupby(keys)["share"].agg(["sum", "count"])
    assert len(expected) > 20 and found["count"].to_dict() == expected["events"].to_dict()
    assert (found["sum"] - expected["sum"].reindex(found.index)).abs().max() < 1e-4
    assert (frame.ratio > options.threshold).all() and (frame.j >= frame[["s", "o"]].max(axis=1)).all()


def test_a_head_of_a_prompt(model: LanguageModel) -> None:
    tokens = torch.tensor([3, 5, 4, 6, 3, 8, 9, 10, 4, 7])
    prompt = raised_tokens(model, tokens, layer=1, head=2, options=IndexOptions(tau=None), top=3)
    assert prompt.j.tolist() == list(range(1, 10)) and (prompt.s <= prompt.j).all() and (prompt.ratio >= 1).all()
    words = {model.tokenizer.decode([int(token)]) for token in tokens}
    for row in prompt.itertuples():
        shares = [share for _, share in row.raised]
        assert {word for word, _ in row.raised} <= words and shares == sorted(shares, reverse=True)
        assert 1 <= len(shares) <= 3 and 0 < sum(shares) <= 1 + 1e-9
    strict = raised_tokens(model, tokens, layer=1, head=2, options=IndexOptions(tau=1.1))
    assert strict.j.tolist() == prompt.j[prompt.ratio > 1.1].tolist()


def test_one_head_of_all_events(model: LanguageModel) -> None:
    documents = random_documents(4, count=3, vocab=17)
    options = IndexOptions(tau=None)
    frame = events(model, documents, options)
    one = events(model, documents, options, layer=1, head=0)
    chosen = frame[(frame.layer == 1) & (frame["head"] == 0)].reset_index(drop=True)
    assert len(one) and one.drop(columns=["raised", "share", "ratio"]).equals(
        chosen.drop(columns=["raised", "share", "ratio"])
    )
