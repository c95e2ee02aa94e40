"""Does a set-up end with an engine, and does one that fails leave the old engine at work."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import zipfile
from pathlib import Path

import pytest
from pretend import ENGINE, make_wheel, write_locks
from setup_stage import VERSION, carry_out
from troubled_index import Index

from mtmsd_qgis.engine import process
from mtmsd_qgis.engine.interpreter import OUTDATED, READY, probe
from mtmsd_qgis.engine.stamp import STAMP, read
from mtmsd_qgis.setup import environment_folder, installer
from mtmsd_qgis.setup.installer import CANCELED, DONE, FAILED, Installer, remove
from mtmsd_qgis.setup.machine import Sources


def beside(engine: Path) -> set[str]:
    return {path.name for path in engine.parent.iterdir()}


def python_of(engine: Path) -> str:
    return str(engine / "bin/python")


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_a_path_with_spaces_and_umlauts_becomes_an_engine(stage, tool):
    engine = stage.folder / "Übungs daten (größer) 高光谱" / "engine"
    stage.machine["uv"] = stage.machine["uv"] if tool == "uv" else ""
    events = []
    plan = stage.plan(engine, wheel_folder=str(stage.wheels), tool=tool)
    assert plan.refusal() == ""
    outcome = carry_out(plan, events)
    assert (outcome.status, outcome.sentence) == (DONE, "The engine is ready.")
    assert beside(engine) == {"engine", "engine.log"}
    state = probe(python_of(engine), "the test")
    assert (state.status, state.torch_version, state.python_version) == (READY, "2.13.0", VERSION)
    assert [device.free_bytes for device in state.devices] == [3_000_000_000]
    steps = list(dict.fromkeys(event.step for event in events))
    assert steps == [step for step in installer.STEPS if step != "tool"]
    assert tool in outcome.log.read_text().split("== Fetching and installing the packages")[1]


def test_an_update_replaces_the_engine_and_a_failed_one_leaves_it(stage):
    assert carry_out(stage.from_folder()).status == DONE
    before = probe(python_of(stage.engine), "x")
    mark = stage.engine / "the-old-one"
    mark.touch()
    (stage.core / "mtmsd/__main__.py").write_text("import sys; sys.exit('segmented fault')")
    failed = carry_out(stage.from_folder())
    assert failed.status == FAILED
    assert "ended with status 1 when the engine was checked (segmented fault)" in failed.sentence
    assert mark.exists()
    assert probe(python_of(stage.engine), "x") == before
    (stage.core / "mtmsd/__main__.py").write_text(ENGINE)
    assert carry_out(stage.from_folder()).status == DONE
    assert not mark.exists()
    assert beside(stage.engine) == {"engine", "engine.log"}


def test_another_lock_makes_the_engine_outdated_but_it_works_until_the_update(stage):
    assert carry_out(stage.from_folder()).status == DONE
    make_wheel(stage.wheels, "numpy", "numpy", "2.0")
    (stage.wheels / "numpy-1.0-py3-none-any.whl").unlink()
    write_locks(stage.locks, stage.wheels)
    lock = stage.locks / "full.txt"
    lock.write_text(lock.read_text().replace("numpy==1.0", "numpy==2.0"))
    state = probe(python_of(stage.engine), "x")
    assert state.status == OUTDATED
    assert "another version of the plugin" in state.sentence
    assert "Press Update" in state.sentence
    assert state.torch_version == "2.13.0"
    assert carry_out(stage.from_folder()).status == DONE
    assert probe(python_of(stage.engine), "x").status == READY
    said = subprocess.run(
        [python_of(stage.engine), "-c", "import numpy; print(numpy.__version__)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout == "2.0\n"


def installed(engine: Path) -> set[str]:
    found = engine.glob("lib/python3*/site-packages/*.dist-info")
    return {path.name.partition("-")[0] for path in found}


@pytest.mark.parametrize("tool", ["uv", "pip"])
@pytest.mark.parametrize("kind", ["full", "light"])
def test_for_cards_the_other_onnxruntime_is_installed_with_its_libraries(stage, kind, tool):
    (stage.locks / "torch.json").write_text(
        '{"linux-cpu": {"requirement": "torch==2.13.0"},'
        ' "linux-cuda": {"requirement": "torch==2.13.0"}}'
    )
    engine = stage.core / "mtmsd/__main__.py"
    engine.write_text(ENGINE.replace('"cpu", "kind"', '"cuda", "kind"').replace(", torch\n", "\n")
                      .replace("torch.__version__", "None"))  # fmt: skip
    stage.machine["uv"] = stage.machine["uv"] if tool == "uv" else ""
    plan = stage.plan(None, kind, "cuda", wheel_folder=str(stage.wheels), tool=tool)
    outcome = carry_out(plan)
    assert outcome.status == DONE, outcome
    there = installed(stage.engine)
    assert {"onnxruntime_gpu", "nvidia_cublas"} <= there
    assert "onnxruntime" not in there
    assert ("torch" in there) == (kind == "full")
    state = probe(python_of(stage.engine), "x")
    assert (state.status, state.kind, state.onnxruntime_version) == (READY, kind, "1.0")
    cuda = stage.locks / "onnxruntime-cuda.txt"
    (stage.locks / "onnxruntime-cpu.txt").write_text("# another\n")
    assert probe(python_of(stage.engine), "x").status == READY
    cuda.write_text(cuda.read_text() + "# another\n")
    assert probe(python_of(stage.engine), "x").status == OUTDATED


def test_a_light_engine_for_cards_that_does_not_compute_on_one_is_refused(stage):
    outcome = carry_out(stage.plan(None, "light", "cuda", wheel_folder=str(stage.wheels)))
    assert outcome.status == FAILED
    assert not stage.engine.exists()


def test_an_engine_of_a_newer_plugin_is_told(stage):
    assert carry_out(stage.from_folder()).status == DONE
    stamp = stage.engine / STAMP
    text = stamp.read_text()
    lock = read(stamp)["lock"]
    stamp.write_text(text.replace(lock, "0" * 16).replace('"plugin": "0.1.0"', '"plugin": "9.0.0"'))
    state = probe(python_of(stage.engine), "x")
    assert state.status == OUTDATED
    assert "a newer plugin (9.0.0; this one is 0.1.0)" in state.sentence


def test_a_line_that_breaks_off_is_taken_up_again(stage, index, monkeypatch):
    monkeypatch.setattr(installer, "WAIT_SECONDS", 0.1)
    index.trouble = "cut"
    assert carry_out(stage.plan(index_url=index.url)).status == DONE


def test_where_the_index_has_no_uv_pip_installs(stage, index):
    stage.machine["uv"] = ""
    outcome = carry_out(stage.plan(index_url=index.url))
    assert outcome.status == DONE
    assert "uv cannot be had; pip installs." in outcome.log.read_text()


def test_cancel_ends_the_tools_soon_and_the_next_time_goes_on(stage, index):
    index.trouble = "hang"
    plan = stage.plan(index_url=index.url)
    canceler = Installer(plan, lambda event: None)
    threading.Timer(0.1, lambda: index.files_begun.wait(30) and canceler.cancel()).start()
    outcome = canceler.run()
    assert outcome.status == CANCELED
    assert installer.unfinished(stage.engine)
    assert not stage.engine.exists()
    pid = read(environment_folder.Place(stage.engine).child)["pid"]
    assert not process.is_alive(pid)
    index.go_on.set()
    index.trouble = ""
    events = []
    assert carry_out(plan, events).status == DONE
    assert "Going on with the environment that was begun." in [event.line for event in events]


def test_after_a_kill_the_orphan_is_ended_and_the_set_up_goes_on(stage, index):
    index.trouble = "hang"
    plan = stage.plan(index_url=index.url)
    killed = subprocess.Popen(stage.command(plan), stdout=subprocess.DEVNULL)
    assert index.files_begun.wait(40)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    orphan = read(environment_folder.Place(stage.engine).child)["pid"]
    assert process.is_alive(orphan), "the tool outlives QGIS, or this test shows nothing"
    index.trouble = ""
    events = []
    assert carry_out(plan, events).status == DONE
    assert not process.is_alive(orphan)
    assert "Going on with the environment that was begun." in [event.line for event in events]
    assert beside(stage.engine) == {"engine", "engine.log"}


def test_two_windows_at_once_are_told_apart(stage, index):
    index.trouble = "hang"
    plan = stage.plan(index_url=index.url)
    first = Installer(plan, lambda event: None)
    thread = threading.Thread(target=first.run)
    thread.start()
    assert index.files_begun.wait(30)
    status, sentence, _ = stage.apart(plan)
    assert (status, sentence) == (
        FAILED,
        f"Another QGIS is setting up the engine in {plan.folder}.",
    )
    assert "Another QGIS" in remove(plan.folder)
    first.cancel()
    thread.join(20)
    assert not thread.is_alive()


def test_a_kill_between_the_two_renames_loses_nothing(stage):
    assert carry_out(stage.from_folder()).status == DONE
    here = environment_folder.Place(stage.engine)
    stage.engine.rename(here.old)
    assert carry_out(stage.from_folder()).status == DONE
    assert beside(stage.engine) == {"engine", "engine.log"}
    stage.engine.rename(here.old)
    here.recover()
    assert probe(python_of(stage.engine), "x").status == READY


def test_a_file_in_use_keeps_the_old_engine(stage):
    """A mount inside the old engine: its rename is refused, as Windows refuses an open file's."""
    assert carry_out(stage.from_folder()).status == DONE
    held = stage.engine / "held"
    held.mkdir()
    cage = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(held)]
    status, sentence, remedy = stage.apart(stage.from_folder(), *cage)
    assert (status, sentence) == (FAILED, f"A file in {stage.engine} is in use by another program.")
    assert "Wait for the engine's jobs to end" in remedy
    assert probe(python_of(stage.engine), "x").status == READY
    assert carry_out(stage.from_folder()).status == DONE


