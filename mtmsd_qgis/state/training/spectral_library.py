"""Spectra written for other programs: CSV, ENVI spectral library, GeoPackage; in any thread."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from osgeo import gdal, ogr, osr

from ...common.translation import tr

SUFFIXES = (".csv", ".sli", ".gpkg")
TABLE = "spectra"


@dataclass(frozen=True)
class Spectrum:
    """A spectrum and where it came from.

    Attributes
    ----------
    values, deviation : array (bands,) or None
        Mean and standard deviation of a class, in the scene's units; a pixel has no deviation.
    pixels : int
    place : (float, float) or None
        Of a pixel, in the scene's coordinates.
    """

    name: str
    values: np.ndarray
    deviation: np.ndarray | None = None
    pixels: int = 1
    place: tuple[float, float] | None = None


@dataclass(frozen=True)
class Axis:
    """The scene's bands: numbers from 1, and wavelengths in nm, empty where unknown."""

    bands: tuple[int, ...]
    wavelengths: tuple[float, ...]
    scene: str
    crs: str = ""


def write_library(path: Path, spectra: Sequence[Spectrum], axis: Axis) -> None:
    """Write the spectra by the ending of the name, whole or not at all.

    Raises
    ------
    ValueError
        If the ending is another.
    OSError
        If a file cannot be written.
    """
    writers = {".csv": _write_csv, ".sli": _write_sli, ".gpkg": _write_gpkg}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        text = tr("{} is not written; choose .csv, .sli or .gpkg.")
        raise ValueError(text.format(path.name))
    try:
        writer(path, spectra, axis)
    except RuntimeError as error:  # GDAL's
        raise OSError(tr("{} cannot be written: {}.").format(path, error)) from error


def _rows(spectra: Sequence[Spectrum]) -> list[tuple[Spectrum, str, np.ndarray]]:
    """Return each spectrum with its statistic; a class has two."""
    rows = []
    for spectrum in spectra:
        kind = "pixel" if spectrum.deviation is None else "mean"
        rows.append((spectrum, kind, spectrum.values))
        if spectrum.deviation is not None:
            rows.append((spectrum, "standard deviation", spectrum.deviation))
    return rows


def _title(spectrum: Spectrum, kind: str) -> str:
    return spectrum.name if kind != "standard deviation" else f"{spectrum.name} ({kind})"


def _write_csv(path: Path, spectra: Sequence[Spectrum], axis: Axis) -> None:
    rows = _rows(spectra)
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["band", "wavelength_nm", *(_title(s, kind) for s, kind, _ in rows)])
        for index, band in enumerate(axis.bands):
            wave = f"{axis.wavelengths[index]:g}" if axis.wavelengths else ""
            writer.writerow([band, wave, *(f"{values[index]:.7g}" for _, _, values in rows)])
    part.replace(path)


def _write_sli(path: Path, spectra: Sequence[Spectrum], axis: Axis) -> None:
    """Write float32, little endian, a spectrum a line; the header beside it names them."""
    rows = _rows(spectra)
    names = [_title(s, kind).translate(str.maketrans("{},", "();")) for s, kind, _ in rows]
    origin = "; ".join(f"{n}: {_origin(s, axis)}" for n, (s, _, _) in zip(names, rows))
    fields = {
        "description": "{" + origin.translate(str.maketrans("{}", "()")) + "}",
        "samples": len(axis.bands), "lines": len(rows), "bands": 1, "header offset": 0,
        "file type": "ENVI Spectral Library", "data type": 4, "interleave": "bsq",
        "byte order": 0, "spectra names": "{" + ", ".join(names) + "}",
    }  # fmt: skip
    if axis.wavelengths:
        fields["wavelength units"] = "Nanometers"
        fields["wavelength"] = "{" + ", ".join(f"{wave:g}" for wave in axis.wavelengths) + "}"
    header = "ENVI\n" + "".join(f"{key} = {value}\n" for key, value in fields.items())
    data = np.array([values for _, _, values in rows], "<f4")
    for target, content in ((path.with_suffix(".hdr"), header.encode()), (path, data.tobytes())):
        part = target.with_name(f"{target.name}.part")
        part.write_bytes(content)
        part.replace(target)


def _write_gpkg(path: Path, spectra: Sequence[Spectrum], axis: Axis) -> None:
    """Write a table: a row a spectrum, a column a band; pixels are points."""
    part = path.with_name(f"{path.stem}.part.gpkg")
    part.unlink(missing_ok=True)
    reference = None
    if axis.crs:
        reference = osr.SpatialReference()
        reference.ImportFromWkt(axis.crs)
        reference.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    dataset = gdal.GetDriverByName("GPKG").Create(str(part), 0, 0, 0, gdal.GDT_Unknown)
    if dataset is None:
        raise RuntimeError(gdal.GetLastErrorMsg())
    layer = dataset.CreateLayer(TABLE, reference, ogr.wkbPoint)
    for name, kind in (("name", ogr.OFTString), ("statistic", ogr.OFTString),
                       ("pixels", ogr.OFTInteger), ("origin", ogr.OFTString)):  # fmt: skip
        layer.CreateField(ogr.FieldDefn(name, kind))
    columns = [f"band_{band}" for band in axis.bands]
    for column in columns:
        layer.CreateField(ogr.FieldDefn(column, ogr.OFTReal))
    layer.SetMetadataItem("wavelengths_nm", json.dumps(dict(zip(columns, axis.wavelengths))))
    for spectrum, kind, values in _rows(spectra):
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetField("name", spectrum.name)
        feature.SetField("statistic", kind)
        feature.SetField("pixels", spectrum.pixels)
        feature.SetField("origin", _origin(spectrum, axis))
        for column, value in zip(columns, values):
            feature.SetField(column, float(value))
        if spectrum.place is not None:
            point = ogr.Geometry(ogr.wkbPoint)
            point.AddPoint_2D(*spectrum.place)
            feature.SetGeometry(point)
        layer.CreateFeature(feature)
    layer = dataset = None
    part.replace(path)


def _origin(spectrum: Spectrum, axis: Axis) -> str:
    if spectrum.place is not None:
        x, y = spectrum.place
        return f"{axis.scene} at {x:.8g} {y:.8g}"
    return f"{axis.scene}; {spectrum.pixels} pixels of training polygons"
