"""Assess a class map: labels and map in, figures and a report out."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import numpy as np

from mtmsd.assess.baseline import Baseline, spectral_baselines
from mtmsd.assess.contents import Material, draw, facts, moved, stated_confidence
from mtmsd.assess.evaluation import evaluate
from mtmsd.assess.independence import also_in
from mtmsd.assess.informing import Informing
from mtmsd.assess.matching import matched
from mtmsd.assess.report import render, to_json, write_whole
from mtmsd.assess.validation import joined
from mtmsd.classes import ClassInfo
from mtmsd.errors import InputError
from mtmsd.labels.labels import Labels
from mtmsd.labels.mask import MaskFile
from mtmsd.labels.read import read_labels
from mtmsd.labels.splits import Split
from mtmsd.labels.thinning import thinning_sentence
from mtmsd.libraries.training import alone_sentence
from mtmsd.reporting import Reporter
from mtmsd.scene.class_map import ClassMap
from mtmsd.scene.pixel_area import pixel_area
from mtmsd.scene.raster import Scene
from mtmsd.scene.transforms import chained

__all__ = ["assess_map", "evaluate", "report_held_out"]

SEED = 0
"""Of the bootstrap and the baselines."""

AnyPath = str | Path


def assess_map(
    map_path: AnyPath,
    labels_path: AnyPath,
    *,
    class_field: str | None = None,
    match: Mapping[str, str] | None = None,
    report: Path,
    json_out: Path | None = None,
    scene_path: AnyPath | None = None,
    training_path: AnyPath | None = None,
    exclude: str = "",
    masks: Sequence[MaskFile] = (),
    confidence_path: AnyPath | None = None,
    regions: Mapping[str, Any] | None = None,
    commands: Sequence[str] = (),
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Compare a class map with reference labels and write the report.

    Parameters
    ----------
    map_path : path
        A class map: one band of whole numbers, 0 = nodata.
    labels_path : path
        Reference polygons, or a label raster on the map's grid.
    class_field : str, optional
        Field of the reference and training layers that holds the class.
    match : mapping, optional
        The map's class for classes of the reference, see :func:`.matching.matched`.
    report, json_out : Path
        The HTML file, and the same as JSON (default: beside it).
    scene_path, training_path : path, optional
        With both, spectral baselines are fitted; with the training labels alone, reference
        pixels that were trained on are at least taken out.
    exclude : str
        Bands of the scene to leave out.
    masks : sequence of MaskFile
        Pixels of the scene to leave out.
    confidence_path : path, optional
        The map's confidence, for its reliability.
    regions : mapping, optional
        Figures of regions beside the map, as of :func:`mtmsd.assess.regions.region_figures`.
    commands : sequence of str
        How the map was made on the command line; the assessment's own command is added.
    reporter : Reporter, optional

    Returns
    -------
    dict
        JSON-able; :func:`evaluate`'s figures, and areas, calibration, inputs, versions.

    Raises
    ------
    InputError
        If map and labels cannot be read, do not overlap, or share no class.
    """
    reporter = reporter or Reporter()
    reporter.phase("assess", "Comparing the map with the reference")
    with ExitStack() as stack:
        class_map = stack.enter_context(ClassMap.open(map_path))
        known = [c for c in class_map.classes if c.value != class_map.unknown]
        reference = _read(labels_path, class_map, class_field, () if match else known)
        if match:
            reference = matched(reference, match, known, Path(str(labels_path).split("|")[0]).name)
        warnings = [*reference.warnings, *_check_classes(class_map, reference, labels_path)]
        scene, shift = None, (0, 0)
        if scene_path:
            opened = stack.enter_context(Scene.open(scene_path, exclude=exclude, masks=masks))
            warnings += opened.warnings
            scene, shift = _placed(class_map, opened, warnings)
        train = None
        if training_path:
            train = _read(training_path, scene or class_map, class_field, reference.classes)
            train = moved(train, (-shift[0], -shift[1]))
            reference = _without_training(reference, train, warnings)
        stated = None
        if confidence_path:
            stated = stated_confidence(class_map, reference, confidence_path)
        material = Material(class_map, reference, train, scene, shift)
        result = evaluate(
            reference.values,
            class_map.at(reference.rows, reference.cols),
            _with_unknown(reference.classes, class_map),
            _baselines(material, warnings, reporter),
            "The map was compared with reference labels apart from its training labels."
            if train
            else "",
            groups=reference.groups,
            confidence=stated,
            seed=SEED,
            nearest=(material.distances() or {}).get("nearest_of_class"),
        )
        result["warnings"] = warnings + _unknown(result, class_map) + result["warnings"]
        if regions:
            result["regions"] = dict(regions)
        sources = {
            "map": map_path,
            "reference": labels_path,
            "training": training_path,
            "scene": scene_path,
            "confidence": confidence_path,
        }
        own = _command(sources, report, class_field, exclude, match or {})
        return _finish(result, material, sources, [*commands, own], (report, json_out), reporter)


