"""Job ``export``: a classifier as ONNX, for engines without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtmsd.commands.outputs import check_outputs
from mtmsd.errors import InputError
from mtmsd.mapping.runtimes import runtime_for
from mtmsd.reporting import Reporter


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What ``export`` needs."""

    classifier: Path
    output: Path
    """The ONNX file."""


def run(arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    """Write the ONNX file and say how large it is.

    Raises
    ------
    InputError
        If the output has another suffix, or the classifier no network.
    """
    check_outputs([arguments.classifier], [arguments.output])
    if arguments.output.suffix.lower() != ".onnx":
        raise InputError(
            f"The output {arguments.output.name} does not end in .onnx.",
            hint="By this ending 'mtmsd classify' knows what it is.",
        )
    runtime = runtime_for(arguments.classifier, "torch")
    from mtmsd.onnx.export import export

    reporter.phase("export", "Writing the classifier as ONNX")
    classifier = runtime.classifiers.load_classifier(arguments.classifier)
    if classifier.diffusion_network is None:
        raise InputError(
            f"{arguments.classifier} holds no diffusion network; there is no network to export.",
            hint="Only the engine with torch maps with this file."
            if classifier.needs_torch
            else "The engine without torch maps with this file as it is.",
        )
    export(classifier, arguments.output, reporter)
    reporter.artifact("classifier", arguments.output)
    return {"classifier": arguments.output, "bytes": arguments.output.stat().st_size}
