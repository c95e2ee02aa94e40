"""Resume: a broken run that goes on ends with what an unbroken one would have given."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
from mtmsd.cli import main
from running import TINY, checkpoint_of, end, fields_scene, job, messages, start, wait_for, words
from safetensors import safe_open

SETTINGS = TINY | {"iterations": 14, "checkpoint_every": 3}


def content(model: Path) -> str:
    """Return the checksum over all tensors and metadata of a model file."""
    with safe_open(model, framework="np") as file:
        return file.metadata()["sha256"]


def pretrain(scene: Path, model: Path, seed: str, *options: str) -> int:
    """Pretrain in this process."""
    arguments = [scene, "-o", model, "--seed", seed, *options, *words(SETTINGS)]
    return main(["pretrain", *map(str, arguments)])


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The scene, and the content of its model after an unbroken run with seed 5."""
    folder = tmp_path_factory.mktemp("unbroken")
    scene, _ = fields_scene(folder)
    model = folder / "model.safetensors"
    assert pretrain(scene, model, "5") == 0
    assert not model.with_name("model.safetensors.work").exists()
    return scene, content(model)


def test_a_seed_gives_the_same_model_and_another_seed_another(unbroken, tmp_path: Path):
    scene, expected = unbroken
    for seed, same in (("5", True), ("6", False)):
        model = tmp_path / f"{seed}.safetensors"
        assert pretrain(scene, model, seed) == 0
        assert (content(model) == expected) is same


@pytest.mark.parametrize("how", ["killed", "canceled", "newest checkpoint damaged"])
def test_a_broken_pretraining_goes_on_to_the_same_model(unbroken, tmp_path: Path, how: str):
    scene, expected = unbroken
    model = tmp_path / "model.safetensors"
    arguments = {"scene": scene, "output": model, "seed": 5, "settings": SETTINGS}
    folder = job(tmp_path / "job", "pretrain", arguments, parent="continue")
    process = start("run", folder)
    wait_for(lambda: "00000006" in str(checkpoint_of(model)))
    process.send_signal(signal.SIGTERM if how == "canceled" else signal.SIGKILL)
    assert end(process)[0] == (3 if how == "canceled" else -9)
    assert not model.exists()
    if how == "newest checkpoint damaged":
        newest = checkpoint_of(model)
        newest.write_bytes(newest.read_bytes()[:-100])
    status, out, _ = end(start("run", folder, "--resume"))
    assert status == 0
    steps = [m["done"] for m in messages(out) if m["type"] == "progress"]
    assert 3 <= steps[0] < 14, "it began again from the start"
    assert steps[-1] == 14
    assert content(model) == expected
    assert sorted(p.name for p in tmp_path.iterdir()) == ["job", "model.safetensors"]


def test_nothing_to_resume_is_said_and_the_work_is_done(
    unbroken, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    scene, _ = unbroken
    model = tmp_path / "model.safetensors"
    assert pretrain(scene, model, "5", "--resume") == 0
    told = capsys.readouterr().err
    assert f"Warning: There is nothing to resume for {model}; it starts from the beginning." in told
    assert model.exists()


def test_checkpoints_of_other_settings_are_not_mixed_in(unbroken, tmp_path: Path):
    scene, _ = unbroken
    model = tmp_path / "model.safetensors"
    line = ["pretrain", scene, "-o", model, "--json"]
    process = start(*line, *words(SETTINGS))
    wait_for(lambda: checkpoint_of(model))
    process.kill()
    end(process)
    status, out, _ = end(start(*line, "--resume", *words(SETTINGS | {"learning_rate": 0.1})))
    assert status == 1
    assert "are of another scene, seed or setting" in messages(out)[-1]["message"]
    assert checkpoint_of(model), "the checkpoints are still there for the right settings"
    shutil.rmtree(model.with_name("model.safetensors.work"))
