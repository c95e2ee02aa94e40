"""The parts of the report beside the accuracy figures: areas, split, inputs, pictures."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtmsd import __version__
from mtmsd.assess import pictures
from mtmsd.assess.area_adjusted import area_adjusted
from mtmsd.assess.evaluation import number
from mtmsd.assess.independence import PATCH, distances
from mtmsd.assess.informing import Informing
from mtmsd.classes import ClassInfo
from mtmsd.labels.labels import Labels
from mtmsd.labels.thinning import stratified_subsample
from mtmsd.reporting import Reporter
from mtmsd.scene.class_map import ClassMap, open_confidence, sample
from mtmsd.scene.pixel_area import class_areas
from mtmsd.scene.pixels import read_spectra
from mtmsd.scene.raster import Scene

DRAWN_SPECTRA = 5_000
"""Reference pixels whose spectra are drawn."""
_PACKAGES = ("torch", "numpy", "scikit-learn", "scipy", "rasterio")
_MARGIN = 1.96


@dataclass(frozen=True)
class Material:
    """What an assessment is made of; labels are on the map's grid."""

    class_map: ClassMap
    reference: Labels
    train: Labels | None = None
    scene: Scene | None = None
    shift: tuple[int, int] = (0, 0)
    """Rows and columns from the map's grid to the scene's."""
    folds: tuple[Labels, ...] = ()
    """The test pixels of each fold of a cross-validation."""

    def split(self) -> list[tuple[str, str, Labels]]:
        """Return what the picture of the split shows: title, colour, pixels; lowest first."""
        if self.folds:
            colors = pictures.FOLD_COLORS
            return [
                (f"tested in fold {i + 1}", colors[i % len(colors)], fold)
                for i, fold in enumerate(self.folds)
            ]
        shown = [("reference", pictures.TEST_COLOR, self.reference)]
        if self.train is not None:
            shown.insert(0, ("training", pictures.TRAIN_COLOR, self.train))
        return [(title, color, pixels) for title, color, pixels in shown if len(pixels)]

    def distances(self) -> dict[str, Any] | None:
        """Say how near the training pixels are to the reference pixels."""
        if self.train is None or not len(self.train) or not len(self.reference):
            return None
        patch = int(_find(self.class_map.metadata, "patch_size") or PATCH)
        return distances([(self.train, self.reference)], patch)


def moved(labels: Labels, shift: tuple[int, int]) -> Labels:
    """Return labels on a grid whose rows and columns are larger by ``shift``."""
    return replace(labels, rows=labels.rows + shift[0], cols=labels.cols + shift[1])


def facts(
    result: Mapping[str, Any],
    material: Material,
    sources: Mapping[str, str | Path | None],
    reporter: Reporter,
) -> dict[str, Any]:
    """Return areas, distances, inputs with fingerprints, settings, versions; JSON-able."""
    class_map = material.class_map
    return {
        "map": {"name": class_map.name, "width": class_map.width, "height": class_map.height},
        "area": areas(result, class_map, reporter),
        "training": result.get("training") or material.distances(),
        "split_legend": [
            {"title": title, "color": color, "pixels": len(pixels)}
            for title, color, pixels in material.split()
        ],
        "weights": class_map.metadata.get("weights"),
        "stack": class_map.metadata.get("stack"),
        "learning_curve": result.get("learning_curve") or _told_curve(class_map),
        "inputs": [
            {"role": role, "path": str(path), "fingerprint": _fingerprint(path, role, material)}
            for role, path in sources.items()
            if path is not None
        ],
        "settings": _settings(class_map.metadata),
        "seed": _find(class_map.metadata, "seed") or 0,
        "versions": _versions(),
        "created": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    }


def areas(evaluation: Mapping[str, Any], class_map: ClassMap, reporter: Reporter) -> dict[str, Any]:
    """Estimate the mapped and area-adjusted area of each class of the evaluation or the map."""
    pixels, hectares = class_areas(class_map, reporter)
    known = {c["value"]: (c["name"], c["color"]) for c in evaluation["classes"]}
    named = {c.value: (c.name, c.color) for c in class_map.classes}
    values = sorted(set(known) | set(pixels))
    matrix = np.zeros((len(values), len(values)))
    place = [values.index(v) for v in evaluation["confusion"]["values"]]
    matrix[np.ix_(place, place)] = evaluation["confusion"]["matrix"]
    size = hectares or {v: float(n) for v, n in pixels.items()}
    mapped = np.array([size.get(v, 0.0) for v in values])
    result = area_adjusted(matrix, mapped)
    sampled = mapped.copy()
    sampled[list(result.not_sampled)] = 0
    total = sampled.sum()
    rows = []
    for i, value in enumerate(values):
        name, color = known.get(value) or named.get(value) or (f"class {value}", "#888888")
        rows.append(
            {
                "value": value,
                "name": name,
                "color": color,
                "pixels": pixels.get(value, 0),
                "mapped": float(mapped[i]),
                "adjusted": number(total * result.area[i]),
                "adjusted_margin": number(_MARGIN * total * result.area_se[i]),
                "producer": number(result.producer[i]),
                "producer_margin": number(_MARGIN * result.producer_se[i]),
                "user": number(result.user[i]),
                "user_margin": number(_MARGIN * result.user_se[i]),
            }
        )
    return {
        "unit": "pixels" if hectares is None else "ha",
        "classes": rows,
        "overall": number(result.overall),
        "overall_margin": number(_MARGIN * result.overall_se),
        "not_sampled": [rows[i]["name"] for i in result.not_sampled],
    }


