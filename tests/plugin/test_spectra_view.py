"""Spectra are read off, zoomed and scaled in the plot; how, is remembered for each scene."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from docked import Docked, docked, move_mouse  # noqa: F401
from qgis.core import QgsProject
from qgis.PyQt.QtCore import QPoint, QPointF, Qt
from qgis.PyQt.QtGui import QWheelEvent
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QApplication, QComboBox

from mtmsd_qgis.common.numbers import number, plain
from mtmsd_qgis.gui.widgets.plot_zoom import Zoom
from mtmsd_qgis.gui.widgets.spectra_plot import Line, SpectraPlot
from mtmsd_qgis.state.training.spectra_scale import continuum, full_scale, scaling

BUTTON = Qt.MouseButton.LeftButton
WAVES = np.arange(400.0, 900.0, 10.0)


# the continuum


def slow_continuum(x: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The least concave function over a spectrum: the highest chord over each band."""
    hull = values.astype(float).copy()
    for i in range(len(x)):
        for j in range(i + 1, len(x)):
            for k in range(i, j + 1):
                share = (x[k] - x[i]) / (x[j] - x[i])
                hull[k] = max(hull[k], values[i] + share * (values[j] - values[i]))
    return hull


@pytest.mark.parametrize("seed", range(5))
def test_the_continuum_is_the_highest_chord(seed):
    rng = np.random.default_rng(seed)
    x = np.cumsum(rng.uniform(5, 15, 30))
    values = rng.random(30)
    assert continuum(x, values) == pytest.approx(slow_continuum(x, values), rel=1e-9)


def test_no_continuum_spans_a_gap_of_more_than_a_few_bands():
    x = np.concatenate([np.arange(400, 500, 10.0), np.arange(550, 650, 10.0)])  # 6 steps apart
    values = np.concatenate([np.linspace(1, 0.2, 10), np.linspace(0.2, 1, 10)])
    hull = continuum(x, values)
    assert hull == pytest.approx(values), "each side is straight by itself"
    x[10:] -= 10  # 5 steps: the bands in between may be bridged
    bridged = continuum(x, values)
    assert bridged[9] == pytest.approx(1.0)


def test_wavelengths_of_two_sensors_that_overlap_and_bands_without_a_value():
    x = np.array([400.0, 410, 420, 430, 425, 435, 445, 430])
    values = np.array([1.0, 0.5, np.nan, 0.5, 0.9, 0.4, 1.0, 0.2])
    hull = continuum(x, values)
    assert np.isnan(hull[2])
    assert np.delete(hull, 2) == pytest.approx(1.0)


def test_values_that_have_no_continuum_are_left_out_not_drawn_as_nonsense():
    _, factor = scaling("continuum", WAVES[:3], np.array([-1.0, -2.0, -1.0]), None)
    assert np.isnan(factor).all()


def test_what_is_one_in_reflectance():
    assert [full_scale(v) for v in (0.7, 1.9, 60, 9000, 60_000)] == [1, 1, 100, 10_000, None]


# the plot


@pytest.fixture
def plot(qgis_app) -> SpectraPlot:
    shown = SpectraPlot()
    shown.resize(300, 180)
    shown.set_axis(list(WAVES), [*range(1, 21), *range(31, 61)], "nm")
    rising = np.linspace(1000, 5000, 50)
    shown.set_lines([Line("#00ff00", rising, np.full(50, 100.0), "grass")])
    shown.show()
    yield shown
    shown.close()


def place_of(plot: SpectraPlot, wave: float, value: float | None = None) -> QPoint:
    """Where a wavelength and a value (else the middle) are in the plot."""
    area, x, y = plot._frame()
    value = sum(y) / 2 if value is None else value
    across = area.left() + area.width() * (wave - x[0]) / (x[1] - x[0])
    up = area.bottom() - area.height() * (value - y[0]) / (y[1] - y[0])
    return QPoint(round(across), round(up))


