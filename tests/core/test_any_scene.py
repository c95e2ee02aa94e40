"""A classifier on any scene: other grids, gaps, number formats, bands, sizes, other sensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from mtmsd.cli.main import main
from running import end, leftovers, messages, start
from small_files import UTM, cube, write_raster

pytestmark = pytest.mark.slow

WAVELENGTHS = [450, 550, 650, 850, 1600, 2200]


def classify(trained: Path, scene: Path, output: Path, *options: str) -> int:
    """Map a scene in this process."""
    classifier = trained / "classifier.safetensors"
    line = ["classify", scene, "-o", output, "--classifier", classifier, *options]
    return main([str(word) for word in line])


@st.composite
def grids(draw: st.DrawFn) -> Affine:
    """Rotated, sheared, south-up and oblong pixels."""
    number = st.floats(0.1, 1000)
    a, e, c, f = (draw(number) for _ in range(4))
    turn = draw(st.sampled_from([0, 17, 90]))
    return Affine.translation(c, f) * Affine.rotation(turn) * Affine.scale(a, -e)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from(["uint8", "int16", "uint16", "int32", "float32", "float64"]),
    size=st.tuples(st.integers(1, 47), st.integers(1, 47)),
    gaps=st.sampled_from([0, 0.1, 0.9]),
    grid=grids(),
    crs=st.sampled_from([UTM, "EPSG:4326", None]),
    strange=st.sampled_from([np.nan, np.inf, -np.inf, 1e37]),
)
def test_any_raster_becomes_a_map_of_its_classes_on_its_grid(
    trained: Path, tmp_path_factory: pytest.TempPathFactory,
    seed: int, dtype: str, size: tuple[int, int], gaps: float, grid: Affine, crs: str | None,
    strange: float,
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("any")
    data = cube(6, *size, dtype=dtype, seed=seed)
    if dtype == "uint8":
        data = np.maximum(data, 10) * 2  # no other unit than the model's
    rng = np.random.default_rng(seed)
    empty = rng.random(size) < gaps
    empty[rng.integers(size[0]), rng.integers(size[1])] = False
    lacking = rng.integers(6, size=size) if gaps < 0.5 else slice(None)  # a band that lacks more
    gone = np.zeros(data.shape, bool)  # than half of its pixels would be left out
    gone[(lacking, *np.indices(size))] = True
    data[gone & empty] = strange if data.dtype.kind == "f" else 0
    scene = write_raster(
        folder / "scene.tif", data, wavelengths=WAVELENGTHS, nodata=0, transform=grid, crs=crs
    )
    output = folder / "map.tif"
    status = classify(trained, scene, output)
    with rasterio.open(scene) as expected, rasterio.open(output) as mapped:
        values = mapped.read(1)
        assert status == 0
        assert mapped.transform == expected.transform
        assert (mapped.crs, mapped.shape) == (expected.crs, expected.shape)
    assert set(np.unique(values)) <= {0, 1, 2}
    assert np.array_equal(values == 0, empty)


def scene_at(path: Path, wavelengths: list[float], **options: Any) -> Path:
    """Write two fields, each pixel's spectrum a straight line, sampled at these wavelengths."""
    spectrum = np.array(wavelengths)[:, None, None] / 4
    side = np.where(np.arange(48) < 24, 1.0, 1.6)[None, None]
    noise = np.random.default_rng(4).normal(0, 9, (40, 48))
    data = (spectrum * side + 100 + noise).astype("int16")
    return write_raster(path, data, wavelengths=wavelengths, **options)


def test_another_sampling_of_the_sensor_is_resampled_and_said(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = scene_at(tmp_path / "same.tif", WAVELENGTHS)
    fine = scene_at(tmp_path / "fine.tif", [*range(400, 2300, 60)])
    assert classify(trained, same, tmp_path / "same_map.tif") == 0
    assert "resampled" not in capsys.readouterr().err
    assert classify(trained, fine, tmp_path / "fine_map.tif") == 0
    assert "were resampled to the 6 wavelengths" in capsys.readouterr().err
    maps = [rasterio.open(tmp_path / f"{name}_map.tif").read(1) for name in ("same", "fine")]
    assert (maps[0] == maps[1]).mean() > 0.98


@pytest.mark.parametrize(
    ("wavelengths", "sentence"),
    [
        ([450, 550, 650, 850], "lacks 2 of the 6 bands that the model was made for, the first at"),
        ([1500, 1600, 1800, 2000, 2200, 2300], "lacks 4 of the 6 bands"),
        (None, "has 4 bands and the model was made for a raster of 6; without wavelengths"),
    ],
)
def test_another_sensor_is_refused_with_the_reason(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    wavelengths: list[float] | None, sentence: str,
) -> None:  # fmt: skip
    if wavelengths:
        scene = scene_at(tmp_path / "other.tif", wavelengths)
    else:
        scene = write_raster(tmp_path / "other.tif", cube(4, 40, 48))
    assert classify(trained, scene, tmp_path / "map.tif") == 1
    told = capsys.readouterr().err
    assert sentence in told
    assert "Traceback" not in told
    assert [path.name for path in tmp_path.iterdir()] == ["other.tif"]


def stretched(path: Path, source: Path, side: int) -> Path:
    """Write a VRT of 6 bands and side × side pixels over a small file."""
    entries = "".join(
        f'<VRTRasterBand dataType="Int16" band="{i}"><Metadata>'
        f'<MDI key="wavelength">{wavelength}</MDI>'
        '<MDI key="wavelength_units">Nanometers</MDI></Metadata><SimpleSource>'
        f'<SourceFilename relativeToVRT="1">{source.name}</SourceFilename>'
        f'<SourceBand>{i}</SourceBand><SrcRect xOff="0" yOff="0" xSize="48" ySize="40"/>'
        f'<DstRect xOff="0" yOff="0" xSize="{side}" ySize="{side}"/>'
        "</SimpleSource></VRTRasterBand>"
        for i, wavelength in enumerate(WAVELENGTHS, 1)
    )
    path.write_text(f'<VRTDataset rasterXSize="{side}" rasterYSize="{side}">{entries}</VRTDataset>')
    return path


def test_a_huge_scene_starts_is_canceled_and_takes_no_more_memory(
    trained: Path, tmp_path: Path
) -> None:
    small = scene_at(tmp_path / "small.tif", WAVELENGTHS)
    taken, spent = {}, {}
    for side in (1000, 20_000):
        scene = stretched(tmp_path / f"{side}.vrt", small, side)
        classifier = trained / "classifier.safetensors"
        process = start(
            "classify", scene, "-o", tmp_path / "map.tif", "--classifier", classifier, "--json"
        )
        engine = psutil.Process(process.pid)
        while b'"hello"' not in process.stdout.readline():
            assert process.poll() is None
        before = sum(engine.cpu_times()[:2])
        while b'"progress"' not in process.stdout.readline():
            assert process.poll() is None
        spent[side] = sum(engine.cpu_times()[:2]) - before
        for _ in range(5):
            process.stdout.readline()
        taken[side] = engine.memory_info().rss
        process.terminate()
        status, out, _ = end(process, 120)
        assert (status, messages(out)[-1]["code"]) == (3, "canceled")
        assert leftovers(tmp_path) == []
        assert not (tmp_path / "map.tif").exists()
    assert taken[20_000] < taken[1000] + 50 * 2**20
    assert spent[20_000] < spent[1000] + 3  # of processor time
