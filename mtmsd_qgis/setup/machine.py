"""What this machine offers to a set-up: Pythons, uv, cards, proxy, index."""

from __future__ import annotations

import ast
import glob
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from qgis.core import QgsNetworkAccessManager
from qgis.PyQt.QtNetwork import QNetworkProxy

from ..common.folders import CORE, environment_folder
from ..common.translation import tr
from ..engine.environment import child_environment
from ..engine.process import start_options
from . import platforms

OLDEST, NEWEST = (3, 10), (3, 14)
"""The Pythons for which every locked package has a wheel."""
BEST = ((3, 11), (3, 12), (3, 13), (3, 10), (3, 14))
"""In the order in which they are proposed: the one that the tests run on comes first."""
ANSWER_SECONDS = 15.0

_QUESTION = """
import json, struct, sys
def there(name):
    try:
        return bool(__import__(name))
    except Exception:
        return False
print("MTMSD " + json.dumps(dict(
    version=sys.version_info[:3], bits=struct.calcsize("P") * 8, name=sys.implementation.name,
    venv=there("venv") and there("ensurepip"), pip=there("pip"), base=sys.base_prefix)))
"""


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
class Sources:
    """Where pip is configured to take packages from; empty means the ordinary index."""

    index_url: str = ""
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    cert: str = ""

    @property
    def are_own(self) -> bool:
        """Whether anything but the ordinary index is named."""
        return bool(self.index_url or self.extra_index_urls or self.find_links)


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
    fetcher : str
        A Python with pip that can at least fetch uv, or empty.
    uv : str
        A uv that answers, or empty.
    driver : str
        The NVIDIA driver's version, or empty.
    cards : tuple of Card
    proxy : str
        QGIS's proxy, or empty; with its login, so never show it as it is.
    sources : Sources
        What pip is configured with.
    """

    system: str
    machine: str
    layout: str
    pythons: tuple[BasePython, ...] = ()
    fetcher: str = ""
    uv: str = ""
    driver: str = ""
    cards: tuple[Card, ...] = ()
    proxy: str = ""
    sources: Sources = Sources()

    def devices(self) -> tuple[str, ...]:
        """Return the devices that can be chosen here, the proposed one first."""
        if self.system == "macos":
            return ("mps", "cpu") if self.machine == "arm64" else ("cpu",)
        if self.machine != "x86_64":
            return ("cpu",)
        return ("cuda", "cpu") if self.cards else ("cpu", "cuda")

    def device_hint(self) -> str:
        """Say in a sentence why that device is proposed."""
        if self.cards:
            card = self.cards[0]
            memory = f"{card.total_bytes / 1e9:.0f} GB"
            text = tr("This machine has an {card} ({memory}), driver {driver}.")
            return text.format(card=card.name, memory=memory, driver=self.driver)
        if self.devices()[0] == "mps":
            return tr("This is an Apple machine with a GPU of its own.")
        return tr("No NVIDIA graphics card with a working driver was found.")


def look_around() -> Surroundings:
    """Look at the machine and at QGIS's settings; takes seconds, so call it in a thread."""
    system = platforms.name_of(sys.platform)
    rules = platforms.BY_NAME[system]
    files = _files(rules.patterns(os.environ))
    asked = {file: ask(file) for file in rules.fetchers(os.environ, files)}
    fitting = (asked[file] for file in rules.bases(os.environ, files))
    pythons = _in_order(answer for answer in fitting if answer is not None)
    with_pip = [file for file, answer in asked.items() if answer is not None and answer.has_pip]
    driver, cards = nvidia()
    return Surroundings(
        system=system,
        machine=platforms.machine_of(platform.machine()),
        layout=rules.layout(os.environ, files),
        pythons=pythons,
        fetcher=with_pip[0] if with_pip else "",
        uv=find_uv(rules.environment_python(str(environment_folder()))),
        driver=driver,
        cards=cards,
        proxy=qgis_proxy(),
        sources=pip_sources(with_pip[0]) if with_pip else Sources(),
    )


@dataclass(frozen=True)
class Answer:
    """What a Python says of itself."""

    path: str
    version: tuple[int, ...]
    bits: int
    name: str
    has_venv: bool
    has_pip: bool
    base: str

    def reason(self) -> str:
        """Why no environment can be built from it; empty: one can."""
        number, oldest, newest = (
            ".".join(map(str, version)) for version in (self.version[:2], OLDEST, NEWEST)
        )
        if self.name != "cpython":
            return tr("it is {}, not CPython").format(self.name)
        if self.bits != 64:
            return tr("it is a {}-bit Python").format(self.bits)
        if not OLDEST <= self.version[:2] <= NEWEST:
            too_old = tr("Python {number} is too old; {oldest} to {newest} will do")
            too_new = tr("Python {number} is too new; {oldest} to {newest} will do")
            text = too_old if self.version[:2] < OLDEST else too_new
            return text.format(number=number, oldest=oldest, newest=newest)
        if not self.has_venv:
            return tr("it lacks venv or ensurepip (on Debian and Ubuntu: install python3-venv)")
        return ""


