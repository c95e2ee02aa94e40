"""Job ``classify``: a trained classifier maps a whole scene."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtmsd.commands.arguments import Rasters
from mtmsd.commands.classify_arguments import Arguments as Arguments
from mtmsd.commands.devices import on_device
from mtmsd.commands.inputs import open_scene_for
from mtmsd.commands.outputs import check_outputs, check_rasters
from mtmsd.commands.several import map_scenes
from mtmsd.errors import InputError
from mtmsd.jobs.work import file_state, work_folder
from mtmsd.reporting import Reporter

if TYPE_CHECKING:
    from mtmsd.mapping.block_store import BlockStore
    from mtmsd.mapping.runtimes import Device
    from mtmsd.postprocess.filters import Refinement
    from mtmsd.scene.raster import Scene


def run(arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    """Map the scene and return where the files are and how many pixels each class has."""
    if arguments.several:
        check_after(arguments)
        return map_scenes(arguments, run, reporter)
    if arguments.mosaic:
        raise InputError(
            f"The mosaic {arguments.mosaic} needs several scenes, and there is one.",
            hint="Give more scenes, or a table of them.",
        )
    others = list(arguments.layers().values())
    check_outputs(
        [arguments.scene, arguments.classifier, *arguments.mask], [arguments.output, *others]
    )
    check_rasters(arguments.output, *others)
    check_after(arguments)
    with work_folder(arguments.output, arguments.resume, reporter, beside=others) as work:
        return run_in(work, arguments, reporter)


def check_after(arguments: Rasters) -> None:
    """Refuse a filter of a size that makes no sense, before any work."""
    if any(value is not None for value in arguments.after().values()):
        from mtmsd.postprocess.filters import Refinement

        Refinement(**arguments.after())


def run_in(work: Path, arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    """Map the scene as :func:`run` does, in the work folder of another job."""
    from mtmsd.postprocess.filters import Refinement

    refinement = Refinement(**arguments.after())
    layers = arguments.layers()
    if refinement.unknown_below is not None:
        layers.setdefault("confidence", work / "confidence.tif")
    made = work / "map.tif" if refinement else arguments.output
    found = on_device(
        arguments.chosen_runtime().devices,
        arguments.device,
        reporter,
        lambda device: _mapped(work, arguments, made, layers, device, reporter),
    )
    if refinement:
        found["pixels"] = _refined(made, arguments.output, refinement, layers, reporter)
    files = {"map": arguments.output, **arguments.layers()}
    for kind, path in files.items():
        reporter.artifact(kind, path)
    return files | found


def _mapped(
    work: Path,
    arguments: Arguments,
    made: Path,
    layers: Mapping[str, Path],
    device: Device,
    reporter: Reporter,
) -> dict[str, Any]:
    """Map the scene on a device, from files: what a card has failed with is not used again."""
    from mtmsd.mapping.mapper import classify

    classifier = arguments.chosen_runtime().classifiers.load_classifier(arguments.classifier)
    with open_scene_for(classifier.model, arguments.scene, reporter, arguments.masks()) as scene:
        store = _block_store(work, arguments, scene)
        if arguments.resume and store.others:
            reporter.warning(
                f"The finished blocks in {work} are of another classifier, scene or extent; "
                "all is mapped again."
            )
        if arguments.workers or arguments.scheduler:
            _map_on_cluster(arguments, scene, store, ("values", *layers), reporter)
        return classify(
            scene,
            classifier,
            made,
            **layers,
            extent=arguments.extent,
            device=device,
            store=store,
            reporter=reporter,
        )


def _map_on_cluster(
    arguments: Arguments,
    scene: Scene,
    store: BlockStore,
    names: tuple[str, ...],
    reporter: Reporter,
) -> None:
    """Let Dask's workers map the blocks; the map is then written from the store."""
    from mtmsd.mapping.cluster import BlockJob, Cluster, map_blocks
    from mtmsd.mapping.mapper import pixel_window

    whole = (0, 0, scene.height, scene.width)
    job = BlockJob(
        os.path.abspath(arguments.scene) if os.path.exists(arguments.scene) else arguments.scene,
        arguments.classifier.absolute(),
        arguments.chosen_runtime().files.checksum_of(arguments.classifier),
        arguments.runtime,
        arguments.device,
        names,
        tuple(mask.absolute() for mask in arguments.masks()),
    )
    window = pixel_window(scene, arguments.extent) if arguments.extent else whole
    map_blocks(Cluster(arguments.workers, arguments.scheduler), job, window, store, reporter)


def _refined(
    made: Path,
    output: Path,
    refinement: Refinement,
    layers: Mapping[str, Path],
    reporter: Reporter,
) -> dict[str, int]:
    """Write the map with its filters done; count the pixels of each class again."""
    from mtmsd.postprocess.filters import refine
    from mtmsd.scene.class_map import ClassMap
    from mtmsd.scene.pixel_area import class_areas

    reporter.phase("refine", "Filtering the map")
    refine(made, output, refinement, confidence_path=layers.get("confidence"), reporter=reporter)
    with ClassMap.open(output) as class_map:
        pixels, _ = class_areas(class_map, reporter)
        return {c.name: pixels.get(c.value, 0) for c in class_map.classes}


def _block_store(work: Path, arguments: Arguments, scene: Scene) -> BlockStore:
    """Return the store of the blocks of this very map."""
    from mtmsd.mapping.block_store import BlockStore

    return BlockStore(
        work,
        {
            "classifier": arguments.chosen_runtime().files.checksum_of(arguments.classifier),
            "scene": [scene.fingerprint(), file_state(scene.path)],
            "extent": arguments.extent,
        },
    )
