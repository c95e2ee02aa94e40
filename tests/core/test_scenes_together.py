"""Several scenes are learnt as one: bands matched, patches drawn wherever there is data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio.transform
from mtmsd.cli.main import main
from mtmsd.diffusion import patches
from mtmsd.diffusion.model import DiffusionModel
from mtmsd.diffusion.patches import PatchPool
from mtmsd.errors import InputError
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene
from mtmsd.scene.same_sensor import open_together
from mtmsd.scene.whitening import fit_whitening
from running import TINY, words
from small_files import GRID, cube, write_raster

WAVELENGTHS = [450, 550, 650, 850, 1600, 2200]


@pytest.fixture
def pair(tmp_path: Path) -> list[Path]:
    """A scene, and one of another grid, CRS, size and brightness whose bands stand reversed."""
    north = write_raster(tmp_path / "north.tif", cube(6, 40, 48, seed=1), wavelengths=WAVELENGTHS,
                         nodata=-9999)  # fmt: skip
    data = cube(6, 70, 30, seed=2) * 2
    data[:, 40:] = -9999
    south = write_raster(
        tmp_path / "south.tif", data[::-1], wavelengths=WAVELENGTHS[::-1], nodata=-9999,
        transform=GRID @ GRID.scale(0.5), crs="EPSG:32634",
    )  # fmt: skip
    return [north, south]


def learn(*given: str | Path) -> int:
    return main(["pretrain", *map(str, given)])


def test_each_scene_is_read_in_its_place_and_nothing_between_them(pair: list[Path]):
    with open_together([Scene.open(path) for path in pair]) as together:
        for (top, left, height, width), path in zip(together.areas, pair):
            values, valid = together.read(top - 3, left - 2, height + 7, width + 9)
            with Scene.open(path) as alone:
                own = [alone.wavelengths.tolist().index(w) for w in together.wavelengths]
                expected, there = alone.read(-3, -2, height + 7, width + 9)
            np.testing.assert_array_equal(values, expected[own])
            np.testing.assert_array_equal(valid, there)
        tops = [area[0] for area in together.areas]
        assert together.scene_of(np.array([0, 39, tops[1], tops[1] + 69])).tolist() == [0, 0, 1, 1]
        assert not together.read(1000, 0, 200, 48)[1].any()


def test_a_place_is_told_in_its_own_scene(pair: list[Path]):
    with open_together([Scene.open(path) for path in pair]) as together:
        top = together.areas[1][0]
        found = together.located({"row": top + 4, "x": 2.5, "y": top + 4.5, "share": 0.7})
        own = together.scenes[1]
        x, y = rasterio.transform.xy(own.transform, 4, 2)
    assert found == {"scene": own.name, "row": 4, "x": x, "y": y, "share": 0.7}


def test_the_whitening_is_that_of_the_pixels_of_both(pair: list[Path]):
    with open_together([Scene.open(path) for path in pair]) as together:
        fitted = fit_whitening(together, 6, seed=0)
        pixels = np.hstack([values[:, valid] for values, valid in
                            (together.read(*area) for area in together.areas)])  # fmt: skip
    np.testing.assert_allclose(fitted.mean, pixels.mean(1), rtol=1e-5)
    white = fitted.weights.astype(np.float64) @ (pixels - fitted.mean[:, None])
    np.testing.assert_allclose(white @ white.T / pixels.shape[1], np.eye(6), atol=0.01)


@pytest.mark.parametrize("chips", [None, 24])
def test_patches_are_drawn_by_the_area_with_data(pair: list[Path], monkeypatch, chips: int | None):
    if chips:
        monkeypatch.setattr(patches, "POOL_BYTES", chips * 16 * 16 * 4 * 3)
        monkeypatch.setattr(patches, "CHIP_PATCHES", 2)
    with open_together([Scene.open(path) for path in pair]) as together:
        whitening = fit_whitening(together, 3, seed=0)
        pool = PatchPool(together, whitening, 8, seed=5, reporter=Reporter())
        bright = []
        for step in range(300):
            batch = pool.batch(20, 1000, seed=1, step=step, augment=False)
            bright += (batch.x0[:, 0].sum((1, 2)) > 0).tolist()
        areas = [
            (valid.mean(), valid.size)
            for _, valid in (together.read(*area) for area in together.areas)
        ]
    assert [share for share, _ in areas] == [1, pytest.approx(4 / 7)]
    if np.sign(whitening.weights[0].sum()) < 0:
        bright = np.invert(bright)
    # so many places of a patch at least half of which is data, borders included
    places = (40 + 1) * (48 + 1), (40 + 1) * (30 + 1)
    assert np.mean(bright) == pytest.approx(places[1] / sum(places), abs=0.03)


def test_a_model_of_two_scenes_names_both_and_has_the_bands_of_both(
    pair: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    out, again = tmp_path / "model.safetensors", tmp_path / "again.safetensors"
    table = tmp_path / "scenes.csv"
    table.write_text("scene\nnorth.tif\nsouth.tif\n")
    settings = words(TINY | {"iterations": 2})
    assert learn(*pair, "-o", out, "--exclude", "1", *settings) == 0
    said = " ".join(capfd.readouterr().err.split())
    assert "4 bands of 2 scenes are matched by wavelength" in said
    assert learn(table, "-o", again, "--exclude", "1", *settings) == 0
    model = DiffusionModel.load(out)
    # band 1 of the one is at 450 nm, that of the other at 2200: both are out, and said
    assert model.metadata["wavelengths"] == [550, 650, 850, 1600]
    assert "leaves out are left out of both: 6" in said
    assert [scene["name"] for scene in model.metadata["scenes"]] == ["north", "south"]
    with Scene.open(pair[1]) as south:
        assert model.metadata["scenes"][1]["fingerprint"] == south.fingerprint()
    for name, tensor in DiffusionModel.load(again).tensors().items():
        np.testing.assert_array_equal(tensor, model.tensors()[name])


def other(path: Path, data: np.ndarray, wavelengths: list[float] | None) -> Path:
    return write_raster(path, data, wavelengths=wavelengths, nodata=-9999)


@pytest.mark.parametrize(
    ("wavelengths", "factor", "said"),
    [
        ([8000, 9000, 10000, 11000, 12000, 13000], 1, "no wavelengths in common"),
        ([500, 600, 750, 1200, 1900, 2500], 1, "'north' and 'third' are of different sensors"),
        (WAVELENGTHS, 1000, "The values of 'third' are about"),
        (None, 1, "'north' has 6 bands and 'third' 5"),
    ],
)
def test_what_is_no_scene_of_the_same_sensor_is_refused_by_name(
    pair: list[Path], tmp_path: Path, wavelengths, factor: float, said: str
):
    data = cube(6 if wavelengths else 5, 20, 20).astype("float32") * factor
    third = other(tmp_path / "third.tif", data, wavelengths)
    with pytest.raises(InputError, match=said):
        open_together([Scene.open(path) for path in [*pair, third]])


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("scene\nnorth.tif\nbroken.tif\n", "broken.tif"),
        ("scene\nnorth.tif\nsouth.tif\nnorth.tif\n", "north.tif is given twice"),
        ("raster\nnorth.tif\n", "scene"),
        ("scene\nnorth.tif\nnowhere.tif\n", "nowhere.tif"),
    ],
)
def test_a_wrong_list_is_refused_before_anything_is_learnt(
    pair: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str], table: str, said: str
):
    (tmp_path / "broken.tif").write_bytes(pair[0].read_bytes()[:1000])
    (tmp_path / "scenes.csv").write_text(table)
    before = sorted(tmp_path.iterdir())
    assert learn(tmp_path / "scenes.csv", "-o", tmp_path / "m.safetensors", "--json") == 1
    told = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    (error,) = [message for message in told if message["type"] == "error"]
    assert said in error["message"]
    assert not [m for m in told if m["type"] == "phase"]
    assert sorted(tmp_path.iterdir()) == before
