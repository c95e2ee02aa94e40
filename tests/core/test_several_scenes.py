"""A list of scenes, or a table of them: each gets its map, and one bad one stops no other."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from mtmsd.cli.main import main
from running import end, fields_scene, messages, start
from small_files import GRID, cube, write_raster

WAVELENGTHS = [450, 550, 650, 850, 1600, 2200]


def classify(*words: str | Path) -> int:
    return main(["classify", *map(str, words)])


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of plain spectra, and its scene and labels beside it."""
    folder = tmp_path_factory.mktemp("several")
    scene, labels = fields_scene(folder)
    path = folder / "classifier.safetensors"
    words = ["train", scene, labels, "-o", path, "--classifier", "svm", "--holdout", "0"]
    assert main([str(word) for word in words]) == 0
    return path


@pytest.fixture
def scenes(classifier: Path, tmp_path: Path) -> list[Path]:
    """The scene of the classifier, its mirror image, and one with its bands in another order."""
    first = tmp_path / "north.tif"
    shutil.copy(classifier.parent / "scene.tif", first)
    with rasterio.open(first) as dataset:
        data = dataset.read()
    mirrored = write_raster(tmp_path / "south.tif", data[:, :, ::-1], wavelengths=WAVELENGTHS,
                            nodata=-9999, transform=GRID, crs="EPSG:32634")  # fmt: skip
    turned = write_raster(tmp_path / "reversed.tif", data[::-1], wavelengths=WAVELENGTHS[::-1],
                          nodata=-9999)  # fmt: skip
    return [first, mirrored, turned]


