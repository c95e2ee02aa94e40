"""Reports in Processing's Results Viewer."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from qgis.core import QgsApplication
from qgis.PyQt.QtGui import QIcon


def list_report(path: str, description: str, icon: QIcon) -> None:
    """Show an HTML report in the Results Viewer, where there is one.

    QGIS does so itself for an output that is declared as HTML. But its batch dialog fails at
    each of them, up to 3.44 (``addResult() missing 'timestamp'``): then its task never ends and
    holds one of the threads that all tasks of QGIS share. So reports are declared as files.
    """
    if QgsApplication.platform() == "qgis_process" or not Path(path).is_file():
        return
    with contextlib.suppress(ImportError):  # Processing's own plugin may be disabled
        from processing.core.ProcessingResults import resultsList

        resultsList.addResult(
            icon=icon,
            name=f"{description} [{Path(path).name}]",
            timestamp=time.localtime(),
            result=path,
        )
