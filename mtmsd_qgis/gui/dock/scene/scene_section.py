"""Which raster is worked on, what it holds, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qgis.core import (
    Qgis,
    QgsApplication,
    QgsMapLayerProxyModel,
    QgsProject,
    QgsRasterLayer,
    QgsSettings,
    QgsUnitTypes,
)
from qgis.gui import QgisInterface, QgsMapLayerComboBox
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QLabel,
    QPushButton,
    QToolButton,
    QWidget,
)

from ....common.background import Background
from ....common.numbers import NO_BREAK, percent, plain
from ....engine.interpreter import CHECKING, OUTDATED, READY
from ....state.layer_roles import role
from ....state.scene_crs import overridden_crs
from ....state.scene_info import Facts
from ....state.scene_mask import mask_words
from ....state.workspace import Workspace
from ...widgets.flow import Flow
from ...widgets.section import BUSY, DONE, NEXT, WARNED, WRONG, Section, row
from ...widgets.state_line import StateLine
from .band_display import COMBINATIONS, Display, bands_for, read_display, show
from .mask_row import MaskRow

FOLLOW_SETTING = "mtmsd/dock/follow"
SCENE_BANDS = 3
"""A raster of fewer bands is not taken by itself when it becomes the active layer."""
DESCRIBING = (".hdr", ".met", ".xml", ".zip")
"""Of files that stand for a scene: the engine knows for which."""
PICTURES = ["wms", "arcgismapserver"]
"""Providers of pictures of maps, which have no spectra: they are not offered as a scene."""


class SceneSection(Section):
    """Scene chooser, facts, and band combinations."""

    def __init__(
        self,
        workspace: Workspace,
        iface: QgisInterface,
        is_seen: Callable[[], bool],
        parent: QWidget,
    ) -> None:
        super().__init__("mtmsdScene", parent)
        self._is_seen = is_seen
        self.set_title(self.tr("1  Scene"))
        self._workspace = workspace
        self._iface = iface
        self._watched: QgsRasterLayer | None = None
        self._color_when_known = ""  # a layer that was just opened here gets a good picture
        self._facts = Facts(self)
        self._facts.answered.connect(self._answered)
        self._finding = Facts(self)
        self._finding.answered.connect(self._found)
        self._engine_timer = QTimer(self)
        self._engine_timer.setInterval(400)
        self._engine_timer.timeout.connect(self._ask)

        self._combo = QgsMapLayerComboBox()
        self._combo.setObjectName("mtmsdSceneLayer")
        self._combo.setFilters(QgsMapLayerProxyModel.Filter.RasterLayer)
        self._combo.setExcludedProviders(PICTURES)
        self._combo.setAllowEmptyLayer(True, self.tr("No scene chosen"))
        self._combo.setMinimumWidth(80)
        self._combo.setToolTip(self.tr("The hyperspectral raster to map"))
        self._combo.layerChanged.connect(self._chosen)
        self._following = QToolButton()
        self._following.setObjectName("mtmsdSceneFollow")
        self._following.setIcon(QgsApplication.getThemeIcon("/mActionShowSelectedLayers.svg"))
        self._following.setCheckable(True)
        self._following.setChecked(QgsSettings().value(FOLLOW_SETTING, False, type=bool))
        self._following.setToolTip(
            self.tr("Follow the layer tree: the active raster becomes the scene")
        )
        self._following.toggled.connect(self._set_following)
        self._open = QToolButton()
        self._open.setObjectName("mtmsdSceneOpen")
        self._open.setIcon(QgsApplication.getThemeIcon("/mActionFileOpen.svg"))
        self._open.setToolTip(
            self.tr("Open a raster, its header, a product's METADATA.XML or zip…")
        )
        self._open.clicked.connect(self._open_file)
        folder = QToolButton()
        folder.setObjectName("mtmsdSceneFolder")
        folder.setIcon(QgsApplication.getThemeIcon("/mIconFolderOpen.svg"))
        folder.setToolTip(self.tr("Open the folder of a satellite product…"))
        folder.clicked.connect(self._open_folder)
        self.rows.addLayout(row(self._combo, self._following, self._open, folder, stretch=0))

        self._mask = MaskRow(workspace)
        self._form = QFormLayout()
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setVerticalSpacing(2)
        self._form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
        self._values: dict[str, StateLine] = {}
        for key, title, tip in self._fact_rows():
            value = StateLine(1, tip)
            value.setObjectName(f"mtmsdScene_{key}")
            self._values[key] = value
            label = QLabel(title)
            label.setToolTip(tip)
            self._form.addRow(label, value)
        self._form.addRow(self.tr("Mask"), self._mask)
        self.rows.addLayout(self._form)

        titles = {
            "true": (self.tr("&True Colour"), self.tr("Red 650, green 550, blue 470 nm")),
            "infrared": (self.tr("&Infrared"), self.tr("Near infrared 860, red 650, green 550 nm")),
            "swir": (self.tr("&SWIR"), self.tr("Short-wave 2200, 1650 and near infrared 860 nm")),
        }
        self._displays: dict[str, QPushButton] = {}
        for key, (title, tip) in titles.items():
            button = QPushButton(title)
            button.setObjectName(f"mtmsdShow_{key}")
            button.setProperty("tip", tip)
            button.setToolTip(tip)
            button.setMinimumWidth(40)
            button.clicked.connect(lambda _checked=False, key=key: self.show_bands(key))
            self._displays[key] = button
        self.rows.addLayout(Flow(*self._displays.values()))

        workspace.scene_changed.connect(self._scene_changed)
        workspace.facts_changed.connect(self._facts_changed)
        workspace.mask_changed.connect(self._mask_changed)
        iface.currentLayerChanged.connect(self._follow)
        QgsProject.instance().layersAdded.connect(self._except_outputs)
        self._scene_changed()

    def _fact_rows(self) -> list[tuple[str, str, str]]:
        return [
            ("size", self.tr("Size"), self.tr("Columns × rows, and the size of a pixel")),
            ("bands", self.tr("Bands"), self.tr("Bands used, of all in the file")),
            ("range", self.tr("Wavelengths"), self.tr("From the first to the last used band")),
            ("left_out", self.tr("Left out"), self.tr("Bands that are not used, and why")),
            ("nodata", self.tr("No data"), self.tr("Share of pixels without data or masked")),
            ("crs", self.tr("CRS"), self.tr("Coordinate reference system")),
        ]

    def release(self) -> None:
        """Let go of QGIS's signals."""
        self._facts.stop()
        self._finding.stop()
        self._mask.release()
        self._watch(None)
        self._iface.currentLayerChanged.disconnect(self._follow)
        QgsProject.instance().layersAdded.disconnect(self._except_outputs)

    # choosing

    def take_first(self) -> None:
        """Choose the project's remembered scene, or follow, where none is chosen."""
        if self._workspace.scene is not None:
            return
        self._except_outputs()
        for layer in QgsProject.instance().mapLayers().values():
            if _is_scene(layer) and self._workspace.is_remembered(layer):
                self._combo.setLayer(layer)
                return
        self._combo.setLayer(None)
        self._follow(self._iface.activeLayer())

    def choose(self, layer: QgsRasterLayer) -> None:
        """Make a layer of the project the scene."""
        self._combo.setLayer(layer)

    def _set_following(self, on: bool) -> None:
        QgsSettings().setValue(FOLLOW_SETTING, on)
        self._follow(self._iface.activeLayer())

    def _follow(self, layer: Any) -> None:
        """Take the active layer as the scene, if that was asked for and somebody sees it."""
        follows = self._following.isChecked() and self._is_seen()
        if follows and _is_scene(layer) and layer.bandCount() >= SCENE_BANDS:
            self._combo.setLayer(layer)

    def _chosen(self, layer: Any) -> None:
        self._workspace.set_scene(layer if isinstance(layer, QgsRasterLayer) else None)

    def _except_outputs(self, *_: Any) -> None:
        layers = QgsProject.instance().mapLayers().values()
        self._combo.setExceptedLayerList([layer for layer in layers if role(layer)])

    def _open_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, self.tr("Open a Hyperspectral Raster"))
        self.open_path(path)

    def _open_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, self.tr("Open the Folder of a Product"))
        self.open_path(path)

    def open_path(self, path: str) -> None:
        """Open a raster, or the one that a header, a description, a zip or a folder stands for."""
        engine = self._workspace.engine.state()
        if not path:
            return
        if not (Path(path).is_dir() or Path(path).suffix.lower() in DESCRIBING):
            self._open_raster(path, path)
        elif engine.status in (READY, OUTDATED):
            self.set_state(BUSY, self.tr("Looking for the scene of {}…").format(Path(path).name))
            self._finding.ask(engine.python, path)
        else:
            self._workspace.said.emit(engine.sentence, Qgis.MessageLevel.Warning)

    def _found(self, given: str, facts: Any, error: str) -> None:
        if facts is None:
            self._workspace.said.emit(error, Qgis.MessageLevel.Warning)
            self._scene_changed()
        else:
            self._open_raster(facts["path"], given)

    def _open_raster(self, path: str, given: str) -> None:
        layer = QgsRasterLayer(path, Path(path).stem)
        if not layer.isValid():
            text = self.tr("{} is not a raster that QGIS can read.").format(given)
            self._workspace.said.emit(text, Qgis.MessageLevel.Warning)
            self._scene_changed()
            return
        QgsProject.instance().addMapLayer(layer)
        self._color_when_known = layer.id()
        self._combo.setLayer(layer)

    # facts

    def look_again(self) -> None:
        """Ask the engine once more what the scene holds: it can be used now."""
        self._scene_changed()

    def _scene_changed(self) -> None:
        scene = self._workspace.scene
        for value in self._values.values():
            value.setText("–")
        self._facts.stop()
        self._watch(scene)
        self._enable_displays()
        if scene is None:
            self._engine_timer.stop()
            self.set_state(NEXT, self.tr("Choose a hyperspectral raster, or open one."))
            return
        self.set_state(BUSY, self.tr("Looking at the raster…"))
        self._ask()

    def _mask_changed(self) -> None:
        self._workspace.set_facts(None)
        self._scene_changed()

    def _ask(self) -> None:
        engine = self._workspace.engine.state()
        if engine.status == CHECKING:
            self._engine_timer.start()
            return
        self._engine_timer.stop()
        if engine.status not in (READY, OUTDATED):
            self._workspace.set_facts(None, engine.sentence)
        elif self._workspace.scene is not None:
            words = mask_words(self._workspace.state)
            self._facts.ask(engine.python, self._workspace.scene_path, words)

    def _answered(self, path: str, facts: Any, error: str) -> None:
        if path == self._workspace.scene_path:
            self._workspace.set_facts(facts, error)

    def _facts_changed(self) -> None:
        facts = self._workspace.facts
        self._enable_displays()
        self._show_facts()
        if facts is not None and self._color_when_known == self._workspace.scene.id():
            self._color_when_known = ""
            self.show_bands("true")

    def _watch(self, scene: QgsRasterLayer | None) -> None:
        """Follow the scene's CRS, which the user may set at any time."""
        if self._watched is not None and not sip.isdeleted(self._watched):
            self._watched.crsChanged.disconnect(self._show_facts)
        self._watched = scene
        if scene is not None:
            scene.crsChanged.connect(self._show_facts)

    def _show_facts(self) -> None:
        scene, facts = self._workspace.scene, self._workspace.facts
        if scene is None or (facts is None and not self._workspace.facts_error):
            return
        if facts is None:
            self.set_state(WRONG, self._workspace.facts_error)
            return
        for key, text in self._describe(facts).items():
            self._values[key].setText(text)
        if overridden := overridden_crs(scene):
            self.set_state(WARNED, overridden)
            return
        size = f"{facts['width']} × {facts['height']}"
        used = len(facts["used"])
        self.set_state(DONE, self.tr("{} px, {} bands used").format(size, used))

    def _describe(self, facts: dict[str, Any]) -> dict[str, str]:
        size = f"{facts['width']} × {facts['height']} px"
        pixel = facts.get("pixel_size")
        if pixel:
            size += " · " + " × ".join(plain(abs(side)) for side in pixel) + self._unit()
        waves = facts.get("wavelength_range")
        if waves:
            span = self.tr("{:.0f} to {:.0f} nm").format(*waves)
        else:
            span = self.tr("not in the file")
        return {
            "size": size,
            "bands": self.tr("{} of {}").format(len(facts["used"]), facts["bands"]),
            "range": span,
            "left_out": _left_out(facts) or self.tr("none"),
            "nodata": percent(facts.get("nodata_share", 0), 0) + self._masked(facts),
            "crs": facts.get("crs") or self.tr("none"),
        }

    def _masked(self, facts: dict[str, Any]) -> str:
        masked = facts.get("masked")
        return "" if masked is None else " · " + self.tr("{} px masked").format(masked)

    def _unit(self) -> str:
        """Return the unit of the scene's coordinates, with a blank before it."""
        crs = self._workspace.scene.crs()
        return NO_BREAK + QgsUnitTypes.toAbbreviatedString(crs.mapUnits()) if crs.isValid() else ""

    # display

    def _enable_displays(self) -> None:
        facts = self._workspace.facts
        for key, button in self._displays.items():
            reason = ""
            if self._workspace.scene is None:
                reason = self.tr("Choose a scene first.")
            elif facts is None:
                reason = self.tr("The bands are not known yet.")
            elif bands_for(key, facts) is None:
                reason = self._no_bands(key, facts)
            button.setEnabled(not reason)
            button.setToolTip(reason or button.property("tip"))

    def _no_bands(self, key: str, facts: dict[str, Any]) -> str:
        if not facts.get("wavelength_range"):
            return self.tr("The raster has no wavelengths.")
        names = " ".join(f"{wave:g}" for wave in COMBINATIONS[key])
        return self.tr("The raster has no bands near {} nm.").format(names)

    def show_bands(self, key: str) -> None:
        """Show the scene in one of the band combinations, stretched over 2 to 98 %."""
        scene, facts = self._workspace.scene, self._workspace.facts
        bands = bands_for(key, facts) if facts else None
        if scene is None or bands is None:
            return
        path, layer_id = self._workspace.scene_path, scene.id()

        def done(display: Display | None, error: str | None) -> None:
            layer = QgsProject.instance().mapLayer(layer_id)
            if error:
                self._workspace.said.emit(error, Qgis.MessageLevel.Warning)
            elif layer is not None:
                show(layer, display)

        Background(lambda: read_display(path, bands), done, self).start()


def _is_scene(layer: Any) -> bool:
    return isinstance(layer, QgsRasterLayer) and not role(layer)


def _left_out(facts: dict[str, Any]) -> str:
    """Return e.g. ``130–135: no data; 1: marked bad``."""
    parts: list[tuple[int, int, str]] = []
    for entry in facts.get("left_out", []):
        index, reason = int(entry["band"]), str(entry["reason"])
        if parts and parts[-1][1] == index - 1 and parts[-1][2] == reason:
            parts[-1] = (parts[-1][0], index, reason)
        else:
            parts.append((index, index, reason))
    spans = [f"{a}: {why}" if a == b else f"{a}–{b}: {why}" for a, b, why in parts]
    more = f" … (+{len(spans) - 4})" if len(spans) > 4 else ""
    return "; ".join(spans[:4]) + more
