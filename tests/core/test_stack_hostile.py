"""Files of a stack that are damaged or made to harm: a sentence each, and no traceback."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtmsd.cli.main import main
from mtmsd.errors import InputError
from mtmsd.files.tensor_file import load_arrays, save_arrays
from mtmsd.mapping.plain import load_classifier

Parts = tuple[dict[str, np.ndarray], dict[str, Any]]
Change = Callable[[dict[str, np.ndarray], dict[str, Any]], Any]


@pytest.fixture(scope="module")
def file(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stack") / "stack.safetensors"
    line = ["train", trained / "scene.tif", trained / "labels.gpkg", "-o", path, "--holdout", "0"]
    assert main([str(word) for word in line]) == 0
    return path


def number(name: str, value: float) -> Change:
    """Return what makes one number of an array another."""

    def change(arrays: dict[str, np.ndarray], metadata: dict[str, Any]) -> None:
        arrays[name] = arrays[name].copy()
        arrays[name].flat[0] = value

    return change


def setting(name: str, value: Any) -> Change:
    return lambda arrays, metadata: metadata["stack"].update({name: value})


def shaped(name: str, *shape: int) -> Change:
    return lambda arrays, metadata: arrays.update({name: np.zeros(shape, np.float32)})


HOSTILE: dict[str, Change] = {
    "a spectrum that is no number": number("spectra", np.nan),
    "a component without end": number("context", np.inf),
    "a number whose square is none": number("spectra", 3e38),
    "a mean that is no number": number("mean_spectrum", np.nan),
    "a whitening that is no number": number("whitening.weights", np.nan),
    "a variance below nothing": number("whitening.variances", -1),
    "pixels of a class that is not listed": number("values", 77),
    "weights that are no numbers": setting("shares", [np.nan] * 5),
    "a weight below nothing": setting("shares", [-0.2, 0.3, 0.3, 0.3, 0.3]),
    "weights of other streams": setting("shares", [0.5, 0.5]),
    "weights that sum to two": setting("shares", [0.4] * 5),
    "a stream that there is not": setting("streams", ["a", "b", "c", "d", "e"]),
    "a stream twice": setting("streams", ["lr-bands"] * 5),
    "streams that are no list": setting("streams", 5),
    "a network that is missing": setting("streams", ["mtmsd", "lr-bands", "lr-shape", "lda-shape",
                                                     "trees-around"]),
    "a sharpness that is no number": setting("sharpness", np.nan),
    "no sharpness": setting("sharpness", 0),
    "a distance that is no number": setting("usual", np.nan),
    "a seed below nothing": setting("seed", -1),
    "rare classes favoured by more than all": setting("rare", 2),
    "spectra of other bands": shaped("spectra", 120, 5),
    "spectra that are no table": shaped("spectra", 120),
    "surroundings of other scales": shaped("context", 120, 2, 6),
    "classes of other pixels": shaped("values", 3),
    "a part that is missing": lambda arrays, metadata: arrays.pop("context"),
    "a temperature that is no number": lambda arrays, metadata: metadata["metadata"].update(
        temperature=np.nan
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_parts_that_do_not_fit_are_refused_in_a_sentence(
    kind: str, file: Path, tmp_path: Path
) -> None:
    arrays, metadata = load_arrays(file, "classifier")
    HOSTILE[kind](arrays, metadata := copy.deepcopy(metadata))
    path = tmp_path / "hostile.safetensors"
    save_arrays(path, "classifier", arrays, metadata)
    with pytest.raises(InputError, match=f"The parts of {path} do not fit together") as caught:
        load_classifier(path)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("kind", ["cut", "flipped", "newer", "no header"])
def test_a_file_that_is_damaged_or_newer_ends_classify_with_a_sentence(
    kind: str, file: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, output, content = tmp_path / "bad.safetensors", tmp_path / "map.tif", file.read_bytes()
    sentence = {
        "cut": "is not a model file of MTMSD, or it is damaged",
        "flipped": "is damaged: its checksum is wrong",
        "newer": "was made by a newer version",
        "no header": "is not a model file of MTMSD, or it is damaged",
    }[kind]
    changed = {
        "cut": content[: len(content) // 2],
        "flipped": content[:-8] + bytes(byte ^ 1 for byte in content[-8:]),
        "no header": b"\xff" * 400,
    }
    if kind == "newer":
        save_arrays(path, "classifier", *_newer(file))
    else:
        path.write_bytes(changed[kind])
    line = ["classify", trained / "scene.tif", "-o", output, "--classifier", path]
    assert main([str(word) for word in line]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "Traceback" not in told
    assert sentence in told
    assert not output.exists()


def _newer(file: Path) -> Parts:
    arrays, metadata = load_arrays(file, "classifier")
    return arrays, {**metadata, "format": 99}
