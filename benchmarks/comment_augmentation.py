"""One round of self-augmentation at the size of a CPU: does a model gain by reading the comments it wrote itself?

The shipped model comments 300 functions and classes of installed packages whose authors' comments were taken out with
proof; what the filters accept it reads by low-rank adapters, with its comments or without, on equally many tokens, two
seeds each. Its loss is measured on functions of packages held out. The round is kept in `runs/comment_augmentation` and
taken up where it was left.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.harness import arguments, publish
from training.comments.augmentation import Augmentation, augment
from training.comments.augmentation_pieces import PieceOptions
from training.comments.reading import Reading

NOTE = (
    "A round at the size of a CPU, not the paper's: short functions and classes (150 to 700 characters) of the standard "
    "library and installed packages, code that the shipped model may have met in its own training. `plain` and `augmented` "
    "read the same accepted files, without and with the comments that the model wrote, and equally many tokens, so `plain` "
    "reads the code more often (`passes`). Loss is nats a token on tokens that hold code, of held-out packages, each file "
    "read with its authors' comments (`commented`) and without (`bare`). `gain` is plain minus augmented within a seed, its "
    "interval a 95 % bootstrap interval over packages; `gain_least` and `gain_most` are of single seeds."
)


def measure(out: Path, settings: Augmentation) -> dict[str, Any]:
    """The round's results, its settings named."""
    found = augment(out, settings, engine="inline")
    return {"note": NOTE, "model": settings.model, **found}


def main() -> None:
    """Do the round and write the result."""
    given = arguments(__doc__).parse_args()
    quick = Augmentation(pieces=PieceOptions(files=4, held_out=2), reading=Reading(tokens=1_024), seeds=1)
    out = Path("runs") / ("comment_augmentation_quick" if given.quick else "comment_augmentation")
    publish("comment_augmentation", measure(out, quick if given.quick else Augmentation()), quick=given.quick, seed=0)


if __name__ == "__main__":
    main()
