"""The frame of an app: page settings, title line with badges, messages that stay for one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from html import escape
from typing import ParamSpec, TypeVar

import streamlit as st

from apps.shell import boards
from interp.runs.errors import UserError

_STYLE = (
    f"""<style>{boards.STYLE}</style>"""
    + """<style>
[data-testid="stMainBlockContainer"] {padding-top: 1.6rem; padding-bottom: 2rem; max-width: 1500px}
[data-testid="stMainBlockContainer"] > [data-testid="stVerticalBlock"] {gap: .7rem}
.lab-title {display: flex; flex-wrap: wrap; align-items: baseline; gap: .3rem .6rem; line-height: 1.3}
.lab-title b {font-size: 1.35rem; font-weight: 650}
.lab-title span {opacity: .75; font-size: .95rem}
.lab-badge {border: 1px solid currentColor; border-radius: 1rem; padding: 0 .55rem; font-size: .78rem; opacity: .7}
.lab-note code {font-size: .95em}
.lab-note {font-size: .86rem; opacity: .78; line-height: 1.35}
@media (max-width: 640px) {
  [data-testid="stMainBlockContainer"] {padding-left: .8rem; padding-right: .8rem}
  .lab-title b {font-size: 1.15rem}
}
</style>"""
)

_PROBLEMS = "_problems"
_Asked = ParamSpec("_Asked")
_Opened = TypeVar("_Opened")


def begin(title: str) -> None:
    """Settings and style of the page; the first call of a script."""
    st.set_page_config(page_title=title, layout="wide", initial_sidebar_state="collapsed")
    st.html(_STYLE)


def title_line(title: str, subtitle: str, badges: Sequence[str]) -> None:
    """Name of the app, one sentence, and short facts about what is shown."""
    marks = "".join(f'<span class="lab-badge">{escape(badge)}</span>' for badge in badges)
    st.html(f'<div class="lab-title"><b>{escape(title)}</b><span>{escape(subtitle)}</span>{marks}</div>')


def note(text: str) -> None:
    """A small line of explanation, shown as plain text; what stands between backticks is code."""
    parts = [f"<code>{escape(part)}</code>" if odd % 2 else escape(part) for odd, part in enumerate(text.split("`"))]
    st.html(f'<div class="lab-note">{"".join(parts)}</div>')


def report(problem: str) -> None:
    """Keep one sentence about bad input for the next `show_problems`."""
    st.session_state.setdefault(_PROBLEMS, []).append(problem)


def opened(asked: Callable[[], str], opener: Callable[[str], _Opened]) -> _Opened | None:
    """What was asked for, or else, with a sentence about why, what comes with the package, which is opened by ''."""
    try:
        return opener(asked().strip())
    except UserError as error:
        report(f"{error}.")
    try:
        return opener("")
    except UserError as error:
        report(f"{error}.")
        return None


def guarded(panel: Callable[_Asked, None]) -> Callable[_Asked, None]:
    """The panel, which tells of bad input in its own place, so that the others are drawn."""

    @wraps(panel)
    def shown(*args: _Asked.args, **named: _Asked.kwargs) -> None:
        try:
            panel(*args, **named)
        except UserError as error:
            st.error(plain(f"{error}."), icon=":material/error:")

    return shown


def show_problems() -> None:
    """Show what was reported since the last run, as plain text, and forget it."""
    for problem in st.session_state.pop(_PROBLEMS, []):
        st.error(plain(problem), icon=":material/error:")


def plain(text: str) -> str:
    """Text that Markdown shows literally."""
    return "".join(f"\\{mark}" if mark in r"\`*_{}[]()<>#+-.!|$:~" else mark for mark in text)
