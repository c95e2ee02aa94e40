"""PyQt6 where QGIS has ``qgis.PyQt``; no QGIS of Qt 6 is to be had here.

``qgis.core``, ``qgis.gui``, ``processing`` and ``osgeo`` are stand-ins that only let modules be
imported: any name of theirs is an empty class. Whatever is of Qt itself is the real PyQt6.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest
from PyQt6.QtCore import QObject

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("QtCore", "QtGui", "QtWidgets", "QtNetwork", "QtSvg", "QtXml", "sip", "uic")
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]


class _StandInType(type(QObject)):
    """The type of classes of which every public attribute is another one."""

    def __getattr__(cls, name: str) -> type:
        if name.startswith("_"):
            raise AttributeError(name)
        return _StandInType(name, (QObject,), {})


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return _StandInType(name, (QObject,), {})


def _map_qt() -> None:
    package = ModuleType("qgis.PyQt")
    for part in PARTS:
        module = importlib.import_module(f"PyQt6.{part}")
        sys.modules[f"qgis.PyQt.{part}"] = module
        setattr(package, part, module)
    # as QGIS's own qgis.PyQt.QtWidgets does under Qt 6
    package.QtWidgets.QAction = package.QtGui.QAction
    package.QtWidgets.QShortcut = package.QtGui.QShortcut
    sys.modules["qgis.PyQt"] = package


def _stand_in(*names: str) -> None:
    for name in names:
        sys.modules[name] = _StandIn(name)


_stand_in("qgis", "qgis.core", "qgis.gui", "qgis.utils", "osgeo", "osgeo.gdal")
_stand_in("processing", "processing.gui", "processing.gui.wrappers", "processing.tools")
_map_qt()


@pytest.fixture(scope="session")
def app():
    from PyQt6.QtWidgets import QApplication

    return QApplication.instance() or QApplication([])
