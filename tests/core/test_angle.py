"""The spectral angle to spectra of a library, as a layer."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import rasterio
from mtmsd.cli.main import main
from mtmsd.libraries.angle import spectral_angle
from small_files import write_raster

BANDS = [450.0, 550.0, 650.0, 850.0]
SOIL, GRASS = (0.1, 0.2, 0.3, 0.4), (0.3, 0.5, 0.2, 0.9)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    data = np.random.default_rng(3).uniform(0.05, 0.9, (4, 6, 5)).astype(np.float32)
    data[:, 1, 2] = np.array(SOIL) * 0.3  # in the shade
    data[:, 4, 4] = -1
    return write_raster(tmp_path / "scene.tif", data, wavelengths=BANDS, nodata=-1)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    path = tmp_path / "lib.csv"
    rows = zip(BANDS, SOIL, GRASS, strict=True)
    path.write_text(
        "nm,soil,wet grass\n" + "".join(f"{w},{s * 100},{g * 100}\n" for w, s, g in rows)
    )
    return path


def test_angles_are_those_of_the_formula_whatever_the_units_and_the_brightness(
    scene: Path, library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "angles.tif"
    assert main(["angle", str(scene), str(library), "-o", str(output)]) == 0
    with rasterio.open(output) as file, rasterio.open(scene) as given:
        assert file.descriptions == ("soil", "wet grass")
        assert (file.crs, file.transform) == (given.crs, given.transform)
        found, pixels = file.read(), given.read().astype(float)
    assert np.isnan(found[:, 4, 4]).all()
    assert np.isnan(found).sum() == 2
    assert found[0, 1, 2] == pytest.approx(0, abs=1e-3)
    for band, spectrum in enumerate((SOIL, GRASS)):
        x = pixels[:, 0, 3]
        cosine = sum(a * b for a, b in zip(x, spectrum, strict=True))
        cosine /= math.hypot(*x) * math.hypot(*spectrum)
        assert found[band, 0, 3] == pytest.approx(math.acos(cosine), abs=1e-5)
    said = capsys.readouterr().out
    assert "wet grass" in said


def test_one_spectrum_is_chosen_by_name_and_a_name_that_is_not_there_is_refused(
    scene: Path, library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "one.tif"
    line = ["angle", str(scene), str(library), "-o", str(output)]
    assert main([*line, "--spectrum", "wet gras"]) == 1
    assert "'lib.csv' has no spectrum 'wet gras'." in (said := capsys.readouterr().err)
    assert "'soil', 'wet grass'" in said
    assert not output.exists()
    assert main([*line, "--spectrum", "wet grass"]) == 0
    with rasterio.open(output) as file:
        assert file.descriptions == ("wet grass",)


def test_bands_that_a_spectrum_does_not_cover_do_not_count_and_darkness_has_no_angle() -> None:
    pixels = np.array([[1.0, 0, 2], [1, 0, 0], [7, 0, 0]])
    found = spectral_angle(pixels, np.array([1.0, 1, np.nan]))
    np.testing.assert_allclose(found, [0, np.nan, np.pi / 4], atol=1e-7)
