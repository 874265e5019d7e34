"""The MoE page in process: default run, every control, identities, links, what files can feed, bad records."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from apps.moe_panels import domains, exports, opening, overview, strip, training, view, what_if
from apps.moe_panels.traffic import Traffic
from interp.runs.atomic import write_json
from tests.training.moe.made_records import ROW_BYTES, made_logits, made_tokens, write_records
from training.moe.baselines import ROUTERS
from training.moe.plan import Request, RoutingPlan, route
from training.moe.record_files import Records, write_json_lines
from training.moe.records import RecordWriter, Routed
from training.moe.rules import Rules

SCRIPT = str(Path(__file__).parent / "on_made_moe.py")
PLAIN = Rules(k=2, capacity=1.5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three steps of two layers, 8 experts on 2 ranks."""
    path = tmp_path_factory.mktemp("runs") / "made"
    write_records(path, PLAIN, experts=8, steps=3)
    command = "interp moe train --out runs/made"
    write_json(
        path / "manifest.json", {"status": "complete", "config": {"model": "made"}, "command": command, "results": {}}
    )
    return path


@pytest.fixture
def on_made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Records:
    monkeypatch.setenv("RUN_FOLDER", str(folder))
    monkeypatch.setattr(opening, "asked_run", opening.asked_run)  # the script replaces it
    return Records.open(folder)


def visit(**params: str) -> AppTest:
    page = AppTest.from_file(SCRIPT, default_timeout=120)
    for name, value in params.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception, page.exception[0].message
    return page


def html(page: AppTest) -> str:
    return " ".join(block.proto.body for block in page.get("html"))


def table(page: AppTest, column: str) -> pd.DataFrame:
    return next(one.value for one in page.dataframe if column in one.value)


def plan_of(records: Records, step: int, layer: int, rules: Rules) -> RoutingPlan:
    return route(Request.softmax(records.recorded(step, layer).logits), rules)


def test_opens_with_numbers_sums_and_charts(on_made: Records) -> None:
    page, loads = visit(), on_made.loads.query("step == 2")
    assert not page.error
    shown, dropped, slots = html(page), loads["dropped"].sum(), int(loads["slots"].sum())
    assert f"<b>{dropped / loads['demand'].sum():.1%}</b><span>drop</span>" in shown
    assert "128 kept + dropped = 64 tokens x k ✓" in shown
    assert f"{slots} slots = 32 experts on ranks x ceil(tokens x c_eff / experts) ✓" in shown
    assert shown.count("✓") == 15 and "✗" not in shown and len(page.get("plotly_chart")) == 7
    assert len(table(page, "violation")) == 2 and "interp moe train --out runs/made" in page.code[0].value


@pytest.mark.parametrize("router, k, capacity", [("plain", "2", "1.5"), ("FR+IR", "1", "0.5"), ("IR", "3", "no limit")])
def test_routing_again_is_the_plan_of_these_rules(on_made: Records, router: str, k: str, capacity: str) -> None:
    page = visit(layer="1")
    page.segmented_control(key="router").set_value(router).run()
    page.selectbox(key="k").set_value(k).run()
    page.select_slider(key="capacity").set_value(capacity).run()
    assert not page.exception and not page.error
    asked = Rules(
        int(k), float("inf" if capacity == "no limit" else capacity), "own" if "FR" in router else "off", "IR" in router
    )
    plan = plan_of(on_made, 2, 1, asked)
    kept, dropped, filled, rectified, padding = (
        int(getattr(plan, name).sum()) for name in ("kept", "dropped", "filled", "rectified", "padding")
    )
    counts = f"{kept} kept, {dropped} dropped, {filled} filled in, {rectified} stand-ins, {padding} empty slots"
    sums = f"{32 * int(k)} kept + dropped = 32 tokens x k ✓ · {plan.slots * 16} slots = 16 experts on ranks"
    assert f"again, {view.told(asked)}: {counts}. {sums}" in html(page) and "✗" not in html(page)


@pytest.mark.parametrize("table, change, broken", [
    ("routes", lambda rows: rows.drop(rows.index[rows["kept"]][0]), "127 kept + dropped = 64 tokens x k ✗ does not add up"),
    ("passes", lambda rows: rows.assign(slots=rows["slots"] + 1), "c_eff / experts) ✗ does not add up"),
])  # fmt: skip
def test_a_record_that_lost_a_row_does_not_add_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, change: Callable[[pd.DataFrame], pd.DataFrame], broken: str
) -> None:
    write_records(tmp_path, PLAIN, experts=8, steps=1)
    part = tmp_path / table / "part-00000.parquet"
    change(pd.read_parquet(part)).to_parquet(part)
    monkeypatch.setenv("RUN_FOLDER", str(tmp_path))
    shown = html(visit())
    assert broken in shown and "again, top-2, c 1.5, FR+IR" in shown


