"""The engine's panel and its set-up dialog, pressed with the mouse; all but the wheels is real."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pretend
import pytest
from conftest import ROOT
from docked import Docked
from qgis.core import QgsSettings
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import (
    QAbstractButton,
    QApplication,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QWidget,
)
from test_dock_widgets import OPERATED
from test_dock_widgets import test_no_words_are_shown_untranslated as words_are_translated

import mtmsd_qgis
from mtmsd_qgis.common import folders
from mtmsd_qgis.engine import interpreter, locks
from mtmsd_qgis.engine.interpreter import BROKEN, MISSING, READY, SETTING
from mtmsd_qgis.gui.engine.options_page import EngineOptionsFactory
from mtmsd_qgis.gui.engine.setup_runner import EngineSetUp

PANEL = "mtmsdEnginePanel"


class Room(Docked):
    """A plugin without an engine."""

    def state(self) -> str:
        return self.dock.engine.panel.state.status

    def wait_state(self, status: str, seconds: float = 60) -> None:
        self.wait(lambda: self.state() == status, f"not {status} but {self.state()}", seconds)

    def choose(self, python: object) -> None:
        """What Choose Interpreter… does after its file dialog, but for Verify."""
        QgsSettings().setValue(SETTING, str(python))
        self.workspace.engine.recheck()

    def dialog(self) -> QWidget:
        """Press the big button and wait for the plan."""
        self.click(f"{PANEL}SetUp")
        found = self.dock.engine.panel._dialog
        assert found is not None
        assert found.isVisible()
        return found

    def press(self, dialog: QWidget, name: str) -> None:
        button = dialog.findChild(QPushButton, name)
        self.wait(lambda: button.isVisible() and button.isEnabled(), f"{name} cannot be pressed")
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)

    def label(self, dialog: QWidget, name: str) -> str:
        return dialog.findChild(QLabel, name).text()


@pytest.fixture
def room(
    qgis_iface: Any, qgis_canvas: Any, qgis_processing: Any, monkeypatch: Any
) -> Iterator[Room]:
    monkeypatch.delenv("MTMSD_PYTHON", raising=False)
    plugin = mtmsd_qgis.classFactory(qgis_iface)
    plugin.initGui()
    window = qgis_iface.mainWindow()
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, plugin.dock)
    window.resize(1200, 900)
    window.show()
    plugin.dock.show()
    made = Room(plugin, qgis_canvas)
    yield made
    made.unload()
    qgis_iface.addRasterToolBarIcon.reset_mock()


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: Any) -> Path:
    """The plugin's locks and engine are tiny; the folder of the wheels that belong to them."""
    folder = pretend.make_wheels(tmp_path / "räder mit leerzeichen")
    monkeypatch.setattr(locks, "FOLDER", pretend.write_locks(tmp_path / "locks", folder))
    core = pretend.write_engine(tmp_path / "core")
    for module in (folders, interpreter):
        monkeypatch.setattr(module, "CORE", core)
    return folder


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


# a first run, and interpreters that are none


def test_the_first_run_shows_one_big_button_and_a_ready_engine_takes_it_away(
    room: Room, engine_python: str
) -> None:
    room.wait_state(MISSING)
    section = room.part("mtmsdEngine")
    sections = room.part("mtmsdSections").layout()
    first = [sections.itemAt(place).widget() for place in range(2)]
    assert first == [room.part("mtmsdFirstSteps"), section]
    assert section.isVisible()
    assert room.part(f"{PANEL}SetUp").isVisible()
    assert "One click sets it up" in room.text(f"{PANEL}Headline")
    room.choose(engine_python)
    room.wait_state(READY)
    room.wait(lambda: not section.isVisible(), "the section stays in the way")


BAD = {
    "not Python": ("exit 0", "does not answer like a Python interpreter"),
    "crashes": ("echo 'no such library' >&2; exit 127", "ended with status 127 when"),
    "hangs": ("sleep 60 & wait", "did not answer within 1 s"),
    "without libraries": (f'exec {sys.executable} -S -I "$@"', "lacks "),
}


@pytest.mark.parametrize("kind", BAD)
def test_an_interpreter_that_is_none_is_one_sentence_in_the_panel(
    room: Room, tmp_path: Path, monkeypatch: Any, kind: str
) -> None:
    text, sentence = BAD[kind]
    probe, seconds = interpreter.probe, 1 if kind == "hangs" else 30
    monkeypatch.setattr(interpreter, "probe", lambda p, s: probe(p, s, seconds))
    python = program(tmp_path / "python", text)
    room.choose(python)
    room.wait_state(BROKEN)
    said = room.text(f"{PANEL}Headline")
    assert sentence in said
    assert str(python) in said
    assert "Traceback" not in said
    assert room.part("mtmsdEngine").isVisible()
    assert room.text("mtmsdEngineState") == "Broken"


def test_qgis_itself_is_no_interpreter(room: Room) -> None:
    room.choose("/usr/bin/qgis")
    room.wait_state(BROKEN)
    assert "is QGIS itself" in room.text(f"{PANEL}Headline")


