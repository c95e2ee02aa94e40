"""Which Pythons may serve on which machine: recorded layouts of installations of QGIS."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from ntpath import normcase

import pytest

from mtmsd_qgis.engine.environment import child_path
from mtmsd_qgis.setup import platforms
from mtmsd_qgis.setup.machine import (
    Answer,
    Sources,
    Surroundings,
    look_around,
    parse_nvidia,
    parse_pip_config,
    qgis_proxy,
)
from mtmsd_qgis.setup.platforms import linux, macos, windows

OSGEO4W = {
    "system": windows,
    "environ": {
        "OSGEO4W_ROOT": r"C:\OSGeo4W", "PYTHONHOME": r"C:\OSGeo4W\apps\Python312",
        "LOCALAPPDATA": r"C:\Users\Anna Ü\AppData\Local", "USERPROFILE": r"C:\Users\Anna Ü",
        "ProgramFiles": r"C:\Program Files", "ProgramData": r"C:\ProgramData",
        "PATH": r"C:\OSGeo4W\apps\qgis-ltr\bin;C:\OSGeo4W\bin;C:\WINDOWS\system32;C:\WINDOWS",
    },
    "files": [
        r"C:\OSGeo4W\bin\qgis-ltr-bin.exe", r"C:\OSGeo4W\bin\python3.exe",
        r"C:\OSGeo4W\apps\Python312\python.exe", r"C:\OSGeo4W\apps\Python312\python3.exe",
        r"C:\Users\Anna Ü\AppData\Local\Microsoft\WindowsApps\python.exe",
        r"C:\Users\Anna Ü\AppData\Local\Programs\Python\Python311\python.exe",
    ],
    "layout": "OSGeo4W",
    "bases": [r"C:\Users\Anna Ü\AppData\Local\Programs\Python\Python311\python.exe"],
    "only_fetch": [r"C:\OSGeo4W\apps\Python312\python.exe",
                   r"C:\OSGeo4W\apps\Python312\python3.exe"],
    "data": r"C:\Users\Anna Ü\AppData\Local",
    "path": r"C:\WINDOWS\system32;C:\WINDOWS",
    "python": r"E:\mtmsd\engine\Scripts\python.exe",
}  # fmt: skip
STANDALONE = {
    **OSGEO4W,
    "environ": {
        **OSGEO4W["environ"], "OSGEO4W_ROOT": r"C:\PROGRA~1\QGIS33~1.4",
        "PATH": r"C:\PROGRA~1\QGIS33~1.4\bin;C:\WINDOWS",
    },
    "files": [r"C:\PROGRA~1\QGIS33~1.4\apps\Python312\python.exe"],
    "layout": "standalone",
    "bases": [],
    "only_fetch": [r"C:\PROGRA~1\QGIS33~1.4\apps\Python312\python.exe"],
    "path": r"C:\WINDOWS",
}  # fmt: skip
WINDOWS_CONDA = {
    **OSGEO4W,
    "environ": {
        "CONDA_PREFIX": r"C:\Users\a\miniforge3\envs\qgis", "USERPROFILE": r"C:\Users\a",
        "LOCALAPPDATA": r"C:\Users\a\AppData\Local", "Path": r"C:\WINDOWS",
    },
    "files": [r"C:\Users\a\miniforge3\python.exe", r"C:\Users\a\miniforge3\envs\qgis\python.exe"],
    "layout": "conda",
    "bases": [r"C:\Users\a\miniforge3\python.exe", r"C:\Users\a\miniforge3\envs\qgis\python.exe"],
    "only_fetch": [],
    "data": r"C:\Users\a\AppData\Local",
    "path": r"C:\WINDOWS",
}  # fmt: skip
QGIS_APP = {
    "system": macos,
    "environ": {
        "HOME": "/Users/anna", "PYTHONHOME": "/Applications/QGIS-LTR.app/Contents/MacOS",
        "PATH": "/Applications/QGIS-LTR.app/Contents/MacOS/bin:/usr/bin:/bin",
    },
    "files": [
        "/Applications/QGIS-LTR.app/Contents/MacOS/QGIS",
        "/Applications/QGIS-LTR.app/Contents/MacOS/bin/python3",
        "/usr/bin/python3", "/opt/homebrew/bin/python3.12",
        "/Library/Frameworks/Python.framework/Versions/3.11/bin/python3",
    ],
    "layout": "QGIS.app",
    "bases": ["/Library/Frameworks/Python.framework/Versions/3.11/bin/python3",
              "/opt/homebrew/bin/python3.12"],
    "only_fetch": ["/Applications/QGIS-LTR.app/Contents/MacOS/bin/python3"],
    "data": "/Users/anna/Library/Application Support",
    "path": "/usr/bin:/bin",
    "python": "E:/mtmsd/engine/bin/python",
}  # fmt: skip
DEBIAN = {
    "system": linux,
    "environ": {"HOME": "/home/anna", "PATH": "/home/anna/.pyenv/shims:/usr/local/bin:/usr/bin"},
    "files": [
        "/etc/debian_version", "/usr/bin/qgis", "/usr/bin/python3", "/usr/bin/python3.11",
        "/usr/bin/python3.11-config", "/home/anna/.pyenv/shims/python3.12",
        "/home/anna/.pyenv/versions/3.12.1/bin/python3", "/home/anna/miniforge3/bin/python3",
    ],
    "layout": "Debian",
    "bases": ["/usr/bin/python3", "/usr/bin/python3.11", "/home/anna/miniforge3/bin/python3",
              "/home/anna/.pyenv/versions/3.12.1/bin/python3"],
    "only_fetch": [],
    "data": "/home/anna/.local/share",
    "path": "/home/anna/.pyenv/shims:/usr/local/bin:/usr/bin",
    "python": "E:/mtmsd/engine/bin/python",
}  # fmt: skip
FLATPAK = {
    **DEBIAN,
    "environ": {
        "HOME": "/home/anna", "FLATPAK_ID": "org.qgis.qgis", "PATH": "/app/bin:/usr/bin",
        "XDG_DATA_HOME": "/home/anna/.var/app/org.qgis.qgis/data",
    },
    "files": ["/.flatpak-info", "/app/bin/qgis", "/usr/bin/python3"],
    "layout": "Flatpak",
    "bases": ["/usr/bin/python3"],
    "data": "/home/anna/.var/app/org.qgis.qgis/data",
    "path": "/app/bin:/usr/bin",
}  # fmt: skip
LINUX_CONDA = {
    **DEBIAN,
    "environ": {
        "HOME": "/home/anna", "CONDA_PREFIX": "/home/anna/miniforge3/envs/qgis",
        "VIRTUAL_ENV": "/home/anna/work/.venv",
        "PATH": "/home/anna/work/.venv/bin:/home/anna/miniforge3/envs/qgis/bin:/usr/bin",
    },
    "files": [
        "/home/anna/miniforge3/envs/qgis/bin/qgis", "/home/anna/work/.venv/bin/python3",
        "/home/anna/miniforge3/envs/qgis/bin/python3",
    ],
    "layout": "conda",
    "bases": ["/home/anna/miniforge3/envs/qgis/bin/python3"],
    "path": "/home/anna/work/.venv/bin:/home/anna/miniforge3/envs/qgis/bin:/usr/bin",
}  # fmt: skip
LAYOUTS = {
    "OSGeo4W": OSGEO4W, "standalone": STANDALONE, "conda on Windows": WINDOWS_CONDA,
    "QGIS.app": QGIS_APP, "Debian": DEBIAN, "Flatpak": FLATPAK, "conda on Linux": LINUX_CONDA,
}  # fmt: skip


def seen(recorded: dict) -> list[str]:
    """Return the recorded files that the system's patterns find, in the patterns' order."""
    rules = recorded["system"]
    fold = normcase if rules is windows else str
    found = [
        file
        for pattern in rules.patterns(recorded["environ"])
        for file in recorded["files"]
        if fnmatchcase(fold(file), fold(pattern)) and file.count("/") == pattern.count("/")
    ]
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("recorded", LAYOUTS.values(), ids=LAYOUTS)
def test_each_installation_is_known_and_qgis_itself_is_never_built_from(recorded):
    rules, environ, files = recorded["system"], recorded["environ"], seen(recorded)
    assert rules.layout(environ, files) == recorded["layout"]
    assert rules.bases(environ, files) == recorded["bases"]
    assert rules.fetchers(environ, files) == recorded["bases"] + recorded["only_fetch"]
    assert rules.data_folder(environ) == recorded["data"]
    system = {linux: "linux", macos: "darwin", windows: "win32"}[rules]
    assert child_path(system, environ) == recorded["path"]
    folder = r"E:\mtmsd\engine" if rules is windows else "E:/mtmsd/engine"
    assert rules.environment_python(folder) == recorded["python"]


def test_systems_and_machines_have_one_name_each():
    names = ["win32", "darwin", "linux", "freebsd14"]
    assert [platforms.name_of(name) for name in names] == ["windows", "macos", "linux", "linux"]
    machines = ["AMD64", "x86_64", "aarch64", "arm64", "riscv64"]
    known = ["x86_64", "x86_64", "arm64", "arm64", "riscv64"]
    assert [platforms.machine_of(name) for name in machines] == known


@pytest.mark.parametrize(
    ("version", "bits", "name", "venv", "said"),
    [
        ((3, 11, 2), 64, "cpython", True, ""),
        ((3, 9, 18), 64, "cpython", True, "Python 3.9 is too old; 3.10 to 3.14 will do"),
        ((3, 15, 0), 64, "cpython", True, "Python 3.15 is too new; 3.10 to 3.14 will do"),
        ((3, 11, 2), 32, "cpython", True, "it is a 32-bit Python"),
        ((3, 11, 2), 64, "pypy", True, "it is pypy, not CPython"),
        ((3, 11, 2), 64, "cpython", False, "it lacks venv or ensurepip"),
    ],
)
def test_a_python_that_cannot_serve_says_why(version, bits, name, venv, said):
    answer = Answer("/p", version, bits, name, venv, True, "/usr")
    assert answer.reason().startswith(said)
    assert bool(answer.reason()) == bool(said)


def test_this_machine_is_looked_at():
    around = look_around()
    assert around.system == "linux"
    fitting = [python for python in around.pythons if not python.reason]
    assert fitting
    assert fitting[0].version.startswith("3.11")
    assert all(re.match(r"3\.\d+\.\d+", python.version) for python in around.pythons)
    assert around.pythons[: len(fitting)] == tuple(fitting)


def test_cards_are_read_from_nvidia_smi():
    driver, cards = parse_nvidia(
        "580.95.05, NVIDIA H100 80GB HBM3, 81559, 81079\n580.95.05, NVIDIA RTX A2000, 6138, 5900\n"
    )
    assert driver == "580.95.05"
    assert [card.name for card in cards] == ["NVIDIA H100 80GB HBM3", "NVIDIA RTX A2000"]
    assert cards[1].free_bytes == 5900 * 2**20
    failed = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n"
    assert parse_nvidia(failed) == ("", ())
    assert parse_nvidia("580.95.05, NVIDIA GB10, [N/A], [N/A]\n") == ("", ())


def test_devices_are_proposed_by_the_machine():
    _, cards = parse_nvidia("580.95.05, NVIDIA T4, 15360, 15000\n")
    windows_pc = Surroundings("windows", "x86_64", "OSGeo4W", driver="580.95.05", cards=cards)
    assert windows_pc.devices() == ("cuda", "cpu")
    assert windows_pc.device_hint() == "This machine has an NVIDIA T4 (16 GB), driver 580.95.05."
    assert Surroundings("linux", "x86_64", "Debian").devices() == ("cpu", "cuda")
    assert Surroundings("macos", "arm64", "QGIS.app").devices() == ("mps", "cpu")
    assert Surroundings("linux", "arm64", "Debian").devices() == ("cpu",)


def test_pips_configuration_is_taken_over_variables_first():
    said = (
        ":env:.index-url='https://anna:geheim@mirror.example/simple'\n"
        "global.extra-index-url='https://a.example/simple\\nhttps://b.example/simple'\n"
        "global.index-url='https://other.example/simple'\n"
        "global.find-links='/opt/wheels'\nglobal.cert='/etc/ca.pem'\nfreeze.timeout='10'\n"
    )
    assert parse_pip_config(said) == Sources(
        index_url="https://anna:geheim@mirror.example/simple",
        extra_index_urls=("https://a.example/simple", "https://b.example/simple"),
        find_links=("/opt/wheels",),
        cert="/etc/ca.pem",
    )
    assert parse_pip_config("") == Sources()
    assert not Sources(cert="/etc/ca.pem").are_own


def test_the_proxy_of_qgis_is_taken_over_with_its_login(qgis_app):
    from qgis.core import QgsApplication, QgsAuthMethodConfig, QgsSettings

    settings = QgsSettings()
    values = {"proxyEnabled": True, "proxyHost": "proxy.example", "proxyPort": "3128",
              "proxyType": "HttpProxy", "proxyUser": "anna", "proxyPassword": "a:b@c"}  # fmt: skip
    try:
        assert qgis_proxy() == ""
        for name, value in values.items():
            settings.setValue(f"proxy/{name}", value)
        assert qgis_proxy() == "http://anna:a%3Ab%40c@proxy.example:3128"
        settings.setValue("proxy/proxyType", "Socks5Proxy")
        assert qgis_proxy().startswith("socks5://")
        settings.remove("proxy/proxyUser")
        settings.remove("proxy/proxyPassword")
        assert qgis_proxy() == "socks5://proxy.example:3128"
        logins = QgsApplication.authManager()
        assert logins.setMasterPassword("of this test", True)
        login = QgsAuthMethodConfig("Basic")
        login.setName("proxy")
        login.setConfigMap({"username": "otto", "password": "p w"})
        assert logins.storeAuthenticationConfig(login)
        settings.setValue("proxy/authcfg", login.id())
        assert qgis_proxy() == "socks5://otto:p%20w@proxy.example:3128"
        settings.setValue("proxy/proxyEnabled", False)
        assert qgis_proxy() == ""
    finally:
        settings.remove("proxy")


def test_the_recorded_layouts_are_plain_data():
    assert json.dumps([{**layout, "system": ""} for layout in LAYOUTS.values()])
