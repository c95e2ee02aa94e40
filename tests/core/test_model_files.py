"""A model file is whole, or it is refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mtmsd.errors import InputError, MachineError
from mtmsd.files.tensor_file import load_tensors, save_tensors
from safetensors.torch import save_file


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    tensors = {"a": torch.arange(300.0).reshape(20, 15), "b": torch.zeros(7, dtype=torch.float16)}
    save_tensors(path, "diffusion-model", tensors, {"seed": 3, "name": "Räume & Flächen"})
    return path


def test_tensors_and_metadata_come_back(model: Path) -> None:
    tensors, metadata = load_tensors(model, "diffusion-model")
    assert torch.equal(tensors["a"], torch.arange(300.0).reshape(20, 15))
    assert tensors["b"].dtype == torch.float16
    assert (metadata["seed"], metadata["name"]) == (3, "Räume & Flächen")


def test_every_flipped_byte_and_every_cut_is_noticed(model: Path) -> None:
    whole = model.read_bytes()
    rng = np.random.default_rng(11)
    for position in rng.integers(0, len(whole), 200):
        broken = bytearray(whole)
        broken[position] ^= 1 << rng.integers(8)
        model.write_bytes(broken)
        with pytest.raises(InputError, match=r"damaged|newer|not a"):
            load_tensors(model, "diffusion-model")
    for length in rng.integers(0, len(whole), 50):
        model.write_bytes(whole[:length])
        with pytest.raises(InputError, match="damaged"):
            load_tensors(model, "diffusion-model")


def test_file_of_another_kind_is_named(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a diffusion-model file, not a classifier file"):
        load_tensors(model, "classifier")
    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(3)}, foreign)
    with pytest.raises(InputError, match="not a model file of MTMSD"):
        load_tensors(foreign, "classifier")
    with pytest.raises(InputError, match="There is no file"):
        load_tensors(tmp_path / "nowhere.safetensors", "classifier")


def test_failed_write_leaves_the_old_file(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = model.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mtmsd.files.tensor_file.save_file", full)
    with pytest.raises(MachineError, match="the disk is full"):
        save_tensors(model, "diffusion-model", {"a": torch.zeros(3)}, {})
    assert model.read_bytes() == before
    assert [p.name for p in model.parent.iterdir()] == [model.name]
