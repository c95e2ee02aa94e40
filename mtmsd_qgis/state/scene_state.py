"""What was made for a scene, and what was chosen for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..common.classifiers import STACK
from .training.classes import LandClass, from_json, to_json

STEP_FILES = (
    "output",
    "confidence",
    "probabilities",
    "report",
    "unwanted",
    "doubtful",
    "mosaic",
    "raster",
    "classifier",
)
"""What of a job's step is a path."""

RARE = "rare_classes=0.5"


@dataclass(frozen=True)
class MapOptions:
    """What maps the scene, and what is done to the map.

    Attributes
    ----------
    classifier : str
        As the engine calls it.
    unknown : int
        Percent; pixels of lower confidence get a class of their own.
    majority : int or None
        Side of the majority filter's square, pixels.
    sieve : int
        Smallest region, pixels.
    rare : bool
        Whether the stack favours classes of few training pixels.
    region_size : int
        Side of the squares in which regions with true edges begin, pixels; 0: by the polygons.
    """

    classifier: str = STACK
    unknown: int = 0
    majority: int | None = None
    sieve: int = 1
    rare: bool = False
    region_size: int = 0

    def settings(self, given: str) -> str:
        """Return single numbers of the preset, KEY=VALUE: those that are given count first."""
        favoured = self.rare and self.classifier == STACK and RARE.partition("=")[0] not in given
        return f"{given} {RARE}".strip() if favoured else given

    @property
    def filters(self) -> dict[str, float | int]:
        """What is done to the map, as parameters of ``mtmsd:classify``."""
        chosen = {
            "UNKNOWN_BELOW": self.unknown / 100,
            "MAJORITY": self.majority,
            "SIEVE": self.sieve if self.sieve > 1 else None,
        }
        return {name: value for name, value in chosen.items() if value}


@dataclass(frozen=True)
class JobNote:
    """A job of a section whose results were not taken yet: its folder, and what comes then."""

    folder: Path
    step: dict[str, Any]


@dataclass(frozen=True)
class PausedPretraining:
    """Pretraining that Resume goes on with."""

    preset: str
    output: Path


@dataclass(frozen=True)
class SceneState:
    """All that is remembered for one scene; what it names may have gone meanwhile.

    Attributes
    ----------
    folder : Path or None
        Where what is made for the scene is put; it belongs to this scene alone.
    library : Path or None
        Spectra of libraries at the scene's bands, in its units.
    library_classes : dict
        The class's number for each of them that trains, by the spectrum's name.
    classifier_key : str
        A hash of all that the classifier depends on.
    classifier_mapped : bool
        Whether a map of the whole scene was made with it.
    map_filters : dict
        The filters that the map was made with.
    pixels : dict
        Pixels of each class in the map, by name.
    matches : dict
        The map's class for each class of a reference, by its layer and field.
    mask : Path or None
        What is left out of the scene, as a layer's source names it.
    mask_choice : str
        ``bits=10,11`` or ``values=3,8`` of it.
    product_masks : bool
        Whether the masks that come with the scene are used.
    points_at : int
        The point to label that is looked at.
    spectra_scale, spectra_zoom : str, dict
        How the spectra were looked at last: the scale, and the part across (x) and upwards (y).
    changed : float
        When it last changed, seconds since 1970.
    """

    folder: Path | None = None
    training: Path | None = None
    model: Path | None = None
    classifier: Path | None = None
    map: Path | None = None
    confidence: Path | None = None
    probabilities: Path | None = None
    report: Path | None = None
    points: Path | None = None
    doubtful: Path | None = None
    library: Path | None = None
    library_classes: dict[str, int] = field(default_factory=dict)
    classes: tuple[LandClass, ...] = ()
    preset: str = "balanced"
    seed: int = 0
    exclude: str = ""
    settings: str = ""
    mask: Path | None = None
    mask_choice: str = ""
    product_masks: bool = False
    options: MapOptions = MapOptions()
    classifier_key: str = ""
    classifier_mapped: bool = False
    map_filters: dict[str, float | int] = field(default_factory=dict)
    pixels: dict[str, int] = field(default_factory=dict)
    accuracy: dict[str, Any] | None = None
    matches: dict[str, dict[str, str]] = field(default_factory=dict)
    points_at: int = 0
    spectra_scale: str = "read"
    spectra_zoom: dict[str, list[float]] = field(default_factory=dict)
    paused: PausedPretraining | None = None
    pretraining_job: JobNote | None = None
    map_job: JobNote | None = None
    product_job: JobNote | None = None
    assess_job: JobNote | None = None
    others_job: JobNote | None = None
    changed: float = 0.0


FILES = (
    "training",
    "model",
    "classifier",
    "map",
    "confidence",
    "probabilities",
    "report",
    "points",
    "doubtful",
    "library",
)
JOBS = ("pretraining_job", "map_job", "product_job", "assess_job", "others_job")


def to_plain(state: SceneState, write: Callable[[Path], str]) -> dict[str, Any]:
    """Return plain JSON; ``write`` makes the text of a path. What is as usual is left out."""
    usual = SceneState()
    changed = [f.name for f in fields(state) if getattr(state, f.name) != getattr(usual, f.name)]
    return {name: _plain(getattr(state, name), write) for name in changed}


def _plain(value: Any, write: Callable[[Path], str]) -> Any:
    if isinstance(value, Path):
        return write(value)
    if isinstance(value, tuple):
        return to_json(value)
    if isinstance(value, MapOptions):
        return asdict(value)
    if isinstance(value, PausedPretraining):
        return {"preset": value.preset, "output": write(value.output)}
    if isinstance(value, JobNote):
        return {"folder": str(value.folder), "step": with_files(value.step, write)}
    return value


def with_files(step: dict[str, Any], change: Callable[[Path], Any]) -> dict[str, Any]:
    """Return a job's step with its paths changed."""
    return {
        name: str(change(Path(value))) if name in STEP_FILES and value else value
        for name, value in step.items()
    }


def from_plain(entries: Any, read: Callable[[str], Path]) -> SceneState:
    """Return the state in what :func:`to_plain` made; what does not fit is left out."""
    state = SceneState()
    for name, value in entries.items() if isinstance(entries, dict) else ():
        try:
            state = replace(state, **{name: _typed(name, value, read)})
        except (TypeError, ValueError, KeyError, AttributeError):
            continue
    return state


def _typed(name: str, value: Any, read: Callable[[str], Path]) -> Any:
    if name in ("folder", "mask") or name in FILES:
        return read(str(value))
    if name in JOBS:
        return JobNote(
            Path(value["folder"]), with_files(value["step"], lambda p: read(p.as_posix()))
        )
    if name == "paused":
        return PausedPretraining(str(value["preset"]), read(value["output"]))
    if name == "options":
        return MapOptions(**value)
    if name == "classes":
        return tuple(from_json(value))
    usual = getattr(SceneState(), name)
    kind = dict if name == "accuracy" else type(usual)
    return kind(value)
