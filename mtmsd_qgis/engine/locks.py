"""The pinned, hashed lists of packages that travel with the plugin, and their sizes.

``full.txt`` and ``light.txt`` are requirements with hashes for every system;
``onnxruntime-cpu.txt`` or ``onnxruntime-cuda.txt`` comes on top, by the device;
``torch.json`` names the build of torch for each device; ``sizes.json`` was measured by
``make lock``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from ..common.folders import PLUGIN, RESOURCES

FOLDER = RESOURCES / "engine"
ONNXRUNTIME_DRIVER = 580
"""The oldest NVIDIA driver for CUDA 13, which the locked onnxruntime-gpu was built for."""


@dataclass(frozen=True)
class Torch:
    """One build of torch.

    ``index`` is the index that has it, empty for the ordinary one; ``least_driver`` the oldest
    NVIDIA driver on which it works, 0 where none is needed.
    """

    requirement: str
    index: str = ""
    least_driver: int = 0


@dataclass(frozen=True)
class Sizes:
    """Bytes that are fetched, bytes on disk, and the longest path inside (characters)."""

    download_bytes: int
    disk_bytes: int
    longest_path: int

    def __add__(self, other: Sizes) -> Sizes:
        """Return the sizes of both together."""
        return Sizes(
            self.download_bytes + other.download_bytes,
            self.disk_bytes + other.disk_bytes,
            max(self.longest_path, other.longest_path),
        )


def requirements(kind: str, device: str) -> tuple[Path, Path]:
    """Return the files of pinned, hashed requirements: ``full`` or ``light``, and onnxruntime."""
    return FOLDER / f"{kind}.txt", FOLDER / f"{_onnxruntime(device)}.txt"


def torch_for(system: str, device: str) -> Torch | None:
    """Return the build of torch for a device, or None where there is none for it."""
    row = _json("torch.json").get(f"{system}-{device}")
    return Torch(**row) if row else None


def torch_requirements() -> set[str]:
    """Return the requirements of torch on all systems and devices."""
    return {row["requirement"] for row in _json("torch.json").values()}


def sizes_of(name: str) -> Sizes:
    """Return what was measured for ``full-linux``, ``torch-linux-cpu``, …; zeros if nothing."""
    row = _json("sizes.json").get(name)
    return Sizes(**row) if row else Sizes(0, 0, 0)


def sizes_for(kind: str, device: str, system: str) -> Sizes:
    """Return what an environment takes, with its tools, and with torch where that is in it."""
    names = [f"{kind}-{system}", f"{_onnxruntime(device)}-{system}", f"tools-{system}"]
    if kind == "full":
        names.append(f"torch-{system}-{device}")
    return sum(map(sizes_of, names), Sizes(0, 0, 0))


def digest(kind: str, device: str, torch: str) -> str:
    """Return what tells one lock from another: 16 hexadecimal digits."""
    lists = (file.read_bytes() for file in requirements(kind, device))
    text = b"".join(lists) + torch.encode()
    return hashlib.sha256(text).hexdigest()[:16]


def plugin_version() -> str:
    """Return the version that the plugin's metadata states."""
    for line in (PLUGIN / "metadata.txt").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "version":
            return value.strip()
    return ""


def _onnxruntime(device: str) -> str:
    return "onnxruntime-cuda" if device == "cuda" else "onnxruntime-cpu"


def _json(name: str) -> dict:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))
