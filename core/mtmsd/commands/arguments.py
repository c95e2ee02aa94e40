"""Arguments of a command: from job.json or the command line to one frozen dataclass."""

from __future__ import annotations

import dataclasses
import shlex
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NewType, TypeVar, Union, get_origin

from mtmsd.errors import InputError
from mtmsd.fields import Limits, hints_of, parts, rule
from mtmsd.settings import Settings, preset

if TYPE_CHECKING:
    from mtmsd.labels.mask import MaskFile

Source = NewType("Source", str)
"""What GDAL can open: a file, a sub-dataset, or ``file.gpkg|layername=fields``."""

Extent = tuple[float, float, float, float]
"""xmin, ymin, xmax, ymax in the scene's coordinates."""

Seed = Annotated[int, Limits(0, 2**31 - 1)]
Pixels = Annotated[int, Limits(0, 1_000_000)]
Processes = Annotated[int, Limits(1, 1024)]
Share = Annotated[float, Limits(0, 1)]

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Method:
    """The arguments that every learning command has."""

    preset: str = "balanced"
    """quick, balanced or paper."""
    settings: dict[str, str] = dataclasses.field(default_factory=dict)
    """Single numbers of the preset, replaced."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""
    seed: Seed = 0
    """The same seed on the same machine gives the same result."""

    def chosen(self) -> Settings:
        """Return the preset with the single numbers replaced.

        Raises
        ------
        InputError
            For an unknown preset, key, or value.
        """
        return preset(self.preset, self.settings)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Masked:
    """What every command that takes a scene may leave out of it."""

    mask: list[Source] = dataclasses.field(default_factory=list)
    """Rasters on the scene's grid, polygons, or ``product``; see labels/mask.py."""
    mask_bits: str = ""
    """Bits that are left out where a mask says none itself."""
    mask_values: str = ""
    """Values that are left out where a mask says none itself."""

    def masks(self, own: Source | None = None) -> tuple[MaskFile, ...]:
        """Return the masks; of a scene that has its ``own``, that one.

        Raises
        ------
        InputError
            If their bits or values cannot be read.
        """
        given = [own] if own else self.mask
        if not (given or self.mask_bits or self.mask_values):
            return ()
        from mtmsd.labels.mask import parse_masks

        return parse_masks(given, self.mask_bits, self.mask_values)

    def mask_arguments(self) -> dict[str, Any]:
        """Return the same arguments for another command."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(Masked)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Libraries:
    """Spectral libraries that train beside the labels."""

    library: list[Source] = dataclasses.field(default_factory=list)
    """FILE or FILE:CLASS; without a class each spectrum's name is its class."""
    library_classes: Path | None = None
    """Table name,class (value, color): the class of each spectrum by its name."""
    library_factor: float | None = None
    """By which their values are multiplied; told by the numbers if not given."""

    def library_files(self) -> list[Path]:
        """Return the files of the libraries and of their classes."""
        from mtmsd.libraries.training import split_source

        table = [self.library_classes] if self.library_classes else []
        return [*(split_source(source)[0] for source in self.library), *table]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rasters:
    """What every mapping command writes, and what is done to the map after the classifier."""

    output: Path
    """The class map, GeoTIFF."""
    confidence: Path | None = None
    """Calibrated probability of the mapped class, 0 to 1."""
    probabilities: Path | None = None
    """Probability of each class, a band each."""
    entropy: Path | None = None
    """Entropy of the probabilities, 0 certain to 1 no idea."""
    disagreement: Path | None = None
    """How far the ensemble's members differ, 0 to 1."""
    unknown_below: float | None = None
    """Pixels of lower confidence get a class of their own, unknown."""
    majority: int | None = None
    """Side of the square whose most frequent class a pixel gets."""
    sieve: int | None = None
    """Smallest region that stays, in pixels."""

    def layers(self) -> dict[str, Path]:
        """Return the rasters beside the class map that are wanted, by name."""
        names = ("confidence", "probabilities", "entropy", "disagreement")
        return {name: path for name in names if (path := getattr(self, name))}

    def after(self) -> dict[str, Any]:
        """Return what is done to the map after the classifier."""
        return {name: getattr(self, name) for name in ("unknown_below", "majority", "sieve")}


