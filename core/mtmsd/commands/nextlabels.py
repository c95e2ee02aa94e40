"""Job ``nextlabels``: points that are worth a label next."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtmsd.commands.arguments import Source
from mtmsd.commands.outputs import check_outputs, check_vectors
from mtmsd.reporting import Reporter


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What ``nextlabels`` needs."""

    probabilities: Source
    """From ``classify``, a band a class."""
    output: Path
    """The points: .gpkg, .shp, .geojson or .fgb."""
    count: int = 20
    labels: Source | None = None
    """Labels that exist already; points keep away from them."""
    class_field: str | None = None


def run(arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    """Write the points, best first."""
    check_outputs([arguments.probabilities, arguments.labels], [arguments.output])
    check_vectors(arguments.output)
    from mtmsd.postprocess.next_labels import suggest

    reporter.phase("nextlabels", "Looking for doubtful places")
    count = suggest(
        arguments.probabilities,
        arguments.output,
        arguments.count,
        labels_path=arguments.labels,
        class_field=arguments.class_field,
        reporter=reporter,
    )
    if count < arguments.count:
        reporter.warning(f"There are {count} places to propose, not {arguments.count}.")
    reporter.artifact("points", arguments.output)
    return {"points": arguments.output, "count": count}
