"""The fastest arithmetic of a backbone on this machine: measured once, then remembered.

What a processor says of itself does not tell: some that have bfloat16 products are slower with
them, and which memory layout is the faster one depends on the format, the network's width, and
whether it learns.
"""

from __future__ import annotations

import copy
import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from mtmsd.compute.adam import Adam
from mtmsd.compute.arithmetic import AUTO, FORMS, Arithmetic, named
from mtmsd.compute.memory import is_out_of_memory
from mtmsd.compute.threads import parallel_map, shares, thread_count
from mtmsd.diffusion import kept_answers
from mtmsd.diffusion.backbone import Backbone
from mtmsd.diffusion.patches import Batch
from mtmsd.diffusion.schedule import cosine_schedule
from mtmsd.diffusion.step import set_gradients
from mtmsd.errors import MtmsdError
from mtmsd.reporting import Reporter
from mtmsd.settings import ClassifierSettings, PretrainSettings

VARIABLE = "MTMSD_ARITHMETIC"
"""Environment variable that says what ``auto`` is, ``fp32,contiguous`` for example."""
SECONDS = 1.0
"""So long each form works, in as many rounds as there are:"""
ROUNDS = 2
PATCHES_PER_THREAD = 4
"""At most so many are learnt at once, however large the batch is."""
TILES_PER_THREAD = {"cpu": 2, "cuda": 32, "mps": 8}

Work = Callable[[], object]
S = TypeVar("S", PretrainSettings, ClassifierSettings)


@dataclass(frozen=True)
class Trial:
    """Real work whose fastest arithmetic is looked for.

    Attributes
    ----------
    device : torch.device
    work : dict
        JSON-able: all that the answer may depend on beside the machine.
    prepare : callable
        Makes the work in one form; it is called again and again.
    """

    device: torch.device
    work: Mapping[str, Any]
    prepare: Callable[[Arithmetic], Work]


def for_pretraining(
    backbone: Backbone, settings: PretrainSettings, device: torch.device, reporter: Reporter
) -> PretrainSettings:
    """Return the settings with the arithmetic in which the backbone learns fastest."""
    return _settled(settings, pretraining_trial(backbone, settings, device), reporter)


def pretraining_trial(
    backbone: Backbone, settings: PretrainSettings, device: torch.device
) -> Trial:
    """Return training steps, of a whole batch or as many patches as tell."""
    count = min(settings.batch_size, PATCHES_PER_THREAD * thread_count(device))
    side = settings.patch_size
    patches = _normal(count, backbone.channels, side)
    batch = Batch(patches, torch.arange(count) * 97 % cosine_schedule().steps, patches.flip(0))

    def prepare(form: Arithmetic) -> Work:
        network = form.place(copy.deepcopy(backbone), device).train()
        optimizer = Adam(network)

        def step() -> None:
            set_gradients(network, cosine_schedule(), batch, device, form)
            optimizer.step(0.0)

        return step

    return Trial(device, _work("pretraining", backbone, side, count), prepare)


def for_features(
    backbone: Backbone,
    settings: ClassifierSettings,
    side: int,
    device: torch.device,
    reporter: Reporter,
) -> ClassifierSettings:
    """Return the settings with the arithmetic in which stages are read fastest."""
    return _settled(settings, features_trial(backbone, settings, side, device), reporter)


def features_trial(
    backbone: Backbone, settings: ClassifierSettings, side: int, device: torch.device
) -> Trial:
    """Return the reading of stages of some tiles, at one timestep."""
    count = TILES_PER_THREAD.get(device.type, 1) * thread_count(device)
    tiles = _normal(count, backbone.channels, side).to(device)
    t = torch.full((1,), 100, device=device)
    last = max(settings.blocks, default=0)

    def prepare(form: Arithmetic) -> Work:
        network = form.place(copy.deepcopy(backbone), device).eval()
        arranged = tiles.contiguous(memory_format=form.memory_format)

        @torch.no_grad()
        def read(share: slice) -> None:
            with form.autocast(device):
                network.stages(arranged[share], t, settings.blocks)

        return lambda: parallel_map(read, shares(count, device), device)

    work = _work("features", backbone, side, count) | {"last_block": last}
    return Trial(device, work, prepare)


def _work(kind: str, backbone: Backbone, side: int, count: int) -> dict[str, Any]:
    name, size = type(backbone).__name__, [backbone.channels, backbone.width, side, count]
    return {"kind": kind, "backbone": name, "size": size}


def _normal(count: int, channels: int, side: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, channels, side, side, generator=generator)


def _settled(settings: S, trial: Trial, reporter: Reporter) -> S:
    """Fill in what the settings leave open; nothing is measured where they name a precision."""
    forms = [form for form in FORMS if settings.layout in (AUTO, form.layout)]
    if settings.precision != AUTO:
        form = Arithmetic.of(settings)
    elif os.environ.get(VARIABLE):
        form = named(os.environ[VARIABLE])
        if settings.layout != AUTO:
            form = dataclasses.replace(form, layout=settings.layout)
    else:
        form = fastest(trial, forms, reporter)
    return form.fill(settings)


def fastest(trial: Trial, forms: Sequence[Arithmetic], reporter: Reporter) -> Arithmetic:
    """Return the fastest of some forms, as it is remembered or measured now."""
    key = {
        **kept_answers.machine(trial.device), **trial.work, "forms": [str(form) for form in forms],
    }  # fmt: skip
    if (known := kept_answers.recall(key)) is not None:
        return known
    seconds = measure(trial, forms, reporter)
    # another program may have measured meanwhile: both go on with the same answer
    if (known := kept_answers.recall(key)) is not None:
        return known
    chosen = min(seconds, key=lambda form: seconds[form])
    try:
        kept_answers.keep(key, chosen, seconds)
    except MtmsdError as error:
        reporter.warning(
            f"The fastest arithmetic here, {chosen}, is measured anew each time. {error.message} "
            f"Set {kept_answers.VARIABLE} to a folder that can be written."
        )
    return chosen


def measure(
    trial: Trial, forms: Sequence[Arithmetic], reporter: Reporter
) -> dict[Arithmetic, float]:
    """Seconds of the work in each form that works here, the best of several rounds in turns."""
    seconds: dict[Arithmetic, float] = {}
    for turn, form in enumerate([*forms] * ROUNDS):
        reporter.check_canceled()
        try:
            taken = _timed(trial.prepare(form), trial.device)
        except (RuntimeError, NotImplementedError) as error:
            if form == forms[0] or is_out_of_memory(error):
                raise
            continue  # a device without this format
        seconds[form] = min(taken, seconds.get(form, taken))
        reporter.progress(turn + 1, len(forms) * ROUNDS, "trial")
    return seconds


def _timed(work: Work, device: torch.device) -> float:
    """Seconds of the fastest run: what the machine can do when left alone."""
    work()  # weights are rearranged and memory is taken
    best, until = float("inf"), time.perf_counter() + SECONDS / ROUNDS
    while best == float("inf") or time.perf_counter() < until:
        start = time.perf_counter()
        work()
        if device.type != "cpu":
            torch.accelerator.synchronize(device)
        best = min(best, time.perf_counter() - start)
    return best
