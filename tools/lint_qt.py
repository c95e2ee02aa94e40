#!/usr/bin/env python3
"""Refuse what PyQt5 takes and PyQt6 does not: unscoped enums, ``exec_``, Qt not by ``qgis.PyQt``.

Only the standard library is needed.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
TREES = ("mtmsd_qgis", "tests/plugin", "tests/desktop")


class Chain(NamedTuple):
    """``Qt.AlignmentFlag.AlignLeft``, and where ``Qt`` was imported from."""

    line: int
    module: str
    names: tuple[str, ...]
    called: bool


def chains(tree: ast.Module) -> Iterator[Chain]:
    """Yield the chains of attributes that begin with a class imported from ``qgis``.

    Annotations are left out: they are not run.
    """
    origin = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("qgis")
        for alias in node.names
    }
    called, inner = set(), set()
    annotations = {id(part) for node in _annotations(tree) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called.add(id(node.func))
        elif isinstance(node, ast.Attribute):
            inner.add(id(node.value))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or id(node) in inner | annotations:
            continue
        names: list[str] = []
        part: ast.expr = node
        while isinstance(part, ast.Attribute):
            names.insert(0, part.attr)
            part = part.value
        if isinstance(part, ast.Name) and part.id in origin:
            module, name = origin[part.id]
            yield Chain(node.lineno, str(module), (name, *names), id(node) in called)


def _annotations(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            if isinstance(found := getattr(node, name, None), ast.expr):
                yield found


def is_unscoped(chain: Chain) -> bool:
    """Whether a chain is a class and then a value, such as ``Qt.AlignLeft``.

    A nested class is told from a value by being called or by what follows it.
    """
    name = chain.names[-1]
    begins = name[0].isupper() or chain.names[0] == "Qt"  # Qt.white
    is_constant = name.isupper() and "_" in name  # QT_VERSION_STR and such
    return len(chain.names) == 2 and begins and not chain.called and not is_constant


def complaints(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and sentence for each thing in a source that Qt 6 refuses."""
    tree = ast.parse(text)
    for chain in chains(tree):
        if is_unscoped(chain):
            first, last = chain.names
            yield chain.line, f"{first}.{last} names no enum; write {first}.ENUM.{last}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "exec_":
            yield node.lineno, "exec_() is gone; write exec()"
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [alias.name for alias in node.names]
            for module in [str(node.module)] if isinstance(node, ast.ImportFrom) else modules:
                if module.split(".")[0] in ("PyQt5", "PyQt6", "sip"):
                    yield node.lineno, f"{module} is not in every QGIS; import it from qgis.PyQt"


def main() -> int:
    """Print what is refused; the exit status tells whether anything was."""
    found = 0
    for file in sorted(f for tree in TREES for f in (ROOT / tree).rglob("*.py")):
        for line, sentence in sorted(complaints(file.read_text(encoding="utf-8"))):
            sys.stdout.write(f"{file.relative_to(ROOT)}:{line}: {sentence}\n")
            found += 1
    return min(found, 1)


if __name__ == "__main__":
    sys.exit(main())
