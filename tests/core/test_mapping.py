"""Maps: no seams, no shift, nodata stays nodata, the same from any window and any batch."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from mtmsd.classes import ClassInfo
from mtmsd.classify.classifier import Classifier, load_classifier
from mtmsd.classify.training import TrainingSet
from mtmsd.compute.memory import is_out_of_memory
from mtmsd.diffusion.model import DiffusionModel
from mtmsd.diffusion.unet import UNet
from mtmsd.errors import InputError, MachineError
from mtmsd.features.tiles import TileGrid
from mtmsd.files.model_check import describe_bands
from mtmsd.labels.labels import Labels
from mtmsd.mapping import mapper
from mtmsd.mapping.mapper import classify, pixel_window
from mtmsd.mapping.tiles import TileMapper
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene
from mtmsd.scene.whitening import fit_whitening
from mtmsd.settings import ClassifierSettings
from small_files import write_raster

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
CLASSES = (ClassInfo(2, "left", "#ff0000"), ClassInfo(7, "right", "#0000ff"))
SETTINGS = ClassifierSettings(
    timesteps=(50, 400),
    channels=32,
    turns=1,
    members=2,
    epochs=20,
    samples_per_epoch=0,
    batch_size=32,
    learning_rate=6e-3,
    precision="fp32",
)
EDGE, HOLE = 40, np.s_[10:18, 60:75]
"""The column where the right class begins, and where the scene has no data."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """70×90 px: two spectra that meet at column EDGE, noise, a hole without data."""
    rng = np.random.default_rng(1)
    spectra = np.array([[300, 500, 900, 700], [800, 650, 350, 500]], float)
    side = (np.arange(90) >= EDGE).astype(int)
    data = np.repeat(spectra[side].T[:, None], 70, axis=1) + rng.normal(0, 25, (4, 70, 90))
    data[(slice(None), *HOLE)] = -9999
    path = tmp_path_factory.mktemp("scene") / "two halves.tif"
    return Scene.open(write_raster(path, data.astype("int16"), nodata=-9999))


@pytest.fixture(scope="module")
def model(scene: Scene) -> DiffusionModel:
    torch.manual_seed(0)
    whitening = fit_whitening(scene, 4, seed=0)
    metadata = {
        "patch_size": 48,
        **describe_bands(scene.used, scene.wavelengths),
        "scene": {"fingerprint": scene.fingerprint()},
    }
    return DiffusionModel(UNet(4, 32).eval(), whitening, metadata)


def labels() -> Labels:
    rows, cols = np.meshgrid(np.arange(25, 45, 3), [8, 14, 20, 55, 62, 70], indexing="ij")
    values = np.where(cols.ravel() < EDGE, 2, 7).astype(np.uint16)
    groups = cols.ravel().astype(np.int32)
    return Labels(
        rows.ravel().astype(np.int32), cols.ravel().astype(np.int32), values, groups, CLASSES
    )


def train(scene: Scene, model: DiffusionModel, **changes: object) -> tuple[TrainingSet, Classifier]:
    settings = dataclasses.replace(SETTINGS, **changes)
    samples = TrainingSet.extract(
        scene, labels(), model, settings, device=CPU, seed=0, reporter=Reporter()
    )
    return samples, samples.fit(seed=0, reporter=Reporter())


@pytest.fixture(scope="module")
def classifier(scene: Scene, model: DiffusionModel) -> Classifier:
    return train(scene, model)[1]


def test_edge_lies_where_it_is_and_nodata_stays_nodata(
    scene: Scene, classifier: Classifier
) -> None:
    block = TileMapper(scene, classifier, CPU).block((0, 0, 70, 90))
    expected = np.where(np.arange(90) < EDGE, 2, 7) * np.ones((70, 1), int)
    expected[HOLE] = 0
    assert (block.values != expected).mean() < 0.01
    np.testing.assert_array_equal(block.values == 0, expected == 0)
    np.testing.assert_array_equal(np.isnan(block.confidence), expected == 0)
    total = block.probabilities.sum(0)
    np.testing.assert_allclose(total[expected > 0], 1, atol=1e-5)


@pytest.mark.parametrize("window", [(0, 0, 30, 41), (13, 22, 40, 50), (69, 89, 1, 1)])
def test_part_of_a_scene_maps_as_in_the_whole(
    scene: Scene, classifier: Classifier, window: tuple[int, int, int, int]
) -> None:
    mapper = TileMapper(scene, classifier, CPU)
    whole = mapper.block((0, 0, 70, 90))
    part = mapper.block(window)
    row, col, height, width = window
    at = np.s_[row : row + height, col : col + width]
    np.testing.assert_allclose(part.confidence, whole.confidence[at], atol=1e-5)
    np.testing.assert_array_equal(part.values, whole.values[at])


def test_blocks_of_a_large_scene_leave_no_seam(
    scene: Scene, classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for size in (384, 37):
        monkeypatch.setattr(mapper, "BLOCK", size)
        target = tmp_path / f"{size}.tif"
        classify(
            scene, classifier, tmp_path / "map.tif", confidence=target, device=CPU,
            reporter=Reporter(),
        )  # fmt: skip
        with rasterio.open(target) as dataset:
            found.append(dataset.read(1))
    np.testing.assert_allclose(found[1], found[0], atol=1e-5)


def test_flat_scene_shows_no_tile_borders(
    model: DiffusionModel, classifier: Classifier, tmp_path: Path
) -> None:
    """Identical surroundings get the same probability, wherever the tiles' borders are."""
    pattern = np.tile(np.array([[300, 500], [700, 400]]), (72, 72))[None].repeat(4, 0)
    data = (pattern * np.array([1, 1.4, 0.9, 1.2])[:, None, None]).astype("int16")
    flat = Scene.open(write_raster(tmp_path / "flat.tif", data))
    inside = TileMapper(flat, classifier, CPU).block((48, 48, 48, 48)).probabilities[0]
    period = SETTINGS.stride
    np.testing.assert_allclose(inside[:period], inside[period : 2 * period], atol=1e-4)
    np.testing.assert_allclose(inside[:, :period], inside[:, period : 2 * period], atol=1e-4)


