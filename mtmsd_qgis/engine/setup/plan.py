"""What a set-up will do, said before anything is done."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from ..folders import PLUGIN
from . import locks, platforms
from .place import NOTE, STAMP
from .surroundings import BasePython, Sources, Surroundings, host_of

FULL, LIGHT = "full", "light"
CPU, CUDA, MPS = "cpu", "cuda", "mps"
UV, PIP = "uv", "pip"

DEVICE_NAMES = {CPU: "the processor", CUDA: "NVIDIA graphics cards", MPS: "the Apple GPU"}
KIND_NAMES = {
    FULL: "The whole engine: pretraining, training, classification and assessment",
    LIGHT: "Classification and assessment with models that others trained; no training",
}
FETCHED_PYTHON = "3.11"
"""The Python that uv brings where the machine has none that fits."""
WINDOWS_PATH = 259
"""Characters of a path that every Windows program can open."""
MARGIN = 200_000_000
"""Bytes that stay free for all else."""


@dataclass(frozen=True)
class SetupOptions:
    """What the user chose under Advanced; empty means: as the machine has it.

    Attributes
    ----------
    index_url : str
        A package index that replaces the ordinary one, PyTorch's included.
    proxy : str
        A URL, with its login where it needs one; empty: QGIS's or the environment's.
    wheel_folder : str
        A folder of wheels, as ``make wheelhouse`` fills it; then no network is used.
    python : str
        The Python that the environment is built from; empty: the first that fits.
    tool : str
        ``uv``, ``pip``, or empty: uv where it can be had.
    """

    index_url: str = ""
    proxy: str = ""
    wheel_folder: str = ""
    python: str = ""
    tool: str = ""


@dataclass(frozen=True)
class SetupPlan:
    """One set-up, decided; made by :func:`make_plan`.

    Attributes
    ----------
    kind : str
        ``full``, or ``light``: classify and assess only, without torch.
    device : str
        ``cpu``, ``cuda`` or ``mps``.
    folder : Path
        Where the environment will lie; built in ``FOLDER.new`` beside it.
    python, python_version : str
        The Python it is built from; empty where uv is to bring one.
    fetcher : str
        A Python that can fetch uv where ``python`` is empty.
    tool : str
        ``uv`` or ``pip``: what installs.
    uv : str
        The uv that is there; empty where it has to be fetched first, or with pip.
    torch, torch_index : str
        The requirement of torch, empty for ``light``; the index that has it, where it is not the
        ordinary one.
    sources : Sources
        Where all else comes from; what the user chose has taken the place of pip's configuration.
    proxy, wheel_folder : str
        As chosen; empty means none.
    download_bytes, disk_bytes : int
        What will be fetched, and what the environment will take; measured for this lock.
    free_bytes : int
        What the disk of ``folder`` has free.
    lock : str
        The digest of what is installed.
    torch_measured : bool
        Whether the sizes hold torch; its index was out of reach when some were measured.
    problem : str
        Why the plan cannot be carried out here; empty if it can.
    """

    kind: str
    device: str
    folder: Path
    python: str
    python_version: str
    fetcher: str
    tool: str
    uv: str
    torch: str
    torch_index: str
    sources: Sources
    proxy: str
    wheel_folder: str
    download_bytes: int
    disk_bytes: int
    free_bytes: int
    lock: str
    torch_measured: bool = True
    problem: str = ""

    @property
    def index_url(self) -> str:
        """The index that takes the place of the ordinary one, or an empty string."""
        return self.sources.index_url

    def sentences(self) -> list[str]:
        """Say what will be installed, from where, how large, into which folder, for what."""
        computes = f" Computes on {DEVICE_NAMES[self.device]}." if self.torch else ""
        said = [f"{KIND_NAMES[self.kind]}.{computes}"]
        if self.wheel_folder:
            said.append(f"From the folder {self.wheel_folder}; no network is used.")
        else:
            said.append(f"Fetches about {size(self.download_bytes)} from {self._hosts()}.")
        said.append(
            f"Takes about {size(self.disk_bytes)} in {self.folder}; "
            f"{size(self.free_bytes)} are free there."
        )
        if not self.torch_measured:
            said.append("PyTorch comes on top of that; its size was not measured.")
        said.append(f"{self._built_from()} QGIS's own Python stays as it is.")
        if (self.folder / STAMP).exists():
            said.append("The engine that is there stays until the new one has passed its check.")
        return said

    def _hosts(self) -> str:
        urls = [self.sources.index_url or "PyPI", *self.sources.extra_index_urls]
        urls += [*self.sources.find_links, *([self.torch_index] if self.torch_index else [])]
        hosts = list(dict.fromkeys(host_of(url) for url in urls))
        return " and ".join([", ".join(hosts[:-1]), hosts[-1]] if len(hosts) > 1 else hosts)

    def _built_from(self) -> str:
        by = "pip" if self.tool == PIP else "uv" if self.uv else "uv, which is fetched first"
        if not self.python:
            return f"Installed by {by}; it brings a Python {FETCHED_PYTHON} of its own."
        version = f"Python {self.python_version} " if self.python_version else ""
        return f"Built from {version}({self.python}) by {by}."

    def refusal(self) -> str:
        """Return why it cannot be done and what to do, or an empty string."""
        return (
            self.problem
            or _folder_refusal(self.folder, self.kind, self.device)
            or self._wheel_refusal()
            or self._disk_refusal()
        )

    def _wheel_refusal(self) -> str:
        if not self.wheel_folder or any(Path(self.wheel_folder).glob("*.whl")):
            return ""
        return (
            f"The wheel folder {self.wheel_folder} holds no wheels (.whl). Choose the folder "
            "that make wheelhouse filled, or leave it empty to use the network."
        )

    def _disk_refusal(self) -> str:
        needed = self.disk_bytes + (self.download_bytes if self.tool == PIP else 0) + MARGIN
        if self.free_bytes >= needed:
            return ""
        return (
            f"The disk of {self.folder} has {size(self.free_bytes)} free; {size(needed)} are "
            "needed. Free some space, or choose a folder on another disk."
        )


def make_plan(
    kind: str, device: str, folder: Path, options: SetupOptions, surroundings: Surroundings
) -> SetupPlan:
    """Decide what a set-up would do; nothing is written and nothing is started.

    Parameters
    ----------
    kind : {"full", "light"}
    device : {"cpu", "cuda", "mps"}
        One of ``surroundings.devices()``.
    folder : Path
        Where the environment shall lie, by default ``folders.environment_folder()``.
    options : SetupOptions
        What was chosen under Advanced.
    surroundings : Surroundings
        From :func:`.surroundings.look_around`.
    """
    system = surroundings.system
    torch = locks.torch_for(system, device) if kind == FULL else None
    sizes = locks.sizes_of(f"{kind}-{system}") + locks.sizes_of(f"tools-{system}")
    of_torch = locks.sizes_of(f"torch-{system}-{device}")
    if torch is not None:
        sizes += of_torch
    python = _python(options, surroundings)
    tool, uv = _tool(options, surroundings, python)
    own_source = bool(options.index_url or options.wheel_folder)
    requirement = torch.requirement if torch else ""
    return SetupPlan(
        kind=kind,
        device=device,
        folder=folder,
        python=python.path,
        python_version=python.version,
        fetcher=surroundings.fetcher,
        tool=tool,
        uv=uv,
        torch=requirement,
        torch_index=torch.index if torch and not own_source else "",
        sources=_sources(options, surroundings.sources),
        proxy=options.proxy or surroundings.proxy,
        wheel_folder=options.wheel_folder,
        download_bytes=0 if options.wheel_folder else sizes.download_bytes,
        disk_bytes=sizes.disk_bytes,
        free_bytes=free_bytes(folder),
        lock=locks.digest(kind, requirement),
        torch_measured=torch is None or of_torch.disk_bytes > 0,
        problem=_problem(device, kind == FULL, torch, surroundings)
        or _python_problem(python, tool, bool(options.wheel_folder), surroundings),
    )


def size(count: int) -> str:
    """Return bytes as people write them: 85 MB, 1.7 GB."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(1, round(count / 1e6))} MB"


