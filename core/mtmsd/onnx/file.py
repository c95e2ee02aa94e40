"""Exported classifiers on disk: one ONNX file with all that a classifier file says.

The metadata are two of ONNX's ``metadata_props``: ``mtmsd``, JSON as in the header of a
classifier file, and ``sha256``, of the whole file with 64 zeros in its own place. Arrays that
the graph does not use, those of the whitening, are initializers beside its weights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
from google.protobuf.message import DecodeError
from onnx import numpy_helper

from mtmsd.errors import InputError, MachineError
from mtmsd.files.atomic import atomic_path
from mtmsd.files.model_check import parts_of
from mtmsd.files.tensor_file import FORMAT, refusal
from mtmsd.onnx.check import Shapes, check_graph

KIND = "classifier"
SUFFIX = ".onnx"
STACK_PREFIX = "stack."
"""Of the arrays that a stack has beside its network."""
UNSIGNED = "0" * 64
LARGEST = 2**31 - 2**20
"""Bytes of a file; protobuf knows no larger ones."""
ROOM = 3
"""How often a file is in memory while it is read: its bytes, its parts, onnxruntime's own."""


def save_graph(
    path: Path,
    model: onnx.ModelProto,
    arrays: Mapping[str, np.ndarray],
    metadata: Mapping[str, Any],
) -> None:
    """Write a graph, arrays beside its weights, and metadata; whole or not at all."""
    for name, array in arrays.items():
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    text = json.dumps({"kind": KIND, "format": FORMAT, **metadata})
    onnx.helper.set_model_props(model, {"mtmsd": text, "sha256": UNSIGNED})
    unsigned = model.SerializeToString()
    signature = hashlib.sha256(unsigned).hexdigest().encode()
    with atomic_path(path) as temporary:
        temporary.write_bytes(unsigned.replace(UNSIGNED.encode(), signature))


def load_graph(path: Path) -> tuple[bytes, Shapes, dict[str, np.ndarray], dict[str, Any]]:
    """Read an exported classifier, and look at its graph before anything is run.

    Returns
    -------
    graph : bytes
        What onnxruntime takes; the very bytes that were looked at.
    shapes : two lists of int
        Of ``tiles`` and ``votes``, for one tile.
    arrays : dict of str to array
        Those of the whitening, and of the stack.
    metadata : dict

    Raises
    ------
    InputError
        If the file is missing, none of MTMSD, damaged, from a newer version, or holds what an
        exported classifier does not.
    """
    content, model, properties = _read(path)
    text = properties["mtmsd"]
    unsigned = content.replace(properties["sha256"].encode(), UNSIGNED.encode())
    if hashlib.sha256(unsigned).hexdigest() != properties["sha256"]:
        raise InputError(
            f"{path} is damaged: its checksum is wrong.", hint="Copy it again or make it again."
        )
    try:
        metadata = json.loads(text)
        kind, version = metadata["kind"], int(metadata["format"])
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise refusal(path) from error
    if kind != KIND:
        raise InputError(f"{path} is a {str(kind)[:40]} file, not a {KIND} file.")
    if version > FORMAT:
        raise InputError(f"{path} was made by a newer version.", hint="Update the plugin.")
    with parts_of(path):
        shapes = check_graph(model)
        arrays = {
            tensor.name: numpy_helper.to_array(tensor)
            for tensor in model.graph.initializer
            if tensor.name.startswith(("whitening.", STACK_PREFIX))
        }
    return content, shapes, arrays, metadata


def checksum_of(path: Path) -> str:
    """Return the checksum that a file says it has; equal files have equal ones."""
    return _read(path)[2]["sha256"]


def _read(path: Path) -> tuple[bytes, onnx.ModelProto, dict[str, str]]:
    """Return a file as bytes and in its parts, and its properties."""
    if not path.is_file():
        raise InputError(f"There is no file {path}.", hint=f"Choose a {KIND} file.")
    size, free = path.stat().st_size, psutil.virtual_memory().available
    if size > LARGEST:
        raise refusal(path)
    if ROOM * size > free:
        raise MachineError(
            f"{path} needs {ROOM * size / 1e9:.0f} GB and {free / 1e9:.0f} GB of memory are free.",
            hint="Close other programs, or choose another file.",
            code="no-memory",
        )
    content = path.read_bytes()
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError as error:
        raise refusal(path) from error
    properties = {entry.key: entry.value for entry in model.metadata_props}
    if not {"mtmsd", "sha256"} <= properties.keys() or len(properties["sha256"]) != len(UNSIGNED):
        raise refusal(path)
    return content, model, properties
