"""What ``map`` needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mtmsd.commands import train
from mtmsd.commands.arguments import Libraries, Masked, Method, Pixels, Rasters, Source
from mtmsd.commands.manifest import SceneRow, files_of, is_manifest, labelled_scenes
from mtmsd.commands.method import AUTO, METHOD, STACK, classifier_for


@dataclass(frozen=True, kw_only=True)
class Arguments(Rasters, Libraries, Method, Masked):
    """What ``map`` needs."""

    scene: Source
    labels: Source | None = None
    """Not given where ``scene`` is a table of scenes and their labels."""
    more: list[Source] = field(default_factory=list)
    """Other scenes of the same sensor and their labels, in turn, or tables of both; ``output`` and
    ``report`` then are folders, and so is that of each layer."""
    class_field: str | None = None
    exclude: str = ""
    """Bands to leave out; with ``model``, its bands are used."""
    model: Path | None = None
    """An existing diffusion model."""
    init: Path | None = None
    """A diffusion model from which pretraining starts."""
    validation: Source | None = None
    """Reference labels for the assessment; without them polygons are held out."""
    classifier: str = AUTO
    """auto, stack, mtmsd, or of plain spectra: svm, svm-polygons, rf."""
    report: Path | None = None
    """The accuracy report, HTML."""
    model_output: Path | None = None
    """Where the new diffusion model is kept; asks the stack, too, to learn the scene first."""
    classifier_output: Path | None = None
    """Where the classifier is kept."""
    polygons: Path | None = None
    """The map's regions: .gpkg, .shp, .geojson or .fgb."""
    next_labels: Path | None = None
    """Places that are worth a label next: .gpkg, .shp, .geojson or .fgb."""
    doubtful: Path | None = None
    """Polygons that disagree with their class, of a stack: .gpkg, .shp, .geojson or .fgb."""
    regions: str = ""
    """Regions with true edges beside the map: supertokens, or none."""
    region_size: Pixels = 0
    """Side in pixels of the squares in which regions begin; 0: chosen by the polygons."""
    region_layer: Path | None = None
    """The regions: .gpkg, .shp, .geojson or .fgb; beside the map if not given."""
    region_map: Path | None = None
    """Their class map; beside the map if not given."""
    region_output: Path | None = None
    """Where the learnt regions are kept, .safetensors."""
    holdout: float = 0.25
    guard: Pixels = 0
    split: str = "auto"
    resume: bool = False
    """Continue where the last run with the same output ended."""

    @property
    def several(self) -> bool:
        """Whether there are several scenes, or a table of them."""
        return bool(self.more) or is_manifest(self.scene)

    def rows(self) -> list[SceneRow]:
        """Return the scenes, each with its labels; raises InputError if one has none."""
        return labelled_scenes(self.scene, self.labels, self.more)

    def files(self) -> list[str | Path | None]:
        """Return what is read."""
        others = [self.model, self.init, self.validation, *self.mask, *self.library_files()]
        return [*files_of(self.rows()), *others]

    def region_files(self) -> tuple[Path | None, Path | None]:
        """Return layer and map of the regions, where they are wanted."""
        if not self.regions:
            return None, None
        stem = self.output.stem
        return (
            self.region_layer or self.output.with_name(f"{stem}.regions.gpkg"),
            self.region_map or self.output.with_name(f"{stem}.regions.tif"),
        )

    @property
    def pretrains(self) -> bool:
        """Whether the scene is learnt first: for the stack only where it is asked for."""
        if self.model:
            return False
        meant = classifier_for(self.classifier, self.preset)
        if meant == STACK:
            return self.model_output is not None or self.init is not None
        return meant == METHOD

    def chosen_device(self, warn: Callable[[str], None]) -> str:
        """Return the device on which is learnt; without a diffusion model there is no choice."""
        return train.device_for(self.device, self.pretrains or self.model is not None, warn)
