"""Spectral libraries of others, written here by hand to the descriptions of their formats."""

from __future__ import annotations

import csv
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from mtmsd.cli.main import main
from mtmsd.errors import InputError
from mtmsd.libraries.match import match_library
from mtmsd.libraries.read import read_library
from mtmsd.scene.raster import Scene
from small_files import write_raster

BANDS = [450.0, 550.0, 650.0, 850.0, 1600.0, 2200.0]


def scene_of(folder: Path, high: float, dtype: str = "float32", bands: list[float] = BANDS) -> Path:
    """Write a scene whose mean goes up to ``high``."""
    rng = np.random.default_rng(0)
    data = np.linspace(0.2, 1, len(bands))[:, None, None] * high * rng.uniform(0.9, 1, (1, 8, 9))
    return write_raster(folder / "scene.tif", data.astype(dtype), wavelengths=bands)


def sli(
    folder: Path, values: np.ndarray, *, number: int = 4, order: int = 0, offset: int = 0,
    waves: str = "wavelength units = Micrometers\nwavelength = { 0.40, 0.50,\n 0.60, 2.40 }",
    names: str = "spectra names = { soil, dry,\n grass }", more: str = "",
) -> Path:  # fmt: skip
    kinds = {1: "u1", 2: "i2", 3: "i4", 4: "f4", 5: "f8", 12: "u2", 13: "u4", 14: "i8", 15: "u8"}
    dtype = ("<", ">")[order] + kinds[number]
    path = folder / "lib.sli"
    path.write_bytes(b"x" * offset + values.astype(dtype).tobytes())
    (folder / "lib.hdr").write_text(
        f"ENVI\ndescription = {{\n made by hand}}\nsamples = {values.shape[1]}\n"
        f"lines   = {values.shape[0]}\nbands   = 1\nheader offset = {offset}\n"
        f"file type = ENVI Spectral Library\ndata type = {number}\ninterleave = bsq\n"
        f"byte order = {order}\n{waves}\n{names}\n{more}\n"
    )
    return path


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 12, 13, 14, 15])
@pytest.mark.parametrize("order", [0, 1])
def test_an_envi_library_of_any_number_and_byte_order_is_read(tmp_path, number, order):
    values = np.array([[1, 2, 3, 100], [5, 6, 7, 8], [9, 10, 11, 12]])
    path = sli(tmp_path, values, number=number, order=order, offset=7)
    for chosen in (path, path.with_suffix(".hdr")):
        library = read_library(chosen)
        assert [s.name for s in library.spectra] == ["soil", "dry", "grass"]
        assert library.spectra[0].wavelengths.tolist() == [400, 500, 600, 2400]
        assert [s.values.tolist() for s in library.spectra] == values.tolist()


def test_a_scale_factor_and_deleted_channels_of_an_envi_library_count(tmp_path):
    values = np.array([[100, -1.23e34, 300, 400], [-9, 20, 30, 40.0]])
    path = sli(
        tmp_path, values, names="spectra names = {a}",
        more="reflectance scale factor = 10000.0\ndata ignore value = -9",
    )  # fmt: skip
    library = read_library(path)
    assert library.full == 10_000
    assert [s.values.tolist() for s in library.spectra] == [[100, 300, 400], [20, 30, 40]]
    assert [s.name for s in library.spectra] == ["spectrum 1", "spectrum 2"]
    assert "lists 1 names for 2 spectra" in library.notes[0]


COLUMNS = "Wavelength (nm);soil;wet grass\n450;0,1;0,3\n550;0,2;\n2200;0,4;0,6\n"
ROWS = 'name,class,450.0 nm,550.0 nm,2200.0 nm\nsoil,s,0.1,0.2,0.4\n"wet, grass",g,0.3,NaN,0.6\n'
BARE = "# made by hand\n0.45 0.1 0.3\n0.55 0.2 nan\n2.2 0.4 0.6\n"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (COLUMNS, ["soil", "wet grass"]),
        (ROWS, ["soil", "wet, grass"]),
        (BARE, ["spectrum 1", "spectrum 2"]),
        (ROWS.replace(",", "\t"), ["soil", "wet\t grass"]),
    ],
)
def test_a_table_lies_by_columns_or_by_rows(tmp_path, text, names):
    (tmp_path / "t.csv").write_text("\ufeff" * (text is COLUMNS) + text, encoding="utf-8")
    first, second = read_library(tmp_path / "t.csv").spectra
    assert [first.name, second.name] == names
    assert first.wavelengths.tolist() == [450, 550, 2200]
    assert first.values.tolist() == [0.1, 0.2, 0.4]
    assert (second.wavelengths.tolist(), second.values.tolist()) == ([450, 2200], [0.3, 0.6])


