"""Job ``library``: the spectra of a library at the bands and in the units of a scene."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mtmsd.commands.arguments import Source
from mtmsd.commands.inputs import open_scene
from mtmsd.commands.outputs import check_outputs
from mtmsd.reporting import Reporter


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What ``library`` needs."""

    scene: Source
    library: list[Source] = field(default_factory=list)
    """ENVI, CSV, text of the USGS or ECOSTRESS, ASD."""
    output: Path | None = None
    """The resampled spectra as a table, CSV."""
    exclude: str = ""
    library_factor: float | None = None
    """By which their values are multiplied; told by the numbers if not given."""


def run(arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    """Return names and values of all spectra: None at a band that a spectrum does not cover.

    ``bands`` are numbers from 1, ``wavelengths`` in nm, ``spectra`` a list of ``name``, ``file``
    and ``values``, a value a band.
    """
    check_outputs([arguments.scene, *arguments.library], [arguments.output])
    from mtmsd.libraries.match import match_library
    from mtmsd.libraries.output import plain_values, write_table
    from mtmsd.libraries.read import read_library

    silent = Reporter()  # what the scene lacks was told when it was opened
    with open_scene(arguments.scene, arguments.exclude, silent) as scene:
        spectra = []
        for path in arguments.library:
            found = match_library(read_library(path), scene, arguments.library_factor)
            for sentence in found.notes:
                reporter.warning(sentence)
            spectra += [
                {"name": name, "file": str(path), "values": plain_values(row)}
                for name, row in zip(found.names, found.values, strict=True)
            ]
        results: dict[str, Any] = {
            "bands": list(scene.used),
            "wavelengths": [float(wave) for wave in scene.wavelengths],
            "spectra": spectra,
        }
    if arguments.output:
        write_table(arguments.output, results)
        reporter.artifact("library", arguments.output)
        results["library"] = arguments.output
    return results
