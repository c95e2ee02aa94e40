"""The fastest arithmetic is measured, kept, told, and gives the same bits again."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from mtmsd.classify.classifier import Classifier, load_classifier
from mtmsd.cli.main import main
from mtmsd.compute.arithmetic import FORMS, Arithmetic
from mtmsd.diffusion import fastest
from mtmsd.diffusion.model import DiffusionModel
from mtmsd.diffusion.patches import Batch
from mtmsd.diffusion.schedule import cosine_schedule
from mtmsd.diffusion.step import set_gradients
from mtmsd.diffusion.unet import UNet
from mtmsd.errors import InputError
from mtmsd.reporting import Reporter
from mtmsd.settings import ClassifierSettings, PretrainSettings
from running import TINY, checkpoint_of, end, start, wait_for, words
from safetensors import safe_open

CPU = torch.device("cpu")
PLAIN = Arithmetic("fp32", "contiguous")
OTHER = Arithmetic("fp32", "channels_last")
OPEN = TINY | {"precision": "auto", "iterations": 8, "checkpoint_every": 2}


class Warned(Reporter):
    """Keeps the warnings."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def warning(self, message: str) -> None:
        """Keep it."""
        self.told.append(message)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for answers; measuring is on, and brief."""
    monkeypatch.delenv(fastest.VARIABLE)
    monkeypatch.setenv("MTMSD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fastest, "SECONDS", 0.02)
    return tmp_path / "cache"


def trial(quick: Arithmetic, calls: list[Arithmetic], **work: Any) -> fastest.Trial:
    """Work that one form does ten times as fast as the others."""

    def prepare(form: Arithmetic) -> fastest.Work:
        calls.append(form)
        return lambda: time.sleep(0.001 if form == quick else 0.01)

    return fastest.Trial(CPU, work, prepare)


@pytest.mark.parametrize("quick", FORMS)
def test_what_is_fastest_is_chosen_and_remembered(cache: Path, quick: Arithmetic) -> None:
    calls: list[Arithmetic] = []
    assert fastest.fastest(trial(quick, calls), FORMS, Reporter()) == quick
    assert set(calls) == set(FORMS)
    (kept,) = cache.iterdir()
    answer = json.loads(kept.read_text())
    assert Arithmetic(answer["precision"], answer["layout"]) == quick
    assert set(answer["seconds"]) == {str(form) for form in FORMS}
    calls.clear()
    slower_now = trial(next(form for form in FORMS if form != quick), calls)
    assert fastest.fastest(slower_now, FORMS, Reporter()) == quick
    assert calls == []


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"precision": "fp64"}', "null"])
def test_a_damaged_answer_is_measured_again(cache: Path, damage: str) -> None:
    assert fastest.fastest(trial(OTHER, []), FORMS, Reporter()) == OTHER
    (kept,) = cache.iterdir()
    whole = kept.read_text()
    kept.write_text(damage)
    assert fastest.fastest(trial(OTHER, []), FORMS, Reporter()) == OTHER
    assert json.loads(kept.read_text())["for"] == json.loads(whole)["for"]
    assert [path.name for path in cache.iterdir()] == [kept.name]


def test_an_answer_holds_for_its_machine_version_and_work(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Arithmetic] = []
    fastest.fastest(trial(PLAIN, []), FORMS, Reporter())
    changes = {
        "get_num_threads": lambda: 17,
        "__version__": "9.9",
    }
    for name, value in changes.items():
        with monkeypatch.context() as changed:
            changed.setattr(torch, name, value)
            calls.clear()
            assert fastest.fastest(trial(OTHER, calls), FORMS, Reporter()) == OTHER
            assert calls, name
    calls.clear()
    assert fastest.fastest(trial(OTHER, calls, kind="other"), FORMS, Reporter()) == OTHER
    assert calls


def test_a_form_that_the_device_lacks_is_left_out(cache: Path) -> None:
    def prepare(form: Arithmetic) -> fastest.Work:
        if form.precision == "bf16":
            raise RuntimeError("no kernel for BFloat16")
        return lambda: time.sleep(0.001)

    chosen = fastest.fastest(fastest.Trial(CPU, {}, prepare), FORMS, Reporter())
    assert chosen.precision == "fp32"


def test_an_answer_that_cannot_be_kept_is_told(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MTMSD_CACHE", str(tmp_path / "file"))
    warned = Warned()
    assert fastest.fastest(trial(OTHER, []), FORMS, warned) == OTHER
    (sentence,) = warned.told
    assert str(tmp_path / "file") in sentence
    assert "MTMSD_CACHE" in sentence


def test_real_work_is_measured_for_training_and_features_apart(cache: Path) -> None:
    backbone = UNet(4, 32)
    before = torch.random.get_rng_state()
    pretraining = fastest.for_pretraining(
        backbone, PretrainSettings(patch_size=8, batch_size=1), CPU, Reporter()
    )
    features = fastest.for_features(
        backbone, ClassifierSettings(layout="channels_last"), 8, CPU, Reporter()
    )
    assert torch.equal(before, torch.random.get_rng_state())
    answers = {a["for"]["kind"]: a for a in (json.loads(p.read_text()) for p in cache.iterdir())}
    for kind, settings in (("pretraining", pretraining), ("features", features)):
        seconds = answers[kind]["seconds"]
        assert seconds[f"{settings.precision},{settings.layout}"] == min(seconds.values()) > 0
    assert len(answers["pretraining"]["seconds"]) == 4
    assert set(answers["features"]["seconds"]) == {"fp32,channels_last", "bf16,channels_last"}


def test_what_is_set_by_hand_is_not_measured(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(**given: Any) -> tuple[str, str]:
        settings = ClassifierSettings(**given)
        found = fastest.for_features(UNet(4, 32), settings, 16, CPU, Reporter())
        return found.precision, found.layout

    assert chosen(precision="bf16") == ("bf16", "contiguous")
    assert chosen(precision="fp32", layout="channels_last") == ("fp32", "channels_last")
    monkeypatch.setenv(fastest.VARIABLE, "bf16, channels_last")
    assert chosen() == ("bf16", "channels_last")
    assert chosen(layout="contiguous") == ("bf16", "contiguous")
    assert chosen(precision="fp32") == ("fp32", "contiguous")
    assert not cache.exists()
    monkeypatch.setenv(fastest.VARIABLE, "float16")
    with pytest.raises(InputError, match="no arithmetic 'float16'"):
        chosen()


def content(model: Path) -> str:
    with safe_open(model, framework="np") as file:
        return file.metadata()["sha256"]


def pretrained(scene: Path, model: Path, settings: dict[str, Any], *options: str) -> DiffusionModel:
    line = ["pretrain", scene, "-o", model, "--seed", "4", *options, *words(settings)]
    assert main([str(word) for word in line]) == 0
    return DiffusionModel.load(model)


@pytest.mark.slow
def test_model_and_classifier_say_what_was_used_and_a_repeat_gives_the_same_bits(
    cache: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, labels = trained / "scene.tif", trained / "labels.gpkg"
    monkeypatch.setenv(fastest.VARIABLE, str(OTHER))
    model = tmp_path / "model.safetensors"
    used = pretrained(scene, model, OPEN).metadata["settings"]["pretrain"]
    assert (used["precision"], used["layout"]) == ("fp32", "channels_last")
    classifier = tmp_path / "classifier.safetensors"
    line = ["train", scene, labels, "-o", classifier, "--model", model, "--holdout", "0"]
    line += ["--classifier", "mtmsd"]
    assert main([str(word) for word in [*line, *words(OPEN)]]) == 0
    monkeypatch.setenv(fastest.VARIABLE, str(PLAIN))  # as another machine would choose
    loaded = load_classifier(classifier)
    assert isinstance(loaded, Classifier)
    loaded = loaded.to(CPU)
    assert (loaded.settings.precision, loaded.settings.layout) == ("fp32", "channels_last")
    again = tmp_path / "again.safetensors"
    pretrained(scene, again, OPEN | {key: used[key] for key in ("precision", "layout")})
    plain = pretrained(scene, tmp_path / "plain.safetensors", OPEN).backbone.state_dict()
    one, other = (DiffusionModel.load(path).backbone.state_dict() for path in (model, again))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not all(torch.equal(one[name], plain[name]) for name in one)


@pytest.mark.slow
def test_resume_goes_on_in_the_arithmetic_of_the_checkpoint(
    cache: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, broken = trained / "scene.tif", tmp_path / "broken.safetensors"
    settings = OPEN | {"iterations": 14}
    monkeypatch.setenv(fastest.VARIABLE, str(OTHER))
    whole = tmp_path / "whole.safetensors"
    pretrained(scene, whole, settings)
    line = ["pretrain", scene, "-o", broken, "--seed", "4", "--json", *words(settings)]
    process = start(*line)
    wait_for(lambda: checkpoint_of(broken))
    process.kill()
    end(process)
    monkeypatch.setenv(fastest.VARIABLE, str(PLAIN))
    resumed = pretrained(scene, broken, settings, "--resume").metadata["settings"]["pretrain"]
    assert (resumed["precision"], resumed["layout"]) == ("fp32", "channels_last")
    assert content(broken) == content(whole)


def test_the_layout_changes_no_gradient_and_suits_adam() -> None:
    """Adam in one pass takes parameters and gradients as they lie in memory, side by side."""
    generator = torch.Generator().manual_seed(0)
    x0, noise = (torch.randn(2, 4, 16, 16, generator=generator) for _ in range(2))
    batch = Batch(x0, torch.tensor([5, 700]), noise)
    networks = []
    for form in (PLAIN, OTHER):
        torch.manual_seed(0)
        network = UNet(4, 32)
        for parameter in network.parameters():  # what begins with 0 would hide the others
            torch.nn.init.normal_(parameter, std=0.05)
        networks.append(form.place(network, CPU))
        set_gradients(network, cosine_schedule(), batch, CPU, form)
    differ = 0
    for one, other in zip(*(network.parameters() for network in networks), strict=True):
        assert other.grad is not None
        assert other.grad.stride() == other.stride()
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-3, atol=1e-4)
        differ += one.stride() != other.stride()
    assert differ > 10
