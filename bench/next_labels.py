"""What 20 proposed points are worth, beside 20 random ones, on scenes whose truth is known.

    python bench/next_labels.py [--scenes NAME …] [--seeds 5] [--count 20]

For each seed, half of the 16×16 px blocks are a pool, the others the test. A support vector
machine and a random forest start from five labels a class in the pool; then they learn 20 more
labels: those that ``mtmsd nextlabels`` proposes from their probabilities, or random ones (the
mean of five draws). Told is the overall accuracy gained on the test blocks, in points, mean over
the seeds. Writes bench/next_labels.json.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyogrio
import shapely
from accuracy.scenes import CASES
from mtmsd.labels.labels import Labels
from mtmsd.labels.read import read_labels
from mtmsd.labels.splits import spatial_blocks
from mtmsd.postprocess.next_labels import suggest
from mtmsd.reporting import Reporter
from mtmsd.scene import output
from mtmsd.scene.pixels import read_spectra
from mtmsd.scene.raster import Scene
from mtmsd.spectral.estimators import fit, stratified_subsample
from rasterio.transform import rowcol

HERE = Path(__file__).parent
BLOCK = 16
START = 5
DRAWS = 5
LARGEST_TEST = 5_000


@dataclass(frozen=True)
class Trial:
    """Overall accuracy on the test blocks."""

    before: float
    proposed: float
    random: float

    @property
    def gains(self) -> tuple[float, float]:
        """Accuracy gained by the proposed points, and by random ones."""
        return self.proposed - self.before, self.random - self.before


def main() -> None:
    """Run the chosen scenes; print a table and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = HERE.parents[1] / "shared" / "scenes"
    parser.add_argument("--folder", type=Path, default=os.environ.get("MTMSD_SCENES", default))
    parser.add_argument("--scenes", nargs="*", choices=list(CASES), default=list(CASES))
    parser.add_argument("--methods", nargs="*", default=["svm", "rf"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--count", type=int, default=20)
    chosen = parser.parse_args()
    rows = []
    for name in chosen.scenes:
        case = CASES[name]
        with Scene.open(chosen.folder / case.raster) as scene:
            labels = read_labels(
                chosen.folder / case.reference, scene, class_field=case.class_field
            )
            for method in chosen.methods:
                trials = [
                    trial(scene, labels, method, seed, chosen.count) for seed in range(chosen.seeds)
                ]
                gains = np.array([t.gains for t in trials]) * 100
                before = 100 * float(np.mean([t.before for t in trials]))
                row = {"scene": name, "method": method, "before": before, "seeds": chosen.seeds}
                row |= {"proposed": gains[:, 0].tolist(), "random": gains[:, 1].tolist()}
                rows.append(row)
                mean = gains.mean(0)
                print(
                    f"{name:8} {method:4} {before:5.1f} {mean[0]:+5.1f} {mean[1]:+5.1f}", flush=True
                )
        (HERE / "next_labels.json").write_text(json.dumps(rows, indent=1) + "\n")


def trial(scene: Scene, labels: Labels, method: str, seed: int, count: int) -> Trial:
    """Learn from a few labels, then from ``count`` more, proposed or random."""
    rng = np.random.default_rng(seed)
    split = spatial_blocks(labels, BLOCK, 0, 0.5, seed)
    test = split.test.subset(stratified_subsample(split.test.values, LARGEST_TEST, seed))
    pool = split.train
    known = read_spectra(scene, pool.rows, pool.cols, Reporter())
    asked = read_spectra(scene, test.rows, test.cols, Reporter())
    values = [v for v, n in pool.counts().items() if n]
    start = np.concatenate(
        [rng.permutation(np.flatnonzero(pool.values == v))[:START] for v in values]
    )

    def accuracy(chosen: np.ndarray) -> float:
        fitted = fit(method, known[chosen], pool.values[chosen], seed=seed)
        return float((fitted.predict(asked) == test.values).mean())

    rest = np.setdiff1d(np.arange(len(pool)), start)
    first = fit(method, known[start], pool.values[start], seed=seed, calibrate=True)
    likely = first.probabilities(known[rest])
    proposed = _proposed(scene, pool, start, rest, likely, count)
    draws = [rng.permutation(rest)[: len(proposed)] for _ in range(DRAWS)]
    return Trial(
        accuracy(start),
        accuracy(np.concatenate([start, proposed])),
        float(np.mean([accuracy(np.concatenate([start, draw])) for draw in draws])),
    )


def _proposed(
    scene: Scene,
    pool: Labels,
    start: np.ndarray,
    rest: np.ndarray,
    likely: np.ndarray,
    count: int,
) -> np.ndarray:
    """Positions in the pool of the points that the command proposes; it sees the pool alone."""
    size = (scene.height, scene.width)
    shares = np.full((likely.shape[1], *size), np.nan, np.float32)
    shares[:, pool.rows[rest], pool.cols[rest]] = likely.T
    shares[:, pool.rows[start], pool.cols[start]] = np.eye(len(shares), 1)  # no doubt there
    given = np.zeros(size, np.uint16)
    given[pool.rows[start], pool.cols[start]] = pool.values[start]
    present = [c for c in pool.classes if c.value in pool.values[start]]
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("shares.tif", "labels.tif", "points.gpkg")]
        with output.probabilities(paths[0], scene, present) as writer:
            writer.write(shares, 0, 0)
        with output.class_map(paths[1], scene, present, {}) as writer:
            writer.write(given, 0, 0)
        suggest(paths[0], paths[2], count, labels_path=paths[1])
        geometry = shapely.from_wkb(pyogrio.raw.read(paths[2])[2])
    rows, cols = rowcol(scene.transform, *shapely.get_coordinates(geometry).T)
    place = {pixel: i for i, pixel in enumerate(zip(pool.rows, pool.cols, strict=True))}
    return np.array([place[int(r), int(c)] for r, c in zip(rows, cols, strict=True)])


if __name__ == "__main__":
    main()
