"""Job ``info``: what the engine sees in a raster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mtmsd.commands.arguments import Masked, Source
from mtmsd.commands.inputs import open_scene
from mtmsd.reporting import Reporter


@dataclass(frozen=True, kw_only=True)
class Arguments(Masked):
    """What ``info`` needs."""

    scene: Source
    exclude: str = ""


def run(arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    """Return the scene's size, bands, wavelengths, nodata share and grid.

    Beside :meth:`Scene.summary`: ``used_bands`` (numbers from 1), ``wavelengths`` of all bands
    (nm, None where unknown), and ``fingerprint``, by which a model knows its scene.
    """
    with open_scene(arguments.scene, arguments.exclude, reporter, arguments.masks()) as scene:
        return {
            **scene.summary(),
            "used_bands": list(scene.used),
            "wavelengths": [band.wavelength for band in scene.bands],
            "fingerprint": scene.fingerprint(),
        }
