"""Is everything said before the click, is it true, and do diagnostics keep secrets."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from mtmsd_qgis.common.folders import PLUGIN
from mtmsd_qgis.engine import locks
from mtmsd_qgis.engine.devices import Device
from mtmsd_qgis.engine.interpreter import READY, EngineState
from mtmsd_qgis.setup.diagnostics import diagnostics, without_names
from mtmsd_qgis.setup.machine import BasePython, Card, Sources, Surroundings
from mtmsd_qgis.setup.plan import SetupOptions, make_plan, size

ROOT = Path(__file__).resolve().parents[2]
PYTHON = BasePython("/usr/bin/python3", "3.11.2")
KINDS = ("full", "light")
MACHINE = Surroundings("linux", "x86_64", "Debian", (PYTHON,), "/usr/bin/python3")


def plan(kind="full", device="cpu", machine=MACHINE, folder=None, **options):
    return make_plan(
        kind, device, folder or Path("/data x/engine"), SetupOptions(**options), machine
    )


def test_what_from_where_how_large_where_to_and_for_what_is_said():
    said = plan().sentences()
    assert said[0] == (
        "The whole engine: pretraining, training, classification and assessment. "
        "Computes on the processor."
    )
    assert re.fullmatch(r"Fetches about \d+ MB from PyPI and download.pytorch.org\.", said[1])
    assert re.fullmatch(
        r"Takes about 1\.\d GB in /data x/engine; [\d.]+ [GM]B are free there\.", said[2]
    )
    assert said[3] == (
        "Built from Python 3.11.2 (/usr/bin/python3) by uv, which is fetched first. "
        "QGIS's own Python stays as it is."
    )


def test_cuda_is_told_with_its_size_and_light_without_torch():
    cuda, light = plan(device="cuda"), plan(kind="light")
    assert "NVIDIA graphics cards" in cuda.sentences()[0]
    assert cuda.disk_bytes > 4_500_000_000
    assert light.torch == ""
    assert light.disk_bytes < plan().disk_bytes < cuda.disk_bytes
    assert "no training" in light.sentences()[0]
    assert "download.pytorch.org" not in light.sentences()[1]


def test_the_light_engine_is_offered_for_cards_with_what_that_takes():
    cpu, cuda = plan(kind="light"), plan(kind="light", device="cuda")
    assert cpu.sentences()[0].endswith("no training. Computes on the processor.")
    assert cuda.sentences()[0].endswith("no training. Computes on NVIDIA graphics cards.")
    assert cuda.torch == ""
    assert cuda.disk_bytes - cpu.disk_bytes > 2_000_000_000
    assert cuda.download_bytes - cpu.download_bytes > 1_000_000_000
    assert len({plan(kind=k, device=d).lock for k in KINDS for d in ("cpu", "cuda")}) == 4
    windows = Surroundings("windows", "x86_64", "OSGeo4W", (PYTHON,), "/usr/bin/python3")
    theirs = plan(kind="light", device="cuda", machine=windows)
    assert 2_000_000_000 < theirs.disk_bytes < cuda.disk_bytes
    scarce = dataclasses.replace(cuda, free_bytes=cpu.disk_bytes + 500_000_000)
    assert re.search(r"[\d.]+ GB are needed", scarce.refusal())
    apple = Surroundings("macos", "arm64", "QGIS.app", (PYTHON,), "/usr/bin/python3")
    assert "on the processor" in plan("light", "mps", apple).sentences()[0]
    assert "on the Apple GPU" in plan("full", "mps", apple).sentences()[0]


def test_cards_of_a_light_engine_take_a_driver_and_a_python_that_are_new_enough():
    cards = (Card("RTX 3060", 12 << 30, 11 << 30),)
    old_driver = Surroundings("linux", "x86_64", "Debian", (PYTHON,), driver="535.1", cards=cards)
    said = plan("light", "cuda", old_driver).refusal()
    assert said.startswith("The NVIDIA driver 535.1 is too old for these packages")
    assert plan("light", "cpu", old_driver).refusal() == ""
    older = BasePython("/usr/bin/python3", "3.10.12")
    old_python = Surroundings("linux", "x86_64", "Ubuntu", (older,), "/usr/bin/python3")
    assert plan("light", "cuda", old_python).refusal() == (
        "Mapping exported classifiers on NVIDIA cards takes Python 3.11 or newer; /usr/bin/python3 "
        "is 3.10.12. Choose another Python under Advanced, or the processor."
    )
    assert plan("light", "cpu", old_python).refusal() == ""
    full = plan("full", "cuda", old_python)
    assert full.refusal() == ""
    assert "(.onnx) are mapped on the processor" in " ".join(full.sentences())
    assert ".onnx" not in " ".join(plan("full", "cuda").sentences())


def test_a_wheel_folder_and_an_own_index_take_the_place_of_all_sources():
    offline = plan(wheel_folder="/media/usb/räder")
    assert offline.sentences()[1] == "From the folder /media/usb/räder; no network is used."
    assert (offline.torch_index, offline.download_bytes) == ("", 0)
    configured = Surroundings(
        "linux", "x86_64", "Debian", (PYTHON,), "/usr/bin/python3",
        sources=Sources("https://a:b@one.example/simple", find_links=("/opt/wheels",)),
    )  # fmt: skip
    own = plan(machine=configured, index_url="https://two.example/simple")
    assert own.index_url == "https://two.example/simple"
    assert own.sources.find_links == ()
    assert own.torch_index == ""
    taken = plan(machine=configured).sentences()[1]
    assert taken.endswith("from one.example, /opt/wheels and download.pytorch.org.")


@pytest.mark.parametrize(
    ("machine", "device", "said"),
    [
        (Surroundings("macos", "x86_64", "QGIS.app", (PYTHON,)), "cpu", "macos on x86_64"),
        (Surroundings("linux", "riscv64", "Debian", (PYTHON,)), "cpu", "linux on riscv64"),
        (Surroundings("windows", "x86_64", "OSGeo4W", (PYTHON,)), "mps", "no PyTorch for the"),
        (Surroundings("linux", "x86_64", "Debian", (PYTHON,), driver="470.1",
                      cards=(Card("K80", 1, 1),)), "cuda", "driver 470.1 is too old"),
        (Surroundings("linux", "x86_64", "Debian", (BasePython("/p", "3.9.2", "too old"),)), "cpu",
         "No Python was found that the engine can be built from (/p: too old)"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_here_is_refused_with_a_way_out(machine, device, said):
    refusal = plan(device=device, machine=machine).refusal()
    assert said in refusal
    assert re.search(r"Choose|choose|Install|Set the engine up", refusal)


def test_without_any_python_that_fits_uv_brings_one():
    machine = Surroundings(
        "windows", "x86_64", "OSGeo4W", (), fetcher=r"C:\OSGeo4W\apps\Python312\python.exe"
    )
    brought = plan(machine=machine)
    assert (brought.python, brought.tool) == ("", "uv")
    assert "it brings a Python 3.11 of its own" in brought.sentences()[3]
    offline = plan(machine=machine, wheel_folder=str(ROOT))
    assert offline.refusal().startswith("No Python was found")


def test_folders_that_hold_other_things_are_refused(tmp_path):
    assert "inside the plugin" in plan(folder=PLUGIN / "engine").refusal()
    photos = tmp_path / "photos"
    photos.mkdir()
    assert plan(folder=photos).refusal() == ""
    (photos / "me.jpg").touch()
    assert "holds other files, which would be replaced" in plan(folder=photos).refusal()
    assert (
        plan(folder=photos / "me.jpg").refusal()
        == f"{photos / 'me.jpg'} is a file. Choose a folder."
    )


def test_every_size_that_is_said_was_measured():
    sizes = json.loads((ROOT / "resources/engine/sizes.json").read_text())
    torch = json.loads((ROOT / "resources/engine/torch.json").read_text())
    wanted = {f"{kind}-{system}" for kind in ("full", "light") for system in ("linux", "windows",
              "macos")} | {f"torch-{name}" for name in torch}  # fmt: skip
    wanted |= {f"onnxruntime-cpu-{system}" for system in ("linux", "windows", "macos")}
    wanted |= {f"onnxruntime-cuda-{system}" for system in ("linux", "windows")}
    assert wanted - set(sizes) == {"torch-windows-cuda"}, "it is said where it was not measured"
    machine = Surroundings("windows", "x86_64", "OSGeo4W", (PYTHON,), "/usr/bin/python3")
    said = " ".join(plan(device="cuda", machine=machine).sentences())
    assert "PyTorch comes on top of that; its size was not measured" in said
    assert all(size["download_bytes"] < size["disk_bytes"] for size in sizes.values())


def test_the_locks_hold_what_the_engine_wants_each_with_hashes():
    project = (ROOT / "core/pyproject.toml").read_text()
    block = project.split("\ndependencies = [")[1].split("\n]")[0]
    wanted = set(re.findall(r'^\s*"([a-z0-9-]+)', block, re.MULTILINE)) - {"torch"}
    light = (ROOT / "core/light-requirements.in").read_text()
    wanted_light = set(re.findall(r"^([a-z0-9-]+)", light, re.MULTILINE))
    for kind, names in (("full", wanted), ("light", wanted_light)):
        text = locks.requirements(kind, "cpu")[0].read_text()
        entries = [entry for entry in re.split(r"\n(?=[a-z])", text) if "==" in entry]
        assert names <= {entry.split("==")[0] for entry in entries}, kind
        assert all("--hash=sha256:" in entry for entry in entries)
        assert not any(entry.startswith("torch==") for entry in entries)
        assert not any(entry.startswith("onnxruntime") for entry in entries)
    constraints = (ROOT / "constraints.txt").read_text()
    assert f"torch=={locks.torch_for('linux', 'cpu').requirement.split('==')[1][:6]}" in constraints


def test_one_onnxruntime_comes_on_top_and_that_for_cards_brings_its_libraries():
    found = {}
    for device in ("cpu", "cuda", "mps"):
        text = locks.requirements("light", device)[1].read_text()
        entries = [entry for entry in re.split(r"\n(?=[a-z])", text) if "==" in entry]
        assert all("--hash=sha256:" in entry for entry in entries)
        lines = [entry.partition(" \\")[0] for entry in entries]
        found[device] = {line.partition("==")[0]: line for line in lines if "< '3.11'" not in line}
    assert found["cpu"] == found["mps"]
    assert "onnxruntime" in found["cpu"]
    assert "onnxruntime" not in found["cuda"], "both are one module"
    needed = {"onnxruntime-gpu", "nvidia-cublas", "nvidia-cudnn-cu13", "nvidia-cufft",
              "nvidia-curand", "nvidia-cuda-nvrtc", "nvidia-cuda-runtime"}  # fmt: skip
    assert needed <= set(found["cuda"])
    for name in needed:
        assert "sys_platform != 'darwin'" in found["cuda"][name], "Linux and Windows"


def test_bytes_are_written_as_people_do():
    assert [size(n) for n in (0, 85_400_000, 1_734_000_000)] == ["1 MB", "85 MB", "1.7 GB"]


def test_diagnostics_tell_all_but_names_homes_and_secrets():
    state = EngineState(
        READY, "", "/home/anna.b/.local/share/mtmsd/engine/bin/python", "the setting", "3.11.2",
        "2.13.0", devices=(Device("cuda:0", "RTX", False, "no memory", 200_000_000),),
    )  # fmt: skip
    machine = Surroundings(
        "linux", "x86_64", "Debian", (PYTHON,), proxy="http://anna:geheim@proxy:1",
        sources=Sources("https://anna:geheim@mirror.example/simple"),
    )  # fmt: skip
    log = "x\n" * 300 + "from https://anna:geheim@mirror.example/simple/numpy token=geheim\n"
    text = diagnostics(state, machine, log)
    for secret in ("anna", "geheim"):
        assert secret not in text
    for wanted in ("QGIS 3.", "torch 2.13.0", "Device cuda:0: RTX, 200 MB free FAILS: no memory",
                   "mirror.example", "Debian", "Python 3.11.2 /usr/bin/python3"):  # fmt: skip
        assert wanted in text
    assert text.count("\nx") < 200


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (r"C:\Users\Anna Ü\AppData and C:/Users/Anna/x", r"C:\Users\…\AppData and C:/Users/…/x"),
        ("/Users/anna/Library", "/Users/…/Library"),
        ("/data/home of anna", "/data/home of …"),
        ("password=geheim next", "password=… next"),
        ("https://a:b@c.example/x", "https://…@c.example/x"),
    ],
)
def test_names_are_taken_out_on_every_system(text, clean):
    assert without_names(text, home="/home/anna", user="anna") == clean