def free_bytes(folder: Path) -> int:
    """Return what the disk has free on which a folder lies or would lie."""
    return shutil.disk_usage(_nearest(folder)).free


def _nearest(folder: Path) -> Path:
    while not folder.exists() and folder.parent != folder:
        folder = folder.parent
    return folder


def _python(options: SetupOptions, surroundings: Surroundings) -> BasePython:
    known = {python.path: python for python in surroundings.pythons}
    if options.python:
        return known.get(options.python, BasePython(options.python, ""))
    fitting = [python for python in surroundings.pythons if not python.reason]
    return fitting[0] if fitting else BasePython("", "")


def _tool(options: SetupOptions, surroundings: Surroundings, python: BasePython) -> tuple[str, str]:
    if options.tool == PIP:
        return PIP, ""
    in_folder = any(Path(options.wheel_folder).glob("uv-*.whl")) if options.wheel_folder else True
    can_fetch = in_folder and bool(python.path or surroundings.fetcher)
    if options.tool == UV or surroundings.uv or can_fetch:
        return UV, surroundings.uv
    return PIP, ""


def _sources(options: SetupOptions, configured: Sources) -> Sources:
    if options.wheel_folder:
        return Sources()
    if options.index_url:
        return Sources(
            options.index_url, trusted_hosts=configured.trusted_hosts, cert=configured.cert
        )
    return configured


