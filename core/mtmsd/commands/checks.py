"""Before hours of work: choices that there are not, outputs and labels that do not fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtmsd.commands.inputs import open_scenes
from mtmsd.commands.libraries import open_training
from mtmsd.commands.method import AUTO, METHOD, STACK
from mtmsd.commands.outputs import check_endings, check_vectors
from mtmsd.errors import InputError
from mtmsd.reporting import Reporter


def check_choices(classifier: str, split: str, holdout: float) -> None:
    """Refuse a classifier, a way to hold out, or a share that there is not, before any work."""
    from mtmsd.assess.validation import KINDS
    from mtmsd.spectral.estimators import METHODS

    if not 0 <= holdout < 1:
        raise InputError(
            f"The share of polygons to hold out cannot be {holdout:g}.",
            hint="It is 0 or more and below 1.",
        )
    for what, chosen, known in (
        ("classifier", classifier, (AUTO, STACK, METHOD, *METHODS)),
        ("way to hold out labels", split, KINDS),
    ):
        if chosen not in known:
            raise InputError(
                f"There is no {what} '{chosen}'.", hint=f"Choose from: {', '.join(known)}."
            )


def check_doubtful(classifier: str, doubtful: Path | None) -> None:
    """Refuse a layer of doubtful polygons of a classifier that finds none."""
    check_vectors(doubtful)
    if doubtful and classifier != STACK:
        raise InputError(
            f"The classifier '{classifier}' does not tell which polygons disagree with their "
            f"class, so '{doubtful.name}' cannot be written.",
            hint="Choose the classifier 'stack', or leave that output out.",
        )


def check_regions(arguments: Any) -> None:
    """Refuse what is said of regions where none are asked for, and a name of their file."""
    check_endings(arguments.region_output, (".safetensors",), "a classifier")
    given = [
        name
        for name in ("region_size", "region_layer", "region_map", "region_output")
        if getattr(arguments, name)
    ]
    if given and not arguments.regions:
        raise InputError(
            f"No regions are asked for, but {', '.join(given)} is given.",
            hint="Add '--regions supertokens'.",
        )


def refuse_several(several: bool, options: Mapping[str, Any]) -> None:
    """Refuse options, by name, that are for one scene where several are given; before any work."""
    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value]
    if several and given:
        raise InputError(
            f"{given[0]} is for one scene, and several are given.",
            hint="Leave it out, or give one scene.",
        )


def check_labels(arguments: Any) -> None:
    """Find what is wrong with the labels now rather than after hours of pretraining."""
    from mtmsd.labels.read import read_labels

    silent = Reporter()  # each step tells its own warnings
    rows = arguments.rows()
    with open_scenes(rows, arguments.exclude, arguments, silent) as scene:
        sources = [row.labels for row in rows if row.labels]
        labels, _ = open_training(arguments, sources, arguments.class_field, scene, silent)
        if arguments.regions:
            from mtmsd.regions.blocks import check_size
            from mtmsd.regions.methods import regions_named

            regions_named(arguments.regions)
            if arguments.region_size:
                check_size(arguments.region_size, scene)
        if arguments.validation:
            read_labels(
                arguments.validation,
                scene,
                class_field=arguments.class_field,
                minimum=0,
                classes=labels.classes,
            )
