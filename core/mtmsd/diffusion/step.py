"""One step of pretraining: gradients of a batch, computed by all threads, and the optimiser."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mtmsd.compute.arithmetic import Arithmetic
from mtmsd.compute.threads import parallel_map, shares
from mtmsd.diffusion.backbone import Backbone
from mtmsd.diffusion.loss import hybrid_loss
from mtmsd.diffusion.patches import Batch
from mtmsd.diffusion.schedule import CosineSchedule
from mtmsd.settings import PretrainSettings


def train_step(
    network: Backbone,
    schedule: CosineSchedule,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    device: torch.device,
    settings: PretrainSettings,
) -> tuple[Tensor, Tensor]:
    """One optimiser step; the mean squared error and the bound before it."""
    losses = set_gradients(network, schedule, batch, device, Arithmetic.of(settings))
    optimizer.step()
    return losses


def set_gradients(
    network: Backbone,
    schedule: CosineSchedule,
    batch: Batch,
    device: torch.device,
    form: Arithmetic,
) -> tuple[Tensor, Tensor]:
    """Give the parameters the gradients of a batch; its mean squared error and bound."""
    parameters, size = list(network.parameters()), len(batch.t)

    def learn(share: slice) -> tuple[Sequence[Tensor], Tensor, Tensor]:
        """Gradients of a share of the patches, and its part of the two means."""
        whole = (batch.x0, batch.t, batch.noise)
        x0, t, noise = (part[share].to(device, non_blocking=True) for part in whole)
        x_t = schedule.noised(x0, t, noise)
        with form.autocast(device):
            output = network(x_t.contiguous(memory_format=form.memory_format), t)
        losses = hybrid_loss(schedule, output, x0, x_t, t, noise)
        gradients = torch.autograd.grad(losses.total.sum() / size, parameters, allow_unused=True)
        return gradients, losses.mse.detach().sum() / size, losses.vb.detach().sum() / size

    gradients, mse, vb = zip(*parallel_map(learn, shares(size, device), device), strict=True)
    for parameter, *given in zip(parameters, *gradients, strict=True):
        parts = [part for part in given if part is not None]
        if parts:
            parameter.grad = _laid_out_as(parameter, sum(parts[1:], parts[0]))
        else:  # of another stage's decoder
            parameter.grad = None
    return sum(mse[1:], mse[0]), sum(vb[1:], vb[0])


def _laid_out_as(parameter: Tensor, gradient: Tensor) -> Tensor:
    """Return the gradient in the parameter's memory layout: Adam in one pass takes no other."""
    if gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter, requires_grad=False).copy_(gradient)
