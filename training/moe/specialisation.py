"""What experts read: the tokens each of them gets, and which two of them get the same ones (routes of one layer)."""

from __future__ import annotations

import numpy as np
import pandas as pd

_TOKEN = ["sequence", "position"]


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
