"""Job ``angle``: how far the pixels of a scene are from spectra of a library, as an angle."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mtmsd.commands.arguments import Masked, Source
from mtmsd.commands.inputs import open_scene
from mtmsd.commands.outputs import check_outputs, check_rasters
from mtmsd.reporting import Reporter


@dataclass(frozen=True, kw_only=True)
class Arguments(Masked):
    """What ``angle`` needs."""

    scene: Source
    library: Source
    """ENVI, CSV, text of the USGS or ECOSTRESS, ASD."""
    output: Path
    """GeoTIFF, a band a spectrum, radians."""
    spectrum: list[str] = field(default_factory=list)
    """Names of the spectra; all if none is given."""
    exclude: str = ""


def run(arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    """Write the angles, and say of each spectrum the least and the mean angle."""
    given = [arguments.scene, arguments.library, *arguments.mask]
    check_outputs(given, [arguments.output])
    check_rasters(arguments.output)
    from mtmsd.libraries.angle import choose_spectra, write_angles
    from mtmsd.libraries.match import match_library
    from mtmsd.libraries.read import read_library

    library = read_library(arguments.library)
    with open_scene(arguments.scene, arguments.exclude, reporter, arguments.masks()) as scene:
        spectra = match_library(library, scene, scaled=False)
        for sentence in spectra.notes:
            reporter.warning(sentence)
        spectra = choose_spectra(spectra, arguments.spectrum, library.name)
        reporter.phase("angle", "Measuring spectral angles")
        found = write_angles(scene, spectra, arguments.output, reporter)
    reporter.artifact("angle", arguments.output)
    return {"angle": arguments.output, "spectra": found}
