"""The spectral angle between a scene's pixels and spectra of a library.

Kruse et al. 1993, doi 10.1016/0034-4257(93)90013-N: the angle between two spectra as vectors, in
which brightness plays no part.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtmsd.errors import InputError
from mtmsd.libraries.match import SceneSpectra
from mtmsd.reporting import Reporter
from mtmsd.scene.output import layers
from mtmsd.scene.raster import Scene

BLOCK = 256
"""Side of the blocks in which is read and written, in pixels."""


def spectral_angle(pixels: np.ndarray, spectrum: np.ndarray) -> np.ndarray:
    """Return the angle to a spectrum in radians, 0 to π: (B, ...) and (B,) -> (...).

    Bands where the spectrum is NaN do not count; NaN where a pixel is 0 in all others.
    """
    known = np.isfinite(spectrum)
    own, reference = pixels[known].astype(np.float64), spectrum[known].astype(np.float64)
    length = np.sqrt((own**2).sum(0)) * np.linalg.norm(reference)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.arccos(np.clip(np.tensordot(reference, own, 1) / length, -1, 1))


def choose_spectra(spectra: SceneSpectra, chosen: Sequence[str], name: str) -> SceneSpectra:
    """Return the spectra of these names, in this order; all if none is named.

    Raises
    ------
    InputError
        If the library ``name`` has no spectrum of a name.
    """
    if not chosen:
        return spectra
    for wanted in chosen:
        if wanted not in spectra.names:
            listed = ", ".join(f"'{n}'" for n in spectra.names[:10])
            more = f" and {len(spectra.names) - 10} more" if len(spectra.names) > 10 else ""
            raise InputError(
                f"'{name}' has no spectrum '{wanted}'.", hint=f"It has {listed}{more}."
            )
    rows = [spectra.names.index(wanted) for wanted in chosen]
    return SceneSpectra(tuple(chosen), spectra.values[rows], spectra.notes)


def write_angles(
    scene: Scene, spectra: SceneSpectra, path: Path, reporter: Reporter
) -> list[dict[str, Any]]:
    """Write the angles in radians, a band a spectrum, NaN where the scene has no data.

    Returns
    -------
    list of dict
        ``name``, and the least and the mean angle in the scene; None without valid pixels.

    Notes
    -----
    Holds a block of the scene.
    """
    count = len(spectra.names)
    least, total, valid_pixels = np.full(count, np.inf), np.zeros(count), np.zeros(count, np.int64)
    blocks = list(scene.blocks(BLOCK))
    with layers(path, scene, spectra.names) as writer:
        for done, (row, col, height, width) in enumerate(blocks, 1):
            values, valid = scene.read(row, col, height, width)
            angles = np.stack([spectral_angle(values, own) for own in spectra.values])
            angles[:, ~valid] = np.nan
            known = np.isfinite(angles)
            least = np.minimum(least, np.where(known, angles, np.inf).min((1, 2)))
            total += np.where(known, angles, 0).sum((1, 2))
            valid_pixels += known.sum((1, 2))
            writer.write(angles.astype(np.float32), row, col)
            reporter.progress(done, len(blocks), "blocks")
    return [
        {
            "name": name,
            "least": float(least[i]) if valid_pixels[i] else None,
            "mean": float(total[i] / valid_pixels[i]) if valid_pixels[i] else None,
        }
        for i, name in enumerate(spectra.names)
    ]