@pytest.mark.parametrize("capacity, text", [(2 / 3, "0.666667"), (1.000001, "1.000001"), (1.0, "1")])
def test_a_capacity_is_what_was_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capacity: float, text: str
) -> None:
    stops = view.capacities(Rules(2, capacity))
    assert stops[text] == capacity and stops["2"] == 2.0 and len(stops) == len(set(stops.values()))
    write_records(tmp_path, Rules(2, capacity), experts=8, steps=1)
    monkeypatch.setenv("RUN_FOLDER", str(tmp_path))
    page = visit(layer="1", router="plain")
    page.select_slider(key="capacity").set_value("2").run()
    page.select_slider(key="capacity").set_value(text).run()
    notes = [one.proto.body for one in page.get("html") if "tokens x k" in one.proto.body]
    recorded, again = (note.split(": ", 1)[1] for note in notes if "plain: " in note)
    assert recorded == again


@pytest.mark.parametrize("router, fill", [("IR", "own"), ("FR", "top1")])
def test_every_variant_fills_by_the_priority_of_the_control(on_made: Records, router: str, fill: str) -> None:
    found = table(visit(router=router, priority="top1", capacity="0.5"), "variant").set_index("variant")
    plans = {
        fill: [plan_of(on_made, 2, layer, Rules(2, 0.5, fill, True)) for layer in (0, 1)]  # type: ignore[arg-type]
        for fill in ("own", "top1")
    }
    rectified = {fill: sum(int(plan.rectified.sum()) for plan in of) for fill, of in plans.items()}
    assert rectified["own"] != rectified["top1"] == found["rectified"].iloc[-1]


def test_a_link_restores_the_view(on_made: Records) -> None:
    page = visit(
        step="1", layer="0", expert="5", router="FR", k="1", capacity="0.75", priority="top1", text="3", sort="true"
    )
    assert not page.error and page.select_slider(key="step").value == "1"
    assert page.selectbox(key="expert").value == "5" and page.segmented_control(key="router").value == "FR"
    shown = html(page)
    assert "Layer 0, expert 5" in shown and "again, top-1, c 0.75, FR" in shown
    assert page.selectbox(key="text").value == "3" and page.toggle(key="sort").value


@pytest.mark.parametrize("asked", [{"step": "99"}, {"layer": "x"}, {"expert": "-1"}, {"expert": "<b>"}])
def test_bad_numbers_of_a_link_are_told(on_made: Records, asked: dict[str, str]) -> None:
    page = visit(**asked)
    assert len(page.error) == 1 and "ignored" in page.error[0].value
    assert not visit(router="best", k="99", capacity="-1", priority="x").error


def test_every_control_moves_without_complaint(on_made: Records) -> None:
    page = visit()
    moves: list[tuple[Any, list[Any]]] = [
        (lambda: page.select_slider(key="step"), ["0", "1"]),
        (lambda: page.selectbox(key="layer"), ["0", "1"]),
        (lambda: page.selectbox(key="expert"), ["0", "7"]),
        (lambda: page.toggle(key="sort"), [True]),
        (lambda: page.segmented_control(key="router"), ["FR", "IR", "plain", "FR+IR"]),
        (lambda: page.selectbox(key="priority"), ["top1"]),
        (lambda: page.selectbox(key="text"), ["1", "3"]),
        (lambda: page.segmented_control(key="shown"), ["Routed again"]),
        (lambda: page.segmented_control(key="pick"), ["Several steps"]),
        (lambda: page.segmented_control(key="measure"), ["Empty slots", "Rows that stand-ins add"]),
    ]
    for control, values in moves:
        for value in values:
            control().set_value(value).run()
            assert not page.exception and not page.error and "✗" not in html(page)


def test_a_token_is_read_by_its_position_in_every_layer(on_made: Records) -> None:
    page = visit(text="2")
    page.number_input(key="position-0").set_value(5).run()
    assert not page.exception
    rows = on_made.routes(2).query("sequence == 2 and position == 5")
    found = table(page, "what became of it")
    assert found["expert"].tolist() == rows.sort_values(["layer", "choice"])["expert"].tolist()
    assert set(found["what became of it"]) <= {"kept", "dropped"}
    page.segmented_control(key="shown").set_value("Routed again").run()
    fates = set(table(page, "what became of it")["what became of it"])
    assert "routed again by top-2, c 1.5, FR+IR" in html(page) and fates <= {"kept", "dropped", "filled in", "stand-in"}


