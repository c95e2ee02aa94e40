"""What goes wrong in the field, provoked with the real tools: each is one sentence and a remedy."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import textwrap
import zipfile
from pathlib import Path

import pytest
from pretend import write_locks
from setup_stage import BASE, carry_out
from troubled_index import Index, self_signed

from mtmsd_qgis.engine.interpreter import BROKEN, MISSING, Engine, probe
from mtmsd_qgis.setup import commands, doctor, installer
from mtmsd_qgis.setup.install_errors import explain
from mtmsd_qgis.setup.installer import DONE, FAILED
from mtmsd_qgis.setup.machine import Sources, Surroundings, ask, parse_nvidia
from mtmsd_qgis.setup.plan import SetupOptions, make_plan

both_tools = pytest.mark.parametrize("tool", ["uv", "pip"])


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch):
    monkeypatch.setattr(installer, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr("mtmsd_qgis.setup.commands.RETRIES", "1")
    for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """An environment with pip, made once: making one takes seconds."""
    folder = tmp_path_factory.mktemp("prepared") / "engine"
    subprocess.run([BASE, "-m", "venv", folder], check=True)
    return folder


@pytest.fixture
def quick_pip(prepared, monkeypatch):
    """Environments with pip are copies of one."""
    make = commands.make_environment

    def copy(plan, uv: str, folder: Path) -> list[str]:
        return make(plan, uv, folder) if uv else ["cp", "-aT", str(prepared), str(folder)]

    monkeypatch.setattr(commands, "make_environment", copy)


def told(outcome: object) -> str:
    """Return sentence and remedy of a failure; they are for people."""
    status, sentence, remedy = outcome if isinstance(outcome, tuple) else (
        outcome.status, outcome.sentence, outcome.remedy)  # fmt: skip
    assert status == FAILED
    for text in (sentence, remedy):
        assert "\n" not in text
        assert "Traceback" not in text
        assert not text or text.endswith((".", ")")), text
    return f"{sentence} {remedy}"


@both_tools
def test_no_network(stage, tool):
    """A network namespace of its own, in which nothing can be reached."""
    plan = stage.plan(index_url="https://packages.example/simple", tool=tool)
    said = told(stage.apart(plan, "unshare", "--net"))
    assert said.startswith("https://packages.example/simple cannot be reached. Look at the network")
    assert "use a folder of wheels" in said
    assert not stage.engine.exists()


@pytest.mark.usefixtures("quick_pip")
@both_tools
def test_an_index_that_refuses_the_connection(stage, tool):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/simple"
        assert f"{url} cannot be reached" in told(carry_out(stage.plan(index_url=url, tool=tool)))


@pytest.mark.usefixtures("quick_pip")
@both_tools
def test_a_proxy_that_wants_a_login(stage, index, tool):
    index.trouble = "login"
    url = "https://packages.example/simple"
    said = told(carry_out(stage.plan(index_url=url, proxy=index.root, tool=tool)))
    assert said.startswith("The proxy asks for a name and a password. Enter them in QGIS under")
    assert index.asked


@pytest.mark.usefixtures("quick_pip")
def test_an_index_without_encryption(stage, index):
    url = "http://packages.example/simple"
    said = told(carry_out(stage.plan(index_url=url, proxy=index.root, tool="pip")))
    assert said.startswith(f"{url} is not secured (it is http, not https)")


@pytest.mark.usefixtures("quick_pip")
@both_tools
def test_somebody_reads_along(stage, tool, tmp_path):
    tls = Index(stage.wheels, certificate=self_signed(tmp_path))
    said = told(carry_out(stage.plan(index_url=tls.url, tool=tool)))
    assert f"The connection to {tls.url} shows a certificate that this machine does not" in said
    assert "Ask your administrator for the certificate" in said
    stage.machine["sources"] = Sources(cert=str(tmp_path / "both.pem"))
    assert carry_out(stage.plan(index_url=tls.url, tool=tool)).status == DONE
    tls.close()


@pytest.mark.usefixtures("quick_pip")
@both_tools
def test_an_index_without_the_wheel(stage, index, tool):
    next(stage.wheels.glob("scipy-*")).unlink()
    said = told(carry_out(stage.plan(index_url=index.url, tool=tool)))
    assert said.startswith(f"{index.url} has no scipy")
    assert "Use another index" in said


@pytest.mark.usefixtures("quick_pip")
@both_tools
def test_an_incomplete_wheel_folder(stage, tool):
    next(stage.wheels.glob("scipy-*")).unlink()
    said = told(carry_out(stage.from_folder(tool=tool)))
    assert said.startswith(f"The wheel folder {stage.wheels} lacks scipy")
    assert "make wheelhouse" in said


def test_an_empty_wheel_folder_is_refused_before_the_click(stage, tmp_path):
    plan = stage.plan(wheel_folder=str(tmp_path))
    assert plan.refusal().startswith(f"The wheel folder {tmp_path} holds no wheels")


@pytest.mark.usefixtures("quick_pip")
@both_tools
def test_a_doctored_wheel(stage, index, tool):
    with zipfile.ZipFile(next(stage.wheels.glob("scipy-*")), "a") as wheel:
        wheel.writestr("scipy_evil.py", "import os")
    said = told(carry_out(stage.plan(index_url=index.url, tool=tool)))
    assert "is not the one that was tested (its checksum differs)" in said
    assert index.url in said
    assert not stage.engine.exists()


@pytest.mark.usefixtures("quick_pip")
@both_tools
def test_a_python_too_old_for_the_packages(stage, index, tool):
    index.needs_python = ">=3.99"
    said = told(carry_out(stage.plan(index_url=index.url, tool=tool)))
    assert said.startswith(f"The Python {BASE} is too old or too new for the packages.")


@pytest.mark.parametrize(("version", "word"), [("(3, 9, 1)", "old"), ("(3, 15, 0)", "new")])
def test_a_python_too_old_or_too_new_is_refused(stage, tmp_path, version, word):
    """A real Python that gives another version."""
    python = tmp_path / "python3"
    sitecustomize = tmp_path / "site"
    sitecustomize.mkdir()
    (sitecustomize / "sitecustomize.py").write_text(f"import sys; sys.version_info = {version}\n")
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{sitecustomize}" exec {BASE} "$@"\n')
    python.chmod(0o755)
    said = told(carry_out(stage.plan(wheel_folder=str(stage.wheels), python=str(python))))
    assert f"{python} cannot be used: Python 3." in said
    assert f"is too {word}; 3.10 to 3.14 will do" in said


def test_not_a_python_and_one_without_venv(stage, tmp_path):
    notes = tmp_path / "python3"
    notes.write_text("#!/bin/sh\necho hello\n")
    notes.chmod(0o755)
    said = told(carry_out(stage.plan(wheel_folder=str(stage.wheels), python=str(notes))))
    assert f"{notes} does not answer like a Python. Choose another Python." in said
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "ensurepip.py").write_text("raise ImportError('removed by the distribution')\n")
    notes.write_text(f'#!/bin/sh\nPYTHONPATH="{bare}" exec {BASE} "$@"\n')
    said = told(carry_out(stage.plan(wheel_folder=str(stage.wheels), python=str(notes))))
    assert "lacks venv or ensurepip (on Debian and Ubuntu: install python3-venv)" in said


def test_an_externally_managed_python_serves_and_is_left_alone(stage, index):
    marker = subprocess.run(
        [BASE, "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip() + "/EXTERNALLY-MANAGED"  # fmt: skip
    assert Path(marker).is_file()
    refused = subprocess.run(
        [BASE, "-m", "pip", "install", "--no-index", "-f", stage.wheels, "scipy"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode != 0
    plan = stage.from_folder()
    sentence, remedy = explain(refused.stdout + refused.stderr, plan)
    assert sentence.startswith(f"The Python {BASE} is managed by the system")
    assert "python3-venv" in remedy
    assert carry_out(plan).status == DONE


@both_tools
def test_a_full_disk(stage, tool):
    """A file system of eight megabytes, and a wheel of thirty."""
    with zipfile.ZipFile(next(stage.wheels.glob("scipy-*")), "a") as wheel:
        wheel.writestr("scipy_data.bin", os.urandom(30_000_000))
    write_locks(stage.locks, stage.wheels)
    stage.engine.parent.mkdir()
    cage = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=8m none "$0" && exec "$@"']
    plan = stage.from_folder(tool=tool)
    if tool == "pip":  # whose environment has a pip of 12 MB in it
        cage[-1] = cage[-1].replace("8m", "24m")
    plan = plan.__class__(**{**vars(plan), "free_bytes": 10**12})  # it was free when planned
    said = told(stage.apart(plan, *cage, str(stage.engine.parent)))
    assert said.startswith(f"The disk of {stage.engine} is full. Free some space")


def test_too_little_disk_is_told_before_the_click(stage):
    plan = stage.from_folder()
    poor = plan.__class__(**{**vars(plan), "free_bytes": 100_000_000})
    assert poor.refusal().startswith(f"The disk of {stage.engine} has 100 MB free; 206 MB are")


def test_a_folder_that_may_not_be_written(stage):
    """A file system mounted to be read alone: there root may not write either."""
    stage.engine.parent.mkdir()
    cage = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o ro none "$0" && exec "$@"')
    said = told(stage.apart(stage.from_folder(), *cage, str(stage.engine.parent)))
    assert said.startswith(f"The folder {stage.engine} may not be written.")
    assert "Choose another folder" in said


def test_a_very_long_path(stage):
    deep = stage.folder
    while len(str(deep)) < 4000:
        deep = deep / ("d" * 200)
    assert "is too long" in stage.from_folder().__class__(
        **{**vars(stage.from_folder()), "folder": deep}).refusal()  # fmt: skip
    name = stage.folder / ("d" * 252) / "engine"
    assert carry_out(stage.plan(name, wheel_folder=str(stage.wheels))).status == DONE
    wide = stage.folder / ("d" * 254)  # the folder can be made, its .new cannot
    said = told(carry_out(stage.plan(wide, wheel_folder=str(stage.wheels))))
    assert said == f"The path {wide} is too long for files inside it. Choose a shorter one."


def test_an_environment_deleted_behind_our_back(stage, monkeypatch):
    monkeypatch.delenv("MTMSD_PYTHON", raising=False)
    monkeypatch.setattr("mtmsd_qgis.engine.interpreter.environment_folder", lambda: stage.engine)
    assert carry_out(stage.from_folder()).status == DONE
    engine = Engine()
    assert engine.state(wait=30).status == "ready"
    for packages in stage.engine.glob("lib/python3*/site-packages/numpy.py"):
        packages.unlink()
    assert probe(str(stage.engine / "bin/python"), "x").status == BROKEN
    shutil.rmtree(stage.engine)
    assert engine.state().status == MISSING
    assert carry_out(stage.from_folder()).status == DONE
    assert engine.state(wait=30).status == "ready"


def test_a_half_finished_environment_of_another_lock_is_replaced(stage, index):
    next(stage.wheels.glob("scipy-*")).rename(stage.folder / "scipy.kept")
    assert carry_out(stage.plan(index_url=index.url)).status == FAILED
    assert installer.unfinished(stage.engine)
    rest = stage.folder / "data/engine.new/rest"
    rest.touch()
    (stage.folder / "scipy.kept").rename(stage.wheels / "scipy-1.0-py3-none-any.whl")
    lock = stage.locks / "full.txt"
    lock.write_text(lock.read_text() + "# another\n")
    assert carry_out(stage.plan(index_url=index.url)).status == DONE
    assert not (stage.engine / "rest").exists()


def test_a_driver_too_old_for_the_cuda_build(stage):
    (stage.locks / "torch.json").write_text(
        '{"linux-cuda": {"requirement": "torch==2.13.0", "least_driver": 580}}'
    )
    driver, cards = parse_nvidia("535.183.01, NVIDIA GeForce RTX 3060, 12288, 11870\n")
    around = Surroundings(**stage.machine, driver=driver, cards=cards)
    plan = make_plan("full", "cuda", stage.engine, SetupOptions(), around)
    assert plan.refusal() == (
        "The NVIDIA driver 535.183.01 is too old for these packages, which need 580 or newer. "
        "Update the driver, or choose the processor."
    )


@pytest.mark.parametrize(
    ("devices", "said"),
    [
        ([], "computes on no NVIDIA graphics card here"),
        ([("RTX 3060", False, "driver too old (found version 11040)", 0)], "found version 11040"),
        ([("RTX 3060", True, "", 210_000_000)], "The card RTX 3060 has only 210 MB free."),
    ],
    ids=["no card", "driver too old", "card without memory"],
)
def test_a_card_that_does_not_compute_keeps_the_old_engine(stage, devices, said):
    """The doctor's answers are recorded ones: there is no card here."""
    keys = ("name", "kind", "ok", "error", "free_bytes")
    rows = [dict(zip(keys, ("cuda:0", *device))) for device in devices]
    rows.append(dict(zip(keys, ("cpu", "CPU", True, "", 10**9))))
    line = json.dumps({"type": "done", "results": {"devices": rows}})
    verdict = doctor.judge([line], 0, "python", "cuda")
    assert not verdict.ok
    assert said in verdict.sentence
    assert "set the engine up for the processor" in verdict.remedy
    assert doctor.judge([line], 0, "python", "").ok


