"""Two who want one folder at once: one gets it; what a killed one left is taken away."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import shapely
from mtmsd.assess.report import write_whole
from mtmsd.errors import InputError
from mtmsd.jobs.claim import claimed
from mtmsd.postprocess.layers import LayerWriter

ROUNDS = 50
RACER = """
import sys
from pathlib import Path
from mtmsd.errors import InputError
from mtmsd.jobs.claim import claimed

for line in sys.stdin:
    folder = Path(line.strip())
    print("ready", flush=True)
    while not (folder / "go").exists():
        pass
    try:
        with claimed(folder, "the job"):
            print("mine", flush=True)
    except InputError as error:
        print(error, flush=True)
"""


def test_of_two_processes_that_claim_at_once_one_gets_the_folder(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    try:
        for number in range(ROUNDS):
            folder = tmp_path / str(number)
            folder.mkdir()
            for racer in racers:
                racer.stdin.write(f"{folder}\n")
                racer.stdin.flush()
            assert [racer.stdout.readline() for racer in racers] == ["ready\n"] * 2
            (folder / "go").touch()
            said = [racer.stdout.readline().strip() for racer in racers]
            assert said.count("mine") == 1, f"round {number}: {said}"
            holder = racers[said.index("mine")].pid
            assert any(text.startswith(f"Process {holder} is working on the job") for text in said)
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()


def claim_of(folder: Path, **note: object) -> Path:
    """Write a claim as another computer or another time has left it."""
    file = folder / "pid.json"
    file.write_text(json.dumps({"pid": 4711, "created": 1.0, **note}))
    return file


def test_a_claim_by_a_host_that_is_gone_says_how_old_it_is_and_how_to_release_it(
    tmp_path: Path,
) -> None:
    file = claim_of(tmp_path, host="server2")
    for seconds, age in ((0, "less than a minute"), (180, "3 minutes"), (260_000, "3 days")):
        then = time.time() - seconds
        os.utime(file, (then, then))
        with pytest.raises(InputError) as caught, claimed(tmp_path, "/data/map.tif"):
            pass
        assert caught.value.message == (
            f"Process 4711 on the computer 'server2' claimed /data/map.tif {age} ago and has not "
            "ended it since."
        )
        assert f"delete {file} to release the claim" in caught.value.hint
    file.unlink()
    with claimed(tmp_path, "/data/map.tif"):
        assert json.loads(file.read_text())["host"] == socket.gethostname()


def test_a_claim_of_another_host_that_has_ended_is_free(tmp_path: Path) -> None:
    with claimed(tmp_path, "the job"):
        assert "ended" not in json.loads((tmp_path / "pid.json").read_text())
    note = json.loads((tmp_path / "pid.json").read_text())
    assert note["pid"] == os.getpid()
    assert note["ended"] == pytest.approx(time.time(), abs=60)
    claim_of(tmp_path, host="server2", ended=5.0)
    with claimed(tmp_path, "the job"):
        pass


@pytest.mark.parametrize("later", [0, 100])
def test_a_process_is_known_by_its_number_and_its_start(tmp_path: Path, later: float) -> None:
    """The number of a process that has gone may be given again."""
    other = subprocess.Popen(["sleep", "60"])
    created = psutil.Process(other.pid).create_time() - later
    claim_of(tmp_path, pid=other.pid, created=created, host=socket.gethostname())
    try:
        if later:
            with claimed(tmp_path, "the job"):
                pass
        else:
            held = pytest.raises(InputError, match=f"Process {other.pid} is working on the job")
            with held, claimed(tmp_path, "the job"):
                pass
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"pid": "x"}', '{"pid": null}', "\x00"])
def test_a_claim_that_cannot_be_read_holds_nobody_up(tmp_path: Path, note: str) -> None:
    (tmp_path / "pid.json").write_text(note)
    with claimed(tmp_path, "the job"):
        assert json.loads((tmp_path / "pid.json").read_text())["pid"] == os.getpid()


KILLED = """
import os, sys
from pathlib import Path
import numpy as np, shapely
from mtmsd.postprocess.layers import LayerWriter
from mtmsd.assess import report

folder = Path(sys.argv[1])
report.Path.replace = lambda *_: os._exit(9)
if sys.argv[2] == "report":
    report.write_whole(folder / "report.html", "half")
with LayerWriter.open(folder / "regions.gpkg", None, "Point") as writer:
    writer.write(shapely.points([[0, 0]]), rank=np.array([1]))
    os._exit(9)
"""


@pytest.mark.slow
def test_the_next_run_takes_away_what_a_killed_one_left(tmp_path: Path) -> None:
    for what in ("report", "regions"):
        done = subprocess.run([sys.executable, "-c", KILLED, tmp_path, what], check=False)
        assert done.returncode == 9
    left = sorted(path.name for path in tmp_path.iterdir())
    assert any(name.startswith(".report.html.") for name in left)
    assert any(name.startswith(".regions.gpkg.") for name in left)
    write_whole(tmp_path / "report.html", "whole")
    with LayerWriter.open(tmp_path / "regions.gpkg", None, "Point") as writer:
        writer.write(shapely.points([[0, 0], [1, 1]]), rank=np.array([1, 2]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["regions.gpkg", "report.html"]
    assert (tmp_path / "report.html").read_text() == "whole"
