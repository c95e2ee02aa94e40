"""A second QGIS with the plugin's state: draws a polygon that is not saved, and waits.

    python second_qgis.py PLUGINS SCENE GEOPACKAGE

It says ``ready`` once the polygon is drawn, or what it was told instead.
"""

from __future__ import annotations

import sys
import time

from qgis.core import QgsApplication, QgsGeometry, QgsRasterLayer, QgsRectangle

application = QgsApplication([], True)
application.initQgis()
sys.path.insert(0, sys.argv[1])

from pathlib import Path  # noqa: E402

from mtmsd_qgis.engine.interpreter import Engine  # noqa: E402
from mtmsd_qgis.state.workspace import Workspace  # noqa: E402

workspace = Workspace(Engine())
said: list[str] = []
workspace.said.connect(lambda text, _level: said.append(text))
layer = QgsRasterLayer(sys.argv[2], "scene")
workspace.set_scene(layer)
workspace.take_training(Path(sys.argv[3]))


def wait(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        application.processEvents()
        time.sleep(0.02)


wait(0.5)
training = workspace.training
box = layer.extent()
corner = QgsRectangle(box.xMinimum(), box.yMinimum(), box.xMinimum() + 90, box.yMinimum() + 90)
land_class = training.classes[0] if training.classes else training.add_class("of the second")
training.add_polygons([QgsGeometry.fromRect(corner)], land_class)
wait(1.0)  # until the journal is written
sys.stdout.write(("; ".join(said) or "ready") + "\n")
sys.stdout.flush()
wait(float("inf"))
