"""Model files that were damaged, or written to do harm: one sentence, before memory is taken."""

from __future__ import annotations

import copy
import json
import os
import resource
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from mtmsd.classify.classifier import load_classifier
from mtmsd.cli.main import main
from mtmsd.diffusion.model import DiffusionModel
from mtmsd.errors import InputError, MachineError
from mtmsd.files.tensor_file import load_tensors, save_tensors

pytestmark = pytest.mark.slow

load = load_classifier
ROOM = 300 * 2**20


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Let the process take so many more bytes and no more."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.fixture(scope="module")
def parts(trained: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors and metadata of the classifier."""
    return load_tensors(trained / "classifier.safetensors", "classifier")


@pytest.fixture(scope="module")
def spectral(
    trained: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors and metadata of a classifier of spectra."""
    path = tmp_path_factory.mktemp("svm") / "svm.safetensors"
    line = ["train", trained / "scene.tif", trained / "labels.gpkg", "-o", path, "--holdout", "0"]
    assert main([str(word) for word in [*line, "--classifier", "svm"]]) == 0
    return load_tensors(path, "classifier")


def test_two_hundred_flipped_bytes_and_fifty_cuts_of_a_classifier(trained: Path, tmp_path: Path):
    whole = (trained / "classifier.safetensors").read_bytes()
    header = struct.unpack("<Q", whole[:8])[0] + 8
    broken = tmp_path / "broken.safetensors"
    rng = np.random.default_rng(5)
    places = [*rng.integers(0, header, 100), *rng.integers(header, len(whole), 100)]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.integers(8)
        broken.write_bytes(damaged)
        with pytest.raises(InputError, match=r"broken\.safetensors is"):
            load(broken)
    for length in rng.integers(0, len(whole), 50):
        broken.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"broken\.safetensors is not a model file"):
            load(broken)


def header_of(size: int, header: bytes) -> Callable[[Path], None]:
    """Write a file that says its header has this size."""
    return lambda path: path.write_bytes(struct.pack("<Q", size) + header) and None


def one_gigabyte_of_text(path: Path) -> None:
    """A gigabyte of metadata, as a hole that takes no room on the disk."""
    path.write_bytes(struct.pack("<Q", 2**30) + b'{"__metadata__":{"mtmsd":"')
    os.truncate(path, 2**30 + 8)


