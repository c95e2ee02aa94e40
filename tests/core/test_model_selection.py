"""Model selection: the learning rate and branch weights that suit the labels."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from mtmsd.classes import ClassInfo
from mtmsd.classify.model_selection import HIGH_RATE, LOW_RATE
from mtmsd.classify.network import Streams
from mtmsd.classify.training import TrainingSet
from mtmsd.diffusion.model import DiffusionModel
from mtmsd.diffusion.unet import UNet
from mtmsd.errors import Canceled, InputError
from mtmsd.labels.labels import Labels
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene
from mtmsd.scene.whitening import fit_whitening
from mtmsd.settings import PRESETS, ClassifierSettings
from small_files import write_raster

pytestmark = pytest.mark.slow

SIDE, FIELD, CLASSES = 96, 8, 8
SETTINGS = dataclasses.replace(
    PRESETS["quick"].classifier,
    timesteps=(50,),
    channels=32,
    members=1,
    stride=48,
    epochs=4,
    precision="fp32",
    layout="contiguous",
)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> TrainingSet:
    """Fields of 8×8 px in eight classes whose spectra differ little; a label every second px."""
    rng = np.random.default_rng(0)
    fields = rng.integers(CLASSES, size=(SIDE // FIELD, SIDE // FIELD))
    truth = np.kron(fields, np.ones((FIELD, FIELD), int))
    spectra = rng.normal(1000, 25, (CLASSES, 8))
    data = spectra[truth].transpose(2, 0, 1) + rng.normal(0, 20, (8, SIDE, SIDE))
    path: Path = tmp_path_factory.mktemp("scene") / "fields.tif"
    scene = Scene.open(write_raster(path, data.astype("int16")))
    rows, cols = (a.ravel().astype(np.int32) for a in np.mgrid[0:SIDE:2, 0:SIDE:2])
    classes = tuple(ClassInfo(i + 1, f"class {i}", f"#0000{i:02x}") for i in range(CLASSES))
    values = (truth[rows, cols] + 1).astype(np.uint16)
    labels = Labels(rows, cols, values, np.zeros(len(rows), np.int32), classes)
    torch.manual_seed(0)
    model = DiffusionModel(UNet(8, 32).eval(), fit_whitening(scene, 8, seed=0), {"patch_size": 48})
    cpu = torch.device("cpu")
    return TrainingSet.extract(
        scene, labels, model, SETTINGS, device=cpu, seed=0, reporter=Reporter()
    )


def uncertain(samples: TrainingSet) -> TrainingSet:
    """Return the same samples; half of the labels name any class."""
    rng = np.random.default_rng(1)
    values = samples.labels.values.copy()
    wrong = rng.random(len(values)) < 0.5
    values[wrong] = rng.integers(1, CLASSES + 1, wrong.sum())
    return dataclasses.replace(samples, labels=dataclasses.replace(samples.labels, values=values))


def every(samples: TrainingSet) -> np.ndarray:
    return np.arange(len(samples.labels))


def test_clear_labels_get_the_high_rate_and_uncertain_ones_the_low(samples: TrainingSet) -> None:
    for given, expected in ((uncertain(samples), LOW_RATE), (samples, HIGH_RATE)):
        chosen = given.select_settings(every(given), seed=0, reporter=Reporter())
        assert chosen == expected.of(SETTINGS)


def test_classifier_says_which_rate_was_selected(samples: TrainingSet) -> None:
    assert samples.settings.learning_rate == 0
    chosen = samples.fit(seed=0, reporter=Reporter())
    given = HIGH_RATE.of(SETTINGS)
    assert chosen.settings == given
    same = dataclasses.replace(samples, settings=given).fit(seed=0, reporter=Reporter())
    for one, other in zip(chosen.members, same.members, strict=True):
        for a, b in zip(one.parameters(), other.parameters(), strict=True):
            assert torch.equal(a, b)


def test_labels_in_one_place_leave_nothing_to_try(samples: TrainingSet) -> None:
    near = np.flatnonzero((samples.labels.rows < 16) & (samples.labels.cols < 16))
    chosen = samples.select_settings(near, seed=0, reporter=Reporter())
    assert chosen == LOW_RATE.of(SETTINGS)


def test_trials_are_canceled(samples: TrainingSet) -> None:
    class Canceling(Reporter):
        @property
        def cancel_requested(self) -> bool:
            return True

    with pytest.raises(Canceled):
        samples.select_settings(every(samples), seed=0, reporter=Canceling())


def test_main_branch_weighs_as_the_settings_say(samples: TrainingSet) -> None:
    rows = np.arange(20)

    def mean(weight: float) -> torch.Tensor:
        given = dataclasses.replace(SETTINGS, learning_rate=1e-3, branch_weight=weight, epochs=1)
        fitted = dataclasses.replace(samples, settings=given).fit(seed=0, reporter=Reporter())
        streams = samples.streams(rows, fitted.local, fitted.global_)
        streams = Streams(streams.local.float(), streams.global_.float(), streams.spectrum)
        with torch.no_grad():
            branches = torch.softmax(fitted.members[0](streams), dim=-1)
            expected = (weight * branches[:, :, 0] + branches[:, :, 1:].sum(2)) / (weight + 2)
            torch.testing.assert_close(fitted.members[0].probabilities(streams), expected)
        return expected

    assert (mean(1.0) - mean(3.0)).abs().max() > 0.01


@pytest.mark.parametrize("weight", [0.0, -2.0])
def test_main_branch_must_weigh_something(samples: TrainingSet, weight: float) -> None:
    given = dataclasses.replace(SETTINGS, learning_rate=1e-3, branch_weight=weight)
    with pytest.raises(InputError, match="branch_weight"):
        dataclasses.replace(samples, settings=given).fit(seed=0, reporter=Reporter())


def test_only_the_paper_sets_a_rate() -> None:
    rates = {name: preset.classifier.learning_rate for name, preset in PRESETS.items()}
    assert rates == {"quick": 0, "balanced": 0, "paper": 1e-3}
    assert ClassifierSettings().learning_rate == 0
