"""Mapping by several processes: the same bytes, whoever maps, whoever dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from mtmsd.cli.main import main
from mtmsd.jobs.work import work_folder
from mtmsd.mapping import cluster, mapper
from mtmsd.mapping.block_store import BlockStore
from mtmsd.reporting import Reporter
from running import end, messages, start, wait_for

pytest.importorskip("distributed")
from distributed import Client
from mtmsd.mapping.local_cluster import LocalWorkers, cards_for

SMALL = "import mtmsd.mapping.mapper as m; m.BLOCK = 8"
"""Blocks of 8 pixels, so that a scene of 40 × 48 px has thirty."""


@pytest.fixture
def block_of_8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapper, "BLOCK", 8)


def files_of(folder: Path) -> dict[str, bytes]:
    names = ("map.tif", "confidence.tif", "map.tif.aux.xml")
    return {name: (folder / name).read_bytes() for name in names}


def words_for(trained: Path, folder: Path, *options: str) -> list[str]:
    """Arguments that map the scene into a folder; ``main`` or a process takes them."""
    folder.mkdir(exist_ok=True)
    return ["classify", str(trained / "scene.tif"), "-o", str(folder / "map.tif"),
            "--classifier", str(trained / "classifier.safetensors"),
            "--confidence", str(folder / "confidence.tif"), *options]  # fmt: skip


@pytest.fixture
def alone(trained: Path, tmp_path: Path, block_of_8: None) -> dict[str, bytes]:
    """The files that one process writes."""
    assert main(words_for(trained, tmp_path / "alone")) == 0
    return files_of(tmp_path / "alone")


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler of its own, and two workers without nannies."""
    address = tmp_path / "scheduler.json"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL,
                             "cwd": tmp_path}  # fmt: skip
    base = [sys.executable, "-c", "from dask.__main__ import main; main()"]
    started = [subprocess.Popen([*base, "scheduler", "--port", "0", "--no-dashboard",
                                 "--scheduler-file", str(address)], **quiet)]  # fmt: skip
    wait_for(address.is_file)
    for _ in range(2):
        worker = [*base, "worker", "--scheduler-file", str(address), "--no-nanny", "--nthreads",
                  "1", "--no-dashboard"]  # fmt: skip
        started.append(subprocess.Popen(worker, **quiet))
    yield json.loads(address.read_text())["address"], started[1:]
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_several_workers_write_the_same_bytes(
    trained: Path, tmp_path: Path, alone: dict[str, bytes]
):
    assert main(words_for(trained, tmp_path / "w", "--workers", "2")) == 0
    assert files_of(tmp_path / "w") == alone
    assert not (tmp_path / "w" / "map.tif.work").exists()


@pytest.mark.slow
def test_a_killed_worker_changes_nothing(
    trained: Path,
    tmp_path: Path,
    alone: dict[str, bytes],
    scheduler: tuple[str, list[subprocess.Popen[bytes]]],
    monkeypatch: pytest.MonkeyPatch,
):
    address, workers = scheduler
    written = BlockStore.write
    count = 0

    def write(self: BlockStore, *arguments: Any) -> None:
        nonlocal count
        count += 1
        if count == 3:
            workers[0].send_signal(signal.SIGKILL)
            workers[0].wait()
        written(self, *arguments)

    monkeypatch.setattr(BlockStore, "write", write)
    assert main(words_for(trained, tmp_path / "w", "--scheduler", address)) == 0
    assert count == 30
    assert workers[1].poll() is None
    assert files_of(tmp_path / "w") == alone


@pytest.mark.slow
def test_canceled_it_keeps_its_blocks_and_one_process_goes_on(
    trained: Path, tmp_path: Path, alone: dict[str, bytes]
):
    out = tmp_path / "w"
    script = f"{SMALL}; from mtmsd.cli.main import main; import sys; sys.exit(main(sys.argv[1:]))"
    words = words_for(trained, out, "--workers", "1", "--json")
    process = subprocess.Popen([sys.executable, "-c", script, *words], stdout=subprocess.PIPE,
                               stdin=subprocess.PIPE)  # fmt: skip
    blocks = out / "map.tif.work"
    wait_for(lambda: len(list(blocks.glob("blocks-*/*.safetensors"))) > 2)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    text, _ = process.communicate(timeout=60)
    last = messages(text.decode())[-1]
    if process.returncode == 0:
        pytest.skip("it was done before the cancel came")
    assert (process.returncode, last["code"]) == (3, "canceled")
    wait_for(lambda: not any(c.is_running() and c.status() != "zombie" for c in children), 30)
    kept = len(list(blocks.glob("blocks-*/*.safetensors")))
    assert kept > 2
    assert main(words_for(trained, out, "--resume")) == 0
    assert files_of(out) == alone


