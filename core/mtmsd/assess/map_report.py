"""The report of a map without a reference: of the accuracy that its classifier brought along."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from mtmsd.assess.assess import AnyPath, report_held_out
from mtmsd.errors import InputError
from mtmsd.labels.labels import Labels
from mtmsd.labels.mask import MaskFile
from mtmsd.labels.read import read_labels
from mtmsd.reporting import Reporter
from mtmsd.scene.class_map import ClassMap
from mtmsd.scene.raster import Scene


def report_of_map(
    map_path: AnyPath,
    *,
    report: Path,
    json_out: Path | None = None,
    scene_path: AnyPath | None = None,
    training_path: AnyPath | None = None,
    class_field: str | None = None,
    exclude: str = "",
    masks: Sequence[MaskFile] = (),
    commands: Sequence[str] = (),
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Write the report of the figures from labels held out while the classifier was trained.

    Parameters are those of :func:`mtmsd.assess.assess.assess_map`; with scene and training
    labels the report shows these and their spectra.

    Raises
    ------
    InputError
        If the map brings no accuracy along.
    """
    with ClassMap.open(map_path) as class_map:
        accuracy, classes = class_map.metadata.get("accuracy"), class_map.classes
        name = class_map.name
    if not accuracy:
        raise InputError(
            f"The map '{name}' brings no accuracy along: no labels were held out while its "
            "classifier was trained.",
            hint="Give reference labels.",
        )
    # a classifier's file does not say how long its baselines took
    baselines = [{"seconds": None, **baseline} for baseline in accuracy["baselines"]]
    accuracy = {**accuracy, "baselines": baselines}
    with ExitStack() as stack:
        scene, labels = None, no_labels(classes)
        if scene_path and training_path:
            scene = stack.enter_context(Scene.open(scene_path, exclude=exclude, masks=masks))
            labels = read_labels(
                training_path, scene, class_field=class_field, minimum=0, classes=classes
            )
        return report_held_out(
            map_path,
            accuracy,
            labels,
            (),
            report=report,
            json_out=json_out,
            scene=scene,
            sources={"training": training_path, "scene": scene_path},
            commands=[*commands, f"mtmsd assess {map_path} -o {report}"],
            reporter=reporter,
        )


def no_labels(classes: Sequence[Any]) -> Labels:
    """Return labels without pixels, where none are at hand."""
    empty = np.zeros(0, np.int32)
    return Labels(empty, empty, empty.astype(np.uint16), empty, tuple(classes))