def build(cls: type[T], values: Mapping[str, Any], base: Path | None = None) -> T:
    """Make the arguments of a command from JSON-like values.

    Parameters
    ----------
    cls : type
        The command's dataclass.
    values : mapping
        Field names and values; a missing field, or one that is None, takes its default.
    base : Path, optional
        The folder that relative paths are relative to.

    Raises
    ------
    InputError
        For an unknown or missing argument, or a value of the wrong kind.
    """
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = hints_of(cls)
    given = {name: value for name, value in values.items() if value is not None}
    for name in given:
        if name not in fields:
            raise InputError(
                f"There is no argument '{name}'.", hint=f"Choose from: {', '.join(fields)}."
            )
    for name, field in fields.items():
        required = field.default is field.default_factory is dataclasses.MISSING
        if required and given.get(name, "") == "":
            raise InputError(f"The argument '{name}' is missing.")
    converted = {name: _convert(hints[name], name, v, base) for name, v in given.items()}
    return cls(**converted)


def command_line(command: str, arguments: Any) -> str:
    """Write the command for a terminal that does what the arguments say."""
    positional, options = ["mtmsd", command], []
    for field in dataclasses.fields(arguments):
        name, value = field.name, getattr(arguments, field.name)
        if name in _POSITIONAL.get(command, ("scene", "labels")):
            given = value if isinstance(value, list) else [] if value is None else [value]
            positional += map(str, given)
        elif value is True:
            options.append(f"--{name.replace('_', '-')}")
        elif isinstance(value, list):
            options += [w for item in value for w in (f"--{name.replace('_', '-')}", str(item))]
        elif isinstance(value, dict):
            options += [word for pair in value.items() for word in ("--set", "=".join(pair))]
        elif value is not None and value != field.default:
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            options += [_OPTIONS.get(name, f"--{name.replace('_', '-')}"), text]
    return shlex.join(positional + options)


_POSITIONAL = {
    "pretrain": ("scene", "more"),
    "train": ("scene", "labels", "more"),
    "map": ("scene", "labels", "more"),
    "classify": ("scene", "more"),
    "assess": ("map", "labels"),
    "export": ("classifier",),
    "import": ("source",),
    "vectorize": ("map",),
    "nextlabels": ("probabilities",),
    "change": ("before", "after"),
    "mosaic": ("probabilities",),
    "library": ("scene", "library"),
    "angle": ("scene", "library"),
}
_OPTIONS = {
    "output": "-o",
    "model_output": "--model-out",
    "classifier_output": "--classifier-out",
    "json_output": "--json-out",
    "region_output": "--region-out",
}


def _convert(kind: Any, name: str, value: Any, base: Path | None) -> Any:
    optional = get_origin(kind) in (Union, types.UnionType)
    if optional and value == "":
        return None
    plain, limits = parts(kind)
    try:
        converted = _CONVERTERS[get_origin(plain) or plain](value, base)
    except (OverflowError, TypeError, ValueError):
        raise InputError(f"The argument '{name}' cannot be {value!r}.") from None
    if limits and not limits.hold(converted):
        raise InputError(f"The argument '{name}' cannot be {value!r}.", hint=f"It is {rule(kind)}.")
    return converted


def _path(value: Any, base: Path | None) -> Path:
    path = Path(value).expanduser()
    return base / path if base else path


def _source(value: Any, base: Path | None) -> Source:
    text = _text(value, base)
    if base and (base / text.split("|", 1)[0]).exists():
        text = str(base / text)
    return Source(text)


def _text(value: Any, base: Path | None) -> str:
    if not isinstance(value, (str, Path)):
        raise TypeError
    return str(value)


def _flag(value: Any, base: Path | None) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _whole(value: Any, base: Path | None) -> int:
    if isinstance(value, bool) or int(value) != float(value):
        raise TypeError
    return int(value)


def _pairs(value: Any, base: Path | None) -> dict[str, str]:
    return {str(key): _written(item) for key, item in dict(value).items()}


def _written(item: Any) -> str:
    """Write a JSON value as ``--set`` would be given it."""
    if isinstance(item, (list, tuple)):
        return ",".join(str(part) for part in item)
    return str(item)


def _numbers(value: Any, base: Path | None) -> Extent:
    xmin, ymin, xmax, ymax = (float(part) for part in value)
    if not (xmin < xmax and ymin < ymax):
        raise ValueError
    return xmin, ymin, xmax, ymax


_CONVERTERS: dict[Any, Callable[[Any, Path | None], Any]] = {
    Path: _path,
    Source: _source,
    str: _text,
    bool: _flag,
    int: _whole,
    float: lambda value, base: float(value),
    dict: _pairs,
    tuple: _numbers,
    list: lambda value, base: [_source(item, base) for item in value],
}
