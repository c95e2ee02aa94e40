"""Job ``import``: what QGIS does not show (.mat cubes, PRISMA, EMIT) becomes a GeoTIFF."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtmsd.commands.arguments import Source
from mtmsd.commands.outputs import check_outputs, check_rasters
from mtmsd.reporting import Reporter


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What ``import`` needs."""

    source: Source
    output: Path
    """The GeoTIFF."""
    variable: str | None = None
    """Of a .mat file; the only cube, or else the only image, if not given."""
    wavelengths: Path | None = None
    """A text file with one wavelength per band of a .mat cube, in nm or µm."""
    exclude: str = ""
    """Bands of other rasters to leave out."""


def run(arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    """Write the GeoTIFF and say what was read."""
    check_outputs([arguments.source, arguments.wavelengths], [arguments.output])
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
