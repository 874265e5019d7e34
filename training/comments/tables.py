"""Comment density of a corpus from that of its files: micro (all characters together) and macro (mean over files)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def summary(table: pd.DataFrame) -> dict[str, Any]:
    """Density of the files that were read, of all and by language, the languages with most characters first.

    Keys: density (micro), macro, density_without_licences, macro_without_licences, files, characters, by_language,
    skipped_files. Densities are None where no file was read.
    """
    read = table[table["reason"].isna()]
    groups = {str(name): _densities(one) for name, one in read.groupby("language")}
    by_size = dict(sorted(groups.items(), key=lambda item: -item[1]["characters"]))
    return {**_densities(read), "by_language": by_size, "skipped_files": int(table["reason"].notna().sum())}


def _densities(read: pd.DataFrame) -> dict[str, Any]:
    sums = read[["characters", "comment", "licence", "header"]].sum()
    written = read[read["characters"] > 0]
    bare = read[read["characters"] > read["header"]]
    shares = written["comment"] / written["characters"]
    bare_shares = (bare["comment"] - bare["licence"]) / (bare["characters"] - bare["header"])
    return {
        "density": _ratio(sums["comment"], sums["characters"]),
        "macro": float(shares.mean()) if len(written) else None,
        "density_without_licences": _ratio(sums["comment"] - sums["licence"], sums["characters"] - sums["header"]),
        "macro_without_licences": float(bare_shares.mean()) if len(bare) else None,
        "files": len(read),
        "characters": int(sums["characters"]),
    }


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
