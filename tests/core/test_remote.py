"""Scenes on a web server: read by ranges, whatever the line does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from mtmsd.cli.main import main
from mtmsd.errors import InputError
from mtmsd.scene import bands
from mtmsd.scene.formats import remote
from mtmsd.scene.raster import Scene
from running import fields_scene
from served import FileServer, serving
from small_files import UTM, write_raster


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A COG of 36 MB in 6 bands, and a small scene with labels and a classifier."""
    folder = tmp_path_factory.mktemp("served")
    data = np.random.default_rng(0).integers(1, 3000, (6, 2000, 1500)).astype("int16")
    write_raster(folder / "large.tif", data, driver="COG", blocksize=256, overviews="NONE", level=1)
    scene, labels = fields_scene(folder)
    given = ["train", scene, labels, "-o", folder / "c.safetensors", "--classifier", "svm",
             "--holdout", "0"]  # fmt: skip
    assert main(list(map(str, given))) == 0
    return folder


@pytest.fixture
def server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setattr(bands, "SAMPLE_BYTES", 2**20)  # else all is read when it is opened
    monkeypatch.setattr(remote, "PAUSE_S", 0.02)
    monkeypatch.setitem(remote.OPTIONS, "GDAL_HTTP_RETRY_DELAY", "0.05")
    with serving(folder) as server:
        yield server


def local(folder: Path, *window: int) -> np.ndarray:
    with Scene.open(folder / "large.tif") as scene:
        return scene.read(*window)[0]


def test_a_window_costs_its_bytes_and_not_the_file(server: FileServer, folder: Path):
    size = (folder / "large.tif").stat().st_size
    with Scene.open(f"{server.url}/large.tif") as scene:
        assert (scene.width, scene.height, scene.crs.to_string()) == (1500, 2000, UTM)
        assert scene.name == "large"
        assert scene.summary()["path"] == f"{server.url}/large.tif"
        server.forget()
        part, valid = scene.read(1930, 1420, 20, 20)
        assert valid.all()
        assert 0 < server.bytes_of("large.tif") < size / 12
        assert np.array_equal(part, local(folder, 1930, 1420, 20, 20))
    assert not [r for r in server.requests if not r.endswith("large.tif")], "no other file is asked"


def test_a_pass_over_the_scene_asks_for_each_byte_once(server: FileServer, folder: Path):
    size = (folder / "large.tif").stat().st_size
    with Scene.open(f"/vsicurl/{server.url}/large.tif") as scene:
        server.forget()
        for row, col, height, width in scene.blocks(384):
            values, _ = scene.read(row - 10, col - 10, height + 20, width + 20)  # as tiles do
            assert values[:, 12, 12].any()
        assert 0.5 * size < server.bytes_of("large.tif") < 1.25 * size
        assert len(server.requests) < 150


def test_a_dropped_connection_and_a_busy_server_are_asked_again(server: FileServer, folder: Path):
    with Scene.open(f"{server.url}/large.tif") as scene:
        for trouble in ("drops", "fails"):
            server.set(**{trouble: 2})
            row = 1000 if trouble == "drops" else 300
            values, valid = scene.read(row, 300, 600, 600)
            assert valid.all()
            assert np.array_equal(values, local(folder, row, 300, 600, 600))
            assert server.get(trouble) == 0


def test_a_line_that_stays_broken_is_one_sentence(server: FileServer):
    with Scene.open(f"{server.url}/large.tif") as scene:
        server.set(drops=1000)
        host = server.url.removeprefix("http://")
        with pytest.raises(InputError, match=f"'large.tif' cannot be read from {host}: .*") as told:
            scene.read(600, 300, 800, 800)
    assert "Check the address and the connection." in str(told.value)


def test_a_slow_server_is_waited_for(server: FileServer, folder: Path):
    server.set(delay=0.4)
    began = time.monotonic()
    with Scene.open(f"{server.url}/large.tif?token=a%2Fb") as scene:
        assert scene.name == "large"
        part, _ = scene.read(0, 0, 10, 10)
    assert time.monotonic() - began > 0.8
    assert np.array_equal(part, local(folder, 0, 0, 10, 10))


