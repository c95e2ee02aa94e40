"""Job ``train``: a classifier learns the classes from labels, and says how good it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from mtmsd.commands.arguments import Libraries, Masked, Method, Pixels, Source
from mtmsd.commands.checks import check_choices, check_doubtful, refuse_several
from mtmsd.commands.devices import on_device
from mtmsd.commands.inputs import open_scenes, open_scenes_for
from mtmsd.commands.libraries import check_library, network_sentence, open_training
from mtmsd.commands.manifest import SceneRow, files_of, labelled_scenes
from mtmsd.commands.method import AUTO, METHOD, STACK, check_method, classifier_for
from mtmsd.commands.outputs import check_outputs
from mtmsd.errors import InputError
from mtmsd.jobs.work import Steps, work_folder
from mtmsd.reporting import Reporter
from mtmsd.settings import preset

OF_THE_STACK = ("whitening", "rare_classes")
"""Settings that count without a diffusion model, too."""

if TYPE_CHECKING:
    from torch import device as TorchDevice

    from mtmsd.assess.validation import HeldOut
    from mtmsd.classify.training import TrainingSet
    from mtmsd.diffusion.model import DiffusionModel
    from mtmsd.labels.labels import Labels
    from mtmsd.libraries.training import TrainingLibrary
    from mtmsd.scene.raster import Scene
    from mtmsd.spectral.classifier import SpectralTrainingSet
    from mtmsd.stack.training import StackTrainingSet

    AnyTrainingSet = Union[TrainingSet, SpectralTrainingSet, StackTrainingSet]


@dataclass(frozen=True, kw_only=True)
class Arguments(Libraries, Method, Masked):
    """What ``train`` needs."""

    preset: str = ""
    """quick, balanced or paper; the diffusion model's if not given."""
    scene: Source
    labels: Source | None = None
    """Not given where ``scene`` is a table of scenes and their labels."""
    output: Path
    """The classifier, .safetensors; it holds its diffusion model."""
    more: list[Source] = field(default_factory=list)
    """Other scenes of the same sensor and their labels, in turn, or tables of both."""
    model: Path | None = None
    """The diffusion model; classifiers of plain spectra take its bands, if it is given."""
    classifier: str = AUTO
    """auto, stack, mtmsd, or of plain spectra: svm, svm-polygons, rf."""
    class_field: str | None = None
    exclude: str = ""
    """Bands to leave out; with ``model``, its bands are used."""
    holdout: float = 0.25
    """Share of each class's polygons held out for the accuracy figures; 0 holds out none."""
    guard: Pixels = 0
    """Training pixels nearer than this to a held-out pixel are left out of the figures."""
    split: str = "auto"
    """How labels are held out: auto, polygons, cross or random."""
    calibrate: bool = False
    """With ``holdout`` 0: calibrate the confidence by cross-validation, for which others judge."""
    doubtful: Path | None = None
    """Polygons that disagree with their class, of a stack: .gpkg, .shp, .geojson or .fgb."""
    resume: bool = False
    """Take the held-out figures from a run that was broken after them."""

    def rows(self) -> list[SceneRow]:
        """Return the scenes, each with its labels.

        Raises
        ------
        InputError
            If one has none.
        """
        return labelled_scenes(self.scene, self.labels, self.more)

    def files(self) -> list[str | Path | None]:
        """Return what is read."""
        return [*files_of(self.rows()), self.model, *self.mask, *self.library_files()]

    def chosen_device(self, warn: Callable[[str], None]) -> str:
        """Return the device on which is learnt; without a diffusion model there is no choice."""
        return device_for(self.device, self.model is not None, warn)


