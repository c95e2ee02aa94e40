"""Job ``exportpixels``: the training pixels with their values in all bands, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtmsd.commands.arguments import Masked, Source
from mtmsd.commands.inputs import open_scene
from mtmsd.commands.outputs import check_endings, check_outputs
from mtmsd.reporting import Reporter


@dataclass(frozen=True, kw_only=True)
class Arguments(Masked):
    """What ``exportpixels`` needs."""

    scene: Source
    labels: Source
    output: Path
    """The pixels: points (.gpkg) or a table (.csv)."""
    table: Path | None = None
    """Also a table, .csv."""
    class_field: str | None = None
    exclude: str = ""


def run(arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    """Write a row a pixel, and say which labelled pixels have none."""
    outputs = [arguments.output, arguments.table]
    check_outputs([arguments.scene, arguments.labels, *arguments.mask], outputs)
    check_endings(arguments.output, (".gpkg", ".csv"), "a GeoPackage or a table")
    check_endings(arguments.table, (".csv",), "a table")
    from mtmsd.labels.read import read_labels
    from mtmsd.postprocess.pixel_table import write_pixels

    reporter.phase("exportpixels", "Reading the training pixels")
    with open_scene(arguments.scene, arguments.exclude, reporter, arguments.masks()) as scene:
        labels = read_labels(arguments.labels, scene, class_field=arguments.class_field, minimum=0)
        for sentence in labels.warnings:
            reporter.warning(sentence)
        write_pixels(scene, labels, [path for path in outputs if path], reporter)
    for path in outputs:
        if path:
            reporter.artifact("pixels", path)
    counts = labels.counts()
    classes = {info.name: counts[info.value] for info in labels.classes}
    return {
        "pixels": arguments.output,
        "table": arguments.table,
        "count": len(labels),
        "classes": classes,
    }
