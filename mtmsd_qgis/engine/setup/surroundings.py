"""What this machine offers to a set-up: Pythons, uv, cards, proxy, index, disk."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BasePython:
    """A Python from which the environment may be built.

    ``reason`` says why it may not serve (too old, too new, no venv, 32 bits); empty: it may.
    """

    path: str
    version: str
    reason: str = ""


@dataclass(frozen=True)
class Card:
    """An NVIDIA card, as nvidia-smi tells of it: a hint, no proof that it computes."""

    name: str
    total_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class Surroundings:
    """The machine as a set-up sees it; made by :func:`look_around`.

    Attributes
    ----------
    system : str
        ``linux``, ``windows`` or ``macos``.
    machine : str
        ``x86_64`` or ``arm64``.
    layout : str
        How QGIS was installed, for people: ``Debian``, ``OSGeo4W``, ``Flatpak``, ….
    pythons : tuple of BasePython
        All that were found, those that fit first.
    uv : str
        A uv that answers, or empty.
    driver : str
        The NVIDIA driver's version, or empty.
    cards : tuple of Card
    proxy : str
        QGIS's proxy, or the environment's, with its login; never show it as it is.
    index_url : str
        The index that pip is configured with, or empty for the ordinary one.
    more_sources : tuple of str
        Further indexes and folders of wheels that pip is configured with.
    """

    system: str
    machine: str
    layout: str
    pythons: tuple[BasePython, ...] = ()
    uv: str = ""
    driver: str = ""
    cards: tuple[Card, ...] = ()
    proxy: str = ""
    index_url: str = ""
    more_sources: tuple[str, ...] = ()

    def devices(self) -> tuple[str, ...]:
        """Return the devices that can be chosen here, the proposed one first."""
        raise NotImplementedError

    def device_hint(self) -> str:
        """Say in a sentence why that device is proposed (card, memory, driver)."""
        raise NotImplementedError


def look_around() -> Surroundings:
    """Look at the machine and at QGIS's settings; takes seconds, so call it in a thread."""
    raise NotImplementedError
