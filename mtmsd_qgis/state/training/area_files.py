"""Training areas of another program, made a layer by the engine; in any thread."""

from __future__ import annotations

from dataclasses import dataclass

from ...engine.ask import ask


@dataclass(frozen=True)
class Areas:
    """The polygons' file, the field of their class where that is known, and what was noticed."""

    path: str
    field: str
    warnings: tuple[str, ...]


def import_areas(python: str, path: str, scene: str, output: str) -> Areas:
    """Have the engine write the areas of a file as a GeoPackage.

    Raises
    ------
    OSError
        With the engine's sentence, if the file cannot be read or does not fit the scene.
    """
    results, warnings = ask(python, ["import", path, "-o", output, "--scene", scene], path)
    return Areas(output, results.get("class_field") or "", tuple(warnings))
