"""The command that makes regions with true edges."""

from __future__ import annotations

from typing import Any

import click

from mtmsd.cli.options import (
    Command,
    class_field,
    exclude,
    holdout,
    json_messages,
    masks,
    output,
    resume,
)
from mtmsd.cli.running import run_command


@click.command(cls=Command)
@click.argument("scene")
@click.argument("labels", required=False)
@output("FILE.gpkg", "The regions with their class shares: .gpkg, .shp, .geojson or .fgb.")
@click.option("--map", metavar="FILE.tif", help="Also their class map.")
@click.option("--report", metavar="FILE", help="The accuracy report, HTML.")
@click.option("--classifier", metavar="FILE", help="Map with regions that were learnt before.")
@click.option(
    "--classifier-out",
    "classifier_output",
    metavar="FILE",
    help="Keep the learnt regions (.safetensors), to map this scene or another with.",
)
@click.option(
    "--pixel-map",
    metavar="MAP",
    help="A map of single pixels whose accuracy is told beside, if it is of the same held-out "
    "pixels.",
)
@click.option(
    "--kind",
    type=click.Choice(["supertokens"]),
    default="supertokens",
    show_default=True,
    help="How regions are made.",
)
@click.option(
    "--size",
    default=0,
    show_default=True,
    metavar="PIXELS",
    help="Side of the squares in which regions begin; 0: half of a typical polygon's.",
)
@class_field
@holdout
@click.option("--seed", default=0, show_default=True, help="The same seed gives the same regions.")
@exclude
@masks
@resume
@json_messages
def regions(as_json: bool, **values: Any) -> int:
    """Part SCENE into regions with true edges, which are learnt with their classes from LABELS.

    Without LABELS, --classifier takes regions that were learnt on this scene or another of the
    same sensor. 'mtmsd classify' maps with their file, too, pixel by pixel.
    """
    return run_command("regions", values, as_json)
