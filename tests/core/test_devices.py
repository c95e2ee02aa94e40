"""Devices other than the processor: what they refuse is not asked of them, and failures are told.

No such device is here; :mod:`stand_in` refuses what a real one refuses.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import rasterio
import torch
from mtmsd.classify.attention import fusion_weights
from mtmsd.classify.classifier import Classifier, load_classifier
from mtmsd.classify.training import TrainingSet
from mtmsd.cli.main import main
from mtmsd.commands.devices import on_device
from mtmsd.compute import device as device_module
from mtmsd.compute.arithmetic import Arithmetic
from mtmsd.diffusion import devices
from mtmsd.diffusion.checkpoint import Checkpoints
from mtmsd.diffusion.patches import Batch
from mtmsd.diffusion.schedule import CosineSchedule
from mtmsd.diffusion.step import train_step
from mtmsd.diffusion.unet import UNet
from mtmsd.errors import InputError, MachineError
from mtmsd.labels.read import read_labels
from mtmsd.mapping import tiles
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene
from mtmsd.settings import PretrainSettings
from running import TINY, words
from stand_in import DEVICE, OnDevice, StandIn

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
SETTINGS = PretrainSettings(precision="fp32")


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    """The device, and no memory of what failed on it before."""
    devices.training_failure.cache_clear()
    with StandIn() as device:
        yield device
    devices.training_failure.cache_clear()


@pytest.fixture
def broken_device(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A device that is listed and on which no training step works."""
    devices.training_failure.cache_clear()
    monkeypatch.setattr(devices, "device_names", lambda warn=None: ["cpu", "meta"])
    yield
    devices.training_failure.cache_clear()


def batch() -> Batch:
    generator = torch.Generator().manual_seed(3)
    x0, noise = (torch.randn(4, 4, 16, 16, generator=generator) for _ in range(2))
    return Batch(x0, torch.tensor([0, 10, 500, 999]), noise)


def network() -> UNet:
    torch.manual_seed(1)
    made = UNet(4, 32).train()
    for parameter in made.parameters():  # what begins with 0 would hide the others
        torch.nn.init.normal_(parameter, std=0.05)
    return made


def test_the_stand_in_refuses_what_a_device_refuses(stand_in: StandIn) -> None:
    there = torch.ones(3).to(DEVICE)
    assert isinstance(there, OnDevice)
    assert (there * 2).cpu().tolist() == [2.0, 2.0, 2.0]
    for wrong in (there.double, lambda: torch.ones(3, dtype=torch.float64).to(DEVICE)):
        with pytest.raises(TypeError, match="float64"):
            wrong()
    with pytest.raises(RuntimeError, match="same device"):
        there + torch.ones(3)


def test_steps_on_a_device_are_those_of_the_processor_and_tables_go_there_once(
    stand_in: StandIn,
) -> None:
    def stepped(device: torch.device) -> list[torch.Tensor]:
        made, schedule = Arithmetic().place(network(), device), CosineSchedule()
        optimizer = torch.optim.SGD(made.parameters(), lr=0.1)
        for _ in range(2):
            train_step(made, schedule, optimizer, batch(), device, SETTINGS)
        return [parameter.detach().cpu() for parameter in made.parameters()]

    here, there = stepped(CPU), stepped(DEVICE)
    for one, other in zip(here, there, strict=True):
        assert torch.equal(one, other)
    assert stand_in.uploads[(len(CosineSchedule.TABLES), 1000)] == 1


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_a_resumed_adam_has_all_its_state_on_the_device(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, layout: str
) -> None:
    monkeypatch.setattr(
        sys.modules["torch.optim.adam"], "_device_dtype_check_for_fused", lambda *_, **__: None
    )
    form = Arithmetic("fp32", layout)
    settings, schedule = form.fill(SETTINGS), CosineSchedule()

    def adam(made: UNet) -> torch.optim.Optimizer:
        return torch.optim.AdamW(made.parameters(), lr=1e-3, weight_decay=0.0, fused=True)

    here = form.place(network(), CPU)
    optimizer = adam(here)
    for _ in range(2):
        train_step(here, schedule, optimizer, batch(), CPU, settings)
    checkpoints = Checkpoints(tmp_path / "checkpoints", {})
    averaged = {name: weight.clone() for name, weight in here.state_dict().items()}
    checkpoints.write(2, here, averaged, optimizer, form)
    assert checkpoints.arithmetic() == form
    train_step(here, schedule, optimizer, batch(), CPU, settings)

    there = form.place(network(), DEVICE)
    resumed = adam(there)
    averaged = {name: weight.detach().clone() for name, weight in there.state_dict().items()}
    assert checkpoints.restore(there, averaged, resumed) == 2
    train_step(there, schedule, resumed, batch(), DEVICE, settings)
    for one, other in zip(here.parameters(), there.parameters(), strict=True):
        for key, expected in optimizer.state[one].items():
            found = resumed.state[other][key].cpu()
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-7)


