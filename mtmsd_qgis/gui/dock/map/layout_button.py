"""One click from the finished map to a print layout; from there to PDF and PNG."""

from __future__ import annotations

from pathlib import Path

from qgis.core import Qgis, QgsPrintLayout, QgsProject, QgsRasterLayer
from qgis.gui import QgisInterface
from qgis.PyQt.QtCore import QDate, QLocale
from qgis.PyQt.QtWidgets import QFileDialog, QMenu, QToolButton, QWidget

from ....common.numbers import number, percent
from ....processing.styling import class_entries, shown_names, style_class_map
from ....state.layer_roles import MAP, role
from ....state.paths import same_file, there
from ....state.workspace import Workspace
from .areas import area_text, pixel_area
from .print_layout import LegendRow, export, make_layout


class LayoutButton(QToolButton):
    """Makes the layout and opens it; its menu writes a file at once."""

    def __init__(self, workspace: Workspace, iface: QgisInterface, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("mtmsdLayout")
        self._workspace, self._iface = workspace, iface
        self.setText(self.tr("Print Layout"))
        self.setPopupMode(QToolButton.ToolButtonPopupMode.MenuButtonPopup)
        menu = QMenu(self)
        menu.setObjectName("mtmsdLayoutMenu")
        for text, suffix in ((self.tr("As PDF…"), ".pdf"), (self.tr("As PNG…"), ".png")):
            menu.addAction(text).triggered.connect(
                lambda _on=False, suffix=suffix: self._write(suffix)
            )
        self.setMenu(menu)
        self.setToolTip(
            self.tr("A page with map, legend with areas, scale, north, accuracy and attribution")
        )
        self.clicked.connect(lambda: self._open())

    def _open(self) -> None:
        layout = self._make()
        if layout is not None:
            self._iface.openLayoutDesigner(layout)

    def _write(self, suffix: str) -> None:
        made = there(self._workspace.state.map)
        if made is None:
            return
        title = self.tr("Save the Print Layout")
        path, _ = QFileDialog.getSaveFileName(
            self, title, str(made.with_suffix(suffix)), f"*{suffix}"
        )
        layout = self._make() if path else None
        if layout is None:
            return
        file = Path(path) if Path(path).suffix.lower() == suffix else Path(f"{path}{suffix}")
        if export(layout, file):
            text, level = self.tr("The page was saved to {}."), Qgis.MessageLevel.Success
        else:
            text, level = self.tr("{} cannot be written."), Qgis.MessageLevel.Warning
        self._workspace.said.emit(text.format(file), level)

    def _make(self) -> QgsPrintLayout | None:
        """Return a new layout of the scene's map, which is loaded if it is not in the project."""
        workspace, made = self._workspace, there(self._workspace.state.map)
        if made is None or workspace.scene is None:
            return None
        project = QgsProject.instance()
        fits = (x for x in project.mapLayers().values() if role(x) == MAP)
        layer = next((x for x in fits if same_file(x.source(), made)), None)
        if layer is None:
            layer = QgsRasterLayer(str(made), made.stem)
            style_class_map(layer)
            project.addMapLayer(layer)
        title = self.tr("Class map of {}").format(workspace.scene.name())
        notes = [note for note in (self._accuracy(), self._attribution(layer)) if note]
        return make_layout(project, title, layer, [workspace.scene], self._legend(layer), notes)

    def _legend(self, layer: QgsRasterLayer) -> list[LegendRow]:
        shown, each = shown_names(layer.source()), pixel_area(layer)
        colors = {name: color for _, name, color in class_entries(layer.source())}
        rows = []
        for written, count in self._workspace.state.pixels.items():
            name = shown.get(written, written)
            area = area_text(count * each) if each else self.tr("{} px").format(number(count))
            rows.append(LegendRow(colors.get(name, "#888888"), name, area))
        return rows

    def _accuracy(self) -> str:
        found = self._workspace.state.accuracy
        if not found or found.get("overall") is None:
            return self.tr("The accuracy of this map was not assessed.")
        text = self.tr("Overall accuracy {overall}, kappa {kappa}, on {n} reference pixels.")
        figures = text.format(
            overall=percent(found["overall"]),
            kappa=number(found["kappa"] or 0.0, 2),
            n=number(found["n"]),
        )
        return f"{figures} {found.get('split') or ''}".strip()

    def _attribution(self, layer: QgsRasterLayer) -> str:
        """Say whose data it is, as the scene's layer states it, what made the map, and when."""
        scene = self._workspace.scene
        rights = "; ".join(filter(None, scene.metadata().rights())) or scene.attribution()
        data = self.tr("Data: {}").format(rights or scene.name())
        crs = layer.crs().authid()
        day = QLocale().toString(QDate.currentDate(), QLocale.FormatType.ShortFormat)
        made = self.tr("Classified by MTMSD for QGIS, {}").format(day)
        return " · ".join(part for part in (data, made, crs) if part)
