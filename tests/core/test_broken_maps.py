"""What breaks a map on its way: a kill, the disk, the folder, the input. Nothing is lost."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from mtmsd.classify.eager import EagerRuntime
from mtmsd.cli.main import main
from mtmsd.cli.terminal import TerminalReporter
from mtmsd.errors import Canceled
from mtmsd.files.tensor_file import load_arrays, save_arrays
from mtmsd.mapping import tiles
from mtmsd.mapping.block_store import BlockStore
from mtmsd.mapping.decision import Block
from mtmsd.mapping.tiles import TileMapper
from mtmsd.scene.output import MapWriter
from running import end, leftovers, start
from small_files import cube, write_raster

pytestmark = pytest.mark.slow

PRCTL = ctypes.CDLL(None).prctl
DROP_OVERRIDE = (24, 1, 0, 0, 0)
"""PR_CAPBSET_DROP, CAP_DAC_OVERRIDE."""
WAVELENGTHS = [450, 550, 650, 850, 1600, 2200]


@pytest.fixture(scope="module")
def given(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier, ``wide.tif`` of three blocks, and its unbroken map and confidence."""
    folder = tmp_path_factory.mktemp("given")
    shutil.copy(trained / "classifier.safetensors", folder)
    write_raster(folder / "wide.tif", cube(6, 8, 1000, seed=2), wavelengths=WAVELENGTHS)
    assert run(*classify(folder, folder / "whole.tif")) == 0
    return folder


def run(*line: str | Path) -> int:
    """Run the engine in this process."""
    return main([str(word) for word in line])


def classify(given: Path, output: Path, scene: Path | None = None) -> list[str | Path]:
    """Return the command line that maps a scene, and its confidence beside the map."""
    files = [scene or given / "wide.tif", "-o", output]
    confidence = output.with_suffix(".confidence.tif")
    return [
        "classify", *files, "--confidence", confidence,
        "--classifier", given / "classifier.safetensors",
    ]  # fmt: skip


def maps(output: Path) -> list[bytes]:
    """Return map and confidence as bytes."""
    return [output.read_bytes(), output.with_suffix(".confidence.tif").read_bytes()]


