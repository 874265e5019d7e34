"""Tokens of documents, by column, by tokenizer, and by characters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interp.runs.errors import UserError
from interp.runs.parts import write_part
from tests.training.sampling.made_run import make_run
from training.sampling.lengths import TokenCount, mean_lengths
from training.sampling.sampler import drawable


def test_lengths_by_column_and_by_characters(tmp_path: Path) -> None:
    run = make_run(tmp_path, [12, 6])
    characters = [len(text) for batch in run.documents(["text"]) for text in batch.column(0).to_pylist()]
    assert TokenCount(column="tokens").lengths(run).tolist() == [1 + number % 4 for number in range(18)]
    assert TokenCount(characters=3).lengths(run).tolist() == [-(-count // 3) for count in characters]


def test_lengths_by_tokenizer(tmp_path: Path) -> None:
    from training.lm.tokenizer import train_tokenizer

    run = make_run(tmp_path / "run", [12, 6])
    texts = [text for batch in run.documents(["text"]) for text in batch.column(0).to_pylist()]
    tokenizer = train_tokenizer(texts[:9], 270)
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    found = TokenCount(tokenizer=str(tmp_path / "tokenizer")).lengths(run)
    assert found.tolist() == [len(tokenizer(text).input_ids) for text in texts] and len(set(found.tolist())) > 1


def test_means_leave_duplicates_out(tmp_path: Path) -> None:
    run = make_run(tmp_path, [12, 6, 0], duplicates=5)
    lengths = np.arange(1, 24)
    found = mean_lengths(lengths, drawable(run), 3)
    assert found == pytest.approx([lengths[run.members(0)].mean(), lengths[run.members(1)].mean(), 1])


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -1.0])
def test_a_column_with_a_number_that_is_no_count_is_refused(tmp_path: Path, wrong: float) -> None:
    run = make_run(tmp_path, [4, 2])
    part = tmp_path / "documents" / "part-00000.parquet"
    write_part(part, pq.read_table(part).append_column("counts", pa.array([1.0, 2, wrong, 3, 0, 5])))
    with pytest.raises(UserError, match=f"column 'counts' holds {wrong:g}; accepted"):
        TokenCount(column="counts").lengths(run)


def test_refuses(tmp_path: Path) -> None:
    run = make_run(tmp_path, [12, 6])
    with pytest.raises(UserError, match="accepted is one of the two"):
        TokenCount(column="tokens", tokenizer="here")
    with pytest.raises(UserError, match="accepted is a number above 0"):
        TokenCount(characters=0)
    with pytest.raises(UserError, match="no column 'absent'"):
        TokenCount(column="absent").lengths(run)
    with pytest.raises(UserError, match="column 'score' holds double with"):
        TokenCount(column="score").lengths(run)
    with pytest.raises(UserError, match="cannot be read as a tokenizer"):
        TokenCount(tokenizer=str(tmp_path)).lengths(run)
