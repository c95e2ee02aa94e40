"""Many training samples: no class is lost, it is said, and the disk gives what memory would."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from mtmsd.classes import ClassInfo
from mtmsd.classify import training
from mtmsd.classify.spill import Rows
from mtmsd.classify.training import TrainingSet, capacity
from mtmsd.diffusion.model import DiffusionModel
from mtmsd.labels.labels import Labels
from mtmsd.labels.read import read_labels
from mtmsd.mapping.tiles import TileMapper
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene
from mtmsd.settings import PRESETS, ClassifierSettings

pytestmark = pytest.mark.slow

TINY = ClassifierSettings(
    timesteps=(100,), channels=8, stride=16, members=1, epochs=2, samples_per_epoch=0,
    learning_rate=2e-3, precision="fp32",
)  # fmt: skip
PATCHWISE = dataclasses.replace(TINY, features="patchwise")
CPU = torch.device("cpu")
HOUSTON_2018 = 25_242
"""Training samples of the paper."""


class Listener(Reporter):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warning(self, message: str) -> None:
        self.warnings.append(message)


def extract(
    folder: Path,
    settings: ClassifierSettings,
    *,
    labels: Labels | None = None,
    spill: Path | None = None,
    reporter: Reporter | None = None,
) -> TrainingSet:
    model = DiffusionModel.load(folder / "model.safetensors")
    with Scene.open(folder / "scene.tif") as scene:
        return TrainingSet.extract(
            scene,
            labels or read_labels(folder / "labels.gpkg", scene),
            model,
            settings,
            device=torch.device("cpu"),
            seed=0,
            reporter=reporter or Reporter(),
            spill=spill,
        )


def sample_bytes(folder: Path) -> int:
    """Bytes of a sample's local features."""
    return extract(folder, PATCHWISE).samples.local[0].numel() * 2


def test_the_paper_preset_keeps_every_sample_of_houston_2018() -> None:
    in_memory, with_disk = capacity(PRESETS["paper"].classifier, 1280)
    assert in_memory < HOUSTON_2018 <= with_disk


def test_samples_on_disk_learn_the_same_bits_as_in_memory(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = extract(trained, PATCHWISE)
    monkeypatch.setattr(training, "SAMPLE_BYTES", 10 * sample_bytes(trained))
    listener = Listener()
    found = extract(trained, PATCHWISE, spill=tmp_path, reporter=listener)
    assert listener.warnings == []
    assert list(tmp_path.iterdir()) == [], "the file has no name: nothing is left of it"
    assert len(found.samples.pixel) == 120
    for name in ("local", "global_", "spectrum"):
        assert torch.equal(getattr(found.samples, name), getattr(expected.samples, name))
    one, other = (samples.fit(seed=3, reporter=Reporter()) for samples in (expected, found))
    for a, b in zip(one.members[0].parameters(), other.members[0].parameters(), strict=True):
        assert torch.equal(a, b)
    index = np.arange(120)
    assert np.array_equal(expected.predict(one, index), found.predict(other, index))
    assert "thinned" not in other.metadata


def test_rows_in_a_file_are_those_in_memory(tmp_path: Path) -> None:
    parts = [torch.randn(n, 3, 5).half() for n in (4, 0, 7)]
    in_memory, on_disk = Rows(None), Rows(tmp_path)
    for part in parts:
        in_memory.append(part)
        on_disk.append(part)
    assert torch.equal(in_memory.joined(), torch.cat(parts))
    assert torch.equal(on_disk.joined(), torch.cat(parts))


@pytest.mark.parametrize("settings", [TINY, PATCHWISE], ids=["dense", "patchwise"])
def test_thinning_keeps_every_class_and_says_how_many_of_how_many(
    trained: Path, monkeypatch: pytest.MonkeyPatch, settings: ClassifierSettings
) -> None:
    with Scene.open(trained / "scene.tif") as scene:
        read = read_labels(trained / "labels.gpkg", scene)
    values = read.values.copy()
    values[-3:] = 9  # three pixels of 120
    rare = dataclasses.replace(
        read, values=values, classes=(*read.classes, ClassInfo(9, "rare", "#123456"))
    )
    whole = extract(trained, settings, labels=rare)
    total = len(whole.samples.pixel)
    of_rare = int((rare.values[whole.samples.pixel] == 9).sum())
    monkeypatch.setattr(training, "SAMPLE_BYTES", 40 * sample_bytes(trained))
    listener = Listener()
    found = extract(trained, settings, labels=rare, reporter=listener)
    kept = rare.values[found.samples.pixel]
    assert 3 <= (kept == 9).sum() == min(of_rare, 10)
    assert min((kept == 1).sum(), (kept == 2).sum()) >= 10
    assert len(kept) < 60
    assert listener.warnings[0].startswith(f"{len(kept)} of {total} training samples are learnt")
    classifier = found.fit(seed=0, reporter=Reporter())
    assert classifier.metadata["thinned"] == {"kept": len(kept), "of": total}


def test_held_out_figures_and_map_choose_the_same_class(trained: Path) -> None:
    """By the vote of members that disagree, where their mean would choose another."""
    with Scene.open(trained / "scene.tif") as scene:
        read = read_labels(trained / "labels.gpkg", scene)
        values = np.random.default_rng(0).integers(1, 5, len(read)).astype(np.uint16)
        classes = tuple(ClassInfo(v, str(v), f"#00000{v}") for v in range(1, 5))
        noise = dataclasses.replace(read, values=values, classes=classes)
        for vote in ("mode", "mean"):
            settings = dataclasses.replace(TINY, members=5, vote=vote)
            samples = extract(trained, settings, labels=noise)
            classifier = samples.fit(seed=0, reporter=Reporter())
            probabilities, chosen = samples.decide(classifier, np.arange(len(noise)))
            mapped = TileMapper(scene, classifier, CPU).block((0, 0, 40, 48))
            there = mapped.values[noise.rows, noise.cols]
            assert (np.arange(1, 5)[chosen] == there).mean() > 0.99, "but for rounding"
            differ = (probabilities.argmax(1) != chosen).sum()
            assert differ == 0 if vote == "mean" else differ > 2
