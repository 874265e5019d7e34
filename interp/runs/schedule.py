"""Learning-rate schedule: warm-up, constant, decay.

The constant part is open-ended, so a run can be prolonged from the state before its decay (Hägele et al. 2024,
arXiv 2405.18392); the decay is linear to zero.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Factor on the peak learning rate for each step of a run of `steps` steps."""

    steps: int
    """Length of the whole run."""
    warmup: int
    """Steps of the linear rise from 0."""
    decay: int
    """Steps of the linear fall to 0 at the end."""

    def __post_init__(self) -> None:
        if self.warmup + self.decay > self.steps:
            raise ValueError(f"warm-up {self.warmup} and decay {self.decay} exceed the run's {self.steps} steps")

    @classmethod
    def of(cls, steps: int, warmup: int, decay_share: float) -> Schedule:
        """Decay over a share of the run; the warm-up takes a tenth of a short run at most."""
        return cls(steps, min(warmup, steps // 10), round(decay_share * steps))

    @property
    def decay_start(self) -> int:
        """First step of the decay: a checkpoint taken here can be prolonged."""
        return self.steps - self.decay

    def factor(self, step: int) -> float:
        """Factor at `step` (0-based); never zero before the run's end."""
        rise = (step + 1) / max(self.warmup, 1)
        fall = (self.steps - step) / max(self.decay, 1)
        return min(1.0, rise, fall)
