"""What a set-up will do, said before anything is done."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from . import locks
from .surroundings import Surroundings
from .trouble import without_secrets

FULL, LIGHT = "full", "light"
CPU, CUDA, MPS = "cpu", "cuda", "mps"
UV, PIP = "uv", "pip"

DEVICE_NAMES = {CPU: "the processor", CUDA: "NVIDIA graphics cards", MPS: "the Apple GPU"}
KIND_NAMES = {
    FULL: "The whole engine: pretraining, training, classification and assessment.",
    LIGHT: "Classification and assessment with models that others trained; no training.",
}


@dataclass(frozen=True)
class SetupOptions:
    """What the user chose under Advanced; empty means: as the machine has it.

    Attributes
    ----------
    index_url : str
        A package index that replaces the ordinary one, PyTorch's included.
    proxy : str
        ``http://user:password@host:port``; empty: QGIS's or the environment's.
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
    python : str
        The Python it is built from; empty where uv is to bring one.
    tool : str
        ``uv`` or ``pip``: what installs.
    uv : str
        The uv that is there; empty where it has to be fetched first, or with pip.
    index_url, torch_index, proxy, wheel_folder : str
        Where packages come from; empty means the ordinary index, none, none, none.
    download_bytes, disk_bytes : int
        What will be fetched, and what the environment will take; measured for this lock.
    free_bytes : int
        What the disk of ``folder`` has free.
    problem : str
        Why it cannot be done at all, found while planning; empty if it can.
    """

    kind: str
    device: str
    folder: Path
    python: str
    tool: str
    uv: str
    index_url: str
    torch_index: str
    proxy: str
    wheel_folder: str
    download_bytes: int
    disk_bytes: int
    free_bytes: int
    system: str
    machine: str
    problem: str = ""

    def sentences(self) -> list[str]:
        """Say what will be installed, from where, how large, into which folder, for what."""
        raise NotImplementedError

    def refusal(self) -> str:
        """Return why it cannot be done and what to do, or an empty string."""
        raise NotImplementedError


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
    raise NotImplementedError
