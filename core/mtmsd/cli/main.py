"""The command line: options in, a job's arguments out; the work is in ``mtmsd.jobs``.

Only click is imported here, so that ``--help`` answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import mtmsd
from mtmsd.cli.exchange import EXCHANGE
from mtmsd.cli.options import (
    Command,
    class_field,
    cluster,
    device,
    doubtful,
    exclude,
    extent,
    features,
    holdout,
    in_turn,
    init,
    json_messages,
    kind,
    labelled_scenes,
    libraries,
    masks,
    method,
    output,
    pairs,
    preset,
    rasters,
    regions,
    resume,
)
from mtmsd.cli.regions import regions as region_command
from mtmsd.cli.running import run_command


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(mtmsd.__version__, prog_name="mtmsd")
def cli() -> None:
    """Map a hyperspectral scene from a few training polygons.

    pretrain learns the scene without labels, train learns the classes, classify maps the
    whole scene, assess tells how good the map is; map does the four in one go.

    Exit status: 0 done; 1 the input or a setting is wrong; 2 usage; 3 canceled, with
    everything up to then kept; 4 the machine failed (memory, disk, device).
    """


@cli.command(cls=Command)
@click.argument("scene")
@exclude
@masks
@json_messages
def info(as_json: bool, **values: Any) -> int:
    """Show size, bands, wavelengths, nodata and grid of SCENE as the engine sees them."""
    return run_command("info", values, as_json)


@cli.command(cls=Command)
@click.argument("scenes", metavar="SCENE…", nargs=-1, required=True)
@output("MODEL", "The diffusion model, .safetensors.")
@preset
@method
@exclude
@masks
@init
@resume
@json_messages
def pretrain(as_json: bool, scenes: tuple[str, ...], **values: Any) -> int:
    """Learn SCENE without labels: a diffusion model.

    This is the long step. Checkpoints are kept beside MODEL until it is complete; Ctrl-C
    writes one more, and --resume continues from the last with the same result.

    Several scenes of one sensor, on any grids, are learnt together: their bands are matched by
    wavelength, and patches are drawn wherever there is data. A table scenes.csv with the columns
    scene,mask stands for its scenes.
    """
    more = list(scenes[1:])
    return run_command("pretrain", {**values, "scene": scenes[0], "more": more}, as_json)


@cli.command(cls=Command)
@labelled_scenes
@output("CLASSIFIER", "The classifier, .safetensors; it holds its diffusion model.")
@click.option("--model", metavar="MODEL", help="From 'mtmsd pretrain'; mtmsd needs it.")
@kind
@class_field
@libraries
@exclude
@masks
@click.option(
    "--preset",
    type=click.Choice(["quick", "balanced", "paper"]),
    help="Numbers of the classifier.  [default: the preset of MODEL]",
)
@doubtful
@method
@features
@holdout
@resume
@json_messages
def train(as_json: bool, scenes: tuple[str, ...], features: str | None, **values: Any) -> int:
    """Learn the classes of LABELS, and say how accurate that is.

    LABELS is any vector layer (file.gpkg|layername=x for one of several), SCP's .scpx, ENVI's ROIs
    (.xml, or .roi as text), or a label raster on the scene's grid with 0 = unlabelled.

    Of several scenes of one sensor each has its LABELS behind it, or a table scenes.csv with the
    columns scene,labels,mask stands for them; the accuracy is told for each scene, also for a
    classifier that has not seen its labels.
    """
    values |= in_turn(scenes)
    return run_command("train", _with_features(values, features), as_json)


@cli.command(cls=Command)
@click.argument("scenes", metavar="SCENE…", nargs=-1, required=True)
@output("MAP", "The class map, GeoTIFF on the scene's grid, 0 = no data; a folder for several.")
@click.option(
    "--classifier",
    required=True,
    metavar="CLASSIFIER",
    help="From 'mtmsd train', or an .onnx file from 'mtmsd export'.",
)
@rasters
@click.option(
    "--extent",
    callback=extent,
    metavar="xmin,ymin,xmax,ymax",
    help="Map this part only, in the scene's coordinates.",
)
@masks
@device
@click.option(
    "--runtime",
    type=click.Choice(["torch", "onnx"]),
    help="What computes the map.  [default: onnx for an .onnx file, else torch]",
)
@click.option(
    "--mosaic",
    metavar="FILE.tif",
    help="Of several scenes on one grid: also one map of all, blended where they overlap.",
)
@click.option(
    "--allow-failures",
    is_flag=True,
    help="Of several scenes: exit status 0 as long as one of them was mapped.",
)
@cluster
@resume
@json_messages
def classify(as_json: bool, scenes: tuple[str, ...], **values: Any) -> int:
    """Map the whole SCENE with a trained classifier, or several scenes into a folder.

    Finished blocks are kept beside MAP until it is complete; --resume continues from them. With
    several scenes, MAP and each layer are folders with a file for each. A table scenes.csv with
    the columns scene,output,mask stands for its scenes. A scene that cannot be mapped is named;
    the others go on.
    """
    more = list(scenes[1:])
    return run_command("classify", {**values, "scene": scenes[0], "more": more}, as_json)


@cli.command(cls=Command)
@click.argument("map")
@click.argument("labels", required=False)
@output("REPORT.html", "The report, one file with pictures.")
@click.option("--json-out", "json_output", metavar="FILE", help="Also the figures, as JSON.")
@class_field
@click.option(
    "--match",
    multiple=True,
    callback=pairs,
    metavar="THEIRS=MINE",
    help="The map's class for one of LABELS, by name or number; 'THEIRS=' leaves it out, "
    "'THEIRS=-' counts it as wrong.",
)
@click.option("--scene", metavar="RASTER", help="With --training: compare with plain spectra.")
@click.option("--training", metavar="LABELS", help="The labels that trained the map.")
@click.option("--confidence", metavar="FILE", help="The map's confidence, to tell its reliability.")
@exclude
@masks
@json_messages
def assess(as_json: bool, **values: Any) -> int:
    """Compare a class MAP with reference LABELS that did not train it.

    Without LABELS, report the accuracy on polygons held out while the classifier was trained.
    """
    return run_command("assess", values, as_json)


@cli.command("map", cls=Command)
@labelled_scenes
@output("MAP", "The class map, GeoTIFF on the scene's grid, 0 = no data; a folder for several.")
@click.option("--model", metavar="MODEL", help="Use this diffusion model and skip pretraining.")
@click.option(
    "--validation",
    metavar="LABELS",
    help="Assess with these labels; without them, with polygons that are held out.",
)
@class_field
@kind
@libraries
@rasters
@click.option("--report", metavar="FILE", help="The accuracy report, HTML.")
@click.option(
    "--model-out",
    "model_output",
    metavar="FILE",
    help="Learn the scene first, and keep the diffusion model here.  [default: beside MAP, where "
    "the classifier needs one]",
)
@click.option(
    "--classifier-out",
    "classifier_output",
    metavar="FILE",
    help="Where the classifier goes.  [default: beside MAP]",
)
@click.option("--polygons", metavar="FILE.gpkg", help="Also the map's regions as polygons.")
@click.option("--next-labels", metavar="FILE.gpkg", help="Also 20 places to label next.")
@doubtful
@regions
@preset
@method
@features
@holdout
@exclude
@masks
@init
@resume
@json_messages
def whole_map(as_json: bool, scenes: tuple[str, ...], features: str | None, **values: Any) -> int:
    """From SCENE and training LABELS to a class map in one go.

    Runs train, classify and assess: a first map in seconds, without a diffusion model. --model,
    --init or --model-out add one (pretraining takes minutes), as do --classifier mtmsd and
    --preset paper. With --resume, steps that are finished and whose inputs are unchanged are not
    done again.

    Of several scenes of one sensor each has its LABELS behind it, or a table scenes.csv with the
    columns scene,labels,output,mask stands for them. They are learnt together; MAP, the report and
    each layer then are folders with a file for each scene.
    """
    values |= in_turn(scenes)
    beside = Path(values["output"])
    alone = values["classifier"] == "auto" and values["preset"] == "paper"
    if not values["model"] and (alone or values["classifier"] == "mtmsd"):
        values["model_output"] = values["model_output"] or beside.with_suffix(".model.safetensors")
    values["classifier_output"] = values["classifier_output"] or beside.with_suffix(
        ".classifier.safetensors"
    )
    return run_command("map", _with_features(values, features), as_json)


@cli.command(cls=Command)
@click.argument("map")
@output("FILE.gpkg", "The polygons: .gpkg, .shp, .geojson or .fgb.")
@click.option("--confidence", metavar="FILE", help="The map's confidence, for its mean.")
@click.option("--areas", metavar="FILE.csv", help="Also pixels, share and hectares a class.")
@json_messages
def vectorize(as_json: bool, **values: Any) -> int:
    """Turn a class MAP into polygons with class, area and mean confidence."""
    return run_command("vectorize", values, as_json)


@cli.command(cls=Command)
@click.argument("probabilities")
@output("FILE.gpkg", "The points, best first: .gpkg, .shp, .geojson or .fgb.")
@click.option("--count", default=20, show_default=True, help="How many points.")
@click.option("--labels", metavar="LABELS", help="Labels that there are; points keep away.")
@class_field
@json_messages
def nextlabels(as_json: bool, **values: Any) -> int:
    """Say where to label next: doubtful places, spread, with the two classes in doubt.

    PROBABILITIES is what 'mtmsd classify --probabilities' has written.
    """
    return run_command("nextlabels", values, as_json)


@cli.command(cls=Command)
@click.argument("before", metavar="MAP")
@click.argument("after", metavar="MAP")
@output("CHANGE", "The change map: a value for each pair of classes, 0 = no data.")
@click.option("--table", metavar="FILE.csv", help="The from-to table.  [default: beside CHANGE]")
@click.option(
    "--legend",
    metavar="FILE.csv",
    help="Columns before,after: classes that are the same. Others are matched by name.",
)
@click.option("--before-confidence", metavar="FILE", help="Confidence of the first map.")
@click.option("--after-confidence", metavar="FILE", help="Confidence of the second map.")
@click.option(
    "--below",
    default=0.5,
    show_default=True,
    help="Pixels of lower confidence in one of the maps are counted apart, as unknown.",
)
@click.option(
    "--reference",
    metavar="LABELS",
    help="Reference of the change, for areas and their standard errors (Olofsson et al. 2014); "
    "without it they follow from the held-out polygons of both maps.",
)
@click.option("--from-field", metavar="NAME", help="Its field with the class before.")
@click.option("--to-field", metavar="NAME", help="Its field with the class after.")
@json_messages
def change(as_json: bool, **values: Any) -> int:
    """Say what became what between two class maps, the earlier first.

    Both lie on one grid; where they cover different parts of it, the common one is compared.
    """
    return run_command("change", values, as_json)


@cli.command(cls=Command)
@click.argument("probabilities", metavar="PROBABILITIES…", nargs=-1, required=True)
@output("MAP", "The class map of all, a COG with overviews; 0 = no data.")
@click.option("--confidence", metavar="FILE", help="Also the probability of the mapped class.")
@json_messages
def mosaic(as_json: bool, **values: Any) -> int:
    """Join maps into one; where they overlap, their probabilities are blended.

    PROBABILITIES are what 'mtmsd classify --probabilities' has written for each scene, all with
    one classifier and on one grid. Near the edge of a map its neighbour counts more. The mosaic
    may have any size; memory does not grow with it.
    """
    return run_command("mosaic", values, as_json)


@cli.command(cls=Command)
@json_messages
def doctor(as_json: bool) -> int:
    """Show versions, memory and devices, each tried with a real tensor operation."""
    return run_command("doctor", {}, as_json)


@cli.command(cls=Command)
@click.argument("job")
@click.option("--resume", is_flag=True, help="Continue where the last run of this job ended.")
def run(job: str, resume: bool) -> int:
    """Run the job in folder JOB, as QGIS does; prints one JSON message a line.

    Reads JOB/job.json; writes JOB/messages.jsonl, log.txt and pid.json. A line 'cancel' on
    stdin cancels.
    """
    from mtmsd.commands.runner import run_job

    return run_job(Path(job), resume=resume)


def _with_features(values: dict[str, Any], features: str | None) -> dict[str, Any]:
    if features:
        values["settings"] = {**values["settings"], "features": features}
    return values


for command in (*EXCHANGE, region_command):
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    try:
        return cli.main(arguments, prog_name="mtmsd", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 3
