"""A round of augmentation with a tiny model: sides apart, arms of equal tokens, scores by hand, resuming at each stage."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from interp.corpora.document import split_of
from interp.models.load import CausalModel, load_causal
from interp.runs.errors import UserError
from tests.interp.cli.calling import call
from tests.training.comments.small_model import saved, tiny_model
from training.comments.annotate import Place, Proposal
from training.comments.augmentation import Augmentation, arm_texts, augment
from training.comments.augmentation_pieces import PieceOptions, pieces
from training.comments.augmentation_scores import HeldOut, Scores, interval, summary
from training.comments.code_loss import CodeTokens, code_nats, code_tokens
from training.comments.languages import LANGUAGES, Language
from training.comments.reading import Reading, ReadingJob
from training.comments.source import Source

PYTHON = LANGUAGES["Python"]
READING = Reading(tokens=384, batch=2, context=32)
WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath", "inlet", "jetty", "knoll", "lagoon")


class Talkative:
    """Writes a comment of its own before every second line."""

    def begin(self, code: str, language: Language) -> float:
        """Take every file."""
        return 0.0

    def propose(self, place: Place) -> Proposal | None:
        """Something about the place."""
        return Proposal(f"# Then the value number {place.line} is taken on.") if place.line % 2 else None

    def write(self, line: str, blank: int) -> None:
        """Nothing to keep."""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """Forty modules, each a source of its own, with functions that share few words."""
    folder = tmp_path / "sources"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(40):
        names = [f"{one}_{two}" for one, two in rng.choice(WORDS, (8, 2))]
        body = "".join(f"    {name} = work({number + n}, {n})  # a word on {name}\n" for n, name in enumerate(names))
        (folder / f"m{number}.py").write_text(f"def f{number}(a):\n    # Says what it is for.\n{body}    return a\n")
    return folder


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Augmentation:
    monkeypatch.setattr("training.comments.job.writer_of", lambda *_: Talkative())
    return Augmentation(saved(tmp_path / "model"), PieceOptions(files=6, held_out=2), reading=READING)


def test_sides_share_no_source_and_no_code(code: Path, tmp_path: Path) -> None:
    (code / "copy.py").write_text((code / "m0.py").read_text().replace("(a)", "(a )"))
    chosen = pieces([code], tmp_path / "run", PieceOptions(files=50, held_out=50))
    assert chosen.bare.str.replace("(a )", "(a)").is_unique
    assert all(split_of(source) == split for source, split in zip(chosen.source, chosen.split, strict=True))
    assert not chosen.bare.str.contains("#").any() and chosen.commented.str.contains("#").all()
    train = chosen[chosen.split == "train"]
    assert {path.name: path.read_text() for path in (tmp_path / "run" / "code").iterdir()} == dict(
        zip(train.name, train.bare, strict=True)
    )
    shutil.rmtree(code)
    pd.testing.assert_frame_equal(pieces([code], tmp_path / "run", PieceOptions()), chosen)


def test_tokens_that_hold_code_count() -> None:
    model, tokenizer = tiny_model()
    text = 'def add(a):\n    """Say it."""\n    # One.\n    return a + "#"  # two\n'
    read = code_tokens(Source(text, PYTHON), tokenizer)
    offsets = tokenizer(text, return_offsets_mapping=True).offset_mapping
    kept = {at for (start, end), code in zip(offsets, read.code[1:], strict=True) if code for at in range(start, end)}
    shown = "".join(text[at] for at in sorted(kept))
    assert "".join(shown.split()) == 'defadd(a):returna+"#"' and not read.code[0]
    with torch.no_grad():
        scores = model(read.tokens[None]).logits[0].log_softmax(-1)
    by_hand = -sum(float(scores[at - 1, read.tokens[at]]) for at in range(1, len(read.tokens)) if read.code[at])
    assert code_nats(model, read, torch.device("cpu")) == pytest.approx(by_hand, rel=1e-4)


def test_the_same_code_counts_with_and_without_comments(code: Path, tmp_path: Path) -> None:
    _, tokenizer = tiny_model()
    for piece in pieces([code], tmp_path / "run", PieceOptions(files=3, held_out=1)).itertuples():
        with_comments, without = (code_tokens(Source(text, PYTHON), tokenizer) for text in (piece.commented, piece.bare))
        counted = ["".join(tokenizer.decode(one.tokens[one.code]).split()) for one in (with_comments, without)]
        assert counted[0] == counted[1]


def test_arms_read_equally_many_tokens_of_their_texts(tmp_path: Path) -> None:
    base = saved(tmp_path / "model")
    jobs = [
        ReadingJob(load_causal(base, device="cpu"), texts, READING, 1, torch.device("cpu"))
        for texts in (["x = 1\n"], ["# Say one.\nx = 1\n", "# Say two.\ny = 2\n"])
    ]
    assert jobs[0].tokens.shape == jobs[1].tokens.shape == (6, 2, 32)
    for one, other in zip(jobs[0].module, jobs[1].module, strict=True):
        assert torch.equal(one, other)  # equal seeds, equal beginnings
    _, tokenizer = tiny_model()
    read = tokenizer.decode(jobs[1].tokens.flatten()).split("<|endoftext|>")
    assert {"# Say one.\nx = 1\n", "# Say two.\ny = 2\n"} == set(read[:-1])
    with pytest.raises(UserError, match="no code to read"):
        ReadingJob(CausalModel(None, tokenizer), [], READING, 0, torch.device("cpu"))


def test_a_round_compares_and_is_taken_up_at_each_stage(code: Path, tmp_path: Path, settings: Augmentation) -> None:
    whole = augment(tmp_path / "whole", settings, [code], engine="inline", device="cpu")
    assert whole["files"] == whole["funnel"]["accepted"] == 6 and whole["held_out"] == 2 and whole["tokens"] == 384
    texts = arm_texts(tmp_path / "whole")
    assert [[line for line in one.splitlines() if "#" not in line] for one in texts["augmented"]] == [
        one.splitlines() for one in texts["plain"]
    ]
    assert whole["read"][1]["density"] > whole["read"][0]["density"] == 0
    for row in whole["loss"]:
        assert row["plain"] < row["before"] and row["low"] <= row["gain"] <= row["high"]
        assert row["gain"] == pytest.approx(row["plain"] - row["augmented"])
    with Interrupted("training.comments.job.annotate_file", 2), pytest.raises(KeyboardInterrupt):
        augment(tmp_path / "cut", settings, [code], engine="inline", device="cpu")
    with Interrupted("training.comments.reading.ReadingJob.after_step", 3), pytest.raises(KeyboardInterrupt):
        augment(tmp_path / "cut", settings, [code], engine="inline", device="cpu")
    assert json.loads((tmp_path / "cut" / "manifest.json").read_text())["status"] == "running"
    assert augment(tmp_path / "cut", settings, [code], engine="inline", device="cpu")["loss"] == whole["loss"]
    adapter = str(tmp_path / "whole" / "arms" / "augmented_0" / "adapter")
    assert load_causal(adapter, device="cpu").model.config.vocab_size == load_causal(settings.model).model.config.vocab_size


class Interrupted:
    """A function of the package that is interrupted when it is called for the n-th time."""

    def __init__(self, name: str, calls: int) -> None:
        self.patch, self.name, self.calls = pytest.MonkeyPatch(), name, calls

    def __enter__(self) -> None:
        import pkgutil

        original = pkgutil.resolve_name(self.name)

        def counted(*words: object, **options: object) -> object:
            self.calls -= 1
            if self.calls == 0:
                raise KeyboardInterrupt
            return original(*words, **options)

        self.patch.setattr("interp.runs.loop.CHECKPOINT_SECONDS", 0.0)
        self.patch.setattr("training.comments.job.PART_FILES", 1)
        self.patch.setattr(self.name, counted)

    def __exit__(self, *_: object) -> None:
        self.patch.undo()


def test_the_summary_pairs_files_and_draws_sources() -> None:
    one = CodeTokens(torch.zeros(5, dtype=torch.int64), torch.tensor([False, True, True, True, True]))
    found = HeldOut(["a", "a", "b"], [one] * 3, [one] * 3)
    before = Scores([8.0, 8.0, 8.0], [4.0, 4.0, 4.0])
    plain = [Scores([4.0, 9.0, 6.0], [2.0, 2.0, 2.0]), Scores([5.0, 10.0, 7.0], [2.0, 2.0, 2.0])]
    augmented = [Scores([3.0, 8.0, 5.0], [3.0, 2.0, 2.0]), Scores([4.0, 9.0, 6.0], [3.0, 2.0, 2.0])]
    commented, bare = summary(found, before, plain, augmented)
    assert commented["gain"] == pytest.approx(0.25) == pytest.approx(commented["low"]) == pytest.approx(commented["high"])
    assert commented["before"] == 2 and commented["plain"] == pytest.approx(41 / 24) and commented["code_tokens"] == 12
    assert bare["gain"] == pytest.approx(-1 / 12) and (bare["low"], bare["high"]) == (pytest.approx(-1 / 8), 0)


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=8))
def test_the_interval_of_single_files_holds_between_the_extremes(values: list[float]) -> None:
    counts = np.ones(len(values), dtype=int)
    low, high = interval(np.array(values), counts, [str(number) for number in range(len(values))])
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9
    assert interval(np.array(values), counts, ["one"] * len(values)) == pytest.approx((np.mean(values),) * 2, abs=1e-9)


def test_mistakes_are_one_sentence(
    code: Path, tmp_path: Path, settings: Augmentation, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    words = ["comments", "augment", "--model", settings.model, "--device", "cpu", "--engine", "inline", "--tokens", "64"]
    out = str(tmp_path / "run")
    exit_code, _, err = call(capsys, *words, str(empty), "--out", out)
    assert exit_code == 2 and err.count("\n") == 1 and "train or held-out side" in err and not Path(out).exists()
    exit_code, _, err = call(capsys, *words, str(code), "--out", out, "--files", "2", "--held-out", "1", "--seeds", "1")
    assert exit_code == 0
    exit_code, _, err = call(capsys, *words, str(code), "--out", out, "--files", "3", "--held-out", "1", "--seeds", "1")
    assert exit_code == 2 and err.count("\n") == 1 and "holds a run with other settings" in err


def test_nothing_accepted_is_said(code: Path, tmp_path: Path, settings: Augmentation) -> None:
    strict = replace(settings, rules=replace(settings.rules, file=replace(settings.rules.file, least_gain=0.9)))
    with pytest.raises(UserError, match=r"none of 6 files .* was accepted \(6 no_gain\)"):
        augment(tmp_path / "run", strict, [code], engine="inline", device="cpu")
