"""The engine's state in words, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from qgis.core import QgsSettings
from qgis.PyQt.QtCore import Qt, QTimer, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QAction,
    QApplication,
    QFileDialog,
    QMenu,
    QMessageBox,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ...common.background import Background
from ...engine.devices import Device
from ...engine.interpreter import CHECKING, MISSING, SETTING, EngineState
from ...engine.locks import plugin_version
from ...setup.diagnostics import diagnostics
from ...setup.installer import DONE
from ...setup.machine import look_around
from ..widgets.section import row
from .engine_info import EngineFacts, SetUpProgress, plain_label
from .engine_text import environment_of, headline
from .setup_dialog import SetUpDialog
from .setup_runner import EngineSetUp

LOOK_MS = 500


class EnginePanel(QWidget):
    """State, facts and buttons; the same in the dock and among QGIS's options.

    Parameters
    ----------
    name : str
        With which the names of its widgets begin.
    is_small : bool
        Whether the seldom-used buttons are in a menu, as the dock has it.
    """

    state_changed = pyqtSignal()
    """Another state of the engine, or of its set-up."""

    def __init__(
        self, set_up: EngineSetUp, name: str, parent: QWidget | None = None, *, is_small: bool
    ) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.state = EngineState(CHECKING, "")
        self._set_up = set_up
        self._name = name
        self._version = plugin_version()
        self._said = ""
        self._dialog: SetUpDialog | None = None

        self._headline = plain_label(f"{name}Headline")
        self._facts = EngineFacts(name)
        self._progress = SetUpProgress(name)
        self._answer = plain_label(f"{name}Answer")
        self._button = self._push(
            "SetUp",
            self.tr("Set Up Engine…"),
            self.tr("Says what is installed, from where and how large, before anything is done"),
            self.open_set_up,
        )
        self._button.setMinimumHeight(32)
        self._choose = self._push(
            "Choose",
            self.tr("Choose Interpreter…"),
            self.tr("The python program of an environment that has the engine's libraries already"),
            self._choose_interpreter,
        )
        self._actions = self._make_actions()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        for widget in (self._headline, self._facts, self._progress, self._button):
            column.addWidget(widget)
        if is_small:
            column.addLayout(row(self._choose, self._menu_button(), stretch=0))
        else:
            self._button.setMinimumWidth(240)
            column.setAlignment(self._button, Qt.AlignmentFlag.AlignLeft)
            buttons = [self._choose, *map(self._button_of, self._actions)]
            column.addLayout(row(*buttons, QWidget(), stretch=len(buttons)))
        column.addWidget(self._answer)

        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self.look)
        self._timer.start()
        set_up.changed.connect(self._changed)
        self.look()

    # its parts

    def _push(self, part: str, text: str, tip: str, slot: Callable[[], None]) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(f"{self._name}{part}")
        button.setToolTip(tip)
        button.clicked.connect(lambda: slot())
        return button

    def _make_actions(self) -> dict[str, QAction]:
        made = {}
        for key, title, tip, slot in (
            (
                "Verify",
                self.tr("&Verify"),
                self.tr("Start the engine: imports, a computation on each device, a raster"),
                self.verify,
            ),
            (
                "Update",
                self.tr("&Update…"),
                self.tr("Set the engine up anew; the old one stays until the new one works"),
                self.open_set_up,
            ),
            (
                "Remove",
                self.tr("&Remove…"),
                self.tr("Delete the engine's environment; models and maps stay"),
                self._ask_to_remove,
            ),
            (
                "Copy",
                self.tr("Copy &Diagnostics"),
                self.tr("Put one text on the clipboard that tells a helper all; without names"),
                self._copy_diagnostics,
            ),
        ):
            made[key] = QAction(title, self)
            made[key].setProperty("tip", tip)
            made[key].setToolTip(tip)
            made[key].triggered.connect(slot)
        return made

    def _button_of(self, key: str) -> QPushButton:
        action = self._actions[key]
        button = QPushButton(action.text())
        button.setObjectName(f"{self._name}{key}")
        button.clicked.connect(action.trigger)

        def follow() -> None:
            button.setEnabled(action.isEnabled())
            button.setToolTip(action.toolTip())

        action.changed.connect(follow)
        follow()
        return button

    def _menu_button(self) -> QToolButton:
        button = QToolButton()
        button.setObjectName(f"{self._name}More")
        button.setText(self.tr("More"))
        button.setToolTip(self.tr("Verify, update or remove the engine; copy diagnostics"))
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setMinimumWidth(button.sizeHint().width() + 12)  # for the arrow
        menu = QMenu(button)
        menu.setObjectName(f"{self._name}Menu")
        menu.setToolTipsVisible(True)
        menu.addActions(list(self._actions.values()))
        button.setMenu(menu)
        return button

    # what it shows

    def look(self) -> None:
        """Take the engine's present state; nothing is waited for."""
        state = self._set_up.state()
        if state != self.state:
            self._said = ""
            self.state = state
            self._refresh()

    def _changed(self) -> None:
        self.state = self._set_up.state()
        self._refresh()

    def _refresh(self) -> None:
        running = self._set_up.is_running
        busy = self.tr("The engine is being set up; QGIS can be used meanwhile.")
        self._headline.setText(busy if running else headline(self.state))
        self._facts.show_state(self.state, self._version, self._devices())
        self._progress.setVisible(running)
        self._progress.show_progress(self._set_up)
        self._button.setText(self.tr("Show Set-Up…") if running else self.tr("Set Up Engine…"))
        said = self._said or self._news()
        self._answer.setText(said)
        self._answer.setVisible(bool(said) and not running)
        self._enable()
        self.state_changed.emit()

    def _news(self) -> str:
        """Say what was done last, where that is not in the headline."""
        set_up = self._set_up
        if set_up.is_verifying:
            return self.tr("The engine is started: this takes up to a minute…")
        if set_up.verdict is not None and set_up.verdict.ok:
            return self.tr("Verified: the engine computes, and reads and writes rasters.")
        if set_up.outcome is not None and set_up.outcome.status != DONE:
            return f"{set_up.outcome.sentence} {set_up.outcome.remedy}".strip()
        return ""

    def _devices(self) -> Sequence[Device]:
        verdict = self._set_up.verdict
        return verdict.devices if verdict is not None else self.state.devices

    def _enable(self) -> None:
        busy = ""
        if self._set_up.is_running:
            busy = self.tr("Wait until the engine is set up.")
        elif self._set_up.is_removing:
            busy = self.tr("Wait until the engine is removed.")
        elif self._set_up.is_verifying:
            busy = self.tr("Wait for the check.")
        none = self.tr("There is no engine yet.") if self.state.status == MISSING else ""
        is_own = environment_of(self.state) is not None
        foreign = "" if is_own else self.tr("There is no engine that was set up here.")
        for key, reason in (
            ("Verify", busy or none),
            ("Update", busy or none or foreign),
            ("Remove", busy or none or foreign),
            ("Copy", ""),
        ):
            action = self._actions[key]
            action.setEnabled(not reason)
            action.setToolTip(reason or action.property("tip"))
        self._choose.setEnabled(not busy)

    # what is done

    def open_set_up(self) -> None:
        """Open the set-up's dialog, or bring it to the front."""
        if self._dialog is None:
            self._dialog = SetUpDialog(self._set_up, self.state, self.window())
            self._dialog.destroyed.connect(self._forget_dialog)
        self._dialog.show()
        self._dialog.raise_()
        self._dialog.activateWindow()

    def _forget_dialog(self) -> None:
        self._dialog = None

    def _choose_interpreter(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, self.tr("Choose the Engine's Python"))
        if path:
            self._said = ""
            QgsSettings().setValue(SETTING, path)
            self._set_up.engine.recheck()
            self._set_up.verify(path)

    def verify(self) -> None:
        """Run the doctor in the engine's interpreter."""
        self._said = ""
        self._set_up.verify(self.state.python)

    def _ask_to_remove(self) -> None:
        folder = environment_of(self.state)
        box = QMessageBox(self.window())
        box.setObjectName(f"{self._name}RemoveQuestion")
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle(self.tr("Remove the Engine"))
        box.setText(self.tr("Delete the engine's environment in {}?").format(folder))
        box.setInformativeText(self.tr("Models, maps and jobs stay."))
        yes = box.addButton(self.tr("&Remove"), QMessageBox.ButtonRole.DestructiveRole)
        no = box.addButton(self.tr("&Keep"), QMessageBox.ButtonRole.RejectRole)
        yes.setObjectName(f"{self._name}RemoveYes")
        no.setObjectName(f"{self._name}RemoveNo")
        box.setDefaultButton(no)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        yes.clicked.connect(lambda: self._set_up.remove(folder))
        box.open()

    def _copy_diagnostics(self) -> None:
        self._say(self.tr("Looking at the machine…"))
        state, log = self.state, "\n".join(self._set_up.log)
        work = partial(_diagnostics, state, log)
        Background(work, self._copied, self).start(own_thread=True)

    def _copied(self, text: str | None, error: str | None) -> None:
        if text is not None:
            QApplication.clipboard().setText(text)
            self._say(self.tr("Copied: paste it into your report."))
        else:
            self._say(error or "")

    def _say(self, sentence: str) -> None:
        self._said = sentence
        self._refresh()


def _diagnostics(state: EngineState, log: str) -> str:
    return diagnostics(state, look_around(), log)