def stated_confidence(
    class_map: ClassMap, reference: Labels, path: str | Path
) -> NDArray[np.float32]:
    """Read the map's confidence at the reference pixels, shape (n,).

    Raises
    ------
    InputError
        If it cannot be read or has another size than the map.
    """
    with open_confidence(path, class_map) as dataset:
        return sample(dataset, reference.rows, reference.cols)


def draw(
    result: Mapping[str, Any], material: Material, informing: Informing, reporter: Reporter
) -> dict[str, str | None]:
    """Make the report's pictures as data URIs; ``None`` where there is nothing to draw."""
    classes = [ClassInfo(c["value"], c["name"], c["color"]) for c in result["area"]["classes"]]
    values, step = material.class_map.thinned(pictures.LONGEST_SIDE)
    made: dict[str, Callable[[], str | None]] = {
        "map": lambda: pictures.map_picture(values, classes),
        "split": lambda: pictures.split_picture(
            values > 0,
            [((labels.rows, labels.cols), color) for _, color, labels in material.split()],
            step,
        ),
        "spectra": lambda: _spectra(material, classes, reporter),
        "reliability": lambda: _drawn(pictures.reliability_plot, result.get("calibration")),
        "learning_curve": lambda: _drawn(
            pictures.learning_curve_plot, result.get("learning_curve")
        ),
        "weights": lambda: _drawn(pictures.weights_plot, result.get("weights")),
    }
    return {
        name: informing.attempt(f"No picture ({name.replace('_', ' ')})", make)
        for name, make in made.items()
    }


def _drawn(plot: Callable[[Any], str], figures: Any) -> str | None:
    return plot(figures) if figures else None


def _spectra(material: Material, classes: Sequence[ClassInfo], reporter: Reporter) -> str | None:
    if material.scene is None:
        return None
    shown = material.reference if len(material.reference) else material.train
    if shown is None:
        return None
    few = stratified_subsample(shown.values, DRAWN_SPECTRA, 0)
    labels = moved(shown.subset(few), material.shift)
    spectra = read_spectra(material.scene, labels.rows, labels.cols, reporter)
    return pictures.spectra_plot(material.scene.wavelengths, spectra, labels.values, classes)


def _told_curve(class_map: ClassMap) -> list[dict[str, Any]]:
    """Return the learning curve that the map's classifier brought along."""
    return (class_map.metadata.get("accuracy") or {}).get("learning_curve") or []


def _fingerprint(path: str | Path, role: str, material: Material) -> str:
    """Return the start of a SHA-256: of the scene's own fingerprint, else of the file."""
    if role == "scene" and material.scene:
        return str(material.scene.fingerprint()["pixels"])[:16]
    file = Path(str(path).split("|")[0])
    if not file.is_file():
        return ""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while part := stream.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()[:16]


def _settings(metadata: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List what made the map: name and value, without what is said elsewhere or twice."""
    left_out = ("classes", "accuracy", "weights", "stack", "kind", "format", "fingerprint", "after")
    kept = {k: v for k, v in metadata.items() if k not in left_out}
    for change in metadata.get("after", ()):
        kept |= change
    pairs = _flat(kept, left_out)
    # A model carries a whole preset; the classifier was trained with its own settings.
    pairs = [p for p in pairs if not p[0].startswith("model.settings.classifier.")]
    return [(name.replace("model.settings.", "model."), text) for name, text in pairs]


def _flat(value: Any, left_out: Sequence[str], name: str = "") -> list[tuple[str, str]]:
    """Flatten nested settings to (dotted name, text); a long list is its ends and length."""
    if isinstance(value, Mapping):
        return [
            pair
            for key, item in value.items()
            if key not in left_out
            for pair in _flat(item, left_out, f"{name}.{key}".strip("."))
        ]
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) > 12:
            return [(name, f"{len(value)} from {value[0]} to {value[-1]}")]
        return [(name, ", ".join(map(str, value)))]
    return [(name, f"{value:.6g}" if isinstance(value, float) else str(value))]


def _find(value: Any, name: str) -> Any:
    """Find a setting by name at any depth."""
    if not isinstance(value, Mapping):
        return None
    if name in value:
        return value[name]
    return next((f for v in value.values() if (f := _find(v, name)) is not None), None)


def _versions() -> dict[str, str]:
    versions = {"mtmsd": __version__, "Python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