def run(arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    """Train on all labels; the accuracy comes from polygons that were held out before."""
    preset(arguments.preset or "balanced", arguments.settings)  # told before the model is loaded
    check_choices(arguments.classifier, arguments.split, arguments.holdout)
    meant = classifier_for(arguments.classifier, arguments.preset)
    if meant == METHOD and not arguments.model:
        raise InputError(
            "The classifier 'mtmsd' needs a diffusion model.",
            hint="Give the one that pretrain has written, or choose stack, svm or rf.",
        )
    check_doubtful(meant, arguments.doubtful)
    check_library(meant, arguments)
    check_outputs(arguments.files(), [arguments.output, arguments.doubtful])
    refuse_several(len(arguments.rows()) > 1, {"doubtful": arguments.doubtful})
    with work_folder(arguments.output, arguments.resume, reporter) as work:
        if arguments.model is None or meant not in (METHOD, STACK):
            return _run_in(work, arguments, None, reporter)
        from mtmsd.diffusion import devices

        return on_device(
            devices,
            arguments.device,
            reporter,
            lambda device: _run_in(work, arguments, device, reporter),
        )


def _run_in(
    work: Path, arguments: Arguments, device: TorchDevice | None, reporter: Reporter
) -> dict[str, Any]:
    from mtmsd.assess.independence import PATCH
    from mtmsd.scene.scene_set import SceneSet

    model = load_model(arguments.model)
    learnt = model.metadata["settings"]["preset"] if model else "balanced"
    chosen = arguments.preset or learnt
    arguments = replace(
        arguments, preset=chosen, classifier=classifier_for(arguments.classifier, chosen)
    )
    stack = arguments.classifier == STACK
    idle = [key for key in arguments.settings if not (stack and key.endswith(OF_THE_STACK))]
    if model is None and idle:
        text = f"Without a diffusion model these settings change nothing: {', '.join(idle)}."
        reporter.warning(text)
    if model and not stack and arguments.chosen().classifier.rare_classes:
        reporter.warning("The setting rare_classes changes nothing: only the stack knows it.")
    if model and arguments.classifier in (METHOD, STACK):
        learnt_by = model.metadata["settings"]["pretrain"].get("backbone", "unet")
        check_method(arguments.chosen().classifier, model.patch_size, learnt_by)
    with scene_of(model, arguments, reporter) as scene:
        sources = [row.labels for row in arguments.rows() if row.labels]
        labels, library = open_training(arguments, sources, arguments.class_field, scene, reporter)
        if library and model:
            reporter.warning(network_sentence(library))
        place = scene.transform, scene.crs
        samples = _samples(work, arguments, model, device, scene, labels, library, reporter)
        read = arguments.files()
        patch = model.patch_size if model else PATCH
        accuracy = Steps(work).run(
            "accuracy",
            arguments,
            read,
            lambda: {"figures": _accuracy(arguments, scene, samples, patch, library, reporter)},
        )["figures"]
        temperature = None
        if arguments.holdout == 0:
            temperature = Steps(work).run(
                "calibration",
                arguments,
                read,
                lambda: {"temperature": _temperature(arguments, samples, reporter)},
            )["temperature"]
    reporter.phase("fit", "Learning the classes from all polygons")
    classifier = samples.fit(None, seed=arguments.seed, reporter=reporter)
    classifier.metadata |= told(accuracy)
    if isinstance(scene, SceneSet):
        classifier.metadata["scenes"] = scene.labelled(labels.rows)
        if stack:
            known = classifier.metadata["stack"]
            known["doubtful"] = [scene.located(polygon) for polygon in known["doubtful"]]
    if temperature is not None:
        classifier.metadata["temperature"] = temperature
    if weights := _weights(samples, classifier, reporter):
        classifier.metadata["weights"] = weights
    classifier.save(arguments.output)
    reporter.artifact("classifier", arguments.output)
    results = {"classifier": arguments.output, "pixels": len(labels), "accuracy": accuracy}
    if arguments.doubtful:
        from mtmsd.postprocess.doubtful import write_doubtful

        listed = classifier.metadata["stack"]["doubtful"]
        write_doubtful(arguments.doubtful, listed, samples.labels, *place)
        reporter.artifact("doubtful", arguments.doubtful)
        results["doubtful"] = arguments.doubtful
    return results


def _weights(samples: Any, classifier: Any, reporter: Reporter) -> Any:
    from mtmsd.assess.informing import Informing

    return Informing(reporter).attempt(
        "What the model looks at cannot be said", lambda: samples.looks_at(classifier)
    )


def load_model(path: Path | None) -> DiffusionModel | None:
    """Read the diffusion model, where there is one."""
    if path is None:
        return None
    from mtmsd.diffusion.model import DiffusionModel

    return DiffusionModel.load(path)


def device_for(name: str, network: bool, warn: Callable[[str], None]) -> str:
    """Return the device; without a network all is computed by the processor, without torch."""
    if not network and name in ("auto", "cpu"):
        return "cpu"
    from mtmsd.diffusion.devices import choose_device

    return str(choose_device(name, warn))


def scene_of(
    model: DiffusionModel | None, arguments: Arguments, reporter: Reporter
) -> AbstractContextManager[Scene]:
    """Open the scenes with a model's bands, or, without one, with all but the excluded ones."""
    if model:
        return open_scenes_for(model, arguments.rows(), arguments, reporter)
    return open_scenes(arguments.rows(), arguments.exclude, arguments, reporter)


def _samples(
    work: Path,
    arguments: Arguments,
    model: DiffusionModel | None,
    device: TorchDevice | None,
    scene: Scene,
    labels: Labels,
    library: TrainingLibrary | None,
    reporter: Reporter,
) -> AnyTrainingSet:
    """Read what the classifier learns from."""
    if arguments.classifier == STACK:
        from mtmsd.stack.training import StackTrainingSet

        network = (
            _network_samples(work, arguments, model, device, scene, labels, reporter)
            if model and device and not (library and library.alone)
            else None
        )
        return StackTrainingSet.extract(
            scene,
            labels,
            network=network,
            library=library,
            whitening=arguments.chosen().pretrain.whitening,
            rare=arguments.chosen().classifier.rare_classes,
            seed=arguments.seed,
            reporter=reporter,
        )
    if model is None or device is None:
        from mtmsd.spectral.classifier import SpectralTrainingSet

        return SpectralTrainingSet.extract(scene, labels, arguments.classifier, reporter, library)
    return _network_samples(work, arguments, model, device, scene, labels, reporter)


def _network_samples(
    work: Path,
    arguments: Arguments,
    model: DiffusionModel,
    device: TorchDevice,
    scene: Scene,
    labels: Labels,
    reporter: Reporter,
) -> TrainingSet:
    from mtmsd.classify.training import TrainingSet

    return TrainingSet.extract(
        scene,
        labels,
        model,
        arguments.chosen().classifier,
        device=device,
        seed=arguments.seed,
        reporter=reporter,
        spill=work,
    )


def held_out(arguments: Arguments, labels: Labels) -> HeldOut:
    """Part the labels; the same arguments give the same parts.

    The stack needs folds for its weights anyway; unless another way is asked for, they tell the
    accuracy too, without a fit more.
    """
    from mtmsd.assess.validation import OWN_FOLDS, HeldOut, hold_out

    if _has_own_folds(arguments):
        from mtmsd.stack.training import fold_splits

        return HeldOut(OWN_FOLDS, fold_splits(labels, arguments.seed))
    return hold_out(labels, arguments.split, arguments.holdout, arguments.guard, arguments.seed)


def _has_own_folds(arguments: Arguments) -> bool:
    return arguments.classifier == STACK and arguments.split == "auto" and not arguments.guard


def _accuracy(
    arguments: Arguments,
    scene: Scene,
    samples: AnyTrainingSet,
    patch: int,
    library: TrainingLibrary | None,
    reporter: Reporter,
) -> dict[str, Any] | None:
    """Return the figures of held-out labels; None if nothing could be held out."""
    from mtmsd.assess.validation import OWN_FOLDS, judge

    if arguments.holdout == 0:
        return None
    held = held_out(arguments, samples.labels)
    if not held.splits:
        reporter.warning(
            "No accuracy can be said: every class has a single polygon, so none was held out. "
            "Draw two or more per class, or assess the map with other polygons."
        )
        return None
    accuracy = judge(
        samples,
        held,
        scene,
        method=arguments.classifier,
        patch=patch,
        seed=arguments.seed,
        reporter=reporter,
        library=library,
    )
    if library is not None:
        from mtmsd.libraries.training import alone_sentence

        accuracy["warnings"] += filter(None, (alone_sentence(library.origin),))
    if held.kind == OWN_FOLDS:
        stack = samples.fit(None, seed=arguments.seed, reporter=reporter).metadata["stack"]
        accuracy["warnings"] += stack["notes"]
    return accuracy


def _temperature(arguments: Arguments, samples: AnyTrainingSet, reporter: Reporter) -> float | None:
    from mtmsd.assess.validation import held_out_temperature

    found = None
    if arguments.calibrate:
        parted = arguments if _has_own_folds(arguments) else replace(arguments, split="cross")
        held = held_out(parted, samples.labels)
        found = held_out_temperature(samples, held, arguments.seed, reporter)
    if found is None:
        reporter.warning(
            "The confidence is not calibrated, for no polygons were held out: take it as a rank, "
            "not as a probability."
        )
    return found


def told(accuracy: dict[str, Any] | None) -> dict[str, Any]:
    """What the classifier's file says of its accuracy, and the temperature that calibrates it.

    Seconds are left out: the same input gives the same file. A temperature of pixels beside
    training pixels would only make the map boast.
    """
    if accuracy is None:
        return {"accuracy": None}
    baselines = [{k: v for k, v in b.items() if k != "seconds"} for b in accuracy["baselines"]]
    said: dict[str, Any] = {"accuracy": {**accuracy, "baselines": baselines}}
    if accuracy["calibration"] and not accuracy["optimistic"]:
        said["temperature"] = accuracy["calibration"]["temperature"]
    return said
