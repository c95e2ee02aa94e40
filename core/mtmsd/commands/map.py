"""Job ``map``: from a raster and a few polygons to a class map, all steps in one."""

from __future__ import annotations

import importlib
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from mtmsd.commands import assess, classify, nextlabels, pretrain, regions, train, vectorize
from mtmsd.commands.arguments import (
    Libraries,
    Rasters,
    Source,
    command_line,
)
from mtmsd.commands.checks import (
    check_choices,
    check_doubtful,
    check_labels,
    check_regions,
    refuse_several,
)
from mtmsd.commands.libraries import check_library, open_training
from mtmsd.commands.manifest import (
    scenes_alone,
)
from mtmsd.commands.map_arguments import Arguments as Arguments
from mtmsd.commands.method import check_backbone, check_method, classifier_for
from mtmsd.commands.outputs import check_outputs, check_rasters, check_vectors
from mtmsd.commands.several import check_folders, map_name
from mtmsd.jobs.work import Steps, work_folder, work_path
from mtmsd.reporting import Reporter

_MODULES = ("mtmsd.stack.training", "mtmsd.mapping.mapper", "mtmsd.assess.assess")
"""Loaded at the start: an update of the plugin during a long job must not mix versions."""
_NETWORK_MODULES = ("mtmsd.diffusion.pretrain", "mtmsd.classify.training")
"""Also, where there is a diffusion model."""


