"""What runs and what ended; jobs of an earlier QGIS are taken up again."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import Qt, QTimer, QUrl
from qgis.PyQt.QtGui import QDesktopServices
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QHeaderView,
    QPlainTextEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ....common.background import Background
from ....common.translation import tr
from ....engine.job_folders import is_running, job_folders
from ....jobs.attached_job import Attached
from ....jobs.running_jobs import RunningJobs
from ...widgets.section import BUSY, DONE, TODO, Section, row

SHOWN_JOBS = 12
RUNNING, ENDED, CANCELED, FAILED = "running", "done", "canceled", "failed"
ICONS = {
    RUNNING: "mActionPlay",
    ENDED: "mIconSuccess",
    CANCELED: "mTaskCancel",
    FAILED: "mIconWarning",
}


@dataclass(frozen=True)
class JobLine:
    """A job folder as the table shows it."""

    folder: Path
    command: str
    started: float
    status: str
    sentence: str


class JobsSection(Section):
    """A table of job folders, the log, and cancel."""

    def __init__(self, running: RunningJobs, parent: QWidget) -> None:
        super().__init__("mtmsdJobs", parent, is_open=False)
        self.set_title(self.tr("8  Jobs"))
        self._running = running
        self._lines: list[JobLine] = []
        self._reading = False
        self._attached: set[Path] = set()
        self._table = QTableWidget(0, 3)
        self._table.setObjectName("mtmsdJobTable")
        self._table.setHorizontalHeaderLabels(
            [self.tr("Job"), self.tr("Started"), self.tr("State")]
        )
        self._table.verticalHeader().hide()
        self._table.verticalHeader().setDefaultSectionSize(22)
        header = self._table.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        self._table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self._table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self._table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self._table.setTabKeyNavigation(False)
        self._table.setToolTip(self.tr("The newest jobs; each has a folder with its log"))
        self._table.itemSelectionChanged.connect(self._refresh_buttons)
        self.rows.addWidget(self._table)
        self._log = QPushButton(self.tr("S&how Log…"))
        self._log.setObjectName("mtmsdLog")
        self._log.clicked.connect(self._show_log)
        self._folder = QPushButton(self.tr("&Job Folder"))
        self._folder.setObjectName("mtmsdJobFolder")
        self._folder.clicked.connect(self._open_folder)
        self.rows.addLayout(row(self._log, self._folder))
        self._timer = QTimer(self)
        self._timer.setInterval(3000)
        self._timer.timeout.connect(self.refresh)
        self._timer.start()
        running.finished.connect(lambda *_: self.refresh())
        self._refresh_buttons()
        self.refresh()

    def refresh(self) -> None:
        """Look at the job folders again, in a thread."""
        if not self._reading:
            self._reading = True
            Background(_read_jobs, self._take, self).start()

    def _take(self, lines: Any, error: str | None) -> None:
        self._reading = False
        if error is not None:
            self.set_state(TODO, error)
            return
        self._attach(lines)
        running = sum(line.status == RUNNING for line in lines)
        if running:
            self.set_state(BUSY, self.tr("{} running").format(running))
        elif lines:
            self.set_state(DONE, self.tr("None running; {} ended").format(len(lines)))
        else:
            self.set_state(TODO, self.tr("No jobs yet."))
        if lines == self._lines:
            return
        chosen = self._chosen()
        self._lines = lines
        self._table.setRowCount(len(lines))
        states = {
            RUNNING: self.tr("running"),
            ENDED: self.tr("done"),
            CANCELED: self.tr("canceled"),
            FAILED: self.tr("failed"),
        }
        for index, line in enumerate(lines):
            started = time.strftime("%d.%m. %H:%M", time.localtime(line.started))
            state = states[line.status]
            if line.sentence and line.status == FAILED:
                state = f"{state}: {line.sentence}"
            for column, text in enumerate((line.command, started, state)):
                item = QTableWidgetItem(text)
                item.setToolTip(line.sentence or state)
                self._table.setItem(index, column, item)
            icon = QgsApplication.getThemeIcon(f"/{ICONS[line.status]}.svg")
            self._table.item(index, 0).setIcon(icon)
            if chosen is not None and line.folder == chosen.folder:
                self._table.selectRow(index)
        rows = min(max(len(lines), 1), 6)
        head = self._table.horizontalHeader().sizeHint().height()
        self._table.setFixedHeight(head + 22 * rows + 4)
        self._refresh_buttons()

    def _attach(self, lines: list[JobLine]) -> None:
        """Take up running jobs that no run of this QGIS watches."""
        own = {run.folder for run in self._running.runs}
        for line in lines:
            foreign = line.folder not in own and line.folder not in self._attached
            old = time.time() - line.started > 10  # a young one may be about to be known
            if line.status == RUNNING and foreign and old:
                self._attached.add(line.folder)
                title = self.tr("{} (started elsewhere)").format(line.command.capitalize())
                self._running.watch(Attached(line.folder, title, self).start())

    def _chosen(self) -> JobLine | None:
        index = self._table.currentRow()
        selected = self._table.selectionModel().hasSelection()
        return self._lines[index] if selected and 0 <= index < len(self._lines) else None

    def _refresh_buttons(self) -> None:
        chosen = self._chosen()
        reason = self.tr("Select a job.")
        self._log.setEnabled(chosen is not None)
        self._log.setToolTip(self.tr("Show what the job said") if chosen else reason)
        self._folder.setEnabled(chosen is not None)
        self._folder.setToolTip(self.tr("Open the job's folder") if chosen else reason)

    def _show_log(self) -> None:
        chosen = self._chosen()

        def done(text: Any, error: str | None) -> None:
            dialog = QDialog(self)
            dialog.setObjectName("mtmsdLogDialog")
            dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            dialog.setWindowTitle(self.tr("Log of {}").format(chosen.folder.name))
            view = QPlainTextEdit(error or text)
            view.setReadOnly(True)
            QVBoxLayout(dialog).addWidget(view)
            dialog.resize(700, 400)
            dialog.show()

        Background(lambda: _read_log(chosen.folder), done, self).start()

    def _open_folder(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._chosen().folder)))


def _read_jobs() -> list[JobLine]:
    return [_read_job(folder) for folder in job_folders()[:SHOWN_JOBS]]


def _read_job(folder: Path) -> JobLine:
    try:
        command = json.loads((folder / "job.json").read_text(encoding="utf-8"))["command"]
    except (OSError, ValueError, KeyError):
        command = "?"
    started = (folder / "job.json").stat().st_mtime
    last = _last_message(folder / "messages.jsonl")
    if last.get("type") == "done":
        return JobLine(folder, command, started, ENDED, "")
    if last.get("type") == "error":
        status = CANCELED if last.get("code") == "canceled" else FAILED
        sentence = f"{last.get('message', '')} {last.get('hint', '')}".strip()
        return JobLine(folder, command, started, status, sentence)
    if is_running(folder):
        return JobLine(folder, command, started, RUNNING, "")
    return JobLine(folder, command, started, FAILED, tr("The engine ended without a result."))


def _last_message(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 65536))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
        return dict(json.loads(lines[-1]))
    except (OSError, ValueError, IndexError):
        return {}


def _read_log(folder: Path, most: int = 200_000) -> str:
    parts = []
    for name in ("job.json", "log.txt", "messages.jsonl"):
        try:
            text = (folder / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        parts.append(f"— {name} —\n{text[-most:]}")
    return "\n\n".join(parts)
