"""Learning the classes: every member of the ensemble by Adam, with a cosine."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mtmsd.classify.head import draw_from
from mtmsd.classify.network import Network, Streams, seeded_network
from mtmsd.compute.adam import Adam
from mtmsd.compute.threads import parallel_map
from mtmsd.errors import MachineError
from mtmsd.features.stages import NEIGHBOURHOODS
from mtmsd.reporting import Reporter
from mtmsd.settings import ClassifierSettings

LAST_RATE = 5e-6
"""Where the cosine of the learning rate ends."""


@dataclass(frozen=True)
class Learner:
    """Trains the ensemble's members on the same samples, on the CPU some of them in parallel.

    Attributes
    ----------
    streams : Streams
        Of n samples.
    targets : int64 Tensor (n,)
    weights : float32 Tensor (n,)
    done : dict
        Steps by member, for the report.
    """

    streams: Streams
    targets: Tensor
    weights: Tensor
    settings: ClassifierSettings
    classes: int
    reporter: Reporter
    stages: tuple[int, ...] = ()
    """How many channels of each stage the local stream has."""
    done: dict[int, int] = field(default_factory=dict, init=False)
    lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def ensemble(self, seed: int) -> list[Network]:
        """Train all members; they begin with weights of their own."""
        components = self.streams.spectrum.shape[-1] // len(NEIGHBOURHOODS)
        seeds = range(seed, seed + self.settings.members)
        networks = [
            seeded_network(self.settings, components, self.classes, own, self.stages)
            for own in seeds
        ]
        return parallel_map(self._train, zip(seeds, networks), self.targets.device)

    def _train(self, given: tuple[int, Network]) -> Network:
        """Adam with a cosine over all steps; the network comes back in evaluation mode."""
        seed, network = given
        settings, device = self.settings, self.targets.device
        network = network.to(device).train()
        optimizer = Adam(network)
        batches = self._batches(seed)
        draw_from(network, torch.Generator(device).manual_seed(seed))
        for step, batch in enumerate(batches):
            loss = self._loss(network, batch)
            loss.backward()
            optimizer.step(_rate(settings.learning_rate, step / len(batches)))
            if step % 20 == 0:
                self._report(seed, step, len(batches), float(loss.detach()))
        draw_from(network, None)
        return network.eval()

    def _loss(self, network: Network, batch: Tensor) -> Tensor:
        scores = network(self.streams.at(batch))[:, 0]
        targets = self.targets[batch, None].expand(-1, scores.shape[1])
        losses = F.cross_entropy(scores.transpose(1, 2), targets, reduction="none").sum(1)
        weights = self.weights[batch]
        return (losses * weights).sum() / weights.sum()

    def _batches(self, seed: int) -> list[Tensor]:
        """All epochs' batches; of even sizes, so that none is too small to normalise."""
        settings, n = self.settings, len(self.targets)
        rng = np.random.default_rng(seed)
        count = settings.samples_per_epoch or n
        parts = max(1, round(min(count, n) / settings.batch_size))
        passes = max(1, round(settings.epochs * count / min(count, n)))
        return [
            torch.from_numpy(part).to(self.targets.device)
            for _ in range(passes)
            for part in np.array_split(rng.permutation(n)[:count], parts)
        ]

    def _report(self, seed: int, step: int, steps: int, loss: float) -> None:
        if not math.isfinite(loss):
            raise MachineError(
                f"Training diverged: the loss is {loss}.",
                hint="Lower classifier.learning_rate.",
                code="diverged",
            )
        with self.lock:
            self.done[seed] = step
            done = sum(self.done.values())
            self.reporter.metric(done, "classification loss", loss)
            self.reporter.progress(done, self.settings.members * steps, "step")


def _rate(peak: float, done: float) -> float:
    return LAST_RATE + (peak - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * done))
