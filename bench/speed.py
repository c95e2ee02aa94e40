"""Speed and memory of the engine: every ratio from one run, in bench/results.json.

    python bench/speed.py [--device cpu|cuda] [--only NAME …] [--quick]

Names: arithmetic, dense, pretrain, preview, memory. Machines are noisy: ratios hold, seconds do
not.
What ours is compared with divides each operation among torch's threads, which spin while they
wait (torch is loaded before mtmsd, which has them sleep).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
import torch.nn.functional as F
from mtmsd.classify.classifier import Classifier
from mtmsd.classify.training import TrainingSet
from mtmsd.compute.arithmetic import FORMS, Arithmetic
from mtmsd.diffusion import fastest
from mtmsd.diffusion.devices import choose_device
from mtmsd.diffusion.loss import hybrid_loss
from mtmsd.diffusion.model import DiffusionModel
from mtmsd.diffusion.patches import PatchPool
from mtmsd.diffusion.schedule import CosineSchedule
from mtmsd.diffusion.step import train_step
from mtmsd.diffusion.unet import UNet
from mtmsd.features.tiles import TileGrid
from mtmsd.labels.read import read_labels
from mtmsd.mapping.tiles import TileMapper
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene
from mtmsd.scene.whitening import fit_whitening
from mtmsd.settings import PAPER_TIMESTEPS, PRESETS, ClassifierSettings
from synthetic import write_polygons, write_scene
from torch.utils.flop_counter import FlopCounterMode

RESULTS = Path(__file__).with_name("results.json")
PAPER = dataclasses.replace(PRESETS["paper"].classifier, features="dense", epochs=1)
MEMORY_SIDES = (500, 1000, 2000)
MEMORY_BANDS = 200


def main() -> None:
    """Run the chosen benchmarks; print and write what they found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", nargs="*", choices=list(BENCHMARKS), default=list(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    chosen = parser.parse_args()
    device = choose_device(chosen.device)
    results: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "quick": chosen.quick,
    }
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen.only:
            found = BENCHMARKS[name](Path(folder), device, chosen.quick)
            for key, value in found.items():
                print(f"{key:28} {_rounded(value)}", flush=True)
                if isinstance(value, dict):
                    results.setdefault(key, {}).update(value)
                else:
                    results[key] = value
            RESULTS.write_text(json.dumps(_rounded(results), indent=1) + "\n")


def arithmetic(folder: Path, device: torch.device, quick: bool) -> dict[str, Any]:
    """(f) A training step and the features of a patch in each arithmetic, measured as auto does."""
    kept: dict[str, Any] = {}
    for width in (32,) if quick else (32, 128):
        backbone = UNet(16, width)
        preset = PRESETS["balanced"]
        trials = {
            "pretraining": fastest.pretraining_trial(backbone, preset.pretrain, device),
            "features": fastest.features_trial(backbone, preset.classifier, 48, device),
        }
        for kind, trial in trials.items():
            seconds = fastest.measure(trial, FORMS, Reporter())
            count = trial.work["size"][-1]
            kept[f"{kind} {width}"] = {
                str(form): 1000 * value / count for form, value in seconds.items()
            }
    return {"arithmetic_ms_per_patch": kept}


def dense(folder: Path, device: torch.device, quick: bool) -> dict[str, Any]:
    """(a) Patchwise as the authors run it over dense, same weights, 128 wide, 19 timesteps."""
    peak = matrix_peak(device)
    classifier, scene = paper_classifier(folder, device, PAPER)
    mapper = TileMapper(scene, classifier, device)
    small, window = (100, 100, 48, 48), (100, 100, *((48, 48) if quick else (192, 192)))
    grid = TileGrid(48, classifier.settings.stride)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # what other threads do is not counted
    with FlopCounterMode(display=False) as counter:
        mapper.block(small)
    torch.set_num_threads(threads)
    flops = counter.get_total_flops() / len(grid.corners(*small)) * len(grid.corners(*window))
    seconds, pixels = best_of(lambda: mapper.block(window), 1, device), window[2] * window[3]
    per_pixel = seconds / pixels
    patch = torch.randn(1, classifier.model.backbone.channels, 48, 48)
    authors = best_of(lambda: authors_pixel(classifier, patch, device), 2, device)
    return {
        "matrix_peak_gflops": {"dense": peak},
        "patchwise_s_per_px": authors,
        "dense_s_per_px": per_pixel,
        "patchwise_over_dense": authors / per_pixel,
        "dense_gflop_per_px": flops / pixels / 1e9,
        "share_of_peak": {"dense": flops / seconds / 1e9 / peak},
    }


