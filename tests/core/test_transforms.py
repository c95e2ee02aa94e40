"""Grids are computed whichever operator the installed affine has, ``*`` or ``@``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from mtmsd.classes import ClassInfo
from mtmsd.errors import InputError
from mtmsd.labels.label_raster import check_grid
from mtmsd.labels.labels import Labels
from mtmsd.mapping.mapper import pixel_window
from mtmsd.scene.mask import Grid
from mtmsd.scene.transforms import at, chained
from mtmsd.stack.findings import doubtful_polygons

TURNED = Affine(8, 3, 500_000, 2, -9, 5_800_000)


@pytest.fixture(autouse=True)
def no_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("an operator that another version of affine does not have")

    for name in ("__mul__", "__matmul__", "__rmul__"):
        monkeypatch.setattr(Affine, name, refuse, raising=False)


def grid(transform: Affine) -> Grid:
    return Grid(Path("g"), "g", 40, 30, transform, None)


def test_a_point_and_a_chain_are_those_of_the_matrices() -> None:
    other = Affine(2, 0, 5, 0, 3, 7)
    assert at(TURNED, 10, 20) == (500_000 + 80 + 60, 5_800_000 + 20 - 180)
    matrices = [np.array([[t.a, t.b, t.c], [t.d, t.e, t.f], [0, 0, 1]]) for t in (TURNED, other)]
    both = chained(TURNED, other)
    assert np.array_equal([both.a, both.b, both.c, both.d, both.e, both.f],
                          (matrices[0] @ matrices[1])[:2].ravel())  # fmt: skip
    assert at(both, 3, 4) == at(TURNED, *at(other, 3, 4))


def test_places_windows_and_grids_need_no_operator() -> None:
    where = at(TURNED, 11.5, 20.5)
    labels = Labels(
        np.array([20] * 3 + [3], np.int32), np.array([10, 11, 12, 5], np.int32),
        np.array([1, 1, 1, 2], np.uint16), np.array([1, 1, 1, 2], np.int32),
        (ClassInfo(1, "a", "#000000"), ClassInfo(2, "b", "#ffffff")),
    )  # fmt: skip
    (found,) = doubtful_polygons(labels, np.array([[0.1, 0.9]] * 4), TURNED)
    assert (found["x"], found["y"]) == where
    plain = Affine(10, 0, 100, 0, -10, 900)
    window = pixel_window(grid(plain), (120, 700, 160, 880))
    assert window == (2, 2, 18, 4)
    near, far = (Affine(10, 0, 100 + shift, 0, -10, 900) for shift in (0.01, 5))
    check_grid(grid(near), grid(plain), "The mask", "")
    with pytest.raises(InputError, match="grid"):
        check_grid(grid(far), grid(plain), "The mask", "")