def test_remove_takes_away_what_a_set_up_made_and_nothing_else(stage):
    assert carry_out(stage.from_folder()).status == DONE
    assert remove(stage.engine) == ""
    assert beside(stage.engine) == set()
    photos = stage.engine.parent / "photos"
    photos.mkdir()
    (photos / "me.jpg").touch()
    assert "was not made by Set Up Engine" in remove(photos)
    assert (photos / "me.jpg").exists()


def test_qgis_own_variables_and_secrets_stay_out_of_commands_and_log(stage, index, monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    monkeypatch.setenv("PIP_TARGET", "/nowhere")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    before = dict(os.environ)
    url = index.url.replace("http://", "http://anna:geheim@")
    outcome = carry_out(stage.plan(index_url=url))
    assert outcome.status == DONE
    assert "geheim" not in outcome.log.read_text()
    assert dict(os.environ) == before


def test_torch_comes_from_its_own_index_where_the_configured_one_has_none(stage, index, tmp_path):
    others = tmp_path / "others"
    others.mkdir()
    torch = next(stage.wheels.glob("torch-*"))
    torch.rename(others / torch.name)
    theirs = Index(others)
    (stage.locks / "torch.json").write_text(
        f'{{"linux-cpu": {{"requirement": "torch==2.13.0", "index": "{theirs.url}"}}}}'
    )
    stage.machine["sources"] = Sources(index_url=index.url)
    plan = stage.plan()
    assert plan.torch_index == theirs.url
    assert carry_out(plan).status == DONE
    assert any("torch" in path for path in index.asked)
    assert theirs.asked.count("/simple/torch/") >= 1
    assert not any("numpy" in path for path in theirs.asked)
    theirs.close()


def test_bytes_are_told_while_they_arrive(stage, monkeypatch):
    monkeypatch.setattr("mtmsd_qgis.setup.child.TICK_SECONDS", 0.02)
    (stage.wheels / "numpy-1.0-py3-none-any.whl").unlink()
    wheel = make_wheel(stage.wheels, "numpy", "numpy")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("numpy_data.bin", os.urandom(30_000_000))
    write_locks(stage.locks, stage.wheels)
    plan = stage.from_folder()
    events = []
    assert carry_out(plan, events).status == DONE
    told = [event.done for event in events if event.total]
    assert told == sorted(told)
    assert max(told) == plan.disk_bytes
