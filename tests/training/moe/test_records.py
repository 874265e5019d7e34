"""Records are the plan, row by row, in Parquet and as JSON lines; wrong ones are refused in one sentence."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from interp.runs.errors import UserError
from tests.training.moe.made_records import ROW_BYTES, Letters, made_logits, made_tokens, write_records
from training.moe.plan import Request, route
from training.moe.record_files import Records, write_json_lines
from training.moe.records import PASSES, ROUTES, RecordWriter, Routed, Tokens, rules_of
from training.moe.rules import Rules

BOTH = Rules(k=2, capacity=1.5, fill="own", rectify=True)


def jsonl_folder(records: Records, folder: Path) -> Path:
    """The same tables as JSON lines."""
    folder.mkdir()
    for table in records.tables:
        write_json_lines(folder / f"{table}.jsonl", records.tables[table].to_table().to_pandas())
    return folder


@pytest.mark.parametrize("rules", [BOTH, Rules(k=1, capacity=1.0), Rules(k=2, capacity=math.inf)])
def test_loads_are_the_counts_of_the_plan(tmp_path: Path, rules: Rules) -> None:
    plans = write_records(tmp_path, rules)
    records = Records.open(tmp_path)
    assert records.steps == [0, 1] and records.layers == [0, 1] and records.replayable
    for (step, layer), plan in plans.items():
        own = records.loads[(records.loads["step"] == step) & (records.loads["layer"] == layer)]
        for name in ("demand", "kept", "dropped", "filled", "rectified", "padding"):
            assert own[name].to_numpy().reshape(plan.shape).tolist() == getattr(plan, name).tolist(), name
        row = records.passes.loc[(step, layer)]
        assert rules_of(row.to_dict()) == rules and (row["slots"], row["balance"]) == (plan.slots, 1.0 + step)
    assert (records.loads["demand"].groupby(records.loads["step"]).sum() == 2 * 32 * rules.k).all()


def test_a_row_tells_who_asked_for_what(tmp_path: Path) -> None:
    plans = write_records(tmp_path, BOTH)
    frame, plan, tokens = Records.open(tmp_path).routes(1, 0), plans[1, 0], made_tokens(seed=1)
    assert list(frame) == ROUTES.names
    probability = torch.softmax(made_logits(2, 16, 4, seed=10), -1).flatten(0, 1)
    for row in frame.itertuples():
        token = row.sequence * 8 + row.position
        assert (row.token, row.token_id) == (tokens.token[token], tokens.token_id[token])
        assert row.rank == token // plan.tokens and row.kept + row.filled + row.rectified <= 1
        assert row.probability == pytest.approx(float(probability[token, row.expert]))
        assert (row.choice == -1) == row.rectified and (row.choice == 2) == row.filled
        assert (row.slot >= 0) == (row.kept or row.filled)
    weight = frame.groupby(["sequence", "position"])["weight"].sum()
    assert len(weight) == 32 and np.allclose(weight, 1, atol=1e-5)


def test_logits_come_back_exactly(tmp_path: Path) -> None:
    write_records(tmp_path, BOTH)
    found = Records.open(tmp_path).recorded(1, 1)
    assert torch.equal(found.logits, made_logits(2, 16, 4, seed=11)) and found.request.mask is None
    assert found.tokens.token == made_tokens(seed=1).token


def test_padding_is_no_token_but_counts_in_the_size(tmp_path: Path) -> None:
    mask = torch.ones(2, 5, dtype=torch.bool)
    mask[1, :2] = False
    tokens = Tokens.of(torch.arange(10).view(2, 5), Letters(), first=7, mask=mask)
    logits = made_logits(4, 3, 4)  # two places more than tokens
    inside = torch.cat([mask.flatten(), torch.zeros(2, dtype=torch.bool)]).view(4, 3)
    by = torch.softmax(logits, -1) + torch.tensor([0.0, 0.1, 0.2, -torch.inf])
    plan = route(Request(logits.sigmoid(), by, inside), Rules(k=1, capacity=0.5))
    writer = RecordWriter(tmp_path)
    writer.add(0, 3, tokens, Routed(plan, logits, "sigmoid", by))
    writer.flush()
    records = Records.open(tmp_path)
    assert len(records.tables["logits"].to_table()) == 8 and set(records.routes(0)["sequence"]) == {7, 8}
    found = records.recorded(0, 3)
    assert torch.equal(found.request.real().view(4, 3), inside)
    assert torch.equal(found.request.scores[inside], logits.sigmoid()[inside])
    assert found.request.choose_by is not None and torch.equal(found.request.choose_by[inside], by[inside])


def test_json_lines_hold_the_same(tmp_path: Path) -> None:
    write_records(tmp_path / "a", Rules(k=2, capacity=math.inf))
    one = Records.open(tmp_path / "a")
    other = Records.open(jsonl_folder(one, tmp_path / "b"))
    pd.testing.assert_frame_equal(one.loads, other.loads)
    pd.testing.assert_frame_equal(one.routes(1), other.routes(1))
    pd.testing.assert_frame_equal(one.passes, other.passes)
    assert torch.equal(one.recorded(1, 1).logits, other.recorded(1, 1).logits)


def test_routes_alone_will_do(tmp_path: Path) -> None:
    write_records(tmp_path / "a", BOTH)
    whole = Records.open(tmp_path / "a")
    few = whole.tables["routes"].to_table().to_pandas().drop(columns=["slot", "weight", "token_id", "filled"])
    few[few["kept"]].to_parquet(tmp_path / "few.parquet")
    write_json_lines(tmp_path / "few.jsonl", few[few["kept"]])
    for name in ("few.parquet", "few.jsonl"):
        found = Records.open(tmp_path / name)
        assert not found.replayable and found.loads["padding"].isna().all()
        assert found.loads["kept"].tolist() == whole.loads["kept"].tolist() and not found.loads["filled"].any()
        assert found.routes(0)["filled"].dtype == bool and found.routes(0)["token_id"].eq(-1).all()


def test_counts_stand_in_for_routes_that_were_not_kept(tmp_path: Path) -> None:
    write_records(tmp_path / "a", BOTH)
    whole, lines = Records.open(tmp_path / "a"), jsonl_folder(Records.open(tmp_path / "a"), tmp_path / "b")
    routes = pd.read_json(lines / "routes.jsonl", lines=True)
    write_json_lines(lines / "routes.jsonl", routes[routes["step"] == 1])
    write_json_lines(lines / "loads.jsonl", whole.seen.loc[[0]].reset_index())
    fewer = Records.open(lines)
    pd.testing.assert_frame_equal(fewer.loads, whole.loads)
    assert fewer.steps == [0, 1] and fewer.routed_steps == [1]
    alone = Records.open(lines / "loads.jsonl")
    assert alone.routed_steps == [] and alone.loads["kept"].sum() == whole.seen.loc[[0], "kept"].sum()
    (lines / "loads.jsonl").write_text('{"step": 0, "layer": 0, "rank": 0, "expert": 0, "kept": -1, "dropped": 0}\n')
    with pytest.raises(UserError, match="negative count"):
        _ = Records.open(lines / "loads.jsonl").loads


def test_logits_that_do_not_fit_are_told(tmp_path: Path) -> None:
    write_records(tmp_path / "a", BOTH)
    lines = jsonl_folder(Records.open(tmp_path / "a"), tmp_path / "b")
    logits = pd.read_json(lines / "logits.jsonl", lines=True)
    for wrong in (logits.assign(logits=[[1.0]] * len(logits)), logits.assign(place=0), logits.assign(place=99)):
        write_json_lines(lines / "logits.jsonl", wrong)
        with pytest.raises(UserError, match="logits that do not fit 2 ranks of 16 tokens and 4 experts"):
            Records.open(lines).recorded(0, 0)
    write_json_lines(lines / "logits.jsonl", logits.drop(columns="logits"))
    with pytest.raises(UserError, match="lacks the column logits"):
        Records.open(lines)


def test_files_of_before_rows_had_bytes_and_texts_domains_are_read(tmp_path: Path) -> None:
    write_records(tmp_path / "a", BOTH)
    now = Records.open(tmp_path / "a")
    assert (now.passes["row_bytes"] == ROW_BYTES).all() and now.domains.to_dict() == {0: "<i>prose", 1: "code", 2: "code"}
    lines = jsonl_folder(now, tmp_path / "b")
    pd.testing.assert_series_equal(Records.open(lines).domains, now.domains)
    shutil.rmtree(tmp_path / "a" / "domains")
    (lines / "domains.jsonl").unlink()
    first = tmp_path / "a" / "passes" / "part-00000.parquet"
    pd.read_parquet(first).drop(columns="row_bytes").to_parquet(first)
    passes = pd.read_json(lines / "passes.jsonl", lines=True)
    write_json_lines(lines / "passes.jsonl", passes.assign(row_bytes=[None, None, ROW_BYTES, ROW_BYTES]))
    for folder in (tmp_path / "a", lines):
        before = Records.open(folder)
        assert before.domains.empty and before.passes["row_bytes"].isna().tolist() == [True, True, False, False]
        pd.testing.assert_frame_equal(before.passes.drop(columns="row_bytes"), now.passes.drop(columns="row_bytes"))
        pd.testing.assert_frame_equal(before.routes(1), now.routes(1))
    write_json_lines(lines / "passes.jsonl", passes.drop(columns="row_bytes"))
    assert Records.open(lines).passes["row_bytes"].isna().all()


def test_a_text_of_two_domains_is_told(tmp_path: Path) -> None:
    write_records(tmp_path, BOTH)
    RecordWriter(tmp_path).tell_domains(["code"], part=1)
    with pytest.raises(UserError, match=r"text 0 of .* is of the domains <i>prose, code; accepted is one domain a text"):
        _ = Records.open(tmp_path).domains


def test_reads_are_the_rows_of_each_text_that_experts_read(tmp_path: Path) -> None:
    write_records(tmp_path, BOTH)
    records = Records.open(tmp_path)
    rows = pd.concat([records.routes(0, 1), records.routes(1, 1)])
    read = rows[rows["kept"] | rows["filled"] | rows["rectified"]]
    expected = read.groupby(["sequence", "expert"]).size()
    assert records.reads(0, 1, 1).stack().loc[lambda counts: counts > 0].to_dict() == expected.to_dict()
    assert records.reads(1, 1, 1).to_numpy().sum() < len(read) and records.reads(7, 9, 1).empty


def test_a_step_written_again_replaces_itself(tmp_path: Path) -> None:
    write_records(tmp_path, BOTH)
    before = Records.open(tmp_path).loads
    write_records(tmp_path, BOTH, steps=1)
    pd.testing.assert_frame_equal(Records.open(tmp_path).loads, before)


ROW = {
    "step": 0, "layer": 0, "sequence": 0, "position": 0, "token": "a", "rank": 0, "choice": 0, "expert": 1,
    "probability": 0.5, "kept": True,
}  # fmt: skip


@pytest.mark.parametrize(
    "change, told",
    [
        ({"expert": None}, "empty cell"),
        ({"probability": -0.5}, "negative or not finite"),
        ({"rank": -1}, "negative number"),
        ({"filled": True}, "more than one of kept, filled and rectified"),
        ({"expert": "x"}, "column expert .* holds no int16"),
        ({"layer": 70_000}, "column layer .* holds no int16"),
        ({"kept": "maybe"}, "column kept .* holds no bool"),
    ],
)
def test_wrong_values_are_told(tmp_path: Path, change: dict, told: str) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(ROW | change) + "\n")
    with pytest.raises(UserError, match=told):
        _ = Records.open(tmp_path / "a.jsonl").loads
    if "x" not in change.values():
        pd.DataFrame([ROW | change]).to_parquet(tmp_path / "a.parquet")
        with pytest.raises(UserError, match=told):
            _ = Records.open(tmp_path / "a.parquet").loads


@pytest.mark.parametrize("name", sorted(ROW))
def test_a_missing_column_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({key: value for key, value in ROW.items() if key != name}) + "\n")
    with pytest.raises(UserError, match=f"lacks the column {name} of routes"):
        Records.open(tmp_path / "a.jsonl")


def test_what_are_no_records_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no routing records"):
        Records.open(tmp_path)
    for name, content in {"a.jsonl": "{", "a.parquet": "PAR1", "b.jsonl": ""}.items():
        (tmp_path / name).write_text(content)
        with pytest.raises(UserError, match=r"cannot be read as routing records|no rows|lacks"):
            _ = Records.open(tmp_path / name).loads
    (tmp_path / "manifest.json").write_text('{"status": "running"}')
    with pytest.raises(UserError, match="not finished"):
        Records.open(tmp_path)


def test_rows_that_their_pass_does_not_have_are_told(tmp_path: Path) -> None:
    write_records(tmp_path, Rules(k=2, capacity=math.inf), steps=1)
    folder = jsonl_folder(Records.open(tmp_path), tmp_path / "lines")
    passes = pd.read_json(folder / "passes.jsonl", lines=True)
    passes.assign(experts=2).to_json(folder / "passes.jsonl", orient="records", lines=True)
    with pytest.raises(UserError, match=r"rows of step 0, layer 0, rank 0, expert [23], which its passes do not have"):
        _ = Records.open(folder).loads
    passes.assign(slots=1).to_json(folder / "passes.jsonl", orient="records", lines=True)
    with pytest.raises(UserError, match="more routes than slots"):
        _ = Records.open(folder).loads


def test_the_schema_is_what_issue_and_interfaces_name() -> None:
    assert {"step", "layer", "token", "expert", "probability", "kept", "filled", "rectified", "rank"} <= set(ROUTES.names)
    assert set(Rules.__dataclass_fields__) <= set(PASSES.names)
