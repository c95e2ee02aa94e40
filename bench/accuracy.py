"""Accuracy on the real scenes: the method beside spectral baselines, dense beside patchwise.

    python bench/accuracy.py [--preset balanced] [--scenes NAME …] [--seeds 3] [--patchwise]

Scenes that are not in the folder are left out; bench/indian_pines.py writes the one named pines.
Each scene is pretrained once and kept in bench/models; the seeds draw splits and ensembles.
Overall accuracy, average accuracy and κ in percent, mean ± standard deviation over the seeds;
test pixels are never trained on. Random splits take the share of the labels that is named;
block splits half of the 16×16 px blocks. Writes bench/accuracy.json.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mtmsd.assess.accuracy import confusion, figures
from mtmsd.assess.baseline import spectral_baselines
from mtmsd.classify.training import TrainingSet
from mtmsd.compute.device import choose_device
from mtmsd.diffusion.model import DiffusionModel
from mtmsd.diffusion.pretrain import pretrain
from mtmsd.labels.labels import Labels
from mtmsd.labels.read import read_labels
from mtmsd.labels.splits import Split, positions, random_stratified, spatial_blocks
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene
from mtmsd.settings import Settings, preset

HERE = Path(__file__).parent
BLOCK = 16


@dataclass(frozen=True)
class Case:
    """A scene, its reference, and the share of it that a random split trains on."""

    raster: str
    reference: str
    share: float
    class_field: str | None = None


CASES = {
    "houston": Case("houston2018_crop/houston2018_crop.tif", "houston2018_crop/truth.tif", 0.05),
    "potsdam": Case("enmap_potsdam/enmap_potsdam.tif", "enmap_potsdam/landcover.tif", 0.10),
    "salinas": Case("salinas_a/salinas_a.tif", "salinas_a/truth.tif", 0.05),
    "berlin": Case(
        "berlin_hymap/HyMap02_Berlin_Urban_Gradient_2009.bsq",
        "berlin_hymap/LandCov_Vec_Berlin_Urban_Gradient_2009.shp",
        0.10,
        "Level_2",
    ),
    "pines": Case("indian_pines/cube.tif", "indian_pines/truth.tif", 0.10),
}


def main() -> None:
    """Run the chosen scenes; print a table and write all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = HERE.parents[1] / "shared" / "scenes"
    parser.add_argument("--folder", type=Path, default=os.environ.get("MTMSD_SCENES", default))
    parser.add_argument("--scenes", nargs="*", choices=list(CASES), default=[])
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--patchwise", action="store_true", help="patchwise features too (slow)")
    chosen = parser.parse_args()
    settings = preset(chosen.preset, dict(pair.split("=", 1) for pair in chosen.set))
    everything = []
    at_hand = [name for name, case in CASES.items() if (chosen.folder / case.raster).exists()]
    if not at_hand:
        parser.error(f"{chosen.folder} holds none of the scenes")
    for name in chosen.scenes or at_hand:
        rows = run(CASES[name], chosen.folder, name, settings, chosen)
        everything.append({"scene": name, "preset": chosen.preset, **rows})
        (HERE / "accuracy.json").write_text(json.dumps(everything, indent=1) + "\n")


def run(
    case: Case, folder: Path, name: str, settings: Settings, chosen: argparse.Namespace
) -> dict[str, Any]:
    """Score every method on every split of one scene."""
    device = choose_device(chosen.device)
    scene = Scene.open(folder / case.raster)
    labels = read_labels(folder / case.reference, scene, class_field=case.class_field)
    model, seconds = pretrained(scene, name, settings, chosen)
    sets = {}
    for kind in ("dense", "patchwise") if chosen.patchwise else ("dense",):
        own = preset(chosen.preset, {**dict(p.split("=", 1) for p in chosen.set), "features": kind})
        sets[f"mtmsd, {kind}"] = TrainingSet.extract(
            scene, labels, model, own.classifier, device=device, seed=0, reporter=Reporter()
        )
    scores: dict[str, dict[str, list[list[float]]]] = {}
    for seed in range(chosen.seeds):
        for split_name, split in splits(labels, case.share, seed):
            for method, predicted in answers(scene, split, sets, seed):
                found = score(split, labels, predicted)
                scores.setdefault(split_name, {}).setdefault(method, []).append(found)
    print(f"\n{name}: {settings.preset}, pretraining {seconds / 60:.1f} min, {len(labels)} labels")
    for split_name, methods in scores.items():
        for method, found in methods.items():
            mean, spread = np.mean(found, 0) * 100, np.std(found, 0) * 100
            cells = "  ".join(f"{m:5.1f} ± {s:3.1f}" for m, s in zip(mean, spread, strict=True))
            print(f"  {split_name:16} {method:42} {cells}", flush=True)
    return {"pretrain_s": seconds, "scores": scores}


def splits(labels: Labels, share: float, seed: int) -> Iterator[tuple[str, Split]]:
    """Draw the paper's random split, and whole blocks with half of them for training."""
    yield f"{share:.0%} random", random_stratified(labels, train_fraction=share, seed=seed)
    yield f"{BLOCK}×{BLOCK} blocks", spatial_blocks(labels, BLOCK, 0, 0.5, seed=seed)


def answers(
    scene: Scene, split: Split, sets: dict[str, TrainingSet], seed: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Class values of the test pixels from every method."""
    for name, samples in sets.items():
        train, test = (positions(part, samples.labels) for part in (split.train, split.test))
        classifier = samples.fit(train, seed=seed, reporter=Reporter())
        values = np.array([c.value for c in classifier.classes], np.uint16)
        yield name, values[samples.predict(classifier, test).argmax(1)]
    parts = [(split.train, split.test)]
    for baseline in spectral_baselines(scene, parts, seed=seed, reporter=Reporter()):
        yield baseline.title, baseline.predicted


def score(split: Split, labels: Labels, predicted: np.ndarray) -> list[float]:
    """Overall accuracy, average accuracy, κ."""
    values = [c.value for c in labels.classes]
    found = figures(confusion(split.test.values, predicted, values))
    return [float(found.overall), float(found.average), float(found.kappa)]


def pretrained(
    scene: Scene, name: str, settings: Settings, chosen: argparse.Namespace
) -> tuple[DiffusionModel, float]:
    """Return the scene's model for this preset, pretrained unless it is kept already."""
    changes = "".join(f"-{pair}" for pair in sorted(chosen.set))
    path = HERE / "models" / f"{name}-{settings.preset}{changes}.safetensors"
    path.parent.mkdir(exist_ok=True)
    note = path.with_suffix(".seconds")
    if not path.exists():
        start = time.monotonic()
        device = choose_device(chosen.device)
        pretrain(scene, settings, path, device=device, seed=0, reporter=Reporter())
        note.write_text(str(time.monotonic() - start))
    return DiffusionModel.load(path), float(note.read_text())


if __name__ == "__main__":
    main()