def test_features_and_fusion_weights_on_a_device_are_those_of_the_processor(
    stand_in: StandIn, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # torch names devices
    scene = Scene.open(trained / "scene.tif")
    labels = read_labels(next(trained.glob("*.gpkg")), scene)
    weights = []
    for device in (CPU, DEVICE):
        given = load_classifier(trained / "classifier.safetensors")
        assert isinstance(given, Classifier)
        samples = TrainingSet.extract(
            scene, labels, given.model, given.settings, device=device, seed=0, reporter=Reporter()
        )
        with torch.no_grad():
            weights.append(fusion_weights(samples, given.to(device)))
    assert weights[0] == weights[1] is not None


def test_auto_takes_a_device_on_which_a_training_step_works(
    stand_in: StandIn, broken_device: None
) -> None:
    told: list[str] = []
    assert devices.choose_device("auto", told.append) == DEVICE
    assert told == []


def test_auto_names_the_device_that_fails_and_takes_the_processor(broken_device: None) -> None:
    told: list[str] = []
    assert devices.choose_device("auto", told.append) == CPU
    (sentence,) = told
    assert sentence.startswith("The device 'meta' failed in a first training step (")
    assert "\n" not in sentence
    assert len(sentence) < 300


def test_a_job_says_which_device_it_passed_over(
    broken_device: None, trained: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    line = ["pretrain", trained / "scene.tif", "-o", tmp_path / "m.safetensors", "--json"]
    settings = words(TINY | {"iterations": 1, "patch_size": 8})
    assert main([str(word) for word in [*line, *settings]]) == 0
    told = [json.loads(text) for text in capfd.readouterr().out.splitlines()]
    assert [(m["type"], m.get("device")) for m in told[:1]] == [("hello", "cpu")]
    warnings = [m["message"] for m in told if m["type"] == "warning"]
    assert len([text for text in warnings if text.startswith("The device 'meta' failed")]) == 1


class WeakCard(StandIn):
    """It learns the trial's patches of 8 px, and has no kernel for convolutions of 16."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        convolves = func.overloadpacket.__name__ == "convolution"
        if convolves and isinstance(args[0], OnDevice) and args[0].shape[-1] >= 16:
            raise RuntimeError("CUDNN_STATUS_NOT_SUPPORTED\n  no engine for this size")
        return super().__torch_dispatch__(func, types, args, kwargs)


@pytest.fixture
def weak_card(broken_device: None) -> Iterator[None]:
    """A device that passes the trial of ``auto`` and fails with the real network."""
    with WeakCard():
        yield


TAKEN_OVER = (
    "Warning: The device 'meta' was chosen and then failed (CUDNN_STATUS_NOT_SUPPORTED no engine "
    "for this size). The processor takes over."
)


def test_the_processor_takes_over_from_a_card_that_fails_with_the_real_network(
    weak_card: None,
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # torch names devices
    monkeypatch.setitem(tiles.TILES_AT_ONCE, "meta", 8)
    monkeypatch.setattr(
        sys.modules["torch.optim.adam"], "_device_dtype_check_for_fused", lambda *_, **__: None
    )
    model, scene = tmp_path / "model.safetensors", trained / "scene.tif"
    settings = words(TINY | {"iterations": 2})
    for command in (
        ["pretrain", scene, "-o", model, *settings],
        ["train", scene, trained / "labels.gpkg", "-o", tmp_path / "classifier.safetensors",
         "--model", model, "--holdout", "0", *settings],
        ["classify", scene, "-o", tmp_path / "map.tif", "--classifier",
         trained / "classifier.safetensors"],
    ):  # fmt: skip
        assert main([str(word) for word in command]) == 0
        assert " ".join(capsys.readouterr().err.split()).count(TAKEN_OVER) == 1
    line = ["classify", scene, "-o", tmp_path / "again.tif", "--device", "cpu", "--classifier"]
    assert main([str(word) for word in [*line, trained / "classifier.safetensors"]]) == 0
    with rasterio.open(tmp_path / "map.tif") as one, rasterio.open(tmp_path / "again.tif") as other:
        assert (one.read() == other.read()).all()


@pytest.mark.parametrize(
    ("name", "error", "tried"),
    [
        ("auto", RuntimeError("no kernel"), ["cuda:1", "cpu"]),
        ("auto", TypeError("MPS has no float64"), ["cuda:1", "cpu"]),
        ("auto", MachineError("no graph", code="no-device"), ["cuda:1", "cpu"]),
        ("cuda:1", RuntimeError("no kernel"), ["cuda:1"]),
        ("auto", RuntimeError("CUDA out of memory"), ["cuda:1"]),
        ("auto", MachineError("diverged", code="diverged"), ["cuda:1"]),
        ("auto", InputError("no such band"), ["cuda:1"]),
    ],
)
def test_only_a_failure_of_a_card_that_auto_chose_is_the_processors_turn(
    name: str, error: Exception, tried: list[str]
) -> None:
    """A card that was asked for by name is not replaced; other faults are no card's."""
    chosen = {"auto": "cuda:1", "cuda:1": "cuda:1", "cpu": "cpu"}
    asked: list[str] = []

    def work(device: str) -> str:
        asked.append(device)
        if device != "cpu":
            raise error
        return "done"

    table = SimpleNamespace(choose_device=chosen.__getitem__)
    if "cpu" in tried:
        assert on_device(table, name, Reporter(), work) == "done"
    else:
        with pytest.raises(type(error), match=str(error)):
            on_device(table, name, Reporter(), work)
    assert asked == tried


@pytest.mark.parametrize("name", ["cuda", "cuda:7", "mps"])
def test_a_device_asked_for_by_name_is_refused_in_one_sentence(name: str) -> None:
    if name in devices.device_names() or (name == "cuda" and torch.cuda.is_available()):
        pytest.skip("it is here")
    with pytest.raises(MachineError) as caught:
        devices.choose_device(name)
    assert caught.value.message.startswith(f"The device '{name}' does not work here (")
    assert "\n" not in caught.value.message
    assert caught.value.code == "no-device"


@pytest.mark.parametrize(
    ("kind", "where"), [("cuda", "torch.cuda.device_count"), ("mps", "torch.backends.mps")]
)
def test_a_driver_without_its_libraries_is_told_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, kind: str, where: str
) -> None:
    def count() -> int:
        raise OSError("libcuda.so.1: cannot open shared object file:\n  No such file or directory")

    monkeypatch.setattr(where if kind == "cuda" else device_module, *_member(kind, count))
    told: list[str] = []
    assert kind not in {name.partition(":")[0] for name in device_module.device_names(told.append)}
    (sentence,) = told
    assert sentence == (
        f"The {kind} driver does not work (libcuda.so.1: cannot open shared object file: "
        "No such file or directory)."
    )
    assert devices.choose_device("auto") == CPU


def _member(kind: str, count: object) -> tuple[object, ...]:
    return (count,) if kind == "cuda" else ("_mps_count", count)


def test_what_is_no_number_fails_the_training_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver may compute nonsense without an error."""
    broken = copy.copy(torch.autograd.grad)

    def grad(*given: object, **named: object) -> list[torch.Tensor | None]:
        found = broken(*given, **named)
        return [None if gradient is None else gradient * float("nan") for gradient in found]

    monkeypatch.setattr(torch.autograd, "grad", grad)
    with pytest.raises(RuntimeError, match="a training step gave nan"):
        devices.train_once(CPU)


def test_one_training_step_works_on_the_processor() -> None:
    devices.train_once(CPU)
    (row, *_) = devices.report()
    assert (row["name"], row["ok"], row["error"]) == ("cpu", True, "")