def pixels(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read(1)


def test_each_scene_gets_its_map_with_bands_matched_by_wavelength(
    classifier: Path, scenes: list[Path], tmp_path: Path
):
    out, sure = tmp_path / "maps", tmp_path / "sure"
    assert classify(*scenes, "-o", out, "--classifier", classifier, "--confidence", sure) == 0
    north, south, turned = (pixels(out / f"{scene.stem}.tif") for scene in scenes)
    assert set(np.unique(north)) == {1, 2}
    np.testing.assert_array_equal(south, north[:, ::-1])
    np.testing.assert_array_equal(turned, north)
    with rasterio.open(out / "south.tif") as dataset:
        assert dataset.crs.to_epsg() == 32634
    assert sorted(p.name for p in sure.glob("*.tif")) == ["north.tif", "reversed.tif", "south.tif"]
    assert not list(out.glob("*.work"))


def test_one_bad_scene_is_named_and_the_others_go_on(
    classifier: Path, scenes: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    broken = tmp_path / "broken.tif"
    broken.write_bytes(scenes[0].read_bytes()[:3000])
    other = write_raster(tmp_path / "other sensor.tif", cube(4, 20, 20),
                         wavelengths=[8000, 9000, 10000, 11000])  # fmt: skip
    listed = [scenes[0], broken, other, scenes[1]]
    assert classify(*listed, "-o", tmp_path / "maps", "--classifier", classifier) == 1
    said = " ".join(capfd.readouterr().err.split())
    assert "2 of 4 scenes could not be mapped" in said
    assert "broken.tif is not mapped" in said
    assert "lacks" in said, "why the other sensor does not do"
    made = sorted(p.name for p in (tmp_path / "maps").glob("*.tif"))
    assert made == ["north.tif", "south.tif"]
    before = (tmp_path / "maps" / "north.tif").stat().st_mtime_ns
    shutil.copy(scenes[0], broken)
    words = [*listed, "-o", tmp_path / "maps", "--classifier", classifier, "--resume"]
    assert classify(*words) == 1
    assert "1 of 4 scenes" in " ".join(capfd.readouterr().err.split())
    assert (tmp_path / "maps" / "north.tif").stat().st_mtime_ns == before
    assert (tmp_path / "maps" / "broken.tif").is_file()


@pytest.mark.slow
def test_a_table_names_scenes_and_outputs(classifier: Path, scenes: list[Path], tmp_path: Path):
    table = tmp_path / "scenes.csv"
    table.write_text("scene,labels,output\nnorth.tif,,a.tif\nsouth.tif,,b.tif\n")
    status, out, err = end(
        start("classify", table, "-o", tmp_path / "maps", "--classifier", classifier, "--json")
    )
    assert status == 0, err
    results = messages(out)[-1]["results"]
    assert results["maps"] == [str(tmp_path / "maps" / name) for name in ("a.tif", "b.tif")]
    np.testing.assert_array_equal(
        pixels(tmp_path / "maps" / "a.tif"), pixels(tmp_path / "maps" / "b.tif")[:, ::-1]
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [("raster,output\nnorth.tif,a.tif\n", "no column 'scene'; it has raster, output"),
     ("", "no column 'scene'; it has none"), ("scene,output\n", "has no scene"),
     ("scene,output\n,a.tif\n", "Line 2 of"),
     ("scene,output\nnorth.tif,a.tif\nsouth.tif,a.tif\n", "Two outputs have the same name"),
     ("scene,output\nnorth.tif,a.png\n", "ends in '.png'")],
)  # fmt: skip
def test_a_wrong_table_is_refused_before_any_work(
    classifier: Path, scenes: list[Path], tmp_path: Path, text: str, said: str, capfd
):
    table = tmp_path / "scenes.csv"
    table.write_text(text)
    assert classify(table, "-o", tmp_path / "maps", "--classifier", classifier) == 1
    assert said in " ".join(capfd.readouterr().err.split())
    assert not list((tmp_path / "maps").glob("*"))


def test_two_scenes_of_one_name_are_refused(
    classifier: Path, scenes: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    (tmp_path / "2024").mkdir()
    again = Path(shutil.copy(scenes[0], tmp_path / "2024" / "north.tif"))
    assert classify(scenes[0], again, "-o", tmp_path / "maps", "--classifier", classifier) == 1
    assert "Two outputs have the same name" in " ".join(capfd.readouterr().err.split())


def test_a_folder_that_cannot_be_is_refused(
    classifier: Path, scenes: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    assert classify(*scenes, "-o", tmp_path / "no" / "maps", "--classifier", classifier) == 1
    assert "does not exist" in " ".join(capfd.readouterr().err.split())


def overlapping(scene: Path, folder: Path) -> list[Path]:
    """Cut a scene into two parts with a common strip of 16 columns."""
    with rasterio.open(scene) as dataset:
        data, transform, crs = dataset.read(), dataset.transform, dataset.crs
    middle = data.shape[2] // 2
    parts = {"west": (0, middle + 8), "east": (middle - 8, data.shape[2])}
    return [
        write_raster(folder / f"{name}.tif", data[:, :, a:b], wavelengths=WAVELENGTHS,
                     nodata=-9999, transform=transform @ Affine.translation(a, 0), crs=crs)
        for name, (a, b) in parts.items()
    ]  # fmt: skip


def test_the_mosaic_comes_in_the_same_go(classifier: Path, tmp_path: Path):
    parts = overlapping(classifier.parent / "scene.tif", tmp_path)
    whole, out, joined = tmp_path / "whole.tif", tmp_path / "maps", tmp_path / "all.tif"
    assert classify(classifier.parent / "scene.tif", "-o", whole, "--classifier", classifier) == 0
    words = [*parts, "-o", out, "--classifier", classifier, "--mosaic", joined]
    status, said, err = end(start("classify", *words, "--json"))
    assert status == 0, err
    np.testing.assert_array_equal(pixels(joined), pixels(whole))
    heard = messages(said)
    shares = [m["done"] / m["total"] for m in heard if m.get("phase") == "scenes" and "done" in m]
    assert shares == sorted(shares), "one progress for all scenes"
    assert shares[-1] == 1
    results = heard[-1]["results"]
    assert results["mosaic"]["overlap"] > 0
    assert results["failed"] == {}
    told = [Path(m["path"]) for m in heard if m["type"] == "artifact"]
    assert all(path.is_file() for path in told), "nothing is told that is gone"
    assert sorted(p.name for p in out.iterdir() if not p.name.endswith(".xml")) == [
        "east.tif", "west.tif"]  # fmt: skip


def test_scenes_that_cannot_be_joined_keep_their_maps(
    classifier: Path, scenes: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    words = [*scenes[:2], "-o", tmp_path / "maps", "--classifier", classifier]
    joined = tmp_path / "maps" / "all.tif"
    assert classify(*words, "--mosaic", joined) == 1
    said = " ".join(capfd.readouterr().err.split())
    assert f"The mosaic {joined} could not be made: 'south" in said
    assert "is not on the grid of 'north" in said
    assert "scenes could not be mapped" not in said
    assert pixels(tmp_path / "maps" / "south.tif").any()
    assert not joined.exists()


def test_one_scene_alone_makes_no_mosaic(classifier: Path, scenes: list[Path], tmp_path: Path,
                                         capfd: pytest.CaptureFixture[str]):  # fmt: skip
    out, joined = tmp_path / "m.tif", tmp_path / "all.tif"
    assert classify(scenes[0], "-o", out, "--classifier", classifier, "--mosaic", joined) == 1
    assert "needs several scenes, and there is one" in " ".join(capfd.readouterr().err.split())
    assert not out.exists()


def test_failures_that_are_allowed_are_results(
    classifier: Path, scenes: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    broken = tmp_path / "broken.tif"
    broken.write_bytes(scenes[0].read_bytes()[:3000])
    gone = tmp_path / "gone.tif"
    words = ["-o", tmp_path / "maps", "--classifier", classifier, "--allow-failures"]
    status, said, err = end(start("classify", broken, scenes[0], gone, *words, "--json"))
    assert status == 0, err
    results = messages(said)[-1]["results"]
    assert results["maps"] == [str(tmp_path / "maps" / "north.tif")]
    assert list(results["failed"]) == [str(broken), str(gone)]
    assert "gone.tif" in results["failed"][str(gone)]
    assert classify(broken, gone, *words) == 1, "none was mapped"
    assert "2 of 2 scenes could not be mapped" in " ".join(capfd.readouterr().err.split())
