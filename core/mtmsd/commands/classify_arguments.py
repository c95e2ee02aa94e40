"""What ``classify`` needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mtmsd.commands.arguments import Extent, Masked, Processes, Rasters, Source
from mtmsd.commands.manifest import is_manifest
from mtmsd.mapping.runtimes import RuntimeParts, runtime_for


@dataclass(frozen=True, kw_only=True)
class Arguments(Rasters, Masked):
    """What ``classify`` needs."""

    scene: Source
    classifier: Path
    extent: Extent | None = None
    device: str = "auto"
    runtime: str | None = None
    """torch or onnx; the one that reads the classifier's file, if not given."""
    resume: bool = False
    """Continue from the finished blocks, if there are any."""
    more: list[Source] = field(default_factory=list)
    """Other scenes; ``output`` then is a folder, and so is that of each layer."""
    workers: Processes | None = None
    """So many processes of this machine map blocks side by side."""
    scheduler: str | None = None
    """Address of a Dask scheduler whose workers map the blocks."""
    mosaic: Path | None = None
    """Of several scenes: one map of all, blended where they overlap."""
    allow_failures: bool = False
    """Of several scenes: end well as long as one of them was mapped."""

    @property
    def several(self) -> bool:
        """Whether there are several scenes, or a table of them."""
        return bool(self.more) or is_manifest(self.scene)

    def chosen_runtime(self) -> RuntimeParts:
        """Return what computes the map."""
        return runtime_for(self.classifier, self.runtime)

    def chosen_device(self, warn: Callable[[str], None]) -> str:
        """Return the device on which it is computed; ``warn`` is told of those that fail."""
        return str(self.chosen_runtime().devices.choose_device(self.device, warn))