def test_training_sees_what_mapping_sees(scene: Scene, model: DiffusionModel) -> None:
    samples, classifier = train(scene, model)
    expected = samples.predict(classifier, np.arange(len(samples.labels)))
    block = TileMapper(scene, classifier, CPU).block((0, 0, 70, 90))
    found = block.probabilities[:, samples.labels.rows, samples.labels.cols].T
    np.testing.assert_allclose(found, expected, atol=5e-3)  # samples are kept in float16


def test_patchwise_maps_the_pixel_in_the_middle_of_its_patch(
    scene: Scene, model: DiffusionModel
) -> None:
    samples, classifier = train(scene, model, features="patchwise", vote="mode")
    block = TileMapper(scene, classifier, CPU).block((25, 50, 4, 8))
    index = np.flatnonzero((samples.labels.rows == 28) & (samples.labels.cols == 55))
    expected = samples.predict(classifier, index)[0]
    np.testing.assert_allclose(block.probabilities[:, 3, 5], expected, atol=5e-3)
    assert (block.values == 7).mean() > 0.9


def test_saved_classifier_maps_the_same(
    scene: Scene, classifier: Classifier, tmp_path: Path
) -> None:
    classifier.save(tmp_path / "classifier.safetensors")
    again = load_classifier(tmp_path / "classifier.safetensors")
    assert again.classes == CLASSES
    first, second = (TileMapper(scene, c, CPU).block((20, 20, 30, 40)) for c in (classifier, again))
    np.testing.assert_array_equal(first.probabilities, second.probabilities)


def test_same_seed_gives_the_same_map_and_another_seed_another(
    scene: Scene, model: DiffusionModel
) -> None:
    samples, first = train(scene, model)
    again, other = (samples.fit(seed=seed, reporter=Reporter()) for seed in (0, 1))
    window = (20, 20, 20, 30)
    blocks = [TileMapper(scene, c, CPU).block(window).probabilities for c in (first, again, other)]
    np.testing.assert_array_equal(blocks[0], blocks[1])
    assert not np.array_equal(blocks[0], blocks[2])


