"""What a set-up will do, said before anything is done."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from ..common.folders import PLUGIN
from ..common.numbers import number
from ..common.translation import later, tr, translated
from ..engine import locks
from ..engine.stamp import STAMP
from . import platforms
from .environment_folder import NOTE
from .machine import BasePython, Sources, Surroundings, host_of

FULL, LIGHT = "full", "light"
CPU, CUDA, MPS = "cpu", "cuda", "mps"
UV, PIP = "uv", "pip"

KIND_TEXTS = {
    FULL: later("The whole engine: pretraining, training, classification and assessment."),
    LIGHT: later("Classification and assessment with models that others trained; no training."),
}
DEVICE_TEXTS = {
    CPU: later("Computes on the processor."),
    CUDA: later("Computes on NVIDIA graphics cards."),
    MPS: later("Computes on the Apple GPU."),
}
FETCHED_PYTHON = "3.11"
"""The Python that uv brings where the machine has none that fits."""
CARD_PYTHON = (3, 11)
"""For which the list for CUDA has onnxruntime-gpu, and newer: see tools/lock.py."""
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
        said = [" ".join(map(translated, (KIND_TEXTS[self.kind], DEVICE_TEXTS[self.device])))]
        if self.device == CUDA and _is_before(self.python_version, CARD_PYTHON):
            limit = tr("Exported classifiers (.onnx) are mapped on the processor: on NVIDIA cards "
                       "that takes Python 3.11 or newer.")  # fmt: skip
            said.append(limit)
        if self.wheel_folder:
            text = tr("From the folder {}; no network is used.")
            said.append(text.format(self.wheel_folder))
        else:
            text = tr("Fetches about {size} from {hosts}.")
            said.append(text.format(size=size(self.download_bytes), hosts=self._hosts()))
        text = tr("Takes about {size} in {folder}; {free} are free there.").format(
            size=size(self.disk_bytes), folder=self.folder, free=size(self.free_bytes)
        )
        said.append(text)
        if not self.torch_measured:
            said.append(tr("PyTorch comes on top of that; its size was not measured."))
        said.append(self._built_from() + " " + tr("QGIS's own Python stays as it is."))
        if (self.folder / STAMP).exists():
            text = tr("The engine that is there stays until the new one has passed its check.")
            said.append(text)
        return said

    def _hosts(self) -> str:
        urls = [self.sources.index_url or "PyPI", *self.sources.extra_index_urls]
        urls += [*self.sources.find_links, *([self.torch_index] if self.torch_index else [])]
        hosts = list(dict.fromkeys(host_of(url) for url in urls))
        if len(hosts) == 1:
            return hosts[0]
        return tr("{first} and {last}").format(first=", ".join(hosts[:-1]), last=hosts[-1])

    def _built_from(self) -> str:
        fetched = tr("uv, which is fetched first")
        tool = "pip" if self.tool == PIP else "uv" if self.uv else fetched
        if not self.python:
            text = tr("Installed by {tool}; it brings a Python {version} of its own.")
            return text.format(tool=tool, version=FETCHED_PYTHON)
        named = f"Python {self.python_version} ({self.python})"
        python = named if self.python_version else self.python
        return tr("Built from {python} by {tool}.").format(python=python, tool=tool)

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
        text = tr(
            "The wheel folder {} holds no wheels (.whl). Choose the folder that make wheelhouse "
            "filled, or leave it empty to use the network."
        )
        return text.format(self.wheel_folder)

    def _disk_refusal(self) -> str:
        needed = self.disk_bytes + (self.download_bytes if self.tool == PIP else 0) + MARGIN
        if self.free_bytes >= needed:
            return ""
        text = tr(
            "The disk of {folder} has {free} free; {needed} are needed. Free some space, or "
            "choose a folder on another disk."
        )
        return text.format(folder=self.folder, free=size(self.free_bytes), needed=size(needed))


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
    if kind == LIGHT and device == MPS:
        device = CPU  # onnxruntime has no build for it
    torch = locks.torch_for(system, device) if kind == FULL else None
    sizes = locks.sizes_for(kind, device, system)
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
        lock=locks.digest(kind, device, requirement),
        torch_measured=torch is None or locks.sizes_of(f"torch-{system}-{device}").disk_bytes > 0,
        problem=_problem(device, kind == FULL, torch, surroundings)
        or _card_problem(kind, device, python)
        or _python_problem(python, tool, bool(options.wheel_folder), surroundings),
    )


def size(count: int) -> str:
    """Return bytes as people write them: 85 MB, 1.7 GB."""
    return f"{number(count / 1e9, 1)} GB" if count >= 1e9 else f"{max(1, round(count / 1e6))} MB"


def device_name(device: str) -> str:
    """Return a device's name, as the other parts of the dock call it."""
    return {CPU: tr("CPU"), CUDA: tr("NVIDIA GPU"), MPS: tr("Apple GPU")}[device]


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
        text = tr(
            "There are no ready-made packages for {system} on {machine}. Set the engine up on "
            "another machine, or choose an interpreter that has the packages."
        )
        return text.format(system=system, machine=machine)
    if needs_torch and torch is None:
        text = tr("There is no PyTorch for the device {device} on {system}. Choose the processor.")
        return text.format(device=device_name(device), system=system)
    least = max(torch.least_driver if torch else 0, locks.ONNXRUNTIME_DRIVER)
    if device == CUDA and surroundings.driver and _major(surroundings.driver) < least:
        text = tr(
            "The NVIDIA driver {driver} is too old for these packages, which need {least} or "
            "newer. Update the driver, or choose the processor."
        )
        return text.format(driver=surroundings.driver, least=least)
    return ""


