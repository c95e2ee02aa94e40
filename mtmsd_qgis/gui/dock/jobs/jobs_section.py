"""What runs and what ended; jobs of an earlier QGIS are taken up again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QEvent, QFileSystemWatcher, QObject, Qt, QTimer, QUrl
from qgis.PyQt.QtGui import QDesktopServices, QHideEvent, QShowEvent
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QHeaderView,
    QLabel,
    QMessageBox,
    QPlainTextEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ....common.background import Background
from ....common.folders import jobs_folder
from ....common.plural import warnings_text
from ....engine import job_states
from ....engine.job_states import CANCELED, FAILED, RUNNING
from ....engine.owner import OTHERS
from ....jobs.attached_job import Attached
from ....jobs.job_list import JobLine, JobList
from ....jobs.running_jobs import RunningJobs
from ...widgets.flow import Flow
from ...widgets.section import BUSY, DONE, TODO, WARNED, Section

LOOK_MS = 3000
"""Time between two looks at the job folders, while the table can be seen."""
ROW_HEIGHT = 22
SHOWN_JOBS = 6
"""More are scrolled to, so that what is below stays where it is."""
SETTLE_MS = 1500
"""A new job's folder is looked at when the engine has had the time to begin."""
ICONS = {
    RUNNING: "mActionPlay",
    job_states.DONE: "mIconSuccess",
    CANCELED: "mTaskCancel",
    FAILED: "mIconCritical",
}


