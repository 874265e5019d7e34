"""Figures of mixtures of experts hold what their frames say: every expert once, slots that add up to the capacity line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from interp.figures.moe import (
    PARTS,
    capacity_curves,
    co_activation,
    domain_shares,
    expert_grid,
    load_bands,
    load_bars,
    token_moves,
)


def experts(layers: tuple[int, ...] = (1, 3), count: int = 4) -> pd.DataFrame:
    frame = pd.DataFrame([{"layer": layer, "expert": expert} for layer in layers for expert in range(count)])
    demand = np.arange(len(frame)) * 2.0
    return frame.assign(demand=demand, utilisation=demand / 7, dropped=np.maximum(demand - 8, 0), rank=frame["expert"] // 2)


def slots(frame: pd.DataFrame) -> pd.DataFrame:
    kept = frame["demand"] - frame["dropped"]
    return frame.assign(kept=kept, filled=0.0, rectified=1.0, slots=10.0, padding=10.0 - kept)


def test_grid_has_every_expert_once_and_marks_the_dead_and_the_overfull() -> None:
    frame = experts()
    figure = expert_grid(frame, chosen=(3, 2))
    squares, dead, over, ring = figure.data
    assert squares.customdata.tolist() == list(range(8)) and (squares.x[6], squares.y[6]) == (2, 1)
    assert (squares.marker.cmin + squares.marker.cmax) / 2 == 1
    assert (list(dead.x), list(dead.y)) == ([0], [0]) and list(over.x) == [1, 2, 3] and list(over.y) == [1, 1, 1]
    assert (list(ring.x), list(ring.y)) == ([2], [1]) and list(figure.layout.yaxis.ticktext) == ["1", "3"]
    assert not any(np.isnan(squares.marker.color))


def test_grid_sorted_by_load_moves_squares_and_keeps_their_names() -> None:
    squares = expert_grid(experts(), by_load=True).data[0]
    where = dict(zip(squares.customdata.tolist(), squares.x, strict=True))
    assert [where[number] for number in range(4)] == [3, 2, 1, 0]


def test_bars_up_to_the_line_are_the_slots() -> None:
    frame = slots(experts(layers=(1,)))
    figure = load_bars({"before": frame, "after": frame.assign(filled=frame["padding"], padding=0.0)}, chosen=2)
    for side in (figure.data[:5], figure.data[5:]):
        assert [bar.name for bar in side] == list(PARTS)
        assert np.allclose(sum(np.asarray(bar.y) for bar in side[:3]), 10)
        assert list(side[0].x[0]) == ["rank 0", "rank 0", "rank 1", "rank 1"] and list(side[0].x[1])[2] == "[2]"
    assert [line.y0 for line in figure.layout.shapes] == [10, 10]
    unknown = load_bars({"before": frame.assign(slots=np.nan, padding=np.nan)})
    assert not unknown.layout.shapes


def test_bands_enclose_the_median_and_leave_out_what_is_unknown() -> None:
    frame = pd.DataFrame({"step": [2, 1], "min": 0.1, "p10": 0.4, "median": 0.9, "p90": 1.4, "max": [3.0, 2.0], "drop": 0.2})
    figure = load_bands(frame.assign(padding=np.nan, balance=[1.1, 1.4]), chosen=1)
    named = {trace.name: list(trace.y) for trace in figure.data if trace.name}
    assert set(named) == {"all experts", "the middle 80 %", "median", "drop", "balance"}
    assert named["all experts"] == [2.0, 3.0] and named["balance"] == [1.4, 1.1]
    assert "balance" not in {trace.name for trace in load_bands(frame.assign(padding=0.3)).data}
    shades = [shape for shape in load_bands(frame.assign(padding=0.3), brushed=(1, 2)).layout.shapes if shape.type == "rect"]
    assert {(shade.x0, shade.x1) for shade in shades} == {(1, 2)}


def test_domains_are_coloured_where_the_interval_leaves_one_out() -> None:
    frame = pd.DataFrame({
        "domain": ["<b>", "code"] * 2, "expert": [0, 0, 2, 2], "share": [0.9, 0.1, 0.55, 0.45], "overall": [0.6, 0.4] * 2,
        "rows": 9, "texts": 3, "lift": [1.5, 0.25, 0.9, 1.1], "low": [1.2, 0.1, 0.5, np.nan], "high": [1.8, 0.5, 1.3, np.nan],
    })  # fmt: skip
    figure = domain_shares(frame, experts=3)
    heat = figure.data[0]
    assert heat.z[:, [0, 2]].tolist() == [[1.5, 1], [0.25, 1]] and np.isnan(heat.z[:, 1]).all() and list(heat.x)[2] == "2"
    assert heat.text.tolist() == [["90%", "", "55%"], ["10%", "", "×"]]
    assert list(figure.layout.yaxis.ticktext) == ["&lt;b&gt;<br>60% of all", "code<br>40% of all"]
    assert "<b>" not in heat.customdata[0][0]
    alike = frame.assign(domain=["x" * 50 + "1", "x" * 50 + "2"] * 2, overall=0.5)
    assert domain_shares(alike, experts=3).data[0].z.shape == (2, 3)
    assert list(domain_shares(alike, experts=3).data[0].y) == [0, 1], "names that are cut to the same have rows of their own"


def test_moves_and_pairs_and_curves() -> None:
    table = pd.DataFrame([[3, 0], [1, 4]], index=["all", "none"], columns=["all", "none"])
    assert token_moves(table).data[0].text.tolist() == [[3, 0], [1, 4]]
    heat = co_activation(pd.DataFrame([[np.nan, 1.5], [1.5, np.nan]])).data[0]
    assert (heat.zmin + heat.zmax) / 2 == 1
    frame = pd.DataFrame({"capacity": [1.0, 2.0] * 2, "router": ["plain"] * 2 + ["IR"] * 2, "loss": [3.0, 2.0, 2.5, 2.0]})
    figure = capacity_curves(frame.assign(low=frame["loss"] - 0.1, high=frame["loss"] + 0.1), y="loss", share=False)
    assert [trace.name for trace in figure.data] == ["plain", "IR"] and figure.data[0].error_y.array is not None


@pytest.mark.parametrize("draw", [expert_grid, load_bands, lambda frame: load_bars({"a": frame})])
def test_lacking_columns_are_named(draw) -> None:
    with pytest.raises(ValueError, match="the frame lacks"):
        draw(pd.DataFrame({"layer": [1]}))