def pretrain(folder: Path, device: torch.device, quick: bool) -> dict[str, Any]:
    """(e) Patches a second in pretraining, over a plain eager float32 loop; (b) share of peak."""
    peak = matrix_peak(device)
    settings = PRESETS["balanced" if device.type == "cpu" else "paper"].pretrain
    scene = Scene.open(write_scene(folder / "pretrain.tif", 200, 60))
    whitening = fit_whitening(scene, settings.components, seed=0)
    pool = PatchPool(scene, whitening, 48, seed=0, reporter=Reporter())
    schedule, size, steps = CosineSchedule(), settings.batch_size, 3 if quick else 12

    def batch(step: int) -> Any:
        return pool.batch(size, schedule.steps, seed=0, step=step, augment=settings.augment)

    unet = UNet(whitening.components, settings.width).to(device).train()
    optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-4, weight_decay=0.0, foreach=True)

    def plain(step: int) -> None:
        given = batch(step)
        x0, t, noise = given.x0.to(device), given.t.to(device), given.noise.to(device)
        x_t = schedule.noised(x0, t, noise)
        loss = hybrid_loss(schedule, unet(x_t, t), x0, x_t, t, noise).total.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    with FlopCounterMode(display=False) as flops:
        plain(0)
    ready = batch(0)  # in a run the next batch is cut while the network works
    settings = fastest.for_pretraining(unet, settings, device, Reporter())

    def ours(step: int) -> None:
        train_step(unet, schedule, optimizer, ready, device, settings)

    plain_seconds = paced(plain, steps, device)
    form = Arithmetic.of(settings)
    form.place(unet, device)
    optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-4, weight_decay=0.0, fused=True)
    seconds = paced(ours, steps, device)
    return {
        "pretrain_arithmetic": str(form),
        "pretrain_patches_per_s": size / seconds,
        "pretrain_plain_patches_per_s": size / plain_seconds,
        "pretrain_speedup": plain_seconds / seconds,
        "matrix_peak_gflops": {"pretrain": peak},
        "share_of_peak": {"pretrain": flops.get_total_flops() / seconds / 1e9 / peak},
    }


def preview(folder: Path, device: torch.device, quick: bool) -> dict[str, Any]:
    """(d) From polygons to the map of a 256×256 window, quick preset, model at hand."""
    settings = PRESETS["quick"]
    scene = Scene.open(write_scene(folder / "preview.tif", 384, 120))
    polygons = write_polygons(folder / "preview.gpkg", 384, fields=5, pixels=5)
    whitening = fit_whitening(scene, settings.pretrain.spectral_components, seed=0)
    unet = UNet(settings.pretrain.components, settings.pretrain.width).eval()
    model = DiffusionModel(unet, whitening, {"patch_size": 48})
    start = time.perf_counter()
    labels = read_labels(polygons, scene)
    samples = TrainingSet.extract(
        scene, labels, model, settings.classifier, device=device, seed=0, reporter=Reporter()
    )
    extracted = time.perf_counter()
    classifier = samples.fit(seed=0, reporter=Reporter())
    fitted = time.perf_counter()
    TileMapper(scene, classifier, device).block((0, 0, 256, 256))
    end = time.perf_counter()
    parts = {"features": extracted - start, "fit": fitted - extracted, "map": end - fitted}
    return {"preview_256_s": end - start, "preview_parts_s": parts, "preview_labels": len(labels)}


def memory(folder: Path, device: torch.device, quick: bool) -> dict[str, Any]:
    """(c) Peak memory of ``pretrain`` and ``classify`` over the size of the scene."""
    peaks: dict[str, list[float]] = {"pretrain": [], "classify": []}
    sides = (200, 300) if quick else MEMORY_SIDES
    for side in sides:
        scene = write_scene(folder / "memory.tif", side, MEMORY_BANDS)
        polygons = write_polygons(folder / "memory.gpkg", side, fields=3, pixels=4)
        common = ["--device", device.type]
        fewer = ["--set", "timesteps=50,400", "--set", "stride=48", "--set", "epochs=2"]
        model, classifier = folder / "m.safetensors", folder / "c.safetensors"
        peaks["pretrain"].append(
            peak_of("pretrain", scene, "-o", model, "--set", "iterations=40", *common)
        )
        peak_of(
            "train", scene, polygons, "-o", classifier, "--model", model, "--holdout", "0",
            "--classifier", "mtmsd",
            *fewer, *common,
        )  # fmt: skip
        target = folder / "map.tif"
        peaks["classify"].append(
            peak_of("classify", scene, "-o", target, "--classifier", classifier, *common)
        )
        scene.unlink()
        polygons.unlink()
    return {"peak_memory_gb": peaks, "peak_memory_sides": {"px": list(sides)}}