def test_the_plugins_own_export_comes_back_without_its_deviations(tmp_path):
    path = scene_of(tmp_path, 4000, "int16", [*BANDS[:2], 560.0, *BANDS[2:]])
    rows = [f"{i},{w:g},{100 + i},7,{300 + i}" for i, w in ((1, 450.0), (2, 550.0), (7, 2200.0))]
    title = "band,wavelength_nm,low,low (standard deviation),pin 1"
    (tmp_path / "own.csv").write_text("\n".join([title, *rows]))
    with Scene.open(path) as scene:
        found = match_library(read_library(tmp_path / "own.csv"), scene)
    assert found.names == ("low", "pin 1")
    assert found.values[:, [0, 1, 6]].tolist() == [[101, 102, 107], [301, 302, 307]]
    assert "1 standard deviations are no spectra" in found.notes[0]
    assert "were taken as they are" in found.notes[1]


def usgs(folder: Path) -> Path:
    lines = ["  0.1", "  0.2", " -1.23e34", "  0.4"]
    title = " splib07a Record=7: Quartz GDS74 Sand ASDFRa AREF"
    path = folder / "splib07a_Quartz_ASDFRa_AREF.txt"
    path.write_text("\n".join([title, *lines]) + "\n")
    return path


def usgs_waves(folder: Path, name: str, *values: float) -> None:
    title = " splib07a Record=1: Wavelengths ASD 0.35-2.5 microns"
    text = "\n".join([title, *(f" {value}" for value in values)])
    (folder / f"splib07a_Wavelengths_{name}.txt").write_text(text)


def test_a_usgs_text_finds_its_wavelengths_beside_it_or_a_folder_higher(tmp_path):
    chapter = tmp_path / "ChapterM"
    chapter.mkdir()
    path = usgs(chapter)
    with pytest.raises(InputError, match="no wavelengths: none of the files"):
        read_library(path)
    usgs_waves(tmp_path, "BECK", 0.3, 0.5, 0.6, 0.7)
    usgs_waves(tmp_path, "NIC4", 1, 2)
    usgs_waves(tmp_path, "ASD", 0.35, 0.45, 0.55, 2.2)
    library = read_library(path)
    (spectrum,) = library.spectra
    assert (library.full, spectrum.name) == (1, "Quartz GDS74 Sand ASDFRa AREF")
    assert spectrum.wavelengths.tolist() == [350, 450, 2200]
    assert spectrum.values.tolist() == [0.1, 0.2, 0.4]


def test_a_usgs_text_with_two_sets_of_wavelengths_is_refused(tmp_path):
    path = usgs(tmp_path)
    usgs_waves(tmp_path, "first_4_ch", 0.3, 0.5, 0.6, 0.7)
    usgs_waves(tmp_path, "second_4_ch", 0.35, 0.45, 0.55, 2.2)
    with pytest.raises(InputError, match="Several files of wavelengths have the 4 channels"):
        read_library(path)


ECOSTRESS = """Name: Grass, green
Type: vegetation
Wavelength Range: All
Description: a: with a colon, 12 34
X Units: Wavelength (micrometers)
Y Units: {}
First X Value: 0.45
Number of X Values: 3

  2.2000\t  40.0
  0.5500\t  20.0
  0.4500\t  10.0
"""


def test_an_ecostress_text_may_fall_and_is_in_percent(tmp_path):
    path = tmp_path / "vegetation.grass.spectrum.txt"
    path.write_bytes(ECOSTRESS.format("Reflectance (percent)").encode() + b"\xb0")
    library = read_library(path)
    (spectrum,) = library.spectra
    assert (library.full, spectrum.name) == (100, "Grass, green")
    assert spectrum.wavelengths.tolist() == [450, 550, 2200]
    assert spectrum.values.tolist() == [10, 20, 40]
    path.write_text(ECOSTRESS.format("Transmittance (percent)"))
    with pytest.raises(InputError, match=r"holds Transmittance \(percent\), not reflectance"):
        read_library(path)


def asd(
    path: Path, *, version: bytes = b"as7", kind: int = 0, form: int = 2, flag: int = -1,
    values: tuple[float, ...] = (10, 20, 40), reference: tuple[float, ...] = (100, 100, 80),
) -> Path:  # fmt: skip
    """Write header, spectrum, reference header and reference by ASD's description."""
    letter = "fid"[form]
    header = bytearray(484)
    header[:3] = version
    header[186], header[199] = kind, form
    struct.pack_into("<ff", header, 191, 450.0, 100.0)
    struct.pack_into("<H", header, 204, len(values))
    remark = b"white"
    behind = struct.pack("<hddH", flag, 1.0, 2.0, len(remark)) + remark
    numbers = [struct.pack(f"<{len(v)}{letter}", *v) for v in (values, reference)]
    path.write_bytes(bytes(header) + numbers[0] + behind + numbers[1])
    return path