def test_variants_are_compared_and_kept(on_made: Records) -> None:
    page = visit()
    found = table(page, "variant").set_index("variant")
    assert list(found.index) == [
        "recorded: top-2, c 1.5, plain",
        *(f"top-2, c 1.5, {name}" for name in ("plain", "IR", "FR", "FR+IR")),
    ]
    plans = [plan_of(on_made, 2, layer, Rules(2, 1.5, "own", True)) for layer in (0, 1)]
    assert found["rectified"].iloc[-1] == sum(int(plan.rectified.sum()) for plan in plans)
    assert found["filled"].iloc[-1] == sum(int(plan.filled.sum()) for plan in plans)
    assert found["drop"].nunique() == 1 and found["MB sent"].nunique() == 1, "FR and IR add no slot and drop nothing"
    assert found["Δ no expert"].iloc[-1] == -found["no expert"].iloc[0] and found["Δ padding"].iloc[3] <= 0
    page.select_slider(key="capacity").set_value("0.5").run()
    page.button(key="add").click().run()
    page.select_slider(key="capacity").set_value("2").run()
    assert "added: top-2, c 0.5, FR+IR, fill by own" in set(table(page, "variant")["variant"])
    page.button(key="forget").click().run()
    assert len(table(page, "variant")) == 5


