"""Settings are checked before any work begins, in one way wherever they come from."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from mtmsd.cli.main import main
from mtmsd.commands.method import check_method
from mtmsd.diffusion.backbones import BACKBONES
from mtmsd.diffusion.unet import UNet
from mtmsd.errors import InputError
from mtmsd.fields import hints_of, parts, rule
from mtmsd.files.model_check import read_settings
from mtmsd.settings import PRESETS, ClassifierSettings, PretrainSettings, preset
from running import TINY, fields_scene, words


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return fields_scene(tmp_path_factory.mktemp("given"))


WRONG = {
    "components": "0", "spectral_components": "-1", "patch_size": "18", "width": "33",
    "iterations": "0", "batch_size": "0", "learning_rate": "nan", "schedule": "linear",
    "augment": "perhaps", "ema_decay": "1.5", "precision": "fp8", "checkpoint_every": "-250",
    "features": "sparse", "timesteps": "50,2000", "blocks": "0,0", "channels": "0", "stride": "0",
    "standardise": "2", "turns": "9", "members": "0", "epochs": "1e9", "samples_per_epoch": "-1",
    "classifier.batch_size": "1", "classifier.learning_rate": "inf", "branch_weight": "0",
    "vote": "best", "classifier.precision": "double",
}  # fmt: skip


@pytest.mark.parametrize(("key", "text"), WRONG.items())
def test_each_setting_out_of_range_is_named_with_its_range(key: str, text: str) -> None:
    with pytest.raises(InputError) as caught:
        preset("balanced", {key: text})
    name = key.rpartition(".")[2]
    assert caught.value.message == f"The setting {name} cannot be '{text}'."
    part = ClassifierSettings if key not in hints_of(PretrainSettings) else PretrainSettings
    assert caught.value.hint == f"It is {rule(hints_of(part)[name])}."


def test_the_limits_of_the_default_are_those_of_its_network() -> None:
    kind = BACKBONES[PretrainSettings.backbone]
    hints = hints_of(PretrainSettings)
    for name, limits in (("width", kind.width_limits()), ("patch_size", kind.patch_limits())):
        assert parts(hints[name]) == (int, limits)


def test_every_number_has_limits() -> None:
    """A new setting without any would fail after hours."""
    for part in (PretrainSettings, ClassifierSettings):
        for name, hint in hints_of(part).items():
            assert rule(hint) not in ("a number", "a whole number"), name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stride=100", "It is a whole number from 1 to 1024."),
        ("width=33", "a whole number from 32 to 4096, a multiple of 32."),
        ("members=two", "a whole number from 1 to 1000."),
        ("branch_weight=-1", "a number above 0, 1000 at most."),
        ("timesteps=2000", "a list of whole numbers, each once, each from 0 to 999."),
        ("augment=maybe", "true or false."),
        ("vote=loudest", "one of: mean, mode."),
    ],
)
def test_the_range_is_said(text: str, said: str) -> None:
    key, _, value = text.partition("=")
    if key == "stride":
        value = "5000"
    with pytest.raises(InputError) as caught:
        preset("quick", {key: value})
    assert caught.value.hint.endswith(said)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--set", "stride=100"], ["stride", "'100'", "patch_size of 48", "48 at most"]),
        (["--set", "patch_size=16"], ["stride", "'24'", "patch_size of 16"]),
        (["--set", "blocks=9"], ["blocks", "'9'", "0 to 8"]),
        (["--set", "members=0"], ["members", "'0'", "from 1"]),
        (["--set", "channels=0"], ["channels", "'0'"]),
        (["--set", "width=33"], ["width", "'33'", "multiple of 32"]),
        (["--set", "timesteps=2000"], ["timesteps", "'2000'", "0 to 999"]),
        (["--set", "patch_size=50"], ["patch_size", "'50'", "multiple of 4"]),
        (["--set", "fusion=strong"], ["fusion", "'strong'", "guided"]),
        (["--set", "head=none"], ["head", "'none'", "spectral"]),
        (["--seed", "-1"], ["seed", "-1", "from 0"]),
        (["--seed", str(2**40)], ["seed", "from 0"]),
        (["--guard", "-3"], ["guard", "-3", "from 0"]),
        (["--majority", "4"], ["majority", "4"]),
    ],
)
def test_a_wrong_number_is_told_before_pretraining(
    given: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    parts: list[str],
) -> None:
    scene, labels = map(str, given)
    assert main(["map", scene, labels, "-o", str(tmp_path / "map.tif"), *options]) == 1
    err = capsys.readouterr().err
    assert err.startswith("Error: "), "work had begun"
    sentence = err.strip()
    assert "\n" not in sentence
    assert [part for part in parts if part not in sentence] == [], sentence
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "options", "part"),
    [
        ("pretrain", ["--seed", "-1"], "seed"),
        ("pretrain", ["--set", "members=0"], "members"),
        ("train", ["--set", "epochs=0"], "epochs"),
        ("train", ["--seed", "-7"], "seed"),
        ("train", ["--set", "stride=17"], "patch_size of 16"),
        ("train", ["--set", "blocks=0,12"], "0 to 8"),
    ],
)
def test_every_learning_command_checks(
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    options: list[str],
    part: str,
) -> None:
    inputs = [trained / "scene.tif"]
    if command == "train":
        inputs += [trained / "labels.gpkg", "--model", trained / "model.safetensors"]
    output = tmp_path / "out.safetensors"
    line = [command, *inputs, "-o", output, *words(TINY), *options]
    assert main([str(word) for word in line]) == 1
    err = capsys.readouterr().err
    assert part in err[err.index("Error: ") :]
    assert list(tmp_path.iterdir()) == []


def test_stride_is_free_where_no_tiles_are_laid() -> None:
    """Patchwise features have a patch for every pixel."""
    settings = dataclasses.replace(PRESETS["paper"].classifier, stride=100)
    check_method(settings, 48)
    with pytest.raises(InputError, match="stride"):
        check_method(dataclasses.replace(settings, features="dense"), 48)
    check_method(dataclasses.replace(settings, features="dense"), 100)


def test_the_blocks_that_are_allowed_are_those_of_the_network() -> None:
    count = len(UNet(3, 32).output_blocks)
    check_method(ClassifierSettings(blocks=tuple(range(count))), None)
    with pytest.raises(InputError, match="blocks"):
        check_method(ClassifierSettings(blocks=(count,)), None)


@pytest.mark.parametrize("name", PRESETS)
def test_the_presets_keep_their_own_rules(name: str) -> None:
    settings = preset(name)
    check_method(settings.classifier, settings.pretrain.patch_size)
    entries = json.loads(json.dumps(dataclasses.asdict(settings.classifier)))
    assert read_settings(entries) == settings.classifier


@pytest.mark.parametrize(
    ("name", "value"),
    [("members", True), ("members", "5"), ("stride", 24.0), ("timesteps", []), ("timesteps", [[1]]),
     ("branch_weight", float("nan")), ("standardise", 1), ("vote", ["mean"]), ("fusion", None)],
)  # fmt: skip
def test_a_files_settings_must_be_of_their_kind(name: str, value: object) -> None:
    entries = dataclasses.asdict(ClassifierSettings()) | {name: value}
    with pytest.raises(ValueError, match=f"the setting {name} as"):
        read_settings(entries)
