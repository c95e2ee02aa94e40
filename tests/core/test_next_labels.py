"""Points to label next: doubtful, spread, at the right place, and worth more than random ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from mtmsd.errors import InputError
from mtmsd.labels.read import read_labels
from mtmsd.postprocess.next_labels import rank_by_doubt_and_spread, suggest
from mtmsd.scene.raster import Scene
from scipy.special import softmax
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from small_files import GRID, rectangle, write_polygons, write_raster


def _probabilities(path: Path, **placed: object) -> Path:
    """60 rows, 90 columns, 3 classes, all sure but for two doubtful places; a nodata corner."""
    values = np.zeros((3, 60, 90), np.float32)
    values[0] = 0.98
    values[1] = values[2] = 0.01
    values[:, 10:12, 70:72] = np.array([0.05, 0.45, 0.5])[:, None, None]
    values[:, 50, 20] = [0.4, 0.35, 0.25]
    values[:, 40:, 60:] = np.nan
    tags = [{"class_value": str(v)} for v in (2, 5, 9)]
    return write_raster(
        path, values, tags=tags, descriptions=["soil", "grass", "roof"], nodata=np.nan, **placed
    )


def test_the_most_doubtful_places_come_first_with_their_classes(tmp_path: Path) -> None:
    out = tmp_path / "points.gpkg"
    count = suggest(_probabilities(tmp_path / "p.tif"), out, 6)
    meta, _, geometry, columns = pyogrio.raw.read(out)
    fields = dict(zip(meta["fields"], columns, strict=True))
    cols, rows = ~GRID * shapely.get_coordinates(shapely.from_wkb(geometry)).T
    assert count == 6
    assert fields["rank"].tolist() == [1, 2, 3, 4, 5, 6]
    assert (rows[:2] - 0.5).round(6).tolist() in ([50.0, 10.0], [10.0, 50.0])
    first = dict(zip(np.floor(rows[:2]).astype(int).tolist(), range(2), strict=True))
    named = list(zip(fields["class_1"], fields["class_2"], strict=True))
    assert named[first[10]] == ("roof", "grass")
    assert named[first[50]] == ("soil", "grass")
    assert fields["value_1"][first[10]] == 9
    assert fields["doubt"][first[50]] == pytest.approx(0.95)
    assert not ((rows > 40) & (cols > 60)).any(), "no point in nodata"
    apart = np.hypot(rows[:, None] - rows, cols[:, None] - cols) + 1e9 * np.eye(6)
    assert apart.min() > 12


def test_without_a_georeference_points_lie_where_qgis_shows_the_map(tmp_path: Path) -> None:
    bare = _probabilities(tmp_path / "p.tif", transform=None, crs=None)
    suggest(bare, tmp_path / "points.gpkg", 6)
    geometry = pyogrio.raw.read(tmp_path / "points.gpkg")[2]
    places = shapely.get_coordinates(shapely.from_wkb(geometry))[:2].tolist()
    assert sorted(places) == [[20.5, -50.5], [70.5, -10.5]]


def test_points_keep_away_from_labels(tmp_path: Path) -> None:
    probabilities = _probabilities(tmp_path / "p.tif")
    labels = write_polygons(tmp_path / "l.gpkg", [rectangle(8, 68, 6, 6)], class_id=np.array([5]))
    suggest(probabilities, tmp_path / "points.gpkg", 4, labels_path=labels)
    _, _, geometry, _ = pyogrio.raw.read(tmp_path / "points.gpkg")
    cols, rows = ~GRID * shapely.get_coordinates(shapely.from_wkb(geometry)).T
    assert (rows[0], cols[0]) == pytest.approx((50.5, 20.5))
    assert not ((abs(rows - 11) < 6) & (abs(cols - 71) < 6)).any()


def test_bad_input_is_one_clear_sentence(tmp_path: Path) -> None:
    one = write_raster(tmp_path / "one.tif", np.ones((4, 4), np.float32))
    with pytest.raises(InputError, match="one band; probabilities have one for each class"):
        suggest(one, tmp_path / "o.gpkg")
    with pytest.raises(InputError, match="cannot be 0"):
        suggest(one, tmp_path / "o.gpkg", 0)
    empty = write_raster(tmp_path / "nan.tif", np.full((2, 4, 4), np.nan, np.float32))
    with pytest.raises(InputError, match="no valid pixel"):
        suggest(empty, tmp_path / "o.gpkg")
    assert not (tmp_path / "o.gpkg").exists()


def test_the_benchmark_proposes_unlabelled_pixels_of_its_pool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "bench"))
    import next_labels

    classes = np.ones((48, 64), np.uint8)
    classes[:, 32:] = 2
    noise = np.random.default_rng(0).normal(0, 60, (3, 48, 64))
    path = write_raster(tmp_path / "scene.tif", (classes * 100 + noise).astype("float32"))
    truth = write_raster(tmp_path / "truth.tif", classes, nodata=0)
    seen = []
    real = next_labels._proposed

    def watched(scene, pool, start, rest, likely, count):
        chosen = real(scene, pool, start, rest, likely, count)
        seen.append((set(chosen), set(start), set(rest)))
        return chosen

    monkeypatch.setattr(next_labels, "_proposed", watched)
    with Scene.open(path) as scene:
        result = next_labels.trial(scene, read_labels(truth, scene), "svm", 1, 6)
    ((chosen, start, rest),) = seen
    assert len(chosen) == 6
    assert chosen <= rest
    assert not chosen & start
    assert 0.5 < result.before < 1
    assert result.gains == (result.proposed - result.before, result.random - result.before)


SCENES = {
    "houston2018_crop": ("houston2018_crop.tif", "truth.tif"),
    "salinas_a": ("salinas_a.tif", "truth.tif"),
    "enmap_potsdam": ("enmap_potsdam.tif", "landcover.tif"),
}


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("name", SCENES)
def test_twenty_suggested_labels_gain_more_than_twenty_random_ones(scenes: Path, name: str) -> None:
    cube, truth = (_open(scenes / name / file) for file in SCENES[name])
    used = (cube != -32768).all(0) if name != "enmap_potsdam" else (cube[0] != -32768)
    bands = [b for b in cube if len(np.unique(b[used])) > 1]
    spectra = np.stack(bands)[:, used & (truth[0] > 0)].T.astype(np.float32)
    rows, cols = np.nonzero(used & (truth[0] > 0))
    values = truth[0][rows, cols].astype(np.uint16)
    gains = np.array([_gains(spectra, values, rows, cols, seed) for seed in range(10)])
    suggested, random = gains.mean(0)
    assert suggested > random
    assert suggested > 0


def _open(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read()


def _gains(
    spectra: np.ndarray, values: np.ndarray, rows: np.ndarray, cols: np.ndarray, seed: int
) -> tuple[float, float]:
    """Accuracy gained on other blocks by 20 suggested labels, and by 20 random ones (mean)."""
    generator = np.random.default_rng(seed)
    block = rows // 16 * 1000 + cols // 16
    blocks = generator.permutation(np.unique(block))
    open_ = np.isin(block, blocks[: len(blocks) // 2])
    pool, test = np.flatnonzero(open_), np.flatnonzero(~open_)
    start = np.concatenate(
        [generator.permutation(pool[values[pool] == v])[:5] for v in np.unique(values[pool])]
    )

    def fitted(train: np.ndarray) -> Pipeline:
        return make_pipeline(StandardScaler(), SVC(C=100)).fit(spectra[train], values[train])

    def accuracy(train: np.ndarray) -> float:
        return float(fitted(train).score(spectra[test], values[test]))

    rest = np.setdiff1d(pool, start)
    likely = np.sort(softmax(fitted(start).decision_function(spectra[rest]), axis=1), axis=1)
    chosen = rank_by_doubt_and_spread(
        1 - (likely[:, -1] - likely[:, -2]),
        rows[rest],
        cols[rest],
        20,
        spacing=float(np.sqrt(len(rest) / 20)),
        labelled=(rows[start], cols[start]),
    )
    before = accuracy(start)
    draws = [generator.permutation(rest)[:20] for _ in range(5)]
    by_chance = np.mean([accuracy(np.r_[start, draw]) for draw in draws])
    return accuracy(np.r_[start, rest[chosen]]) - before, float(by_chance - before)