def test_a_server_out_of_reach_and_a_file_that_is_not_there(folder: Path):
    with serving(folder) as server:
        url = server.url
        with pytest.raises(InputError, match=r"There is no 'none.tif' at 127\.0\.0\.1"):
            Scene.open(f"{url}/none.tif")
        with pytest.raises(InputError, match=r"'emit.nc' is on a server, where only GeoTIFF"):
            Scene.open(f"{url}/emit.nc")
    with pytest.raises(InputError, match=r"'gone.tif' cannot be read from 127\.0\.0\.1:\d+: ") as e:
        Scene.open(f"{url}/gone.tif")
    assert "\n" not in e.value.message


def test_a_map_of_a_scene_on_a_server_is_that_of_its_copy(
    server: FileServer, folder: Path, tmp_path: Path
):
    made = []
    for scene in (f"{server.url}/scene.tif", folder / "scene.tif"):
        out = tmp_path / f"{len(made)}.tif"
        given = ["classify", scene, "-o", out, "--classifier", folder / "c.safetensors"]
        assert main(list(map(str, given))) == 0
        made.append(rasterio.open(out).read(1))
    assert np.array_equal(*made)
    assert set(np.unique(made[0])) == {1, 2}


@pytest.mark.slow
def test_labels_masks_and_maps_are_read_there_too(
    server: FileServer, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    mask = np.zeros((40, 48), "uint8")
    mask[:10, :12] = 1
    write_raster(folder / "clouds.tif", mask)
    url, out = server.url, tmp_path / "map.tif"
    given = ["map", f"{url}/scene.tif", f"{url}/labels.gpkg", "-o", out, "--classifier", "svm",
             "--mask", f"{url}/clouds.tif"]  # fmt: skip
    assert main(list(map(str, given))) == 0
    with rasterio.open(out) as dataset:
        assert np.array_equal(dataset.read(1) == 0, mask == 1)
    (folder / "map.tif").write_bytes(out.read_bytes())
    given = ["assess", f"{url}/map.tif", f"{url}/labels.gpkg", "-o", tmp_path / "r.html"]
    assert main(list(map(str, given))) == 0
    capfd.readouterr()
    assert main(["assess", f"{url}/none.tif", f"{url}/labels.gpkg", "-o", str(out)]) == 1
    assert "There is no 'none.tif' at 127.0.0.1" in " ".join(capfd.readouterr().err.split())


def test_several_scenes_on_a_server_get_a_file_each(
    server: FileServer, folder: Path, tmp_path: Path
):
    out = tmp_path / "maps"
    scenes = [f"{server.url}/scene.tif?key=1", str(folder / "scene.tif")]
    table = tmp_path / "scenes.csv"
    table.write_text(f"scene,output\n{scenes[0]},\n{scenes[1]},copy.tif\n")
    given = ["classify", table, "-o", out, "--classifier", folder / "c.safetensors"]
    assert main(list(map(str, given))) == 0
    assert sorted(path.name for path in out.glob("*.tif")) == ["copy.tif", "scene.tif"]


@pytest.mark.parametrize(
    "output", ["https://host.org/map.tif", "/vsicurl/https://host.org/map.tif", "s3://bucket/m.tif"]
)
def test_nothing_is_written_to_a_server(
    folder: Path, output: str, capfd: pytest.CaptureFixture[str]
):
    given = ["classify", folder / "scene.tif", "-o", output, "--classifier",
             folder / "c.safetensors"]  # fmt: skip
    assert main(list(map(str, given))) == 1
    assert "cannot be written to a server" in capfd.readouterr().err


def test_names_of_addresses():
    assert remote.as_gdal("https://h/a.tif?x=1") == "/vsicurl/https://h/a.tif?x=1"
    assert remote.as_gdal("s3://bucket/a/b.tif") == "/vsis3/bucket/a/b.tif"
    assert remote.as_gdal("C:\\data\\a.tif") == "C:\\data\\a.tif"
    assert remote.file_name("https://h/a%20b.tif?x=/y.z") == "a%20b.tif"
    assert remote.file_name("/data/what?.tif") == "what?.tif"
    assert not remote.options_for("/data/a.tif")
    assert remote.options_for("/vsis3/b/a.tif")["GDAL_DISABLE_READDIR_ON_OPEN"] == "EMPTY_DIR"
    assert "CPL_VSIL_CURL_ALLOWED_EXTENSIONS" not in remote.options_for("/vsicurl/https://h/a?b")
