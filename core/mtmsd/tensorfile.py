"""Model files: safetensors with JSON metadata and a checksum, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mtmsd.errors import InputError

FORMAT = 1


def save_tensors(
    path: Path, kind: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]
) -> None:
    """Write a file of that kind (``diffusion-model``, ``classifier``, ``checkpoint``).

    It appears under its name only when complete and on the disk.
    """
    path = Path(path)
    text = json.dumps({"kind": kind, "format": FORMAT, **metadata})
    # safetensors refuses tensors that share memory or are not contiguous
    plain = {name: t.detach().to("cpu").contiguous().clone() for name, t in tensors.items()}
    header = {"mtmsd": text, "sha256": _checksum(text, plain)}
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    try:
        save_file(plain, temporary, metadata=header)
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except SafetensorError as error:  # its own family, though it is the disk that failed
        raise OSError(f"{path} could not be written: {error}") from error
    finally:
        Path(temporary).unlink(missing_ok=True)


def load_tensors(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a file of that kind: tensors by name, and the metadata.

    Raises
    ------
    InputError
        If the file is missing, of another kind, from a newer version, or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no file {path}.", hint=f"Choose a {kind} file.")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            text = header["mtmsd"]
            metadata = json.loads(text)
            found = metadata["kind"]
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        damaged = _checksum(text, tensors) != header["sha256"]
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"{path} is not a model file of MTMSD, or it is damaged.",
            hint="Choose another file or make it again.",
        ) from error
    if damaged:
        raise InputError(
            f"{path} is damaged: its checksum is wrong.", hint="Copy it again or make it again."
        )
    if found != kind:
        raise InputError(f"{path} is a {found} file, not a {kind} file.")
    if metadata["format"] > FORMAT:
        raise InputError(f"{path} was made by a newer version.", hint="Update the plugin.")
    return tensors, metadata


def _checksum(text: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
