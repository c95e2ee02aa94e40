"""Which of a stack's maps is shown, and what pretraining has added."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from conftest import write_raster
from osgeo import gdal

from mtmsd_qgis.gui.dock.map.map_kind import kind_text


def class_map(path: Path, overall: float, network: float | None, pixels: int = 100) -> str:
    """Write a map with the engine's note of a stack."""
    streams: list[dict[str, Any]] = [{"name": "svm", "title": "SVM", "share": 0.4}]
    if network is not None:
        streams.append({"name": "mtmsd", "title": "diffusion network", "share": network})
    note = {"stack": {"streams": streams}, "accuracy": {"overall": overall, "n": pixels}}
    dataset = gdal.Open(str(write_raster(path, np.ones((1, 4, 4), "uint8"))), gdal.GA_Update)
    dataset.SetMetadataItem("MTMSD", json.dumps(note))
    return str(path)


def test_what_pretraining_added_is_told_by_the_same_left_out_pixels(tmp_path: Path) -> None:
    first = class_map(tmp_path / "first.tif", 0.841, None)
    fewer = class_map(tmp_path / "fewer.tif", 0.5, None, pixels=60)
    better = class_map(tmp_path / "better.tif", 0.86, 0.25)
    space = "\N{NO-BREAK SPACE}"
    said = f"Map with the diffusion model, which has 25{space}% of the say."
    assert kind_text(better, [], True) == said
    assert kind_text(better, [fewer], True) == said, "other pixels are compared"
    gain = f" Left-out pixels that are right: 86.0{space}%, 84.1{space}% without it."
    assert kind_text(better, [fewer, first], True) == said + gain
    assert "tell after it" in kind_text(first, [better], False)
    assert "that is there now" in kind_text(first, [better], True)


def test_other_maps_are_of_no_kind(tmp_path: Path) -> None:
    plain = write_raster(tmp_path / "plain.tif", np.ones((1, 4, 4), "uint8"))
    assert kind_text(str(plain), [], False) == ""
    assert kind_text(str(tmp_path / "gone.tif"), [], False) == ""
