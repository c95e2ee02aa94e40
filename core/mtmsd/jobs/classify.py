"""Job ``classify``: a trained classifier maps a whole scene."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtmsd.jobs.arguments import Extent, Source
from mtmsd.jobs.inputs import open_scene_for
from mtmsd.jobs.outputs import check_outputs
from mtmsd.jobs.work import file_state, work_folder
from mtmsd.reporting import Reporter

if TYPE_CHECKING:
    from mtmsd.classify.finished import FinishedBlocks
    from mtmsd.scene.raster import Scene


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
    resume: bool = False
    """Continue from the finished blocks, if there are any."""


def run(arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    """Map the scene and return where the files are and how many pixels each class has."""
    others = [path for path in (arguments.confidence, arguments.probabilities) if path]
    check_outputs([arguments.scene, arguments.classifier], [arguments.output, *others])
    with work_folder(arguments.output, arguments.resume, reporter, beside=others) as work:
        return run_in(work, arguments, reporter)


def run_in(work: Path, arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    """Map the scene as :func:`run` does, in the work folder of another job."""
    from mtmsd.classify.classifier import Classifier
    from mtmsd.classify.mapping import classify
    from mtmsd.device import choose_device

    device = choose_device(arguments.device)
    classifier = Classifier.load(arguments.classifier)
    with open_scene_for(classifier.model, arguments.scene, reporter) as scene:
        finished = _finished(work, arguments, scene)
        if arguments.resume and finished.others:
            reporter.warning(
                f"The finished blocks in {work} are of another classifier, scene or extent; "
                "all is mapped again."
            )
        counts = classify(
            scene,
            classifier,
            arguments.output,
            confidence=arguments.confidence,
            probabilities=arguments.probabilities,
            extent=arguments.extent,
            device=device,
            finished=finished,
            reporter=reporter,
        )
    files = {
        "map": arguments.output,
        "confidence": arguments.confidence,
        "probabilities": arguments.probabilities,
    }
    return {name: path for name, path in files.items() if path} | counts


def _finished(work: Path, arguments: Arguments, scene: Scene) -> FinishedBlocks:
    """Return the finished blocks of this very map."""
    from mtmsd.classify.finished import FinishedBlocks
    from mtmsd.tensorfile import checksum_of

    return FinishedBlocks(
        work,
        {
            "classifier": checksum_of(arguments.classifier),
            "scene": [scene.fingerprint(), file_state(scene.path)],
            "extent": arguments.extent,
        },
    )
