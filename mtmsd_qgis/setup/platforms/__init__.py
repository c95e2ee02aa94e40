"""What differs between systems, one small file each.

Every module has the same pure functions over an environment and a list of files that are there:
``layout`` (how QGIS was installed), ``patterns`` (where to look for Pythons), ``bases`` (which of
the files may be built from), ``fetchers`` (which can only fetch uv), ``data_folder``,
``environment_python`` (inside an environment). Nothing here looks at the machine;
``sys.executable``, which is QGIS itself on two of the three systems, is never among the answers.
"""

from __future__ import annotations

from types import ModuleType

from . import linux, macos, windows

BY_NAME: dict[str, ModuleType] = {"linux": linux, "windows": windows, "macos": macos}


def name_of(sys_platform: str) -> str:
    """Return ``linux``, ``windows`` or ``macos`` for a value of ``sys.platform``."""
    return {"win32": "windows", "darwin": "macos"}.get(sys_platform, "linux")


def machine_of(platform_machine: str) -> str:
    """Return ``x86_64`` or ``arm64`` for a value of ``platform.machine()``."""
    names = {"amd64": "x86_64", "x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
    return names.get(platform_machine.lower(), platform_machine.lower())