def after_the_first_block(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Let something happen once the first block of a map is kept."""
    write = BlockStore.write

    def then(blocks: BlockStore, *block: object) -> None:
        write(blocks, *block)
        monkeypatch.undo()
        happens()

    monkeypatch.setattr(BlockStore, "write", then)


def count_mapped(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Note the windows that are mapped from now on."""
    mapped: list[tuple[int, ...]] = []
    block = TileMapper.block

    def noted(self: TileMapper, window: tuple, *tick: object) -> Block:
        mapped.append(window)
        return block(self, window, *tick)

    monkeypatch.setattr(TileMapper, "block", noted)
    return mapped


def sentence(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one sentence that an error was told in."""
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert "unexpectedly" not in told
    return told[told.index("Error: ") :].splitlines()[0]


@pytest.fixture
def killed(given: Path, tmp_path: Path) -> Path:
    """The output of a map that was killed after its first block."""
    output = tmp_path / "map.tif"
    code = (
        "import os, signal, sys\n"
        "from mtmsd.mapping.block_store import BlockStore\n"
        "from mtmsd.cli.main import main\n"
        "write = BlockStore.write\n"
        "BlockStore.write = lambda *a: (write(*a), os.kill(os.getpid(), signal.SIGKILL))\n"
        "main(sys.argv[1:])\n"
    )
    line = [str(word) for word in classify(given, output)]
    result = subprocess.run([sys.executable, "-c", code, *line], capture_output=True, check=False)
    assert result.returncode == -signal.SIGKILL, result.stderr.decode()
    assert not output.exists()
    assert len(leftovers(tmp_path)) == 2, "map and confidence were being written"
    return output


class BrokenOff(Exception):
    """What ends a map within a block."""


@pytest.fixture(scope="module")
def patchwise(given: Path) -> list[str | Path]:
    """A command line that maps patch by patch, on 8 × 30 px; only the output is missing."""
    arrays, metadata = load_arrays(given / "classifier.safetensors", "classifier")
    metadata["settings"]["features"] = "patchwise"
    del metadata["kind"], metadata["format"]
    save_arrays(given / "patchwise.safetensors", "classifier", arrays, metadata)
    scene = write_raster(given / "small.tif", cube(6, 8, 30, seed=2), wavelengths=WAVELENGTHS)
    return ["classify", scene, "--classifier", given / "patchwise.safetensors", "-o"]


@pytest.mark.parametrize("how", ["canceled", "killed", "damaged"])
def test_a_block_that_takes_long_goes_on_where_it_ended(
    patchwise: list[str | Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    how: str,
):
    """240 patches are eight batches; it breaks off after the third."""
    whole, broken = tmp_path / "whole.tif", tmp_path / "broken.tif"
    assert run(*patchwise, whole) == 0
    capsys.readouterr()
    error = Canceled if how == "canceled" else BrokenOff
    monkeypatch.setattr(tiles, "KEEP_EVERY_S", 1e9 if how == "canceled" else 0)
    votes, batches = EagerRuntime.votes, []
    progress = TerminalReporter.progress

    def counted(self: EagerRuntime, given: list, **options: bool) -> object:
        batches.append(len(given))
        return votes(self, given, **options)

    def breaks(self: TerminalReporter, done: float, *rest: object) -> None:
        if 90 < done < 100:
            raise error
        progress(self, done, *rest)

    monkeypatch.setattr(EagerRuntime, "votes", counted)
    with monkeypatch.context() as patched:
        patched.setattr(TerminalReporter, "progress", breaks)
        assert run(*patchwise, broken) == (3 if how == "canceled" else 4)
    assert batches == [32] * 3
    (begun,) = tmp_path.rglob("*.begun")
    if how == "damaged":
        begun.write_bytes(begun.read_bytes()[:-8])
    capsys.readouterr()
    assert run(*patchwise, broken, "--resume") == 0
    again = [32] * 8 if how == "damaged" else [32] * 5
    assert batches[3:] == [*again[:-1], 240 - 7 * 32]
    assert "Warning" not in capsys.readouterr().err
    assert broken.read_bytes() == whole.read_bytes()
    assert not list(tmp_path.glob("*.work"))


def test_a_killed_map_goes_on_at_its_finished_blocks(
    given: Path, killed: Path, monkeypatch: pytest.MonkeyPatch
):
    mapped = count_mapped(monkeypatch)
    assert run(*classify(given, killed), "--resume") == 0
    assert mapped == [(0, 384, 8, 384), (0, 768, 8, 232)]
    assert maps(killed) == maps(given / "whole.tif")
    assert {path.name for path in killed.parent.iterdir()} == {
        "map.tif", "map.tif.aux.xml", "map.confidence.tif",
    }  # fmt: skip


@pytest.mark.parametrize("how", ["not resumed", "damaged block", "another extent", "another scene"])
def test_blocks_of_another_map_or_a_damaged_one_are_not_used(
    given: Path, killed: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], how: str,
):  # fmt: skip
    mapped = count_mapped(monkeypatch)
    line = classify(given, killed)
    if how == "damaged block":
        (block,) = killed.with_name("map.tif.work").rglob("*.safetensors")
        block.write_bytes(block.read_bytes()[:-1])
    elif how == "another scene":
        other = killed.with_name("other.tif")
        shutil.copy(given / "wide.tif", other)
        line = classify(given, killed, other)
    elif how == "another extent":
        with rasterio.open(given / "wide.tif") as scene:
            line += ["--extent", ",".join(map(str, scene.bounds))]
    assert run(*line, *([] if how == "not resumed" else ["--resume"])) == 0
    assert len(mapped) == 3
    assert maps(killed) == maps(given / "whole.tif")
    said = "are of another classifier, scene or extent" in capsys.readouterr().err
    assert said is how.startswith("another")
    assert leftovers(killed.parent) == []


def test_two_jobs_map_one_scene_at_once(given: Path, tmp_path: Path):
    outputs = [tmp_path / "one.tif", tmp_path / "two.tif"]
    processes = [start(*classify(given, output), "--json") for output in outputs]
    assert [end(process, 300)[0] for process in processes] == [0, 0]
    assert maps(outputs[0]) == maps(outputs[1]) == maps(given / "whole.tif")


def test_a_full_disk_keeps_the_finished_blocks(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A limit on the size of files stands for the disk: writing fails in the same place."""
    output = tmp_path / "map.tif"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    after_the_first_block(
        monkeypatch, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    )
    try:
        assert run(*classify(given, output)) == 4
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert "disk is full" in sentence(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["map.tif.work"]
    mapped = count_mapped(monkeypatch)
    assert run(*classify(given, output), "--resume") == 0
    assert len(mapped) == 2
    assert maps(output) == maps(given / "whole.tif")


def test_a_folder_that_vanishes_is_named(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "gone"
    folder.mkdir()
    after_the_first_block(monkeypatch, lambda: shutil.rmtree(folder))
    assert run(*classify(given, folder / "map.tif")) in (1, 4)
    assert str(folder) in sentence(capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", ["replaced", "cut", "removed"])
def test_a_scene_that_changes_while_it_is_mapped_is_named(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], how: str,
):  # fmt: skip
    scene, output = tmp_path / "scene.tif", tmp_path / "map.tif"
    shutil.copy(given / "wide.tif", scene)
    other = write_raster(tmp_path / "other.tif", cube(6, 8, 1000, seed=3))
    happens = {
        "replaced": lambda: os.replace(other, scene),
        "cut": lambda: os.truncate(scene, 9000),
        "removed": scene.unlink,
    }
    after_the_first_block(monkeypatch, happens[how])
    assert run(*classify(given, output, scene)) == 1
    assert "'scene.tif' was replaced, changed or removed while it was read" in sentence(capsys)
    assert not output.exists()
    assert leftovers(tmp_path) == []


def test_a_truncated_scene_leaves_no_map(
    given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    scene = tmp_path / "cut.tif"
    scene.write_bytes((given / "wide.tif").read_bytes()[:50_000])
    assert run(*classify(given, tmp_path / "map.tif", scene)) == 1
    assert "'cut.tif'" in sentence(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["cut.tif"]


def test_a_folder_without_leave_to_write_is_named(given: Path, tmp_path: Path):
    folder = tmp_path / "read only"
    folder.mkdir(mode=0o555)
    bound_by_permissions = {"preexec_fn": lambda: PRCTL(*DROP_OVERRIDE)}  # root too
    process = start(*classify(given, folder / "map.tif"), **bound_by_permissions)
    status, _, err = end(process, 120)
    assert status == 1, err
    assert f"Error: The folder {folder} cannot be written to (Permission denied)" in err
    assert list(folder.iterdir()) == []


def test_a_writer_that_fails_late_leaves_the_older_map(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    output = tmp_path / "map.tif"
    for kept, source in zip((output, output.with_suffix(".confidence.tif")), ("whole.tif",) * 2):
        shutil.copy(given / source, kept)
    before = maps(output)
    write = MapWriter.write

    def fail(writer: MapWriter, array: np.ndarray, row: int, col: int) -> None:
        if col:
            raise OSError(5, "Input/output error", str(output))
        write(writer, array, row, col)

    monkeypatch.setattr(MapWriter, "write", fail)
    assert run(*classify(given, output)) == 4
    assert "could not be read or written (Input/output error)" in sentence(capsys)
    assert maps(output) == before
    assert leftovers(tmp_path) == []