def _problem(
    device: str, needs_torch: bool, torch: locks.Torch | None, surroundings: Surroundings
) -> str:
    system, machine = surroundings.system, surroundings.machine
    if machine not in ("x86_64", "arm64") or (system, machine) in (
        ("macos", "x86_64"),
        ("windows", "arm64"),
    ):
        return (
            f"There are no ready-made packages for {system} on {machine}. Set the engine up on "
            "another machine, or choose an interpreter that has the packages."
        )
    if needs_torch and torch is None:
        return f"There is no PyTorch for {DEVICE_NAMES[device]} on {system}. Choose the processor."
    if (
        torch is not None
        and surroundings.driver
        and _major(surroundings.driver) < torch.least_driver
    ):
        return (
            f"The NVIDIA driver {surroundings.driver} is too old for this PyTorch, which needs "
            f"{torch.least_driver} or newer. Update the driver, or choose the processor."
        )
    return ""


def _python_problem(
    python: BasePython, tool: str, offline: bool, surroundings: Surroundings
) -> str:
    if python.reason:
        return f"{python.path} cannot be used: {python.reason}. Choose another Python."
    if not python.path and (tool == PIP or offline):  # uv fetches one by the network
        found = "; ".join(f"{p.path}: {p.reason}" for p in surroundings.pythons) or "none at all"
        return (
            f"No Python was found that the engine can be built from ({found}). Install Python "
            f"{FETCHED_PYTHON} from python.org or your distribution, then try again."
        )
    return ""


def _major(version: str) -> int:
    first = version.split(".")[0]
    return int(first) if first.isdigit() else 0


def _folder_refusal(folder: Path, kind: str, device: str) -> str:
    if PLUGIN in (folder, *folder.parents):
        return (
            f"{folder} lies inside the plugin, which an update of the plugin deletes. "
            "Choose a folder outside it."
        )
    system = platforms.name_of(sys.platform)
    longest = locks.sizes_of(f"{kind}-{system}").longest_path
    longest = max(longest, locks.sizes_of(f"torch-{system}-{device}").longest_path)
    most = WINDOWS_PATH if system == "windows" else os.pathconf("/", "PC_PATH_MAX") - 1
    own = str(folder) if system == "windows" else os.fsencode(folder)
    length = len(own) + len(".new/") + longest
    if length > most:
        return (
            f"The path {folder} is too long: files inside it would have {length} characters, "
            f"{most} are possible. Choose a shorter one."
        )
    if folder.exists() and not folder.is_dir():
        return f"{folder} is a file. Choose a folder."
    if folder.is_dir() and any(folder.iterdir()) and not _is_ours(folder):
        return (
            f"The folder {folder} holds other files, which would be replaced. "
            "Choose an empty or a new folder."
        )
    parent = _nearest(folder.parent)
    if not os.access(parent, os.W_OK | os.X_OK):
        return f"The folder {parent} may not be written by you. Choose another folder."
    return ""


def _is_ours(folder: Path) -> bool:
    return any((folder / name).exists() for name in (STAMP, NOTE))
