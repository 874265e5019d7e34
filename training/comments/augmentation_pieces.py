"""The code of a round of augmentation: short functions and classes whose authors' comments are taken out with proof.

    <out>/pieces.parquet    name, source, language, split, bare, commented
    <out>/code/             the bare pieces of the sources that are not held out, a file each

Whole sources are held out (a package, a module of the standard library). A piece that nearly repeats another is left out,
so that code which two packages hold is on one side alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.corpora.document import split_of
from interp.runs.atomic import write_frame, write_text
from interp.runs.errors import UserError
from training.comments.instructions import InstructionOptions, commented_pieces, source_of, written_files
from training.sampling.duplicates import near_duplicates

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = ("name", "source", "language", "split", "bare", "commented")


@dataclass(frozen=True)
class PieceOptions:
    """Which pieces are taken; all defaults are ours."""

    files: int = 300
    """To be augmented."""
    held_out: int = 40
    """To be measured on."""
    shortest: int = 150
    longest: int = 700
    """Characters without comments."""
    least_density: float = 0.1
    """Of the authors' comments."""


def pieces(folders: Sequence[Path] | None, out: Path, options: PieceOptions) -> pd.DataFrame:
    """The pieces of a run, chosen when it begins. Raises UserError where either side has none."""
    import pandas as pd

    place = out / "pieces.parquet"
    if place.exists():
        return pd.read_parquet(place)
    found = _chosen(folders, options)
    for piece in found[found.split == "train"].itertuples():
        write_text(out / "code" / str(piece.name), str(piece.bare))
    write_frame(place, found)
    return found


def _chosen(folders: Sequence[Path] | None, options: PieceOptions) -> pd.DataFrame:
    import pandas as pd

    lengths = {"shortest": options.shortest, "longest": options.longest, "per_file": 1}
    wanted = {"train": options.files, "held-out": options.held_out}
    rows: dict[str, list[dict[str, Any]]] = {split: [] for split in wanted}

    def wanting() -> Iterator[Path]:
        for path in written_files(folders):
            split = split_of(source_of(path))
            if len(rows[split]) < _with_spare(wanted[split]):
                yield path

    for row in commented_pieces(wanting(), InstructionOptions(least_density=options.least_density, **lengths)):
        rows[split_of(row["source"])].append(row)
    both = [(split, row) for split in wanted for row in rows[split]]
    kept = near_duplicates(row["input"] for _, row in both) < 0
    told = [_piece(number, split, row) for number, ((split, row), keep) in enumerate(zip(both, kept, strict=True)) if keep]
    frame = pd.DataFrame(told, columns=list(_COLUMNS))
    chosen = pd.concat([frame[frame.split == split].head(count) for split, count in wanted.items()], ignore_index=True)
    if missing := [split for split in wanted if split not in set(chosen.split)]:
        raise UserError(
            f"the sources hold no commented function of {options.shortest} to {options.longest} characters on the "
            f"{' or '.join(missing)} side; sources are packages, of which one in twelve is held out"
        )
    return chosen


def _with_spare(count: int) -> int:
    """Pieces to look at for so many that repeat none."""
    return count + count // 4 + 1


def _piece(number: int, split: str, row: dict[str, Any]) -> dict[str, Any]:
    name = f"{number:05d}{row['of'].suffixes[0]}"
    return {"name": name, "source": row["source"], "language": row["language"], "split": split,
            "bare": row["input"], "commented": row["output"]}  # fmt: skip
