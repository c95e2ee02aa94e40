"""What a model file says of itself, looked at before memory or trust is given to it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import numpy as np

from mtmsd.classes import LARGEST_VALUE, LONGEST_NAME, ClassInfo, distinct_names
from mtmsd.compute.memory import is_out_of_memory
from mtmsd.errors import InputError
from mtmsd.fields import Limits, allows, hints_of
from mtmsd.settings import RENAMED, ClassifierSettings

if TYPE_CHECKING:
    from torch import Tensor, nn

N = TypeVar("N", bound="nn.Module")

LARGEST_SIZE = 65_536
"""Pixels of a patch's side, and channels of a network, that no backbone comes near."""
POSITIVE = Annotated[float, Limits(0, math.inf, above=True)]
_CONTROL = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff]")
"""What would drive a terminal. Blanks of all kinds, joined emoji and new characters are names."""


@contextmanager
def parts_of(path: Path) -> Iterator[None]:
    """Turn what goes wrong while the parts of a model file are put together into one sentence.

    Raises
    ------
    InputError
    """
    try:
        yield
    except InputError as e:
        raise InputError(f"{path} cannot be used. {e.message}", hint=e.hint) from e
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as e:
        if is_out_of_memory(e):
            raise
        reason = " ".join(str(e).split())[:200].rstrip(".")
        raise InputError(
            f"The parts of {path} do not fit together ({type(e).__name__}: {reason}).",
            hint="Choose another file or make it again.",
        ) from e


def describe_bands(used: tuple[int, ...], wavelengths: np.ndarray) -> dict[str, Any]:
    """The bands that a model expects, for its metadata (NaN wavelengths become null)."""
    return {
        "bands": list(used),
        "wavelengths": [None if np.isnan(w) else round(float(w), 4) for w in wavelengths],
    }


def check_scene(metadata: Mapping[str, Any], bands: int) -> None:
    """Check what a file says of the scene that it was made with, for so many bands.

    Raises
    ------
    ValueError, TypeError, LookupError
    """
    count = metadata["scene"]["fingerprint"]["bands"]
    _need(_whole(count, bands, 10**6), f"a scene of {count} bands")
    numbers, wavelengths = metadata["bands"], metadata["wavelengths"]
    _need(len(numbers) == len(wavelengths) == bands, f"{len(numbers)} bands instead of {bands}")
    _need(all(_whole(n, 1, count) for n in numbers), "bands that the scene does not have")
    known = [w for w in wavelengths if w is not None]
    _need(all(math.isfinite(w) and w > 0 for w in known), "wavelengths that are none")


def check_patch_size(side: Any) -> None:
    """Check the side of a patch in pixels, whatever the network; raises ValueError."""
    _need(_whole(side, 1, LARGEST_SIZE), f"patches of {str(side)[:40]} px")


def read_temperature(metadata: Mapping[str, Any]) -> float:
    """Return what calibrates the probabilities, 1 where a file says nothing; or ValueError."""
    temperature = metadata.get("temperature", 1.0)
    _need(allows(POSITIVE, temperature), f"a temperature {str(temperature)[:40]}")
    return float(temperature)


def check_width(width: Any) -> None:
    """Check the channels of the backbone's first level, whatever it is; raises ValueError."""
    _need(_whole(width, 1, LARGEST_SIZE), f"a backbone of {str(width)[:40]} channels")


def read_classes(listed: Sequence[Mapping[str, Any]]) -> tuple[ClassInfo, ...]:
    """Return the classes that a file lists, each of a name of its own.

    Raises
    ------
    ValueError, TypeError
    """
    classes = tuple(ClassInfo(**entry) for entry in listed)
    values = [info.value for info in classes]
    _need(all(_whole(v, 1, LARGEST_VALUE) for v in values), "class values beyond 1 to 65535")
    _need(bool(values) and values == sorted(set(values)), "classes that are not in order")
    for info in classes:
        _need(0 < len(info.name) <= LONGEST_NAME, f"a class name of {len(info.name)} characters")
        _need(not _CONTROL.search(info.name), f"the class name {info.name[:40]!r}")
        _need(bool(re.fullmatch("#[0-9a-fA-F]{6}", info.color)), f"the colour {info.color[:40]!r}")
    return distinct_names(classes)


def read_settings(entries: Mapping[str, Any]) -> ClassifierSettings:
    """Return the classifier's settings that a file lists, each of its kind and within its limits.

    Raises
    ------
    ValueError, TypeError
    """
    plain: dict[str, Any] = {
        RENAMED.get(k, k): tuple(v) if isinstance(v, list) else v
        for k, v in entries.items()  # JSON knows lists only
    }
    settings = ClassifierSettings(**plain)
    for name, hint in hints_of(ClassifierSettings).items():
        value = getattr(settings, name)
        _need(allows(hint, value), f"the setting {name} as {str(value)[:40]}")
    return settings


def load_weights(network: N, weights: Mapping[str, Tensor]) -> N:
    """Give a network that was made on the meta device its weights, in evaluation mode.

    Shapes are compared before any memory is taken.

    Raises
    ------
    RuntimeError
        If one is missing, too many, or of another shape.
    """
    kinds = {name: value.dtype for name, value in network.state_dict().items()}
    network.load_state_dict(
        {n: w.to(kinds[n]) if n in kinds else w for n, w in weights.items()}, assign=True
    )
    return network.eval()


def _need(true: bool, what: str) -> None:
    if not true:
        raise ValueError(what)


def _whole(value: Any, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most