def peak_of(*arguments: object) -> float:
    """Run a command of the engine; its peak resident memory in GB (10⁹ bytes)."""
    command = [sys.executable, "-m", "mtmsd", *map(str, arguments), "--json"]
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        process = psutil.Process(child.pid)
        while child.poll() is None:
            try:
                peak = max(peak, process.memory_info().rss)
            except psutil.NoSuchProcess:
                break
            time.sleep(0.02)
        error = child.stderr.read().decode() if child.stderr else ""
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {error}")
    return peak / 1e9


def paper_classifier(
    folder: Path, device: torch.device, settings: ClassifierSettings
) -> tuple[Classifier, Scene]:
    """Return a classifier of the paper's size with the weights that training begins with."""
    scene = Scene.open(write_scene(folder / "paper.tif", 400, 60))
    polygons = write_polygons(folder / "paper.gpkg", 400, fields=1, pixels=2)
    whitening = fit_whitening(scene, 25, seed=0)
    torch.manual_seed(0)
    unet = UNet(whitening.components, 128)
    for parameter in unet.parameters():  # the zeroed layers would make features trivial
        if not parameter.abs().sum():
            torch.nn.init.normal_(parameter, std=0.02)
    model = DiffusionModel(unet.eval(), whitening, {"patch_size": 48})
    samples = TrainingSet.extract(
        scene,
        read_labels(polygons, scene),
        model,
        settings,
        device=device,
        seed=0,
        reporter=Reporter(),
    )
    return samples.fit(seed=0, reporter=Reporter()), scene


@torch.no_grad()
def authors_pixel(classifier: Classifier, patch: torch.Tensor, device: torch.device) -> None:
    """Compute one pixel's features as the authors' code does.

    The whole U-Net in float32 for each timestep, every block resized to 48×48, then the centre
    and the mean.
    """
    schedule, unet = CosineSchedule(), classifier.model.backbone
    noise, patch = classifier.noise[None].to(device), patch.to(device)
    kept: dict[int, torch.Tensor] = {}
    hooks = [
        unet.output_blocks[b].register_forward_hook(
            lambda _module, _given, out, b=b: kept.update({b: out})
        )
        for b in classifier.settings.blocks
    ]
    for timestep in PAPER_TIMESTEPS:
        t = torch.tensor([timestep], device=device)
        unet(schedule.noised(patch, t, noise), t)
        full = [
            F.interpolate(m, (48, 48), mode="bilinear", align_corners=False) for m in kept.values()
        ]
        torch.cat([m[:, :, 24, 24] for m in full], 1)
        torch.cat([m.mean((2, 3)) for m in full], 1)
    for hook in hooks:
        hook.remove()


def matrix_peak(device: torch.device) -> float:
    """GFLOP/s of a large matrix product in the faster one of the two number formats."""
    side = 2048 if device.type == "cpu" else 8192
    seconds = []
    for kind in (torch.float32, torch.bfloat16):
        a, b = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))
        seconds.append(best_of(lambda a=a, b=b: a @ b, 8, device))
    return 2 * side**3 / min(seconds) / 1e9


def best_of(work: Callable[[], object], times: int, device: torch.device) -> float:
    """Seconds of the fastest run: what the machine can do when left alone."""
    found = []
    for _ in range(times + 1):
        start = time.perf_counter()
        work()
        _wait(device)
        found.append(time.perf_counter() - start)
    return min(found)


def paced(work: Callable[[int], None], steps: int, device: torch.device) -> float:
    """Median seconds of a step, after two to warm up."""
    found = []
    for step in range(steps + 2):
        start = time.perf_counter()
        work(step)
        _wait(device)
        found.append(time.perf_counter() - start)
    return float(np.median(found[2:]))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, list) else value


BENCHMARKS: dict[str, Callable[[Path, torch.device, bool], dict[str, Any]]] = {
    "arithmetic": arithmetic,
    "dense": dense,
    "pretrain": pretrain,
    "preview": preview,
    "memory": memory,
}

if __name__ == "__main__":
    main()
