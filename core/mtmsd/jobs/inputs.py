"""Opening what a job reads, and telling the user what was noticed in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtmsd.jobs.arguments import Source
from mtmsd.reporting import Reporter

if TYPE_CHECKING:
    from mtmsd.scene.labels import Labels
    from mtmsd.scene.raster import Scene


def open_scene(path: Source, exclude: str, reporter: Reporter) -> Scene:
    """Open a scene and pass its warnings on."""
    from mtmsd.scene.raster import Scene

    scene = Scene.open(path, exclude=exclude)
    for sentence in scene.warnings:
        reporter.warning(sentence)
    return scene


def open_labels(path: Source, scene: Scene, class_field: str | None, reporter: Reporter) -> Labels:
    """Read labels and pass their warnings on."""
    from mtmsd.scene.labels import read_labels

    labels = read_labels(path, scene, class_field=class_field)
    for sentence in labels.warnings:
        reporter.warning(sentence)
    return labels
