"""onnxruntime beside torch: time of a map and how far the maps agree, all in one run.

    python bench/light.py CLASSIFIER [--scene SCENE] [--runs N]

CLASSIFIER is a .safetensors file, demo/classifier.safetensors for example, which ``make demo``
makes. Machines are noisy: runs take turns, the best of each counts; ratios hold, seconds do not.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import torch
from mtmsd.classify.classifier import Classifier, load_classifier
from mtmsd.commands.inputs import open_scene_for
from mtmsd.mapping.decision import Block
from mtmsd.mapping.tiles import TileMapper
from mtmsd.onnx.classifier import load_classifier as load_exported
from mtmsd.onnx.export import export
from mtmsd.reporting import Reporter

SAMPLE = Path(__file__).parents[1] / "resources" / "sample" / "enmap_potsdam.tif"


def main() -> None:
    """Time the three, and compare their maps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("classifier", type=Path)
    parser.add_argument("--scene", default=str(SAMPLE))
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    print(f"load {psutil.getloadavg()[0]:.2f}, {torch.get_num_threads()} threads")
    mappers = make_mappers(chosen.classifier, chosen.scene)
    seconds: dict[str, float] = {}
    blocks: dict[str, Block] = {}
    for _ in range(chosen.runs):
        for name, mapper in mappers.items():
            start = time.perf_counter()
            blocks[name] = mapper.block((0, 0, mapper.scene.height, mapper.scene.width))
            seconds[name] = min(seconds.get(name, np.inf), time.perf_counter() - start)
    for name, value in seconds.items():
        ratio = seconds["torch float32"] / value
        print(f"{name:16} {value:7.2f} s {ratio:6.2f} times as fast as torch float32")
    for name in ("torch float32", "torch"):
        print(f"onnx beside {name:14} {agreement(blocks['onnx'], blocks[name])}")
    print(f"load {psutil.getloadavg()[0]:.2f}")


def make_mappers(path: Path, scene_path: str) -> dict[str, TileMapper]:
    """Make torch's mapper as it is by default, in float32, and onnxruntime's; say what it took."""
    cpu = torch.device("cpu")
    classifiers: list[Classifier] = []
    for precision in (None, "fp32"):
        classifier = load_classifier(path)
        assert isinstance(classifier, Classifier)
        if precision:
            settings = dataclasses.replace(classifier.settings, precision=precision)
            classifier.settings = settings
        classifiers.append(classifier)
    scene = open_scene_for(classifiers[0].model, scene_path, Reporter())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "classifier.onnx"
        start = time.perf_counter()
        export(load_classifier(path), file, Reporter())
        exported = time.perf_counter()
        light = TileMapper(scene, load_exported(file), "cpu")
        loaded = time.perf_counter()
        sizes = [f"{p.stat().st_size / 1e6:.1f} MB" for p in (path, file)]
    print(f"{sizes[0]} as safetensors, {sizes[1]} as ONNX")
    print(f"exported in {exported - start:.1f} s, read and built in {loaded - exported:.1f} s")
    torches = [TileMapper(scene, classifier, cpu) for classifier in classifiers]
    return {"torch": torches[0], "torch float32": torches[1], "onnx": light}


def agreement(one: Block, other: Block) -> str:
    """Say on which share of the mapped pixels two maps agree, and how far they differ."""
    mapped = other.values > 0
    same = (one.values == other.values)[mapped].mean()
    differ = np.abs(one.probabilities - other.probabilities)[:, mapped].max()
    return f"{100 * same:.3f} % the same class; probabilities differ by {differ:.1e} at most"


if __name__ == "__main__":
    main()
