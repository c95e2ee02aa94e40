"""Job ``assess``: a class map against reference labels, with a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mtmsd.commands.arguments import Masked, Source
from mtmsd.commands.outputs import check_outputs
from mtmsd.errors import InputError
from mtmsd.reporting import Reporter


@dataclass(frozen=True, kw_only=True)
class Arguments(Masked):
    """What ``assess`` needs."""

    map: Source
    output: Path
    """The HTML report."""
    labels: Source | None = None
    """The reference; without it, the figures that the map's classifier brought along."""
    class_field: str | None = None
    match: dict[str, str] = field(default_factory=dict)
    """The map's class for classes of the reference; empty leaves one out."""
    json_output: Path | None = None
    scene: Source | None = None
    """With ``training``: the raster for the spectral baselines."""
    training: Source | None = None
    """The labels that trained the map; baselines learn from them."""
    exclude: str = ""
    """Bands of ``scene`` to leave out."""
    confidence: Source | None = None
    """The map's confidence raster, whose reliability is then told."""


def run(
    arguments: Arguments,
    reporter: Reporter,
    commands: Sequence[str] = (),
    regions: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Compare the map with the labels, write the report, return the figures.

    Parameters
    ----------
    commands : sequence of str
        Those that made the map, for the report.
    regions : mapping, optional
        Figures of regions beside the map, for the report.
    """
    check_outputs(
        [
            arguments.map,
            arguments.labels,
            arguments.scene,
            arguments.training,
            arguments.confidence,
        ],
        [arguments.output, arguments.json_output],
    )
    if arguments.labels is None:
        from mtmsd.assess.map_report import report_of_map

        if arguments.match:
            raise InputError(
                "There are no reference labels whose classes could be matched.",
                hint="Give the labels, or no --match.",
            )
        return report_of_map(
            arguments.map,
            report=arguments.output,
            json_out=arguments.json_output,
            scene_path=arguments.scene,
            training_path=arguments.training,
            class_field=arguments.class_field,
            exclude=arguments.exclude,
            masks=arguments.masks(),
            commands=commands,
            reporter=reporter,
        )
    from mtmsd.assess.assess import assess_map

    return assess_map(
        arguments.map,
        arguments.labels,
        class_field=arguments.class_field,
        match=arguments.match,
        report=arguments.output,
        json_out=arguments.json_output,
        scene_path=arguments.scene,
        training_path=arguments.training,
        exclude=arguments.exclude,
        masks=arguments.masks(),
        confidence_path=arguments.confidence,
        regions=regions,
        commands=commands,
        reporter=reporter,
    )
