"""No engine, a broken one, one that is something else: each is one sentence, none blocks."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from qgis.core import QgsSettings

from mtmsd_qgis.engine import interpreter
from mtmsd_qgis.engine.interpreter import (
    BROKEN,
    CHECKING,
    MISSING,
    READY,
    SETTING,
    Engine,
    find_interpreter,
    probe,
)


def program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_the_setting_comes_before_the_variable_and_that_before_the_own_folder():
    own = Path("/data/engine")
    environ = {"MTMSD_PYTHON": "/from/variable"}
    assert find_interpreter("/from/setting", environ, own)[0] == "/from/setting"
    assert find_interpreter("", environ, own)[0] == "/from/variable"
    assert find_interpreter("", {}, own)[0] == str(own / "bin/python")


def test_the_real_engine_is_ready(engine_python):
    state = probe(engine_python, "the test")
    assert (state.status, state.sentence) == (READY, "")
    assert state.python_version.startswith("3.")
    assert state.torch_version


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("exit 0", "does not answer like a Python interpreter"),
        ("echo 'cannot open shared object' >&2; exit 127", "ended with status 127"),
        ("kill -SEGV $$", "was killed (SIGSEGV)"),
        ("sleep 60 & wait", "did not answer within 0.5 s"),
        (f'exec {sys.executable} -S -I "$@"', "lacks torch"),
    ],
    ids=["not python", "crashes", "segfault", "hangs", "without libraries"],
)
def test_a_broken_interpreter_is_one_sentence_with_its_path_and_its_source(tmp_path, text, said):
    python = program(tmp_path / "python", text)
    state = probe(python, "the setting", seconds=0.5 if "sleep" in text else 20)
    assert state.status == BROKEN
    assert said in state.sentence
    assert python in state.sentence
    assert "the setting" in state.sentence
    assert "\n" not in state.sentence
    assert "Traceback" not in state.sentence


def test_a_file_that_cannot_be_started_and_qgis_itself_are_refused(tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("hello")
    assert "cannot be started" in probe(str(notes), "x").sentence
    assert "QGIS itself" in probe("/usr/bin/qgis", "x").sentence


def test_noise_on_start_is_no_reason_to_refuse(tmp_path, engine_python):
    noisy = f'echo "{{\\"type\\": 1}}"; echo activating conda; exec {engine_python} "$@"'
    assert probe(program(tmp_path / "python", noisy), "x").status == READY


def test_a_named_interpreter_that_is_gone_is_named(monkeypatch):
    monkeypatch.setenv("MTMSD_PYTHON", "/gone/python")
    state = Engine().state()
    assert state.status == MISSING
    assert state.sentence == (
        "The engine's Python /gone/python, named by the environment variable MTMSD_PYTHON, "
        "does not exist."
    )


def test_without_any_engine_all_algorithms_say_so(monkeypatch, provider):
    monkeypatch.delenv("MTMSD_PYTHON", raising=False)
    for algorithm in provider.algorithms():
        can, sentence = algorithm.create().canExecute()
        assert not can
        assert sentence.startswith("The MTMSD engine is not set up")


def test_a_hanging_interpreter_blocks_nobody_and_is_asked_once(tmp_path, monkeypatch):
    tally = tmp_path / "tally"
    python = program(tmp_path / "python", f"echo x >> {tally}; sleep 30 & wait")
    monkeypatch.setattr(interpreter, "probe", lambda p, s: probe(p, s, seconds=2.0))
    QgsSettings().setValue(SETTING, python)
    engine = Engine()
    began = time.monotonic()
    assert {engine.state().status for _ in range(20)} == {CHECKING}
    assert time.monotonic() - began < 1.5
    assert engine.state(wait=20).status == BROKEN
    assert tally.read_text() == "x\n"


def test_another_interpreter_in_the_settings_is_noticed(tmp_path, engine_python, monkeypatch):
    monkeypatch.delenv("MTMSD_PYTHON")
    engine = Engine()
    assert engine.state(wait=20).status == MISSING
    QgsSettings().setValue(SETTING, program(tmp_path / "python", "exit 1"))
    assert engine.state(wait=20).status == BROKEN
    QgsSettings().setValue(SETTING, engine_python)
    assert engine.state(wait=20).status == READY
