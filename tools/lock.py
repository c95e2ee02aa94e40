"""Pin and hash what Set Up Engine… installs, and measure it: resources/engine.

    tools/lock.py                  the locks and the sizes
    tools/lock.py sizes [NAME…]    the sizes alone, or some of them

core/pyproject.toml and core/light-requirements.in say what is wanted, constraints.txt which
versions. torch is left out: its files differ between indexes; resources/engine/torch.json pins it.
onnxruntime has lists of its own, one for the processor and one for CUDA: it is installed beside
full.txt or light.txt, and what both of these hold is not repeated.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from wheels import LOCKS, PYTHON, ROOT, TAGS, download, packages, torch

ONNXRUNTIME = {
    "onnxruntime-cpu": ["onnxruntime>=1.18"],
    "onnxruntime-cuda": [
        "onnxruntime-gpu[cuda,cudnn]>=1.21; python_version >= '3.11' and sys_platform != 'darwin'",
        "onnxruntime>=1.18; python_version < '3.11' and sys_platform != 'darwin'",
    ],
}
"""Its builds for CUDA 13 begin with Python 3.11; those before are for the libraries of CUDA 12,
which would lie over PyTorch's."""
CUDA_LIBRARIES = [
    "cuda-toolkit[cublas,cudart,cufft,curand,nvjitlink,nvrtc]==13.0.3",
    "nvidia-cudnn-cu13==9.20.0.48",
]
"""As torch 2.13.0 pins them: in one environment both load the same files."""
INSIDE = f"lib/python{PYTHON}/site-packages/"
BASES = ("full", "light")
HEADER = "# Made by `make lock`: every package that the engine needs, pinned and hashed.\n"


def wanted(kind: str) -> list[str]:
    """Return the requirements of a list: ``full`` holds torch's own."""
    if kind == "onnxruntime-cuda":
        where = "; python_version >= '3.11' and sys_platform != 'darwin'"
        return [*ONNXRUNTIME[kind], *(line + where for line in CUDA_LIBRARIES)]
    if kind in ONNXRUNTIME:
        return ONNXRUNTIME[kind]
    if kind == "light":
        text = (ROOT / "core/light-requirements.in").read_text(encoding="utf-8")
        lines = (line.partition("#")[0].strip() for line in text.splitlines())
        return [line for line in lines if line]
    project = (ROOT / "core/pyproject.toml").read_text(encoding="utf-8")
    block = re.search(r"^dependencies = \[\n(.*?)^\]", project, re.MULTILINE | re.DOTALL)
    if block is None:
        raise SystemExit("core/pyproject.toml lists no dependencies.")
    ours = re.findall(r'^\s*"([^"]+)"', block[1], re.MULTILINE)
    theirs = importlib.metadata.requires("torch") or []
    plain = [line for line in theirs if "extra ==" not in line and not line.startswith("nvidia")]
    return [line for line in ours if not re.match(r"torch\b", line)] + plain


def uv() -> str:
    """Return a uv, fetched into build/uv the first time."""
    folder = ROOT / "build/uv"
    if not (folder / "bin/uv").exists():
        command = [sys.executable, "-m", "pip", "install", "-q", "--target", str(folder), "uv"]
        subprocess.run(command, check=True)  # noqa: S603
    return str(folder / "bin/uv")


def lock(kind: str) -> None:
    """Write resources/engine/KIND.txt, for all systems and all Pythons from 3.10."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "wanted.in", Path(folder) / "locked.txt"
        source.write_text("\n".join(wanted(kind)) + "\n", encoding="utf-8")
        command = [uv(), "pip", "compile", "-q", "--universal", "--python-version", "3.10",
                   "--generate-hashes", "--no-annotate", "--no-header", "--native-tls",
                   "--only-binary", ":all:", "-c", str(ROOT / "constraints.txt"),
                   str(source), "-o", str(target)]  # fmt: skip
        subprocess.run(command, check=True)  # noqa: S603
        text = target.read_text(encoding="utf-8")
        if kind in ONNXRUNTIME:
            common = _entries(LOCKS / "full.txt").keys() & _entries(LOCKS / "light.txt").keys()
            text = "".join(entry for pin, entry in _entries(target).items() if pin not in common)
    (LOCKS / f"{kind}.txt").write_text(HEADER + text, encoding="utf-8")


def _entries(path: Path) -> dict[str, str]:
    """Read a list: what each package's pin (``name==version``) says, with its hashes."""
    text = path.read_text(encoding="utf-8")
    found = re.findall(r"^[a-z].*\n(?:    .*\n)*", text, re.MULTILINE)
    return {entry.split()[0]: entry for entry in found}


def measure(platform: str, arguments: Sequence[str], besides: Sequence[str]) -> dict[str, int]:
    """Download wheels for a system, look at them, and forget them; ``besides`` lists hold some."""
    counted = {
        pin.partition("==")[0] for name in besides for pin in _entries(LOCKS / f"{name}.txt")
    }
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
        download(Path(folder), platform, PYTHON, arguments)
        found = [
            wheel
            for wheel in Path(folder).glob("*.whl")
            if wheel.name.partition("-")[0].replace("_", "-").lower() not in counted
        ]
        files = [info for wheel in found for info in zipfile.ZipFile(wheel).infolist()]
        return {
            "download_bytes": sum(wheel.stat().st_size for wheel in found),
            "disk_bytes": sum(info.file_size for info in files),
            "longest_path": max(len(INSIDE + info.filename) for info in files),
        }


def sizes(names: Sequence[str]) -> None:
    """Write resources/engine/sizes.json; what an index does not give stays as it was."""
    path = LOCKS / "sizes.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    jobs = {f"{kind}-{platform}": (platform, packages(kind))
            for kind in (*BASES, *ONNXRUNTIME) for platform in TAGS
            if (kind, platform) != ("onnxruntime-cuda", "macos")}  # fmt: skip
    jobs |= {f"tools-{platform}": (platform, ["--no-deps", "uv", "pip"]) for platform in TAGS}
    builds = json.loads((LOCKS / "torch.json").read_text(encoding="utf-8"))
    jobs |= {f"torch-{name}": (name.split("-")[0], torch(*name.split("-"))) for name in builds}
    for name in names or jobs:
        platform, arguments = jobs[name]
        try:
            # torch brings libraries that the lists name too
            besides = ("full", "onnxruntime-cuda") if name.startswith("torch") else ()
            known[name] = measure(platform, arguments, besides)
        except subprocess.CalledProcessError:
            sys.stderr.write(f"{name} cannot be measured here.\n")
        else:
            sys.stdout.write(f"{name}: {known[name]['disk_bytes'] / 1e6:.0f} MB\n")
        path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def main() -> None:
    """Make locks and sizes."""
    LOCKS.mkdir(parents=True, exist_ok=True)
    if sys.argv[1:2] != ["sizes"]:
        for kind in (*BASES, *ONNXRUNTIME):
            lock(kind)
    sizes(sys.argv[2:])


if __name__ == "__main__":
    main()