def test_noise_on_start_does_no_harm(room: Room, tmp_path: Path, engine_python: str) -> None:
    noisy = f'echo "{{\\"type\\": 1}}"; echo activating; exec {engine_python} "$@"'
    room.choose(program(tmp_path / "python", noisy))
    room.wait_state(READY)


def test_verify_tells_of_a_library_that_crashes_on_import(
    room: Room, tmp_path: Path, engine_python: str
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "torch.py").write_text("import os\nos.abort()\n")
    text = f'export PYTHONPATH="{broken}:$PYTHONPATH"; exec {engine_python} "$@"'
    room.choose(program(tmp_path / "python", text))
    room.wait_state(READY)  # the quick look imports nothing
    room.dock.engine.panel.verify()
    room.wait_state(BROKEN, 90)
    said = room.text(f"{PANEL}Headline")
    assert "SIGABRT" in said
    assert "\n" not in said
    assert room.part("mtmsdEngine").isVisible()


def test_verify_tells_the_devices_of_the_real_engine(room: Room, engine_python: str) -> None:
    room.choose(engine_python)
    room.wait_state(READY)
    room.dock.engine.panel.verify()
    room.wait(lambda: room.text(f"{PANEL}Answer").startswith("Verified"), "not verified", 120)
    assert re.search(r"CPU, \d+ threads?: [\d.]+ [MG]B free", room.text(f"{PANEL}Devices"))


# the dialog


def test_nothing_is_written_before_the_click(room: Room, wheels: Path) -> None:
    dialog = room.dialog()
    plan = lambda: room.label(dialog, "mtmsdSetUpPlan")  # noqa: E731
    room.wait(lambda: str(folders.environment_folder()) in plan(), f"no plan but {plan()}")
    assert "MB" in plan()
    assert not folders.data_folder().exists()
    dialog.close()


def take_wheels(dialog: QWidget, wheels: Path) -> None:
    dialog.findChild(QLineEdit, "mtmsdSetUpWheels").setText(str(wheels))


def set_up(room: Room, wheels: Path) -> QWidget:
    """Open the dialog, name the folder of wheels, press Set Up."""
    dialog = room.dialog()
    room.wait(lambda: room.label(dialog, "mtmsdSetUpHint"), "the machine is not known")
    take_wheels(dialog, wheels)
    room.wait(lambda: str(wheels) in room.label(dialog, "mtmsdSetUpPlan"), "an old plan")
    room.press(dialog, "mtmsdSetUpGo")
    return dialog


def wait_sentence(room: Room, dialog: QWidget, words: str, seconds: float = 240) -> str:
    said = lambda: room.label(dialog, "mtmsdSetUpSentence")  # noqa: E731
    room.wait(lambda: words in said(), f"'{said()}' instead of '{words}'", seconds)
    return said()


@pytest.mark.slow
def test_an_engine_is_set_up_removed_and_its_folder_is_gone(room: Room, wheels: Path) -> None:
    dialog = set_up(room, wheels)
    wait_sentence(room, dialog, "The engine is ready.")
    room.wait_state(READY)
    environment = folders.environment_folder()
    assert (environment / "bin/python").exists()
    assert not (environment.parent / "engine.new").exists()
    assert not room.part("mtmsdEngine").isVisible()
    dialog.close()

    page = EngineOptionsFactory(room.plugin.set_up).createWidget(None)
    page.show()
    QTest.qWait(50)
    assert page.findChild(QLabel, "mtmsdOptionsEngineState").text() == "ready"
    assert "2.13.0" in page.findChild(QLabel, "mtmsdOptionsEngineTorch").text()
    room.press(page, "mtmsdOptionsEngineRemove")
    question = page.findChild(QMessageBox)
    assert str(environment) in question.text()
    room.press(question, "mtmsdOptionsEngineRemoveYes")
    room.wait_state(MISSING)
    room.wait(lambda: not environment.exists(), "the environment stays")
    page.deleteLater()


@pytest.mark.slow
def test_a_folder_of_wheels_that_lacks_one_is_told_and_tried_again(
    room: Room, wheels: Path
) -> None:
    missing = next(wheels.glob("scipy*.whl"))
    kept = missing.read_bytes()
    missing.unlink()
    dialog = set_up(room, wheels)
    room.wait(lambda: room.label(dialog, "mtmsdSetUpSentence"), "nothing is said", 240)
    said = room.label(dialog, "mtmsdSetUpSentence")
    assert "scipy" in said
    assert str(wheels) in said + room.label(dialog, "mtmsdSetUpRemedy")
    assert "\n" not in said
    assert not folders.environment_folder().exists()
    assert room.state() == MISSING
    missing.write_bytes(kept)
    room.press(dialog, "mtmsdSetUpGo")  # now called Try Again
    wait_sentence(room, dialog, "The engine is ready.")
    dialog.close()


