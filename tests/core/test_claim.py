"""Two who want one folder at once: one gets it; what a killed one left is taken away."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import shapely
from mtmsd.assess.report import write_whole
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
