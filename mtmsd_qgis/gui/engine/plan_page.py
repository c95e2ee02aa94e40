"""What shall be set up, and what that means, before anything is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from qgis.gui import QgsCollapsibleGroupBox, QgsFileWidget
from qgis.PyQt.QtCore import QTimer, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QComboBox,
    QFormLayout,
    QLineEdit,
    QRadioButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from ...common.background import Background
from ...common.folders import environment_folder
from ...engine.interpreter import READY, EngineState, probe
from ...setup.machine import Surroundings, host_of, look_around
from ...setup.plan import (
    FULL,
    LIGHT,
    SetupOptions,
    SetupPlan,
    device_name,
    make_plan,
    size,
)
from ..widgets.section import caption
from .engine_info import plain_label

PAUSE_MS = 300
"""After the last key, before a new plan is made."""


@dataclass(frozen=True)
class Proposal:
    """A plan with what it says; both look at the disk, so they are asked in a thread."""

    plan: SetupPlan
    sentences: tuple[str, ...]
    refusal: str


@dataclass(frozen=True)
class Offer:
    """What could be set up with the present choices.

    Attributes
    ----------
    around : Surroundings
        The machine.
    proposals : Mapping of str to Proposal
        For ``full`` and ``light``.
    existing : EngineState or None
        Of the chosen Python, where that has all the engine's libraries already.
    """

    around: Surroundings
    proposals: Mapping[str, Proposal]
    existing: EngineState | None


class PlanPage(QWidget):
    """Kind, device, folder and advanced choices; below them the plan in sentences.

    Parameters
    ----------
    folder : Path or None
        Where the environment shall lie at first; None: the plugin's usual folder.
    kind : str
        ``full`` or ``light``, chosen at first.
    """

    offered = pyqtSignal()
    """Another :attr:`offer`, or none while one is made."""

    def __init__(self, folder: Path | None, kind: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.offer: Offer | None = None
        self.problem = ""
        self._around: Surroundings | None = None
        self._asked = 0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PAUSE_MS)
        self._timer.timeout.connect(self._make_offer)

        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self._kinds = self._make_kinds()
        self._kinds[kind].setChecked(True)
        for button in self._kinds.values():
            column.addWidget(button)
        column.addLayout(self._make_choices(folder or environment_folder()))
        column.addWidget(self._make_advanced())
        self._words = plain_label("mtmsdSetUpPlan")
        self._refusal = plain_label("mtmsdSetUpRefusal")
        bold = self._refusal.font()
        bold.setBold(True)
        self._refusal.setFont(bold)
        column.addWidget(self._words)
        column.addWidget(self._refusal)
        column.addStretch(1)
        self._show()
        self._make_offer()

    @property
    def plan(self) -> SetupPlan | None:
        """The plan of the chosen kind; None while it is made, and where it is refused."""
        if self.offer is None or self.offer.existing is not None:
            return None
        proposal = self.offer.proposals[self._kind()]
        return None if proposal.refusal else proposal.plan

    # its parts

    def _make_kinds(self) -> dict[str, QRadioButton]:
        made = {}
        for kind, tip in (
            (FULL, self.tr("Learns, trains, maps and assesses, with PyTorch")),
            (LIGHT, self.tr("Classifies and assesses with models that others trained")),
        ):
            made[kind] = QRadioButton()
            made[kind].setObjectName(f"mtmsdSetUpKind_{kind}")
            made[kind].setToolTip(tip)
            made[kind].toggled.connect(self._show)
        return made

    def _make_choices(self, folder: Path) -> QFormLayout:
        self._device = QComboBox()
        self._device.setObjectName("mtmsdSetUpDevice")
        self._device.setToolTip(self.tr("For which device the packages are installed"))
        self._device.setMinimumWidth(60)
        self._device.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._device.currentIndexChanged.connect(self._changed)
        self._hint = plain_label("mtmsdSetUpHint")
        self._folder = self._file(
            "Folder",
            self.tr("Where the environment will lie; an update of the plugin does not touch it"),
            QgsFileWidget.StorageMode.GetDirectory,
        )
        self._folder.setFilePath(str(folder))
        form = _form()
        form.addRow(caption(self.tr("De&vice"), self._device), self._device)
        form.addRow(self._hint)
        form.addRow(caption(self.tr("Fol&der"), self._folder), self._folder)
        return form

    def _make_advanced(self) -> QgsCollapsibleGroupBox:
        self._index = self._line(
            "Index", self.tr("An index of packages that replaces the ordinary one, PyTorch's too")
        )
        self._proxy = self._line(
            "Proxy", self.tr("http://user[:password]@host:port; empty: the one QGIS has")
        )
        self._wheels = self._file(
            "Wheels",
            self.tr("A folder of wheels, for a machine without network; then none is used"),
            QgsFileWidget.StorageMode.GetDirectory,
        )
        self._python = self._file(
            "Python",
            self.tr("The Python to build from, or that of an environment that has everything"),
            QgsFileWidget.StorageMode.GetFile,
        )
        box = QgsCollapsibleGroupBox(self.tr("Advanced"))
        box.setObjectName("mtmsdSetUpAdvanced")
        box.setCollapsed(True)
        box.setSaveCollapsedState(False)
        form = _form()
        box.setLayout(form)
        form.addRow(caption(self.tr("&Index URL"), self._index), self._index)
        form.addRow(caption(self.tr("Pro&xy"), self._proxy), self._proxy)
        form.addRow(caption(self.tr("&Wheel folder"), self._wheels), self._wheels)
        form.addRow(caption(self.tr("P&ython"), self._python), self._python)
        return box

    def _line(self, part: str, tip: str) -> QLineEdit:
        edit = QLineEdit()
        edit.setObjectName(f"mtmsdSetUp{part}")
        edit.setToolTip(tip)
        edit.setMinimumWidth(60)
        edit.textChanged.connect(self._changed)
        return edit

    def _file(self, part: str, tip: str, mode: QgsFileWidget.StorageMode) -> QgsFileWidget:
        widget = QgsFileWidget()
        widget.setObjectName(f"mtmsdSetUp{part}Widget")
        widget.setStorageMode(mode)
        widget.lineEdit().setObjectName(f"mtmsdSetUp{part}")
        widget.lineEdit().setMinimumWidth(60)
        widget.setToolTip(tip)
        widget.setFocusProxy(widget.lineEdit())
        widget.fileChanged.connect(lambda _: widget.lineEdit().setToolTip(tip))  # QGIS clears it
        widget.fileChanged.connect(self._changed)
        widget.lineEdit().setToolTip(tip)
        return widget

    # the offer

    def _kind(self) -> str:
        return next(kind for kind, button in self._kinds.items() if button.isChecked())

    def _changed(self, *_: object) -> None:
        self._asked += 1  # an answer that is under way is of yesterday
        self.offer = None
        self._timer.start()
        self._show()

    def _make_offer(self) -> None:
        self._asked += 1
        options = SetupOptions(
            index_url=self._index.text().strip(),
            proxy=self._proxy.text().strip(),
            wheel_folder=self._wheels.filePath().strip(),
            python=self._python.filePath().strip(),
        )
        folder = Path(self._folder.filePath().strip())
        work = partial(_offer, self._around, self._device.currentData(), folder, options)
        done = partial(self._take, self._asked)
        Background(work, done, self).start(own_thread=True)

    def _take(self, number: int, offer: Offer | None, error: str | None) -> None:
        if number != self._asked:
            return
        self.offer, self.problem = offer, error or ""
        if offer is not None and self._around is None:
            self._around = offer.around
            self._show_machine(offer.around)
        self._show()

    def _show_machine(self, around: Surroundings) -> None:
        self._device.blockSignals(True)  # the first is what the offer was made for
        for device in around.devices():
            self._device.addItem(device_name(device), device)
        self._device.blockSignals(False)
        self._hint.setText(around.device_hint())
        index = around.sources.index_url
        self._index.setPlaceholderText(host_of(index) if index else self.tr("the ordinary one"))
        self._proxy.setPlaceholderText(host_of(around.proxy) if around.proxy else self.tr("none"))
        self._python.lineEdit().setPlaceholderText(self.tr("the best that is there"))
        self._wheels.lineEdit().setPlaceholderText(self.tr("none"))

    def _show(self, *_: object) -> None:
        if not hasattr(self, "_refusal"):
            return
        names = {FULL: self.tr("&Everything"), LIGHT: self.tr("Classify &only")}
        for kind, button in self._kinds.items():
            text = button.text() or names[kind]
            if self.offer is not None:
                plan = self.offer.proposals[kind].plan
                text = self.tr("{} (≈ {})").format(names[kind], size(plan.disk_bytes))
            button.setText(text)
        self._hint.setVisible(bool(self._hint.text()))
        words, refusal = self._sentences()
        self._words.setText(words)
        self._refusal.setText(refusal)
        self._refusal.setVisible(bool(refusal))
        self.offered.emit()

    def _sentences(self) -> tuple[str, str]:
        if self.problem:
            return "", self.problem
        if self.offer is None:
            return self.tr("Looking at this machine…"), ""
        if self.offer.existing is not None:
            found = self.tr(
                "{} (Python {}) has all the engine's libraries already: nothing is installed."
            )
            existing = self.offer.existing
            return found.format(existing.python, existing.python_version), ""
        proposal = self.offer.proposals[self._kind()]
        return "\n".join(f"• {text}" for text in proposal.sentences), proposal.refusal


def _offer(
    around: Surroundings | None, device: str | None, folder: Path, options: SetupOptions
) -> Offer:
    around = around or look_around()
    device = device or around.devices()[0]
    proposals = {}
    for kind in (FULL, LIGHT):
        plan = make_plan(kind, device, folder, options, around)
        proposals[kind] = Proposal(plan, tuple(plan.sentences()), plan.refusal())
    existing = probe(options.python, "the set-up") if options.python else None
    ready = existing is not None and existing.status == READY
    return Offer(around, proposals, existing if ready else None)


def _form() -> QFormLayout:
    form = QFormLayout()
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return form
