"""Wavelengths, widths and bad-band lists, from wherever files keep them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from mtmsd.errors import InputError
from mtmsd.scene.raster import Scene
from small_files import cube, write_raster

NANOMETRES = [450.0, 550.0, 650.0, 850.0, 1400.0, 2200.0]


def wavelengths_of(path: Path, **options: str) -> list[float]:
    with Scene.open(path, **options) as scene:
        return scene.wavelengths.tolist()


@pytest.mark.parametrize(
    ("units", "factor"),
    [("Nanometers", 1), ("nm", 1), ("Micrometers", 1e-3), ("µm", 1e-3), ("Angstroms", 10)],
)
def test_units_become_nanometres(tmp_path: Path, units: str, factor: float) -> None:
    given = [w * factor for w in NANOMETRES]
    path = write_raster(tmp_path / "s.tif", cube(), wavelengths=given, units=units)
    assert wavelengths_of(path) == pytest.approx(NANOMETRES)


def test_wavenumbers_become_nanometres(tmp_path: Path) -> None:
    given = [1e7 / w for w in NANOMETRES]
    path = write_raster(tmp_path / "s.tif", cube(), wavelengths=given, units="cm-1")
    assert wavelengths_of(path) == pytest.approx(NANOMETRES)


@pytest.mark.parametrize(("factor", "word"), [(1, "nanometres"), (1e-3, "micrometres")])
def test_a_missing_unit_is_guessed_and_said(tmp_path: Path, factor: float, word: str) -> None:
    tags = [{"wavelength": str(w * factor)} for w in NANOMETRES]
    path = write_raster(tmp_path / "s.tif", cube(), tags=tags)
    with Scene.open(path) as scene:
        assert scene.wavelengths.tolist() == pytest.approx(NANOMETRES)
        assert scene.warnings == (
            f"The file does not say the unit of its wavelengths; taken as {word}.",
        )


@pytest.mark.parametrize(
    "template",
    ["band {i} ({nm} Nanometers)", "{um} µm", "B{i} ({nm})", "{nm:.2f}", "Reflectance {nm} nm"],
)
def test_band_descriptions_tell_wavelengths(tmp_path: Path, template: str) -> None:
    texts = [template.format(i=i, nm=w, um=w / 1e3) for i, w in enumerate(NANOMETRES, 1)]
    path = write_raster(tmp_path / "s.tif", cube(), descriptions=texts)
    assert wavelengths_of(path) == pytest.approx(NANOMETRES)


def test_band_numbers_are_not_taken_for_wavelengths(tmp_path: Path) -> None:
    names = [f"Band {i}" for i in range(1, 7)]
    path = write_raster(tmp_path / "s.tif", cube(), descriptions=names)
    assert np.isnan(wavelengths_of(path)).all()


def test_the_imagery_domain_is_read(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "s.tif", cube())
    with rasterio.open(path, "r+") as dataset:
        for i, w in enumerate(NANOMETRES, 1):
            dataset.update_tags(i, ns="IMAGERY", CENTRAL_WAVELENGTH_UM=str(w / 1e3), FWHM_UM="0.01")
    with Scene.open(path) as scene:
        assert scene.wavelengths.tolist() == pytest.approx(NANOMETRES)
        assert [band.fwhm for band in scene.bands] == [10.0] * 6


def write_envi(path: Path, lines: str) -> Path:
    write_raster(path, cube(), driver="ENVI")
    header = path.with_suffix(".hdr")
    header.write_text(header.read_text() + lines)
    return path


def test_the_envi_header_is_read(tmp_path: Path) -> None:
    path = write_envi(
        tmp_path / "s.bsq",
        "wavelength units = Micrometers\n"
        "wavelength = {0.45, 0.55, 0.65,\n 0.85, 1.4, 2.2}\n"
        "fwhm = {0.01, 0.01, 0.01, 0.012, 0.02, 0.02}\n"
        "bbl = {1, 1, 1, 1, 0, 1}\n",
    )
    with Scene.open(path) as scene:
        assert scene.used == (1, 2, 3, 4, 6)
        assert scene.wavelengths.tolist() == pytest.approx([450, 550, 650, 850, 2200])
        assert [band.fwhm for band in scene.bands] == [10, 10, 10, 12, 20, 20]
        assert scene.bands[4].reason == "marked bad in the file (bbl)"


def test_a_bad_band_list_that_names_every_band_is_ignored_and_said(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "s.tif", cube(), tags=[{"bbl": "0"}] * 6)
    with Scene.open(path) as scene:
        assert len(scene.used) == 6
        assert "names every band" in scene.warnings[0]


def test_a_constant_and_an_empty_band_are_left_out_with_the_reason(tmp_path: Path) -> None:
    data = cube()
    data[1] = 77
    data[3] = -9999
    path = write_raster(tmp_path / "s.tif", data, nodata=-9999)
    with Scene.open(path) as scene:
        assert scene.used == (1, 3, 5, 6)
        assert scene.bands[1].reason == "constant (77 everywhere)"
        assert scene.bands[3].reason == "no data at all"
        assert scene.read(0, 0, 12, 15)[1].all()


def test_a_band_that_is_mostly_empty_does_not_take_the_scene_with_it(tmp_path: Path) -> None:
    data = cube()
    data[2, :, 3:] = -9999
    path = write_raster(tmp_path / "s.tif", data, nodata=-9999)
    with Scene.open(path) as scene:
        assert scene.bands[2].reason == "no data in 80% of the pixels"
        assert scene.read(0, 0, 12, 15)[1].all()


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("1-2,6", (3, 4, 5)),
        (" 2 ; 4-5", (1, 3, 6)),
        ("1340-1460nm", (1, 2, 3, 4, 6)),
        ("0.5 - 0.7 um", (1, 4, 5, 6)),
        ("water", (1, 2, 3, 4, 6)),
        ("water, 1", (2, 3, 4, 6)),
        ("", (1, 2, 3, 4, 5, 6)),
    ],
)
def test_the_users_own_list_is_left_out(raster: Path, text: str, used: tuple[int, ...]) -> None:
    with Scene.open(raster, exclude=text) as scene:
        assert scene.used == used
        left_out = {band.reason for band in scene.bands if not band.used}
        assert left_out <= {"left out by the user"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("7", "Band 7 cannot be left out: 'scene.tif' has the bands 1 to 6"),
        ("0-2", "Band 0 cannot be left out"),
        ("red", "'red' is not a band, a range of bands or a range of wavelengths"),
        ("1.5-2", "'1.5-2' is not a band"),
        ("3-4ft", "'ft' is not a unit of wavelength"),
        ("1-5", r"'scene.tif' has 1 of 6 bands left to use: 5 left out by the user"),
    ],
)
def test_a_list_that_cannot_be_followed_is_refused(raster: Path, text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence.replace("(", r"\(")):
        Scene.open(raster, exclude=text)


def test_wavelength_ranges_need_wavelengths(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "s.tif", cube())
    with pytest.raises(InputError, match=r"'s\.tif' has no wavelengths, so bands cannot"):
        Scene.open(path, exclude="water")


def test_a_range_without_bands_is_said(raster: Path) -> None:
    with Scene.open(raster, exclude="900-950nm") as scene:
        assert scene.warnings == ("No band of 'scene.tif' lies in 900-950nm.",)
