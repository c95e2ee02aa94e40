"""A plugin that is reloaded leaves nothing of its jobs behind."""

from __future__ import annotations

import gc
from collections import Counter
from unittest import mock

from qgis.PyQt.QtCore import QCoreApplication, QEvent
from qgis.PyQt.QtTest import QTest

import mtmsd_qgis
from mtmsd_qgis.jobs import runs

BUSY = """
    say(type="hello", version="1")
    sys.stdin.readline()
    say(type="error", code="canceled", message="Canceled.")
"""


def left() -> Counter:
    gc.collect()
    kinds = (runs.Run, runs._Work, runs._Feedback)
    return Counter(type(x).__name__ for x in gc.get_objects() if isinstance(x, kinds))


def test_three_reloads_while_a_job_runs_leave_no_run_behind(
    qgis_iface, qgis_processing, child_is_engine, scene, tmp_path
):
    child_is_engine(BUSY)
    parameters = {"INPUT": str(scene), "OUTPUT": str(tmp_path / "model.safetensors")}
    before = left()
    for _ in range(3):
        with mock.patch.multiple(  # stand-ins keep what they were called with
            qgis_iface,
            registerApplicationExitBlocker=lambda _: None,
            unregisterApplicationExitBlocker=lambda _: None,
        ):
            plugin = mtmsd_qgis.classFactory(qgis_iface)
            plugin.initGui()
            assert plugin.provider.engine.state(wait=5).status == "ready"
            run = runs.Run("mtmsd:pretrain", parameters, "Job", plugin.dock.pretraining)
            plugin.dock.running.watch(run)
            greeted = []
            run.told.connect(greeted.append)
            run.start()
            while not greeted:
                QTest.qWait(20)
            del run
            plugin.unload()
            del plugin
            QCoreApplication.sendPostedEvents(None, int(QEvent.Type.DeferredDelete))
    for _ in range(100):
        QTest.qWait(100)
        if left() == before:
            break
    assert left() == before
