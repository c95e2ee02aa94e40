"""Job ``regions``: regions with true edges, as polygons and as a class map."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mtmsd.commands import train
from mtmsd.commands.arguments import Masked, Pixels, Seed, Source, command_line
from mtmsd.commands.inputs import open_labels, open_scene, open_scene_for
from mtmsd.commands.method import STACK
from mtmsd.commands.outputs import check_endings, check_outputs, check_rasters, check_vectors
from mtmsd.errors import InputError
from mtmsd.jobs.work import Steps, work_folder
from mtmsd.reporting import Reporter

if TYPE_CHECKING:
    from mtmsd.assess.validation import HeldOut
    from mtmsd.labels.labels import Labels
    from mtmsd.labels.splits import Split
    from mtmsd.regions.classifier import RegionClassifier


@dataclass(frozen=True, kw_only=True)
class Arguments(Masked):
    """What ``regions`` needs."""

    scene: Source
    labels: Source | None = None
    """What they are learnt from; not with ``classifier``."""
    output: Path
    """The regions: .gpkg, .shp, .geojson or .fgb."""
    map: Path | None = None
    """Their class map, GeoTIFF."""
    classifier: Path | None = None
    """Regions that were learnt before, .safetensors: nothing is learnt then."""
    classifier_output: Path | None = None
    """Where the learnt regions are kept, .safetensors, to map this scene or another with."""
    report: Path | None = None
    """The accuracy report, HTML."""
    pixel_map: Source | None = None
    """A class map of single pixels, whose accuracy is told beside that of the regions."""
    kind: str = "supertokens"
    """How they are made, by name."""
    size: Pixels = 0
    """Side in pixels of the squares in which regions begin; 0: half of a typical polygon's."""
    class_field: str | None = None
    exclude: str = ""
    """Bands to leave out."""
    split: str = "auto"
    """How labels are held out; auto: in the folds of the stack."""
    holdout: float = 0.25
    """Share that is held out by ``split`` polygons or random; 0: none, whatever the split."""
    guard: Pixels = 0
    seed: Seed = 0
    """The same seed on the same machine gives the same regions."""
    resume: bool = False
    """Take what a run that was broken has learnt."""


