"""Recording a corpus: batches, positions, resumption, and records that replay to what was recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from interp.models.load import CausalModel
from interp.runs.errors import UserError
from interp.runs.folder import Run
from tests.training.moe.dense import dense
from tests.training.moe.tiny import tiny
from training.moe.decoder import MoEShape
from training.moe.mixtral import save_moe
from training.moe.pieces import Piece, batched
from training.moe.plan import route
from training.moe.record_files import Records
from training.moe.recording import Recording, record
from training.moe.records import rules_of
from training.moe.rules import Rules
from training.moe.upcycle import upcycle

WORDS = [f"w{number}" for number in range(50)]
FULL = Recording(capacity=3.0, fill="own", rectify=True, ranks=2, length=16, batch_tokens=48)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def causal(family: str) -> CausalModel:
    backend = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="w0"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return CausalModel(tiny(family), PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="w0"))


@pytest.fixture
def corpus(tmp_path: Path) -> str:
    """Texts of 5, 20, 40, 3, 16 words and a row without one."""
    generator = torch.Generator().manual_seed(0)
    texts = [
        " ".join(WORDS[number] for number in torch.randint(3, 50, (count,), generator=generator).tolist())
        for count in (5, 20, 40, 3, 16)
    ]
    lines = [json.dumps({"id": f"text {number}", "text": text}) for number, text in enumerate(texts)]
    (tmp_path / "corpus.jsonl").write_text("\n".join([*lines[:2], '{"id": "none"}', *lines[2:]]) + "\n")
    return str(tmp_path / "corpus.jsonl")


def routes(folder: Path) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(path) for path in sorted((folder / "routes").glob("*.parquet"))], ignore_index=True)


@pytest.mark.parametrize("family", ["mixtral", "olmoe", "deepseek v3"])
def test_records_hold_every_token_of_every_text_and_replay(family: str, corpus: str, tmp_path: Path) -> None:
    model = causal(family)
    results = record(model, corpus, tmp_path / "run", FULL)
    assert results["documents"] == results["recorded"] == 5 and results["set_aside"] == 1 and not results["rejected"]
    assert results["tokens"] == 84 and results["drop_rate"] > 0 and results["padding_rate"] > 0
    found = Records.open(tmp_path / "run")
    assert set(found.passes["row_bytes"]) == {4 * model.model.config.hidden_size} and found.domains.empty
    assert found.layers == ([1] if family == "deepseek v3" else [0, 1]) and len(found.steps) == results["steps"]
    rows = routes(tmp_path / "run")
    asked = rows[rows["choice"].between(0, model.model.config.num_experts_per_tok - 1)]
    each = asked.groupby(["layer", "sequence", "position"]).size()
    assert (each == model.model.config.num_experts_per_tok).all()
    texts = [json.loads(line).get("text") for line in Path(corpus).read_text().splitlines()]
    spoken = asked[asked["layer"] == 1].drop_duplicates(["sequence", "position"]).sort_values(["sequence", "position"])
    assert spoken.groupby("sequence")["token"].agg(" ".join).tolist() == [text for text in texts if text]
    for step in found.steps:
        layer = found.layers[-1]
        said, passed = found.recorded(step, layer), found.passes.loc[(step, layer)]
        plan = route(said.request, Rules(int(passed["k"]), 3.0, fill="own", rectify=True))
        written = rows[(rows["step"] == step) & (rows["layer"] == layer)]
        assert len(plan.routes.token) == int((written["kept"] | written["filled"]).sum())
        assert len(plan.stand_ins.token) == int(written["rectified"].sum())
        kept = written[written["kept"] | written["filled"]]
        place = said.tokens.sequence[plan.routes.token.numpy()], said.tokens.position[plan.routes.token.numpy()]
        replayed = set(zip(*(column.tolist() for column in place), plan.routes.expert.tolist(), strict=True))
        assert replayed == set(zip(kept["sequence"], kept["position"], kept["expert"], strict=True))


def test_recording_changes_nothing_of_what_the_model_says_when_nothing_is_dropped(corpus: str, tmp_path: Path) -> None:
    """Of a piece in a batch with padding, the routes are those of the text alone."""
    model = causal("mixtral")
    results = record(model, corpus, tmp_path / "run", Recording(length=16, batch_tokens=64))
    assert results["padding_rate"] is None and results["dropped"] == 0 and results["kept"] == 84 * 2 * 2
    rows = routes(tmp_path / "run")
    text = json.loads(Path(corpus).read_text().splitlines()[0])["text"]
    ids = torch.tensor([model.tokenizer(text)["input_ids"]])
    with torch.no_grad():
        logits = model.model(ids, output_router_logits=True).router_logits[1]
    for position, row in enumerate(logits.softmax(-1)):
        own = rows[(rows["sequence"] == 0) & (rows["layer"] == 1) & (rows["position"] == position)].sort_values("choice")
        assert own["expert"].tolist() == row.topk(2).indices.tolist()
        assert own["probability"].tolist() == pytest.approx(row.topk(2).values.tolist(), rel=1e-4)


@pytest.mark.parametrize("order", ["confidence", "random"])
def test_a_run_that_was_killed_ends_as_one_that_was_not(
    order: str, corpus: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Recording(capacity=1.0, rectify=True, order=order, length=8, batch_tokens=16)  # type: ignore[arg-type]
    whole = record(causal("olmoe"), corpus, tmp_path / "whole", settings)
    model = causal("olmoe")
    forward, calls = model.model.forward, []

    def failing(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return forward(*args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(model.model, "forward", failing)
        record(model, corpus, tmp_path / "run", settings)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "passes").iterdir()}
    assert len(written) == 3 < whole["steps"]
    resumed = record(causal("olmoe"), corpus, tmp_path / "run", settings)
    assert {path: path.stat().st_mtime_ns for path in written} == written
    for table in ("routes", "logits", "passes"):
        for path in (tmp_path / "whole" / table).iterdir():
            pd.testing.assert_frame_equal(pd.read_parquet(path), pd.read_parquet(tmp_path / "run" / table / path.name))
    assert resumed | {"seconds": 0} == whole | {"seconds": 0}


@pytest.mark.parametrize("every", [1, 2])
def test_our_own_mixtures_are_recorded_from_their_folder(every: int, corpus: str, tmp_path: Path) -> None:
    """Those that transformers loads as Mixtral, and those that it does not; padding is routed by nobody."""
    upcycled, tokenizer = upcycle(dense(vocab_size=50), MoEShape(4, 2, every), Rules(2, 1.0)), causal("mixtral").tokenizer
    assert (save_moe(upcycled, tokenizer, tmp_path / "model", every=every) is None) == (every == 1)
    results = record(str(tmp_path / "model"), corpus, tmp_path / "run", FULL)
    assert results["tokens"] == 84 and results["drop_rate"] > 0
    found = Records.open(tmp_path / "run")
    rows = routes(tmp_path / "run")
    assert set(rows["layer"]) == set(found.layers) and (rows["sequence"] >= 0).all()
    asked = rows[rows["choice"].between(0, 1)].groupby(["layer", "sequence", "position"]).size()
    assert (asked == 2).all() and len(asked) == 84 * len(found.layers)
    assert set(found.passes["ranks"]) == {2} and set(found.passes["capacity"]) == {3.0}
    assert set(found.passes["row_bytes"]) == {4 * upcycled.config.hidden_size}


def test_bytes_of_a_row_are_those_of_the_model_s_numbers(corpus: str, tmp_path: Path) -> None:
    model = CausalModel(tiny("deepseek v3", experts="eager").to(torch.bfloat16), causal("mixtral").tokenizer)
    record(model, corpus, tmp_path / "run", FULL)
    assert set(Records.open(tmp_path / "run").passes["row_bytes"]) == {2 * model.model.config.hidden_size}


def test_a_column_tells_the_domain_of_every_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interp.corpora.store.PART_ROWS", 2)
    rows = [
        {"text": "w3 w4", "from": "prose"},
        {"text": ""},
        {"text": "w5"},
        {"text": "w6 w7", "from": "code"},
        {"text": "w8"},
    ]
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    record(causal("mixtral"), str(tmp_path / "corpus.jsonl"), tmp_path / "run", Recording(domain_column="from"))
    found = Records.open(tmp_path / "run")
    assert found.domains.to_dict() == {0: "prose", 2: "code"}
    assert found.reads(0, 9, 0).index.tolist() == [0, 1, 2, 3], "texts are numbered alike"


@pytest.mark.parametrize("name", ["source", "text", "id"])
def test_a_column_of_domains_that_is_none_leaves_no_folder(name: str, corpus: str, tmp_path: Path) -> None:
    told = f"has no column '{name}' beside text and id; accepted for domains are its others: none"
    with pytest.raises(UserError, match=told):
        record(causal("mixtral"), corpus, tmp_path / "run", Recording(domain_column=name))
    assert not (tmp_path / "run").exists()


def test_what_is_not_asked_for_is_as_the_model_was_trained(corpus: str, tmp_path: Path) -> None:
    own = Rules(2, 0.75, fill="top1", rectify=True, order="position", unrouted="all")
    upcycled, tokenizer = upcycle(dense(vocab_size=50), MoEShape(4, 2), own), causal("mixtral").tokenizer
    save_moe(upcycled, tokenizer, tmp_path / "trained/model", every=1)
    with pytest.raises(UserError, match="trained is no run folder"):
        record(str(tmp_path / "trained"), corpus, tmp_path / "run", Recording())
    Run.open(tmp_path / "trained", config={"job": "moe train"}, seed=1).finish({})
    record(str(tmp_path / "trained"), corpus, tmp_path / "run", Recording())
    passes = Records.open(tmp_path / "run").passes
    assert rules_of(passes.iloc[0].to_dict()) == own and set(passes["ranks"]) == {2}
    record(str(tmp_path / "trained"), corpus, tmp_path / "other", Recording(fill="off", ranks=4))
    passes = Records.open(tmp_path / "other").passes
    assert rules_of(passes.iloc[0].to_dict()) == replace(own, fill="off") and set(passes["ranks"]) == {4}


def test_fill_in_is_refused_where_the_router_has_none(corpus: str, tmp_path: Path) -> None:
    model = upcycle(dense(vocab_size=50), MoEShape(4, 2), Rules(2, 1.0), router="expert choice")
    with pytest.raises(UserError, match="fill 'own' with router 'expert choice' is refused"):
        record(CausalModel(model, causal("mixtral").tokenizer), corpus, tmp_path / "run", Recording(fill="own"))
    assert not (tmp_path / "run").exists()


@given(st.lists(st.integers(1, 20)), st.integers(1, 60))
def test_batches_hold_every_piece_once_and_at_most_their_tokens(lengths: list[int], most: int) -> None:
    pieces = [Piece(number, 0, [0] * length) for number, length in enumerate(lengths)]
    found = list(batched(pieces, most))
    assert sorted(piece.sequence for batch in found for piece in batch) == list(range(len(lengths)))
    for batch in found:
        assert len(batch) == 1 or len(batch) * max(len(piece.ids) for piece in batch) <= most
    longest = [max(len(piece.ids) for piece in batch) for batch in found]
    assert longest == sorted(longest, reverse=True)


def test_texts_without_a_token_are_counted(tmp_path: Path) -> None:
    model = causal("mixtral")
    model.tokenizer.backend_tokenizer.normalizer = normalizers.Replace("!", "")
    (tmp_path / "corpus.jsonl").write_text('{"text": "w3 w4"}\n{"text": "!!"}\n{"text": "!"}\n')
    results = record(model, str(tmp_path / "corpus.jsonl"), tmp_path / "run", Recording())
    assert results["documents"] == 3 and results["recorded"] == 1 and results["rejected"] == {"no token": 2}
    assert set(routes(tmp_path / "run")["sequence"]) == {0}


@pytest.mark.parametrize(
    "settings, told",
    [
        (Recording(length=65), "pieces of 65 tokens are longer than the 64 positions of the model; accepted are 1 to 64"),
        (Recording(ranks=3), "4 experts cannot be divided among 3 ranks"),
    ],
)
def test_what_does_not_fit_the_model_leaves_no_folder(settings: Recording, told: str, corpus: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        record(causal("mixtral"), corpus, tmp_path / "run", settings)
    assert not (tmp_path / "run").exists()


def test_a_batch_that_holds_no_piece_is_refused() -> None:
    with pytest.raises(UserError, match="pieces of 20 tokens in batches of 10 are refused; accepted are 1 to 10 tokens"):
        Recording(length=20, batch_tokens=10)
