"""A newcomer finds a line's room from the folder list: no circles, arrows one way, short files."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PLUGIN = Path(__file__).resolve().parents[2] / "mtmsd_qgis"
LONGEST = 400
ORDER = ("plugin", "gui", "jobs", "state", "processing", "setup", "engine", "common")
"""A room imports only rooms that come later in this list."""


def module_of(path: Path) -> tuple[str, ...]:
    parts = path.relative_to(PLUGIN).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


MODULES = {module_of(path): path for path in PLUGIN.rglob("*.py")}


def imported(module: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the plugin's own modules that a module imports, in functions and for types too."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1] + tuple((node.module or "").split("."))
            base = tuple(part for part in base if part)
            for alias in node.names:
                whole = (*base, alias.name)
                yield whole if whole in MODULES else base


EDGES = {(module, other) for module in MODULES for other in imported(module) if module != other}


def folder(module: tuple[str, ...]) -> tuple[str, ...]:
    """Return the package in which a module lies; that of the modules at the top is empty."""
    return module if MODULES[module].name == "__init__.py" else module[:-1]


def test_there_is_something_to_look_at():
    assert (("gui", "dock", "dock"), ("gui", "widgets", "section")) not in EDGES
    assert (("gui", "dock", "dock"), ("jobs", "running_jobs")) in EDGES
    assert len(EDGES) > 200


def test_rooms_import_in_one_direction():
    wrong = [
        f"{'.'.join(a)} imports {'.'.join(b)}"
        for a, b in EDGES
        if a and b and a[0] != b[0] and ORDER.index(a[0]) >= ORDER.index(b[0])
    ]
    assert not wrong


def test_no_two_packages_import_each_other():
    rooms = {(folder(a), folder(b)) for a, b in EDGES}
    both = [
        ("/".join(a), "/".join(b))
        for a, b in rooms
        if (b, a) in rooms and a < b and b[: len(a)] != a  # a folder within is a part of it
    ]
    assert not both


def test_files_have_no_circles():
    others = {module: {b for a, b in EDGES if a == module} for module in MODULES}
    while leaves := [module for module, known in others.items() if not known]:
        for leaf in leaves:
            del others[leaf]
        for known in others.values():
            known.difference_update(leaves)
    assert not sorted(".".join(module) for module in others)


@pytest.mark.parametrize("path", MODULES.values(), ids=lambda p: str(p.relative_to(PLUGIN)))
def test_a_file_fits_in_the_head(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST
