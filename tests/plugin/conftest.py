"""The assembled plugin in a real QGIS without a screen."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, osr

ROOT = Path(__file__).resolve().parents[2]
os.environ["MTMSD_ARITHMETIC"] = "fp32,contiguous"  # nothing is measured
BUILD = ROOT / "build"
if "PYTEST_XDIST_WORKER" not in os.environ:  # once, before any worker starts
    subprocess.run([sys.executable, str(ROOT / "tools/plugin_package.py"), "build"], check=True)
sys.path.insert(0, str(BUILD))
gdal.UseExceptions()

from qgis.core import (  # noqa: E402
    QgsApplication,
    QgsFeature,
    QgsGeometry,
    QgsLayerTreeModel,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProject,
    QgsSettings,
    QgsVectorFileWriter,
    QgsVectorLayer,
)
from qgis.gui import QgsAdvancedDigitizingDockWidget, QgsLayerTreeView  # noqa: E402
from setup_stage import index, stage  # noqa: E402, F401

from mtmsd_qgis.engine import interpreter, job  # noqa: E402
from mtmsd_qgis.processing.provider import MtmsdProvider  # noqa: E402

CRS = "EPSG:32633"
CORNER = (300000.0, 5800000.0)
PIXEL = 30.0


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path, monkeypatch):
    """Jobs and settings of one test are not those of another, nor the user's."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    QgsSettings().remove("mtmsd")
    yield
    QgsProject.instance().clear()


@pytest.fixture(scope="session")
def processing(qgis_processing, qgis_iface):
    import processing

    tree = QgsLayerTreeView()  # a real one: 3.44 puts the results into it
    tree.setModel(QgsLayerTreeModel(QgsProject.instance().layerTreeRoot(), tree))
    qgis_iface.layerTreeView = lambda: tree
    return processing


@pytest.fixture(autouse=True, scope="session")
def digitizing_panel(qgis_iface, qgis_canvas):
    """The panel of QGIS's digitising tools, which pytest-qgis's interface does not have."""
    panel = QgsAdvancedDigitizingDockWidget(qgis_canvas)
    qgis_iface.cadDockWidget = lambda: panel
    return panel


@pytest.fixture
def provider(qgis_processing):
    added = MtmsdProvider()
    assert QgsApplication.processingRegistry().addProvider(added)
    yield added
    QgsApplication.processingRegistry().removeProvider("mtmsd")


@pytest.fixture(scope="session")
def engine_python() -> str:
    """The real engine's interpreter."""
    python = os.environ.get("MTMSD_PYTHON", "")
    if not Path(python).is_file():
        pytest.skip("MTMSD_PYTHON names no interpreter: run make setup")
    return python


@pytest.fixture
def child(tmp_path, monkeypatch):
    """Return a function that makes the given program stand where the engine's code stands."""

    def install(program: str) -> str:
        package = tmp_path / "core" / "mtmsd"
        package.mkdir(parents=True, exist_ok=True)
        begin = "import json, sys, time\ndef say(**m):\n    print(json.dumps(m), flush=True)\n"
        text = begin + textwrap.dedent(program)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(text, encoding="utf-8")
        monkeypatch.setattr(job, "CORE", package.parent)
        return sys.executable

    return install


@pytest.fixture
def child_is_engine(child, monkeypatch):
    """The same, and the algorithms take this test's Python for the engine's interpreter."""

    def install(program: str) -> str:
        python = child(program)
        monkeypatch.setenv("MTMSD_PYTHON", python)
        ready = interpreter.EngineState(interpreter.READY, "", python, "the test")
        monkeypatch.setattr(interpreter, "probe", lambda *_: ready)
        return python

    return install


class Feedback(QgsProcessingFeedback):
    """Keeps what it is told; cancels itself when asked to at a message."""

    def __init__(self, cancel_at: str = "") -> None:
        super().__init__(False)
        self.cancel_at = cancel_at
        self.messages: list[dict] = []
        self.folder: Path | None = None
        self.percents: list[float] = []
        self.progressChanged.connect(self.percents.append)

    def job_started(self, folder: Path) -> None:
        self.folder = folder

    def job_message(self, message: dict) -> None:
        self.messages.append(message)
        if self.cancel_at and message["type"] == self.cancel_at:
            self.cancel()

    def reportError(self, text: str, fatalError: bool = False) -> None:
        self.messages.append({"type": "pushed error", "text": text})

    def pushWarning(self, text: str) -> None:
        self.messages.append({"type": "pushed warning", "text": text})