def run(arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    """Pretrain, train, classify, assess; a resumed run skips the steps that are finished."""
    kept = (arguments.model_output, arguments.classifier_output)
    region_layer, region_map = arguments.region_files()
    optional = (
        arguments.report, arguments.polygons, arguments.next_labels, arguments.doubtful,
        region_layer, region_map, arguments.region_output,
    )  # fmt: skip
    others = [*arguments.layers().values(), *(path for path in optional if path)]
    made = [None if arguments.model else arguments.model_output, arguments.classifier_output]
    names = ("validation", "polygons", "next_labels", "doubtful", "regions")
    refuse_several(arguments.several, {name: getattr(arguments, name) for name in names})
    if arguments.several:
        check_folders(arguments.rows(), [arguments.output, *others])
        check_outputs(arguments.files(), made)
    else:
        check_outputs(arguments.files(), [arguments.output, *others, *made])
        check_rasters(arguments.output, *arguments.layers().values(), region_map)
    check_vectors(arguments.polygons, arguments.next_labels, region_layer)
    check_regions(arguments)
    settings = arguments.chosen()
    check_choices(arguments.classifier, arguments.split, arguments.holdout)
    meant = classifier_for(arguments.classifier, arguments.preset)
    check_doubtful(meant, arguments.doubtful)
    check_library(meant, arguments)
    network = arguments.model is not None or arguments.pretrains
    if network or arguments.settings:
        learnt = settings.pretrain
        side = None if arguments.model else learnt.patch_size
        check_method(settings.classifier, side, learnt.backbone)
    if not arguments.model and (network or arguments.settings):
        check_backbone(settings.pretrain)
    classify.check_after(arguments)
    check_labels(arguments)
    for module in (*_MODULES, *(_NETWORK_MODULES if network else ())):
        importlib.import_module(module)
    with work_folder(
        arguments.output,
        arguments.resume,
        reporter,
        elsewhere=[work_path(path) for path in kept if path],
        beside=others,
    ) as work:
        return _Sequence(arguments, reporter, work).run()


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
            ("regions", self._regions),
            ("assess", self._assess),
            ("vectorize", self._vectorize),
            ("nextlabels", self._next_labels),
        ):
            began = time.monotonic()
            results |= step(results)
            seconds[name] = time.monotonic() - began
        if not given.model_output:
            results.pop("model", None)
        if not given.classifier_output:
            results.pop("classifier", None)
        if not given.probabilities:
            results.pop("probabilities", None)
        return results | {"seconds": {**seconds, "all": time.monotonic() - start}}

    def _pretrain(self, results: dict[str, Any]) -> dict[str, Any]:
        given = self._given
        if given.model:
            return {"model": str(given.model)}
        if not given.pretrains:
            return {"model": None}
        output = given.model_output or self._work / "model.safetensors"
        first, *more = scenes_alone(given.scene, given.labels, given.more)
        arguments = pretrain.Arguments(
            scene=first,
            more=more,
            output=output,
            exclude=given.exclude,
            init=given.init,
            **given.mask_arguments(),
            resume=given.resume and work_path(output).is_dir(),
            **self._method,
        )
        return self._steps.run(
            "pretrain",
            arguments,
            [*given.files(), output],
            lambda: pretrain.run(arguments, self._reporter),
        )

    def _train(self, results: dict[str, Any]) -> dict[str, Any]:
        given = self._given
        arguments = self._train_arguments(results["model"])
        return self._steps.run(
            "train",
            arguments,
            [*arguments.files(), arguments.output, given.doubtful],
            lambda: train.run(arguments, self._reporter),
        )

    def _train_arguments(self, model: str | None) -> train.Arguments:
        given = self._given
        output = given.classifier_output or self._work / "classifier.safetensors"
        return train.Arguments(
            scene=given.scene,
            labels=given.labels,
            more=given.more,
            output=output,
            model=Path(model) if model else None,
            classifier=classifier_for(given.classifier, given.preset),
            class_field=given.class_field,
            **{f.name: getattr(given, f.name) for f in fields(Libraries)},
            exclude=given.exclude,
            holdout=0 if given.validation else given.holdout,
            calibrate=given.validation is not None,
            guard=given.guard,
            split=given.split,
            doubtful=given.doubtful,
            **given.mask_arguments(),
            resume=given.resume and work_path(output).is_dir(),
            **self._method,
        )

    def _classify(self, results: dict[str, Any]) -> dict[str, Any]:
        given = self._given
        rasters = {f.name: getattr(given, f.name) for f in fields(Rasters)}
        if given.next_labels and not given.probabilities:
            rasters["probabilities"] = self._work / "probabilities.tif"
        first, *more = scenes_alone(given.scene, given.labels, given.more)
        arguments = classify.Arguments(
            scene=first,
            more=more,
            classifier=Path(results["classifier"]),
            **given.mask_arguments(),
            **rasters,
            device=given.device,
            resume=given.resume,
        )
        if given.several:
            return self._classify_each(arguments)
        return self._steps.run(
            "classify",
            arguments,
            [
                given.scene,
                arguments.classifier,
                given.output,
                *arguments.layers().values(),
                *given.mask,
            ],
            lambda: classify.run_in(self._work, arguments, self._reporter),
        )

    def _classify_each(self, arguments: classify.Arguments) -> dict[str, Any]:
        begun = work_path(arguments.output / "scenes").is_dir()
        arguments = replace(arguments, resume=arguments.resume and begun)
        folders = [self._given.output, *arguments.layers().values()]
        maps = [folder / map_name(row).name for folder in folders for row in self._given.rows()]
        return self._steps.run(
            "classify",
            arguments,
            [*self._given.files(), arguments.classifier, *maps],
            lambda: classify.run(arguments, self._reporter),
        )

    def _regions(self, results: dict[str, Any]) -> dict[str, Any]:
        given, (layer, raster) = self._given, self._given.region_files()
        if layer is None or raster is None or given.labels is None:
            return {}
        arguments = regions.Arguments(
            scene=given.scene,
            labels=given.labels,
            output=layer,
            map=raster,
            classifier_output=given.region_output,
            kind=given.regions,
            size=given.region_size,
            **given.mask_arguments(),
            class_field=given.class_field,
            exclude=given.exclude,
            seed=given.seed,
        )
        parted = self._train_arguments(results["model"])
        if given.validation:
            parted = replace(parted, holdout=given.holdout)
        silent = Reporter()  # the warnings of both files were told before
        learnt = regions.learn(
            self._work, self._steps, arguments, parted, self._reporter, opening=silent
        )
        made = regions.write(
            self._work,
            arguments,
            learnt,
            self._reporter,
            opening=silent,
            pixel_map=(results["accuracy"] or {}).get("overall"),
        )
        return {name: made[name] for name in ("regions", "region_map", "region_figures")}

    def _assess(self, results: dict[str, Any]) -> dict[str, Any]:
        """Assess the finished map; that it cannot be assessed is told, and the map stands."""
        from mtmsd.assess.informing import Informing

        informing = Informing(self._reporter)
        return informing.attempt("No accuracy report", lambda: self._assessed(results)) or {}

    def _assessed(self, results: dict[str, Any]) -> dict[str, Any]:
        given = self._given
        commands = [command_line("map", given)]
        if given.several:
            return self._assess_each(results, commands)
        if given.validation:
            arguments = assess.Arguments(
                map=Source(str(given.output)),
                labels=given.validation,
                output=given.report or self._work / "report.html",
                class_field=given.class_field,
                scene=given.scene,
                training=given.labels,
                **given.mask_arguments(),
                exclude=given.exclude,
                confidence=Source(str(given.confidence)) if given.confidence else None,
            )
            told = results.get("region_figures")
            accuracy = assess.run(arguments, self._reporter, commands, told)
        elif given.report:
            accuracy = self._report_held_out(given.report, results, commands)
        else:
            return {}
        return {"accuracy": accuracy} | ({"report": given.report} if given.report else {})

    def _assess_each(self, results: dict[str, Any], commands: list[str]) -> dict[str, Any]:
        given = self._given
        if not given.report:
            return {}
        given.report.mkdir(exist_ok=True)
        for path in map(Path, results["maps"]):
            report = given.report / f"{path.stem}.html"
            arguments = assess.Arguments(map=Source(str(path)), output=report)
            assess.run(arguments, self._reporter, commands)
        return {"report": given.report}

    def _vectorize(self, results: dict[str, Any]) -> dict[str, Any]:
        given = self._given
        if not given.polygons:
            return {}
        arguments = vectorize.Arguments(
            map=Source(str(given.output)),
            output=given.polygons,
            confidence=Source(str(given.confidence)) if given.confidence else None,
        )
        return {"polygons": vectorize.run(arguments, self._reporter)["polygons"]}

    def _next_labels(self, results: dict[str, Any]) -> dict[str, Any]:
        given = self._given
        if not given.next_labels:
            return {}
        arguments = nextlabels.Arguments(
            probabilities=Source(str(results["probabilities"])),
            output=given.next_labels,
            labels=given.labels,
            class_field=given.class_field,
        )
        return {"points": nextlabels.run(arguments, self._reporter)["points"]}

    def _report_held_out(
        self, report: Path, results: dict[str, Any], commands: list[str]
    ) -> dict[str, Any]:
        from mtmsd.assess.assess import report_held_out

        given = self._given
        silent = Reporter()  # the warnings of both files were told before
        model = train.load_model(Path(results["model"]) if results["model"] else None)
        parted = self._train_arguments(results["model"])
        with train.scene_of(model, parted, silent) as scene:
            sources = [row.labels for row in given.rows() if row.labels]
            labels, _ = open_training(given, sources, given.class_field, scene, silent)
            held = train.held_out(parted, labels)
            told = results["accuracy"]
            if told and "region_figures" in results:
                told = told | {"regions": results["region_figures"]}
            return report_held_out(
                given.output,
                told,
                labels,
                held.splits if results["accuracy"] else (),
                report=report,
                scene=scene,
                commands=commands,
                sources={"scene": given.scene, "labels": given.labels},
                reporter=self._reporter,
            )
