"""Pin and hash what Set Up Engine… installs, and measure it: resources/engine.

    tools/lock.py                  the locks and the sizes
    tools/lock.py sizes [NAME…]    the sizes alone, or some of them

core/pyproject.toml and core/light-requirements.in say what is wanted, constraints.txt which
versions. torch is left out: its files differ between indexes; resources/engine/torch.json pins it.
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

INSIDE = f"lib/python{PYTHON}/site-packages/"
HEADER = "# Made by `make lock`: every package that the engine needs, pinned and hashed.\n"


def wanted(kind: str) -> list[str]:
    """Return the requirements of ``full`` (torch's own among them) or ``light``."""
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
    (LOCKS / f"{kind}.txt").write_text(HEADER + text, encoding="utf-8")


def measure(platform: str, arguments: Sequence[str]) -> dict[str, int]:
    """Download wheels for a system, look at them, and forget them."""
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
        download(Path(folder), platform, PYTHON, arguments)
        found = list(Path(folder).glob("*.whl"))
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
    jobs = {f"{kind}-{platform}": (platform, [*packages(kind)])
            for kind in ("full", "light") for platform in TAGS}  # fmt: skip
    jobs |= {f"tools-{platform}": (platform, ["--no-deps", "uv", "pip"]) for platform in TAGS}
    builds = json.loads((LOCKS / "torch.json").read_text(encoding="utf-8"))
    jobs |= {f"torch-{name}": (name.split("-")[0], torch(*name.split("-"))) for name in builds}
    for name in names or jobs:
        platform, arguments = jobs[name]
        try:
            known[name] = measure(platform, arguments)
        except subprocess.CalledProcessError:
            sys.stderr.write(f"{name} cannot be measured here.\n")
        else:
            sys.stdout.write(f"{name}: {known[name]['disk_bytes'] / 1e6:.0f} MB\n")
        path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def main() -> None:
    """Make locks and sizes."""
    LOCKS.mkdir(parents=True, exist_ok=True)
    if sys.argv[1:2] != ["sizes"]:
        for kind in ("full", "light"):
            lock(kind)
    sizes(sys.argv[2:])


if __name__ == "__main__":
    main()
