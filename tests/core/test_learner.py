"""How the members of the ensemble learn."""

from __future__ import annotations

import copy
import dataclasses
import subprocess
import sys

import pytest
import torch
from mtmsd.classify.learner import Adam, Learner
from mtmsd.classify.network import Streams
from mtmsd.reporting import Reporter
from mtmsd.settings import PRESETS
from torch import nn

pytestmark = pytest.mark.slow


def test_adam_is_torchs_to_the_last_bit() -> None:
    """The same gradients lead to the same weights."""
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Linear(30, 20), nn.ReLU(), nn.Linear(20, 5))
    theirs, x = copy.deepcopy(ours), torch.randn(9, 30)
    adam, optimizer = Adam(ours), torch.optim.Adam(theirs.parameters(), fused=True)
    for step in range(30):
        rate = 0.01 / (step + 1)
        ours(x).pow(2).sum().backward()
        adam.step(rate)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        theirs(x).pow(2).sum().backward()
        optimizer.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)


def test_learning_does_not_import_the_compiler() -> None:
    """It would take longer than many a training."""
    code = (
        "import sys, torch\n"
        "from mtmsd.classify.learner import Adam\n"
        "network = torch.nn.Linear(3, 2)\n"
        "network(torch.ones(1, 3)).sum().backward()\n"
        "Adam(network).step(0.1)\n"
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


class _Progress(Reporter):
    def __init__(self) -> None:
        self.seen: list[float] = []

    def progress(self, done: float, total: float, unit: str) -> None:
        """Keep what is told."""
        self.seen.append(done)
        assert done <= total


@pytest.mark.parametrize("threads", [1, 2])
def test_progress_never_goes_back(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    """However many members learn at once, the steps of all are counted together."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    settings = dataclasses.replace(
        PRESETS["quick"].classifier, members=3, channels=8, samples_per_epoch=256, epochs=25
    )
    steps, n = len(settings.timesteps), 40
    torch.manual_seed(0)
    streams = Streams(
        torch.randn(n, 1, steps, 8), torch.randn(n, steps, 8), torch.randn(n, 1, 3 * 4)
    )
    progress = _Progress()
    learner = Learner(
        streams, torch.arange(n) % 2, torch.ones(n), settings, classes=2, reporter=progress
    )
    assert len(learner.ensemble(0)) == 3
    assert len(progress.seen) > 9
    assert progress.seen == sorted(progress.seen)
