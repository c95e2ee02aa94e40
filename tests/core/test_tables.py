"""The tables of fusions and heads: whatever is in them is trained, kept, mapped and exported."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from pkgutil import resolve_name

import numpy as np
import pytest
import rasterio
import torch
from mtmsd.classify.classifier import Classifier, load_classifier
from mtmsd.classify.fusion import Fusion
from mtmsd.classify.fusions import FUSIONS
from mtmsd.classify.head import Head
from mtmsd.classify.heads import HEADS
from mtmsd.classify.model_selection import select_hyperparameters
from mtmsd.cli.main import main
from mtmsd.labels.read import read_labels
from mtmsd.mapping.mapper import MAPPERS
from mtmsd.onnx.classifier import ExportedClassifier
from mtmsd.regions.classifier import RegionClassifier
from mtmsd.scene.raster import Scene
from mtmsd.settings import ClassifierSettings
from mtmsd.spectral.classifier import SpectralClassifier
from mtmsd.stack.classifier import StackClassifier
from running import TINY, words
from torch import Tensor, nn

ENGINE = Path(__file__).parents[2] / "core" / "mtmsd"


class Last(Fusion):
    """The last timestep, of all channels, twice over."""

    purified = False
    trial = "last"

    def __init__(self, stages: Sequence[int]) -> None:
        super().__init__()
        self.stages, self.channels = stages, 2 * sum(stages)

    @classmethod
    def of(cls, settings: ClassifierSettings, stages: Sequence[int]) -> Last:
        """Make one."""
        return cls(stages)

    def forward(self, local: Tensor, global_: Tensor) -> Tensor:
        """(N, P, T, k) -> (N, P, 2·k)."""
        return torch.cat([local[:, :, -1]] * 2, dim=2)

    def weights(self, local: Tensor, global_: Tensor) -> Tensor:
        """All at the last timestep."""
        found = torch.zeros(local.shape[2:])
        found[-1] = 1 / local.shape[3]
        return found


class Linear(Head):
    """One linear layer."""

    branches = 1

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.layer = nn.Linear(features, classes)

    @classmethod
    def of(
        cls, settings: ClassifierSettings, features: int, components: int, classes: int
    ) -> Linear:
        """Make one."""
        return cls(features, classes)

    def forward(self, fused: Tensor, spectrum: Tensor, cube: Tensor | None = None) -> Tensor:
        """(P, k) -> (P, 1, K)."""
        return self.layer(fused)[:, None]


@pytest.mark.slow
def test_another_fusion_and_head_are_a_line_in_their_tables(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FUSIONS, "last", Last)
    monkeypatch.setitem(HEADS, "linear", Linear)
    scene, path = trained / "scene.tif", tmp_path / "c.safetensors"
    settings = words(TINY | {"fusion": "last", "head": "linear", "channels": 7})
    line = ["train", scene, trained / "labels.gpkg", "-o", path]
    line += ["--model", trained / "model.safetensors", "--holdout", "0", *settings]
    assert main([str(word) for word in [*line, "--classifier", "mtmsd"]]) == 0
    classifier = load_classifier(path)
    (member,) = classifier.members
    assert member.fusion.stages == (64, 64, 64, 64, 64), "all of every stage, not 7 channels"
    assert (member.fusion.channels, member.head.layer.in_features) == (640, 640)
    table = classifier.metadata["weights"]
    np.testing.assert_allclose(table["values"], [[0] * 5, [0.2] * 5])
    maps = []
    assert main(["export", str(path), "-o", str(tmp_path / "c.onnx")]) == 0
    for file in (path, tmp_path / "c.onnx"):
        line = ["classify", scene, "-o", tmp_path / "map.tif", "--classifier", file]
        assert main([str(word) for word in line]) == 0
        with rasterio.open(tmp_path / "map.tif") as made:
            maps.append(made.read(1))
            assert json.loads(made.tags()["MTMSD"])["settings"]["fusion"] == "last"
    np.testing.assert_array_equal(*maps)
    assert set(np.unique(maps[0])) == {1, 2}


@pytest.mark.parametrize(("fusion", "tried"), [("guided", "mean"), ("mean", "mean")])
def test_model_selection_tries_the_fusion_that_the_fusion_names(
    fusion: str, tried: str, trained: Path
) -> None:
    labels = read_labels(trained / "labels.gpkg", Scene.open(trained / "scene.tif"))
    seen = set()

    def trial(settings: ClassifierSettings, kept: np.ndarray, asked: np.ndarray) -> np.ndarray:
        seen.add((settings.fusion, settings.members))
        return np.ones((len(asked), 2))

    select_hyperparameters(
        ClassifierSettings(fusion=fusion), labels, np.arange(len(labels)), trial,
        seed=0, device=torch.device("cpu"),
    )  # fmt: skip
    assert seen == {(tried, 1)}


def test_nothing_but_their_tables_names_a_fusion_or_a_head() -> None:
    for kind, tables in ((Fusion, FUSIONS), (Head, HEADS)):
        for entry in tables.values():
            assert issubclass(entry, kind)
            named = [p for p in ENGINE.rglob("*.py") if entry.__name__ in p.read_text("utf-8")]
            home = Path(entry.__module__.replace(".", "/")).name
            assert {p.stem for p in named} == {home, f"{kind.__name__.lower()}s"}, entry


def test_no_file_asks_a_classifier_what_kind_it_is() -> None:
    """What maps, exports and explains is asked of the object; new kinds need no line elsewhere."""
    kinds = "Classifier|ExportedClassifier|SpectralClassifier|StackClassifier|RegionClassifier"
    asks = re.compile(rf"isinstance\([^()]*\b({kinds})\b")
    for path in ENGINE.rglob("*.py"):
        assert not asks.search(path.read_text("utf-8")), path


def test_every_kind_of_classifier_names_what_maps_with_it() -> None:
    for kind, name in (
        (Classifier, "TileMapper"),
        (ExportedClassifier, "TileMapper"),
        (SpectralClassifier, "SpectralMapper"),
        (StackClassifier, "StackMapper"),
        (RegionClassifier, "RegionMapper"),
    ):
        assert resolve_name(MAPPERS[kind.mapped_by]).__name__ == name
