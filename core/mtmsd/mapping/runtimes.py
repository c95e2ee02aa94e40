"""Runtimes by name: what computes a map, torch or onnxruntime."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Union

from mtmsd.compute.runtime import Runtime
from mtmsd.errors import InputError, MachineError
from mtmsd.files.tensor_file import metadata_of
from mtmsd.tables import named

if TYPE_CHECKING:
    from torch import device as TorchDevice

    from mtmsd.classify.classifier import Classifier
    from mtmsd.onnx.classifier import ExportedClassifier

Device = Union["TorchDevice", str]


@dataclass(frozen=True)
class RuntimeParts:
    """Where a runtime's parts are; they are imported when they are asked for."""

    package: str
    suffix: str
    """Of the classifier files that it reads."""
    _files: str
    _classifiers: str
    _devices: str
    _tiles: str

    @property
    def there(self) -> bool:
        """Whether this Python has it."""
        return find_spec(self.package) is not None

    @property
    def files(self) -> ModuleType:
        """The module with ``checksum_of(path)``."""
        return import_module(self._files)

    @property
    def classifiers(self) -> ModuleType:
        """The module with ``load_classifier(path)``."""
        return import_module(self._classifiers)

    @property
    def devices(self) -> ModuleType:
        """The module with ``choose_device(name, warn)`` and ``report()``."""
        return import_module(self._devices)

    @property
    def tiles(self) -> ModuleType:
        """The module with ``runtime_on(classifier, device)``."""
        return import_module(self._tiles)


RUNTIMES: dict[str, RuntimeParts] = {
    "torch": RuntimeParts(
        "torch",
        ".safetensors",
        "mtmsd.files.tensor_file",
        "mtmsd.classify.classifier",
        "mtmsd.diffusion.devices",
        "mtmsd.classify.eager",
    ),
    "onnx": RuntimeParts(
        "onnxruntime",
        ".onnx",
        "mtmsd.onnx.file",
        "mtmsd.onnx.classifier",
        "mtmsd.onnx.session",
        "mtmsd.onnx.session",
    ),
}


PLAIN = RuntimeParts(
    "sklearn",
    ".safetensors",
    "mtmsd.files.tensor_file",
    "mtmsd.mapping.plain",
    "mtmsd.mapping.plain",
    "",
)
"""What computes a classifier without a network: it has no tiles, and is found by its file."""


def runtime_on(classifier: Classifier | ExportedClassifier, device: Device) -> Runtime:
    """Return what computes the classifier's tiles on a device."""
    return RUNTIMES[classifier.runtime].tiles.runtime_on(classifier, device)


def runtime_for(classifier: Path, name: str | None = None) -> RuntimeParts:
    """Return the runtime of that name, or else the one that reads a classifier's file.

    Raises
    ------
    InputError
        If there is no such runtime, or it cannot read the file.
    MachineError
        If this Python lacks it.
    """
    exported = classifier.suffix.lower() == RUNTIMES["onnx"].suffix
    if name is None and not exported and _is_plain(classifier):
        return PLAIN
    found = name or ("onnx" if exported else "torch")
    runtime = named("runtime", found, RUNTIMES)
    if exported != (found == "onnx"):
        raise InputError(
            f"The runtime {found} reads {runtime.suffix} files; {classifier.name} is none.",
            hint="'mtmsd export' makes an .onnx file of a .safetensors classifier.",
        )
    if not runtime.there:
        raise _missing(runtime, classifier)
    return runtime


def _is_plain(classifier: Path) -> bool:
    """Whether a classifier file holds no network; its other parts are not looked at."""
    metadata = metadata_of(classifier, "classifier")
    return "spectral" in metadata or ("stack" in metadata and "network" not in metadata)


def _missing(runtime: RuntimeParts, classifier: Path) -> MachineError:
    advice = {
        "torch": f"Export it to .onnx where torch is ('mtmsd export {classifier.name} -o "
        f"{classifier.stem}.onnx'), or use the full engine.",
        "onnxruntime": "Install one of 'onnxruntime' and, for NVIDIA cards, "
        "'onnxruntime-gpu[cuda,cudnn]'; or choose the .safetensors classifier.",
    }
    if runtime.package == "torch" and "regions" in metadata_of(classifier, "classifier"):
        advice["torch"] = "Use the full engine: learnt regions cannot be exported."
    return MachineError(
        f"{classifier.name} needs {runtime.package}, which the engine's Python {sys.executable} "
        "lacks.",
        hint=advice[runtime.package],
        code="no-package",
    )
