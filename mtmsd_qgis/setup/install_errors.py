"""What goes wrong in the field, each with a sentence and a remedy."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..common.translation import later, tr, translated

if TYPE_CHECKING:
    from .plan import SetupPlan

NETWORK, BROKEN_LINE = "no-network", "broken-line"


@dataclass(frozen=True)
class Trouble:
    """One kind of trouble: how the tools' words show it, what is said, what to do.

    ``pattern`` is searched in the log with single spaces for line ends and indents: tools wrap.
    ``sentence`` and ``remedy`` are translated when they are said. They may hold {folder},
    {index}, {python}, {wheels}, {torch} and the pattern's own groups.
    """

    code: str
    pattern: str
    sentence: str
    remedy: str


_PACKAGE = (
    r"`?(?P<package>[a-z0-9][a-z0-9._-]*(?:\[[\w,]+\])?(?:[=<>~!]=?=?[\w+!*]+(?:\.[\w+!*]+)*)?)"
)
"""A package, with its version where it is told."""

TROUBLES = (
    Trouble(
        "proxy-login",
        r"\b407\b|Proxy Authentication Required|proxy authorization required",
        later("The proxy asks for a name and a password."),
        later(
            "Enter them in QGIS under Settings > Options > Network, or under Advanced as "
            "http://user[:password]@host:port."
        ),
    ),
    Trouble(
        "tls",
        r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|UnknownIssuer|invalid peer cert"
        r"|self[- ]signed certificate|CaUsedAsEndEntity",
        later(
            "The connection to {index} shows a certificate that this machine does not trust; a "
            "virus scanner or a company's proxy may be reading along."
        ),
        later(
            "Ask your administrator for the certificate, install it in the system, and set "
            "SSL_CERT_FILE to it if that is not enough; or use a folder of wheels."
        ),
    ),
    Trouble(
        "disk-full",
        r"No space left on device|Errno 28\b|os error (?:28|112)\b|Disk quota exceeded"
        r"|not enough space on the disk|Errno 122\b",
        later("The disk of {folder} is full."),
        later(
            "Free some space or choose a folder on another disk, then try again: it goes on where "
            "it stopped."
        ),
    ),
    Trouble(
        "path-too-long",
        r"File name too long|Errno 36\b|(?:Win|os )error (?:36|206)\b"
        r"|filename or extension is too long",
        later("The path {folder} is too long for files inside it."),
        later("Choose a shorter one."),
    ),
    Trouble(
        "locked",
        r"(?:Win|os )error 32\b|being used by another process|Text file busy|Errno 26\b"
        r"|WinError 5\]|Device or resource busy",
        later("A file in {folder} is in use by another program."),
        later("Wait for the engine's jobs to end, close other QGIS windows, then try again."),
    ),
    Trouble(
        "not-writable",
        r"Permission denied|Errno (?:13|30)\b|os error 13\b|Read-only file system|Access is denied",
        later("The folder {folder} may not be written."),
        later("Choose another folder, or ask who owns it."),
    ),
    Trouble(
        "hash",
        r"DO NOT MATCH THE HASHES|Hash mismatch for `?(?P<package>[\w.+-]+)",
        later("A package that was fetched is not the one that was tested (its checksum differs)."),
        later(
            "Try again; if it happens again, {index} serves something else: use another index, and "
            "tell its administrator."
        ),
    ),
    Trouble(
        "externally-managed",
        r"externally[- ]managed",
        later(
            "The Python {python} is managed by the system, which lets nothing be installed into it."
        ),
        later(
            "Install python3-venv (on Debian and Ubuntu), or choose another Python; QGIS's and the "
            "system's own stay as they are."
        ),
    ),
    Trouble(
        "no-venv",
        r"ensurepip is not available|No module named '?venv|No module named '?ensurepip"
        r"|ensurepip[^.]{0,80}returned non-zero",
        later("The Python {python} cannot make an environment: it lacks venv or ensurepip."),
        later("Install python3-venv (on Debian and Ubuntu), or choose another Python."),
    ),
    Trouble(
        NETWORK,
        r"Temporary failure in name resolution|Name or service not known|getaddrinfo failed"
        r"|nodename nor servname|dns error|failed to lookup address|Network is unreachable"
        r"|No route to host|Connection refused|ConnectTimeout|tcp connect error|ProxyError"
        r"|os error (?:101|111|10061)\b|client error \(Connect\)|Network connectivity is disabled",
        later("{index} cannot be reached."),
        later(
            "Look at the network and at the proxy (Settings > Options > Network) and try again; on "
            "a machine without a network use a folder of wheels."
        ),
    ),
    Trouble(
        BROKEN_LINE,
        r"IncompleteRead|Connection (?:was )?reset|ReadTimeout|Read timed out|timed out"
        r"|error decoding response body|end of file before message length|connection closed"
        r"|RemoteDisconnected|unexpected EOF|request or response body error|ChunkedEncodingError"
        r"|ContentLengthMismatch|Connection broken|unexpected end of file|bad CRC|BadZipFile",
        later("The connection to {index} broke off."),
        later("Try again: what was fetched is kept."),
    ),
    Trouble(
        "insecure",
        r"is not a trusted or secure host",
        later("{index} is not secured (it is http, not https), so nothing is taken from it."),
        later(
            "Write https:// where the index has it, or name its host as trusted-host in pip's "
            "configuration."
        ),
    ),
    Trouble(
        "python-too-new",
        r"no wheels with a matching Python (?:version|ABI|implementation) tag|Requires-Python"
        r"|requires a different Python|does not satisfy Python"
        r"|(?:requires|depends on) Python ?[<>=~!]",
        later("The Python {python} is too old or too new for the packages."),
        later("Choose a Python from 3.10 to 3.14, or let uv bring one."),
    ),
    Trouble(
        "no-wheel",
        r"(?:No matching distribution found for |a version that satisfies the requirement "
        r"|no versions? of |\bavailable\b[^,]{0,2000}? (?:you require|depends? on) "
        r"|(?:Because |and )(?:all versions of )?(?=\S+ (?:(?:was|were) not found|ha(?:s|ve) no) ))"
        + _PACKAGE,
        later("{index} has no {package} for this Python and this system."),
        later("Use another index or another Python; PyTorch comes from {torch}."),
    ),
    Trouble(
        "no-wheel",
        r"\b40[134]\b.{0,40}(?:Client Error|Not Found|Forbidden|Unauthorized)|HTTP status client"
        r" error \((?P<status>\d+)",
        later("{index} refuses to give a package."),
        later("Look at the index's address, its name and password under Advanced."),
    ),
    Trouble(
        "driver-too-old",
        r"NVIDIA driver on your system is too old|driver version is insufficient",
        later("The NVIDIA driver is too old for this PyTorch."),
        later("Update the driver, or set the engine up for the processor."),
    ),
    Trouble(
        "card-memory",
        r"CUDA out of memory|CUDA error: out of memory|cudaErrorMemoryAllocation",
        later("The graphics card has no memory free."),
        later("Close other programs that use it, or set the engine up for the processor."),
    ),
    Trouble(
        "no-device",
        r"No CUDA GPUs are available|no CUDA-capable device|not compiled with CUDA",
        later("PyTorch finds no NVIDIA graphics card that it can use."),
        later("Install NVIDIA's driver, or set the engine up for the processor."),
    ),
)

MISSING_WHEEL = (
    later("The wheel folder {wheels} lacks {package} for this Python and this system."),
    later("Fill it with make wheelhouse for this system and this Python, then try again."),
)
UNKNOWN = (
    later("The set-up stopped: {last}"),
    later("The log tells more; Copy Diagnostics takes it along."),
)


def explain(log: str, plan: SetupPlan) -> tuple[str, str]:
    """Return (what went wrong, what to do) from what the tools wrote.

    Parameters
    ----------
    log : str
        The log of the step that failed.
    plan : SetupPlan
        What was being done.
    """
    trouble, groups = _find(log)
    words = _words(plan)
    if trouble is None:
        last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "")
        words["last"] = without_secrets(last)[:300] or tr("no reason was given.")
        sentence, remedy = UNKNOWN
    elif plan.wheel_folder and trouble.code in ("no-wheel", NETWORK, "python-too-new"):
        sentence, remedy = MISSING_WHEEL
    else:
        sentence, remedy = trouble.sentence, trouble.remedy
    words["package"] = groups.get("package") or _package(log)
    return translated(sentence).format(**words), translated(remedy).format(**words)


def code_of(log: str) -> str:
    """Return the code of the trouble that a log shows, or an empty string."""
    trouble, _ = _find(log)
    return trouble.code if trouble else ""


def explain_os(error: OSError, plan: SetupPlan) -> tuple[str, str]:
    """Return (what went wrong, what to do) for an error of the file system."""
    if error.errno == errno.ENOENT and str(error.filename) == plan.python:
        sentence = tr("The Python {} is not there any more.").format(plan.python)
        return sentence, tr("Choose another Python.")
    return explain(str(error), plan)


def without_secrets(text: str) -> str:
    """Take names and passwords out of URLs."""
    return re.sub(r"(\b[a-z][a-z0-9+.-]*://)[^\s/@]+@", r"\1…@", text, flags=re.IGNORECASE)


def _find(log: str) -> tuple[Trouble | None, dict[str, str | None]]:
    text = re.sub(r"[\s│├╰─▶×]+", " ", log)  # uv wraps its sentences and draws a tree of them
    for trouble in TROUBLES:
        found = re.search(trouble.pattern, text, re.IGNORECASE)
        if found:
            return trouble, found.groupdict()
    return None, {}


def _words(plan: SetupPlan) -> dict[str, str]:
    index = plan.sources.index_url or "PyPI"
    return {
        "folder": str(plan.folder),
        "index": without_secrets(index),
        "python": plan.python or tr("that uv brought"),
        "wheels": plan.wheel_folder,
        "torch": plan.torch_index or without_secrets(index),
    }


def _package(log: str) -> str:
    found = re.search(r"\b(?!python\b)([a-z0-9_.-]+==[\w+!]+(?:\.[\w+!]+)*)", log, re.IGNORECASE)
    return found.group(1) if found else tr("a package")
