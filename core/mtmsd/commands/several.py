"""``classify`` of several scenes: a folder of maps, and a mosaic of them where one is wanted."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mtmsd.commands import mosaic
from mtmsd.commands.arguments import Source
from mtmsd.commands.classify_arguments import Arguments
from mtmsd.commands.manifest import SceneRow, listed_scenes
from mtmsd.commands.outputs import check_outputs, check_rasters
from mtmsd.errors import InputError, MtmsdError
from mtmsd.jobs.failures import explain
from mtmsd.jobs.work import Steps, work_folder, work_path
from mtmsd.reporting import SCENES, Reporter
from mtmsd.scene.formats.remote import file_name

MapOne = Callable[[Arguments, Reporter], Mapping[str, Any]]


def map_scenes(arguments: Arguments, map_one: MapOne, reporter: Reporter) -> dict[str, Any]:
    """Map scene after scene into a folder; those that fail are named at the end.

    Returns
    -------
    dict
        ``folder``; ``maps``; ``scenes``: the results of each; ``failed``: why, of each scene, or
        of the mosaic, that could not be made; ``mosaic``: its results.

    Raises
    ------
    InputError
        Before any work, if the table or the names of the outputs are wrong; after it, if scenes
        or the mosaic could not be made, unless that is allowed.
    """
    folder, layers = arguments.output, arguments.layers()
    rows = listed_scenes(arguments.scene, arguments.more)
    jobs = [_of_scene(arguments, row) for row in rows]
    check_folders(rows, [folder, *layers.values()])
    read: list[str | Path | None] = [arguments.classifier, *(job.scene for job in jobs)]
    read += [mask for job in jobs for mask in job.mask]
    written = [job.output for job in jobs]
    written += [job.layers()[layer] for job in jobs for layer in layers]
    written += [arguments.mosaic] if arguments.mosaic else []
    check_rasters(*written)
    arguments.chosen_runtime().files.checksum_of(arguments.classifier)  # told once, not per scene
    for path in (folder, *layers.values()):
        path.mkdir(exist_ok=True)
    check_outputs(read, written)
    failed: dict[str, str] = {}
    done: dict[str, Any] = {}
    with work_folder(folder / "scenes", arguments.resume, reporter) as work:
        _probabilities_in(work).mkdir(exist_ok=True)
        for number, job in enumerate(jobs, 1):
            part = _OneOfMany(reporter, Path(job.scene).name, number, len(jobs), hidden=work)
            files: list[str | Path | None] = [job.scene, job.classifier, job.output, *job.mask]
            files += job.layers().values()
            work_on = functools.partial(map_one, job, part)
            try:
                done[str(job.scene)] = Steps(work).run(job.scene, job, files, work_on)
            except Exception as error:
                failed[str(job.scene)] = _sentence(error)
                reporter.warning(f"{job.scene} is not mapped: {failed[str(job.scene)]}")
        missed = len(failed)
        found = _joined(arguments, [*done.values()], failed, reporter)
        if failed and not (done and arguments.allow_failures):
            raise _failure(folder, failed, missed, len(jobs))
    if arguments.mosaic and "probabilities" not in layers:
        done = {scene: _without(results, "probabilities") for scene, results in done.items()}
    maps = [results["map"] for results in done.values()]
    return {"folder": folder, "maps": maps, "scenes": done, "failed": failed} | found


def _joined(
    arguments: Arguments, done: list[Mapping[str, Any]], failed: dict[str, str], reporter: Reporter
) -> dict[str, Any]:
    """Join the maps to a mosaic where one is wanted; note in ``failed`` why there is none."""
    if not (arguments.mosaic and done):
        return {}
    if any(value is not None for value in arguments.after().values()):
        reporter.warning(
            "The mosaic is made of the probabilities: the maps' filters are not done to it."
        )
    sources = [Source(str(results["probabilities"])) for results in done]
    try:
        return {
            "mosaic": mosaic.run(
                mosaic.Arguments(probabilities=sources, output=arguments.mosaic), reporter
            )
        }
    except Exception as error:
        failed[str(arguments.mosaic)] = _sentence(error)
        reporter.warning(f"The mosaic {arguments.mosaic} is not made: {_sentence(error)}")
        return {}


def _sentence(error: Exception) -> str:
    """Return what a wrong input says; whatever else it is, is raised again."""
    known: MtmsdError | None = explain(error)
    if isinstance(known, InputError):
        return str(known)
    raise error


def _failure(folder: Path, failed: Mapping[str, str], missed: int, count: int) -> InputError:
    """Return what is said of scenes, and of a mosaic, that could not be made."""
    names, sentences = [*failed], []
    if missed:
        listed = ", ".join(names[:missed])
        sentences.append(f"{missed} of {count} scenes could not be mapped: {listed}.")
    for name in names[missed:]:
        sentences.append(f"The mosaic {name} could not be made: {failed[name]}")
    return InputError(
        " ".join(sentences),
        hint=f"The others are in {folder}; with --resume they are not mapped again.",
    )


def map_name(row: SceneRow) -> Path:
    """Return the name of a scene's map in the folder: the table's, or that of the scene."""
    return row.output or Path(f"{Path(file_name(row.scene.split('|', 1)[0])).stem}.tif")


def check_folders(rows: Sequence[SceneRow], folders: Sequence[Path]) -> None:
    """Refuse folders that cannot be made, and two maps of one name, before any work.

    Raises
    ------
    InputError
    """
    names = [map_name(row) for row in rows]
    check_rasters(*names)
    for folder in folders:
        if not folder.is_dir():
            check_outputs([], [folder])
    for number, name in enumerate(names):
        if name in names[:number]:
            raise InputError(
                f"Two outputs have the same name, {name}.",
                hint="Give them names of their own, in the column output of a table.",
            )


def _of_scene(arguments: Arguments, row: SceneRow) -> Arguments:
    """Return what maps one of several scenes."""
    name = map_name(row)
    output = arguments.output / name
    resume = arguments.resume and work_path(output).is_dir()
    layers: dict[str, Any] = {layer: path / name.name for layer, path in arguments.layers().items()}
    if arguments.mosaic and "probabilities" not in layers:
        place = _probabilities_in(work_path(arguments.output / "scenes"))
        layers["probabilities"] = place / name.name
    return replace(
        arguments,
        scene=row.scene,
        mask=[row.mask] if row.mask else arguments.mask,
        output=output,
        more=[],
        resume=resume,
        mosaic=None,
        allow_failures=False,
        **layers,
    )


def _probabilities_in(work: Path) -> Path:
    """Return the folder of probabilities that nobody wants but the mosaic."""
    return work / "probabilities"


def _without(results: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in results.items() if key != name}


class _OneOfMany(Reporter):
    """Tells how one of several scenes goes, as a part of all of them: one progress, one ETA.

    Files below ``hidden`` are not told.
    """

    def __init__(
        self, reporter: Reporter, name: str, number: int, count: int, *, hidden: Path
    ) -> None:
        self._reporter = reporter
        self._title = f"{name}, scene {number} of {count}"
        self._before, self._count = number - 1, count
        self._share = 0.0
        self._hidden = hidden

    def phase(self, name: str, title: str) -> None:
        """Tell what is done with the scene; the phase is that of all scenes."""
        self._reporter.phase(SCENES, f"{self._title}: {title}")

    def progress(self, done: float, total: float, unit: str) -> None:
        """Tell how many scenes are mapped; what follows the mapping of one moves nothing."""
        self._share = max(self._share, done / total if total else 0.0)
        self._reporter.progress(round(self._before + self._share, 3), self._count, "scene")

    def metric(self, step: int, name: str, value: float) -> None:
        """Pass it on."""
        self._reporter.metric(step, name, value)

    def artifact(self, kind: str, path: Path) -> None:
        """Pass it on."""
        if self._hidden not in path.parents:
            self._reporter.artifact(kind, path)

    def warning(self, message: str) -> None:
        """Pass it on."""
        self._reporter.warning(message)

    @property
    def cancel_requested(self) -> bool:
        """Whether the user asked to stop."""
        return self._reporter.cancel_requested
