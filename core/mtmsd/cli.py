"""The command line: options in, a job's arguments out; the work is in ``mtmsd.jobs``.

Only click is imported here, so that ``--help`` answers at once.
"""

from __future__ import annotations

import re
import shlex
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

import mtmsd

F = TypeVar("F", bound=Callable[..., Any])
_PAIR = re.compile(r"[a-z_.]+=.*", re.DOTALL)


class _Command(click.Command):
    """A command whose ``--set`` takes one KEY=VALUE or several."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        spread: list[str] = []
        for word in args:
            follows = len(spread) > 1 and spread[-2] == "--set"
            if follows and _PAIR.fullmatch(word):
                spread.append("--set")
            spread.append(word)
        return super().parse_args(ctx, spread)


def _pairs(ctx: click.Context, parameter: click.Parameter, words: tuple[str, ...]) -> dict:
    pairs = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (key and equals):
            raise click.BadParameter(f"'{word}' is not KEY=VALUE.")
        pairs[key] = value
    return pairs


def _extent(ctx: click.Context, parameter: click.Parameter, text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 4:
        raise click.BadParameter(f"'{text}' is not xmin,ymin,xmax,ymax.")
    return numbers


def _options(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON message a line.")
_exclude = click.option(
    "--exclude",
    default="",
    metavar="BANDS",
    help="Leave out bands beside the bad ones that are found: numbers and ranges (1-5,130), "
    "wavelengths (1340-1460nm), or 'water' for the water vapour bands.",
)
_device = click.option(
    "--device",
    default="auto",
    show_default=True,
    help="auto, cpu, cuda, cuda:N or mps; auto takes the fastest that works.",
)
_class_field = click.option(
    "--class-field",
    metavar="NAME",
    help="Field with the class; guessed from its name if not given.",
)
_preset = click.option(
    "--preset",
    type=click.Choice(["quick", "balanced", "paper"]),
    default="balanced",
    show_default=True,
    help="quick: a first look, about 3 minutes on two CPU cores; balanced: 10 to 18 minutes; "
    "paper: the published numbers, hours on a GPU, days on a CPU.",
)
_method = _options(
    click.option(
        "--set",
        "settings",
        multiple=True,
        callback=_pairs,
        metavar="KEY=VALUE …",
        help="Change single numbers of the preset: --set iterations=6000 width=64. "
        "A KEY that does not exist lists those that do.",
    ),
    _device,
    click.option(
        "--seed",
        default=0,
        show_default=True,
        help="The same seed on the same machine gives the same result.",
    ),
)
_features = click.option(
    "--features",
    type=click.Choice(["dense", "patchwise"]),
    help="dense: overlapping tiles; patchwise: a patch per pixel as in the paper, some hundred "
    "times slower.  [default: the preset's]",
)
_holdout = _options(
    click.option(
        "--holdout",
        default=0.25,
        show_default=True,
        help="Share of each class's polygons held out for the accuracy figures; the final "
        "classifier learns from all. 0 holds out none and saves the second fit.",
    ),
    click.option(
        "--guard",
        default=0,
        show_default=True,
        metavar="PIXELS",
        help="Leave out training pixels nearer than this to a held-out one.",
    ),
    click.option(
        "--split",
        type=click.Choice(["auto", "polygons", "cross", "random"]),
        default="auto",
        show_default=True,
        help="How labels are held out. polygons: whole ones; cross: spatial cross-validation; "
        "auto: cross where polygons are few, else polygons; random: single pixels, whose "
        "figures are optimistic.",
    ),
)
_kind = click.option(
    "--classifier",
    type=click.Choice(["mtmsd", "svm", "svm-polygons", "rf"]),
    default="mtmsd",
    show_default=True,
    help="mtmsd, or a simple one of plain spectra, which needs no diffusion model.",
)
_resume = click.option(
    "--resume", is_flag=True, help="Continue where the last run with this output ended."
)
_init = click.option(
    "--init",
    metavar="CHECKPOINT",
    help="Start pretraining from a checkpoint of the authors' code (.pt).",
)
_rasters = _options(
    click.option("--confidence", metavar="FILE", help="Also write the confidence, 0 to 1."),
    click.option(
        "--probabilities", metavar="FILE", help="Also write each class's probability, a band each."
    ),
    click.option("--entropy", metavar="FILE", help="Also write the entropy: 0 certain, 1 no idea."),
    click.option(
        "--disagreement",
        metavar="FILE",
        help="Also write how far the members of the ensemble differ, 0 to 1.",
    ),
    click.option(
        "--unknown-below",
        type=float,
        metavar="SHARE",
        help="Pixels of lower confidence become a class of their own, 255 'unknown'.",
    ),
    click.option(
        "--majority",
        type=int,
        metavar="SIDE",
        help="Give each pixel the most frequent class of the square of so many pixels.",
    ),
    click.option(
        "--sieve",
        type=int,
        metavar="PIXELS",
        help="Minimum mapping unit: smaller regions join their largest neighbour.",
    ),
)


def _output(metavar: str, help_text: str) -> Callable[[F], F]:
    return click.option("-o", "--output", required=True, metavar=metavar, help=help_text)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(mtmsd.__version__, prog_name="mtmsd")
def cli() -> None:
    """Map a hyperspectral scene from a few training polygons.

    pretrain learns the scene without labels, train learns the classes, classify maps the
    whole scene, assess tells how good the map is; map does the four in one go.

    Exit status: 0 done; 1 the input or a setting is wrong; 2 usage; 3 canceled, with
    everything up to then kept; 4 the machine failed (memory, disk, device).
    """


@cli.command(cls=_Command)
@click.argument("scene")
@_exclude
@_json
def info(as_json: bool, **values: Any) -> int:
    """Show size, bands, wavelengths, nodata and grid of SCENE as the engine sees them."""
    return _run("info", values, as_json)


@cli.command(cls=_Command)
@click.argument("scene")
@_output("MODEL", "The diffusion model, .safetensors.")
@_preset
@_method
@_exclude
@_init
@_resume
@_json
def pretrain(as_json: bool, **values: Any) -> int:
    """Learn SCENE without labels: a diffusion model.

    This is the long step. Checkpoints are kept beside MODEL until it is complete; Ctrl-C
    writes one more, and --resume continues from the last with the same result.
    """
    return _run("pretrain", values, as_json)


@cli.command(cls=_Command)
@click.argument("scene")
@click.argument("labels")
@_output("CLASSIFIER", "The classifier, .safetensors; it holds its diffusion model.")
@click.option("--model", metavar="MODEL", help="From 'mtmsd pretrain'; mtmsd needs it.")
@_kind
@_class_field
@_exclude
@click.option(
    "--preset",
    type=click.Choice(["quick", "balanced", "paper"]),
    help="Numbers of the classifier.  [default: the preset of MODEL]",
)
@_method
@_features
@_holdout
@_resume
@_json
def train(as_json: bool, features: str | None, **values: Any) -> int:
    """Learn the classes of LABELS, and say how accurate that is.

    LABELS is any vector layer (file.gpkg|layername=x for one of several) or a label raster
    on the scene's grid with 0 = unlabelled.
    """
    return _run("train", _with_features(values, features), as_json)


@cli.command(cls=_Command)
@click.argument("scene")
@_output("MAP", "The class map, GeoTIFF on the scene's grid, 0 = no data.")
@click.option("--classifier", required=True, metavar="CLASSIFIER", help="From 'mtmsd train'.")
@_rasters
@click.option(
    "--extent",
    callback=_extent,
    metavar="xmin,ymin,xmax,ymax",
    help="Map this part only, in the scene's coordinates.",
)
@_device
@_resume
@_json
def classify(as_json: bool, **values: Any) -> int:
    """Map the whole SCENE with a trained classifier.

    Finished blocks are kept beside MAP until it is complete; --resume continues from them.
    """
    return _run("classify", values, as_json)


@cli.command(cls=_Command)
@click.argument("map")
@click.argument("labels")
@_output("REPORT.html", "The report, one file with pictures.")
@click.option("--json-out", "json_output", metavar="FILE", help="Also the figures, as JSON.")
@_class_field
@click.option("--scene", metavar="RASTER", help="With --training: compare with plain spectra.")
@click.option("--training", metavar="LABELS", help="The labels that trained the map.")
@click.option("--confidence", metavar="FILE", help="The map's confidence, to tell its reliability.")
@_exclude
@_json
def assess(as_json: bool, **values: Any) -> int:
    """Compare a class MAP with reference LABELS that did not train it."""
    return _run("assess", values, as_json)


@cli.command("map", cls=_Command)
@click.argument("scene")
@click.argument("labels")
@_output("MAP", "The class map, GeoTIFF on the scene's grid, 0 = no data.")
@click.option("--model", metavar="MODEL", help="Use this diffusion model and skip pretraining.")
@click.option(
    "--validation",
    metavar="LABELS",
    help="Assess with these labels; without them, with polygons that are held out.",
)
@_class_field
@_kind
@_rasters
@click.option("--report", metavar="FILE", help="The accuracy report, HTML.")
@click.option(
    "--model-out",
    "model_output",
    metavar="FILE",
    help="Where the new diffusion model goes.  [default: beside MAP]",
)
@click.option(
    "--classifier-out",
    "classifier_output",
    metavar="FILE",
    help="Where the classifier goes.  [default: beside MAP]",
)
@_preset
@_method
@_features
@_holdout
@_exclude
@_init
@_resume
@_json
def whole_map(as_json: bool, features: str | None, **values: Any) -> int:
    """From SCENE and training LABELS to a class map in one go.

    Runs pretrain (unless --model), train, classify, assess. With --resume, steps that are
    finished and whose inputs are unchanged are not done again.
    """
    beside = Path(values["output"])
    if not values["model"] and values["classifier"] == "mtmsd":
        values["model_output"] = values["model_output"] or beside.with_suffix(".model.safetensors")
    values["classifier_output"] = values["classifier_output"] or beside.with_suffix(
        ".classifier.safetensors"
    )
    return _run("map", _with_features(values, features), as_json)


@cli.command(cls=_Command)
@click.argument("map")
@_output("FILE.gpkg", "The polygons, GeoPackage.")
@click.option("--confidence", metavar="FILE", help="The map's confidence, for its mean.")
@click.option("--areas", metavar="FILE.csv", help="Also pixels, share and hectares a class.")
@_json
def vectorize(as_json: bool, **values: Any) -> int:
    """Turn a class MAP into polygons with class, area and mean confidence."""
    return _run("vectorize", values, as_json)


@cli.command(cls=_Command)
@click.argument("probabilities")
@_output("FILE.gpkg", "The points, GeoPackage, best first.")
@click.option("--count", default=20, show_default=True, help="How many points.")
@click.option("--labels", metavar="LABELS", help="Labels that there are; points keep away.")
@_class_field
@_json
def nextlabels(as_json: bool, **values: Any) -> int:
    """Say where to label next: doubtful places, spread, with the two classes in doubt.

    PROBABILITIES is what 'mtmsd classify --probabilities' has written.
    """
    return _run("nextlabels", values, as_json)


@cli.command("import", cls=_Command)
@click.argument("source")
@_output("RASTER", "The GeoTIFF.")
@click.option("--variable", metavar="NAME", help="Of a .mat file that holds several.")
@click.option("--wavelengths", metavar="FILE", help="Text with a .mat cube's wavelengths in nm.")
@_exclude
@_json
def import_raster(as_json: bool, **values: Any) -> int:
    """Make a GeoTIFF of SOURCE: a .mat cube or labels, or a product that QGIS does not show.

    MATLAB 4 to 7.3, PRISMA, EMIT, archives; any raster that 'mtmsd info' reads.
    """
    return _run("import", values, as_json)


@cli.command(cls=_Command)
@_json
def doctor(as_json: bool) -> int:
    """Show versions, memory and devices, each tried with a real tensor operation."""
    return _run("doctor", {}, as_json)


@cli.command(cls=_Command)
@click.argument("job")
@click.option("--resume", is_flag=True, help="Continue where the last run of this job ended.")
def run(job: str, resume: bool) -> int:
    """Run the job in folder JOB, as QGIS does; prints one JSON message a line.

    Reads JOB/job.json; writes JOB/messages.jsonl, log.txt and pid.json. A line 'cancel' on
    stdin cancels.
    """
    from mtmsd.jobs.runner import run_job

    return run_job(Path(job), resume=resume)


def _with_features(values: dict[str, Any], features: str | None) -> dict[str, Any]:
    if features:
        values["settings"] = {**values["settings"], "features": features}
    return values


def _run(command: str, values: dict[str, Any], as_json: bool) -> int:
    """Run a command here, for a person or, with JSON messages, for a program."""
    from mtmsd.jobs.cancel import CancelSwitch, SignalWatch
    from mtmsd.jobs.messages import MessageReporter, MessageStream, take_stdout

    switch = CancelSwitch()
    if as_json:
        stream = MessageStream({take_stdout(): lambda error: switch.request()})
        front: Any = MessageReporter(stream, switch)
    else:
        from mtmsd.jobs.terminal import TerminalReporter

        front = TerminalReporter(command, _how_to_resume(values), switch)
    from mtmsd.jobs.execute import execute

    with SignalWatch(switch), front as reporter:
        return execute(command, values, reporter, _keep_traceback)


def _how_to_resume(values: dict[str, Any]) -> str:
    again = shlex.join(["mtmsd", *sys.argv[1:]])
    if "resume" not in values:
        return f"nothing was written. Start again with: {again}"
    if not values["resume"]:
        again += " --resume"
    return f"what was done is kept. Continue with: {again}"


def _keep_traceback(text: str) -> str:
    with tempfile.NamedTemporaryFile(
        "w", prefix="mtmsd-", suffix=".log", delete=False, errors="backslashreplace"
    ) as file:
        file.write(text)
    return file.name


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    try:
        return cli.main(arguments, prog_name="mtmsd", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 3
