"""Tiles computed by onnxruntime, on the processor or by CUDA."""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import onnxruntime
import psutil
from onnx import TensorProto, helper, numpy_helper

from mtmsd.compute.memory import is_out_of_memory
from mtmsd.errors import InputError, MachineError
from mtmsd.files.model_check import parts_of
from mtmsd.onnx.classifier import ExportedClassifier

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
PROBE_SIDE = 256
PROBE_CHANNELS = 16
ERRORS_ONLY = 3


def choose_device(name: str = "auto", warn: Callable[[str], None] | None = None) -> str:
    """Return the device of that name: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    ``warn`` is told, in a sentence each, which devices ``auto`` passes over and why.

    Raises
    ------
    InputError
        If there is no such name.
    MachineError
        If onnxruntime cannot compute on it.
    """
    if name == "auto":
        for row in report()[::-1]:
            if row["ok"]:
                return row["name"]
            if warn is not None:
                warn(f"The device '{row['name']}' does not work here ({row['error']}).")
        raise MachineError("No device computes.", hint="Install onnxruntime again.")
    kind, _, number = name.partition(":")
    if kind not in PROVIDERS or not (number or "0").isdecimal():
        raise InputError(
            f"There is no device '{name}' for an exported classifier.",
            hint="Choose auto, cpu, cuda or cuda:N.",
        )
    row = _row(name)
    if not row["ok"]:
        raise MachineError(
            f"The device '{name}' does not work here ({row['error']}).",
            hint="Choose another device, or cpu.",
            code="no-device",
        )
    return name


def report() -> list[dict[str, Any]]:
    """Every device, the slowest first, with the outcome of a real operation on it."""
    there = onnxruntime.get_available_providers()
    return [_row(name) for name, provider in PROVIDERS.items() if provider in there]


class SessionRuntime:
    """An exported graph on one device; see :class:`mtmsd.compute.runtime.Runtime`.

    Parameters
    ----------
    graph : bytes
        ONNX with the input ``tiles`` (N, C, S, S) and the output ``votes`` (V, N, P, L).
    device : str
    classes : int
        K; what follows the K classes is left out where nobody asks for it.

    Raises
    ------
    RuntimeError
        If onnxruntime cannot build it.
    """

    def __init__(self, graph: bytes, device: str, classes: int) -> None:
        self._session = open_session(graph, device)
        self._classes = classes
        self.kind = device.partition(":")[0]
        self.threads = 1

    def array(self, values: np.ndarray) -> np.ndarray:
        """Return the array: onnxruntime takes numpy's."""
        return values

    def zeros(self, *shape: int) -> np.ndarray:
        """Make an array of zeros, float32."""
        return np.zeros(shape, np.float32)

    def numpy(self, array: np.ndarray) -> np.ndarray:
        """Return the array."""
        return array

    def votes(self, tiles: Sequence[np.ndarray], *, compare: bool) -> np.ndarray:
        """Return what the voters say of tiles: (V, N, P, K) or (V, N, P, K + 1)."""
        try:
            (found,) = self._session.run(["votes"], {"tiles": np.stack(tiles)})
        except Exception as error:  # onnxruntime's kinds have no family
            if is_out_of_memory(error):
                raise MemoryError(str(error)) from error
            raise RuntimeError(str(error)) from error
        return found if compare else found[..., : self._classes]

    def free_memory(self) -> int:
        """Bytes of memory that are free; of a graphics card's, onnxruntime does not tell."""
        return psutil.virtual_memory().available

    def release(self) -> None:
        """Do nothing: a session gives memory back with itself."""


def runtime_on(classifier: ExportedClassifier, device: str) -> SessionRuntime:
    """Return what computes the classifier's tiles on that device.

    Raises
    ------
    InputError
        If onnxruntime cannot build the graph.
    MachineError
        If it is a card that cannot.
    """
    with parts_of(classifier.path):
        try:
            return SessionRuntime(classifier.graph, device, len(classifier.classes))
        except RuntimeError as error:
            if device == "cpu" or is_out_of_memory(error):
                raise
            raise MachineError(
                f"The device '{device}' cannot compute {classifier.path} ({_first_line(error)}).",
                hint="Choose the device cpu.",
                code="no-device",
            ) from error