def _card_problem(kind: str, device: str, python: BasePython) -> str:
    if kind == FULL or device != CUDA or not _is_before(python.version, CARD_PYTHON):
        return ""
    text = tr(
        "Mapping exported classifiers on NVIDIA cards takes Python 3.11 or newer; {python} is "
        "{version}. Choose another Python under Advanced, or the processor."
    )
    return text.format(python=python.path, version=python.version)


def _python_problem(
    python: BasePython, tool: str, offline: bool, surroundings: Surroundings
) -> str:
    if python.reason:
        text = tr("{python} cannot be used: {reason}.") + " " + tr("Choose another Python.")
        return text.format(python=python.path, reason=python.reason)
    if not python.path and (tool == PIP or offline):  # uv fetches one by the network
        found = "; ".join(f"{p.path}: {p.reason}" for p in surroundings.pythons)
        text = tr(
            "No Python was found that the engine can be built from ({found}). Install Python "
            "{version} from python.org or your distribution, then try again."
        )
        return text.format(found=found or tr("none at all"), version=FETCHED_PYTHON)
    return ""


def _is_before(version: str, least: tuple[int, int]) -> bool:
    """Whether a Python is older; False where its version is not known yet."""
    return bool(version) and tuple(map(int, version.split(".")[:2])) < least


def _major(version: str) -> int:
    first = version.split(".")[0]
    return int(first) if first.isdigit() else 0


def _folder_refusal(folder: Path, kind: str, device: str) -> str:
    if PLUGIN in (folder, *folder.parents):
        text = tr(
            "{} lies inside the plugin, which an update of the plugin deletes. "
            "Choose a folder outside it."
        )
        return text.format(folder)
    system = platforms.name_of(sys.platform)
    longest = locks.sizes_for(kind, device, system).longest_path
    most = WINDOWS_PATH if system == "windows" else os.pathconf("/", "PC_PATH_MAX") - 1
    own = str(folder) if system == "windows" else os.fsencode(folder)
    length = len(own) + len(".new/") + longest
    if length > most:
        text = tr(
            "The path {folder} is too long: files inside it would have {length} characters, "
            "{most} are possible. Choose a shorter one."
        )
        return text.format(folder=folder, length=length, most=most)
    if folder.exists() and not folder.is_dir():
        return tr("{} is a file. Choose a folder.").format(folder)
    if folder.is_dir() and any(folder.iterdir()) and not _is_ours(folder):
        text = tr(
            "The folder {} holds other files, which would be replaced. "
            "Choose an empty or a new folder."
        )
        return text.format(folder)
    parent = _nearest(folder.parent)
    if not os.access(parent, os.W_OK | os.X_OK):
        text = tr("The folder {} may not be written by you. Choose another folder.")
        return text.format(parent)
    return ""


def _is_ours(folder: Path) -> bool:
    return any((folder / name).exists() for name in (STAMP, NOTE))
