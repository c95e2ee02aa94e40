"""Job ``map``: from a raster and a few polygons to a class map, the four steps in one."""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtmsd.jobs import assess, classify, pretrain, train
from mtmsd.jobs.arguments import Method, Source, command_line
from mtmsd.jobs.inputs import open_labels, open_scene, open_scene_for
from mtmsd.jobs.outputs import check_outputs
from mtmsd.jobs.work import Steps, work_folder, work_path
from mtmsd.reporting import Reporter

_MODULES = (
    "mtmsd.diffusion.pretrain",
    "mtmsd.classify.training",
    "mtmsd.classify.mapping",
    "mtmsd.assess.assess",
)
"""Loaded at the start: an update of the plugin during a long job must not mix versions."""


@dataclass(frozen=True, kw_only=True)
class Arguments(Method):
    """What ``map`` needs."""

    scene: Source
    labels: Source
    output: Path
    """The class map, GeoTIFF."""
    class_field: str | None = None
    exclude: str = ""
    """Bands to leave out; with ``model``, its bands are used."""
    model: Path | None = None
    """An existing diffusion model; without it the scene is learnt first."""
    init: Path | None = None
    """A diffusion model from which pretraining starts."""
    validation: Source | None = None
    """Reference labels for the assessment; without them polygons are held out."""
    confidence: Path | None = None
    probabilities: Path | None = None
    report: Path | None = None
    """The accuracy report, HTML."""
    model_output: Path | None = None
    """Where the new diffusion model is kept."""
    classifier_output: Path | None = None
    """Where the classifier is kept."""
    holdout: float = 0.25
    guard: int = 0
    resume: bool = False
    """Continue where the last run with the same output ended."""


