"""Job ``change``: what became what between two class maps."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtmsd.commands.arguments import Share, Source
from mtmsd.commands.outputs import check_outputs, check_rasters
from mtmsd.errors import InputError
from mtmsd.reporting import Reporter

if TYPE_CHECKING:
    from mtmsd.postprocess.change import Pair
    from mtmsd.postprocess.transitions import ChangeSample


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What ``change`` needs."""

    before: Source
    after: Source
    output: Path
    """The change map, GeoTIFF."""
    table: Path | None = None
    """The from-to table, CSV; beside the map if not given."""
    legend: Path | None = None
    """CSV with the columns before and after: classes that are the same."""
    before_confidence: Source | None = None
    after_confidence: Source | None = None
    below: Share = 0.5
    """Pixels whose confidence is lower in one of the maps are counted apart."""
    reference: Source | None = None
    """Labels of the change, with a field of the class before and one of the class after."""
    from_field: str | None = None
    to_field: str | None = None


def run(arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    """Compare the maps; write the change map and the from-to table."""
    table = arguments.table or arguments.output.with_suffix(".csv")
    inputs = [
        arguments.before, arguments.after, arguments.legend, arguments.reference,
        arguments.before_confidence, arguments.after_confidence,
    ]  # fmt: skip
    check_outputs(inputs, [arguments.output, table])
    check_rasters(arguments.output)
    if arguments.reference and not (arguments.from_field and arguments.to_field):
        raise InputError(
            "The reference of the change needs two fields, the class before and the class after.",
            hint="Name them with --from-field and --to-field.",
        )
    from mtmsd.postprocess.change import Sources, find_change
    from mtmsd.postprocess.transitions import write_transitions

    reporter.phase("change", "Comparing the maps")
    names = [f.name for f in dataclasses.fields(Sources)]
    change = find_change(
        Sources(**{name: getattr(arguments, name) for name in names}),
        arguments.output,
        reference=_reference(arguments, reporter) if arguments.reference else None,
        reporter=reporter,
    )
    write_transitions(table, change.transitions, change.unit, change.unsure)
    reporter.artifact("map", arguments.output)
    reporter.artifact("table", table)
    return {
        "map": arguments.output,
        "table": table,
        "unit": change.unit,
        "unknown": change.unsure,
        "transitions": [dataclasses.asdict(row) for row in change.transitions],
    }


def _reference(arguments: Arguments, reporter: Reporter) -> Callable[[Pair], ChangeSample]:
    """Return what reads the reference onto a pair of maps."""

    def read(pair: Pair) -> ChangeSample:
        from mtmsd.postprocess.change_reference import read_reference

        return read_reference(
            pair,
            str(arguments.reference),
            (str(arguments.from_field), str(arguments.to_field)),
            reporter,
        )

    return read
