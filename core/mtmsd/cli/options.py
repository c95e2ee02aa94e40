"""Options that several commands of the command line have; only click is imported."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
_PAIR = re.compile(r"[a-z_.]+=.*", re.DOTALL)


class Command(click.Command):
    """A command whose ``--set`` takes one KEY=VALUE or several."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``--set`` before each pair that follows another."""
        spread: list[str] = []
        for word in args:
            follows = len(spread) > 1 and spread[-2] == "--set"
            if follows and _PAIR.fullmatch(word):
                spread.append("--set")
            spread.append(word)
        return super().parse_args(ctx, spread)


def pairs(ctx: click.Context, parameter: click.Parameter, words: tuple[str, ...]) -> dict:
    """Turn KEY=VALUE words into a dict."""
    found = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (key and equals):
            raise click.BadParameter(f"'{word}' is not KEY=VALUE.")
        found[key] = value
    return found


def extent(ctx: click.Context, parameter: click.Parameter, text: str | None) -> list[float] | None:
    """Turn xmin,ymin,xmax,ymax into numbers."""
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 4:
        raise click.BadParameter(f"'{text}' is not xmin,ymin,xmax,ymax.")
    return numbers


def together(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Make one decorator of several, in the order in which help lists them."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


labelled_scenes = click.argument("scenes", metavar="SCENE LABELS …", nargs=-1, required=True)


def in_turn(scenes: tuple[str, ...]) -> dict[str, Any]:
    """Return scenes and their labels, or tables of both, as the commands' arguments."""
    first, *others = scenes
    if first.lower().endswith(".csv"):
        return {"scene": first, "more": others}
    return {"scene": first, "labels": "".join(others[:1]), "more": others[1:]}


json_messages = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON message a line."
)
exclude = click.option(
    "--exclude",
    default="",
    metavar="BANDS",
    help="Leave out bands beside the bad ones that are found: numbers and ranges (1-5,130), "
    "wavelengths (1340-1460nm), or 'water' for the water vapour bands.",
)
masks = together(
    click.option(
        "--mask",
        multiple=True,
        metavar="FILE",
        help="Leave out the pixels that a raster on the scene's grid (nonzero) or polygons in any "
        "CRS cover: clouds, shadow, water. 'product' takes the masks that come with an EnMAP, EMIT "
        "or PRISMA scene. Once for each mask; FILE|bits=10,11, FILE|values=3,8 and FILE|band=2 say "
        "what of a raster is meant.",
    ),
    click.option("--mask-bits", default="", metavar="BITS", help="Of bit masks: 10,11."),
    click.option("--mask-values", default="", metavar="VALUES", help="Of class rasters: 3,8,9."),
)
device = click.option(
    "--device",
    default="auto",
    show_default=True,
    help="auto, cpu, cuda, cuda:N or mps; auto takes the fastest that works.",
)
cluster = together(
    click.option(
        "--workers",
        type=click.IntRange(1, 1024),
        help="Map with so many processes of this machine (Dask; pip install mtmsd[cluster]).",
    ),
    click.option(
        "--scheduler",
        metavar="tcp://HOST:PORT",
        help="Map with the workers of this Dask scheduler; they see the same files.",
    ),
)
class_field = click.option(
    "--class-field",
    metavar="NAME",
    help="Field with the class; guessed from its name if not given.",
)
preset = click.option(
    "--preset",
    type=click.Choice(["quick", "balanced", "paper"]),
    default="balanced",
    show_default=True,
    help="Of pretraining and network. quick: about 3 minutes on two CPU cores, up to three points "
    "less accurate; balanced: 10 to 15 minutes; paper: the published method alone, hours on a "
    "GPU, days on a CPU.",
)
method = together(
    click.option(
        "--set",
        "settings",
        multiple=True,
        callback=pairs,
        metavar="KEY=VALUE …",
        help="Change single numbers of the preset: --set iterations=6000 width=64. "
        "A KEY that does not exist lists those that do.",
    ),
    device,
    click.option(
        "--seed",
        default=0,
        show_default=True,
        help="The same seed on the same machine gives the same result.",
    ),
)
features = click.option(
    "--features",
    type=click.Choice(["dense", "patchwise"]),
    help="dense: overlapping tiles; patchwise: a patch per pixel as in the paper, some hundred "
    "times slower.  [default: the preset's]",
)
holdout = together(
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
kind = click.option(
    "--classifier",
    type=click.Choice(["auto", "stack", "mtmsd", "svm", "svm-polygons", "rf"]),
    default="auto",
    show_default=True,
    help="stack: several simple ones, and the diffusion network where there is a model, as "
    "spatial folds weigh them. mtmsd: the diffusion network alone. svm, svm-polygons, rf: one of "
    "plain spectra. auto: stack; with the preset paper mtmsd. All but mtmsd do without a "
    "diffusion model.",
)
library_factor = click.option(
    "--library-factor",
    type=float,
    metavar="NUMBER",
    help="Multiply the values of spectral libraries by it.  [default: told by file or numbers, and "
    "said]",
)
libraries = together(
    click.option(
        "--library",
        multiple=True,
        metavar="FILE[:CLASS]",
        help="Also learn the spectra of a library (see 'mtmsd library'); without CLASS each "
        "spectrum's name is its class. May be given several times.",
    ),
    click.option(
        "--library-classes",
        metavar="FILE.csv",
        help="Columns name,class (value,color): the class of each spectrum; others are left out.",
    ),
    library_factor,
)
doubtful = click.option(
    "--doubtful",
    metavar="FILE.gpkg",
    help="Also the polygons that disagree with their class; stack only.",
)
resume = click.option(
    "--resume", is_flag=True, help="Continue where the last run with this output ended."
)
init = click.option(
    "--init",
    metavar="CHECKPOINT",
    help="Start pretraining from a checkpoint of the authors' code (.pt).",
)
rasters = together(
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

regions = together(
    click.option(
        "--regions",
        type=click.Choice(["supertokens"]),
        help="Also regions with true edges, learnt from the polygons, beside MAP: MAP.regions.gpkg "
        "with the class shares of each and MAP.regions.tif. The report says what they cost.",
    ),
    click.option(
        "--region-size",
        default=0,
        show_default=True,
        metavar="PIXELS",
        help="Side of the squares in which regions begin; 0: half of a typical polygon's.",
    ),
    click.option("--region-layer", metavar="FILE.gpkg", help="Where they go instead."),
    click.option("--region-map", metavar="FILE.tif", help="Where their class map goes instead."),
    click.option(
        "--region-out",
        "region_output",
        metavar="FILE",
        help="Keep the learnt regions (.safetensors), to map other scenes with.",
    ),
)


def output(metavar: str, help_text: str) -> Callable[[F], F]:
    """Declare where the result goes."""
    return click.option("-o", "--output", required=True, metavar=metavar, help=help_text)
