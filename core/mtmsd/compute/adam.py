"""Adam without torch's optimizer class."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# the functional form, which torch.optim.adam exports too: the class imports torch's compiler
# when it is made, which takes 2 s, longer than many a training
from torch.optim.adam import adam


class Adam:
    """torch's Adam in one pass over all parameters, the same to the last bit."""

    def __init__(self, network: nn.Module) -> None:
        self.parameters: list[Tensor] = list(network.parameters())
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]
        self.steps = [torch.zeros((), device=p.device) for p in self.parameters]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Follow the gradients with that learning rate, and clear them."""
        every = zip(self.parameters, self.means, self.squares, self.steps)
        known = [(p, p.grad, *state) for p, *state in every if p.grad is not None]
        parameters, gradients, means, squares, steps = (list(part) for part in zip(*known))
        adam(
            parameters, gradients, means, squares, [], steps, fused=True,
            lr=rate, beta1=0.9, beta2=0.999, eps=1e-8,
            weight_decay=0.0, amsgrad=False, maximize=False,
        )  # fmt: skip
        for parameter in self.parameters:
            parameter.grad = None
