"""Maps on the scene's grid: whole or not there, and read the same by GDAL and QGIS."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from mtmsd.classes import ClassInfo
from mtmsd.errors import InputError
from mtmsd.labels.read import read_labels
from mtmsd.scene.output import class_map, probabilities, uncertainty
from mtmsd.scene.raster import Scene
from small_files import cube, write_raster

CLASSES = (ClassInfo(1, "tree", "#228833"), ClassInfo(4, "water & <ice> ü", "#2244cc"))


def pattern(height: int = 12, width: int = 15) -> np.ndarray:
    return np.where(np.add.outer(np.arange(height), np.arange(width)) % 3 == 0, 4, 1).astype("u1")


def test_a_class_map_carries_names_colours_and_metadata(raster: Path, tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    with Scene.open(raster) as scene:
        with class_map(path, scene, CLASSES, {"seed": 3}) as target:
            target.write(pattern()[:, :7], 0, 0)
            target.write(pattern()[:, 7:], 0, 7)
        labels = read_labels(path, scene)
    with rasterio.open(path) as dataset:
        assert dataset.dtypes == ("uint8",)
        assert dataset.nodata == 0
        assert np.array_equal(dataset.read(1), pattern())
        table = dataset.colormap(1)
        assert (table[1], table[4]) == ((0x22, 0x88, 0x33, 255), (0x22, 0x44, 0xCC, 255))
        metadata = json.loads(dataset.tags()["MTMSD"])
    assert metadata["seed"] == 3
    assert metadata["classes"][1] == {"value": 4, "name": "water & <ice> ü", "color": "#2244cc"}
    assert labels.classes == CLASSES
    assert sorted(os.listdir(tmp_path)) == ["map.tif", "map.tif.aux.xml", "scene.tif"]


@pytest.mark.skipif(not shutil.which("gdalinfo"), reason="gdalinfo is not installed")
@pytest.mark.parametrize("last", [5, 300])
def test_the_gdal_that_qgis_uses_sees_names_and_colours(
    raster: Path, tmp_path: Path, last: int
) -> None:
    path = tmp_path / "map.tif"
    classes = (*CLASSES, ClassInfo(last, "last", "#ff8800"))
    with Scene.open(raster) as scene, class_map(path, scene, classes, {}) as target:
        target.write(pattern(), 0, 0)
    report = subprocess.run(
        ["gdalinfo", str(path)], capture_output=True, text=True, check=True
    ).stdout
    for line in ("1: tree", "4: water & <ice> ü", f"{last}: last", f"{last}: 255,136,0,255",
                 "0: 0,0,0,0", "NoData Value=0", "Description = class"):  # fmt: skip
        assert re.search(rf"^\s*{re.escape(line)}\s*$", report, re.MULTILINE), line


def test_values_above_255_make_a_map_of_16_bits(raster: Path, tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    classes = (CLASSES[0], ClassInfo(65535, "last", "#ff0000"))
    with Scene.open(raster) as scene:
        with class_map(path, scene, classes, {}) as target:
            target.write(np.where(pattern() == 4, 65535, 1), 0, 0)
        assert read_labels(path, scene).classes == classes
    with rasterio.open(path) as dataset:
        assert dataset.dtypes == ("uint16",)
        assert dataset.read(1).max() == 65535
        assert dataset.colormap(1)[65535] == (255, 0, 0, 255)


def test_confidence_and_probabilities_keep_nan_as_nodata(raster: Path, tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((2, 12, 15), np.float32)
    values[:, 3, 3] = np.nan
    with Scene.open(raster) as scene:
        with uncertainty(tmp_path / "c.tif", scene) as target:
            target.write(values[0], 0, 0)
        with probabilities(tmp_path / "p.tif", scene, CLASSES) as target:
            target.write(values, 0, 0)
    with rasterio.open(tmp_path / "c.tif") as c, rasterio.open(tmp_path / "p.tif") as p:
        assert np.isnan(c.nodata)
        assert np.array_equal(c.read(1), values[0], equal_nan=True)
        assert p.descriptions == ("tree", "water & <ice> ü")
        assert np.array_equal(p.read(), values, equal_nan=True)


def test_a_part_of_the_scene_lies_where_it_belongs(raster: Path, tmp_path: Path) -> None:
    path = tmp_path / "part.tif"
    with Scene.open(raster) as scene:
        with class_map(path, scene, CLASSES, {}, window=(2, 5, 4, 6)) as target:
            target.write(pattern()[2:6, 5:11], 0, 0)
        with rasterio.open(path) as dataset:
            assert dataset.transform == scene.transform * Affine.translation(5, 2)
            assert (dataset.width, dataset.height) == (6, 4)


def write_map(raster: Path, path: Path, *, fail: bool = False) -> None:
    with Scene.open(raster) as scene, class_map(path, scene, CLASSES, {}) as target:
        target.write(pattern(), 0, 0)
        if fail:
            raise RuntimeError("half way")


def test_nothing_is_left_of_a_map_that_failed(raster: Path, tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    path.write_bytes(b"the map of yesterday")
    with pytest.raises(RuntimeError, match="half way"):
        write_map(raster, path, fail=True)
    assert path.read_bytes() == b"the map of yesterday"
    assert sorted(os.listdir(tmp_path)) == ["map.tif", "scene.tif"]


def test_a_folder_that_is_not_there_is_named(raster: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no folder '.*gone'"):
        write_map(raster, tmp_path / "gone" / "map.tif")


def test_a_name_that_is_a_folder_is_refused(raster: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        write_map(raster, tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(raster: Path, tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    with pytest.raises(InputError, match="is read-only"):
        write_map(raster, folder / "map.tif")


FULL = """
import resource, signal, sys
import numpy as np
from mtmsd.errors import MachineError
from mtmsd.classes import ClassInfo
from mtmsd.scene.output import uncertainty
from mtmsd.scene.raster import Scene

with Scene.open(sys.argv[1]) as scene:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
    try:
        with uncertainty(sys.argv[2], scene) as target:
            target.write(np.random.default_rng(0).random((600, 600), np.float32), 0, 0)
    except MachineError as error:
        print(error.exit_status, error)
"""


@pytest.mark.parametrize("room", [4_096, 200_000, 1_100_000])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path, room: int) -> None:
    raster = write_raster(tmp_path / "big.tif", cube(2, 600, 600))
    result = subprocess.run(
        [sys.executable, "-c", FULL, str(raster), str(tmp_path / "map.tif"), str(room)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.stdout.startswith("4 'map.tif' cannot be written to"), result.stderr
    assert os.listdir(tmp_path) == ["big.tif"]
