"""What lies beside an image: METADATA.XML of EnMAP and DESIS products, ENVI headers, lists."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from mtmsd.scene.formats.envi_header import find_envi_header, read_envi_header
from mtmsd.scene.formats.wavelength_list import find_list, read_list
from mtmsd.scene.wavelengths import BandMetadata, band_lists, metadata_of

IMAGE_SUFFIXES = (".tif", ".tiff", ".bsq", ".bil", ".bip")
_IMAGE_NAME = re.compile(r"SPECTRAL_IMAGE(_COG)?$", re.IGNORECASE)
_XML_NAME = re.compile(r"METADATA$", re.IGNORECASE)


@dataclass(frozen=True)
class Beside:
    """Metadata from beside an image; gains and offsets turn its numbers into reflectance."""

    metadata: BandMetadata
    gains: tuple[float, ...] = ()
    offsets: tuple[float, ...] = ()


def find_image(path: Path) -> Path | None:
    """Return the image of the EnMAP or DESIS product that a folder or METADATA.XML stands for."""
    if path.is_dir():
        folder, prefix = path, ""
    elif path.suffix.lower() == ".xml" and _XML_NAME.search(path.stem):
        folder, prefix = path.parent, _XML_NAME.sub("", path.stem)
    else:
        return None
    images = sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in IMAGE_SUFFIXES
        and file.stem.startswith(prefix)
        and _IMAGE_NAME.search(file.stem)
    )
    return images[0] if len(images) == 1 else None


def read_beside(image: Path, count: int) -> Beside | None:
    """Read what a product keeps beside its image of ``count`` bands; None if there is nothing."""
    if _IMAGE_NAME.search(image.stem):
        prefix = _IMAGE_NAME.sub("", image.stem)
        for suffix in (".XML", ".xml"):
            xml = image.with_name(f"{prefix}METADATA{suffix}")
            if xml.is_file():
                return _from_xml(xml, count)
    header = find_envi_header(image)
    found = _from_header(header, count) if header else None
    if found is not None:
        return found
    text = find_list(image)
    metadata = read_list(text, count) if text else None
    return Beside(metadata) if metadata else None


def _from_xml(path: Path, count: int) -> Beside:
    """Read ``bandCharacterisation``: EnMAP has bandID, DESIS band, with a gain and an offset each.

    Sources: EnMAP HSI Level 1B/1C/2A product specification; DESIS L1B/L1C/L2A product format.
    """
    entries = []
    root = ElementTree.parse(path).getroot()  # noqa: S314 - Python's expat limits entities
    for element in root.iter():
        values = {
            child.tag.rsplit("}")[-1].lower(): (child.text or "").strip() for child in element
        }
        if "wavelengthcenterofband" in values:
            entries.append(values)
    if len(entries) != count:
        note = (
            f"'{path.name}' describes {len(entries)} bands and the image has {count}; "
            "its wavelengths were not used."
        )
        return Beside(BandMetadata.unknown(count, note))

    def column(*names: str) -> list[float | None]:
        texts = [next((e[n] for n in names if e.get(n)), "") for e in entries]
        return [float(text) if text else None for text in texts]

    metadata = metadata_of(
        column("wavelengthcenterofband"), column("fwhmofband", "wavelengthwidthofband"), "nm"
    )
    gains = tuple(1.0 if g is None else g for g in column("gainofband"))
    offsets = tuple(0.0 if o is None else o for o in column("offsetofband"))
    return Beside(metadata, gains, offsets)


def _from_header(path: Path, count: int) -> Beside | None:
    """Read an ENVI header beside an image of another format."""
    fields = read_envi_header(path)
    if "samples" not in fields and "bands" not in fields:
        return None
    metadata = band_lists(fields, count)
    said = metadata.notes or any(metadata.wavelengths) or not all(metadata.good)
    return Beside(metadata) if said else None