def run(arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    """Learn regions, or take those that were learnt, and write those of a scene."""
    _check(arguments)
    others = [path for path in (arguments.map, arguments.report) if path]
    with work_folder(arguments.output, arguments.resume, reporter, beside=others) as work:
        learnt = arguments.classifier or learn(
            work, Steps(work), arguments, _parting(arguments), reporter
        )
        if arguments.classifier_output:
            reporter.artifact("classifier", arguments.classifier_output)
        overall = _overall_of_pixel_map(arguments, learnt, reporter)
        results = write(work, arguments, learnt, reporter, pixel_map=overall)
        if arguments.report:
            _report(arguments.report, work, arguments, learnt, results, reporter)
            results["report"] = arguments.report
        return results


def _check(arguments: Arguments) -> None:
    """Refuse what cannot be, before any work."""
    from mtmsd.commands.checks import check_choices
    from mtmsd.regions.methods import regions_named

    check_outputs(
        [
            arguments.scene,
            arguments.labels,
            arguments.classifier,
            arguments.pixel_map,
            *arguments.mask,
        ],
        [arguments.output, arguments.map, arguments.classifier_output, arguments.report],
    )
    check_vectors(arguments.output)
    check_rasters(arguments.map)
    check_endings(arguments.classifier_output, (".safetensors",), "a classifier")
    check_choices(STACK, arguments.split, arguments.holdout)
    regions_named(arguments.kind)
    if bool(arguments.labels) == bool(arguments.classifier):
        raise InputError(
            "Regions are learnt from labels, or mapped with a file of learnt ones.",
            hint="Give one of the two: the labels, or the classifier.",
        )
    if arguments.classifier and (arguments.classifier_output or arguments.size):
        raise InputError(
            "Regions that were learnt before have their size and their file already.",
            hint="Leave size and the new file out, or give labels instead of the classifier.",
        )


def _parting(arguments: Arguments) -> train.Arguments:
    """Part the labels as for the pixel map, or as the stack does, to set the figures beside it."""
    from mtmsd.assess.validation import KINDS

    split = arguments.split
    if split == "auto" and arguments.pixel_map is not None:
        told = _accuracy_of(arguments.pixel_map)[0].get("validation") or {}
        split = told["kind"] if told.get("kind") in KINDS else split
    return train.Arguments(
        scene=arguments.scene,
        labels=arguments.labels or Source(""),
        output=arguments.output,
        classifier=STACK,
        split=split,
        holdout=arguments.holdout,
        guard=arguments.guard,
        seed=arguments.seed,
    )


def _held_out(parting: train.Arguments, labels: Labels) -> HeldOut:
    from mtmsd.assess.validation import HeldOut

    return train.held_out(parting, labels) if parting.holdout else HeldOut(parting.split, ())


def learn(
    work: Path,
    steps: Steps,
    arguments: Arguments,
    parting: train.Arguments,
    reporter: Reporter,
    opening: Reporter | None = None,
) -> Path:
    """Learn regions from labels and return their file; a resumed run takes what is finished.

    Parameters
    ----------
    parting : train.Arguments
        How labels are held out: as for a map of single pixels.
    opening : Reporter, optional
        Hears the warnings of scene and labels.
    """
    from mtmsd.assess.regions import judge_regions
    from mtmsd.regions.methods import regions_named

    opening = opening or reporter
    path = arguments.classifier_output or work / "regions.safetensors"
    read = [arguments.scene, arguments.labels, *arguments.mask]
    with open_scene(arguments.scene, arguments.exclude, opening, arguments.masks()) as scene:
        labels = open_labels(
            [Source(arguments.labels or "")], scene, arguments.class_field, opening
        )

        @functools.cache
        def method() -> Any:
            kind = regions_named(arguments.kind)
            return kind.of(scene, labels, arguments.size, arguments.seed, reporter)

        def figures() -> dict[str, Any]:
            held = _held_out(parting, labels)
            if not held.splits and parting.holdout:
                reporter.warning(
                    "No accuracy of the regions can be said: no polygons could be held out."
                )
            found = judge_regions(method(), held, seed=arguments.seed, reporter=reporter)
            return {"figures": found}

        key = {
            "regions": replace(arguments, resume=False),
            "parting": replace(parting, resume=False, device=""),
        }
        accuracy = steps.run("region-figures", key, read, figures)["figures"]

        def final() -> dict[str, Any]:
            reporter.phase("regions", "Learning regions from all polygons")
            classifier = method().learn(labels, seed=arguments.seed, reporter=reporter)
            classifier.metadata |= train.told(accuracy)
            classifier.save(path)
            return {}

        steps.run("region-classifier", arguments, [*read, path], final)
    return path


def write(
    work: Path,
    arguments: Arguments,
    learnt: Path,
    reporter: Reporter,
    *,
    opening: Reporter | None = None,
    pixel_map: float | None = None,
) -> dict[str, Any]:
    """Write the regions of the scene, and their class map.

    Parameters
    ----------
    learnt : Path
        A file of learnt regions.
    pixel_map : float, optional
        Overall accuracy of the map of single pixels on the same held-out labels.

    Returns
    -------
    dict
        Files, ``count``, ``pixels`` of each class, ``accuracy``, and ``region_figures``.
    """
    from mtmsd.mapping.mapper import check_bands, describe
    from mtmsd.postprocess.regions import write_regions

    classifier = load_regions(learnt)
    raster = arguments.map
    if raster is None and arguments.report:
        raster = work / "map.tif"
    reporter.phase("classify", "Writing the regions")
    masks = arguments.masks()
    with open_scene_for(classifier.model, arguments.scene, opening or reporter, masks) as scene:
        check_bands(scene, classifier)
        made = write_regions(
            scene,
            classifier,
            describe(classifier) | {"regions": {"kind": classifier.settings.kind}},
            output=arguments.output,
            raster=raster,
            reporter=reporter,
        )
    reporter.artifact("regions", arguments.output)
    if arguments.map:
        reporter.artifact("region-map", arguments.map)
    accuracy = classifier.metadata.get("accuracy")
    told = {"size": classifier.settings.size} | (accuracy or {}).get("regions", {})
    return {
        "regions": arguments.output,
        "region_map": arguments.map,
        "accuracy": accuracy,
        **made,
        "region_figures": told | {"count": made["count"], "pixel_map": pixel_map},
    }


def load_regions(path: Path) -> RegionClassifier:
    """Read a file of learnt regions.

    Raises
    ------
    InputError
        If it holds another classifier, or is damaged.
    """
    from mtmsd.classify.classifier import load_classifier

    classifier = load_classifier(path)
    if classifier.mapped_by != "regions":
        raise InputError(
            f"{path} is a classifier of single pixels; it holds no learnt regions.",
            hint="Choose a file that 'mtmsd regions --classifier-out' has written.",
        )
    return cast("RegionClassifier", classifier)


def _overall_of_pixel_map(arguments: Arguments, learnt: Path, reporter: Reporter) -> float | None:
    """Return the accuracy that a map of single pixels brings along, of the same held-out pixels."""
    if arguments.pixel_map is None:
        return None
    own = load_regions(learnt).metadata.get("accuracy") or {}
    other, name = _accuracy_of(arguments.pixel_map)
    parts = [(told.get("n"), told.get("split")) for told in (own, other)]
    if other.get("overall") is None or parts[0] != parts[1]:
        reporter.warning(
            f"The regions are not compared with '{name}': that map does not tell an accuracy on "
            "the same held-out pixels."
        )
        return None
    return float(other["overall"])


def _accuracy_of(class_map: Source) -> tuple[dict[str, Any], str]:
    """Return the accuracy that a class map brings along, and its name."""
    from mtmsd.scene.class_map import ClassMap

    with ClassMap.open(class_map) as opened:
        return opened.metadata.get("accuracy") or {}, opened.name


def _report(
    path: Path,
    work: Path,
    arguments: Arguments,
    learnt: Path,
    results: dict[str, Any],
    reporter: Reporter,
) -> None:
    """Write the accuracy report of the regions' class map."""
    from mtmsd.assess.assess import report_held_out
    from mtmsd.assess.map_report import no_labels

    classifier, silent = load_regions(learnt), Reporter()  # all warnings were told before
    accuracy = results["accuracy"]
    splits: tuple[Split, ...] = ()
    if accuracy:
        accuracy = accuracy | {"regions": results["region_figures"]}
    with open_scene_for(classifier.model, arguments.scene, silent, arguments.masks()) as scene:
        labels = no_labels(classifier.classes)
        if arguments.labels:
            labels = open_labels([arguments.labels], scene, arguments.class_field, silent)
            splits = _held_out(_parting(arguments), labels).splits
        report_held_out(
            arguments.map or work / "map.tif",
            accuracy,
            labels,
            splits,
            report=path,
            scene=scene,
            commands=[command_line("regions", arguments)],
            sources={"scene": arguments.scene, "labels": arguments.labels},
            reporter=reporter,
        )
