"""Commands for what other programs bring and take: models, pixels, spectra, products."""

from __future__ import annotations

from typing import Any

import click

from mtmsd.cli.options import (
    Command,
    class_field,
    exclude,
    json_messages,
    library_factor,
    masks,
    output,
)
from mtmsd.cli.running import run_command


@click.command(cls=Command)
@click.argument("classifier")
@output("FILE.onnx", "The classifier as ONNX.")
@json_messages
def export(as_json: bool, **values: Any) -> int:
    """Write CLASSIFIER as ONNX, for engines without torch.

    'mtmsd classify' maps with the file by onnxruntime; it holds all that CLASSIFIER does.
    """
    return run_command("export", values, as_json)


@click.command(cls=Command)
@click.argument("scene")
@click.argument("labels")
@output("FILE", "The pixels: points (.gpkg) or a table (.csv).")
@click.option("--table", metavar="FILE.csv", help="Also a table.")
@class_field
@exclude
@masks
@json_messages
def exportpixels(as_json: bool, **values: Any) -> int:
    """Write the training pixels of LABELS with the values of SCENE's bands.

    A row a pixel: class, polygon, column and row, coordinates, and a column a band, named by its
    wavelength. A pixel in two classes is the later polygon's, as in training.
    """
    return run_command("exportpixels", values, as_json)


@click.command("library", cls=Command)
@click.argument("scene")
@click.argument("library", nargs=-1, required=True, metavar="LIBRARY…")
@click.option("-o", "--output", metavar="FILE.csv", help="The resampled spectra as a table.")
@exclude
@library_factor
@json_messages
def spectral_library(as_json: bool, library: tuple[str, ...], **values: Any) -> int:
    """Bring the spectra of LIBRARY to the bands and units of SCENE.

    ENVI (.sli), CSV (a spectrum a column or a row), text of the USGS (splib07) and of ECOSTRESS
    or ASTER, ASD (.asd); resampled by wavelength and band width.
    """
    return run_command("library", {**values, "library": list(library)}, as_json)


@click.command(cls=Command)
@click.argument("scene")
@click.argument("library")
@output("ANGLES", "GeoTIFF on the scene's grid, a band a spectrum, radians.")
@click.option(
    "--spectrum",
    multiple=True,
    metavar="NAME",
    help="A spectrum of the library; may be given several times.  [default: all]",
)
@exclude
@masks
@json_messages
def angle(as_json: bool, spectrum: tuple[str, ...], **values: Any) -> int:
    """Measure the spectral angle between the pixels of SCENE and spectra of LIBRARY.

    0 is the same shape, whatever the brightness; materials that are alike lie within about 0.1.
    Bands that a spectrum does not cover do not count.
    """
    return run_command("angle", {**values, "spectrum": list(spectrum)}, as_json)


@click.command("import", cls=Command)
@click.argument("source")
@output("FILE", "The GeoTIFF; of training areas the polygons, .gpkg.")
@click.option("--variable", metavar="NAME", help="Of a .mat file that holds several.")
@click.option("--wavelengths", metavar="FILE", help="Text with a .mat cube's wavelengths in nm.")
@click.option("--scene", metavar="RASTER", help="The scene that training areas were drawn on.")
@exclude
@json_messages
def import_raster(as_json: bool, **values: Any) -> int:
    """Make a GeoTIFF of SOURCE: a .mat cube or labels, or a product that QGIS does not show.

    MATLAB 4 to 7.3, PRISMA, EMIT, archives; any raster that 'mtmsd info' reads. Training areas of
    SCP (.scpx) and ENVI (.roi as text, .xml) become polygons; the other commands take them as
    they are.
    """
    return run_command("import", values, as_json)


EXCHANGE = (angle, export, exportpixels, spectral_library, import_raster)
"""All of them."""
