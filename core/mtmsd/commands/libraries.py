"""Spectral libraries that train: opened with the labels, or refused, before any work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mtmsd.commands.arguments import Libraries, Source
from mtmsd.commands.inputs import open_labels
from mtmsd.errors import InputError
from mtmsd.reporting import Reporter

if TYPE_CHECKING:
    from mtmsd.labels.labels import Labels
    from mtmsd.libraries.training import TrainingLibrary
    from mtmsd.scene.raster import Scene

NETWORK = "mtmsd"
"""The classifier that reads patches of the scene, which a spectrum is not."""


def open_training(
    arguments: Libraries,
    labels: Sequence[Source],
    class_field: str | None,
    scene: Scene,
    reporter: Reporter,
) -> tuple[Labels, TrainingLibrary | None]:
    """Read the labels of each scene, and libraries; the labels list the classes of both.

    Raises
    ------
    InputError
        If both together have one class only.
    """
    fewest = 1 if arguments.library else 2
    found = open_labels(labels, scene, class_field, reporter, fewest)
    if not arguments.library:
        return found, None
    from mtmsd.libraries.training import read_training_library

    library, classes = read_training_library(
        scene,
        arguments.library,
        found.classes,
        table=arguments.library_classes,
        factor=arguments.library_factor,
    )
    for sentence in library.notes:
        reporter.warning(sentence)
    if len(classes) < 2:
        raise InputError(
            f"Labels and library have one class only ('{classes[0].name}'); a map needs two.",
            hint="Draw polygons of another class, or give the library another one (FILE:CLASS).",
        )
    return replace(found, classes=classes), library


def check_library(classifier: str, arguments: Libraries) -> None:
    """Refuse libraries for a classifier that reads patches, and a table without a library."""
    if arguments.library and classifier == NETWORK:
        raise InputError(
            "The classifier 'mtmsd' reads patches of the scene, so it cannot learn the spectra of "
            "a library.",
            hint="Choose the classifier stack, svm, svm-polygons or rf.",
        )
    if arguments.library_classes and not arguments.library:
        raise InputError(
            f"The table '{arguments.library_classes.name}' gives classes to a library, and there "
            "is none.",
            hint="Give the library, too (--library).",
        )


def network_sentence(library: TrainingLibrary) -> str:
    """Say what the diffusion network does where a library trains."""
    if not library.alone:
        return "The diffusion network reads patches, so it learns from the polygons alone."
    names = ", ".join(f"'{info.name}'" for info in library.alone)
    return (
        f"The diffusion network reads patches and would never find {names}, of which there are "
        "library spectra alone: it is left out, and the simple classifiers make the map."
    )
