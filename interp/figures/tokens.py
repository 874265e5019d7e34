"""A text as coloured tokens: what a head attends to and what it raises."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from interp.figures.theme import INK, NEGATIVE, POSITIVE, finish

_PER_LINE = 96
"""Characters."""
_SHADE = ", ".join(str(int(POSITIVE[place : place + 2], 16)) for place in (1, 3, 5))


def coloured_tokens(
    tokens: Sequence[str], shares: Sequence[float], *, roles: dict[int, str] | None = None, title: str = ""
) -> go.Figure:
    """Tokens in reading order, shaded by their share (0 .. the largest); `roles` names tokens by position, framed."""
    if len(tokens) != len(shares):
        raise ValueError(f"{len(tokens)} tokens and {len(shares)} shares; there must be as many")
    most = max((float(share) for share in shares), default=0.0) or 1.0
    places = _places(tokens)
    figure = go.Figure()
    for position, ((left, line), token, share) in enumerate(zip(places, tokens, shares, strict=True)):
        width, role = max(len(_printed(token)), 1), (roles or {}).get(position)
        colour = f"rgba({_SHADE}, {0.8 * float(share) / most:.3f})"
        frame = {"color": NEGATIVE, "width": 2} if role else {"width": 0}
        figure.add_shape(
            type="rect", x0=left, x1=left + width, y0=line - 0.4, y1=line + 0.4, fillcolor=colour, line=frame, layer="below"
        )
        if role:
            figure.add_annotation(
                x=left + width / 2, y=line - 0.62, text=role, showarrow=False, font={"size": 10, "color": NEGATIVE}
            )
    figure.add_trace(_text(tokens, shares, places))
    lines = max((line for _, line in places), default=0) + 1
    finish(figure, title=title, height=90 + 44 * lines)
    figure.update_xaxes(visible=False, range=[-1, _PER_LINE + 14])
    return figure.update_yaxes(visible=False, range=[lines - 0.3, -1])


def _text(tokens: Sequence[str], shares: Sequence[float], places: list[tuple[int, int]]) -> go.Scatter:
    middle = [left + max(len(_printed(token)), 1) / 2 for (left, _), token in zip(places, tokens, strict=True)]
    return go.Scatter(
        x=middle, y=[line for _, line in places], mode="text", text=[_printed(token) for token in tokens],
        textfont={"family": "DejaVu Sans Mono, monospace", "size": 11, "color": INK},
        customdata=np.stack([np.arange(len(tokens)), np.asarray(shares, dtype=float)], 1),
        hovertemplate="position %{customdata[0]}: %{customdata[1]:.1%} of what is raised<extra></extra>",
    )  # fmt: skip


def _places(tokens: Sequence[str]) -> list[tuple[int, int]]:
    """Left edge in characters and line of each token; a word that begins with a blank keeps a gap before it."""
    places, column, line = [], 0, 0
    for token in tokens:
        width = max(len(_printed(token)), 1)
        column += token[:1].isspace()
        if column + width > _PER_LINE:
            column, line = 0, line + 1
        places.append((column, line))
        column += width
    return places


def _printed(token: str) -> str:
    return token.strip().replace("\n", "⏎") or "·"
