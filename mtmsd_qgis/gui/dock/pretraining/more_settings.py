"""What is seldom chosen for pretraining and training: the folded part of the section."""

from __future__ import annotations

from functools import partial

from qgis.gui import QgsCollapsibleGroupBox
from qgis.PyQt.QtWidgets import QFormLayout, QLineEdit, QSpinBox, QWidget

from ....state.workspace import Workspace


class MoreSettings(QgsCollapsibleGroupBox):
    """Seed, bands to leave out, single numbers of the preset; kept with the scene."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTitle(self.tr("More settings"))
        self.setObjectName("mtmsdMoreSettings")
        self.setToolTip(self.tr("Seldom needed; the Processing help lists every number"))
        self._workspace = workspace
        self._seed = QSpinBox()
        self._seed.setObjectName("mtmsdSeed")
        self._seed.setRange(0, 2**31 - 1)
        self._seed.setToolTip(self.tr("The same seed on the same machine gives the same map"))
        self._seed.valueChanged.connect(lambda value: workspace.change(seed=value))
        self._exclude = QLineEdit()
        self._exclude.setObjectName("mtmsdExclude")
        self._exclude.setPlaceholderText("1-5, 1340-1460nm")
        self._exclude.setToolTip(self.tr("Bands to leave out besides the bad ones that are found"))
        self._settings = QLineEdit()
        self._settings.setObjectName("mtmsdSettings")
        self._settings.setPlaceholderText("iterations=2000 members=5")
        self._settings.setToolTip(self.tr("Single numbers of the preset, as KEY=VALUE"))
        for field, edit in (("exclude", self._exclude), ("settings", self._settings)):
            edit.setMinimumWidth(60)
            edit.editingFinished.connect(partial(self._keep, field, edit))
        form = QFormLayout(self)
        form.addRow(self.tr("Seed"), self._seed)
        form.addRow(self.tr("Leave &out"), self._exclude)
        form.addRow(self.tr("Num&bers"), self._settings)
        self.setCollapsed(True)
        workspace.scene_changed.connect(self._show)
        workspace.options_changed.connect(self._show)
        self._show()

    def _keep(self, field: str, edit: QLineEdit) -> None:
        self._workspace.change(**{field: edit.text().strip()})
        edit.setCursorPosition(0)  # a long text shows its beginning

    def _show(self) -> None:
        state = self._workspace.state
        self._seed.blockSignals(True)
        self._seed.setValue(state.seed)
        self._seed.blockSignals(False)
        for edit, text in ((self._exclude, state.exclude), (self._settings, state.settings)):
            if edit.text().strip() != text:
                edit.setText(text)
