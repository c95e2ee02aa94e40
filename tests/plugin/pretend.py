"""A plugin whose engine is tiny: wheels of a kilobyte and an engine that only answers the doctor.

Everything else is real: the plugin, the installer, pip, the environment, the child process.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

TORCH = "2.13.0"
PACKAGES = {
    "numpy": "numpy", "rasterio": "rasterio", "pyogrio": "pyogrio", "shapely": "shapely",
    "scikit-learn": "sklearn", "scikit-image": "skimage", "scipy": "scipy",
    "safetensors": "safetensors", "click": "click", "rich": "rich", "psutil": "psutil",
    "jinja2": "jinja2", "matplotlib": "matplotlib",
}  # fmt: skip
BUILDS = {
    "onnxruntime-cpu": ("onnxruntime",),
    "onnxruntime-cuda": ("onnxruntime-gpu", "nvidia-cublas"),
}
"""What the lists that come on top of full.txt and light.txt hold."""
ENGINE = """
import json, sys
import numpy, torch
devices = [{"name": "cpu", "kind": "CPU, 2 threads", "ok": True, "error": "", "seconds": 0.1,
            "free_bytes": 3_000_000_000, "bf16": False}]
print(json.dumps({"type": "hello", "version": "0", "device": "cpu"}), flush=True)
print(json.dumps({"type": "done", "results": {"mtmsd": "0", "python": sys.version.split()[0],
      "interpreter": sys.executable, "packages": {"torch": torch.__version__}, "cpus": 2,
      "memory": {"total_bytes": 4_000_000_000, "free_bytes": 3_000_000_000},
      "torch_loads_in_s": 0.1, "devices": devices}}), flush=True)
"""


def make_wheel(folder: Path, name: str, module: str, version: str = "1.0") -> Path:
    """Write a wheel of one module that knows its version."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    files = {
        f"{module}.py": f"__version__ = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{inner},,\n" for inner in [*files, f"{info}/RECORD"])
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for inner, text in files.items():
            wheel.writestr(inner, text)
    return path


def make_wheels(folder: Path) -> Path:
    """Fill a folder with the wheels of the pretend lock."""
    folder.mkdir(parents=True)
    for name, module in PACKAGES.items():
        make_wheel(folder, name, module)
    for name in ("onnxruntime", "onnxruntime-gpu"):
        make_wheel(folder, name, "onnxruntime")
    make_wheel(folder, "nvidia-cublas", "nvidia_cublas")
    make_wheel(folder, "torch", "torch", TORCH)
    return folder


def write_locks(folder: Path, wheels: Path) -> Path:
    """Write locks with the wheels' hashes, as those that travel with the plugin."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lists = {"full": PACKAGES, "light": PACKAGES, **BUILDS}
    for kind, names in lists.items():
        lines = []
        for name in names:
            wheel = next(wheels.glob(f"{name.replace('-', '_')}-*.whl"))
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            lines.append(f"{name}==1.0 --hash=sha256:{digest}\n")
        (folder / f"{kind}.txt").write_text("".join(lines))
    requirement = {"requirement": f"torch=={TORCH}"}
    (folder / "torch.json").write_text(json.dumps({"linux-cpu": requirement}))
    sizes = {"download_bytes": 40_000, "disk_bytes": 2_000_000, "longest_path": 90}
    names = ("full-linux", "light-linux", "torch-linux-cpu", *(f"{name}-linux" for name in BUILDS))
    (folder / "sizes.json").write_text(json.dumps(dict.fromkeys(names, sizes)))
    return folder


def write_engine(core: Path) -> Path:
    """Put the engine that only answers where the engine's code lies."""
    package = core / "mtmsd"
    shutil.rmtree(package, ignore_errors=True)
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('__version__ = "0"\n')
    (package / "__main__.py").write_text(ENGINE)
    return core


def make_plugin(build: Path, target: Path, wheels: Path) -> Path:
    """Copy the assembled plugin and give it the pretend locks and engine; return its parent."""
    plugin = target / "mtmsd_qgis"
    shutil.copytree(build / "mtmsd_qgis", plugin)
    write_locks(plugin / "resources/engine", wheels)
    write_engine(plugin / "core")
    return target
