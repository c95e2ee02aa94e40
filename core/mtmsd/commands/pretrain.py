"""Job ``pretrain``: a diffusion model learns a scene, or several, without labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mtmsd.commands.arguments import Masked, Method, Source
from mtmsd.commands.devices import on_device
from mtmsd.commands.inputs import open_scenes
from mtmsd.commands.manifest import files_of, listed_scenes
from mtmsd.commands.method import check_backbone
from mtmsd.commands.outputs import check_outputs
from mtmsd.jobs.work import work_folder
from mtmsd.reporting import Reporter


@dataclass(frozen=True, kw_only=True)
class Arguments(Method, Masked):
    """What ``pretrain`` needs."""

    scene: Source
    output: Path
    """The diffusion model, .safetensors."""
    exclude: str = ""
    init: Path | None = None
    """A diffusion model to start from."""
    resume: bool = False
    """Continue from the last checkpoint, if there is one."""
    more: list[Source] = field(default_factory=list)
    """Other scenes of the same sensor, or tables of them."""


def run(arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    """Pretrain, write the model, and say where it is."""
    settings = arguments.chosen()
    rows = listed_scenes(arguments.scene, arguments.more)
    check_outputs([*files_of(rows), arguments.init, *arguments.mask], [arguments.output])
    from mtmsd.diffusion import devices
    from mtmsd.diffusion.pretrain import pretrain

    check_backbone(settings.pretrain)
    with (
        open_scenes(rows, arguments.exclude, arguments, reporter) as scene,
        work_folder(arguments.output, arguments.resume, reporter) as work,
    ):
        model = on_device(
            devices,
            arguments.device,
            reporter,
            lambda device: pretrain(
                scene,
                settings,
                arguments.output,
                device=device,
                seed=arguments.seed,
                work_dir=work / "checkpoints",
                resume=True,  # what is there was asked for, or is of a card that failed
                init=arguments.init,
                reporter=reporter,
            ),
        )
    return {"model": model}
