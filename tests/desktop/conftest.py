"""Every test gets its own Xvfb, QGIS, profile and copy of the sample."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from screen import ROOT, Screen

os.environ["MTMSD_ARITHMETIC"] = "fp32,contiguous"  # nothing is measured
SAMPLE = ROOT / "resources" / "sample"
TINY = (
    "width=32 iterations=24 batch_size=2 checkpoint_every=4 timesteps=100,400 channels=32 "
    "members=1 epochs=3"
)
"""Settings of a model that knows nothing and is made in seconds."""


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A folder with a copy of the sample, in which the dock may write."""
    for program in ("qgis", "Xvfb", "xdotool", "import"):
        if shutil.which(program) is None:
            pytest.skip(f"the desktop tests need {program}")
    build = os.environ.get("MTMSD_BUILD", str(ROOT / "build"))
    if not (Path(build) / "mtmsd_qgis" / "metadata.txt").is_file():
        pytest.fail("there is no assembled plugin: run make build")
    folder = tmp_path / "sample"
    folder.mkdir()
    for name in ("enmap_potsdam.tif", "training_polygons.gpkg", "validation_polygons.gpkg"):
        shutil.copy(SAMPLE / name, folder)
    return folder


@pytest.fixture
def start(tmp_path: Path, sample: Path):
    """A function that starts QGIS with files of the sample; all are ended after the test."""
    screens = []

    def begin(*names: str, **options) -> Screen:
        screen = Screen(tmp_path, *[sample / name for name in names], **options)
        screens.append(screen)
        screen.layout(dock=340)
        return screen

    yield begin
    for screen in screens:
        screen.close()


def open_scene(screen: Screen, sample: Path) -> None:
    """Open the sample with the dock's own button and the file dialog."""
    screen.click("mtmsdSceneOpen")
    screen.type_path(sample / "enmap_potsdam.tif")
    screen.wait_text("mtmsdSceneState", "160 × 192 px, 218 ", 120)


def take_polygons(screen: Screen, layer: str = "training_polygons") -> None:
    """Take classes and polygons from a layer, in three clicks."""
    screen.click("mtmsdImport")
    screen.choose_action("mtmsdImportMenu", f"{layer}…")
    screen.wait_text("mtmsdImportNotes", r"\w\W+\d+ \w", 40)
    screen.click("mtmsdImportTake")
    pixels = {"training_polygons": "524", "validation_polygons": r"2\D?966"}[layer]
    screen.wait_text("mtmsdClassesState", rf"^6 \w+, {pixels} ", 40)


def pretrain_settings(screen: Screen, numbers: str) -> None:
    """Unfold More settings and type the numbers."""
    screen.click_title("mtmsdMoreSettings")
    screen.click("mtmsdSettings")
    screen.type(numbers)
    screen.key("Tab")


def pretrain(screen: Screen) -> None:
    """Press Pretrain and wait for the model."""
    screen.click("mtmsdPretrain")
    screen.wait_text("mtmsdPretrainingState", r"Model: model_\w+\.safetensors", 300)


def role(screen: Screen, wanted: str) -> dict | None:
    """The layer that the dock made for a purpose."""
    return next((x for x in screen.ask("layers") if x["role"] == wanted), None)
