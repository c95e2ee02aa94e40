"""QGIS's own batch dialog, as it is: rows with reports end, and hold no thread afterwards."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import write_raster
from processing.core.ProcessingResults import resultsList
from processing.gui.BatchAlgorithmDialog import BatchAlgorithmDialog
from qgis.core import (
    QgsApplication,
    QgsProcessingContext,
    QgsProject,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QCoreApplication, QEvent, QRunnable, QThreadPool
from qgis.PyQt.QtTest import QTest

from mtmsd_qgis.common.background import Background

ASSESSED = """
    from pathlib import Path
    job = json.loads((Path(sys.argv[-1]) / "job.json").read_text())
    Path(job["arguments"]["output"]).write_text("<html>a report</html>")
    say(type="hello", version="1")
    say(type="done", results={"accuracy": {}, "overall_accuracy": 0.9})
"""


def wait(condition, seconds: float = 30.0):
    stop = time.monotonic() + seconds
    while not condition() and time.monotonic() < stop:
        QTest.qWait(20)
    return condition()


@pytest.fixture
def raised(monkeypatch):
    """What was raised in slots: QGIS shows it and goes on with the slot's rest undone."""
    kept = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: kept.append((error, trace)))
    return kept


@pytest.fixture
def rows(child_is_engine, provider, processing, polygons, tmp_path):
    """QGIS's batch dialog for two assessments with reports, not yet run."""
    child_is_engine(ASSESSED)
    assert provider.engine.state(wait=5).status == "ready"
    labels = QgsVectorLayer(f"{polygons}|layername=training", "training")
    QgsProject.instance().addMapLayer(labels)
    given = str(write_raster(tmp_path / "map.tif", np.ones((1, 32, 40), "uint8")))
    dialog = BatchAlgorithmDialog(provider.algorithm("assess").create())
    panel, context = dialog.mainWidget(), QgsProcessingContext()
    context.setProject(QgsProject.instance())
    panel.addRow()
    reports = [tmp_path / f"report {number}.html" for number in range(2)]
    for number, report in enumerate(reports):
        values = {"MAP": given, "LABELS": labels.id(), "CLASS_FIELD": "class_id"}
        for name, value in values.items():
            wrapper = panel.wrappers[number][panel.parameter_to_column[name]]
            wrapper.setParameterValue(value, context)
        column = panel.parameter_to_column["OUTPUT"]
        panel.tblParameters.cellWidget(number + 1, column).setValue(str(report))
    dialog.show()
    yield dialog, reports
    dialog.close()
    dialog.deleteLater()
    QCoreApplication.sendPostedEvents(None, int(QEvent.Type.DeferredDelete))
    assert wait(lambda: QgsApplication.taskManager().count() == 0), "a task of the batch hangs"


def test_two_rows_with_a_report_end_and_leave_no_task_of_qgis_behind(rows, raised):
    dialog, reports = rows
    listed = len(resultsList.getResults())
    dialog.runButton().click()
    assert wait(lambda: raised or all(report.is_file() for report in reports))
    wait(lambda: raised or not dialog.cancelButton().isEnabled())
    assert [str(error) for error, _ in raised] == []
    assert wait(lambda: QgsApplication.taskManager().countActiveTasks() == 0, 5)
    assert not dialog.cancelButton().isEnabled(), "the dialog takes the batch for running"
    shown = [Path(result.filename) for result in resultsList.getResults()[listed:]]
    assert [path for path in shown if path in reports] == reports, "not in the Results Viewer"


def test_a_full_pool_of_qgis_does_not_hold_the_docks_work(qgis_app):
    class Stuck(QRunnable):
        def run(self) -> None:
            while not over:
                time.sleep(0.01)

    over: list[bool] = []
    pool = QThreadPool.globalInstance()
    for _ in range(pool.maxThreadCount()):
        pool.start(Stuck())
    answers = []
    try:
        Background(lambda: 6 * 7, lambda answer, error: answers.append((answer, error))).start()
        assert wait(lambda: answers, 5), "the answer waits for QGIS's threads"
        assert answers == [(42, None)]
    finally:
        over.append(True)
        pool.waitForDone(5000)
