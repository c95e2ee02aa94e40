"""What runs now, always in sight at the foot of the dock, with its cancel button."""

from __future__ import annotations

from qgis.PyQt.QtWidgets import QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from ....common.plural import warnings_text
from ....jobs.attached_job import Attached
from ....jobs.running_jobs import RunningJobs
from ....jobs.runs import Run
from ...widgets.section import AMBER, row


class JobStrip(QWidget):
    """One line per running job: title, progress, Cancel."""

    def __init__(self, running: RunningJobs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("mtmsdJobStrip")
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(8, 2, 8, 4)
        self._layout.setSpacing(4)
        self._lines: dict[Run | Attached, _Line] = {}
        running.added.connect(self._add)
        running.removed.connect(self._remove)
        self.hide()

    def _add(self, run: Run | Attached) -> None:
        self._lines[run] = _Line(run, self)
        self._layout.addWidget(self._lines[run])
        self._share_out_key()
        self.show()

    def _remove(self, run: Run | Attached) -> None:
        line = self._lines.pop(run)
        self._layout.removeWidget(line)
        line.hide()
        line.deleteLater()
        self._share_out_key()
        self.setVisible(bool(self._lines))

    def _share_out_key(self) -> None:
        """Let Alt+C cancel the uppermost job: a key of several buttons presses none."""
        for index, line in enumerate(self._lines.values()):
            line.set_key(index == 0)


class _Line(QWidget):
    def __init__(self, run: Run | Attached, parent: QWidget) -> None:
        super().__init__(parent)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        self._run = run
        self._title = QLabel(run.title)
        self._title.setObjectName("mtmsdJobTitle")
        self._title.setWordWrap(True)
        self._bar = QProgressBar()
        self._bar.setObjectName("mtmsdJobProgress")
        self._bar.setRange(0, 0)
        self._bar.setMaximumHeight(16)
        self._bar.setToolTip(run.title)
        self._warned = QLabel()
        self._warned.setObjectName("mtmsdJobWarnings")
        self._warned.setStyleSheet(f"color: {AMBER}; font-weight: bold")
        self._warned.hide()
        self._cancel = QPushButton()
        self._cancel.setObjectName("mtmsdCancel")
        self._cancel.setToolTip(self.tr("Stop this job; what it learned up to now is kept"))
        self._cancel.clicked.connect(self._stop)
        layout.addWidget(self._title)
        layout.addWidget(self._warned)
        layout.addLayout(row(self._bar, self._cancel, stretch=0))
        run.progressed.connect(self._progress)
        run.titled.connect(self._phase)
        run.warned.connect(self._warn)

    def set_key(self, has_key: bool) -> None:
        """Give the button its mnemonic, or take it away."""
        self._cancel.setText(self.tr("&Cancel") if has_key else self.tr("Cancel"))

    def _progress(self, percent: float) -> None:
        self._bar.setRange(0, 100)
        self._bar.setValue(round(percent))

    def _phase(self, title: str) -> None:
        self._title.setText(f"{self._run.title} – {title}" if title else self._run.title)

    def _warn(self, warnings: tuple[str, ...]) -> None:
        self._warned.setText(warnings_text(len(warnings)))
        self._warned.setToolTip("\n".join(warnings))
        self._warned.show()

    def _stop(self) -> None:
        self._cancel.setEnabled(False)
        self._title.setText(self.tr("{} – stopping…").format(self._run.title))
        self._run.cancel()
