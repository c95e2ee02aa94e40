"""Memory is given back: what windows took does not add up."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are"
)

START = """
import sys
import numpy as np, psutil
from mtmsd.compute.memory import keep_no_large_arrays, return_freed_memory

def resident():
    return psutil.Process().memory_info().rss

given_back = sys.argv[1] == "given back"
"""

LARGE_ARRAYS = """
if given_back:
    keep_no_large_arrays()
np.ones(3_000_000)  # 24 MB; from now on glibc keeps arrays of this size
before, kept = resident(), []
for _ in range(4):
    window = np.ones(3_000_000)
    kept.append([bytes(2000) for _ in range(100)])  # lies behind the window, and stays
    del window
print(resident() - before)
"""

SMALL_ARRAYS = """
before = resident()
small = [np.ones(10_000) for _ in range(500)]  # 40 MB
last = np.ones(10_000)  # lies behind them, and stays
del small
if given_back:
    return_freed_memory()
print(resident() - before)
"""


@pytest.mark.parametrize("program", [LARGE_ARRAYS, SMALL_ARRAYS])
def test_freed_arrays_are_given_back(program: str) -> None:
    def left_after(how: str) -> int:
        command = [sys.executable, "-c", START + program, how]
        return int(subprocess.run(command, capture_output=True, check=True).stdout)

    assert left_after("given back") < 4e6
    assert left_after("as it is") > 20e6
