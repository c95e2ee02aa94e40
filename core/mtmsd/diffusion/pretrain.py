"""Diffusion pretraining of a scene: no labels, checkpoints, resumable to the last bit."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from mtmsd import __version__
from mtmsd.compute.arithmetic import Arithmetic
from mtmsd.diffusion.backbone import Backbone
from mtmsd.diffusion.backbones import backbone_named, build_backbone
from mtmsd.diffusion.checkpoint import Checkpoints
from mtmsd.diffusion.fastest import for_pretraining
from mtmsd.diffusion.model import (
    DiffusionModel,
    read_authors_checkpoint,
)
from mtmsd.diffusion.patches import Batch, PatchPool
from mtmsd.diffusion.schedule import cosine_schedule
from mtmsd.diffusion.step import train_step
from mtmsd.errors import Canceled, MachineError
from mtmsd.files.model_check import describe_bands
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene
from mtmsd.scene.whitening import fit_whitening
from mtmsd.settings import PretrainSettings, Settings

METRIC_EVERY = 10
SOME_PATCHES = 64
"""Patches that a network may look at before it begins."""


def pretrain(
    scene: Scene,
    settings: Settings,
    output: Path,
    *,
    device: torch.device,
    seed: int,
    work_dir: Path | None = None,
    resume: bool = False,
    init: Path | None = None,
    reporter: Reporter,
) -> Path:
    """Learn the scene without labels and write a diffusion model file.

    Parameters
    ----------
    work_dir : Path, optional
        Where checkpoints go; beside the output if not given.
    resume : bool
        Go on from the last checkpoint in ``work_dir``, if there is one. The outcome is that
        of an unbroken run, bit for bit on the same machine.
    init : Path, optional
        A ``.pt`` checkpoint of the authors' code to start from.

    Raises
    ------
    InputError
        If scene, settings or checkpoint do not fit.
    Canceled
        After a checkpoint was written.
    MachineError
        If the loss became infinite or memory ran out.
    """
    chosen = settings.pretrain
    reporter.phase("prepare", "Reading the scene")
    whitening = fit_whitening(
        scene,
        max(chosen.components, chosen.spectral_components),
        seed=seed,
        tick=lambda: reporter.check_canceled(),
        method=chosen.whitening,
    )
    if whitening.noise:
        reporter.warning(whitening.noise.sentence())
    if whitening.components < chosen.components:
        reporter.warning(
            f"{scene.name} holds {whitening.components} independent components; "
            f"{chosen.components} were asked for."
        )
    channels = min(chosen.components, whitening.components)
    learnt = whitening.first(channels)
    pool = PatchPool(scene, learnt, chosen.patch_size, seed=seed, reporter=reporter)
    backbone = _start(channels, pool, chosen, seed, init)
    metadata = {
        "version": __version__,
        "patch_size": chosen.patch_size,
        **describe_bands(scene.used, scene.wavelengths),
        "settings": dataclasses.asdict(settings),
        "seed": seed,
        **scene.origin(),
        **({"noise": whitening.noise.described()} if whitening.noise else {}),
        **backbone.description,
    }
    checkpoints = Checkpoints(
        work_dir or Path(f"{output}.checkpoints"),
        belongs_to={**metadata, "init": str(init) if init else None},
    )
    begun = checkpoints.arithmetic() if resume else None
    if begun is not None:
        chosen = begun.fill(chosen)
    chosen = for_pretraining(backbone, chosen, device, reporter)
    metadata["settings"] = dataclasses.asdict(dataclasses.replace(settings, pretrain=chosen))
    reporter.phase("pretrain", "Learning the scene")
    averaged = fit(
        backbone,
        pool,
        chosen,
        device=device,
        seed=seed,
        checkpoints=checkpoints,
        resume=resume,
        reporter=reporter,
    )
    DiffusionModel(averaged, whitening, metadata).save(output)
    checkpoints.remove()
    reporter.artifact("model", output)
    return output


def fit(
    backbone: Backbone,
    pool: PatchPool,
    settings: PretrainSettings,
    *,
    device: torch.device,
    seed: int,
    checkpoints: Checkpoints | None = None,
    resume: bool = False,
    reporter: Reporter,
) -> Backbone:
    """Run the optimiser and return the network with averaged weights, on the CPU."""
    schedule = cosine_schedule()
    form = Arithmetic.of(settings)
    backbone = form.place(backbone, device).train()
    averaged = {name: value.detach().clone() for name, value in backbone.state_dict().items()}
    optimizer = torch.optim.AdamW(
        backbone.parameters(), lr=settings.learning_rate, weight_decay=0.0, fused=True
    )
    first = 0
    if checkpoints is not None and resume:
        first = checkpoints.restore(backbone, averaged, optimizer)
    done, total = first, settings.iterations
    reporter.progress(done, total, "step")
    try:
        for step, batch in _prefetched(pool, settings, schedule.steps, backbone.spans, seed, first):
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * _rate(settings, step)
            mse, vb = train_step(backbone, schedule, optimizer, batch, device, settings)
            _average(averaged, backbone, _decay(settings, step))
            done = step + 1
            if done % METRIC_EVERY == 0 or done == total:
                _report(reporter, done, float(mse), float(vb))
            reporter.progress(done, total, "step")
            if checkpoints is not None and checkpoints.due(done, settings.checkpoint_every):
                checkpoints.write(done, backbone, averaged, optimizer, form)
    except Canceled:
        if checkpoints is not None and done > first:
            checkpoints.write(done, backbone, averaged, optimizer, form)
        raise
    final = backbone.blank()
    final.load_state_dict({name: value.cpu() for name, value in averaged.items()})
    return final.eval()


def _start(
    channels: int, pool: PatchPool, settings: PretrainSettings, seed: int, init: Path | None
) -> Backbone:
    if init is not None:
        weights = read_authors_checkpoint(init)
        return build_backbone(weights, channels, str(init), settings.backbone)
    kind = backbone_named(settings.backbone)

    def patches() -> Tensor:
        return pool.batch(SOME_PATCHES, 1, seed=seed, step=0, augment=False).x0

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind.start(channels, settings, patches, seed)


def _prefetched(
    pool: PatchPool,
    settings: PretrainSettings,
    timesteps: int,
    spans: Sequence[range],
    seed: int,
    first: int,
) -> Iterator[tuple[int, Batch]]:
    """Cut the next batch in a second thread while the network works on this one."""

    def cut(step: int) -> Batch:
        return pool.batch(
            settings.batch_size,
            timesteps,
            seed=seed,
            step=step,
            augment=settings.augment,
            spans=spans,
        )

    with ThreadPoolExecutor(1) as thread:
        upcoming = thread.submit(cut, first)
        for step in range(first, settings.iterations):
            batch = upcoming.result()
            upcoming = thread.submit(cut, step + 1)
            yield step, batch


def _rate(settings: PretrainSettings, step: int) -> float:
    """Learning rate as a share of its peak: constant, or warm-up and half a cosine."""
    if settings.schedule == "constant":
        return 1.0
    warm_up = min(200, settings.iterations // 10)
    if step < warm_up:
        return (step + 1) / warm_up
    done = (step - warm_up) / max(1, settings.iterations - warm_up)
    return 0.5 * (1 + math.cos(math.pi * done))


def _decay(settings: PretrainSettings, step: int) -> float:
    """The average's decay, shorter at first so that the initial weights are forgotten."""
    return min(settings.ema_decay, (1 + step) / (10 + step))


@torch.no_grad()
def _average(averaged: dict[str, Tensor], backbone: Backbone, decay: float) -> None:
    for name, weight in backbone.state_dict().items():
        averaged[name].lerp_(weight, 1 - decay)


def _report(reporter: Reporter, step: int, mse: float, vb: float) -> None:
    if not math.isfinite(mse + vb):
        raise MachineError(
            f"Pretraining diverged at step {step}: the loss is {mse + vb}.",
            hint="Lower learning_rate, or set precision=fp32.",
            code="diverged",
        )
    reporter.metric(step, "loss", mse + vb)
    reporter.metric(step, "mse", mse)
