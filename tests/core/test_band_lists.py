"""What a file says of its bands is checked; nothing is corrected or dropped without a word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from mtmsd.errors import InputError
from mtmsd.scene.formats.envi import EnviSource
from mtmsd.scene.locate import open_source
from mtmsd.scene.raster import Scene
from small_files import cube, write_envi, write_raster

NM = np.array([450.0, 550.0, 650.0, 850.0, 1400.0, 2200.0])


def header(path: Path, extra: str, encoding: str = "utf-8") -> Path:
    """An ENVI image whose header ends with ``extra``."""
    write_envi(path, cube())
    text = path.with_suffix(".hdr").read_text() + extra
    path.with_suffix(".hdr").write_bytes(text.encode(encoding))
    return path


def listed(values: np.ndarray) -> str:
    return ", ".join(f"{v:.6g}" for v in values)


def seen(path: Path) -> tuple[list[float | None], str]:
    """Wavelengths, and all that is said."""
    with Scene.open(path) as scene:
        return [band.wavelength for band in scene.bands], " ".join(scene.warnings)


@pytest.mark.parametrize(
    ("unit", "values"),
    [
        ("Micrometers", NM), ("Nanometers", NM / 1e3), ("Angstrom", NM), ("Nanometers", NM * 10),
        ("Meters", NM), ("Wavenumber", NM), ("GHz", NM), ("Unknown", NM), ("Unknown", NM / 1e3),
        ("", NM), ("Index", NM), ("Parsec", NM / 1e3),
    ],
)  # fmt: skip
def test_a_unit_that_contradicts_the_numbers_or_is_none_is_corrected_and_said(
    tmp_path: Path, unit: str, values: np.ndarray
) -> None:
    text = f"wavelength units = {unit}\nwavelength = {{{listed(values)}}}\n"
    wavelengths, said = seen(header(tmp_path / "s.bsq", text))
    assert wavelengths == pytest.approx(NM.tolist())
    assert "taken as" in said


@pytest.mark.parametrize(
    ("unit", "values"),
    [
        ("GHz", 299_792_458 / NM), ("MHz", 299_792_458e3 / NM), ("THz", 299_792.458 / NM),
        ("Wavenumber (cm-1)", 1e7 / NM), ("Angstroms", NM * 10), ("mm", NM / 1e6), ("[nm]", NM),
    ],
)  # fmt: skip
def test_other_units_are_converted(tmp_path: Path, unit: str, values: np.ndarray) -> None:
    numbers = ", ".join(f"{v:.12g}" for v in values)
    text = f"wavelength units = {unit}\nwavelength = {{{numbers}}}\n"
    wavelengths, said = seen(header(tmp_path / "s.bsq", text))
    assert wavelengths == pytest.approx(NM.tolist(), rel=1e-5)
    assert said == ""


@pytest.mark.parametrize("unit", ["Index", "Unknown", "Micrometers"])
def test_numbers_that_count_bands_are_no_wavelengths(tmp_path: Path, unit: str) -> None:
    text = f"wavelength units = {unit}\nwavelength = {{1, 2, 3, 4, 5, 6}}\n"
    wavelengths, said = seen(header(tmp_path / "s.bsq", text))
    assert wavelengths == [None] * 6
    assert "lists band numbers (1 to 6) as wavelengths" in said


@pytest.mark.parametrize("length", [5, 7, 12])
@pytest.mark.parametrize("field", ["wavelength", "fwhm", "bbl"])
def test_a_list_of_another_length_is_not_used_and_both_numbers_are_said(
    tmp_path: Path, length: int, field: str
) -> None:
    lists = {"wavelength": listed(NM), "fwhm": listed(NM / 50), "bbl": "1, 1, 1, 1, 0, 1"}
    lists[field] = ", ".join(["1" if field == "bbl" else "500"] * length)
    text = "".join(f"{key} = {{{value}}}\n" for key, value in lists.items())
    with Scene.open(header(tmp_path / "s.bsq", text + "wavelength units = nm\n")) as scene:
        said = " ".join(scene.warnings)
        assert f"lists {length} " in said
        assert "for 6 bands" in said
        known = [band.wavelength for band in scene.bands]
        assert known == ([None] * 6 if field == "wavelength" else NM.tolist())
        assert (scene.bands[4].reason == "") == (field == "bbl")


@pytest.mark.parametrize(
    "text",
    [
        "{450,0; 550,0; 650,0; 850,0; 1400,0; 2200,0}",
        "{450,0, 550,0, 650,0, 850,0, 1400,0, 2200,0}",
        "{450 550 650 850 1400 2200}", "{450, 550, 650, 850, 1400, 2200, }",
        "{450 nm, 550 nm, 650 nm, 850 nm, 1400 nm, 2200 nm}",
    ],
)  # fmt: skip
def test_other_spellings_of_a_list_are_read(tmp_path: Path, text: str) -> None:
    path = header(tmp_path / "s.bsq", f"wavelength units = Nanometers\nwavelength = {text}\n")
    assert seen(path)[0] == NM.tolist()


@pytest.mark.parametrize("odd", ["nan", "-1", "0", "abc", "1e9"])
def test_one_band_without_a_wavelength_leaves_the_others_theirs(tmp_path: Path, odd: str) -> None:
    text = f"wavelength units = nm\nwavelength = {{450, 550, {odd}, 850, 1400, 2200}}\n"
    wavelengths, said = seen(header(tmp_path / "s.bsq", text))
    assert wavelengths == [450, 550, None, 850, 1400, 2200]
    assert "1 of 6 bands have no wavelength between 200 and 20,000 nm (the first is band 3)" in said


@pytest.mark.parametrize(
    ("encoding", "unit"),
    [
        ("latin-1", "µm"), ("gbk", "微米"), ("utf-16", "µm"), ("utf-16-le", "µm"),
        ("utf-8-sig", "µm"),
    ],
)  # fmt: skip
def test_headers_in_other_encodings(tmp_path: Path, encoding: str, unit: str) -> None:
    text = f"wavelength units = {unit}\r\nwavelength = {{{listed(NM / 1e3)}}}\r\n"
    path = header(tmp_path / "s.bsq", text, encoding)
    assert seen(path)[0] == pytest.approx(NM.tolist())
    with Scene.open(path) as scene:
        assert np.array_equal(scene.read(0, 0, 12, 15)[0], cube())
        assert scene.crs.to_epsg() == 32633


@pytest.mark.parametrize(
    "flags",
    ["1, 1, 1, 1, 0, 1, ", "True, True, True, True, False, True", "1.0, 1.0, 1.0, 1.0, 0.0, 1.0"],
)
@pytest.mark.parametrize("key", ["bbl", "bad_band_multiplier", "good_wavelengths"])
def test_bad_band_lists_in_other_spellings(tmp_path: Path, flags: str, key: str) -> None:
    text = f"wavelength units = nm\nwavelength = {{{listed(NM)}}}\n{key} = {{{flags}}}\n"
    with Scene.open(header(tmp_path / "s.bsq", text)) as scene:
        assert scene.used == (1, 2, 3, 4, 6)


def test_a_bad_band_list_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    path = header(tmp_path / "s.bsq", "bbl = {1, 1, 1, perhaps, 0, 1}\n")
    with Scene.open(path) as scene:
        assert len(scene.used) == 6
        assert "the entry 'perhaps', which is neither 1 nor 0" in scene.warnings[0]


def test_bad_band_tags_of_a_few_bands_leave_the_others_good(tmp_path: Path) -> None:
    tags = [{"bad_band_multiplier": "0"} if i == 2 else {} for i in range(6)]
    with Scene.open(write_raster(tmp_path / "s.tif", cube(), tags=tags)) as scene:
        assert scene.used == (1, 2, 4, 5, 6)


@pytest.mark.parametrize("key", ["wavelength", "WAVELENGTH", "wavelengths", "Center_Wavelength"])
def test_band_tags_in_other_spellings(tmp_path: Path, key: str) -> None:
    tags = [{key: f"{w:g} nm", "fwhm": "8"} for w in NM]
    assert seen(write_raster(tmp_path / "s.tif", cube(), tags=tags)) == (NM.tolist(), "")


@pytest.mark.parametrize(
    "template", ["Band_{nm:.0f}", "{nm:.0f}", "wl {um:.3f}", "{nm:.0f}_x", "{nm:.0f}nm_refl"]
)
def test_numbers_in_band_names_are_wavelengths_if_they_can_be(
    tmp_path: Path, template: str
) -> None:
    texts = [template.format(nm=w, um=w / 1e3) for w in NM]
    path = write_raster(tmp_path / "s.tif", cube(), descriptions=texts)
    wavelengths, said = seen(path)
    assert wavelengths == NM.tolist()
    assert "taken from the band names" in said or "nm_refl" in template


@pytest.mark.parametrize("start", [1, 205, 2015])
def test_numbers_in_band_names_that_count_or_date_are_not(tmp_path: Path, start: int) -> None:
    texts = [f"Band_{start + i}" for i in range(6)]
    assert seen(write_raster(tmp_path / "s.tif", cube(), descriptions=texts))[0] == [None] * 6


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.wvl", "450\n550\n650\n850\n1400\n2200\n"),
        ("s.txt", "1 0.45 0.01\n2 0.55 0.01\n3 0.65 0.01\n4 0.85 0.01\n5 1.4 0.01\n6 2.2 0.01\n"),
        ("s.csv", "band;wavelength (µm)\n1;0,45\n2;0,55\n3;0,65\n4;0,85\n5;1,4\n6;2,2\n"),
        ("s_wavelengths.txt", "450, 550, 650, 850, 1400, 2200"),
    ],
)
def test_a_text_beside_the_image_lists_its_wavelengths(
    tmp_path: Path, name: str, text: str
) -> None:
    path = write_raster(tmp_path / "s.tif", cube())
    (tmp_path / name).write_text(text, encoding="utf-8")
    wavelengths, said = seen(path)
    assert wavelengths == pytest.approx(NM.tolist())
    assert f"were taken from '{name}'" in said


def test_a_text_of_another_length_is_said_and_one_of_words_is_nothing(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "s.tif", cube())
    (tmp_path / "s.txt").write_text("450\n550\n")
    assert seen(path) == (
        [None] * 6, "'s.txt' lists 2 wavelengths for 6 bands; they were not used."
    )  # fmt: skip
    (tmp_path / "s.txt").write_text("Flown in June.\n")
    assert seen(path) == ([None] * 6, "")


@pytest.mark.parametrize("interleave", ["bsq", "bil"])
def test_bytes_between_the_lines_are_left_to_gdal(tmp_path: Path, interleave: str) -> None:
    path = write_envi(tmp_path / "s.img", cube(), interleave=interleave)
    axes = {"bsq": (0, 1, 2), "bil": (1, 0, 2)}[interleave]
    frames = cube().transpose(axes)
    path.write_bytes(b"".join(b"\xff" * 16 + f.tobytes() + b"\xff" * 8 for f in frames))
    text = path.with_suffix(".hdr").read_text() + "major frame offsets = {16, 8}\n"
    path.with_suffix(".hdr").write_text(text)
    with rasterio.open(path) as dataset, Scene.open(path) as scene:
        assert np.array_equal(scene.read(0, 0, 12, 15)[0], dataset.read())


def test_plain_bytes_are_read_without_gdal_and_alike(tmp_path: Path) -> None:
    for interleave in ("bsq", "bil", "bip"):
        path = write_envi(tmp_path / f"{interleave}.img", cube(), interleave=interleave)
        source, _ = open_source(str(path))
        assert isinstance(source, EnviSource)
        source.close()


def test_a_file_longer_than_its_header_says_is_said_and_a_shorter_one_refused(
    tmp_path: Path,
) -> None:
    path = write_envi(tmp_path / "s.bsq", cube())
    whole = path.read_bytes()
    path.write_bytes(whole + b"\0" * 90)
    assert "'s.bsq' is 90 bytes longer than its header says (6×12×15 values)" in seen(path)[1]
    path.write_bytes(whole[:-90])
    with pytest.raises(InputError, match=r"'s\.bsq' cannot be read to its end"):
        Scene.open(path)