def a_terabyte_of_weights(path: Path) -> None:
    """A tensor of a terabyte that is there, as a hole."""
    entry = {"dtype": "F32", "shape": [2**38], "data_offsets": [0, 2**40]}
    text = json.dumps({"__metadata__": {"mtmsd": "{}", "sha256": "0"}, "a": entry}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    os.truncate(path, 8 + len(text) + 2**40)


def tensor(**entry: Any) -> Callable[[Path], None]:
    """Write a file with one tensor that is described so."""
    text = json.dumps({"__metadata__": {"mtmsd": "{}", "sha256": "0"}, "a": entry}).encode()
    return header_of(len(text), text + b"\0" * 4)


HEADERS = {
    "nothing": lambda path: path.write_bytes(b"") and None,
    "a header of an exabyte": header_of(2**60, b"{}"),
    "a gigabyte of text": one_gigabyte_of_text,
    "a terabyte of weights": a_terabyte_of_weights,
    "a shape beyond the file": tensor(dtype="F32", shape=[2**40], data_offsets=[0, 4]),
    "a shape that overflows": tensor(dtype="F32", shape=[2**40] * 2, data_offsets=[0, 4]),
    "a huge shape of nothing": tensor(dtype="F32", shape=[2**40, 0], data_offsets=[0, 0]),
    "an unknown number format": tensor(dtype="F33", shape=[1], data_offsets=[0, 4]),
    "lists a million deep": header_of(
        10**6 + 42, b'{"__metadata__":{"sha256":"","mtmsd":"' + b"[" * 10**6 + b'"}}'
    ),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_a_hostile_header_takes_no_memory(kind: str, tmp_path: Path, little_memory: None):
    path = tmp_path / "hostile.safetensors"
    HEADERS[kind](path)
    with pytest.raises((InputError, MachineError), match=r"hostile\.safetensors"):
        load_tensors(path, "classifier")


def changed(place: str, value: Any) -> Callable[[dict, dict], None]:
    """Change one entry of the metadata, ``settings.stride`` for example."""
    *path, last = (int(p) if p.isdigit() else p for p in place.split("."))

    def change(tensors: dict, metadata: dict) -> None:
        for key in path:
            metadata = metadata[key]
        if value is None:
            del metadata[last]
        else:
            metadata[last] = value

    return change


def reshaped(name: str, *shape: int) -> Callable[[dict, dict], None]:
    """Give one tensor another shape."""

    def change(tensors: dict, metadata: dict) -> None:
        kind = tensors[name].dtype
        tensors[name] = torch.zeros(shape, dtype=kind)

    return change


def emptied(name: str) -> Callable[[dict, dict], None]:
    """Make all numbers of one tensor 0."""

    def change(tensors: dict, metadata: dict) -> None:
        tensors[name] = torch.zeros_like(tensors[name])

    return change


HOSTILE = {
    "a network of 320,000 channels": reshaped("unet.input_blocks.0.0.weight", 32 * 10**4, 4, 1, 1),
    "a billion members": changed("settings.members", 10**9),
    "more members than there are": changed("settings.members", 999),
    "a billion timesteps": changed("settings.timesteps", [1] * 10_000),
    "timesteps beyond the diffusion": changed("settings.timesteps", [5000]),
    "blocks that the network lacks": changed("settings.blocks", [77]),
    "a wide fusion": changed("settings.channels", 10**7),
    "a stride of nothing": changed("settings.stride", 0),
    "a stride of words": changed("settings.stride", "__import__('os')"),
    "a branch of no weight": changed("settings.branch_weight", 0.0),
    "a branch that weighs all away": changed("settings.branch_weight", -2.0),
    "a head of another name": changed("settings.head", "os.system"),
    "a vote of another name": changed("settings.vote", "none"),
    "a setting that nobody knows": changed("settings.path", "../../../etc/passwd"),
    "a setting that is not there": changed("model.patch_size", None),
    "patches of a million pixels": changed("model.patch_size", 10**6),
    "bands beyond the scene": changed("model.bands", [10**9] * 6),
    "fewer bands": changed("model.bands", [1]),
    "a scene of minus one band": changed("model.scene.fingerprint.bands", -1),
    "wavelengths below nothing": changed("model.wavelengths", [-1e300] * 6),
    "no class": changed("classes", []),
    "a class value of no map": changed("classes.0.value", 10**9),
    "two classes of one value": changed("classes.0.value", 2),
    "a class name of a megabyte": changed("classes.0.name", "x" * 2**20),
    "a class name with a line break": changed("classes.0.name", "left\n../../x"),
    "a colour that is none": changed("classes.0.color", "#zzz"),
    "a temperature of words": changed("metadata.temperature", "hot"),
    "a temperature below nothing": changed("metadata.temperature", -1.0),
    "classes that are a text": changed("classes", "grass"),
    "settings that are a list": changed("settings", [1, 2]),
    "a whitening of other bands": reshaped("whitening.mean", 7),
    "a whitening without bands": reshaped("whitening.weights", 4),
    "a whitening of no variance": emptied("whitening.variances"),
    "noise of another size": reshaped("noise", 4, 8, 8),
    "channels that do not exist": reshaped("local.channels", 3),
    "a member of other shapes": reshaped("member.0.fusion.select_bias", 9, 9),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_parts_with_a_right_checksum_are_refused(
    kind: str, parts, tmp_path: Path, little_memory: None
):
    tensors, metadata = dict(parts[0]), copy.deepcopy(parts[1])
    HOSTILE[kind](tensors, metadata)
    path = tmp_path / "hostile.safetensors"
    save_tensors(path, "classifier", tensors, metadata)
    with pytest.raises(InputError) as caught:
        load(path)
    assert str(path) in caught.value.message
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_diffusion_model_is_looked_at_as_closely(trained: Path, tmp_path: Path):
    tensors, metadata = load_tensors(trained / "model.safetensors", "diffusion-model")
    for place, value in {"patch_size": 10**6, "bands": [0] * 6, "wavelengths": "x"}.items():
        path = tmp_path / f"{place}.safetensors"
        save_tensors(path, "diffusion-model", tensors, metadata | {place: value})
        with pytest.raises(InputError, match=str(path)):
            DiffusionModel.load(path)


@pytest.mark.parametrize(
    "change",
    [
        changed("spectral.method", "os.system"),
        changed("spectral.parameters", {"svc__C": 1e300}),
        changed("spectral.parameters", {"svc__kernel": "precomputed"}),
        changed("classes.0.value", 9),
        changed("model.bands", [1]),
        reshaped("spectra", 40, 5),
        reshaped("groups", 3),
    ],
)
def test_a_classifier_of_spectra_is_looked_at_as_closely(spectral, change, tmp_path: Path):
    tensors, metadata = dict(spectral[0]), copy.deepcopy(spectral[1])
    path = tmp_path / "spectra.safetensors"
    save_tensors(path, "classifier", tensors, metadata)
    assert [info.value for info in load(path).classes] == [1, 2]
    change(tensors, metadata)
    save_tensors(path, "classifier", tensors, metadata)
    with pytest.raises(InputError, match=f"The parts of {path} do not fit together"):
        load(path)


def test_names_of_tensors_are_never_paths(parts, tmp_path: Path):
    tensors, metadata = parts
    name = "../../../escaped"
    path = tmp_path / "a" / "b" / "c" / "named.safetensors"
    path.parent.mkdir(parents=True)
    save_tensors(path, "classifier", {**tensors, name: torch.zeros(3)}, metadata)
    assert load(path).classes
    assert {p.name for p in tmp_path.rglob("*")} == {"a", "b", "c", "named.safetensors"}


def test_a_hostile_file_ends_classify_with_status_1(
    trained: Path, parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    tensors, metadata = parts[0], copy.deepcopy(parts[1])
    metadata["settings"]["stride"] = 0
    path = tmp_path / "hostile.safetensors"
    save_tensors(path, "classifier", tensors, metadata)
    line = ["classify", trained / "scene.tif", "-o", tmp_path / "map.tif", "--classifier", path]
    assert main([str(word) for word in line]) == 1
    told = capsys.readouterr().err
    assert f"Error: The parts of {path} do not fit together" in told
    assert "Traceback" not in told
    assert [p.name for p in tmp_path.iterdir()] == ["hostile.safetensors"]
