"""Resampled spectra as a table that any program, and this one, reads again."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mtmsd.files.atomic import atomic_path


def plain_values(row: np.ndarray) -> list[float | None]:
    """Return a spectrum for JSON: seven digits, None where it has no value."""
    return [float(f"{value:.7g}") if np.isfinite(value) else None for value in row.tolist()]


def write_table(path: Path, results: Mapping[str, Any]) -> None:
    """Write a band a line and a spectrum a column, as the plugin exports them.

    ``results`` has ``bands``, ``wavelengths`` and ``spectra`` (``name``, ``values``).
    """
    columns = [spectrum["values"] for spectrum in results["spectra"]]
    with atomic_path(path) as part, part.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        names = [spectrum["name"] for spectrum in results["spectra"]]
        writer.writerow(["band", "wavelength_nm", *names])
        for i, (band, wave) in enumerate(
            zip(results["bands"], results["wavelengths"], strict=True)
        ):
            cells = ["" if column[i] is None else column[i] for column in columns]
            writer.writerow([band, f"{wave:g}", *cells])
