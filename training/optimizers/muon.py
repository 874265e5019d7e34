"""Muon: momentum whose matrix updates are orthogonalised by Newton-Schulz steps (Jordan et al. 2024).

`torch.optim.Muon` runs the Newton-Schulz steps in bfloat16, which processors without bfloat16 arithmetic emulate at a
twentieth of the speed, and one matrix at a time. This one keeps float32 on CPU and stacks matrices of one shape into
one batched product. The update is scaled by sqrt(max(1, rows / columns)), so one learning rate fits all shapes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor

# Quintic coefficients of Jordan's write-up: steepest at zero, singular values end within [0.7, 1.2].
_A, _B, _C = 3.4445, -4.7750, 2.0315


def orthogonalised(
    matrices: Float[Tensor, "stack rows columns"], steps: int = 5
) -> Float[Tensor, "stack rows columns"]:
    """Each matrix with its singular values pushed close to one, its singular vectors kept."""
    wide = matrices.mT if matrices.shape[-2] > matrices.shape[-1] else matrices
    x = wide / (wide.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x.mT if matrices.shape[-2] > matrices.shape[-1] else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised; for the two-dimensional weights inside the blocks only."""

    def __init__(
        self, parameters: Iterable[Tensor], *, lr: float = 0.02, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[parameter.shape].append(parameter)
            for parameters in by_shape.values():
                self._update(parameters, group)

    def _update(self, parameters: list[Tensor], group: dict[str, float]) -> None:
        updates = []
        for parameter in parameters:
            state = self.state[parameter]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(parameter)
            state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
            assert parameter.grad is not None
            updates.append(parameter.grad.lerp(state["momentum"], group["momentum"]))
        rows, columns = parameters[0].shape
        scale = max(1.0, rows / columns) ** 0.5
        for parameter, update in zip(parameters, orthogonalised(torch.stack(updates)), strict=True):
            parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-group["lr"] * scale)
