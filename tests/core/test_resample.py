"""A model's bands on another scene: the same, resampled, or refused with the reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mtmsd.errors import InputError
from mtmsd.scene.raster import Scene
from mtmsd.scene.resample import band_weights, match_bands
from small_files import cube, write_raster

MODEL = [500.0, 510.0, 520.0, 530.0, 540.0]


def spectra(wavelengths: list[float], scale: float = 1.0, dtype: str = "float32") -> np.ndarray:
    """Pixels whose spectra are straight lines over wavelength, so that resampling is exact."""
    rng = np.random.default_rng(1)
    level, slope = rng.uniform(1, 2, (2, 8, 9))
    lines = level + slope * ((np.array(wavelengths) - 400) / 100)[:, None, None]
    return (lines * scale * 1000).astype(dtype)


def write(path: Path, wavelengths: list[float], **options: float) -> Path:
    return write_raster(path, spectra(wavelengths, **options), wavelengths=wavelengths)


def test_the_same_bands_are_read_as_they_are(tmp_path: Path) -> None:
    path = write(tmp_path / "s.tif", MODEL)
    with Scene.open(path) as scene:
        matched = match_bands(scene, [1, 3, 5], [500, 520, 540])
        assert matched.used == (1, 3, 5)
        assert matched.warnings == ()
        assert np.array_equal(matched.read(0, 0, 8, 9)[0], spectra([500, 520, 540]))
        assert [band.reason for band in matched.bands if not band.used] == ["not in the model"] * 2


def test_bands_in_another_order_and_number_are_found_by_wavelength(tmp_path: Path) -> None:
    own = [400.0, 540.2, 500.1, 530.0, 510.0, 900.0, 519.8]
    path = write(tmp_path / "s.tif", own)
    with Scene.open(path) as scene:
        matched = match_bands(scene, [1, 2, 3, 4, 5], MODEL)
        assert matched.used == (3, 5, 7, 4, 2)
        assert matched.warnings == ()


def test_a_band_that_the_model_needs_is_read_though_it_is_constant_here(tmp_path: Path) -> None:
    data = spectra(MODEL)
    data[2] = 5
    path = write_raster(tmp_path / "s.tif", data, wavelengths=MODEL)
    with Scene.open(path) as scene:
        assert scene.used == (1, 2, 4, 5)
        assert match_bands(scene, [1, 2, 3, 4, 5], MODEL).used == (1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    "own",
    [
        [498.0, 509.0, 517.0, 528.0, 537.0, 549.0],  # another sampling of the same spectrum
        [481.2 + 2.5 * i for i in range(40)],  # a sensor that samples four times finer
        [495.0, 520.0, 545.0],  # coarser, but within reach
    ],
)
def test_another_sampling_is_resampled_and_said(tmp_path: Path, own: list[float]) -> None:
    path = write(tmp_path / "s.tif", own)
    with Scene.open(path) as scene:
        matched = match_bands(scene, [1, 2, 3, 4, 5], MODEL)
        values, valid = matched.read(-1, 0, 9, 9)
        assert matched.wavelengths.tolist() == MODEL
        assert len(matched.used) == 5
    assert matched.warnings == (
        "The bands of 's' were resampled to the 5 wavelengths that the model was made for.",
    )
    assert not valid[0].any()
    assert valid[1:].all()
    assert np.allclose(values[:, 1:], spectra(MODEL), rtol=2e-3)


def test_a_resampled_pixel_is_out_when_a_band_it_needs_is_out(tmp_path: Path) -> None:
    own = [400.0, 498.0, 509.0, 517.0, 528.0, 537.0, 549.0]
    data = spectra(own)
    data[0, 1, 1] = np.nan  # not needed
    data[3, 2, 2] = np.nan
    path = write_raster(tmp_path / "s.tif", data, wavelengths=own)
    with Scene.open(path) as scene:
        _, valid = match_bands(scene, [1, 2, 3, 4, 5], MODEL).read(0, 0, 8, 9)
    assert np.argwhere(~valid).tolist() == [[2, 2]]


def test_a_scene_that_ends_too_early_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = write(tmp_path / "vnir.tif", [470.0, 480.0, 490.0, 500.0, 510.0])
    with Scene.open(path) as scene, pytest.raises(InputError) as error:
        match_bands(scene, [1, 2, 3, 4, 5], MODEL)
    assert error.value.message == (
        "'vnir' (470–510 nm) lacks 3 of the 5 bands that the model was made for, the first at "
        "520 nm."
    )


def test_a_gap_is_not_bridged(tmp_path: Path) -> None:
    path = write(tmp_path / "gap.tif", [500.0, 510.0, 570.0, 580.0])
    with Scene.open(path) as scene, pytest.raises(InputError, match="lacks 2 of the 4 bands"):
        match_bands(scene, [1, 2, 3, 4], [500, 510, 540, 550])


def test_without_wavelengths_the_number_of_bands_decides(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "plain.tif", cube())
    with Scene.open(path) as scene:
        assert match_bands(scene, [2, 3], [None, None], count=6).used == (2, 3)
        for bands, count in (([2, 3], 7), ([2, 9], None)):
            with pytest.raises(InputError, match="'plain' has 6 bands and the model was made for"):
                match_bands(scene, bands, [None, None], count=count)


def test_a_needed_band_without_data_is_named(tmp_path: Path) -> None:
    data = cube()
    data[2] = -1
    path = write_raster(tmp_path / "s.tif", data, nodata=-1)
    with Scene.open(path) as scene, pytest.raises(InputError, match="Band 3 of 's' has no data"):
        match_bands(scene, [2, 3], [None, None], count=6)


@pytest.mark.parametrize(("scale", "word"), [(1e-4, "smaller"), (100.0, "larger")])
def test_a_scene_in_another_unit_is_refused(tmp_path: Path, scale: float, word: str) -> None:
    path = write(tmp_path / "s.tif", MODEL, scale=scale)
    mean = spectra(MODEL).mean(axis=(1, 2))
    with Scene.open(path) as scene, pytest.raises(InputError, match=f"times {word} than those"):
        match_bands(scene, [1, 2, 3, 4, 5], MODEL, mean=mean)


def test_a_brighter_day_is_not_another_unit(tmp_path: Path) -> None:
    path = write(tmp_path / "s.tif", MODEL, scale=4)
    with Scene.open(path) as scene:
        assert match_bands(scene, range(1, 6), MODEL, mean=spectra(MODEL).mean(axis=(1, 2)))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(400, 2500), min_size=2, max_size=60, unique=True),
    st.lists(st.floats(400, 2500), min_size=1, max_size=40, unique=True),
)
def test_weights_are_averages_of_bands_near_by(source: list[float], target: list[float]) -> None:
    weights, reached = band_weights(np.array(source), np.array(target))
    assert np.allclose(weights.sum(axis=1), 1)
    assert (weights >= 0).all()
    centre = weights @ np.array(source)
    inside = reached & (np.array(target) >= min(source)) & (np.array(target) <= max(source))
    spread = np.ptp(target) + 50
    assert (np.abs(centre - target)[inside] <= spread).all()
    same, _ = band_weights(np.array(target), np.array(target))
    assert np.allclose(same @ np.array(target), target, atol=25)
