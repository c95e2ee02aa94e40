"""What only informs never ends the making of a map; it says why it is not there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from mtmsd.assess.informing import Informing
from mtmsd.assess.validation import hold_out, judge
from mtmsd.cli.main import main
from mtmsd.errors import Canceled, InputError, MachineError
from mtmsd.labels.read import read_labels
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene
from mtmsd.spectral.classifier import SpectralTrainingSet
from small_files import cube, rectangle, write_polygons, write_raster

pytestmark = pytest.mark.slow


def scene_of(folder: Path, data: np.ndarray | None = None) -> Path:
    if data is None:
        data = cube(6, 60, 80, seed=4)
        data[:2, :, 40:] //= 2
    return write_raster(folder / "scene.tif", data)


def labels_of(folder: Path, pixels: Sequence[tuple[int, int, int, int]]) -> Path:
    """Polygons of (row, column, pixels in a row, class)."""
    return write_polygons(
        folder / "labels.gpkg",
        [rectangle(row, col, 1, width) for row, col, width, _ in pixels],
        class_id=np.array([value for *_, value in pixels]),
    )


def mapped(
    folder: Path, scene: Path, labels: Path, *options: str, classifier: str = "svm"
) -> tuple[dict, np.ndarray]:
    """Make a map and its report; return the report's figures and the map."""
    out, report = folder / "map.tif", folder / "report.html"
    words = ["map", scene, labels, "-o", out, "--report", report, "--classifier", classifier]
    assert main([str(word) for word in (*words, *options)]) == 0
    assert report.read_text().startswith("<!")
    with rasterio.open(out) as dataset:
        return json.loads((folder / "report.json").read_text()), dataset.read(1)


def said(figures: dict, beginning: str) -> list[str]:
    return [text for text in figures["warnings"] if text.startswith(beginning)]


FIVE = [(5, 5), (15, 25), (30, 8), (45, 20), (55, 30)]


@pytest.mark.parametrize("classifier", ["svm", "svm-polygons", "rf"])
def test_polygons_of_one_pixel_still_give_a_map(tmp_path: Path, classifier: str) -> None:
    labels = labels_of(
        tmp_path, [(r, c + 40 * (v - 1), 1, v) for v in (1, 2) for r, c in FIVE]
    )  # fmt: skip
    figures, values = mapped(tmp_path, scene_of(tmp_path), labels, classifier=classifier)
    assert set(np.unique(values)) == {1, 2}
    assert figures["n"] >= 2
    curve = said(figures, "No learning curve: ")
    if classifier == "rf":
        assert curve == []
    else:
        assert "needs two pixels of each class" in curve[0]
        assert figures["learning_curve"] == []


def test_a_class_that_has_no_pixels_to_spare_is_not_evaluated_and_mapped_all_the_same(
    tmp_path: Path,
) -> None:
    pixels = [(5, 5, 1, 1), (45, 20, 2, 1), *((r, c + 40, 4, 2) for r, c in FIVE)]
    figures, values = mapped(
        tmp_path, scene_of(tmp_path), labels_of(tmp_path, pixels), "--split", "cross"
    )
    assert set(np.unique(values)) == {1, 2}
    assert said(figures, "No reference pixels, so not evaluated: 1.")
    assert 12 <= figures["n"] <= 20, "pixels of the other class"


def test_if_nothing_can_be_learnt_without_the_held_out_the_map_is_made_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = [(r, c + 40 * (v - 1), 1, v) for v in (1, 2) for r, c in FIVE[:3]]
    figures, values = mapped(
        tmp_path, scene_of(tmp_path), labels_of(tmp_path, pixels),
        "--split", "random", "--holdout", "0.6",
    )  # fmt: skip
    assert set(np.unique(values)) == {1, 2}
    assert (figures["n"], figures["overall"]) == (0, None)
    assert said(figures, "No accuracy can be said of the held-out labels: ")
    assert figures["verdict"].startswith("How accurate the map is cannot be said")
    assert "No accuracy can be said of the held-out labels" in "".join(capsys.readouterr())


def test_one_polygon_a_class_still_gives_a_map(tmp_path: Path) -> None:
    labels = labels_of(tmp_path, [(5, 5, 6, 1), (40, 60, 6, 2)])
    figures, values = mapped(tmp_path, scene_of(tmp_path), labels)
    assert set(np.unique(values)) == {1, 2}
    assert figures["overall"] is None


@pytest.mark.parametrize("classifier", ["svm", "rf"])
def test_constant_spectra_still_give_a_map(tmp_path: Path, classifier: str) -> None:
    data = np.full((4, 60, 80), 500, np.int16)
    data[:, :3, :3] = cube(4, 3, 3)  # bands that are constant altogether are refused
    scene = scene_of(tmp_path, data)
    labels = labels_of(tmp_path, [(r, c + 40 * (v - 1), 4, v) for v in (1, 2) for r, c in FIVE])
    figures, values = mapped(tmp_path, scene, labels, classifier=classifier)
    assert values.all()
    assert 0 <= figures["overall"] < 1


def test_reference_labels_that_tell_nothing_leave_the_map_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = labels_of(tmp_path, [(r, c + 40 * (v - 1), 4, v) for v in (1, 2) for r, c in FIVE])
    out, report = tmp_path / "map.tif", tmp_path / "report.html"
    words = ["map", scene_of(tmp_path), labels, "-o", out, "--report", report, "--classifier", "rf"]
    assert main([str(word) for word in (*words, "--validation", labels)]) == 0
    assert out.exists()
    assert not report.exists()
    assert not (tmp_path / "map.tif.work").exists()
    assert "No accuracy report: All 40 reference pixels are training pixels." in " ".join(
        "".join(capsys.readouterr()).split()
    )


class Canceling(Reporter):
    """Asks to stop in a phase."""

    def __init__(self, phase: str) -> None:
        self._wanted, self._now = phase, ""

    def phase(self, name: str, title: str) -> None:
        self._now = name

    @property
    def cancel_requested(self) -> bool:
        return self._now == self._wanted


@pytest.mark.parametrize("phase", ["holdout", "baseline", "curve"])
def test_a_cancel_while_only_informing_still_ends_the_work(tmp_path: Path, phase: str) -> None:
    labels_path = labels_of(
        tmp_path, [(r, c + 40 * (v - 1), 4, v) for v in (1, 2) for r, c in FIVE]
    )
    with Scene.open(scene_of(tmp_path)) as scene:
        labels = read_labels(labels_path, scene)
        samples = SpectralTrainingSet.extract(scene, labels, "rf", Reporter())
        held = hold_out(labels, "polygons", 0.25, 0, 0)
        with pytest.raises(Canceled):
            judge(
                samples, held, scene, method="rf", patch=9, seed=0, reporter=Canceling(phase)
            )  # fmt: skip


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    "error",
    [
        Canceled(),
        MachineError("The disk is full."),
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_must_end_the_work_ends_it(error: BaseException) -> None:
    informing = Informing(Reporter())
    with pytest.raises(type(error)):
        informing.attempt("No picture", lambda: _raise(error))
    assert informing.warnings == []


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (InputError("Too few pixels.", hint="Draw more."), "No picture: Too few pixels."),
        (ValueError("shapes\ndiffer"), "No picture: shapes"),
        (ZeroDivisionError(), "No picture: ZeroDivisionError"),
    ],
)
def test_what_fails_is_one_sentence(error: Exception, sentence: str) -> None:
    informing = Informing(Reporter())
    assert informing.attempt("No picture", lambda: _raise(error)) is None
    assert informing.warnings == [sentence]
