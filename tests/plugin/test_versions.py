"""Is every class and enum that the plugin names in the QGIS that runs the tests."""

from __future__ import annotations

import ast
import importlib
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))
from lint_qt import Chain, chains


def is_there(chain: Chain) -> bool:
    """Follow a chain of attributes through modules and classes, not into instances."""
    found = importlib.import_module(chain.module)
    for name in chain.names:
        if not isinstance(found, (type(importlib), type)):
            return True
        if not hasattr(found, name):
            return False
        found = getattr(found, name)
    return True


@pytest.mark.parametrize(
    "folder", sorted(path.name for path in (ROOT / "mtmsd_qgis").iterdir() if path.is_dir())
)
def test_every_name_is_in_this_version(folder):
    lost = []
    for path in sorted((ROOT / "mtmsd_qgis" / folder).rglob("*.py")):
        for chain in chains(ast.parse(path.read_text(encoding="utf-8"))):
            if not chain.module.startswith("qgis.PyQt") and not is_there(chain):
                lost.append(f"{path.name}:{chain.line} {'.'.join(chain.names)}")
    assert lost == []


def test_a_name_that_is_not_there_is_found():
    begin = "from qgis.core import QgsWkbTypes\n"
    (good,) = chains(ast.parse(begin + "x = QgsWkbTypes.GeometryType.PolygonGeometry"))
    (bad,) = chains(ast.parse(begin + "x = QgsWkbTypes.NoSuchEnum.PolygonGeometry"))
    assert is_there(good)
    assert not is_there(bad)
