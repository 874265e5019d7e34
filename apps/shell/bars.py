"""Small bars as HTML and SVG: light enough for the first picture, readable on dark and light ground."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

UP, DOWN = "#1f78c8", "#dd5f28"


def sums_bar(sums: Mapping[str, float], *, value: float, residual: float, unit: str = "") -> str:
    """Each part of a sum as a signed bar, then what is missing from the true value."""
    limit = max([abs(part) for part in sums.values()] + [abs(value), 1e-9])
    rows = [_signed_row(name, part, limit) for name, part in sums.items()]
    exact = "adds up" if abs(residual) <= 1e-3 * limit else "does not add up"
    total = f"value {value:+.3f} {unit}".rstrip() + f" · residual {residual:+.1e} · {exact}"
    foot = f'<div style="font-size:.88rem;margin-top:.3rem">{escape(total)}</div>'
    return f'<div style="max-width:44rem">{"".join(rows)}{foot}</div>'


def _signed_row(name: str, part: float, limit: float) -> str:
    width = 50 * abs(part) / limit
    left = 50 if part >= 0 else 50 - width
    return (
        '<div style="display:grid;grid-template-columns:7rem 1fr 4.2rem;gap:.5rem;align-items:center;font-size:.88rem">'
        f"<span>{escape(name)}</span>"
        '<span style="position:relative;height:.85rem;'
        'background:linear-gradient(currentColor,currentColor) 50%/1px 100% no-repeat">'
        f'<span style="position:absolute;left:{left:.2f}%;width:{width:.2f}%;height:100%;'
        f'background:{UP if part >= 0 else DOWN}">'
        f'</span></span><span style="text-align:right">{part:+.3f}</span></div>'
    )


def share_bars(shares: Mapping[str, float], *, title: str) -> str:
    """Values between 0 and 1 as thin columns with their names below."""
    bars = "".join(
        f'<div style="flex:1 0 1.1rem;text-align:center" title="{escape(name)}: {share:.1%}">'
        '<div style="height:3.6rem;display:flex;align-items:end">'
        f'<div style="width:100%;height:{100 * share:.1f}%;min-height:1px;background:{UP}"></div></div>'
        f'<div style="font-size:.68rem;opacity:.75">{escape(name)}</div></div>'
        for name, share in shares.items()
    )
    head = f'<div style="font-size:.85rem;opacity:.8">{escape(title)}</div>'
    return f'{head}<div style="display:flex;gap:1px;overflow-x:auto;max-width:60rem">{bars}</div>'


def columns(heights: Iterable[float], *, title: str, ends: tuple[str, str]) -> str:
    """Thin columns of heights between 0 and 1 over an axis with a name at either end."""
    bars = "".join(f'<div style="flex:1;height:{100 * height:.1f}%;background:{UP}"></div>' for height in heights)
    return (
        f'<div style="max-width:30rem;font-size:.82rem" role="img" aria-label="{escape(title)}">'
        f'<div style="opacity:.8">{escape(title)}</div><div style="display:flex;align-items:end;gap:1px;height:4rem;'
        f'border-bottom:1px solid currentColor">{bars}</div><div style="display:flex;justify-content:space-between;'
        f'opacity:.7"><span>{escape(ends[0])}</span><span>{escape(ends[1])}</span></div></div>'
    )
