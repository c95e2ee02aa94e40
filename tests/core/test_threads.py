"""Threads that compute side by side change how long a job takes, and nothing else."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from mtmsd.classify.classifier import Classifier, load_classifier
from mtmsd.classify.training import TrainingSet
from mtmsd.compute import threads as threads
from mtmsd.diffusion.patches import Batch
from mtmsd.diffusion.pretrain import train_step
from mtmsd.diffusion.schedule import CosineSchedule
from mtmsd.diffusion.unet import UNet
from mtmsd.labels.read import read_labels
from mtmsd.mapping.runtimes import runtime_on
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene
from mtmsd.settings import PretrainSettings

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three threads, although the tests run torch with one."""
    main = threading.main_thread()
    monkeypatch.setattr(
        torch, "get_num_threads", lambda: 3 if threading.current_thread() is main else 1
    )


def test_results_come_in_order_from_several_threads(three: None) -> None:
    """Each item is worked on once, by another thread than the caller's."""
    meeting = threading.Barrier(3, timeout=20)

    def work(item: int) -> tuple[int, str]:
        meeting.wait()  # passes only if three are under way at once
        return item, threading.current_thread().name

    found = threads.parallel_map(work, range(3), CPU)
    assert [item for item, _ in found] == [0, 1, 2]
    assert len({name for _, name in found}) == 3


@pytest.mark.parametrize(("items", "each"), [(1, 6), (2, 3), (3, 2), (4, 2), (6, 1), (9, 1)])
def test_all_threads_work_whatever_the_number_of_items(items: int, each: int) -> None:
    """Where items are fewer than threads, each is computed by several."""
    code = (
        "import torch; torch.set_num_threads(6)\n"
        "from mtmsd.compute.threads import parallel_map\n"
        "cpu = torch.device('cpu')\n"
        "count = lambda _: torch.get_num_threads()\n"
        f"print(parallel_map(count, range({items}), cpu))\n"
        f"inner = lambda _: len(parallel_map(count, range(9), cpu)) * [torch.get_num_threads()]\n"
        f"print(parallel_map(inner, range({items}), cpu)[0][0], torch.get_num_threads())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [str([each] * items), f"{each} 6"]


def test_work_inside_of_work_stays_in_its_thread(three: None) -> None:
    """No thread waits for one that is not free."""

    def outer(item: int) -> bool:
        (inner,) = threads.parallel_map(lambda _: threading.get_ident(), [0], CPU)
        return inner == threading.get_ident()

    assert all(threads.parallel_map(outer, range(9), CPU))


def test_an_error_is_the_workers_own(three: None) -> None:
    """The caller sees the exception that the work raised."""
    with pytest.raises(ZeroDivisionError):
        threads.parallel_map(lambda item: 1 / item, [1, 0, 2], CPU)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 8, 100])
def test_shares_cover_everything_once(three: None, count: int) -> None:
    """No thing is left out, none is done twice, and no share is two larger than another."""
    found = threads.shares(count, CPU)
    assert [i for share in found for i in range(count)[share]] == list(range(count))
    sizes = [share.stop - share.start for share in found]
    assert len(found) <= 3
    assert max(sizes) - min(sizes) <= 1


def test_threads_leave_the_callers_number_as_it_is() -> None:
    """A worker computes with one thread; the process that asked keeps its own number."""
    code = (
        "import torch; torch.set_num_threads(2)\n"
        "from mtmsd.compute.threads import parallel_map\n"
        "print(parallel_map(lambda _: torch.get_num_threads(), range(4), torch.device('cpu')))\n"
        "print(torch.get_num_threads())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[1, 1, 1, 1]", "2"]


def test_a_step_of_pretraining_is_the_same(request: pytest.FixtureRequest) -> None:
    """Gradients of the shares add up to those of the batch."""
    torch.manual_seed(0)
    patches = torch.randn(5, 4, 16, 16)
    batch = Batch(patches, torch.randint(0, 1000, (5,)), torch.randn_like(patches))
    settings = PretrainSettings(precision="fp32")

    def stepped() -> tuple[UNet, list[float]]:
        torch.manual_seed(1)
        network = UNet(4, 32).train()
        for parameter in network.parameters():  # what begins with 0 would hide the others
            torch.nn.init.normal_(parameter, std=0.05)
        optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
        losses = train_step(network, CosineSchedule(), optimizer, batch, CPU, settings)
        return network, [float(loss) for loss in losses]

    alone, alone_losses = stepped()
    request.getfixturevalue("three")
    together, together_losses = stepped()
    assert together_losses == pytest.approx(alone_losses, rel=1e-5)
    for one, other in zip(alone.parameters(), together.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_training_and_mapping_are_the_same(request: pytest.FixtureRequest, trained: Path) -> None:
    """Members that learn side by side are those that learn one after the other."""
    scene = Scene.open(trained / "scene.tif")
    labels = read_labels(next(trained.glob("*.gpkg")), scene)
    given = load_classifier(trained / "classifier.safetensors")
    assert isinstance(given, Classifier)
    settings = dataclasses.replace(given.settings, members=3, precision="fp32")

    def learnt() -> tuple[Classifier, np.ndarray]:
        samples = TrainingSet.extract(
            scene, labels, given.model, settings, device=CPU, seed=0, reporter=Reporter()
        )
        return samples.fit(seed=0, reporter=Reporter()), samples.samples.local.numpy()

    alone, features = learnt()
    tiles = torch.randn(7, given.model.whitening.components, *[given.model.patch_size] * 2)
    votes = runtime_on(alone, CPU).votes(list(tiles), compare=True)
    request.getfixturevalue("three")
    together, same_features = learnt()
    np.testing.assert_allclose(same_features, features, rtol=1e-2, atol=1e-3)
    for one, other in zip(alone.members, together.members, strict=True):
        for name, weights in one.state_dict().items():
            torch.testing.assert_close(other.state_dict()[name], weights, rtol=1e-2, atol=1e-3)
    same_votes = runtime_on(alone, CPU).votes(list(tiles), compare=True)
    torch.testing.assert_close(same_votes, votes, rtol=1e-4, atol=1e-5)