@pytest.mark.parametrize("form", [0, 1, 2])
def test_an_asd_file_gives_the_ratio_to_its_reference(tmp_path, form):
    whole = {} if form != 1 else {"values": (10, 20, 40), "reference": (100, 100, 80)}
    library = read_library(asd(tmp_path / "field.asd", form=form, **whole))
    (spectrum,) = library.spectra
    assert (library.full, spectrum.name) == (1, "field")
    assert spectrum.wavelengths.tolist() == [450, 550, 650]
    assert np.allclose(spectrum.values, [0.1, 0.2, 0.5])


def test_an_asd_file_of_reflectance_is_taken_as_it_is(tmp_path):
    path = asd(tmp_path / "f.asd", version=b"ASD", kind=1, values=(0.1, 0.2, 0.5))
    assert np.allclose(read_library(path).spectra[0].values, [0.1, 0.2, 0.5])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"kind": 2}, "holds radiance, not reflectance"),
        ({"flag": 0}, "holds raw counts without a white reference"),
        ({"version": b"ASD"}, "holds raw counts without a white reference"),
    ],
)
def test_an_asd_file_without_reflectance_is_refused(tmp_path, options, sentence):
    with pytest.raises(InputError, match=sentence):
        read_library(asd(tmp_path / "f.asd", **options))


def cut(path: Path, share: float) -> Path:
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    return path