class JobsSection(Section):
    """A table of job folders, the log, and cancel."""

    def __init__(self, running: RunningJobs, parent: QWidget) -> None:
        super().__init__("mtmsdJobs", parent, is_open=False)
        self.set_title(self.tr("8  Jobs"))
        self._running = running
        self._lines: list[JobLine] = []
        self._list = JobList()
        self._reading = self._is_stale = False
        self._attached: set[Path] = set()
        self._canceled: list[Attached] = []
        self._table = QTableWidget(0, 3)
        self._table.setObjectName("mtmsdJobTable")
        self._table.setHorizontalHeaderLabels(
            [self.tr("Job"), self.tr("Started"), self.tr("State")]
        )
        self._table.verticalHeader().hide()
        self._table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        header = self._table.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        self._table.setFixedHeight(header.sizeHint().height() + ROW_HEIGHT * SHOWN_JOBS + 4)
        self._table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self._table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self._table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self._table.setTabKeyNavigation(False)
        self._table.setToolTip(self.tr("The newest jobs; each has a folder with its log"))
        self._table.itemSelectionChanged.connect(self._refresh_buttons)
        self.rows.addWidget(self._table)
        self._table.installEventFilter(self)
        self._detail = QLabel()
        self._detail.setObjectName("mtmsdJobDetail")
        self._detail.setWordWrap(True)
        self._detail.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._log = QPushButton(self.tr("S&how Log…"))
        self._log.setObjectName("mtmsdLog")
        self._log.clicked.connect(self._show_log)
        self._folder = QPushButton(self.tr("&Job Folder"))
        self._folder.setObjectName("mtmsdJobFolder")
        self._folder.clicked.connect(self._open_folder)
        self._stop = QPushButton(self.tr("Cancel Job…"))
        self._stop.setObjectName("mtmsdJobCancel")
        self._stop.clicked.connect(self._cancel)
        self.rows.addLayout(Flow(self._log, self._folder, self._stop))
        self.rows.addWidget(self._detail)  # last, for it grows
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._look)
        self._settling = QTimer(self)
        self._settling.setSingleShot(True)
        self._settling.setInterval(SETTLE_MS)
        self._settling.timeout.connect(self.refresh)
        self._watcher = QFileSystemWatcher(self)
        self._watcher.directoryChanged.connect(self._settle)
        running.added.connect(self._settle)
        running.removed.connect(self._settle)
        self._refresh_buttons()

    def showEvent(self, event: QShowEvent) -> None:
        """Look at the job folders, and watch for new ones while the section can be seen."""
        super().showEvent(event)
        self.refresh()

    def hideEvent(self, event: QHideEvent) -> None:
        """Look at nothing any more."""
        super().hideEvent(event)
        self._settling.stop()
        if self._watcher.directories():
            self._watcher.removePaths(self._watcher.directories())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Look at the job folders again and again only while the table is shown."""
        if watched is self._table and event.type() == QEvent.Type.Show:
            self._timer.start()
        elif watched is self._table and event.type() == QEvent.Type.Hide:
            self._timer.stop()
        return super().eventFilter(watched, event)

    def _settle(self, *_: Any) -> None:
        if self.isVisible():
            self._settling.start()

    def _look(self) -> None:
        if not self._table.visibleRegion().isEmpty():  # else it is scrolled out of sight
            self.refresh()

    def refresh(self) -> None:
        """Look at the job folders again, in a thread; once more if it looks already."""
        self._is_stale = self._reading
        if not self._reading:
            self._reading = True
            Background(self._list.read, self._take, self).start()
        folder = str(jobs_folder())
        if self.isVisible() and folder not in self._watcher.directories():
            self._watcher.addPath(folder)  # False as long as there is none

    def _take(self, lines: Any, error: str | None) -> None:
        self._reading = False
        if self._is_stale:
            self.refresh()
        if error is not None:
            self.set_state(TODO, error)
            return
        self._attach(lines)
        self._say_state(lines)
        if lines == self._lines:
            return
        chosen = self._chosen()
        self._lines = lines
        self._table.setRowCount(len(lines))
        for index, line in enumerate(lines):
            started = time.strftime("%d.%m. %H:%M", time.localtime(line.started))
            command = line.title if line.status == RUNNING and line.who else line.command
            for column, text in enumerate((command, started, self._state_of(line))):
                item = QTableWidgetItem(text)
                item.setToolTip(_detail(line) or text)
                self._table.setItem(index, column, item)
            name = ICONS[line.status]
            if line.status == job_states.DONE and line.warnings:
                name = "mIconWarning"
            icon = QgsApplication.getThemeIcon(f"/{name}.svg")
            self._table.item(index, 0).setIcon(icon)
            if chosen is not None and line.folder == chosen.folder:
                self._table.selectRow(index)
        self._refresh_buttons()

    def _say_state(self, lines: list[JobLine]) -> None:
        running = sum(line.status == RUNNING for line in lines)
        if running:
            self.set_state(BUSY, self.tr("{} running").format(running))
        elif lines and lines[0].warnings:
            text = self.tr("None running; {ended} ended, the last with {warnings}")
            warnings = warnings_text(len(lines[0].warnings))
            self.set_state(WARNED, text.format(ended=len(lines), warnings=warnings))
        elif lines:
            self.set_state(DONE, self.tr("None running; {} ended").format(len(lines)))
        else:
            self.set_state(TODO, self.tr("No jobs yet."))

    def _state_of(self, line: JobLine) -> str:
        states = {
            RUNNING: self.tr("running"),
            job_states.DONE: self.tr("done"),
            CANCELED: self.tr("canceled"),
            FAILED: self.tr("failed"),
        }
        state = states[line.status]
        if line.status == FAILED and line.sentence:
            state = f"{state}: {line.sentence}"
        return f"{state}, {warnings_text(len(line.warnings))}" if line.warnings else state

    def _attach(self, lines: list[JobLine]) -> None:
        """Take up running jobs that no run of this QGIS watches; not those of another QGIS."""
        watched = {run.folder for run in self._running.runs} | self._attached
        for line in lines:
            mine = line.relation != OTHERS and not line.is_followed
            if line.status == RUNNING and mine and line.folder not in watched:
                self._attached.add(line.folder)
                self._running.watch(Attached(line.folder, line.title, self).start())

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
        runs = chosen is not None and chosen.status == RUNNING
        self._stop.setEnabled(runs)
        idle = self.tr("The job does not run any more.") if chosen else reason
        self._stop.setToolTip(self.tr("Stop this job") if runs else idle)
        self._detail.setText(_detail(chosen) if chosen is not None else "")
        self._detail.setVisible(bool(self._detail.text()))

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

    def _cancel(self) -> None:
        """Cancel the chosen job; another's only if the user says so once more."""
        chosen = self._chosen()
        for run in self._running.runs:
            if run.folder == chosen.folder and run.is_own:
                run.cancel()
                return
        if chosen.relation == OTHERS and not self._may_cancel(chosen):
            return
        run = Attached(chosen.folder, chosen.title, self).start()
        run.cancel_of_others()
        self._canceled.append(run)  # until it has ended
        run.ended.connect(lambda _: self._canceled.remove(run))
        run.ended.connect(self._settle)

    def _may_cancel(self, line: JobLine) -> bool:
        box = QMessageBox(self)
        box.setObjectName("mtmsdCancelOfOthers")
        box.setIcon(QMessageBox.Icon.Warning)
        box.setWindowTitle(self.tr("Job of Another QGIS"))
        box.setText(line.who)
        box.setInformativeText(self.tr("Whoever started it waits for its result."))
        cancel = box.addButton(self.tr("Cancel Their Job"), QMessageBox.ButtonRole.DestructiveRole)
        keep = box.addButton(self.tr("Let It Go On"), QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(keep)
        box.setEscapeButton(keep)
        box.exec()
        return box.clickedButton() is cancel

    def _open_folder(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._chosen().folder)))


def _detail(line: JobLine) -> str:
    """Return what there is to say of a job: whose it is, why it failed, its warnings."""
    return "\n".join(text for text in (line.who, line.sentence, *line.warnings) if text)


def _read_log(folder: Path, most: int = 200_000) -> str:
    parts = []
    for name in ("job.json", "log.txt", "messages.jsonl"):
        try:
            text = (folder / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        parts.append(f"— {name} —\n{text[-most:]}")
    return "\n\n".join(parts)
