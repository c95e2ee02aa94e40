"""Opening what a job reads, and telling the user what was noticed in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from mtmsd.commands.arguments import Masked, Source
from mtmsd.commands.manifest import SceneRow, refuse_twins
from mtmsd.reporting import Reporter

if TYPE_CHECKING:
    from mtmsd.diffusion.model import DiffusionModel
    from mtmsd.labels.labels import Labels
    from mtmsd.labels.mask import MaskFile
    from mtmsd.scene.raster import Scene
    from mtmsd.spectral.classifier import SceneBands


def open_scene(
    path: Source, exclude: str, reporter: Reporter, masks: Sequence[MaskFile] = ()
) -> Scene:
    """Open a scene and pass its warnings on."""
    from mtmsd.scene.raster import Scene

    scene = Scene.open(path, exclude=exclude, masks=masks)
    for sentence in scene.warnings:
        reporter.warning(sentence)
    return scene


def open_scenes(
    rows: Sequence[SceneRow], exclude: str, arguments: Masked, reporter: Reporter
) -> Scene:
    """Open a scene, or several of one sensor as one, and pass the warnings on.

    Raises
    ------
    InputError
        If one cannot be read, or they do not fit together.
    """
    if len(rows) == 1:
        return open_scene(rows[0].scene, exclude, reporter, arguments.masks(rows[0].mask))
    refuse_twins(rows)
    from mtmsd.scene.raster import Scene
    from mtmsd.scene.same_sensor import open_together

    scenes = open_each(
        rows, lambda row: Scene.open(row.scene, exclude=exclude, masks=arguments.masks(row.mask))
    )
    together = open_together(scenes)
    for sentence in together.warnings:
        reporter.warning(sentence)
    return together


def open_each(rows: Sequence[SceneRow], opened: Callable[[SceneRow], Scene]) -> list[Scene]:
    """Open all scenes, or none if one of them cannot be read."""
    with ExitStack() as stack:
        scenes = [stack.enter_context(opened(row)) for row in rows]
        stack.pop_all()
    return scenes


def open_scene_for(
    model: DiffusionModel | SceneBands,
    path: Source,
    reporter: Reporter,
    masks: Sequence[MaskFile] = (),
) -> Scene:
    """Open a scene with the bands that a model has learnt.

    Bands that were left out for the model are left out again; those of another raster are
    matched by wavelength.

    Raises
    ------
    InputError
        If the scene lacks bands that the model needs.
    """
    from mtmsd.scene.resample import open_matched

    matched = open_matched(path, model.metadata, model.mean_spectrum, masks)
    for sentence in matched.warnings:
        reporter.warning(sentence)
    return matched


def open_scenes_for(
    model: DiffusionModel, rows: Sequence[SceneRow], arguments: Masked, reporter: Reporter
) -> Scene:
    """Open a scene, or several as one, with the bands that a model has learnt.

    Raises
    ------
    InputError
        As :func:`open_scene_for`.
    """
    if len(rows) == 1:
        return open_scene_for(model, rows[0].scene, reporter, arguments.masks(rows[0].mask))
    refuse_twins(rows)
    from mtmsd.scene.scene_set import SceneSet

    return SceneSet(
        open_each(
            rows,
            lambda row: open_scene_for(model, row.scene, reporter, arguments.masks(row.mask)),
        )
    )


def open_labels(
    paths: Sequence[Source],
    scene: Scene,
    class_field: str | None,
    reporter: Reporter,
    fewest_classes: int = 2,
) -> Labels:
    """Read the labels of a scene, or of each of several, and pass their warnings on."""
    from mtmsd.labels.read import read_labels
    from mtmsd.labels.together import read_labels_together
    from mtmsd.scene.scene_set import SceneSet

    if isinstance(scene, SceneSet):
        labels = read_labels_together(
            paths, scene, class_field=class_field, fewest_classes=fewest_classes
        )
    else:
        (path,) = paths
        labels = read_labels(path, scene, class_field=class_field, fewest_classes=fewest_classes)
    for sentence in labels.warnings:
        reporter.warning(sentence)
    return labels
