"""Bands that a user leaves out, by number or by wavelength."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mtmsd.errors import InputError
from mtmsd.scene.units import LENGTHS

WATER_VAPOUR = "1340-1460nm,1790-1960nm"
"""Ranges in which water vapour leaves no signal; the word ``water`` stands for them."""


def parse_exclusion(
    text: str, wavelengths: Sequence[float | None], name: str
) -> tuple[set[int], list[str]]:
    """Read a user's list of bands to leave out.

    Parameters
    ----------
    text : str
        Bands and ranges such as ``"1-5,17"``, wavelength ranges such as ``"1340-1460nm"`` or
        ``"1.34-1.46um"``, and the word ``water``, separated by commas.
    wavelengths : sequence
        In nanometres, one for each band of the file; None where unknown.
    name : str
        The file's name, for messages.

    Returns
    -------
    set of int, list of str
        Band numbers from 1; sentences on what the list did not reach.

    Raises
    ------
    InputError
        If an item cannot be read, or names a band or unit that the file does not have.
    """
    bands: set[int] = set()
    warnings = []
    text = re.sub(r"\bwater\b", WATER_VAPOUR, text, flags=re.IGNORECASE)
    for item in filter(None, (part.strip() for part in re.split("[,;]", text))):
        match = re.fullmatch(
            r"(\d+(?:\.\d+)?)(?:\s*(?:-|–|\.\.)\s*(\d+(?:\.\d+)?))?\s*([^\W\d]*)", item
        )
        if not match or (not match[3] and "." in item.replace("..", "")):
            raise InputError(
                f"'{item}' is not a band, a range of bands or a range of wavelengths.",
                hint="Write, for example, 1-5,130-135 or 1340-1460nm.",
            )
        low, high = sorted((float(match[1]), float(match[2] or match[1])))
        if match[3]:
            found = _within(low, high, match[3].lower(), wavelengths, name)
            if not found:
                warnings.append(f"No band of '{name}' lies in {item}.")
            bands |= found
        elif low < 1 or high > len(wavelengths):
            raise InputError(
                f"Band {int(high if low >= 1 else low)} cannot be left out: '{name}' has the bands "
                f"1 to {len(wavelengths)}."
            )
        else:
            bands |= set(range(int(low), int(high) + 1))
    return bands, warnings


def _within(
    low: float, high: float, unit: str, wavelengths: Sequence[float | None], name: str
) -> set[int]:
    if unit not in LENGTHS:
        raise InputError(
            f"'{unit}' is not a unit of wavelength.", hint="Write nm or um behind the number."
        )
    if all(w is None for w in wavelengths):
        raise InputError(
            f"'{name}' has no wavelengths, so bands cannot be left out by wavelength.",
            hint="Give band numbers, such as 104-116.",
        )
    low, high = low * LENGTHS[unit], high * LENGTHS[unit]
    return {i for i, w in enumerate(wavelengths, 1) if w is not None and low <= w <= high}