def report_held_out(
    map_path: AnyPath,
    evaluation: Mapping[str, Any] | None,
    labels: Labels,
    splits: Sequence[Split],
    *,
    report: Path,
    json_out: Path | None = None,
    scene: Scene | None = None,
    sources: Mapping[str, AnyPath | None] | None = None,
    commands: Sequence[str] = (),
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Write the report of a map whose figures come from labels held out while training.

    The final map was trained on all labels, so it cannot be compared with them; the figures
    are those of classifiers that did not see the held-out ones.

    Parameters
    ----------
    map_path : path
    evaluation : mapping
        What :func:`mtmsd.assess.validation.judge` returned; None where nothing could be held
        out: all the rest is then reported.
    labels : Labels
        All that the map was trained on, on the scene's grid.
    splits : sequence of Split
        How they were held out: one split, or the folds of a cross-validation.
    report, json_out : Path
        The HTML file, and the same as JSON (default: beside it).
    scene : Scene, optional
        For the spectra.
    sources : mapping
        Input files by role, for their fingerprints.
    commands : sequence of str
        How the map was made on the command line.
    reporter : Reporter, optional

    Returns
    -------
    dict
        As :func:`assess_map`.
    """
    evaluation = evaluation or evaluate([], [], labels.classes)
    warnings = [*(scene.warnings if scene else ()), *evaluation["warnings"]]
    with ClassMap.open(map_path) as class_map:
        if class_map.metadata.get("after"):
            warnings.append(
                "The map was filtered after it was classified; the figures are those of the "
                "classifier, before that."
            )
        placed, shift = _placed(class_map, scene, warnings) if scene else (None, (0, 0))
        back = (-shift[0], -shift[1])
        tests = tuple(moved(split.test, back) for split in splits)
        train = splits[0].train if len(splits) == 1 else None if splits else labels
        material = Material(
            class_map,
            joined(tests) if tests else labels.subset(np.zeros(0, np.int64)),
            moved(train, back) if train else None,
            placed,
            shift,
            tests if len(tests) > 1 else (),
        )
        result = {**evaluation, "warnings": warnings}
        files = {"map": map_path, **(sources or {})}
        return _finish(
            result, material, files, commands, (report, json_out), reporter or Reporter()
        )


def _finish(
    result: dict[str, Any],
    material: Material,
    sources: Mapping[str, AnyPath | None],
    commands: Sequence[str],
    outputs: tuple[Path, Path | None],
    reporter: Reporter,
) -> dict[str, Any]:
    """Complete the result, draw, and write both files."""
    reporter.phase("report", "Writing the report")
    informing = Informing(Reporter())
    thinned = material.class_map.metadata.get("thinned")
    if thinned:
        sentence = thinning_sentence(thinned["kept"], thinned["of"])
        result = {**result, "warnings": [sentence, *result["warnings"]]}
    alone = alone_sentence(material.class_map.metadata.get("library"))
    if alone and alone not in result["warnings"]:
        result = {**result, "warnings": [alone, *result["warnings"]]}
    result = {**result, **facts(result, material, sources, reporter), "commands": list(commands)}
    area = pixel_area(material.class_map)
    if area is not None and area.note:
        result["warnings"] = [*result["warnings"], area.note]
    pictures = draw(result, material, informing, reporter)
    result["warnings"] = [*result["warnings"], *informing.warnings]
    for sentence in result["warnings"]:
        reporter.warning(sentence)
    page = render(result, pictures)
    report, json_out = outputs
    write_whole(report, page)
    reporter.artifact("report", report)
    beside = json_out or report.with_suffix(".json")
    write_whole(beside, to_json(result))
    reporter.artifact("report-json", beside)
    return result


def _read(
    path: AnyPath, grid: ClassMap | Scene, field: str | None, classes: Sequence[ClassInfo]
) -> Labels:
    # A class map has what read_labels asks of a scene: its grid, and where it is valid.
    return read_labels(
        path, cast(Scene, grid), class_field=field, minimum=0, classes=classes or None
    )


def _check_classes(class_map: ClassMap, reference: Labels, path: AnyPath) -> list[str]:
    """Complain of classes that only the reference has."""
    name = Path(str(path).split("|")[0]).name
    if not (reference.numbered or class_map.classes):
        raise InputError(
            f"The labels '{name}' have names of classes in the field '{reference.field}', the map "
            f"'{class_map.name}' has numbers without names.",
            hint="Choose a field with the numbers of the classes (--class-field).",
        )
    mapped = class_map.present | {c.value for c in class_map.classes}
    mapped -= {class_map.unknown}
    there = set(np.unique(reference.values).tolist())
    if not mapped & there:
        raise InputError(
            f"The labels '{name}' have the classes {_listing(there)}, the map "
            f"'{class_map.name}' has {_listing(mapped)}: none in common.",
            hint="Choose the class field whose numbers or names the map has.",
        )
    if there <= mapped:
        return []
    names = {c.value: c.name for c in reference.classes}
    extra = ", ".join(f"{names[v]} ({v})" for v in sorted(there - mapped))
    return [
        f"'{name}' has classes that the map does not know, so all their pixels count as wrong: "
        f"{extra}."
    ]


def _with_unknown(classes: Sequence[ClassInfo], class_map: ClassMap) -> Sequence[ClassInfo]:
    """Add the map's class of unknown pixels, which no label can have."""
    unknown = [c for c in class_map.classes if c.value == class_map.unknown]
    taken = [c for c in classes if c.value == class_map.unknown]
    if taken:
        raise InputError(
            f"The labels have a class '{taken[0].name}' of the value {class_map.unknown}, which "
            f"in the map '{class_map.name}' stands for pixels of low confidence.",
            hint="Give the class another number, or assess a map without unknown pixels.",
        )
    return [*classes, *unknown]


def _unknown(result: Mapping[str, Any], class_map: ClassMap) -> list[str]:
    """Say how many reference pixels the map leaves open, and how good it is on the others."""
    place = [i for i, c in enumerate(result["classes"]) if c["value"] == class_map.unknown]
    if not place:
        return []
    matrix = np.array(result["confusion"]["matrix"])
    left = int(matrix[:, place[0]].sum())
    known = int(matrix.sum()) - left
    share = f"; of the others {np.trace(matrix) / known:.1%} are right" if known else ""
    return [
        f"{left:,} of {int(matrix.sum()):,} reference pixels are mapped as "
        f"'{result['classes'][place[0]]['name']}', which counts as wrong{share}."
    ]


def _listing(values: set[int]) -> str:
    shown = sorted(values)[:12]
    return ", ".join(map(str, shown)) + (" …" if len(values) > 12 else "")


def _placed(
    class_map: ClassMap, scene: Scene, warnings: list[str]
) -> tuple[Scene | None, tuple[int, int]]:
    """Rows and columns from the map's grid to the scene's; no scene if the grids differ."""
    there = chained(~scene.transform, class_map.transform)
    row, col = round(there.f), round(there.c)
    far = 0.01 / max(class_map.width, class_map.height)
    if np.allclose(tuple(there)[:6], (1, 0, col, 0, 1, row), rtol=0, atol=[far, far, 0.01] * 2):
        return scene, (row, col)
    warnings.append(
        f"The map '{class_map.name}' is not on the grid of '{scene.name}', so there are no "
        "spectral baselines and no spectra."
    )
    return None, (0, 0)


def _without_training(reference: Labels, train: Labels, warnings: list[str]) -> Labels:
    """Take out the reference pixels that the map was trained on."""
    both = also_in((reference.rows, reference.cols), (train.rows, train.cols))
    if both.all():
        raise InputError(
            f"All {len(reference):,} reference pixels are training pixels.",
            hint="Give reference polygons that the map was not trained on.",
        )
    if both.any():
        warnings.append(
            f"{int(both.sum()):,} of {len(reference):,} reference pixels are training pixels and "
            "were left out."
        )
    return reference.subset(~both)


def _baselines(material: Material, warnings: list[str], reporter: Reporter) -> list[Baseline]:
    if material.scene is None or material.train is None:
        return []
    train, test = (moved(x, material.shift) for x in (material.train, material.reference))
    reporter.phase("baseline", "Classifying the plain spectra for comparison")
    informing = Informing(Reporter())  # the report's warnings are told in the end
    found = spectral_baselines(
        material.scene, [(train, test)], seed=SEED, informing=informing, reporter=reporter
    )
    warnings += informing.warnings
    return found


def _command(
    sources: Mapping[str, AnyPath | None],
    report: Path,
    class_field: str | None,
    exclude: str,
    match: Mapping[str, str],
) -> str:
    parts = ["mtmsd", "assess", str(sources["map"]), str(sources["reference"]), "-o", str(report)]
    options: dict[str, AnyPath | None] = {"--class-field": class_field, "--exclude": exclude}
    options |= {f"--{role}": sources[role] for role in ("scene", "training", "confidence")}
    for option, value in options.items():
        parts += [option, str(value)] if value else []
    for pair in match.items():
        parts += ["--match", "=".join(pair)]
    return shlex.join(parts)
