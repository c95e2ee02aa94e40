"""The scenes at hand, and their reference labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mtmsd.labels.labels import Labels
from mtmsd.labels.read import read_labels
from mtmsd.scene.raster import Scene

HERE = Path(__file__).parents[1]
FOLDERS = (
    Path(os.environ.get("MTMSD_SCENES", HERE.parents[1] / "shared" / "scenes")),
    HERE / "scenes",  # where bench/indian_pines.py writes
)


@dataclass(frozen=True)
class Case:
    """A scene, its reference, and the share of it that a random split trains on."""

    title: str
    raster: str
    reference: str
    share: float
    class_field: str | None = None

    def folder(self, folders: Sequence[Path] = FOLDERS) -> Path | None:
        """Return the folder that holds it, if one does."""
        return next((folder for folder in folders if (folder / self.raster).exists()), None)

    def open(self, folders: Sequence[Path] = FOLDERS) -> tuple[Scene, Labels]:
        """Open the scene, and read all its labels."""
        folder = self.folder(folders)
        assert folder is not None
        scene = Scene.open(folder / self.raster)
        return scene, read_labels(folder / self.reference, scene, class_field=self.class_field)


CASES = {
    "houston": Case(
        "Houston 2018 (crop)",
        "houston2018_crop/houston2018_crop.tif",
        "houston2018_crop/truth.tif",
        0.05,
    ),
    "potsdam": Case(
        "EnMAP Potsdam", "enmap_potsdam/enmap_potsdam.tif", "enmap_potsdam/landcover.tif", 0.10
    ),
    "salinas": Case("Salinas A", "salinas_a/salinas_a.tif", "salinas_a/truth.tif", 0.05),
    "berlin": Case(
        "HyMap Berlin",
        "berlin_hymap/HyMap02_Berlin_Urban_Gradient_2009.bsq",
        "berlin_hymap/LandCov_Vec_Berlin_Urban_Gradient_2009.shp",
        0.10,
        "Level_2",
    ),
    "pines": Case("Indian Pines", "indian_pines/cube.tif", "indian_pines/truth.tif", 0.10),
}


def at_hand() -> list[str]:
    """Names of the scenes that one of the folders holds."""
    return [name for name, case in CASES.items() if case.folder()]