def ask(python: str) -> Answer | None:
    """Start a Python and ask what it is; None where it does not answer like one."""
    environment = {**child_environment(os.environ, CORE), "PYTHONPATH": ""}
    said = _output([python, "-c", _QUESTION], environment)
    marked = [line for line in said.splitlines() if line.startswith("MTMSD ")]
    if not marked:
        return None
    row = json.loads(marked[-1][6:])
    return Answer(
        python,
        tuple(row["version"]),
        row["bits"],
        row["name"],
        row["venv"],
        row["pip"],
        row["base"],
    )


def _in_order(answers: Iterable[Answer]) -> tuple[BasePython, ...]:
    """Put those that fit first, the best version first, and one of each installation."""
    once = {(answer.base, answer.version): answer for answer in reversed(list(answers))}
    found = [
        BasePython(a.path, ".".join(map(str, a.version)), a.reason())
        for a in reversed(list(once.values()))
    ]
    ranks = {version: rank for rank, version in enumerate(BEST)}
    return tuple(
        sorted(found, key=lambda p: (bool(p.reason), ranks.get(_minor(p.version), len(BEST))))
    )


def _minor(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def find_uv(environment_python: str) -> str:
    """Return a uv that answers: on PATH or in the engine's environment; else an empty string."""
    beside = Path(environment_python).with_name("uv.exe" if os.name == "nt" else "uv")
    for candidate in (shutil.which("uv") or "", str(beside)):
        if candidate and _output([candidate, "--version"], os.environ).startswith("uv "):
            return candidate
    return ""


def nvidia() -> tuple[str, tuple[Card, ...]]:
    """Return the NVIDIA driver's version and the cards, as nvidia-smi tells."""
    program = shutil.which("nvidia-smi")
    if not program:
        return "", ()
    fields = "driver_version,name,memory.total,memory.free"
    said = _output([program, f"--query-gpu={fields}", "--format=csv,noheader,nounits"], os.environ)
    return parse_nvidia(said)


def parse_nvidia(text: str) -> tuple[str, tuple[Card, ...]]:
    """Read the lines ``driver, name, total MiB, free MiB``."""
    rows = [[part.strip() for part in line.split(",")] for line in text.splitlines()]
    rows = [row for row in rows if len(row) == 4 and row[2].isdigit() and row[3].isdigit()]
    cards = tuple(Card(row[1], int(row[2]) << 20, int(row[3]) << 20) for row in rows)
    return (rows[0][0] if rows else ""), cards


def qgis_proxy() -> str:
    """Return QGIS's proxy as a URL, with the login of its settings or of its authentication."""
    manager = QgsNetworkAccessManager()  # one of this thread, with the settings as they are now
    manager.setupDefaultProxyAndCache()
    proxy = manager.fallbackProxy()
    if not proxy.hostName():
        return ""
    login = ":".join(quote(part, safe="") for part in (proxy.user(), proxy.password()))
    scheme = "socks5" if proxy.type() == QNetworkProxy.ProxyType.Socks5Proxy else "http"
    port = f":{proxy.port()}" if proxy.port() else ""
    return f"{scheme}://{login}@{proxy.hostName()}{port}".replace("//:@", "//")


def pip_sources(python: str) -> Sources:
    """Ask a Python's pip what it is configured with, files and variables together."""
    said = _output([python, "-m", "pip", "config", "list"], child_environment(os.environ, CORE))
    return parse_pip_config(said)


def parse_pip_config(text: str) -> Sources:
    """Read what ``pip config list`` prints; variables (``:env:``) come before files."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if section in ("global", "install", ":env:") and value[:1] in "'\"":
            known = found if section == ":env:" or key not in found else {}
            known[key] = str(ast.literal_eval(value))
    return Sources(
        index_url=found.get("index-url", ""),
        extra_index_urls=tuple(found.get("extra-index-url", "").split()),
        find_links=tuple(found.get("find-links", "").split()),
        trusted_hosts=tuple(found.get("trusted-host", "").split()),
        cert=found.get("cert", ""),
    )


def host_of(url: str) -> str:
    """Return what of a URL may be shown: host and port, or the folder of a file URL."""
    parts = urlsplit(url)
    if not parts.hostname:
        return parts.path or url
    return parts.hostname + (f":{parts.port}" if parts.port else "")


def _files(patterns: Iterable[str]) -> list[str]:
    found = (file for pattern in patterns for file in sorted(glob.glob(pattern)))
    return list(dict.fromkeys(found))


def _output(command: list[str], environment: Mapping[str, str]) -> str:
    """Return what a program prints, or nothing where it cannot be started or hangs."""
    try:
        done = subprocess.run(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=dict(environment),
            timeout=ANSWER_SECONDS,
            check=False,
            **start_options(),
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace")