def wheel(plot: SpectraPlot, place: QPoint, clicks: int) -> bool:
    """Turn the wheel; return whether the plot took it."""
    event = QWheelEvent(
        QPointF(place), QPointF(plot.mapToGlobal(place)), QPoint(), QPoint(0, 120 * clicks),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    event.ignore()
    QApplication.sendEvent(plot, event)
    return event.isAccepted()


def seen(plot: SpectraPlot) -> tuple[float, ...]:
    """What is seen: lowest and highest across, then upwards."""
    _, x, y = plot._frame()
    return (*x, *y)


def drag(plot: SpectraPlot, start: QPoint, end: QPoint) -> None:
    QTest.mousePress(plot, BUTTON, pos=start)
    move_mouse(plot, end, held=True)
    QTest.mouseRelease(plot, BUTTON, pos=end)


def test_the_values_of_the_band_under_the_mouse_are_read(plot):
    plot.set_cursor(np.full(50, 2500.0))
    plot.set_pins([Line("#0000ff", np.linspace(5000, 1000, 50), name="pin 1")])
    before = plot.grab().toImage()
    move_mouse(plot, place_of(plot, 653, 2000))
    assert plot.values_at_mouse() == [
        ("", "650 nm · band 36"),
        ("cursor", plain(2500)),
        ("grass", plain(1000 + 4000 * 25 / 49, 4)),
        ("pin 1", plain(5000 - 4000 * 25 / 49, 4)),
    ]
    assert plot.grab().toImage() != before, "nothing is drawn"
    QTest.qWait(10)
    move_mouse(plot, QPoint(2, 170))
    assert plot.values_at_mouse() == [], "outside of the axes there is no band"


def test_the_wheel_zooms_around_the_mouse_and_is_the_docks_once_all_is_seen(plot):
    whole = seen(plot)
    at = place_of(plot, 600, 3000)
    assert wheel(plot, at, 3)
    x0, x1, y0, y1 = seen(plot)
    assert x1 - x0 == pytest.approx(0.512 * (whole[1] - whole[0]), rel=0.02)
    assert y1 - y0 == pytest.approx(0.512 * (whole[3] - whole[2]), rel=0.02)
    there = place_of(plot, 600, 3000)
    assert (there - at).manhattanLength() <= 4, "what is under the mouse moved"
    assert wheel(plot, at, -8)
    assert seen(plot) == whole
    assert not wheel(plot, at, -1), "the dock cannot be scrolled over the plot"


def test_a_drag_takes_a_part_and_a_double_click_goes_back(plot):
    whole = seen(plot)
    drag(plot, place_of(plot, 700, 2000), place_of(plot, 500, 4000))
    assert seen(plot) == pytest.approx((500, 700, 2000, 4000), rel=0.02)
    move_mouse(plot, place_of(plot, 550, 3000))
    assert plot.values_at_mouse()[0] == ("", "550 nm · band 16")
    drag(plot, place_of(plot, 600, 3000), place_of(plot, 600, 3000))  # a click
    assert seen(plot) == pytest.approx((500, 700, 2000, 4000), rel=0.02)
    QTest.mouseDClick(plot, BUTTON, pos=place_of(plot, 600, 3000))
    assert seen(plot) == whole


def test_a_part_is_never_so_narrow_that_nothing_is_seen(plot):
    at = place_of(plot, 600, 3000)
    for _ in range(60):
        wheel(plot, at, 3)
    x0, x1, y0, y1 = seen(plot)
    assert x1 - x0 >= 0.004 * 490
    assert y1 - y0 > 0
    assert not plot.grab().isNull()


def test_reflectance_min_max_and_continuum(plot):
    value = 1000 + 4000 * 25 / 49
    for scale, expected, said in (
        ("reflectance", value / 10_000, f"÷ {number(10_000)}"),
        ("range", 25 / 49, "least to its greatest"),
        ("continuum", 1.0, "Continuum removed"),
        ("read", value, ""),
    ):
        plot.set_scale(scale)
        move_mouse(plot, place_of(plot, 650))
        assert dict(plot.values_at_mouse())["grass"] == plain(expected, 4), scale
        assert said in plot.scale_text()
        spread = plot._scaled(plot._lines[0]).deviation  # of the ratio it would be another one
        assert (spread is None) == (scale == "continuum")


def test_numbers_that_are_no_reflectance_stay_as_read_and_that_is_said(plot):
    plot.set_lines([Line("#00ff00", np.linspace(0, 60_000, 50), name="grass")])
    plot.set_scale("reflectance")
    move_mouse(plot, QPoint(150, 90))
    assert "no reflectance" in plot.scale_text()
    assert float(plot.values_at_mouse()[1][1].replace(",", "")) > 1000


def test_bands_without_a_value_are_read_as_a_dash_and_not_drawn(plot):
    values = np.linspace(-1, 1, 50)
    plot.set_lines([Line("#00ff00", values, np.full(50, 0.1), "grass")])
    plot.set_scale("continuum")
    move_mouse(plot, place_of(plot, 405))
    assert plot.values_at_mouse()[1] == ("grass", "–")
    assert not plot.grab().isNull()


def test_a_note_of_a_zoom_that_does_not_fit_is_the_whole():
    for note in ({}, {"x": "ab"}, {"x": [2, 1]}, {"x": [1]}, {"y": [None, 1]}, [], None, "x"):
        assert Zoom.from_dict(note) == Zoom()
    kept = Zoom((500.0, 600.0), (0.0, 1.0))
    assert Zoom.from_dict(kept.as_dict()) == kept


# the dock


def choose(room: Docked, scale: str) -> None:
    """Choose a scale by the keyboard."""
    box = room.part("mtmsdSpectraScale", QComboBox)
    box.setFocus()
    while box.currentData() != scale:
        before = box.currentIndex()
        key = Qt.Key.Key_Down if box.findData(scale) > before else Qt.Key.Key_Up
        QTest.keyClick(box, key)
        assert box.currentIndex() != before


def test_scale_and_zoom_are_remembered_for_each_scene_and_in_the_project(
    docked: Docked,  # noqa: F811
    scene: Path,
    tmp_path: Path,
) -> None:
    docked.dock.spectra.set_open(True)
    first = docked.open(Path(shutil.copy(scene, tmp_path / "scene.tif")))
    docked.add_class("grass")
    docked.drag(300000 + 152, 5800000 - 152, 300000 + 298, 5800000 - 298)
    plot = docked.part("mtmsdSpectraPlot")
    docked.wait(lambda: plot._lines, "no spectra")
    assert plot._lines[0].name == "grass"
    choose(docked, "range")
    wheel(plot, QPoint(150, 80), 4)
    kept = docked.wait(lambda: docked.workspace.state.spectra_zoom, "the zoom is not kept", 5)
    docked.open(Path(shutil.copy(scene, tmp_path / "other.tif")))
    box = docked.part("mtmsdSpectraScale", QComboBox)
    assert (box.currentData(), plot.zoom) == ("read", Zoom())
    docked.part("mtmsdSceneLayer").setLayer(first)
    docked.wait(lambda: docked.workspace.facts, "no facts")
    assert (box.currentData(), plot.zoom) == ("range", Zoom.from_dict(kept))
    file = str(tmp_path / "project.qgz")
    assert QgsProject.instance().write(file)
    QgsProject.instance().clear()
    assert QgsProject.instance().read(file)
    docked.wait(lambda: docked.workspace.facts, "no scene")
    assert (box.currentData(), plot.zoom) == ("range", Zoom.from_dict(kept))
