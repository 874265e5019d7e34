"""Figures of heads: what is grey, what is marked, and where tokens stand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from interp.figures.heads import (
    ablation_against_random,
    attention_ratios,
    forward_reverse,
    head_maps,
    head_relation_matrix,
    small_multiples,
)
from interp.figures.tokens import coloured_tokens

GRID = pd.DataFrame(
    [
        (layer, head, name, 0.1 * layer - 0.2 * head, 5 if layer == head else 50)
        for name in ("subj", "obj")
        for layer in (0, 1)
        for head in (0, 1, 2)
    ],
    columns=["layer", "head", "relation", "excess", "events"],
)


def test_cells_with_few_events_have_no_value() -> None:
    figure = head_maps(GRID)
    shown = [trace for trace in figure.data if trace.coloraxis]
    assert len(shown) == 2 and [note.text for note in figure.layout.annotations] == ["subj", "obj"]
    assert np.isnan(shown[0].z[0][0]) and np.isnan(shown[0].z[1][1]) and shown[0].z[0][2] == pytest.approx(-0.4)
    denied = head_maps(GRID.assign(enough=GRID["relation"] == "subj")).data[-1]
    assert np.isnan(np.array(denied.z, dtype=float)).all()
    assert figure.layout.coloraxis.cmin == -figure.layout.coloraxis.cmax == pytest.approx(-0.4)


def test_the_matrix_holds_the_best_heads_of_each_relation() -> None:
    frame = GRID.assign(excess=[1, 0, 0, 0, 0, 2, 0, 0, 3, 0, 0, 0])
    grid = head_relation_matrix(frame, top=1).data[0]
    assert list(grid.y) == ["L0H2", "L1H2"] and list(grid.x) == ["subj", "obj"]


def test_the_threshold_says_what_lies_above_it() -> None:
    frame = pd.DataFrame({"ratio": [1.0, 2.0, 3.0, 3.0], "events": [6, 2, 1, 1]})
    figure = attention_ratios(frame, tau=2.2)
    assert figure.layout.annotations[0].text == " tau 2.2: 20.0% above" and list(figure.data[0].y) == pytest.approx(
        [1, 0.4, 0.2]
    )


def test_other_figures_draw_every_row() -> None:
    pairs = pd.DataFrame(
        {"layer": [0, 1], "head": [2, 3], "relation": ["subj", "obj"], "forward": [0.1, 0.4], "reverse": [0.3, 0.2]}
    )
    assert [len(trace.x) for trace in forward_reverse(pairs).data] == [1, 1, 2]
    cut = pd.DataFrame({"measure": ["tail"] * 3, "set": ["chosen", "random", "random"], "effect": [-1.0, 0.1, -0.2]})
    assert [len(trace.x) for trace in ablation_against_random(cut).data] == [2, 1]
    curves = pd.DataFrame({"step": [0, 9, 0, 9], "value": [1, 2, 3, 4], "facet": ["a", "a", "b", "b"], "series": "one"})
    figure = small_multiples(curves, x="step", facets=["a", "b"], marks={"half": 3.0})
    assert [list(trace.x) for trace in figure.data] == [[1, 10], [1, 10]] and figure.layout.shapes[0].x0 == 4


def test_tokens_stand_in_reading_order_without_overlap() -> None:
    tokens = [" the", " cat", "s", "\n", *[" word"] * 60]
    figure = coloured_tokens(tokens, np.linspace(0, 1, len(tokens)).tolist(), roles={1: "s"})
    boxes = [(shape.y0, shape.x0, shape.x1) for shape in figure.layout.shapes]
    assert boxes == sorted(boxes) and len({line for line, *_ in boxes}) > 2
    assert all(one[2] <= other[1] for one, other in pairwise(boxes) if one[0] == other[0])
    assert [shape.line.width for shape in figure.layout.shapes].count(2) == 1 and figure.layout.annotations[0].text == "s"
    with pytest.raises(ValueError, match="64 tokens and 1 shares"):
        coloured_tokens(tokens, [1.0])
