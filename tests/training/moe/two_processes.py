"""A tiny mixture trained for `torchrun`: model, text and run folder are its arguments."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from training.moe.decoder import MoEShape
from training.moe.rules import Rules
from training.moe.train import MoETraining, train


def main(model: str, text: str, out: Path) -> None:
    """Train in `out`."""
    torch.set_num_threads(1)
    sizes = {"steps": 2, "batch": 4, "context": 96, "text_tokens": 4_000, "held_out_tokens": 384, "record_every": 1}
    train(MoETraining(model, MoEShape(4, 2), Rules(2, 1.0), text=text, **sizes), out, device="cpu")  # type: ignore[arg-type]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
