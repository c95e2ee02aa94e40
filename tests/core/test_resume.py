"""Resume: a broken run that goes on ends with what an unbroken one would have given."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import rasterio
from mtmsd.cli.main import main
from mtmsd.jobs.work import Steps
from running import (
    TINY,
    checkpoint_of,
    end,
    fields_scene,
    job,
    leftovers,
    messages,
    start,
    wait_for,
    words,
)
from safetensors import safe_open
from safetensors.numpy import load_file

pytestmark = pytest.mark.slow

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


def test_another_seed_gives_another_model(unbroken, tmp_path: Path):
    scene, expected = unbroken
    model = tmp_path / "model.safetensors"
    assert pretrain(scene, model, "6") == 0
    assert content(model) != expected


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
    steps = [m["done"] for m in messages(out) if m.get("phase") == "pretrain"]
    assert 3 <= steps[0] < 14, "it began again from the start"
    assert steps[-1] == 14
    assert content(model) == expected
    assert sorted(p.name for p in tmp_path.iterdir()) == ["job", "model.safetensors"]


def test_nothing_to_resume_is_said_and_the_same_seed_gives_the_same_model(
    unbroken, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    scene, expected = unbroken
    model = tmp_path / "model.safetensors"
    assert pretrain(scene, model, "5", "--resume") == 0
    told = capsys.readouterr().err
    assert f"Warning: There is nothing to resume for {model}; all of it is done." in told
    assert content(model) == expected


def test_checkpoints_of_other_settings_are_not_mixed_in(
    unbroken, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    scene, _ = unbroken
    model = tmp_path / "model.safetensors"
    line = ["pretrain", scene, "-o", model, "--json"]
    process = start(*line, *words(SETTINGS))
    wait_for(lambda: checkpoint_of(model))
    process.kill()
    end(process)
    line += ["--resume", *words(SETTINGS | {"learning_rate": 0.1})]
    assert main([str(word) for word in line]) == 1
    told = messages(capfd.readouterr().out)
    assert "are of another scene, seed or setting" in told[-1]["message"]
    assert checkpoint_of(model), "the checkpoints are still there for the right settings"
    shutil.rmtree(model.with_name("model.safetensors.work"))


def map_of(scene: Path, labels: Path, output: Path, *options: str) -> list[str | Path]:
    """Return the command line of the whole chain."""
    learn = ["map", scene, labels, "-o", output, "--classifier", "mtmsd", "--seed", "5"]
    return [*learn, *options, *words(SETTINGS | {"iterations": 2})]


def pixels(path: Path) -> list[int]:
    with rasterio.open(path) as dataset:
        return dataset.read(1).ravel().tolist()


def killed_in(phase: str, arguments: list[str | Path]) -> None:
    """Run a command and kill it when a phase has begun."""
    process = start(*arguments)
    while f'"name": "{phase}"'.encode() not in process.stdout.readline():
        assert process.poll() is None
    process.kill()
    end(process)


def test_a_broken_map_goes_on_with_the_step_it_broke_in(
    unbroken, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    scene, _ = unbroken
    labels = scene.with_name("labels.gpkg")
    whole, broken = tmp_path / "whole.tif", tmp_path / "broken.tif"
    assert main([str(word) for word in map_of(scene, labels, whole)]) == 0
    assert set(pixels(whole)) == {1, 2}

    arguments = map_of(scene, labels, broken, "--json")
    killed_in("classify", arguments)
    assert not broken.exists()
    capfd.readouterr()
    assert main([str(word) for word in map_of(scene, labels, broken, "--resume", "--json")]) == 0
    told = messages(capfd.readouterr().out)
    assert [m["name"] for m in told if m["type"] == "phase"] == ["classify"]
    assert told[-1]["results"]["accuracy"]["n"] == 120
    assert pixels(broken) == pixels(whole)
    for kind in ("model", "classifier"):
        one, other = (load_file(m.with_suffix(f".{kind}.safetensors")) for m in (whole, broken))
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[name], other[name]) for name in one)
    assert not list(tmp_path.glob("*.work"))
    assert leftovers(tmp_path) == []


def test_a_stacks_map_is_the_same_to_the_byte_also_where_it_broke(unbroken, tmp_path: Path):
    scene, _ = unbroken
    labels = scene.with_name("labels.gpkg")

    def line(name: str) -> list[str | Path]:
        files = ["-o", tmp_path / f"{name}.tif", "--confidence", tmp_path / f"{name}-c.tif"]
        return ["map", scene, labels, *files, "--seed", "5"]

    def made(name: str) -> list[object]:
        classifier = tmp_path / f"{name}.classifier.safetensors"
        with safe_open(classifier, "np") as file:
            told = json.loads(file.metadata()["mtmsd"])
            numbers = {key: file.get_tensor(key).tobytes() for key in file.keys()}  # noqa: SIM118
        maps = [(tmp_path / file).read_bytes() for file in (f"{name}.tif", f"{name}-c.tif")]
        return [*maps, told, numbers]

    assert main([str(word) for word in line("here")]) == 0
    assert end(start(*line("there")))[0] == 0
    killed_in("baseline", [*line("broken"), "--json"])
    assert end(start(*line("broken"), "--resume"))[0] == 0
    assert made("here") == made("there") == made("broken")
    assert set(pixels(tmp_path / "here.tif")) == {1, 2}


def test_a_step_is_done_again_when_what_it_was_made_from_has_changed(tmp_path: Path):
    def step(**arguments: object) -> int:
        made.append(1)
        return Steps(tmp_path).run("a", arguments, [given], lambda: {"made": len(made)})["made"]

    made: list[int] = []
    given = tmp_path / "labels.gpkg"
    given.write_text("polygons")
    assert step(seed=1) == 1
    assert step(seed=1) == 1
    assert step(seed=2) == 3
    given.write_text("other polygons")
    assert step(seed=2) == 4
    assert step(seed=2) == 4
    given.unlink()
    assert step(seed=2) == 6