@pytest.fixture
def feedback():
    return Feedback()


@pytest.fixture
def run(provider):
    """Return a function that runs an algorithm and returns its results or raises its sentence."""

    def run(name: str, parameters: dict, feedback: Feedback | None = None) -> dict:
        context = QgsProcessingContext()
        context.setProject(QgsProject.instance())
        algorithm = provider.algorithm(name).create()
        ok, sentence = algorithm.checkParameterValues(parameters, context)
        if not ok:
            raise QgsProcessingException(sentence)
        feedback = feedback or Feedback()
        results, ok = algorithm.run(parameters, context, feedback, catchExceptions=False)
        if not ok:  # it was refused while it was prepared
            raise QgsProcessingException(feedback.messages[-1]["text"])
        return results

    return run


def write_raster(path: Path, cube: np.ndarray, epsg: int | None = 32633) -> Path:
    """Write bands × rows × columns as a GeoTIFF with 30 m pixels."""
    bands, height, width = cube.shape
    kind = {"uint8": gdal.GDT_Byte, "uint16": gdal.GDT_UInt16, "float32": gdal.GDT_Float32}
    dataset = gdal.GetDriverByName("GTiff").Create(
        str(path), width, height, bands, kind[cube.dtype.name]
    )
    dataset.SetGeoTransform((CORNER[0], PIXEL, 0, CORNER[1], 0, -PIXEL))
    if epsg:
        reference = osr.SpatialReference()
        reference.ImportFromEPSG(epsg)
        dataset.SetProjection(reference.ExportToWkt())
    for band in range(bands):
        dataset.GetRasterBand(band + 1).WriteArray(cube[band])
    dataset = None
    return path


def halves() -> np.ndarray:
    """Return a scene of 12 bands and 32×40 pixels whose halves have other spectra."""
    rng = np.random.default_rng(7)
    cube = rng.normal(0, 0.02, (12, 32, 40)).astype("float32")
    cube[:, :, :20] += np.linspace(0.1, 0.8, 12, dtype="float32")[:, None, None]
    cube[:, :, 20:] += np.linspace(0.7, 0.2, 12, dtype="float32")[:, None, None]
    cube[:, :3, :3] = np.nan  # a corner without data
    return cube


@pytest.fixture(scope="session")
def scene(tmp_path_factory) -> Path:
    return write_raster(tmp_path_factory.mktemp("scene") / "two halves.tif", halves())


def square(row: int, col: int, size: int = 4) -> QgsGeometry:
    """Return the square over size×size pixels of the scene."""
    x, y = CORNER[0] + col * PIXEL, CORNER[1] - row * PIXEL
    ring = f"{x} {y}, {x + size * PIXEL} {y}, {x + size * PIXEL} {y - size * PIXEL}, {x} "
    return QgsGeometry.fromWkt(f"POLYGON(({ring}{y - size * PIXEL}, {x} {y}))")


SQUARES = [
    (5, 5, 3, "grass"), (12, 3, 3, "grass"), (20, 8, 3, "grass"), (25, 4, 3, "grass"),
    (5, 30, 7, "water"), (12, 33, 7, "water"), (20, 28, 7, "water"), (25, 33, 7, "water"),
]  # fmt: skip


def memory_polygons(name: str = "my polygons") -> QgsVectorLayer:
    """Return the training polygons as a layer that is only in memory."""
    uri = f"Polygon?crs={CRS}&field=class_id:integer&field=class_name:string"
    layer = QgsVectorLayer(uri, name, "memory")
    for row, col, value, text in SQUARES:
        feature = QgsFeature(layer.fields())
        feature.setGeometry(square(row, col))
        feature.setAttributes([value, text])
        layer.dataProvider().addFeature(feature)
    layer.updateExtents()
    return layer


@pytest.fixture(scope="session")
def polygons(tmp_path_factory) -> Path:
    """The training polygons as a GeoPackage."""
    path = tmp_path_factory.mktemp("polygons") / "training.gpkg"
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.layerName = "training"
    QgsVectorFileWriter.writeAsVectorFormatV3(
        memory_polygons(), str(path), QgsProject.instance().transformContext(), options
    )
    return path
