"""Panel E, further: which domains the experts of a layer read, over the steps that are looked at."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from apps.moe_panels.view import View
from apps.shell.charts import chart
from apps.shell.page import note
from interp.figures.moe import domain_shares
from training.moe.specialisation import FEWEST_ROWS, FEWEST_TEXTS

MOST_DRAWN = 24
"""Domains in the chart, the largest."""
_INTERVAL = "End of the lift's 95 % interval, from how much the domain's texts differ; none where they or rows are few."
_COLUMNS = ("domain", "rows", "share", "overall", "lift", "low", "high", "texts")


def table(view: View) -> pd.DataFrame:
    """A row an (expert, domain), as recorded; empty where no domain is known."""
    return view.traffic.domains(view.steps, view.layer)


def show(view: View) -> None:
    """Draw the shares of all experts, and list the chosen one's."""
    found = table(view)
    if not len(view.traffic.records.domains):
        note("Domains of texts are not in these records: `interp moe record --domain-column source` keeps them.")
        return
    if found.empty:
        note("Of these steps no layer's routes were kept, only counts.")
        return
    names = found["domain"].unique()
    drawn = found[found["domain"].isin(names[:MOST_DRAWN])]
    _, experts = view.traffic.sizes(view.step, view.layer)
    chart(domain_shares(drawn, experts=experts, title=f"Domains that experts of layer {view.layer} read"), key="domains")
    steps = [step for step in view.traffic.records.routed_steps if view.steps[0] <= step <= view.steps[1]]
    of = f"step {steps[0]}" if len(steps) == 1 else f"{len(steps)} steps, {steps[0]} to {steps[-1]}"
    rest = f" The largest {MOST_DRAWN} of {len(names)} domains are drawn." if len(names) > MOST_DRAWN else ""
    note(
        f"As recorded in {of}: the domain's share of an expert's rows; blue is above its share of all rows, orange below, "
        "where the 95 % interval of the one over the other leaves 1 out (of cells without any preference one in twenty is "
        "coloured by chance). White: the domain's texts differ too much to tell. "
        f"×: fewer than {FEWEST_TEXTS} texts, or than {FEWEST_ROWS} rows by chance.{rest}"
    )
    own = found[found["expert"] == view.expert]
    note(f"What expert {view.expert} reads, by domain")
    st.dataframe(
        own[list(_COLUMNS)], key="domains-of-expert", hide_index=True, height=min(36 * (len(own) + 1) + 2, 220),
        column_config={
            "rows": st.column_config.NumberColumn(help="Tokens of the domain that the expert reads."),
            "share": st.column_config.NumberColumn(format="percent", help="Of the expert's rows."),
            "overall": st.column_config.NumberColumn("of all", format="percent", help="Share in the rows of all experts."),
            "lift": st.column_config.NumberColumn(format="%.2f", help="The one share over the other."),
            "low": st.column_config.NumberColumn(format="%.2f", help=_INTERVAL),
            "high": st.column_config.NumberColumn(format="%.2f", help=_INTERVAL),
            "texts": st.column_config.NumberColumn(help="Texts of the domain that were read."),
        },
    )  # fmt: skip
