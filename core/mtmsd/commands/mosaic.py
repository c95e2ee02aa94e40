"""Job ``mosaic``: one class map of many that overlap."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtmsd.commands.arguments import Source
from mtmsd.commands.outputs import check_outputs, check_rasters
from mtmsd.reporting import Reporter


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What ``mosaic`` needs."""

    probabilities: list[Source]
    """Of each map, a band a class, from ``classify``; on one grid."""
    output: Path
    """The class map, a COG with overviews."""
    confidence: Path | None = None
    """The blended probability of the mapped class, 0 to 1."""


def run(arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    """Blend the maps, write the mosaic, and say how many pixels each class has."""
    check_outputs([*arguments.probabilities], [arguments.output, arguments.confidence])
    check_rasters(arguments.output, arguments.confidence)
    from mtmsd.postprocess.mosaic import write_mosaic

    reporter.phase("mosaic", "Blending the maps")
    found = write_mosaic(
        arguments.probabilities,
        arguments.output,
        confidence=arguments.confidence,
        reporter=reporter,
    )
    files = {"map": arguments.output}
    if arguments.confidence:
        files["confidence"] = arguments.confidence
    for kind, path in files.items():
        reporter.artifact(kind, path)
    return files | found
