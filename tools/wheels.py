"""Fetch the locked wheels of the engine for a system: for machines without a network.

tools/wheels.py --platform linux|windows|macos --device cpu|cuda|mps --kind full|light FOLDER
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "resources/engine"
PYTHON = "3.11"
TAGS = {
    "linux": [f"manylinux_2_{minor}_x86_64" for minor in range(28, 16, -1)]
    + ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"],
    "windows": ["win_amd64"],
    "macos": ["macosx_14_0_arm64"],
}
"""The wheels that suit: the oldest systems that PyTorch itself supports."""


def here() -> str:
    """Return the name of this system."""
    return {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux")


def download(folder: Path, platform: str, python: str, arguments: Sequence[str]) -> None:
    """Have pip download wheels for a system, which need not be this one.

    Raises
    ------
    subprocess.CalledProcessError
        If pip cannot get one.
    """
    tags = [word for tag in TAGS[platform] for word in ("--platform", tag)]
    command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check",
               "--only-binary", ":all:", "--python-version", python, *tags,
               "--dest", str(folder), *arguments]  # fmt: skip
    subprocess.run(command, check=True)  # noqa: S603


def packages(*names: str) -> list[str]:
    """Return pip's arguments for lists of locked packages."""
    lists = [word for name in names for word in ("-r", str(LOCKS / f"{name}.txt"))]
    return ["--no-deps", "--require-hashes", *lists]


def torch(platform: str, device: str) -> list[str]:
    """Return pip's arguments for the build of torch for a device."""
    build = json.loads((LOCKS / "torch.json").read_text(encoding="utf-8"))[f"{platform}-{device}"]
    index = ["--extra-index-url", build["index"]] if "index" in build else []
    return [*index, *([] if device == "cuda" else ["--no-deps"]), build["requirement"]]


def main() -> None:
    """Fill a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--platform", choices=TAGS, default=here())
    parser.add_argument("--device", choices=("cpu", "cuda", "mps"), default="cpu")
    parser.add_argument("--kind", choices=("full", "light"), default="full")
    parser.add_argument("--python", default=PYTHON, help="the Python of that machine, 3.10 to 3.14")
    parser.add_argument("folder", type=Path)
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    onnxruntime = "onnxruntime-cuda" if chosen.device == "cuda" else "onnxruntime-cpu"
    wanted = [packages(chosen.kind, onnxruntime), ["--no-deps", "uv"]]
    if chosen.kind == "full":
        wanted.append(torch(chosen.platform, chosen.device))
    for arguments in wanted:
        download(chosen.folder, chosen.platform, chosen.python, arguments)
    wheels = list(chosen.folder.glob("*.whl"))
    size = sum(wheel.stat().st_size for wheel in wheels)
    sys.stdout.write(f"{chosen.folder}: {len(wheels)} wheels, {size / 1e6:.0f} MB\n")


if __name__ == "__main__":
    main()
