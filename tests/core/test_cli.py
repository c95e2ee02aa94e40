"""The command line: quick to answer, honest in its status, the same for people and programs."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mtmsd.cli import exchange
from mtmsd.cli import main as cli
from mtmsd.cli import regions as region_command
from mtmsd.commands.arguments import build, command_line
from mtmsd.commands.registry import COMMANDS
from mtmsd.scene.raster import Scene
from running import end, messages, start

pytestmark = pytest.mark.slow


def imported(*arguments: str | Path) -> set[str]:
    """Return the modules that a command imports."""
    child = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "mtmsd", *map(str, arguments)],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    return {line.rpartition("|")[2].strip() for line in child.stderr.splitlines()}


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch):
    """What the command line hands to the job, instead of running it."""
    calls: list[tuple[str, dict[str, Any]]] = []
    for module in (cli, exchange, region_command):
        monkeypatch.setattr(
            module, "run_command", lambda name, values, as_json: calls.append((name, values))
        )
    return calls


def test_help_and_info_load_no_torch(raster: Path):
    assert "torch" in imported("doctor")
    assert not {"torch", "numpy", "rich"} & imported("--help")
    assert not {"torch", "sklearn", "scipy", "pyogrio"} & imported("info", raster)


def test_info_for_people_and_for_programs(raster: Path):
    status, out, err = end(start("info", raster))
    assert (status, err) == (0, "")
    assert "15 × 12 px" in out
    assert "450 to 2200 nm" in out
    status, out, _ = end(start("info", raster, "--exclude", "1-2", "--json"))
    results = messages(out)[-1]["results"]
    assert (results["used"], results["bands"], results["crs"]) == (4, 6, "EPSG:32633")
    assert (results["width"], results["height"]) == (15, 12)
    assert results["used_bands"] == [3, 4, 5, 6]
    assert results["wavelengths"] == pytest.approx([450, 550, 650, 850, 1400, 2200])
    with Scene.open(raster) as scene:
        assert results["fingerprint"] == scene.fingerprint()


def test_results_go_to_stdout_and_complaints_to_stderr(tmp_path: Path):
    status, out, err = end(start("info", tmp_path / "no.tif"))
    assert (status, out) == (1, "")
    assert err.startswith("Error: ")
    assert "no.tif" in err
    assert "Traceback" not in err


def test_doctor_computes_on_every_device():
    status, out, _ = end(start("doctor", "--json"))
    results = messages(out)[-1]["results"]
    assert status == 0
    assert results["devices"][0]["name"] == "cpu"
    assert results["devices"][0]["ok"] is True
    assert results["packages"]["torch"] is not None


def test_doctor_writes_and_reads_a_raster():
    """Without PROJ's data, as in an environment that another program's variables get into."""
    lost = {**os.environ, "PROJ_DATA": "/nowhere", "PROJ_LIB": "/nowhere"}
    status, out, _ = end(start("doctor", "--json", env=lost))
    assert status == 4
    assert "A raster cannot be written and read" in messages(out)[-1]["message"]


@pytest.mark.parametrize(
    "arguments",
    [["fly"], ["info"], ["pretrain", "s"], ["pretrain", "s", "-o", "m", "--preset", "best"],
     ["pretrain", "s", "-o", "m", "--set", "width"],
     ["classify", "s", "-o", "m", "--classifier", "c", "--extent", "1,2,3"]],
)  # fmt: skip
def test_wrong_usage_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    assert cli.main(arguments) == 2
    assert "Usage: mtmsd" in capsys.readouterr().err


def test_set_takes_one_pair_or_several(passed):
    cli.main(["pretrain", "s.tif", "-o", "m.st", "--set", "width=64", "timesteps=50,100",
              "--seed", "3", "--set", "ema_decay=0.9"])  # fmt: skip
    name, values = passed[0]
    assert (name, values["scene"], values["seed"]) == ("pretrain", "s.tif", 3)
    assert values["settings"] == {"width": "64", "timesteps": "50,100", "ema_decay": "0.9"}


def test_map_keeps_model_and_classifier_beside_the_map(passed):
    line = ["map", "s.tif", "l.gpkg", "-o", "out/city.tif", "--features", "patchwise"]
    cli.main([*line, "--classifier", "mtmsd"])
    cli.main([*line, "--classifier", "mtmsd", "--model", "m.st"])
    cli.main([*line, "--preset", "paper"])
    cli.main(line)
    assert str(passed[0][1]["model_output"]) == "out/city.model.safetensors"
    assert str(passed[0][1]["classifier_output"]) == "out/city.classifier.safetensors"
    assert passed[0][1]["settings"] == {"features": "patchwise"}
    kept = [values["model_output"] for _, values in passed]
    assert [path is not None for path in kept] == [True, False, True, False]


EVERY_ARGUMENT: dict[str, dict[str, Any]] = {
    "info": {"scene": "a b.tif", "exclude": "1-2"},
    "pretrain": {"scene": "s", "output": "o", "preset": "quick", "seed": 4, "device": "cpu",
                 "settings": {"width": "64", "timesteps": "50,100"}, "init": "i", "resume": True,
                 "more": ["t u", "v"]},
    "train": {"scene": "s", "labels": "l", "output": "o", "model": "m", "class_field": "my field",
              "holdout": 0.5, "guard": 2, "classifier": "rf", "split": "cross", "doubtful": "d",
              "exclude": "1", "library": ["a b.sli:soil", "c.csv"], "library_classes": "t.csv",
              "library_factor": 0.5, "more": ["t u", "v"]},
    "classify": {"scene": "s", "output": "o", "classifier": "c", "confidence": "f",
                 "probabilities": "p", "extent": [1.5, 2, 3, 4], "entropy": "e",
                 "disagreement": "d", "unknown_below": 0.4, "majority": 3, "sieve": 9,
                 "runtime": "torch", "resume": True, "more": ["t u", "v"], "workers": 2,
                 "scheduler": "tcp://h:1", "mosaic": "m.tif", "allow_failures": True},
    "assess": {"map": "m", "labels": "l", "output": "o", "json_output": "j", "scene": "s",
               "training": "t", "confidence": "c"},
    "map": {"scene": "s", "labels": "l", "output": "o", "validation": "v", "report": "r",
            "model_output": "mo", "classifier_output": "co", "exclude": "water",
            "classifier": "svm", "split": "random", "unknown_below": 0.4, "sieve": 4,
            "polygons": "p", "next_labels": "n", "doubtful": "d", "regions": "supertokens",
            "region_size": 6, "region_layer": "rl", "region_map": "rm", "resume": True,
            "region_output": "ro", "more": ["t u", "v"],
            "library": ["a.sli"]},
    "vectorize": {"map": "m", "output": "o", "confidence": "c", "areas": "a"},
    "regions": {"scene": "s", "labels": "l", "output": "o", "map": "m", "report": "r",
                "classifier_output": "co", "pixel_map": "p", "size": 6, "class_field": "my field",
                "split": "cross", "holdout": 0.5, "guard": 2, "seed": 3, "exclude": "1",
                "resume": True},
    "nextlabels": {"probabilities": "p", "output": "o", "count": 5, "labels": "l"},
    "change": {"before": "a", "after": "b", "output": "o", "table": "t", "legend": "l",
               "below": 0.4, "before_confidence": "f", "after_confidence": "g", "reference": "r",
               "from_field": "x", "to_field": "y"},
    "library": {"scene": "s", "library": ["a b.sli", "c.asd"], "output": "o", "exclude": "1",
                "library_factor": 100.0},
    "angle": {"scene": "s", "library": "a b.sli", "output": "o", "spectrum": ["wet soil"]},
    "import": {"source": "c.mat", "output": "o", "variable": "v", "wavelengths": "w",
               "scene": "s"},
    "mosaic": {"probabilities": ["a b.tif", "c.tif"], "output": "o", "confidence": "f"},
    "doctor": {},
    "export": {"classifier": "c", "output": "o.onnx"},
    "exportpixels": {"scene": "s", "labels": "l", "output": "o.gpkg", "table": "t.csv",
                     "class_field": "f", "exclude": "1"},
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_in_the_report_does_the_same_again(command: str, passed):
    kind = COMMANDS[command].Arguments
    wanted = build(kind, EVERY_ARGUMENT[command])
    line = command_line(command, wanted)
    cli.main(shlex.split(line)[1:])
    assert passed[0][0] == command
    assert build(kind, passed[0][1]) == wanted
