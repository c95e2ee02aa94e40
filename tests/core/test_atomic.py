"""A file is whole or not there, on every system, whoever writes it."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import shapely
from mtmsd.assess.report import write_whole
from mtmsd.classes import ClassInfo
from mtmsd.compute.arithmetic import Arithmetic
from mtmsd.diffusion import kept_answers
from mtmsd.errors import InputError, MachineError
from mtmsd.files import atomic
from mtmsd.files.atomic import atomic_path
from mtmsd.files.tensor_file import load_arrays, save_arrays
from mtmsd.jobs.claim import write_json
from mtmsd.onnx.file import save_graph
from mtmsd.postprocess.layers import LayerWriter
from mtmsd.scene.output import class_map
from mtmsd.scene.raster import Scene
from small_files import cube, write_raster


def write_layer(path: Path) -> None:
    with LayerWriter.open(path, None, "Point") as writer:
        writer.write(shapely.points([[0, 0]]), rank=np.array([1]))


def write_map(path: Path) -> None:
    source = write_raster(path.with_name("scene.tif"), cube(2, 12, 15))
    with (
        Scene.open(source) as scene,
        class_map(path, scene, (ClassInfo(1, "tree", "#228833"),), {}) as target,
    ):
        target.write(np.ones((12, 15), np.uint8), 0, 0)
    source.unlink()


def write_onnx(path: Path) -> None:
    graph = onnx.helper.make_graph([], "nothing", [], [])
    save_graph(path, onnx.helper.make_model(graph), {"whitening.mean": np.ones(2)}, {})


def keep_answer(path: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(kept_answers, "answer_path", lambda key: path)
        form = Arithmetic("fp32", "contiguous")
        kept_answers.keep({"forms": [str(form)]}, form, {form: 0.5})


WRITERS: dict[str, Callable[[Path], object]] = {
    "model.safetensors": lambda path: save_arrays(path, "model", {"a": np.ones(3)}, {}),
    "model.onnx": write_onnx,
    "arithmetic.json": keep_answer,
    "pid.json": lambda path: write_json(path, {"pid": 1}),
    "report.html": lambda path: write_whole(path, "report"),
    "points.gpkg": write_layer,
    "map.tif": write_map,
}


@pytest.fixture(params=WRITERS)
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Path]:
    """Write one kind of file, and return its path."""
    path = tmp_path / request.param

    def written() -> Path:
        WRITERS[request.param](path)
        return path

    return written


def test_files_are_synced_through_a_writable_descriptor_and_so_is_their_folder(
    write: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows refuses to sync what was opened for reading."""
    synced: list[str] = []
    fsync = os.fsync

    def strict(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            synced.append("folder")
        elif fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        else:
            synced.append("file")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", strict)
    path = write()
    assert path.stat().st_size > 0
    assert synced[-2:] == ["file", "folder"]


def test_a_file_system_that_syncs_no_folders_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of some network drives; a disk that fails is told all the same."""
    fsync, number = os.fsync, errno.EINVAL

    def files_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    assert write_whole(tmp_path / "a.html", "a").read_text() == "a"
    number = errno.EIO
    with pytest.raises(MachineError, match=r"'b.html' cannot be written to .*Input/output error"):
        write_whole(tmp_path / "b.html", "b")


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_a_new_file_has_the_permissions_of_any_other(write: Callable[[], Path], umask: int) -> None:
    before = os.umask(umask)
    try:
        path = write()
    finally:
        os.umask(before)
    assert oct(stat.S_IMODE(path.stat().st_mode)) == oct(0o666 & ~umask)


def test_a_file_that_is_open_elsewhere_is_replaced_as_soon_as_it_is_free(
    write: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, refusals = os.replace, []

    def busy(source: str, target: str) -> None:
        if len(refusals) < 2:
            refusals.append(target)
            raise PermissionError(errno.EACCES, "The process cannot access the file", str(source))
        replace(source, target)

    monkeypatch.setattr(os, "replace", busy)
    assert write().exists()
    assert len(refusals) == 2


def test_a_file_that_stays_open_elsewhere_is_one_sentence(
    write: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(source: str, target: str) -> None:
        raise PermissionError(errno.EACCES, "The process cannot access the file", str(source))

    monkeypatch.setattr(os, "replace", busy)
    monkeypatch.setattr(atomic, "WAITS_S", (0.01,))
    with pytest.raises(InputError, match="another program holds it") as caught:
        write()
    assert caught.value.hint == "Close it there, or choose another name."
    assert {entry.name for entry in tmp_path.iterdir()} <= {"scene.tif"}


def test_what_failed_leaves_the_older_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_arrays(path, "model", {"a": np.ones(3)}, {})

    def fail() -> None:
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert load_arrays(path, "model")[0]["a"].tolist() == [1, 1, 1]
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.safetensors"]


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space"), MachineError, "the disk is full"),
        (OSError(errno.EDQUOT, "Quota"), MachineError, "the disk is full"),
        (OSError(errno.EIO, "Input/output error"), MachineError, "Input/output error"),
        (OSError(errno.EROFS, "Read-only", "{temporary}"), InputError, "is read-only"),
        (PermissionError(errno.EACCES, "No", "{temporary}"), InputError, "another program holds"),
        (FileNotFoundError(errno.ENOENT, "No such file", "input"), FileNotFoundError, "input"),
        (OSError("a raster that cannot be read"), OSError, "that cannot be read"),
    ],
)
def test_failures_of_the_output_are_sentences_and_those_of_the_input_stay_theirs(
    tmp_path: Path, error: OSError, kind: type[Exception], sentence: str
) -> None:
    path = tmp_path / "out.bin"

    def fail() -> None:
        with atomic_path(path) as temporary:
            if error.filename == "{temporary}":
                error.filename = str(temporary)
            raise error

    with pytest.raises(kind, match=sentence) as caught:
        fail()
    assert type(caught.value) is kind
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_and_a_name_that_is_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'a' cannot be written: there is no folder '.*gone'"):
        write_whole(tmp_path / "gone" / "a", "a")
    (tmp_path / "taken").mkdir()
    with pytest.raises(InputError, match=r"'.*taken' is a folder"):
        write_whole(tmp_path / "taken", "a")
