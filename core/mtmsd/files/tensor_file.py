"""Model files: safetensors with JSON metadata and a checksum, written whole or not at all.

All but the two functions for tensors works without torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from mtmsd.errors import InputError, MachineError
from mtmsd.files.atomic import atomic_path

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
LARGEST_HEADER = 16 * 2**20
"""Bytes of names and metadata that a file may have; an honest one has some kilobytes."""


def save_tensors(
    path: Path, kind: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]
) -> None:
    """Write torch's tensors as :func:`save_arrays` does."""
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
    save_arrays(path, kind, arrays, metadata)


def load_tensors(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a file as :func:`load_arrays` does, to torch's tensors."""
    import torch

    arrays, metadata = load_arrays(path, kind)
    return {name: torch.from_numpy(array) for name, array in arrays.items()}, metadata


def save_arrays(
    path: Path, kind: str, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]
) -> None:
    """Write a file of that kind (``diffusion-model``, ``classifier``, ``checkpoint``).

    It appears under its name only when complete and on the disk; raises as
    :func:`mtmsd.files.atomic.atomic_path` does.
    """
    path = Path(path)
    text = json.dumps({"kind": kind, "format": FORMAT, **metadata})
    plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    header = {"mtmsd": text, "sha256": _checksum(text, plain)}
    with atomic_path(path, families=(SafetensorError,)) as temporary:
        save_file(plain, temporary, metadata=header)


def load_arrays(path: Path, kind: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read a file of that kind: arrays by name, and the metadata.

    Raises
    ------
    InputError
        If the file is missing, of another kind, from a newer version, or damaged.
    """
    path = Path(path)
    header = _read_header(path, kind)
    text = header["mtmsd"]
    try:
        metadata = json.loads(text)
        found, version = metadata["kind"], int(metadata["format"])
        with safe_open(path, framework="np") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        damaged = _checksum(text, arrays) != header["sha256"]
    except (SafetensorError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise refusal(path) from error
    if damaged:
        raise InputError(
            f"{path} is damaged: its checksum is wrong.", hint="Copy it again or make it again."
        )
    if found != kind:
        raise InputError(f"{path} is a {found} file, not a {kind} file.")
    if version > FORMAT:
        raise InputError(f"{path} was made by a newer version.", hint="Update the plugin.")
    return arrays, metadata


def metadata_of(path: Path, kind: str) -> dict[str, Any]:
    """Return what a file says beside its arrays; only its checksum says whether that is whole.

    Raises
    ------
    InputError
        If it is no model file.
    """
    try:
        metadata = json.loads(_read_header(Path(path), kind)["mtmsd"])
    except (ValueError, RecursionError) as error:
        raise refusal(path) from error
    if not isinstance(metadata, dict):
        raise refusal(path)
    return metadata


def checksum_of(path: Path) -> str:
    """Return the checksum that a file says it has; equal files have equal ones."""
    return _read_header(path, "model")["sha256"]


def _read_header(path: Path, kind: str) -> dict[str, str]:
    """Return metadata and checksum as texts, before memory is taken for anything larger.

    safetensors itself makes sure that the shapes fill the file, no more and no less.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}.", hint=f"Choose a {kind} file.")
    size, free = path.stat().st_size, psutil.virtual_memory().available
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > min(LARGEST_HEADER, size):
        raise refusal(path)
    if size > free:
        raise MachineError(
            f"{path} has {size / 1e9:.0f} GB and {free / 1e9:.0f} GB of memory are free.",
            hint="Close other programs, or choose another file.",
            code="no-memory",
        )
    try:
        with safe_open(path, framework="np") as file:
            header = file.metadata() or {}
            shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
    except SafetensorError as error:
        raise refusal(path) from error
    if not {"mtmsd", "sha256"} <= header.keys() or any(0 in shape for shape in shapes):
        raise refusal(path)
    return header


def refusal(path: Path) -> InputError:
    """Say that a file is no model file."""
    return InputError(
        f"{path} is not a model file of MTMSD, or it is damaged.",
        hint="Choose another file or make it again.",
    )


def _checksum(text: str, arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} torch.{array.dtype} {array.shape}".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
