"""All commands by name."""

from __future__ import annotations

from types import ModuleType

from mtmsd.commands import (
    angle,
    assess,
    change,
    classify,
    doctor,
    export,
    exportpixels,
    import_raster,
    info,
    library,
    map,
    mosaic,
    nextlabels,
    pretrain,
    regions,
    train,
    vectorize,
)

COMMANDS: dict[str, ModuleType] = {
    "info": info,
    "pretrain": pretrain,
    "train": train,
    "classify": classify,
    "assess": assess,
    "map": map,
    "export": export,
    "exportpixels": exportpixels,
    "vectorize": vectorize,
    "regions": regions,
    "nextlabels": nextlabels,
    "change": change,
    "mosaic": mosaic,
    "library": library,
    "angle": angle,
    "import": import_raster,
    "doctor": doctor,
}
"""Each module has a dataclass ``Arguments`` and a function ``run(arguments, reporter)``."""
