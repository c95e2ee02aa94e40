"""A mosaic of overlapping maps: probabilities blended, one grid, overviews, any size."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from mtmsd.classes import ClassInfo
from mtmsd.cli.main import main
from mtmsd.errors import InputError
from mtmsd.postprocess import mosaic
from mtmsd.postprocess.mosaic import write_mosaic
from mtmsd.scene import output
from mtmsd.scene.mask import Grid
from rasterio.crs import CRS
from running import fields_scene
from small_files import GRID, UTM

CLASSES = (ClassInfo(3, "forest", "#1a7a2e"), ClassInfo(7, "water", "#2a6fdb"))


def probabilities(
    path: Path, first: np.ndarray | float, size: tuple[int, int] = (40, 50), *, row: float = 0,
    col: float = 0, classes: tuple[ClassInfo, ...] = CLASSES, crs: str = UTM, pixel: float = 1,
) -> str:  # fmt: skip
    """Write a map in which forest has this probability; NaN is no data."""
    share = np.broadcast_to(np.float32(first), size)
    transform = GRID @ Affine.translation(col, row) @ Affine.scale(pixel)
    grid = Grid(path, path.stem, size[1], size[0], transform, CRS.from_string(crs))
    with output.probabilities(path, grid, classes) as out:
        out.write(np.stack([share, 1 - share]), 0, 0)
    return str(path)


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read(1)


def test_where_maps_overlap_the_surer_one_decides(tmp_path: Path):
    sure = probabilities(tmp_path / "a.tif", 0.95)
    unsure = probabilities(tmp_path / "b.tif", 0.4, row=10, col=30)
    found = write_mosaic([sure, unsure], tmp_path / "m.tif", confidence=tmp_path / "c.tif")
    values, certain = read(tmp_path / "m.tif"), read(tmp_path / "c.tif")
    assert values.shape == (50, 80)
    rows, cols = np.mgrid[10:40, 30:50]
    a = np.minimum(rows, 39 - rows).clip(-1) + 1, np.minimum(cols, 49 - cols) + 1
    b = np.minimum(rows - 10, 49 - rows) + 1, np.minimum(cols - 30, 79 - cols) + 1
    a, b = (np.float64(part[0] * part[1]) for part in (a, b))
    expected = (0.95 * a + 0.4 * b) / (a + b)
    assert np.allclose(certain[10:40, 30:50], np.maximum(expected, 1 - expected), atol=1e-5)
    clear = np.abs(expected - 0.5) > 1e-5
    assert np.array_equal((values[10:40, 30:50] == 3)[clear], (expected > 0.5)[clear])
    assert (expected > 0.5).mean() > 0.6, "0.95 outweighs 0.4 in most of the overlap"
    assert (values[40:, 30:] == 7).all()
    assert (values[40:, :30] == 0).all()
    assert (values[:10, 50:] == 0).all()
    assert np.isnan(certain[values == 0]).all()
    assert np.allclose(certain[:10, :50], 0.95)
    assert np.allclose(certain[40:, 30:], 0.6)
    assert found["overlap"] == 30 * 20
    assert found["pixels"] == {
        "forest": int((values == 3).sum()),
        "water": int((values == 7).sum()),
    }


def test_weights_grow_from_the_edges_so_that_there_is_no_seam(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(mosaic, "FEATHER", 8)
    left = probabilities(tmp_path / "a.tif", 0.9)
    right = probabilities(tmp_path / "b.tif", 0.6, col=30)
    write_mosaic([left, right], tmp_path / "m.tif", confidence=tmp_path / "c.tif")
    line = read(tmp_path / "c.tif")[20]
    a, b = (np.minimum(np.minimum(np.arange(50), np.arange(50)[::-1]) + 1, 8) for _ in range(2))
    expected = (0.9 * a[30:] + 0.6 * b[:20]) / (a[30:] + b[:20])
    assert np.allclose(line[30:50], expected, atol=1e-6)
    assert np.abs(np.diff(line)).max() < 0.06, "no step"


def test_gaps_in_one_map_are_filled_by_the_other_whatever_the_order(tmp_path: Path):
    share = np.full((40, 50), 0.9)
    share[5:9, 35:45] = np.nan
    one = probabilities(tmp_path / "a.tif", share)
    two = probabilities(tmp_path / "b.tif", 0.2, row=-3, col=30)
    write_mosaic([one, two], tmp_path / "ab.tif")
    write_mosaic([two, one], tmp_path / "ba.tif")
    values = read(tmp_path / "ab.tif")
    assert (values[8:12, 35:45] == 7).all(), "three rows lower, for b begins above a"
    assert (values[15:20, 36:40] == 3).all()
    assert np.array_equal(values, read(tmp_path / "ba.tif"))


def test_the_file_is_a_cog_with_overviews_classes_and_colours(tmp_path: Path):
    parts = [probabilities(tmp_path / f"{i}.tif", 0.9, (600, 700), row=500 * i) for i in range(2)]
    path = tmp_path / "m.tif"
    assert main(["mosaic", *parts, "-o", str(path)]) == 0
    with rasterio.open(path) as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.overviews(1)
        assert (dataset.width, dataset.height, dataset.nodata) == (700, 1100, 0)
        assert dataset.transform == GRID
        assert dataset.colormap(1)[7][:3] == (0x2A, 0x6F, 0xDB)
        assert "0.tif" in dataset.tags()["MTMSD"]
    assert "<Category>water</Category>" in Path(f"{path}.aux.xml").read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "0.tif",
        "1.tif",
        "m.tif",
        "m.tif.aux.xml",
    ]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_mosaic(tmp_path: Path):
    one = probabilities(tmp_path / "a.tif", 0.9, (64, 64))
    far = probabilities(tmp_path / "b.tif", 0.9, (64, 64), row=9000, col=9000)
    write_mosaic([one, one], tmp_path / "warm.tif")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = write_mosaic([one, far], tmp_path / "m.tif")
    assert found["size"] == [9064, 9064]
    assert found["pixels"]["forest"] == 2 * 64 * 64
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < 150e6, "two bands of float32 in one piece were 657 MB"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"col": 30.4}, r"'b.tif' \(50×40 px .*\(400304, .*not on the grid of 'a.tif'"),
        ({"pixel": 2}, "px of 20×-20"),
        ({"crs": "EPSG:32634"}, r"EPSG:32634\) is not on the grid"),
        ({"classes": (CLASSES[0], ClassInfo(8, "city", "#ff0000"))},
         "has the classes 3 forest, 8 city, 'a.tif' 3 forest, 7 water"),
    ],
)  # fmt: skip
def test_maps_that_do_not_fit_are_refused_with_both_sides(
    tmp_path: Path, change: dict, sentence: str
):
    one = probabilities(tmp_path / "a.tif", 0.9)
    two = probabilities(tmp_path / "b.tif", 0.9, **change)
    with pytest.raises(InputError, match=sentence):
        write_mosaic([one, two], tmp_path / "m.tif")
    assert not (tmp_path / "m.tif").exists()


def test_what_is_no_probability_is_one_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    one = probabilities(tmp_path / "a.tif", 0.9)
    write_mosaic([one], tmp_path / "map.tif")
    assert main(["mosaic", one, str(tmp_path / "map.tif"), "-o", str(tmp_path / "m.tif")]) == 1
    assert "has one band; probabilities have one for each class" in capfd.readouterr().err
    assert main(["mosaic", one, "-o", one]) == 1
    assert "is also an input" in capfd.readouterr().err


def test_two_scenes_are_mapped_and_joined(tmp_path: Path):
    scene, labels = fields_scene(tmp_path)
    with rasterio.open(scene) as dataset:
        data, profile, tags = (
            dataset.read(),
            dataset.profile,
            [dataset.tags(b) for b in range(1, 7)],
        )
    parts = []
    for name, col in (("west", 0), ("east", 18)):
        profile.update(width=30, transform=GRID @ Affine.translation(col, 0))
        with rasterio.open(tmp_path / f"{name}.tif", "w", **profile) as dataset:
            dataset.write(data[:, :, col : col + 30])
            for band, entry in enumerate(tags, 1):
                dataset.update_tags(band, **entry)
        parts.append(tmp_path / f"{name}.tif")
    classifier, out, shares = tmp_path / "c.safetensors", tmp_path / "maps", tmp_path / "shares"
    for given in (
        ["train", scene, labels, "-o", classifier, "--classifier", "svm", "--holdout", 0],
        ["classify", *parts, "-o", out, "--probabilities", shares, "--classifier", classifier],
        ["classify", scene, "-o", tmp_path / "whole.tif", "--classifier", classifier],
        ["mosaic", shares / "west.tif", shares / "east.tif", "-o", tmp_path / "joined.tif"],
    ):
        assert main(list(map(str, given))) == 0
    assert (read(tmp_path / "joined.tif") == read(tmp_path / "whole.tif")).mean() > 0.995