def run(arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    """Pretrain, train, classify, assess; a resumed run skips the steps that are finished."""
    check_outputs(
        [
            arguments.scene,
            arguments.labels,
            arguments.model,
            arguments.init,
            arguments.validation,
        ],
        [
            arguments.output,
            arguments.confidence,
            arguments.probabilities,
            arguments.report,
            None if arguments.model else arguments.model_output,
            arguments.classifier_output,
        ],
    )
    arguments.chosen()
    train.check_holdout(arguments.holdout)
    _check_labels(arguments)
    for module in _MODULES:
        importlib.import_module(module)
    kept = (arguments.model_output, arguments.classifier_output)
    others = (arguments.confidence, arguments.probabilities, arguments.report)
    with work_folder(
        arguments.output,
        arguments.resume,
        reporter,
        elsewhere=[work_path(path) for path in kept if path],
        beside=[path for path in others if path],
    ) as work:
        return _Sequence(arguments, reporter, work).run()


def _check_labels(arguments: Arguments) -> None:
    """Find what is wrong with the labels now rather than after hours of pretraining."""
    from mtmsd.scene.labels import read_labels

    silent = Reporter()  # each step tells its own warnings
    with open_scene(arguments.scene, arguments.exclude, silent) as scene:
        labels = open_labels(arguments.labels, scene, arguments.class_field, silent)
        if arguments.validation:
            read_labels(
                arguments.validation,
                scene,
                class_field=arguments.class_field,
                minimum=0,
                classes=labels.classes,
            )


class _Sequence:
    """The four steps; each is the job of that name."""

    def __init__(self, arguments: Arguments, reporter: Reporter, work: Path) -> None:
        self._given = arguments
        self._reporter = reporter
        self._work = work
        self._steps = Steps(work)
        self._method = {
            name: getattr(arguments, name) for name in ("preset", "settings", "device", "seed")
        }

    def run(self) -> dict[str, Any]:
        given = self._given
        start = time.monotonic()
        seconds: dict[str, float] = {}
        results: dict[str, Any] = {}
        for name, step in (
            ("pretrain", self._pretrain),
            ("train", self._train),
            ("classify", self._classify),
            ("assess", self._assess),
        ):
            began = time.monotonic()
            results |= step(results)
            seconds[name] = time.monotonic() - began
        if not given.model_output:
            results.pop("model", None)
        if not given.classifier_output:
            results.pop("classifier", None)
        return results | {"seconds": {**seconds, "all": time.monotonic() - start}}

    def _pretrain(self, results: dict[str, Any]) -> dict[str, Any]:
        given = self._given
        if given.model:
            return {"model": str(given.model)}
        output = given.model_output or self._work / "model.safetensors"
        arguments = pretrain.Arguments(
            scene=given.scene,
            output=output,
            exclude=given.exclude,
            init=given.init,
            resume=given.resume and work_path(output).is_dir(),
            **self._method,
        )
        return self._steps.run(
            "pretrain",
            arguments,
            [given.scene, given.init, output],
            lambda: pretrain.run(arguments, self._reporter),
        )

    def _train(self, results: dict[str, Any]) -> dict[str, Any]:
        given = self._given
        arguments = self._train_arguments(Path(results["model"]))
        return self._steps.run(
            "train",
            arguments,
            [given.scene, given.labels, arguments.model, arguments.output],
            lambda: train.run(arguments, self._reporter),
        )

    def _train_arguments(self, model: Path) -> train.Arguments:
        given = self._given
        output = given.classifier_output or self._work / "classifier.safetensors"
        return train.Arguments(
            scene=given.scene,
            labels=given.labels,
            output=output,
            model=model,
            class_field=given.class_field,
            holdout=0 if given.validation else given.holdout,
            guard=given.guard,
            resume=given.resume and work_path(output).is_dir(),
            **self._method,
        )

    def _classify(self, results: dict[str, Any]) -> dict[str, Any]:
        given = self._given
        arguments = classify.Arguments(
            scene=given.scene,
            output=given.output,
            classifier=Path(results["classifier"]),
            confidence=given.confidence,
            probabilities=given.probabilities,
            device=given.device,
            resume=given.resume,
        )
        return self._steps.run(
            "classify",
            arguments,
            [
                given.scene,
                arguments.classifier,
                given.output,
                given.confidence,
                given.probabilities,
            ],
            lambda: classify.run_in(self._work, arguments, self._reporter),
        )

    def _assess(self, results: dict[str, Any]) -> dict[str, Any]:
        given = self._given
        commands = [command_line("map", given)]
        if given.validation:
            arguments = assess.Arguments(
                map=Source(str(given.output)),
                labels=given.validation,
                output=given.report or self._work / "report.html",
                class_field=given.class_field,
                scene=given.scene,
                training=given.labels,
                exclude=given.exclude,
                confidence=Source(str(given.confidence)) if given.confidence else None,
            )
            accuracy = assess.run(arguments, self._reporter, commands)
        elif given.report and results["accuracy"]:
            accuracy = self._report_held_out(given.report, results, commands)
        else:
            if given.report:
                self._reporter.warning(
                    f"The report {given.report} was not written: no polygons were held out."
                )
            return {}
        return {"accuracy": accuracy} | ({"report": given.report} if given.report else {})

    def _report_held_out(
        self, report: Path, results: dict[str, Any], commands: list[str]
    ) -> dict[str, Any]:
        from mtmsd.assess.assess import report_held_out
        from mtmsd.diffusion.model import DiffusionModel

        given = self._given
        silent = Reporter()  # the warnings of both files were told before
        model = DiffusionModel.load(Path(results["model"]))
        with open_scene_for(model, given.scene, silent) as scene:
            labels = open_labels(given.labels, scene, given.class_field, silent)
            split = train.held_out(self._train_arguments(Path(results["model"])), labels)
            return report_held_out(
                given.output,
                results["accuracy"],
                split.test,
                split.train,
                report=report,
                scene=scene,
                commands=commands,
                sources={"scene": given.scene, "labels": given.labels},
                reporter=self._reporter,
            )