CANNOT = ", we can conclude that your requirements are unsatisfiable."
LACKS = "https://packages.example/simple has no {} for this Python and this system."
PYTHON = "The Python {} is too old or too new for the packages."


@pytest.mark.parametrize("width", [30, 47, 64, 80, 10_000])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Because the requested Python version (>=3.11) does not satisfy Python>=3.99 and "
         f"scipy==1.0 depends on Python>=3.99{CANNOT}", PYTHON),
        (f"Because scipy==1.0 requires Python >=3.99 and you require scipy==1.0{CANNOT}", PYTHON),
        ("Because scipy==1.0 has no wheels with a matching Python ABI tag (e.g., `cp311`) and "
         f"you require scipy==1.0{CANNOT}", PYTHON),
        (f"Because there is no version of scipy==1.0 and you require scipy==1.0{CANNOT}",
         LACKS.format("scipy==1.0")),
        (f"Because there are no versions of scipy and you require scipy{CANNOT}",
         LACKS.format("scipy")),
        ("Because scipy was not found in the package registry and you require scipy==1.0"
         f"{CANNOT}", LACKS.format("scipy")),
        (f"Because only scipy<=1.2 is available and you require scipy>2{CANNOT}",
         LACKS.format("scipy>2")),
        ("Because only the following versions of scipy are available: scipy<1.0 scipy>1.0 and "
         f"you require scipy==1.0{CANNOT}", LACKS.format("scipy==1.0")),
        ("Because only scipy<=1.2 is available and torch==2.13.0 depends on scipy>=2, we can "
         "conclude that torch==2.13.0 cannot be used.", LACKS.format("scipy>=2")),
        ("Because scipy==1.0 has no wheels with a matching platform tag (e.g., "
         f"`manylinux_2_36_x86_64`) and you require scipy==1.0{CANNOT}",
         LACKS.format("scipy==1.0")),
        ("Because only scipy==1.0 is available and scipy==1.0 has no wheels with a matching "
         "platform tag (e.g., `win_amd64`), we can conclude that all versions of scipy cannot be "
         "used. And because you require scipy" + CANNOT, LACKS.format("scipy==1.0")),
        ("Failed to download `scipy==1.0`: Hash mismatch for `scipy==1.0`",
         "A package that was fetched is not the one that was tested (its checksum differs)."),
        ("failed to write to file: The process cannot access the file because it is being used "
         "by another process. (os error 32)", "A file in {} is in use by another program."),
        ("failed to hardlink file: No space left on device (os error 28)",
         "The disk of {} is full."),
        ("client error (Connect): invalid peer certificate: UnknownIssuer",
         "The connection to https://packages.example/simple shows a certificate that"),
        ("error sending request: client error (Connect): dns error: failed to lookup address "
         "information: Name or service not known",
         "https://packages.example/simple cannot be reached."),
        ("Failed to extract archive: I/O operation failed during extraction: request or response "
         "body error: operation timed out",
         "The connection to https://packages.example/simple broke off."),
        ("HTTP status client error (404 Not Found) for url (https://packages.example/x)",
         "https://packages.example/simple refuses to give a package."),
    ],
)  # fmt: skip
def test_a_wrapped_sentence_of_uv_says_the_same(stage, text, said, width):
    """The tree that older uv draw, its lines broken at words; newer ones write one line."""
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    first = "  × No solution found when resolving dependencies:\n"
    for begin, go_on in (("  ╰─▶ ", "      "), ("  ├─▶ ", "  │   ")):
        log = first + begin + f"\n{go_on}".join(lines)
        sentence, _ = explain(log, stage.plan(index_url="https://packages.example/simple"))
        assert sentence.startswith(said.format(stage.plan().python if "Python" in said else
                                               stage.engine))  # fmt: skip


def test_a_number_is_not_part_of_a_longer_one(stage):
    """os error 1314 is not 13 (denied), 10106 is not 101 (no network), 139 is not 13."""
    for text in ("os error 1314", "os error 10106", "Errno 139", "os error 2800"):
        assert explain(text, stage.plan())[0] == f"The set-up stopped: {text}"


def test_what_nobody_foresaw_is_told_with_the_last_line(stage):
    sentence, remedy = explain("all is well\n\nthe moon is full http://a:b@c/x\n", stage.plan())
    assert sentence == "The set-up stopped: the moon is full http://…@c/x"
    assert "Copy Diagnostics" in remedy


def test_a_python_that_is_gone(stage, tmp_path):
    assert ask(str(tmp_path / "gone")) is None
    said = told(carry_out(stage.plan(wheel_folder=str(stage.wheels), python="/gone/python3")))
    assert "/gone/python3 does not answer like a Python" in said
