"""Do comments in what a model reads help it to write code? Four densities, two controls, five seeds in pairs.

Decoders of three hundred thousand weights read template code with 0, 10, 20 and 30 % of its characters in comments, are
then tuned on the same 2,000 tasks each, and write functions for intents whose templates, in that order, they never saw.
Unit tests in the sandbox decide. Sizes were chosen in pilots of one seed, so that pass rates are neither none nor all.
Trained runs are kept in `runs/comment_density` and taken up where they were left.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.harness import arguments, publish
from training.comments.density_experiment import DensityExperiment, experiment, summary
from training.comments.density_training import DensityTraining
from training.sandbox.run import available

NOTE = (
    "Decoders trained from scratch on template code. `code`: the same programs at every density, so comments are read on "
    "top; `total`: the same number of tokens, so comments take the place of programs. `gain` is the difference to no "
    "comments within a seed; intervals are 95 % t intervals over seeds."
)


def measure(out: Path, settings: DensityExperiment) -> dict[str, Any]:
    """Pass rates of held-out intents at every density and control, with intervals."""
    table = summary(experiment(out, settings))
    return {
        "note": NOTE,
        "tasks": settings.training.test_tasks,
        "tuning_tasks": settings.training.tuning_tasks,
        "isolation": available(),
        "densities": table.to_dict("records"),
    }


def main() -> None:
    """Train, measure and write the result."""
    given = arguments(__doc__).parse_args()
    small = DensityTraining(programs=300, tuning_tasks=20, tuning_steps=5, test_tasks=10, layers=1, d_model=32, heads=2)
    settings = DensityExperiment((0.0, 0.3), 2, small) if given.quick else DensityExperiment()
    out = Path("runs") / ("comment_density_quick" if given.quick else "comment_density")
    publish("comment_density_training", measure(out, settings), quick=given.quick, seed=0)


if __name__ == "__main__":
    main()
