"""A step of the job ``map``: regions with true edges, as polygons and as a class map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtmsd.commands.arguments import Masked, Pixels, Seed, Source
from mtmsd.commands.inputs import open_labels, open_scene
from mtmsd.reporting import Reporter

if TYPE_CHECKING:
    from mtmsd.assess.validation import HeldOut
    from mtmsd.labels.labels import Labels


@dataclass(frozen=True, kw_only=True)
class Arguments(Masked):
    """What regions need."""

    scene: Source
    labels: Source
    output: Path
    """The regions: .gpkg, .shp, .geojson or .fgb."""
    raster: Path
    """Their class map, GeoTIFF."""
    kind: str = "supertokens"
    """How they are made, by name."""
    size: Pixels = 0
    """Side in pixels of the squares in which regions begin; 0: half of a typical polygon's."""
    class_field: str | None = None
    exclude: str = ""
    """Bands to leave out."""
    seed: Seed = 0
    """The same seed on the same machine gives the same regions."""


def make_regions(
    arguments: Arguments,
    held_out: Callable[[Labels], HeldOut],
    reporter: Reporter,
    *,
    pixel_map: float | None = None,
) -> dict[str, Any]:
    """Make the regions, with the labels parted as they are for a map of single pixels.

    Parameters
    ----------
    pixel_map : float, optional
        That map's overall accuracy on the held-out labels.
    """
    from mtmsd.regions.methods import held_out_figures, regions_named

    silent = Reporter()  # the warnings of both files were told before
    with open_scene(arguments.scene, arguments.exclude, silent, arguments.masks()) as scene:
        labels = open_labels(arguments.labels, scene, arguments.class_field, silent)
        method = regions_named(arguments.kind).of(
            scene, labels, arguments.size, arguments.seed, reporter
        )
        parts = tuple((split.train, split.test) for split in held_out(labels).splits)
        figures = held_out_figures(method, parts, seed=arguments.seed, reporter=reporter) or {}
        reporter.phase("regions", "Learning regions from all polygons")
        network = method.learn(labels, seed=arguments.seed, reporter=reporter)
        reporter.phase("regions", "Writing the regions")
        told = {"kind": arguments.kind, "size": method.size}
        count = method.write(
            network,
            labels,
            metadata={"regions": told | figures},
            output=arguments.output,
            raster=arguments.raster,
            reporter=reporter,
        )
    reporter.artifact("regions", arguments.output)
    reporter.artifact("region-map", arguments.raster)
    return {
        "regions": arguments.output,
        "region_map": arguments.raster,
        "region_figures": told | {"count": count, "pixel_map": pixel_map} | figures,
    }
