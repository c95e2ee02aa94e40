"""Job ``vectorize``: a class map as polygons, and the area of each class as a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtmsd.commands.arguments import Source
from mtmsd.commands.outputs import check_outputs, check_vectors
from mtmsd.reporting import Reporter


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What ``vectorize`` needs."""

    map: Source
    output: Path
    """The polygons: .gpkg, .shp, .geojson or .fgb."""
    confidence: Source | None = None
    """The map's confidence, for the mean of each polygon."""
    areas: Path | None = None
    """The area of each class, CSV."""


def run(arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    """Write the polygons, and the table if it is wanted."""
    check_outputs(
        [arguments.map, arguments.confidence],
        [arguments.output, arguments.areas],
    )
    check_vectors(arguments.output)
    from mtmsd.postprocess.area_table import write_area_table
    from mtmsd.postprocess.vectorize import vectorise

    reporter.phase("vectorize", "Outlining the regions of the map")
    count = vectorise(
        arguments.map, arguments.output, confidence_path=arguments.confidence, reporter=reporter
    )
    reporter.artifact("polygons", arguments.output)
    results: dict[str, Any] = {"polygons": arguments.output, "count": count}
    if arguments.areas:
        reporter.phase("areas", "Measuring the classes")
        write_area_table(arguments.map, arguments.areas, reporter=reporter)
        reporter.artifact("areas", arguments.areas)
        results["areas"] = arguments.areas
    return results
