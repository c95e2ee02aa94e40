"""Patches of a scene too large for the pool: begun at once, the same in any order."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from mtmsd.diffusion import patches
from mtmsd.diffusion.patches import PatchPool
from mtmsd.errors import Canceled, InputError
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene
from mtmsd.scene.whitening import fit_whitening
from running import TINY, checkpoint_of, end, start, words
from small_files import cube, write_raster
from test_raster import write_vrt

MOST_SECONDS = 15.0
"""Of processor time from the beginning of the work to its first step; it was 57."""


@pytest.fixture
def small_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool of 24 chips of 32 × 32 px with 3 components."""
    monkeypatch.setattr(patches, "POOL_BYTES", 24 * 32 * 32 * 4 * 3)
    monkeypatch.setattr(patches, "CHIP_PATCHES", 2)


def _scene(path: Path, empty_rows: int = 0) -> Scene:
    data = cube(5, 150, 160, seed=3)
    data[:, :empty_rows] = -9999
    return Scene.open(write_raster(path, data, nodata=-9999))


def _pool(scene: Scene, reporter: Reporter | None = None) -> PatchPool:
    whitening = fit_whitening(scene, 3, seed=0)
    return PatchPool(scene, whitening, 16, seed=5, reporter=reporter or Reporter())


@pytest.mark.usefixtures("small_pool")
def test_a_step_has_the_same_patches_whatever_was_read_before(tmp_path: Path):
    with _scene(tmp_path / "scene.tif", empty_rows=70) as scene:
        whole, later = _pool(scene), _pool(scene)
        batches = [whole.batch(6, 1000, seed=1, step=step, augment=True) for step in range(40)]
        resumed = later.batch(6, 1000, seed=1, step=39, augment=True)
    np.testing.assert_array_equal(resumed.x0, batches[39].x0)
    np.testing.assert_array_equal(resumed.t, batches[39].t)
    np.testing.assert_array_equal(resumed.noise, batches[39].noise)
    assert all(np.isfinite(batch.x0.numpy()).all() for batch in batches)
    shares = [(batch.x0 != 0).any(1).float().mean((1, 2)).min() for batch in batches]
    assert min(shares) >= 0.5, "a patch of an empty chip"


@pytest.mark.usefixtures("small_pool")
def test_chips_are_read_when_they_are_needed_and_none_after_a_cancel(tmp_path: Path, monkeypatch):
    read = []
    whitened = patches.read_whitened
    monkeypatch.setattr(
        patches, "read_whitened", lambda *given: (read.append(given[2:]), whitened(*given))[1]
    )

    class Switch(Reporter):
        canceled = False

        @property
        def cancel_requested(self) -> bool:
            return self.canceled

    reporter = Switch()
    with _scene(tmp_path / "scene.tif") as scene:
        pool = _pool(scene, reporter)
        assert len(read) == 1
        pool.batch(64, 1000, seed=1, step=0, augment=False)
        assert len(read) == 1 + patches.FIRST_CHIPS - 1
        pool.batch(64, 1000, seed=1, step=1, augment=False)
        assert len(read) <= 2 + patches.FIRST_CHIPS
        reporter.canceled, before = True, len(read)
        with pytest.raises(Canceled):
            pool.batch(64, 1000, seed=1, step=90, augment=False)
        assert len(read) == before


@pytest.mark.usefixtures("small_pool")
@pytest.mark.parametrize("empty_rows", [70, 135])
def test_old_chips_give_way_to_new_ones_in_the_same_memory(tmp_path: Path, empty_rows: int):
    with _scene(tmp_path / "scene.tif", empty_rows) as scene:
        pool = _pool(scene)
        seen, most = set(), 0
        for step in range(400):
            pool.batch(8, 1000, seed=1, step=step, augment=False)
            seen |= {n for n, chip in pool._chips.items() if len(chip.corners)}
            most = max(most, sum(chip.pixels.nbytes for chip in pool._chips.values()))
        resumed = _pool(scene)
        again = resumed.batch(8, 1000, seed=1, step=399, augment=False)
        last = pool.batch(8, 1000, seed=1, step=399, augment=False)
    assert len(seen) > (30 if empty_rows == 70 else 6)
    assert most <= patches.POOL_BYTES + 32 * 32 * 4 * 3, "the first chip stays beside them"
    np.testing.assert_array_equal(again.x0, last.x0)


@pytest.mark.usefixtures("small_pool")
def test_a_large_scene_whose_chips_are_all_empty_is_named(tmp_path: Path, monkeypatch):
    data = np.full((5, 150, 160), -9999, np.int16)
    data[:, 40, 50:52] = np.array([[1, 2, 3, 4, 5], [5, 1, 2, 9, 3]]).T
    monkeypatch.setattr(patches, "POOL_BYTES", 2 * 32 * 32 * 4)
    monkeypatch.setattr(patches, "CHIPS_SEARCHED", 2)  # beside those pixels
    with Scene.open(write_raster(tmp_path / "bare.tif", data, nodata=-9999)) as scene:
        whitening = fit_whitening(scene, 1, seed=0)
        with pytest.raises(InputError, match=r"bare\.tif has no 16×16 px patch"):
            PatchPool(scene, whitening, 16, seed=5, reporter=Reporter())


@pytest.mark.slow
def test_a_scene_of_20000_squared_begins_in_seconds_and_is_canceled(tmp_path: Path):
    small = write_raster(tmp_path / "small.tif", cube(240, 32, 32, seed=4))
    scene = write_vrt(tmp_path / "huge.vrt", small, 240, (0, 0, 20000, 20000))
    settings = words(TINY | {"components": 30, "patch_size": 48, "batch_size": 4,
                             "iterations": 20_000})  # fmt: skip
    engine = start("pretrain", scene, "-o", tmp_path / "m.safetensors", *settings, "--json")
    process = psutil.Process(engine.pid)
    told = map(json.loads, iter(engine.stdout.readline, b""))
    before = 0.0
    for message in told:
        if message.get("name") == "prepare":
            before = sum(process.cpu_times()[:2])
        if (message.get("unit"), message.get("done")) == ("step", 1):
            break
    spent = sum(process.cpu_times()[:2]) - before
    assert spent < MOST_SECONDS
    engine.terminate()
    canceled_at = time.monotonic()
    status, _, _ = end(engine, timeout=30)
    assert status == 3
    assert time.monotonic() - canceled_at < 10  # 2 on an idle machine
    assert checkpoint_of(tmp_path / "m.safetensors"), "what was learnt is kept"
