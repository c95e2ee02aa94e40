"""Opening what a job reads, and telling the user what was noticed in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtmsd.jobs.arguments import Source
from mtmsd.reporting import Reporter

if TYPE_CHECKING:
    from mtmsd.diffusion.model import DiffusionModel
    from mtmsd.scene.labels import Labels
    from mtmsd.scene.raster import Scene


def open_scene(path: Source, exclude: str, reporter: Reporter) -> Scene:
    """Open a scene and pass its warnings on."""
    from mtmsd.scene.raster import Scene

    scene = Scene.open(path, exclude=exclude)
    for sentence in scene.warnings:
        reporter.warning(sentence)
    return scene


def open_scene_for(model: DiffusionModel, path: Source, exclude: str, reporter: Reporter) -> Scene:
    """Open a scene with the bands that a diffusion model has learnt.

    Bands that the user had left out when the model was made are left out again, so that
    nobody has to repeat them; whether the others fit is for the engine to say.
    """
    scene = open_scene(path, exclude, reporter)
    learnt = set(model.metadata["bands"])
    extra = sorted(set(scene.used) - learnt)
    if not extra or not learnt <= set(scene.used):
        return scene
    scene.close()
    left_out = ",".join([*filter(None, [exclude]), *map(str, extra)])
    return open_scene(path, left_out, Reporter())  # its warnings were told just now


def open_labels(path: Source, scene: Scene, class_field: str | None, reporter: Reporter) -> Labels:
    """Read labels and pass their warnings on."""
    from mtmsd.scene.labels import read_labels

    labels = read_labels(path, scene, class_field=class_field)
    for sentence in labels.warnings:
        reporter.warning(sentence)
    return labels
