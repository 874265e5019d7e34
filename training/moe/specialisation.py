"""What experts read: the tokens each of them gets, the domains of its texts, and which two of them get the same tokens.

All of one layer. Tokens of a text are alike, so that thousands of rows of three texts say little about a domain: how sure
a domain's share is follows from how much its texts differ, not from its rows (the usual variance of a ratio under cluster
sampling, as in Cochran's Sampling Techniques, chapter 9; the bounds on rows and texts are our choice).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

_TOKEN = ["sequence", "position"]
NO_DOMAIN = "no domain"
"""Name of all texts of which none is known."""
FEWEST_ROWS, FEWEST_TEXTS = 5, 2
"""Rows that chance would give an expert of a domain, and texts of it, below which nothing is said of how sure a share is."""


def top_tokens(routes: pd.DataFrame, expert: int, most: int = 20) -> pd.DataFrame:
    """Tokens that an expert reads most: `count`, `share` of the token's occurrences that it reads, mean `probability`.

    `lift` is the share over the expert's share of all rows. Stand-ins count as reading, refused choices do not.
    """
    read = routes[routes["kept"] | routes["filled"] | routes["rectified"]]
    own = read[read["expert"] == expert]
    occurrences = routes.drop_duplicates(_TOKEN).groupby("token").size()
    found = own.groupby("token").agg(count=("token", "size"), probability=("probability", "mean"))
    found["share"] = own.drop_duplicates(_TOKEN).groupby("token").size() / occurrences.reindex(found.index)
    base = len(own.drop_duplicates(_TOKEN)) / max(int(occurrences.sum()), 1)
    found["lift"] = found["share"] / base if base else np.nan
    return found.sort_values(["count", "lift"], ascending=False).head(most).reset_index()


def domains_read(reads: pd.DataFrame, domains: pd.Series) -> pd.DataFrame:
    """What each expert reads of each domain, a row an (expert, domain), the largest domains first.

    `reads` is `Records.reads`, `domains` the texts' own. `share` is that of the domain in the expert's `rows`, `overall`
    that in the rows of all experts, taken as known, `lift` the one over the other, with its 95 % interval from `low` to
    `high`, NaN where texts or rows are too few to tell; `texts` are those of the domain. Empty where nothing is read.
    """
    if reads.empty:
        return pd.DataFrame()
    rows = reads.sum(axis=1)
    names = domains.reindex(reads.index).fillna(NO_DOMAIN).to_numpy()
    own, sizes = reads.groupby(names).sum(), rows.groupby(names).sum()
    rate, usual, texts = own.div(sizes, axis=0), reads.sum() / rows.sum(), rows.groupby(names).size()
    lift, half = rate / usual, _half_widths(reads, rows, names) / usual
    sure = pd.DataFrame(np.outer(sizes, usual) >= FEWEST_ROWS, own.index, own.columns).mul(texts >= FEWEST_TEXTS, axis=0)
    half = half.where(sure)
    tables = {"rows": own, "share": own / reads.sum(), "lift": lift, "low": (lift - half).clip(lower=0), "high": lift + half}
    order = sizes.sort_values(ascending=False, kind="stable").index
    long = {name: table.loc[order].T.stack(future_stack=True) for name, table in tables.items()}
    found = pd.DataFrame(long).rename_axis(["expert", "domain"]).reset_index()
    return found.assign(overall=found["domain"].map(sizes / rows.sum()), texts=found["domain"].map(texts))


def _half_widths(reads: pd.DataFrame, rows: pd.Series, names: np.ndarray) -> pd.DataFrame:
    """Of the 95 % intervals of each expert's share in the rows of a domain, by the squares of what its texts are off."""
    from scipy.stats import t

    texts, sizes = rows.groupby(names).size(), rows.groupby(names).sum()
    rate, free = reads.groupby(names).sum().div(sizes, axis=0), (texts - 1).clip(lower=1)
    off = reads - rate.loc[names].to_numpy() * rows.to_numpy()[:, None]
    quantiles = pd.Series(t.ppf(0.975, free), free.index)
    return np.sqrt((off**2).groupby(names).sum().mul(texts / free, axis=0)).mul(quantiles / sizes, axis=0)


def co_activation(routes: pd.DataFrame, experts: int) -> pd.DataFrame:
    """Tokens that two experts both read, over what choices independent of each other would give; NaN on the diagonal.

    Of routes with a slot; expected is reads(a) x reads(b) / tokens, scaled so that the pairs add up.
    """
    read = routes[routes["kept"] | routes["filled"]]
    token = read.groupby(_TOKEN, sort=False).ngroup().to_numpy()
    hot = np.zeros((int(token.max()) + 1 if len(token) else 0, experts))
    hot[token, read["expert"].to_numpy()] = 1
    together = hot.T @ hot
    alone = np.diag(together)
    expected = np.outer(alone, alone)
    np.fill_diagonal(together, np.nan)
    np.fill_diagonal(expected, np.nan)
    scale = np.nansum(together) / max(float(np.nansum(expected)), 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = together / (expected * scale)
    return pd.DataFrame(ratio, index=range(experts), columns=range(experts))