def test_traffic_between_ranks_is_in_bytes_or_else_in_rows(
    on_made: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, plans = visit(router="FR"), [plan_of(on_made, 2, layer, Rules(2, 1.5, "own")) for layer in (0, 1)]
    found = table(page, "variant").set_index("variant").loc["top-2, c 1.5, FR"]
    abroad = sum(int((plan.rank(plan.routes.token) != plan.routes.expert // 4).sum()) for plan in plans)
    assert found["MB sent"] == 2 * ROW_BYTES * sum(plan.slots * 8 for plan in plans) / 1e6
    assert found["useful MB"] == 2 * ROW_BYTES * abroad / 1e6 and "A row has 256 bytes" in html(page)
    write_records(tmp_path, PLAIN, experts=8, steps=3)
    for part in (tmp_path / "passes").iterdir():
        pd.read_parquet(part).drop(columns="row_bytes").to_parquet(part)
    monkeypatch.setenv("RUN_FOLDER", str(tmp_path))
    page = visit(router="FR")
    rows = table(page, "variant").set_index("variant").loc["top-2, c 1.5, FR"]
    assert (rows["rows sent"], rows["useful rows"]) == (sum(plan.slots * 8 for plan in plans), abroad)
    assert "MB sent" not in rows and "Bytes are unknown" in html(page) and not page.error


def test_brushed_steps_are_summed_up_until_another_is_chosen(on_made: Records) -> None:
    page = visit(steps="0-1", layer="0")
    loads, shown = on_made.loads.query("step < 2"), html(page)
    assert not page.error and any("Steps 0 to 1: 2 steps together" in one.value for one in page.markdown)
    assert f"<b>{loads['dropped'].sum() / loads['demand'].sum():.1%}</b><span>drop</span>" in shown
    assert "<b>1.500</b><span>balancing loss</span>" in shown and "Step 2: 128 kept + dropped" in shown
    own = loads[loads["layer"] == 0]
    by_layer = table(page, "violation").set_index("layer")
    assert by_layer.at[0, "drop"] == own["dropped"].sum() / own["demand"].sum()
    assert "As recorded in 2 steps, 0 to 1" in shown
    found = json.loads(
        exports.health_json(view.View(Traffic.open(on_made.path), 2, 0, 0, PLAIN, None, "own", (1, 0), (0, 1)))
    )
    assert found["steps"] == [0, 1] and found["layers"][0]["drop"] == by_layer.at[0, "drop"]
    page.button(key="unbrush").click().run()
    assert not page.exception and "steps" not in page.query_params and "<b>3.000</b><span>balancing" in html(page)
    page = visit(steps="0-2")
    page.select_slider(key="step").set_value("1").run()
    assert "steps" not in page.query_params and "<b>2.000</b><span>balancing" in html(page)


@pytest.mark.parametrize("edges, steps", [([1.4, -0.2], [0, 1]), ([0.6, 1.4], [1]), ([0.2, 0.7], []), (None, [])])
def test_a_drawn_box_is_of_the_steps_in_it(edges: list[float] | None, steps: list[int]) -> None:
    assert training.within_boxes([{"x": edges}] if edges else [], [0, 1, 2]) == steps


@pytest.mark.parametrize("steps", ["7-9", "1-1", "2-1", "x", "1", "0-99999999999999999999"])
def test_bad_steps_of_a_link_are_told_and_forgotten(on_made: Records, steps: str) -> None:
    page = visit(steps=steps)
    assert len(page.error) == 1 and "ignored" in page.error[0].value and "steps" not in page.query_params
    assert "unbrush" not in {one.key for one in page.button}


def test_domains_of_the_layer_are_told(on_made: Records, folder: Path) -> None:
    page = visit(layer="1", expert="3", step="0")
    found, rows = table(page, "overall"), on_made.routes(0, 1)
    own = rows[rows["kept"] & (rows["expert"] == 3)]
    assert dict(zip(found["domain"], found["rows"], strict=True)) == {
        "code": int(own["sequence"].isin([1, 2]).sum()), "<i>prose": int((own["sequence"] == 0).sum()),
        "no domain": int((own["sequence"] == 3).sum()),
    }  # fmt: skip
    assert found["share"].sum() == pytest.approx(1) and found.set_index("domain")["low"].isna()["<i>prose"]
    assert "As recorded in step 0" in html(page) and "<i>" not in html(page)
    seen = view.View(Traffic.open(folder), 0, 1, 3, PLAIN, None, "own", (1, 0))
    assert set(domains.table(seen)["expert"]) == set(rows[rows["kept"]]["expert"])


def test_routes_alone_feed_what_they_can(on_made: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json_lines(tmp_path / "routes.jsonl", on_made.routes(1))
    monkeypatch.setenv("RUN_FOLDER", str(tmp_path / "routes.jsonl"))
    page = visit()
    shown = html(page)
    assert not page.error and "<b>unknown</b><span>padding</span>" in shown and "no router logits" in shown
    assert "Domains of texts are not in these records" in shown
    assert "There is one step" in shown and "unknown slots" in shown and len(page.get("plotly_chart")) == 3


def test_counts_alone_feed_loads(on_made: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json_lines(tmp_path / "loads.jsonl", on_made.seen.reset_index())
    monkeypatch.setenv("RUN_FOLDER", str(tmp_path / "loads.jsonl"))
    page = visit()
    assert not page.error and "only counts were kept, no tokens" in html(page) and len(page.get("plotly_chart")) == 3


@pytest.mark.parametrize("damage, told", [
    ("routes/part-00001.parquet", "cannot be read"), ("running", "not finished"), ("empty", "no routing records"),
    ("column", "lacks the column expert"),
])  # fmt: skip
def test_bad_records_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str, told: str) -> None:
    if damage != "empty":
        write_records(tmp_path, PLAIN)
    if damage == "running":
        write_json(tmp_path / "manifest.json", {"status": "running"})
    elif damage == "column":
        part = tmp_path / "routes" / "part-00000.parquet"
        pd.read_parquet(part).drop(columns="expert").to_parquet(part)
    elif damage != "empty":
        for part in (tmp_path / "routes").iterdir():
            part.write_bytes(b"no parquet")
    monkeypatch.setenv("RUN_FOLDER", str(tmp_path))
    page = visit()
    assert told in page.error[0].value.replace("\\", "") and not page.exception


BAD_PASSES = [
    ({"router": "soft"}, "has router 'soft'; accepted is top-k, expert choice, BASE"),
    ({"scoring": "tanh"}, "has scoring 'tanh'; accepted is softmax, sigmoid"),
    ({"k": 9}, "has k 9; accepted is up to 4"),
    ({"router": "BASE"}, "has k 2; accepted is up to 1"),
    ({"ranks": 3}, "4 experts cannot be divided among 3 ranks"),
    ({"fill": "most"}, "fill 'most' is unknown; accepted are off, own, top1"),
    ({"tokens": 0}, "has tokens 0; accepted is a whole number from 1"),
    ({"k": None}, "has no k; accepted is a value in every column of passes but balance and row_bytes"),
    ({"row_bytes": 0}, "has row_bytes 0; accepted is a whole number from 1"),
]


@pytest.mark.parametrize("cells, told", BAD_PASSES)
def test_passes_of_no_router_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: dict[str, Any], told: str
) -> None:
    write_records(tmp_path, PLAIN, steps=1)
    part = tmp_path / "passes" / "part-00000.parquet"
    pd.read_parquet(part).assign(**cells).to_parquet(part)
    monkeypatch.setenv("RUN_FOLDER", str(tmp_path))
    page = visit()
    assert told in page.error[0].value.replace("\\", "") and "the pass of step 0 and layer 0 of" in page.error[0].value


def test_logits_that_are_no_numbers_leave_the_rest_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_records(tmp_path, PLAIN, steps=1)
    part = tmp_path / "logits" / "part-00000.parquet"
    rows = pd.read_parquet(part)
    rows["logits"] = [logits * float("nan") if layer == 1 else logits for layer, logits in rows[["layer", "logits"]].values]
    rows.to_parquet(part)
    monkeypatch.setenv("RUN_FOLDER", str(tmp_path))
    page = visit(layer="1")
    assert "Routing again is off in this layer: router score nan of rank 0" in html(page) and not page.error
    assert "what became of it" in set().union(*(one.value.columns for one in page.dataframe))
    page = visit(layer="0")
    assert "again, top-2, c 1.5, FR+IR" in html(page), "this layer can be routed again"
    assert [error.value for error in page.error if "router score nan" in error.value], "all layers cannot be compared"


@pytest.mark.parametrize("router, k, variants", [("BASE", 1, ["plain", "IR"]), ("expert choice", 2, ["plain", "IR"])])
def test_other_routers_have_what_they_can_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, router: str, k: int, variants: list[str]
) -> None:
    logits, writer, rules = made_logits(2, 16, 4), RecordWriter(tmp_path), Rules(k, 1.0)
    writer.add(0, 0, made_tokens(), Routed(ROUTERS[router](Request.softmax(logits), rules), logits, router=router))
    writer.flush()
    monkeypatch.setenv("RUN_FOLDER", str(tmp_path))
    page = visit(k="2", router="FR")
    assert not page.error and page.segmented_control(key="router").options == variants
    assert page.selectbox(key="k").options == (["1"] if router == "BASE" else ["1", "2", "3", "4"])
    assert f"again, top-{k}, c 1, IR" in html(page) and "✗" not in html(page)


def test_records_that_were_replaced_are_read_again(tmp_path: Path) -> None:
    made, file = tmp_path / "made", tmp_path / "routes.jsonl"
    write_records(made, PLAIN, steps=2)
    records = Records.open(made)
    for path, anew in {
        file: lambda steps: write_json_lines(file, records.routes(steps - 1)),
        made: lambda steps: write_records(made, PLAIN, steps=steps),
    }.items():
        anew(1)
        first = opening.open_traffic(str(path))
        assert opening.open_traffic(str(path)) is first
        anew(2)
        assert opening.open_traffic(str(path)).records.routed_steps[-1] == 1


def test_unrelated_reruns_read_and_route_nothing_anew(on_made: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    page = visit()
    read: list[str] = []
    monkeypatch.setattr(Records, "recorded", lambda *of: read.append("recorded"))
    monkeypatch.setattr(Records, "routes", lambda *of: read.append("routes"))
    page.toggle(key="sort").set_value(True).run()
    page.selectbox(key="expert").set_value("3").run()
    assert not read and not page.exception


def test_exports_are_whole(on_made: Records, folder: Path) -> None:
    traffic = Traffic.open(folder)
    seen = view.View(traffic, 2, 1, 0, PLAIN, Rules(2, 1.5, "own", True), "own", (1, 0))
    found = json.loads(exports.health_json(seen))
    assert {one.name for one in overview.numbers(seen)} == set(found["numbers"]) and len(found["layers"]) == 2
    sweep = what_if.sweep(seen)
    assert set(sweep["router"]) == {"plain", "IR", "FR", "FR+IR"} and sweep["share"].between(0, 1).all()
    assert sweep[sweep["router"] == "IR"]["share"].max() == 0


def test_strip_tells_the_fate_of_every_choice(on_made: Records) -> None:
    rows = on_made.routes(2, 0)
    own = rows[rows["sequence"] == 1]
    found = strip.strip_data(own, 8, 3)
    assert [one["position"] for one in found["tokens"]] == list(range(8)) and found["chosen"] == 3
    dropped = own[~own["kept"]].groupby("position").size()
    assert {one["position"] for one in found["tokens"] if "dropped" in one["marks"]} == set(dropped.index)
    assert all(re.search(r"expert \d 0\.\d\d (kept|dropped)", one["hint"]) for one in found["tokens"])
    assert len({strip.tint(expert, 64) for expert in range(64)}) == 64
