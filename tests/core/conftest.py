"""Fixtures that the engine's tests share."""

from __future__ import annotations

import os
from pathlib import Path

# One thread, here and in the engines that tests start: results are compared bit for bit, and
# they depend on the number of threads. Set before the libraries are loaded.
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
# Which arithmetic is the fastest is measured in test_arithmetic.py alone.
os.environ["MTMSD_ARITHMETIC"] = "fp32,contiguous"

import numpy as np
import pytest
from filelock import FileLock
from mtmsd.cli.main import main
from running import TINY, fields_scene, words
from small_files import cube, rectangle, write_polygons, write_raster

REPOSITORY = Path(__file__).parents[2]


def pytest_configure(config: pytest.Config) -> None:
    """Keep quiet about ``*`` for transforms, which affine 3 writes ``@`` and affine 2 does not."""
    config.addinivalue_line("filterwarnings", "ignore:Use `@` matmul:PendingDeprecationWarning")


class Scenes:
    """The real scenes by name: the sample travels with the project, the others may not."""

    folder = Path(os.environ.get("MTMSD_SCENES") or REPOSITORY.parent / "shared" / "scenes")

    def __truediv__(self, name: str) -> Path:
        scene, *rest = Path(name).parts
        sample = REPOSITORY / "resources" / "sample"
        folder = sample if scene == "enmap_potsdam" else self.folder / scene
        if not folder.is_dir():
            pytest.skip(f"the scene {scene} may not travel; it is not at {folder} (MTMSD_SCENES)")
        return folder.joinpath(*rest)


@pytest.fixture(scope="session")
def scenes() -> Scenes:
    """The real scenes, ``scenes / "salinas_a"``; tests of one that is not here skip."""
    return Scenes()


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a scene, its labels, and the model and classifier made of them; not to change.

    Tests at once, in several processes, share one: whoever comes first makes it.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "trained"
    with FileLock(f"{folder}.lock"):
        if not (folder / "classifier.safetensors").exists():  # the last file, whole or not there
            folder.mkdir(exist_ok=True)
            train_in(folder)
    return folder


def train_in(folder: Path) -> None:
    """Write a scene of two fields, its labels, and what is learnt of them."""
    scene, labels = fields_scene(folder)
    model, classifier = folder / "model.safetensors", folder / "classifier.safetensors"
    quick = {"iterations": 1, "epochs": 8, "samples_per_epoch": 0, "stride": 16, "timesteps": 100}
    settings = words(TINY | quick)
    learn = ["pretrain", scene, "-o", model, *settings]
    assert main([str(word) for word in learn]) == 0
    learn = ["train", scene, labels, "-o", classifier, "--model", model, "--holdout", "0"]
    learn += ["--classifier", "mtmsd"]
    assert main([str(word) for word in [*learn, *settings]]) == 0


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    """A GeoTIFF of 6 bands, 12 rows, 15 columns with wavelengths, nodata -9999 nowhere."""
    return write_raster(
        tmp_path / "scene.tif", cube(), wavelengths=[450, 550, 650, 850, 1400, 2200], nodata=-9999
    )


@pytest.fixture
def polygons(tmp_path: Path) -> Path:
    """Two classes on ``raster``: "grass" 3×4 px at (1, 1), "water" 2×5 px at (7, 6)."""
    return write_polygons(
        tmp_path / "polygons.gpkg",
        [rectangle(1, 1, 3, 4), rectangle(7, 6, 2, 5)],
        class_id=np.array([1, 2]),
        class_name=np.array(["grass", "water"], object),
    )