def test_a_worker_of_another_version_is_refused_by_name(
    trained: Path,
    tmp_path: Path,
    scheduler: tuple[str, list[subprocess.Popen[bytes]]],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    class Newer(cluster.BlockJob):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, version="99.1")

    monkeypatch.setattr(cluster, "BlockJob", Newer)
    monkeypatch.setattr(cluster, "REACHED_WITHIN_S", 100)
    assert main(words_for(trained, tmp_path / "w", "--scheduler", scheduler[0])) == 4
    said = " ".join(capfd.readouterr().err.split())
    assert "has mtmsd 0.1.0, and 99.1 is needed" in said
    assert "The worker tcp://" in said
    assert not (tmp_path / "w" / "map.tif").exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
@pytest.mark.parametrize(("there", "said"), [(b"", "has no file"), (b"x", "has another file")])
def test_a_worker_without_the_file_is_refused_by_name(
    trained: Path,
    tmp_path: Path,
    scheduler: tuple[str, list[subprocess.Popen[bytes]]],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    there: bytes,
    said: str,
):
    if there:
        (tmp_path / "scene.tif").write_bytes(there)
    monkeypatch.chdir(trained)  # so that one name means two files, as on two machines
    words = words_for(trained, tmp_path / "w", "--scheduler", scheduler[0])
    words[1] = "/proc/self/cwd/scene.tif"
    assert main(words) == 4
    heard = " ".join(capfd.readouterr().err.split())
    for word in ("The worker tcp://", "; it is not used.", "No worker can map this scene: tcp://"):
        assert word in heard
    assert f"{said} /proc/self/cwd/scene.tif" in heard
    assert not (tmp_path / "w" / "map.tif").exists()


@pytest.mark.slow
def test_a_block_that_kills_its_workers_is_named_after_three(
    trained: Path,
    tmp_path: Path,
    block_of_8: None,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    noted = str(tmp_path / "deaths")

    def deadly(job: cluster.BlockJob, window: Any) -> Any:
        """Travel as code, and end the worker's process at one of the blocks."""
        if tuple(window)[:2] == (8, 16):
            with open(noted, "a") as file:
                file.write("x")
            os._exit(9)
        from mtmsd.mapping.cluster import map_block  # the worker's own

        return map_block(job, window)

    monkeypatch.setattr(cluster, "map_block", deadly)
    assert main(words_for(trained, tmp_path / "w", "--workers", "2")) == 4
    said = " ".join(capfd.readouterr().err.split())
    assert "Workers died 3 times on the block of 8×8 pixels at row 8, column 16." in said
    assert Path(noted).read_text() == "xxx"
    kept = list((tmp_path / "w" / "map.tif.work").glob("blocks-*/*.safetensors"))
    assert kept, "finished blocks are kept"
    assert not (tmp_path / "w" / "map.tif").exists()


@pytest.mark.parametrize(
    ("device", "visible", "cards"),
    [("auto", "0,1", ["0", "1"]), ("cuda", " GPU-a , GPU-b", ["GPU-a", "GPU-b"]),
     ("auto", "", []), ("cpu", "0,1", []), ("cuda:1", "0,1", []), ("mps", "0", [])],
)  # fmt: skip
def test_only_the_cards_that_may_be_seen_are_shared_out(
    monkeypatch: pytest.MonkeyPatch, device: str, visible: str, cards: list[str]
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert cards_for(device) == cards


def test_each_worker_sees_one_card_and_its_share_of_the_threads():
    with LocalWorkers(3, threads=6, cards=["4", "GPU-b"]) as workers, Client(workers) as client:
        client.wait_for_workers(3)
        names = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")
        seen = client.run(lambda: tuple(os.environ.get(name) for name in names))
    assert sorted(seen.values()) == [("4", "2"), ("4", "2"), ("GPU-b", "2")]


def test_a_scheduler_out_of_reach_is_said_with_the_time(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
):
    monkeypatch.setattr(cluster, "REACHED_WITHIN_S", 1)
    assert main(words_for(trained, tmp_path / "w", "--scheduler", "tcp://127.0.0.1:9")) == 4
    said = " ".join(capfd.readouterr().err.split())
    assert "The scheduler tcp://127.0.0.1:9 was not reached within 1 s" in said


def test_without_the_package_it_is_said_how_to_get_it(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
):
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    assert main(words_for(trained, tmp_path / "w", "--workers", "2")) == 4
    assert "mtmsd[cluster]" in capfd.readouterr().err


def test_a_second_client_on_the_same_output_is_refused(trained: Path, tmp_path: Path):
    words = words_for(trained, tmp_path / "w", "--workers", "1", "--json")
    with work_folder(tmp_path / "w" / "map.tif", False, Reporter()):
        status, out, _ = end(start(*words))
    assert status == 1
    assert str(os.getpid()) in messages(out)[-1]["message"]
