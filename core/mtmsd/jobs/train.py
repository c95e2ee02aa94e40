"""Job ``train``: a classifier learns the classes from labels, and says how good it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtmsd.errors import InputError
from mtmsd.jobs.arguments import Method, Source
from mtmsd.jobs.inputs import open_labels, open_scene_for
from mtmsd.jobs.outputs import check_outputs
from mtmsd.jobs.work import Steps, work_folder
from mtmsd.reporting import Reporter

if TYPE_CHECKING:
    import numpy as np

    from mtmsd.classify.training import TrainingSet
    from mtmsd.scene.labels import Labels
    from mtmsd.scene.raster import Scene
    from mtmsd.scene.splits import Split


@dataclass(frozen=True, kw_only=True)
class Arguments(Method):
    """What ``train`` needs."""

    preset: str = ""
    """quick, balanced or paper; the diffusion model's if not given."""
    scene: Source
    labels: Source
    output: Path
    """The classifier, .safetensors; it holds its diffusion model."""
    model: Path
    """The diffusion model."""
    class_field: str | None = None
    holdout: float = 0.25
    """Share of each class's polygons held out for the accuracy figures; 0 holds out none."""
    guard: int = 0
    """Training pixels nearer than this to a held-out pixel are left out of the figures."""
    resume: bool = False
    """Take the held-out figures from a run that was broken after them."""


def run(arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    """Train on all labels; the accuracy comes from polygons that were held out before."""
    if arguments.preset:
        arguments.chosen()  # a wrong setting is told before the model is loaded
    check_holdout(arguments.holdout)
    check_outputs([arguments.scene, arguments.labels, arguments.model], [arguments.output])
    with work_folder(arguments.output, arguments.resume, reporter) as work:
        return _run_in(work, arguments, reporter)


def _run_in(work: Path, arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    from mtmsd.classify.training import TrainingSet
    from mtmsd.device import choose_device
    from mtmsd.diffusion.model import DiffusionModel

    device = choose_device(arguments.device)
    model = DiffusionModel.load(arguments.model)
    if not arguments.preset:
        arguments = replace(arguments, preset=model.metadata["settings"]["preset"])
    settings = arguments.chosen()
    with open_scene_for(model, arguments.scene, reporter) as scene:
        labels = open_labels(arguments.labels, scene, arguments.class_field, reporter)
        samples = TrainingSet.extract(
            scene,
            labels,
            model,
            settings.classifier,
            device=device,
            seed=arguments.seed,
            reporter=reporter,
        )
        accuracy = Steps(work).run(
            "accuracy",
            arguments,
            [arguments.scene, arguments.labels, arguments.model],
            lambda: {"figures": held_out_accuracy(arguments, scene, labels, samples, reporter)},
        )["figures"]
    reporter.phase("fit", "Learning the classes from all polygons")
    classifier = samples.fit(None, seed=arguments.seed, reporter=reporter)
    classifier.metadata["accuracy"] = accuracy
    classifier.save(arguments.output)
    reporter.artifact("classifier", arguments.output)
    return {"classifier": arguments.output, "pixels": len(labels), "accuracy": accuracy}


def check_holdout(share: float) -> None:
    """Refuse a share that leaves nothing to learn from."""
    if not 0 <= share < 1:
        raise InputError(
            f"The share of polygons to hold out cannot be {share:g}.",
            hint="It is 0 or more and below 1.",
        )


def held_out(arguments: Arguments, labels: Labels) -> Split:
    """Split the labels by whole polygons; the same arguments give the same split."""
    from mtmsd.scene.splits import by_polygon

    return by_polygon(labels, arguments.holdout, arguments.guard, arguments.seed)


def held_out_accuracy(
    arguments: Arguments,
    scene: Scene,
    labels: Labels,
    samples: TrainingSet,
    reporter: Reporter,
) -> dict[str, Any] | None:
    """Fit on some polygons, predict the others, and compare with spectral baselines.

    Returns
    -------
    dict or None
        The figures of :func:`mtmsd.assess.assess.evaluate`; None if nothing could be held out.
    """
    if arguments.holdout == 0:
        return None
    import numpy as np

    from mtmsd.assess.baseline import spectral_baselines
    from mtmsd.assess.evaluation import evaluate

    split = held_out(arguments, labels)
    if not len(split.test):
        reporter.warning(
            "No accuracy can be said: every class has a single polygon, so none was held out. "
            "Draw two or more per class, or assess the map with other polygons."
        )
        return None
    reporter.phase("holdout", "Learning without the held-out polygons")
    part = samples.fit(positions(split.train, labels), seed=arguments.seed, reporter=reporter)
    probabilities = samples.predict(part, positions(split.test, labels))
    read = probabilities.sum(axis=1) > 0  # of very many pixels, a random part is read
    test, best = split.test.subset(read), probabilities[read].argmax(axis=1)
    values = np.array([c.value for c in labels.classes], dtype=np.uint16)
    reporter.phase("baseline", "Classifying the plain spectra for comparison")
    baselines = spectral_baselines(scene, split.train, test, seed=arguments.seed, reporter=reporter)
    return evaluate(
        test.values,
        values[best],
        labels.classes,
        baselines,
        split.description,
        groups=test.groups,
        seed=arguments.seed,
    )


def positions(part: Labels, whole: Labels) -> np.ndarray:
    """Return where the pixels of ``part`` stand in ``whole``, int64 (n_part,)."""
    import numpy as np

    place = {pixel: i for i, pixel in enumerate(zip(whole.rows, whole.cols, strict=True))}
    return np.array([place[p] for p in zip(part.rows, part.cols, strict=True)], dtype=np.int64)
