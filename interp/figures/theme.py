"""One look for all figures: white ground, colour-blind-safe colours, signed values diverging at zero.

Blue raises a target and orange lowers it, everywhere in the lab. The series colours are those of Okabe and Ito (2008).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

POSITIVE, NEGATIVE, NEUTRAL, INK, GRID = "#1f6fb4", "#d1592a", "#8a8f98", "#24292f", "#e6e8eb"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#5d5d5d", "#b8a800")
DIVERGING = ((0.0, "#a83c0d"), (0.25, "#eda37f"), (0.5, "#f7f7f7"), (0.75, "#86b8de"), (1.0, "#0f4f8b"))
SEQUENTIAL = ((0.0, "#f4f7fb"), (0.35, "#a9cbe6"), (0.7, "#3f86c0"), (1.0, "#0b3d6e"))


def require(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The frame itself. Raises ValueError naming the columns that it lacks."""
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ValueError(f"the frame lacks {', '.join(missing)}; it has {', '.join(map(str, frame.columns))}")
    return frame


def sign_colours(values: Sequence[float]) -> list[str]:
    """Colour of each signed value."""
    return [POSITIVE if value >= 0 else NEGATIVE for value in values]


def symmetric_limit(values: Sequence[float]) -> float:
    """The largest finite absolute value, at least a tiny one: both ends of a diverging scale."""
    return max((abs(value) for value in values if math.isfinite(value)), default=0.0) or 1e-9


def finish(
    figure: go.Figure, *, title: str = "", x: str = "", y: str = "", height: int = 360, legend: bool = False
) -> go.Figure:
    """Apply the common look; `x` and `y` are the axis titles."""
    figure.update_layout(
        title={"text": title, "font": {"size": 15}, "x": 0.0, "xanchor": "left"},
        font={
            "family": "Source Sans, Source Sans Pro, Helvetica, Arial, sans-serif",
            "size": 13,
            "color": INK,
        },
        paper_bgcolor="white",
        plot_bgcolor="white",
        colorway=list(SERIES),
        height=height,
        showlegend=legend,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 1.0, "xanchor": "right"},
        margin={"l": 56, "r": 16, "t": 48 if title or legend else 16, "b": 44},
        hoverlabel={"font": {"size": 12}},
    )
    figure.update_xaxes(title_text=x, gridcolor=GRID, zerolinecolor=NEUTRAL, linecolor=GRID, automargin=True)
    figure.update_yaxes(title_text=y, gridcolor=GRID, zerolinecolor=NEUTRAL, linecolor=GRID, automargin=True)
    return figure