def open_session(graph: bytes, device: str, *, alone: bool = False) -> onnxruntime.InferenceSession:
    """Build a graph on a device; a card may leave single operations to the processor.

    Parameters
    ----------
    graph : bytes
    device : str
    alone : bool
        Whether the device has to compute every operation.

    Raises
    ------
    RuntimeError
        If onnxruntime cannot, with its reason.
    """
    kind, _, number = device.partition(":")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    options.intra_op_num_threads = _threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    settings, complaint = {}, ""
    if kind == "cuda":
        settings, complaint = {"device_id": number or "0"}, _load_cuda()
        if alone:
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        session = onnxruntime.InferenceSession(
            graph, options, providers=[(PROVIDERS[kind], settings)]
        )
    except Exception as error:  # onnxruntime's kinds have no family
        raise RuntimeError(str(error)) from error
    session.disable_fallback()  # or a run that fails on the card is silently one of the processor
    if PROVIDERS[kind] not in session.get_providers():
        reason = complaint or "what it printed says why"
        raise RuntimeError(f"onnxruntime could not start {PROVIDERS[kind]}: {reason}")
    return session


@cache
def _load_cuda() -> str:
    """Load CUDA's libraries out of their wheels; return what could not be loaded, if anything."""
    load = getattr(onnxruntime, "preload_dlls", None)  # since 1.21
    said = io.StringIO()
    with contextlib.redirect_stdout(said):  # it prints what it lacks
        try:
            load and load()
        except RuntimeError as error:
            return str(error)
    return next(iter(said.getvalue().splitlines()), "")


def _threads() -> int:
    """As many as torch takes: OMP_NUM_THREADS, or the processor's cores."""
    wished = os.environ.get("OMP_NUM_THREADS", "")
    if wished.isdecimal():
        return int(wished)
    logical = os.cpu_count() or 1
    return min(logical, psutil.cpu_count(logical=False) or logical)


def _row(name: str) -> dict[str, Any]:
    kind = f"CPU, {_threads()} threads" if name == "cpu" else "CUDA"
    provider = PROVIDERS[name.partition(":")[0]]
    row: dict[str, Any] = {
        "name": name, "kind": kind, "provider": provider, "ok": True, "error": ""
    }  # fmt: skip
    try:
        row["seconds"] = _probe(name)
        row["free_bytes"] = psutil.virtual_memory().available if name == "cpu" else None
    except RuntimeError as error:
        row.update(ok=False, error=_first_line(error))
    return row


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _probe(device: str) -> float:
    """Fold and multiply on the device alone and check the result; seconds of the second run."""
    shape = [1, PROBE_CHANNELS, PROBE_SIDE, PROBE_SIDE]
    values = {n: helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in "ab"}
    ones = np.ones(shape, np.float32)
    kernels = numpy_helper.from_array(np.ones((PROBE_CHANNELS,) * 2 + (1, 1), np.float32), "k")
    nodes = [helper.make_node("Conv", ["a", "k"], ["c"]), helper.make_node("MatMul", "ca", "b")]
    graph = helper.make_graph(nodes, "probe", [values["a"]], [values["b"]], [kernels])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    open_session(model.SerializeToString(), device)  # tells better why a provider does not start
    session = open_session(model.SerializeToString(), device, alone=True)
    for _ in range(2):
        start = time.perf_counter()
        try:
            corner = session.run(["b"], {"a": ones})[0][0, 0, 0, 0]
        except Exception as error:  # onnxruntime's kinds have no family
            raise RuntimeError(str(error)) from error
        seconds = time.perf_counter() - start
    if corner != PROBE_CHANNELS * PROBE_SIDE:
        raise RuntimeError(f"a convolution gave {corner} for {PROBE_CHANNELS * PROBE_SIDE}")
    return seconds
