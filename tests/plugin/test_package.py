"""Would the plugin site take the zip, and does QGIS install it and start it."""

from __future__ import annotations

import ast
import configparser
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAME = "mtmsd_qgis"
SCAN = Path(sys.executable).parent

# What the plugin site's scan refuses: bandit's tests by their number.
REFUSED = (
    "B102,B103,B105,B106,B107,B202,B301,B302,B304,B305,B306,B307,B323,B501,B502,B503,B506,"
    "B602,B604,B605,B609,B613,B614,B701"
)


def make_zip(root: Path, folder: Path) -> Path:
    tool = root / "tools/plugin_package.py"
    subprocess.run([sys.executable, str(tool), "zip", "--folder", str(folder)], check=True)
    (path,) = folder.glob("*.zip")
    return path


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_zip(ROOT, tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def names(package: Path) -> list[str]:
    with zipfile.ZipFile(package) as archive:
        assert archive.testzip() is None
        return archive.namelist()


@pytest.fixture(scope="module")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def metadata(package: Path) -> dict[str, str]:
    parser = configparser.ConfigParser()  # as the site reads it: a lone % is an error
    parser.optionxform = str
    with zipfile.ZipFile(package) as archive:
        parser.read_string(archive.read(f"{NAME}/metadata.txt").decode("utf-8"))
    return dict(parser.items("general"))


def test_the_zip_is_small_and_has_one_folder_with_an_ascii_identifier(package, names):
    assert package.stat().st_size <= 25_000_000
    assert {name.split("/")[0] for name in names} == {NAME}
    assert NAME.isascii()
    assert NAME.isidentifier()
    assert re.fullmatch(rf"{NAME}-\d+\.\d+\.\d+\.zip", package.name)


def test_everything_that_qgis_and_the_site_look_for_is_there(names):
    wanted = ["__init__.py", "plugin.py", "metadata.txt", "LICENSE", "core/mtmsd/__main__.py"]
    wanted += ["core/pyproject.toml", "resources/sample/enmap_potsdam.tif"]
    assert not {f"{NAME}/{name}" for name in wanted} - set(names)
    # the installer takes the first metadata.txt by name for the plugin's own
    assert [n for n in names if n.endswith("metadata.txt")] == [f"{NAME}/metadata.txt"]


def test_nothing_travels_that_the_site_refuses(package, names):
    for name in names:
        parts = name.split("/")
        assert not any(part.startswith(".") or part == "__pycache__" for part in parts), name
        assert ".." not in name, name
        assert not re.search(r"\.(pyc|sh|bat|cmd|ps1|exe|dll|so|dylib|whl|pt|pkl)$", name), name
        assert not re.match(r"(ui_.*|resources(_rc)?)\.py$", parts[-1]), name
    with zipfile.ZipFile(package) as archive:
        for info in archive.infolist():
            assert info.external_attr >> 16 == 0o100644, f"{info.filename} may be executed"
            if not info.filename.endswith((".tif", ".gpkg", ".png", ".qm")):
                archive.read(info).decode("utf-8")


def test_metadata_says_what_the_site_wants(metadata, names):
    wanted = "name description version author email about tracker repository homepage changelog"
    for key in [*wanted.split(), "tags", "icon"]:
        assert metadata[key].strip(), key
    assert re.fullmatch(r"\d+\.\d+\.\d+", metadata["version"])
    assert metadata["qgisMinimumVersion"] == "3.22"
    assert metadata["qgisMaximumVersion"] == "4.99"
    assert metadata["category"] == "Raster"
    assert metadata["hasProcessingProvider"] == "yes"
    assert "plugin" not in metadata["name"].lower()
    assert "/" not in metadata["author"]
    assert "@" in metadata["email"]
    assert f"{NAME}/{metadata['icon']}" in names
    for key in ("tracker", "repository", "homepage"):
        url = urlparse(metadata[key])
        assert url.scheme == "https", key
        assert url.netloc, key
    about = metadata["about"].lower()
    assert "python environment of its own" in about
    assert re.search(r"about \d+ gb", about), "the size of the environment"


def test_who_packages_is_told_which_entries_are_placeholders(tmp_path):
    tool = [sys.executable, str(ROOT / "tools/plugin_package.py"), "zip", "--folder", str(tmp_path)]
    said = subprocess.run(tool, capture_output=True, text=True, check=True).stderr
    module = runpy.run_path(str(ROOT / "tools/plugin_package.py"))
    stated, known = module["metadata"](), module["PLACEHOLDERS"]
    for name in ("author", "email", "homepage", "tracker", "repository"):
        assert (f"  {name}={stated[name]}: " in said) == (stated[name] == known[name])
        (line,) = [x for x in module["placeholders"](stated | {name: ""}) if f" {name}=" in x]
        assert line.endswith("the site refuses the upload")
    real = {name: f"https://example.org/{name}" for name in known}
    assert module["placeholders"](stated | real) == []


def test_who_publishes_stands_in_one_file():
    folders = (
        "",
        "core/mtmsd/**/",
        "mtmsd_qgis/**/",
        "resources/**/",
        "docs/",
        "tools/",
        "tests/*/",
    )
    kinds = ("py", "toml", "md", "html", "txt", "json", "ts")
    places = [
        path for folder in folders for kind in kinds for path in ROOT.glob(f"{folder}*.{kind}")
    ]
    assert len(places) > 300
    found = {
        path.relative_to(ROOT).as_posix()
        for path in places
        if re.search(r"mtmsd/mtmsd-qgis|users\.noreply", path.read_text(encoding="utf-8"))
    }
    assert found - {"tests/plugin/test_package.py"} == {"metadata.txt", "tools/plugin_package.py"}


def test_the_changelog_names_every_algorithm(metadata):
    files = (ROOT / "mtmsd_qgis/processing/algorithms").glob("*.py")
    for name in (path.stem for path in files if path.stem != "__init__"):
        assert re.search(rf"\b{name}\b", metadata["changelog"]), name


def test_plugin_and_engine_have_one_version(metadata, unpacked):
    core = unpacked / NAME / "core"
    project = (core / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{metadata["version"]}"\n' in project
    assert runpy.run_path(str(core / "mtmsd/__init__.py"))["__version__"] == metadata["version"]
    assert f"## {metadata['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def scan(folder: Path) -> list[str]:
    """Return what the site's two scanners find, as FILE:LINE TEST."""
    bandit = subprocess.run(
        [SCAN / "bandit", "-q", "-r", ".", "-f", "json", "-t", REFUSED, "--ignore-nosec"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    report = json.loads(bandit.stdout)
    assert not report["errors"]
    found = [f"{r['filename']}:{r['line_number']} {r['test_id']}" for r in report["results"]]
    secrets = subprocess.run(
        [SCAN / "detect-secrets", "scan", "--all-files", "--exclude-files", r"metadata\.txt", "."],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for file, hits in json.loads(secrets.stdout)["results"].items():
        found += [f"{file}:{hit['line_number']} {hit['type']}" for hit in hits]
    return found


def test_the_sites_security_scan_finds_nothing_in_both_trees(unpacked):
    assert scan(unpacked) == []


def test_the_security_scan_here_would_find_what_the_site_blocks(tmp_path):
    sins = {
        "B301": "import pickle\npickle.load(open('x', 'rb'))\n",
        "B307": "eval('1')\n",
        "B102": "exec('1')\n",
        "B602": "import subprocess\nsubprocess.run('ls', shell=True)\n",
        "B202": "import tarfile\ntarfile.open('x').extractall('y')\n",
        "Secret Keyword": "password = 'hunter2-hunter2'\n",
    }
    for number, code in enumerate(sins.values()):
        (tmp_path / f"sin_{number}.py").write_text(code, encoding="utf-8")
    found = " ".join(scan(tmp_path))
    assert [sin for sin in sins if sin not in found] == []


def imported(tree: Path) -> set[str]:
    roots = set()
    for file in tree.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                roots |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                roots.add(str(node.module).split(".")[0])
    return roots


def test_plugin_and_engine_import_nothing_from_each_others_side_of_the_wall(unpacked):
    core = unpacked / NAME / "core"
    assert "torch" in imported(core), "the test would see an import"
    assert not imported(core) & {"qgis", "PyQt5", "PyQt6", "sip", "processing", NAME}
    shutil.copytree(unpacked / NAME, unpacked / "plugin", ignore=shutil.ignore_patterns("core"))
    allowed = {"qgis", "osgeo", "numpy", "processing"} | set(sys.stdlib_module_names)
    assert imported(unpacked / "plugin") - allowed == set()


def copy_sources(folder: Path) -> Path:
    for name in ("tools", NAME, "resources", "core"):
        shutil.copytree(ROOT / name, folder / name, copy_function=shutil.copyfile)
    for name in ("metadata.txt", "LICENSE"):
        shutil.copyfile(ROOT / name, folder / name)
    return folder


def test_the_same_source_gives_the_same_zip_whatever_its_file_times_and_rights(tmp_path):
    here = make_zip(ROOT, tmp_path / "here").read_bytes()
    copy = copy_sources(tmp_path / "elsewhere")
    (copy / NAME / "plugin.py").chmod(0o755)
    os.utime(copy / NAME / "plugin.py", (1e9, 1e9))
    (copy / NAME / "__pycache__").mkdir(exist_ok=True)
    (copy / NAME / "__pycache__/x.pyc").write_bytes(b"x")
    (copy / "resources/sample/enmap_potsdam.tif.aux.xml").write_text("<PAMDataset/>")
    assert make_zip(copy, tmp_path / "there").read_bytes() == here


def test_a_file_of_an_unknown_kind_stops_the_packaging(tmp_path):
    copy = copy_sources(tmp_path / "elsewhere")
    (copy / "resources/run.sh").write_text("ls\n")
    answer = subprocess.run(
        [sys.executable, str(copy / "tools/plugin_package.py"), "zip"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 1
    assert answer.stderr == "resources/run.sh is of a kind that does not go into the plugin.\n"
    assert not list((copy / "dist").glob("*")), "a half-written zip"


INSTALL = """
import json, os, traceback
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtWidgets import QApplication, QTextEdit
from qgis.core import QgsApplication, QgsSettings

def answer(**told):
    with open(os.environ["TEST_ANSWER"], "w") as file:
        json.dump(told, file)
    os._exit(0)

def watch():
    dialog = QApplication.activeModalWidget()
    if dialog is not None:
        texts = [dialog.windowTitle()] + [e.toPlainText() for e in dialog.findChildren(QTextEdit)]
        answer(error="A dialog opened: " + " ".join(texts))

def install():
    try:
        import pyplugin_installer, qgis.utils
        pyplugin_installer.instance().installFromZipFile(os.environ["TEST_ZIP"])
        provider = QgsApplication.processingRegistry().providerById("mtmsd")
        told = {
            "active": "mtmsd_qgis" in qgis.utils.active_plugins,
            "class": type(qgis.utils.plugins["mtmsd_qgis"]).__name__,
            "algorithms": sorted(a.id() for a in provider.algorithms()) if provider else [],
        }
        qgis.utils.unloadPlugin("mtmsd_qgis")
        gone = QgsApplication.processingRegistry().providerById("mtmsd") is None
        QgsSettings().sync()
        answer(gone=gone, **told)
    except Exception:
        answer(error=traceback.format_exc())

timer = QTimer()
timer.timeout.connect(watch)
timer.start(200)
QTimer.singleShot(0, install)
"""
ALGORITHMS = ["mtmsd:angle", "mtmsd:assess", "mtmsd:assess_and_polygonize", "mtmsd:change",
              "mtmsd:classify", "mtmsd:classifyscenes", "mtmsd:export", "mtmsd:exportpixels",
              "mtmsd:map", "mtmsd:map_and_report", "mtmsd:map_another_scene", "mtmsd:mosaic",
              "mtmsd:nextlabels", "mtmsd:pretrain", "mtmsd:regions", "mtmsd:train",
              "mtmsd:vectorize"]  # fmt: skip


@pytest.fixture
def display() -> Iterator[str]:
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1024x768x24", "-nolisten", "tcp"]
    screen = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as answer:
        yield f":{answer.readline().strip()}"
    screen.terminate()
    screen.wait()


@pytest.mark.slow
def test_install_from_zip_in_a_fresh_profile_and_the_next_start_has_it(package, tmp_path, display):
    sys.path.insert(0, str(ROOT / "tools"))
    from qgis_headless import find_qgis_process, headless_environment

    script, answer = tmp_path / "install.py", tmp_path / "answer.json"
    script.write_text(INSTALL, encoding="utf-8")
    environment = headless_environment(tmp_path / "config")
    environment.update(TEST_ZIP=str(package), TEST_ANSWER=str(answer))
    on_screen = {k: v for k, v in environment.items() if k != "QT_QPA_PLATFORM"}
    done = subprocess.run(
        ["qgis", "--noversioncheck", "--nologo", "--profiles-path", str(tmp_path / "config"),
         "--code", str(script)],
        env={**on_screen, "DISPLAY": display}, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=180, check=False,
    )  # fmt: skip
    assert answer.is_file(), done.stderr[-2000:]
    told = json.loads(answer.read_text())
    assert "error" not in told, told["error"]
    assert told["algorithms"] == ALGORITHMS
    assert (told["active"], told["class"], told["gone"]) == (True, "MtmsdPlugin", True)

    listed = subprocess.run(
        [find_qgis_process(environment), "--json", "list"],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert listed.returncode == 0, listed.stderr[-4000:]
    providers = json.loads(listed.stdout)["providers"]
    assert sorted(providers["mtmsd"]["algorithms"]) == ALGORITHMS
