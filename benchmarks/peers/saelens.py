"""SAELens' own TopK trainers on activations in memory; run by the Python of an environment that has `sae-lens`.

Started by `benchmarks.peers.process` with one JSON object as its argument. Reads one JSON object a line,
{"sites": n, "steps": m}, runs that many steps of `SAETrainer.fit` (one site) or `MultiSAETrainer.fit` (several) and
answers {"seconds": s}. Everything is left at SAELens' defaults, the auxiliary loss for dead features too, which costs
nothing here as no feature can be dead within its first 1,000 steps.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import torch
from safetensors.torch import load_file


def trainer_for(batches: torch.Tensor, k: int, d_sae: int) -> Any:
    """A trainer of one dictionary a site on `batches`, [batch, site, row, d_in], over and over."""
    from sae_lens import SAETrainer, TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.config import SAETrainerConfig
    from sae_lens.training.multi_sae_trainer import MultiSAETrainer

    _, sites, rows, d_in = batches.shape
    # The trainer asks for an end of the learning rate; the default schedule, a constant, ignores it.
    config = SAETrainerConfig(total_training_samples=0, train_batch_size_samples=rows, lr_end=0.0)
    saes = {str(site): TopKTrainingSAE(TopKTrainingSAEConfig(d_in=d_in, d_sae=d_sae, k=k)) for site in range(sites)}
    if sites == 1:
        return SAETrainer(config, saes["0"], cycle(batches[:, 0]))
    stream: Iterator[dict[str, torch.Tensor]] = cycle([dict(zip(saes, batch, strict=True)) for batch in batches])
    return MultiSAETrainer(config, saes, {name: name for name in saes}, stream)


def fit_seconds(trainer: Any, steps: int) -> float:
    """Seconds of further `steps` of the trainer's own loop."""
    trainer.cfg.total_training_samples += steps * trainer.cfg.train_batch_size_samples
    began = time.perf_counter()
    trainer.fit()
    return time.perf_counter() - began


def main() -> None:
    """Answer requests until standard input ends."""
    import sae_lens

    given = json.loads(sys.argv[1])
    torch.set_num_threads(given["threads"])
    batches = load_file(given["activations"])["batches"]
    trainers: dict[int, Any] = {}
    print(json.dumps({"sae_lens": sae_lens.__version__, "torch": torch.__version__}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        sites = asked["sites"]
        if sites not in trainers:
            trainers[sites] = trainer_for(batches[:, :sites], given["k"], given["d_sae"])
        print(json.dumps({"seconds": fit_seconds(trainers[sites], asked["steps"])}), flush=True)


if __name__ == "__main__":
    main()