def test_what_is_no_library_is_refused_by_its_name(tmp_path):
    values = np.ones((3, 4))
    bare = tmp_path / "bare"
    bare.mkdir()
    for path, sentence in (
        (cut(asd(tmp_path / "cut.asd"), 0.5), r"'cut.asd' is cut"),
        (cut(sli(tmp_path, values), 0.9), r"'lib.sli' is cut"),
        (sli(bare, values, waves=""), r"'lib.sli' has no wavelengths"),
        (tmp_path / "none.csv", "There is no"),
        (write_raster(tmp_path / "r.tif", values[None]), "'r.tif' is no spectral library"),
    ):
        with pytest.raises(InputError, match=sentence):
            read_library(path)
    for name, text, sentence in (
        ("a.csv", "band,wavelength_nm,a\n1,,2\n2,,3\n", "'a.csv' has no wavelengths"),
        ("b.csv", "name,a,b\nx,1,2\n", "'b.csv' has no wavelengths"),
        ("c.csv", "wavelength_nm,a\n450,x\n550,2\n", "Line 2 of 'c.csv' has 'x'"),
        ("d.csv", "", "'d.csv' is no table of spectra"),
        ("e.csv", "wavelength_nm,a\n450,\n550,\n", "No spectrum of 'e.csv' has values"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=sentence):
            read_library(tmp_path / name)


def fine(folder: Path, full: float, start: int = 400, end: int = 2500) -> Path:
    """Write a library of 1 nm: a straight line that is 0.1 at 400 nm and 0.52 at 2500 nm."""
    waves = range(start, end + 1)
    rows = [f"{w},{full * (0.1 + 0.0002 * (w - 400)):.9g}" for w in waves]
    (folder / "fine.csv").write_text("wavelength_nm,line\n" + "\n".join(rows))
    return folder / "fine.csv"


@pytest.mark.parametrize("full", [1, 100, 10_000])
@pytest.mark.parametrize(("high", "here"), [(0.5, 1), (50, 100), (4000, 10_000)])
def test_every_scale_meets_every_scale_and_is_said(tmp_path, full, high, here):
    path = scene_of(tmp_path, high)
    with Scene.open(path) as scene:
        found = match_library(read_library(fine(tmp_path, full)), scene)
    expected = here * (0.1 + 0.0002 * (np.array(BANDS) - 400))
    assert np.allclose(found.values[0], expected, rtol=1e-4)
    words = {1: "0 to 1", 100: "percent", 10_000: "reflectance × 10,000"}
    assert f"'fine.csv' was taken as {words[full]}, for its values go up to" in found.notes[0]
    assert f"as {words[here]}, for its mean goes up to" in found.notes[0]
    assert f"multiplied by {here / full:g}" in found.notes[0]


def test_a_factor_that_is_given_is_taken(tmp_path):
    with Scene.open(scene_of(tmp_path, 4000)) as scene:
        found = match_library(read_library(fine(tmp_path, 1)), scene, 3)
        assert found.values[0, 0] == pytest.approx(0.33)
        with pytest.raises(InputError, match="factor of the library cannot be -1"):
            match_library(read_library(fine(tmp_path, 1)), scene, -1)


def test_values_that_are_no_reflectance_are_refused(tmp_path):
    for high, full, sentence in (
        (60_000, 1, "mean of 'scene' goes up to"),
        (0.5, 500_000, r"values of 'fine\.csv' go up to 260000"),
    ):
        with (
            Scene.open(scene_of(tmp_path, high)) as scene,
            pytest.raises(InputError, match=sentence),
        ):
            match_library(read_library(fine(tmp_path, full)), scene)


def test_a_narrow_line_is_as_wide_as_the_scenes_band(tmp_path):
    tags = [{"wavelength": str(w), "wavelength_units": "nm", "fwhm": "20"} for w in BANDS]
    data = np.full((6, 4, 4), 0.5, "float32") * np.linspace(0.5, 1, 6)[:, None, None]
    path = write_raster(tmp_path / "s.tif", data + np.eye(4, dtype="float32") / 10, tags=tags)
    values = np.where(np.arange(400, 2501) == 555, 1.0, 0.0)  # 5 nm beside the band at 550
    rows = [f"{400 + i},{value}" for i, value in enumerate(values)]
    (tmp_path / "l.csv").write_text("wavelength_nm,a\n" + "\n".join(rows))
    with Scene.open(path) as scene:
        found = match_library(read_library(tmp_path / "l.csv"), scene)
    kernel = np.exp(-4 * np.log(2) * (np.arange(-20, 21) / 20.0) ** 2)
    assert found.values[0, 1] == pytest.approx(kernel[25] / kernel.sum(), rel=1e-4)
    assert (found.values[0, [0, 2]] == 0).all()


def test_bands_that_the_library_does_not_cover_are_said(tmp_path):
    with Scene.open(scene_of(tmp_path, 0.5)) as scene:
        found = match_library(read_library(fine(tmp_path, 1, 500, 1000)), scene)
        assert np.isnan(found.values[0, [0, 4, 5]]).all()
        assert np.isfinite(found.values[0, 1:4]).all()
        said = "does not cover 3 of the 6 bands of 'scene': 450-450nm, 1600-2200nm."
        assert said in found.notes[-1]
        with pytest.raises(InputError, match=r"'fine.csv' \(3000–3100 nm\) and 'scene' \(450–2200"):
            match_library(read_library(fine(tmp_path, 1, 3000, 3100)), scene)


def test_negative_reflectance_is_said(tmp_path):
    (tmp_path / "n.csv").write_text("wavelength_nm,a,b\n450,-0.25,1\n550,0.1,1\n")
    with Scene.open(scene_of(tmp_path, 0.5)) as scene:
        found = match_library(read_library(tmp_path / "n.csv"), scene)
    assert "1 of 2 spectra of 'n.csv' have negative values, down to -0.25 in 'a'" in found.notes[1]


def test_a_scene_without_wavelengths_is_refused(tmp_path):
    path = write_raster(tmp_path / "s.tif", np.random.default_rng(0).uniform(0, 1, (3, 5, 5)))
    with Scene.open(path) as scene, pytest.raises(InputError, match="bands without a wavelength"):
        match_library(read_library(fine(tmp_path, 1)), scene)


def test_the_command_writes_a_table_that_comes_back(tmp_path, capfd):
    scene, out = scene_of(tmp_path, 4000, "int16"), tmp_path / "out.csv"
    words = ["library", scene, fine(tmp_path, 100, 500, 1800), "-o", out, "--json"]
    assert main([str(word) for word in words]) == 0
    told = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    results = told[-1]["results"]
    (spectrum,) = results["spectra"]
    assert results["bands"] == [1, 2, 3, 4, 5, 6]
    assert spectrum["name"] == "line"
    assert spectrum["values"][0] is spectrum["values"][5] is None
    assert spectrum["values"][1] == pytest.approx(1300, rel=1e-4)
    warned = [m["message"] for m in told if m["type"] == "warning"]
    assert any("was taken as percent" in sentence for sentence in warned)
    rows = list(csv.reader(out.open()))
    assert rows[0] == ["band", "wavelength_nm", "line"]
    assert rows[1] == ["1", "450", ""]
    with Scene.open(scene) as opened:
        again = match_library(read_library(out), opened)
    assert np.allclose(again.values[0, 1:5], spectrum["values"][1:5], rtol=1e-6)
