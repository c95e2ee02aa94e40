"""Does QGIS's own Python leak into the engine."""

from __future__ import annotations

import os
from pathlib import Path

from mtmsd_qgis.engine.environment import child_environment

DANGEROUS = {
    "PYTHONHOME": "/opt/qgis", "PYTHONPATH": "/opt/qgis/python", "PYTHONEXECUTABLE": "x",
    "PYTHONUSERBASE": "x", "VIRTUAL_ENV": "x", "PIP_USER": "1", "PIP_TARGET": "x",
    "PIP_PREFIX": "x", "LD_LIBRARY_PATH": "/opt/qgis/lib", "LD_PRELOAD": "x.so",
    "DYLD_LIBRARY_PATH": "x", "DYLD_INSERT_LIBRARIES": "x", "GDAL_DATA": "x",
    "GDAL_DRIVER_PATH": "x", "PROJ_LIB": "x", "PROJ_DATA": "x", "QGIS_PREFIX_PATH": "x",
    "Proj_Lib": "x",
}  # fmt: skip
KEPT = {
    "HTTPS_PROXY": "http://proxy:3128", "no_proxy": "localhost", "PIP_INDEX_URL": "https://i/",
    "PATH": "/usr/bin", "HOME": "/home/me", "CUDA_VISIBLE_DEVICES": "1", "OMP_NUM_THREADS": "1",
}  # fmt: skip


def test_qgis_python_gdal_and_libraries_stay_outside_proxies_go_in():
    environ = {**DANGEROUS, **KEPT}
    before = dict(environ)
    assert child_environment(environ, Path("/plugin/core")) == {
        **KEPT,
        "PYTHONPATH": str(Path("/plugin/core")),
        "PYTHONIOENCODING": "utf-8",
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }
    assert environ == before


def test_starting_a_job_leaves_qgis_environment_as_it_was(child, monkeypatch, tmp_path):
    from mtmsd_qgis.engine.job import Job

    monkeypatch.setenv("PROJ_LIB", "/somewhere")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    before = dict(os.environ)
    python = child("import os; say(type='done', results=dict(os.environ))")
    job = Job.start(python, "info", {})
    seen = job.follow(lambda message: None, lambda: False).results
    assert dict(os.environ) == before
    assert "PROJ_LIB" not in seen
    assert seen["PYTHONPATH"] == str(tmp_path / "core")
