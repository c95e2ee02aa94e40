"""The command lines of uv and pip, and the environment in which they run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ..engine import locks
from .environment_folder import Place
from .plan import CUDA, FETCHED_PYTHON, UV, SetupPlan

RETRIES = "2"
TIMEOUT = "60"

_OWN = ("PIP_", "UV_", "PYTHONPATH", "CONDA_", "VIRTUAL_ENV")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def tool_environment(
    plan: SetupPlan, place: Place, scrubbed: Mapping[str, str], torch: bool = False
) -> dict[str, str]:
    """Return the environment of pip and uv: URLs and logins go in here, not on command lines.

    Parameters
    ----------
    plan, place
        What is set up, and where.
    scrubbed : Mapping
        QGIS's environment without what is QGIS's own.
    torch : bool
        Whether PyTorch's own index takes the place of the ordinary one.
    """
    kept = {name: value for name, value in scrubbed.items() if not name.startswith(_OWN)}
    temporary = str(place.cache / "tmp")
    index = plan.torch_index if torch else plan.sources.index_url
    extra = () if torch else plan.sources.extra_index_urls
    wanted = {
        "TMPDIR": temporary, "TEMP": temporary, "TMP": temporary,
        "NO_COLOR": "1",
        "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INPUT": "1", "PIP_PROGRESS_BAR": "off",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_CACHE_DIR": str(place.cache / "pip"),
        "PIP_RETRIES": RETRIES, "PIP_TIMEOUT": TIMEOUT,
        "PIP_INDEX_URL": index, "PIP_EXTRA_INDEX_URL": " ".join(extra),
        "PIP_TRUSTED_HOST": " ".join(plan.sources.trusted_hosts),
        "UV_NO_CONFIG": "1", "UV_CACHE_DIR": str(place.cache / "uv"), "UV_NO_PROGRESS": "1",
        "UV_SYSTEM_CERTS": "1",
        "UV_HTTP_RETRIES": RETRIES, "UV_HTTP_TIMEOUT": TIMEOUT,
        "UV_PYTHON_INSTALL_DIR": str(place.pythons),
        "UV_DEFAULT_INDEX": index, "UV_INDEX": " ".join(extra),
        "UV_INSECURE_HOST": " ".join(plan.sources.trusted_hosts),
        **({"PIP_CERT": plan.sources.cert, "SSL_CERT_FILE": plan.sources.cert}
           if plan.sources.cert else {}),
    }  # fmt: skip
    if plan.proxy:
        for name in _PROXIES:
            wanted[name] = wanted[name.lower()] = plan.proxy
    return {**kept, **{name: value for name, value in wanted.items() if value}}


def make_environment(plan: SetupPlan, uv: str, folder: Path) -> list[str]:
    """Return the command that makes an environment: by uv without pip, else with it."""
    if uv:
        return [uv, "venv", "--allow-existing", "--python", plan.python or FETCHED_PYTHON,
                str(folder)]  # fmt: skip
    return [plan.python, "-m", "venv", str(folder)]


def fetch_uv(plan: SetupPlan, python: str, target: Path | None = None) -> list[str]:
    """Return the command that fetches uv into an environment, or into a folder of its own."""
    where = ["--target", str(target)] if target else []
    source = _folder_options(plan) or _links(plan)
    return [python, "-m", "pip", "install", *where, "--only-binary", ":all:", *source, "uv"]


def install_packages(plan: SetupPlan, uv: str, python: str) -> list[str]:
    """Return the command that installs the locked packages; each file's hash is checked."""
    lists = [
        word for file in locks.requirements(plan.kind, plan.device) for word in ("-r", str(file))
    ]
    return [*_install(plan, uv, python), *_links(plan), "--no-deps", "--require-hashes", *lists]


def install_torch(plan: SetupPlan, uv: str, python: str, own_index: bool) -> list[str]:
    """Return the command that installs torch, with CUDA's libraries where it has them.

    torch's version is pinned; its hash is the one that the index gives, for the same version has
    other files on other indexes.
    """
    links = [] if own_index else _links(plan)
    dependencies = [] if plan.device == CUDA else ["--no-deps"]
    return [*_install(plan, uv, python), *links, *dependencies, plan.torch]


def _install(plan: SetupPlan, uv: str, python: str) -> list[str]:
    if plan.tool == UV and uv:
        strategy = ["--index-strategy", "unsafe-best-match"]  # hashes say which file, not indexes
        offline = ["--offline"] if plan.wheel_folder else []
        return [uv, "pip", "install", "--python", python, "--only-binary", ":all:", *strategy,
                *offline, *_folder_options(plan)]  # fmt: skip
    return [python, "-m", "pip", "install", "--only-binary", ":all:", *_folder_options(plan)]


def _folder_options(plan: SetupPlan) -> list[str]:
    return ["--no-index", "--find-links", plan.wheel_folder] if plan.wheel_folder else []


def _links(plan: SetupPlan) -> list[str]:
    return [word for link in plan.sources.find_links for word in ("--find-links", link)]
