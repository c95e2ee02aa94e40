"""Job ``classify``: a trained classifier maps a whole scene."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtmsd.jobs.arguments import Extent, Source
from mtmsd.jobs.inputs import open_scene_for
from mtmsd.jobs.outputs import check_outputs
from mtmsd.reporting import Reporter


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What ``classify`` needs."""

    scene: Source
    output: Path
    """The class map, GeoTIFF."""
    classifier: Path
    confidence: Path | None = None
    probabilities: Path | None = None
    extent: Extent | None = None
    device: str = "auto"


def run(arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    """Map the scene and return where the files are and how many pixels each class has."""
    check_outputs(
        [arguments.scene, arguments.classifier],
        [arguments.output, arguments.confidence, arguments.probabilities],
    )
    from mtmsd.classify.classifier import Classifier
    from mtmsd.classify.mapping import classify
    from mtmsd.device import choose_device

    device = choose_device(arguments.device)
    classifier = Classifier.load(arguments.classifier)
    with open_scene_for(classifier.model, arguments.scene, reporter) as scene:
        counts = classify(
            scene,
            classifier,
            arguments.output,
            confidence=arguments.confidence,
            probabilities=arguments.probabilities,
            extent=arguments.extent,
            device=device,
            reporter=reporter,
        )
    files = {
        "map": arguments.output,
        "confidence": arguments.confidence,
        "probabilities": arguments.probabilities,
    }
    return {name: path for name, path in files.items() if path} | counts
