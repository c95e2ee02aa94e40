"""Which bands make a colour picture, and how they are stretched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from qgis.core import Qgis, QgsContrastEnhancement, QgsMultiBandColorRenderer, QgsRasterLayer

from ....state.training.spectra import open_raster

COMBINATIONS = {
    "true": (650.0, 550.0, 470.0),
    "infrared": (860.0, 650.0, 550.0),
    "swir": (2200.0, 1650.0, 860.0),
}
"""Wavelengths in nm that are shown as red, green and blue."""
TOLERANCE = 60.0
"""A band farther than this (nm) from the wanted wavelength is not taken."""
SAMPLE = 256
"""Side of the decimated picture from which the stretch is taken, in pixels."""


@dataclass(frozen=True)
class Display:
    """Three bands (red, green, blue; 1-based) and their lowest and highest shown values."""

    bands: tuple[int, int, int]
    ranges: tuple[tuple[float, float], ...]


def bands_for(combination: str, facts: dict[str, Any]) -> tuple[int, int, int] | None:
    """Return the three used bands nearest to the combination's wavelengths, or None."""
    known = [(w, b) for b, w in wavelengths(facts).items() if w is not None]
    if not known:
        return None
    found = []
    for wanted in COMBINATIONS[combination]:
        wave, band = min(known, key=lambda pair: abs(pair[0] - wanted))
        if abs(wave - wanted) > TOLERANCE:
            return None
        found.append(band)
    return found[0], found[1], found[2]


def wavelengths(facts: dict[str, Any]) -> dict[int, float | None]:
    """Return the wavelength (nm) of each used band, by its 1-based number."""
    return {band: facts["wavelengths"][band - 1] for band in facts["used"]}


def read_display(path: str, bands: tuple[int, int, int]) -> Display:
    """Read a decimated picture and return the 2 to 98 % range of each band.

    Raises
    ------
    OSError
        If the raster cannot be read any more.
    """
    dataset = open_raster(path)
    width, height = dataset.RasterXSize, dataset.RasterYSize
    shrink = max(1.0, max(width, height) / SAMPLE)
    ranges = []
    for number in bands:
        band = dataset.GetRasterBand(number)
        values = band.ReadAsArray(
            buf_xsize=max(1, int(width / shrink)), buf_ysize=max(1, int(height / shrink))
        ).astype(np.float64)
        nodata = band.GetNoDataValue()
        good = np.isfinite(values)
        if nodata is not None:
            good &= values != nodata
        if not good.any():
            ranges.append((0.0, 1.0))
            continue
        low, high = np.percentile(values[good], (2, 98))
        ranges.append((float(low), float(high) if high > low else float(low) + 1.0))
    return Display(bands, tuple(ranges))


def show(layer: QgsRasterLayer, display: Display) -> None:
    """Give the layer a three-band picture; call it on the main thread."""
    provider = layer.dataProvider()
    renderer = QgsMultiBandColorRenderer(provider, *display.bands)
    setters = (
        renderer.setRedContrastEnhancement,
        renderer.setGreenContrastEnhancement,
        renderer.setBlueContrastEnhancement,
    )
    algorithm = QgsContrastEnhancement.ContrastEnhancementAlgorithm.StretchToMinimumMaximum
    for band, (low, high), setter in zip(display.bands, display.ranges, setters):
        enhancement = QgsContrastEnhancement(Qgis.DataType(provider.dataType(band)))
        enhancement.setMinimumValue(low)
        enhancement.setMaximumValue(high)
        enhancement.setContrastEnhancementAlgorithm(algorithm)
        setter(enhancement)
    layer.setRenderer(renderer)
    layer.triggerRepaint()