@pytest.mark.slow
def test_a_closed_dialog_lets_it_go_on_and_an_unloaded_plugin_ends_it(
    qgis_iface: Any, room: Room, wheels: Path, tmp_path: Path
) -> None:
    dialog = set_up(room, wheels)
    room.wait(lambda: room.plugin.set_up.step, "it does not begin")
    room.press(dialog, "mtmsdSetUpClose")
    assert room.plugin.set_up.is_running
    assert room.part(f"{PANEL}Progress").isVisible()
    room.plugin.set_up.release()
    room.wait(lambda: not room.plugin.set_up.is_running, "it goes on", 10)
    assert not folders.environment_folder().exists()
    again = room.dialog()
    room.press(again, "mtmsdSetUpGo")
    wait_sentence(room, again, "The engine is ready.")
    again.close()


@pytest.mark.slow
def test_two_windows_do_not_set_up_at_once_and_a_canceled_one_goes_on(
    room: Room, wheels: Path
) -> None:
    dialog = set_up(room, wheels)
    room.wait(lambda: room.plugin.set_up.step not in ("", "prepare"), "it does not begin")
    other = EngineSetUp(room.workspace.engine)
    other.start(room.plugin.set_up.plan)
    room.wait(lambda: other.outcome, "the second one waits")
    assert other.outcome.sentence.startswith("Another QGIS is setting up the engine in")
    other.deleteLater()
    room.press(dialog, "mtmsdSetUpCancel")
    wait_sentence(room, dialog, "Canceled")
    assert not folders.environment_folder().exists()
    assert "it can go on" in room.text(f"{PANEL}Headline")
    room.press(dialog, "mtmsdSetUpGo")  # now called Try Again
    wait_sentence(room, dialog, "The engine is ready.")
    dialog.close()


def test_an_environment_that_is_there_already_is_taken_as_it_is(
    room: Room, engine_python: str
) -> None:
    dialog = room.dialog()
    room.wait(lambda: room.label(dialog, "mtmsdSetUpHint"), "the machine is not known")
    dialog.findChild(QLineEdit, "mtmsdSetUpPython").setText(engine_python)
    room.wait(lambda: "nothing is installed" in room.label(dialog, "mtmsdSetUpPlan"), "not seen")
    room.press(dialog, "mtmsdSetUpGo")
    room.wait_state(READY)
    assert QgsSettings().value(SETTING) == engine_python


def test_diagnostics_come_to_the_clipboard_without_the_users_home(room: Room) -> None:
    room.dock.engine.panel._actions["Copy"].trigger()
    room.wait(lambda: room.text(f"{PANEL}Answer").startswith("Copied"), "not copied", 60)
    text = QApplication.clipboard().text()
    assert "Python" in text
    assert str(Path.home()) not in text


# looks


@pytest.mark.parametrize("width", [320, 560])
def test_the_dialog_fits_and_explains_itself(room: Room, wheels: Path, width: int) -> None:
    dialog = room.dialog()
    room.wait(lambda: "MB" in room.label(dialog, "mtmsdSetUpPlan"), "no plan")
    dialog.findChild(QWidget, "mtmsdSetUpAdvanced").setCollapsed(False)
    dialog.resize(width, 700)
    QTest.qWait(50)
    assert dialog.width() == width
    parts = [w for w in dialog.findChildren(QWidget) if w.isVisible()]
    own = [w for w in parts if w.objectName().startswith("mtmsd") and isinstance(w, OPERATED)]
    assert len(own) > 8
    assert [w.objectName() for w in own if not w.toolTip()] == []
    cut = [
        w.text()
        for w in parts
        if isinstance(w, (QPushButton, QLabel))
        and not (isinstance(w, QLabel) and w.wordWrap())
        and w.minimumSizeHint().width() > w.width() + 1
    ]
    assert cut == []
    dialog.close()


def test_no_two_mnemonics_of_dialog_or_page_are_the_same(room: Room, wheels: Path) -> None:
    dialog = room.dialog()
    page = EngineOptionsFactory(room.plugin.set_up).createWidget(None)
    for top in (dialog, page):
        texts = [w.text() for w in top.findChildren(QAbstractButton)]
        texts += [w.text() for w in top.findChildren(QLabel) if w.buddy() is not None]
        letters = [text[text.index("&") + 1].lower() for text in texts if "&" in text]
        assert len(letters) > 3
        assert sorted({x for x in letters if letters.count(x) > 1}) == []
    dialog.close()
    page.deleteLater()


@pytest.mark.parametrize(
    "file", sorted((ROOT / "mtmsd_qgis/gui/engine").glob("*.py")), ids=lambda p: p.name
)
def test_no_words_of_the_panel_are_untranslated(file: Path) -> None:
    words_are_translated(file)


def test_the_options_page_comes_and_goes_with_the_plugin(qgis_iface: Any, room: Room) -> None:
    factory = qgis_iface.registerOptionsWidgetFactory.call_args.args[0]
    assert isinstance(factory, EngineOptionsFactory)
    assert factory.title() == "MTMSD Engine"
    assert not factory.icon().isNull()
    room.plugin.unload()
    assert qgis_iface.unregisterOptionsWidgetFactory.call_args.args[0] is factory