def test_fewer_labels_than_a_batch_still_train(scene: Scene, model: DiffusionModel) -> None:
    samples, _ = train(scene, model)
    few = samples.fit(np.array([0, 1, 4, 5]), seed=0, reporter=Reporter())
    found = samples.predict(few, np.arange(len(samples.labels))).argmax(1)
    expected = (samples.labels.values == 7).astype(int)
    assert (found == expected).mean() > 0.9


def test_memory_running_out_halves_the_batch_and_then_says_what_to_lower(
    scene: Scene, classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapper = TileMapper(scene, classifier, CPU)
    expected = mapper.block((0, 0, 70, 90))
    room = 3
    real = Classifier.probabilities

    def cramped(self: Classifier, tiles: torch.Tensor) -> torch.Tensor:
        if len(tiles) > room:
            raise torch.OutOfMemoryError("too much")
        return real(self, tiles)

    monkeypatch.setattr(Classifier, "probabilities", cramped)
    np.testing.assert_allclose(
        mapper.block((0, 0, 70, 90)).confidence, expected.confidence, atol=1e-5
    )
    room = 0
    with pytest.raises(MachineError, match="Not even one tile") as caught:
        mapper.block((0, 0, 70, 90))
    assert "timesteps" in caught.value.hint


def test_out_of_memory_is_told_from_other_errors() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**58)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))


def test_extent_covers_the_pixels_that_it_touches(scene: Scene) -> None:
    x, y = scene.transform * (10, 20)
    assert pixel_window(scene, (x, y - 50, x + 30, y)) == (20, 10, 5, 3)
    assert pixel_window(scene, (x - 1, y - 51, x + 31, y + 1)) == (19, 9, 7, 5)
    with pytest.raises(InputError, match="lies outside"):
        pixel_window(scene, (0, 0, 10, 10))


def test_scene_of_other_bands_is_refused(classifier: Classifier, tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(1, 99, (6, 20, 20)).astype("int16")
    other = Scene.open(write_raster(tmp_path / "other.tif", data))
    with pytest.raises(InputError, match="6 usable bands; the classifier expects 4"):
        classify(other, classifier, tmp_path / "map.tif", device=CPU, reporter=Reporter())
    assert not (tmp_path / "map.tif").exists()


COVERAGE = {48: (1, 48), 28: (1.65, 36), 24: (16 / 9, 32), 16: ((28 / 16) ** 2, 28), 12: (4, 24)}
"""Tiles that show a pixel, on average, and the side of a core, by stride."""


@pytest.mark.parametrize("stride", [28, 24, 16, 12, 48])
def test_the_cores_of_tiles_cover_every_pixel(stride: int) -> None:
    grid = TileGrid(48, stride)
    seen = np.zeros((148, 118), int)
    corners = grid.corners(0, 0, 100, 70)
    for row, col in corners:
        top, left = row + grid.margin + 24, col + grid.margin + 24
        assert top + grid.core > 24
        assert left + grid.core > 24
        seen[max(top, 0) : top + grid.core, max(left, 0) : left + grid.core] += 1
    seen = seen[24:124, 24:94]
    assert seen.min() >= 1
    assert (seen[stride:] == seen[:-stride]).all()
    assert (seen.mean(), grid.core) == pytest.approx(COVERAGE[stride], rel=0.1)
    assert len(set(corners)) == len(corners)


def test_turned_tiles_show_the_same_pixel(scene: Scene, model: DiffusionModel) -> None:
    samples = train(scene, model, turns=8, epochs=1)[0].samples
    for pixel in (0, 7, 20):
        seen = samples.spectrum[samples.pixel == pixel, : model.whitening.components]
        assert len(seen) in (8, 16, 32)  # one, two or four tiles show it
        assert (seen == seen[0]).all()
    assert samples.upright.sum() * 8 == len(samples.upright)
