"""Job ``import``: what QGIS does not show becomes a GeoTIFF; other programs' areas, polygons."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtmsd.commands.arguments import Source
from mtmsd.commands.inputs import open_scene
from mtmsd.commands.outputs import check_outputs, check_rasters, check_vectors
from mtmsd.errors import InputError
from mtmsd.reporting import Reporter


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What ``import`` needs."""

    source: Source
    output: Path
    """The GeoTIFF; of training areas the polygons: .gpkg, .shp, .geojson or .fgb."""
    variable: str | None = None
    """Of a .mat file; the only cube, or else the only image, if not given."""
    wavelengths: Path | None = None
    """A text file with one wavelength per band of a .mat cube, in nm or µm."""
    exclude: str = ""
    """Bands of other rasters to leave out."""
    scene: Source | None = None
    """The scene of training areas that another program has saved."""


def run(arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    """Write the GeoTIFF, or the polygons, and say what was read."""
    check_outputs([arguments.source, arguments.wavelengths, arguments.scene], [arguments.output])
    from mtmsd.labels.foreign import is_foreign

    if is_foreign(arguments.source):
        return _import_areas(arguments, reporter)
    check_rasters(arguments.output)
    from mtmsd.scene.convert import import_mat, import_scene
    from mtmsd.scene.formats.wavelength_list import read_user_list

    reporter.phase("import", "Writing the GeoTIFF")
    if not arguments.source.lower().endswith(".mat"):
        if arguments.wavelengths or arguments.variable:
            reporter.warning("A list of wavelengths and a variable are for .mat files; not used.")
        return import_scene(
            arguments.source, arguments.output, exclude=arguments.exclude, reporter=reporter
        )
    numbers, units = None, None
    if arguments.wavelengths:
        numbers, units = read_user_list(arguments.wavelengths)
    return import_mat(
        arguments.source,
        arguments.variable,
        arguments.output,
        wavelengths=numbers,
        units=units,
        reporter=reporter,
    )


def _import_areas(arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    check_vectors(arguments.output)
    if not arguments.scene:
        raise InputError(
            f"The training areas of '{Path(arguments.source).name}' need the scene that they were "
            "drawn on.",
            hint="Name it with --scene.",
        )
    from mtmsd.postprocess.areas import write_areas

    reporter.phase("import", "Reading the training areas")
    with open_scene(arguments.scene, arguments.exclude, Reporter()) as scene:
        results = write_areas(arguments.source, scene, arguments.output, reporter)
    reporter.artifact("polygons", arguments.output)
    return results
