"""What a model file says of itself: JSON in its header, read without the engine."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from ..common.translation import tr

LONGEST_HEADER = 100_000_000
"""A file whose header claims more bytes is not a model."""
TOLERANCE_NM = 5.0
"""The centres of a band in two scenes of one sensor differ by less than this."""
DIFFUSION, CLASSIFIER = "diffusion-model", "classifier"


def read_header(path: Path) -> dict[str, Any]:
    """Return the metadata of a model file.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not a model of MTMSD.
    """
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 0 < length < LONGEST_HEADER:
            raise ValueError(tr("{} is not a model of MTMSD.").format(path.name))
        try:
            header = json.loads(file.read(length))
            return dict(json.loads(header["__metadata__"]["mtmsd"]))
        except (ValueError, KeyError, TypeError):
            raise ValueError(tr("{} is not a model of MTMSD.").format(path.name)) from None


def fits(metadata: dict[str, Any], facts: dict[str, Any]) -> str:
    """Say how a diffusion model fits a scene.

    Returns
    -------
    str
        ``scene`` if it was learned on this scene, ``sensor`` if on one with the same bands,
        empty otherwise.
    """
    fingerprint = (metadata.get("scene") or {}).get("fingerprint") or {}
    own = facts.get("fingerprint") or {}
    learned = [fingerprint, *(s.get("fingerprint") or {} for s in metadata.get("scenes") or [])]
    if own.get("pixels") and own["pixels"] in [one.get("pixels") for one in learned]:
        return "scene"
    same_count = fingerprint.get("bands") == own.get("bands")
    return "sensor" if same_count and _same_bands(metadata, facts) else ""


def _same_bands(metadata: dict[str, Any], facts: dict[str, Any]) -> bool:
    """Whether the model's bands are used in the scene and lie at the same wavelengths."""
    bands, waves = metadata.get("bands") or [], metadata.get("wavelengths") or []
    return list(bands) == list(facts["used"]) and all(
        wave is None
        or facts["wavelengths"][band - 1] is None
        or abs(wave - facts["wavelengths"][band - 1]) < TOLERANCE_NM
        for band, wave in zip(bands, waves)
    )


def find_models(folder: Path, facts: dict[str, Any]) -> list[Path]:
    """Return the diffusion models of this scene in a folder, the newest first."""
    found = []
    for path in folder.glob("*.safetensors"):
        try:
            metadata = read_header(path)
        except (OSError, ValueError):
            continue
        if metadata.get("kind") == DIFFUSION and fits(metadata, facts) == "scene":
            found.append(path)
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
