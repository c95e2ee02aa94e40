"""Spectra of libraries: brought to the scene's bands by the engine, kept beside the scene."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...common.translation import tr
from ...engine.ask import ask
from .spectral_library import Spectrum


def resampled(
    python: str, scene: str, files: Sequence[str]
) -> tuple[list[int], list[Spectrum], list[str]]:
    """Ask the engine for the spectra of libraries at a scene's bands; in a thread.

    Returns
    -------
    bands : list of int
    spectra : list of Spectrum
        Their values are NaN at bands that are not covered.
    notes : list of str
        Which scale was assumed, and what is missing.

    Raises
    ------
    OSError
        With the engine's sentence, if a library cannot be read.
    """
    results, notes = ask(python, ["library", scene, *files], files[0])
    return results["bands"], [_spectrum(entry) for entry in results["spectra"]], notes


def _spectrum(entry: dict[str, Any]) -> Spectrum:
    return Spectrum(entry["name"], np.array(entry["values"], np.float64))


def read_kept(path: Path, bands: Sequence[int]) -> list[Spectrum]:
    """Read spectra that were kept as CSV by ``write_library``.

    Raises
    ------
    OSError
        If the file cannot be read, or is of other bands.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            head, *rows = csv.reader(file)
        values = np.array([[float(cell or "nan") for cell in row[2:]] for row in rows], np.float64)
        same = [int(row[0]) for row in rows] == list(bands)
    except (ValueError, IndexError) as error:
        raise OSError(tr("{} cannot be read: {}.").format(path, error)) from error
    if not same or values.shape != (len(bands), len(head) - 2):
        text = tr("The imported spectra in {} are of other bands; import them again.")
        raise OSError(text.format(path.name))
    return [Spectrum(name, column) for name, column in zip(head[2:], values.T)]
