"""Runs inside QGIS: tells the test where things are on the screen. It presses nothing.

Started by ``qgis --code``; answers JSON lines on the local socket named in MTMSD_PROBE.
"""

import faulthandler
import gc
import json
import os
import sys
import threading
import time

from qgis.core import QgsApplication, QgsPointXY, QgsProject
from qgis.PyQt.QtCore import QPoint, QRect, QTimer
from qgis.PyQt.QtNetwork import QLocalServer
from qgis.PyQt.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QCheckBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSlider,
    QTableWidget,
    QToolButton,
    QWidget,
)
from qgis.utils import iface

SHOWN = (QAbstractButton, QLabel, QComboBox, QLineEdit, QProgressBar)
OPERATED = (QToolButton, QPushButton, QCheckBox, QComboBox, QSlider, QTableWidget)


class StallWatch:
    """Measures how long the dock's code holds the main thread at a stretch, from call to return.

    It runs in the main thread: looking at its frames from another one crashes Python 3.11.
    Python's full collections (40 ms in a QGIS with Processing, whoever's call they fall into)
    are counted apart from the computing time.
    """

    def __init__(self):
        self.outermost = None
        self.collecting = 0.0
        self.thread = threading.get_ident()
        self.reset()

    def collected(self, phase, _):
        if threading.get_ident() == self.thread:
            self.collecting += time.thread_time() * (1 if phase == "stop" else -1)

    def reset(self):
        self.worst, self.cpu, self.where = 0.0, 0.0, ""

    def start(self):
        gc.callbacks.append(self.collected)
        sys.setprofile(self.event)

    def stop(self):
        sys.setprofile(None)
        gc.callbacks.remove(self.collected)
        self.outermost = None

    def computed(self):
        return time.thread_time() - self.collecting

    def event(self, frame, event, _):
        if event == "call" and self.outermost is None:
            if "mtmsd_qgis" in frame.f_code.co_filename:
                self.outermost = frame
                self.since, self.begun = time.perf_counter(), self.computed()
        elif event == "return" and frame is self.outermost:
            self.outermost = None
            self.worst = max(self.worst, time.perf_counter() - self.since)
            cpu = self.computed() - self.begun
            if cpu > self.cpu:
                self.cpu, self.where = cpu, frame.f_code.co_qualname


class Probe:
    def __init__(self, path):
        self.worst = 0.0
        self.stalls = StallWatch()
        self.log = []
        QgsApplication.messageLog().messageReceived.connect(
            lambda text, tag, level: self.log.append(f"{tag}: {text}")
        )
        self.ticker = QTimer()
        self.ticker.setInterval(5)
        self.ticker.timeout.connect(self.tick)
        self.sockets = set()
        self.server = QLocalServer()
        QLocalServer.removeServer(path)
        self.server.newConnection.connect(self.connected)
        if not self.server.listen(path):
            raise RuntimeError(self.server.errorString())

    def tick(self):
        now = time.perf_counter()
        self.worst = max(self.worst, now - self.last)
        self.last = now

    def connected(self):
        socket = self.server.nextPendingConnection()
        self.sockets.add(socket)  # else the collector may take it, and a crash follows
        socket.readyRead.connect(lambda: self.answer(socket))
        socket.disconnected.connect(lambda: self.sockets.discard(socket))

    def answer(self, socket):
        while socket.canReadLine():
            question = json.loads(bytes(socket.readLine()))
            try:
                reply = getattr(self, "ask_" + question.pop("ask"))(**question)
            except Exception as error:
                reply = {"error": f"{type(error).__name__}: {error}"}
            socket.write(json.dumps(reply).encode() + b"\n")

    def ask_widget(self, name):
        widget = shown_or_first(every_widget(name))
        if widget is None:
            return None
        return {
            **rect(widget, widget.rect()),
            "visible": widget.isVisible(),
            "away": away(widget),
            "enabled": widget.isEnabled(),
            "tip": widget.toolTip(),
            "text": text(widget),
        }

    def ask_item(self, name, text):
        """Where an item of an open combo box, a table or a list is."""
        widget = iface.mainWindow().findChild(QWidget, name)
        view = widget.view() if isinstance(widget, QComboBox) else widget
        assert isinstance(view, QAbstractItemView)
        model = view.model()
        for row in range(model.rowCount(view.rootIndex())):
            for column in range(model.columnCount(view.rootIndex())):
                index = model.index(row, column, view.rootIndex())
                if text in str(index.data()):
                    view_rect = view.visualRect(index)
                    return {**rect(view.viewport(), view_rect), "text": str(index.data())}
        return None

    def ask_action(self, menu, text):
        """Where an entry of an open menu is."""
        for widget in QApplication.topLevelWidgets():
            if widget.objectName() == menu and widget.isVisible():
                for action in widget.actions():
                    if text in action.text():
                        return rect(widget, widget.actionGeometry(action))
        return None

    def ask_question(self):
        """The text of the message box in front."""
        box = QApplication.activeModalWidget()
        return box.text() if isinstance(box, QMessageBox) else None

    def ask_texts(self, name):
        """Every visible label's text inside a widget."""
        widget = iface.mainWindow().findChild(QWidget, name)
        return [c.text() for c in widget.findChildren(QLabel) if c.isVisible() and c.text()]

    def ask_table(self, name):
        """Every text of a table, row by row."""
        model = iface.mainWindow().findChild(QWidget, name).model()
        return [
            [str(model.index(row, column).data() or "") for column in range(model.columnCount())]
            for row in range(model.rowCount())
        ]

    def ask_cut(self, name):
        """Widgets inside one that do not fit: wider than what shows them, or their text cut."""
        found = []
        top = iface.mainWindow().findChild(QWidget, name)
        for child in top.findChildren(QWidget):
            parent = child.parentWidget()
            if not child.isVisible() or isinstance(parent, QAbstractItemView):
                continue
            if child.x() + child.width() > parent.width() + 1 and isinstance(child, SHOWN):
                found.append(f"{child.objectName()} reaches out of {parent.objectName()}")
            if isinstance(child, (QAbstractButton, QLabel)) and text(child):
                wraps = isinstance(child, QLabel) and child.wordWrap()
                if not wraps and child.minimumSizeHint().width() > child.width() + 1:
                    found.append(f"'{text(child)}' is cut")
        return found

    def ask_bare(self, name):
        """Widgets that the user can operate, without a tooltip or an object name."""
        top = iface.mainWindow().findChild(QWidget, name)
        parts = [c for c in top.findChildren(QWidget) if isinstance(c, OPERATED)]
        return [
            f"{type(c).__name__} {c.objectName()} {text(c)}"
            for c in parts
            if (not c.toolTip() or not c.objectName()) and c.objectName() != "collapseButton"
        ]

    def ask_layers(self):
        tree = QgsProject.instance().layerTreeRoot()
        out = []
        for layer in tree.layerOrder():
            renderer = layer.renderer() if hasattr(layer, "renderer") else None
            classes = []
            if renderer is not None and renderer.type() == "paletted":
                classes = [[c.value, c.label, c.color.name()] for c in renderer.classes()]
            out.append(
                {
                    "id": layer.id(),
                    "name": layer.name(),
                    "source": layer.source(),
                    "role": layer.customProperty("mtmsd/role"),
                    "renderer": renderer.type() if renderer is not None else None,
                    "classes": classes,
                    "features": layer.featureCount() if hasattr(layer, "featureCount") else None,
                    "opacity": layer.opacity(),
                    "visible": tree.findLayer(layer.id()).isVisible(),
                }
            )
        return out

    def ask_messages(self):
        items = iface.messageBar().items()
        return [item.text() for item in items]

    def ask_log(self):
        """What QGIS's message log got since the start."""
        return self.log[-40:]

    def ask_pixel(self, x, y):
        """Where a map coordinate is on the screen."""
        canvas = iface.mapCanvas()
        point = canvas.getCoordinateTransform().transform(QgsPointXY(x, y))
        at = canvas.viewport().mapToGlobal(QPoint(round(point.x()), round(point.y())))
        return {"x": at.x(), "y": at.y(), "w": 1, "h": 1}

    def ask_watch(self):
        """Begin to measure stalls."""
        self.worst, self.last = 0.0, time.perf_counter()
        self.ticker.start()
        self.stalls.reset()
        self.stalls.start()
        return True

    def ask_gap(self):
        """Longest stretches since the watch began, in s: that the event loop was busy with
        anything; that the dock's code held it, by the clock and in computing time; and where."""
        stalls = self.stalls
        stalls.stop()
        self.ticker.stop()
        return {"loop": self.worst, "dock": stalls.worst, "cpu": stalls.cpu, "where": stalls.where}

    def ask_focus(self):
        """The widget with the keyboard; none while the window itself has not got it."""
        widget = QApplication.focusWidget() if QApplication.activeWindow() else None
        return widget.objectName() if widget is not None else ""

    def ask_window(self, width, height, dock):
        """Lay the windows out; stands for the window manager that Xvfb lacks."""
        window = iface.mainWindow()
        window.setGeometry(0, 0, width, height)
        from qgis.PyQt.QtCore import Qt
        from qgis.PyQt.QtWidgets import QDockWidget

        widget = window.findChild(QDockWidget, "mtmsdDock")
        if widget is not None and dock:
            window.resizeDocks([widget], [dock], Qt.Orientation.Horizontal)
        return True


def rect(widget, local):
    top = widget.mapToGlobal(local.topLeft())
    return {"x": top.x(), "y": top.y(), "w": local.width(), "h": local.height()}


def every_widget(name):
    """Yield the widgets of a name, those of the main window first: the others take long to find."""
    yield from iface.mainWindow().findChildren(QWidget, name)
    windows = QApplication.topLevelWidgets()
    yield from (w for w in windows if w.objectName() == name)
    for window in windows:
        yield from window.findChildren(QWidget, name)


def shown_or_first(widgets):
    first = None
    for widget in widgets:
        if widget.isVisible():
            return widget
        first = widget if first is None else first
    return first


def away(widget):
    """How many pixels the scroll area must go down, or up, to bring the whole widget in sight."""
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QScrollArea):
        parent = parent.parentWidget()
    if parent is None:
        return 0
    view = parent.viewport()
    seen = QRect(view.mapToGlobal(QPoint(0, 0)), view.size())
    mine = QRect(widget.mapToGlobal(QPoint(0, 0)), widget.size())
    if mine.top() < seen.top():
        return mine.top() - seen.top()
    return max(0, mine.bottom() - seen.bottom())


def text(widget):
    if isinstance(widget, (QAbstractButton, QLabel, QLineEdit)):
        return widget.text()
    if isinstance(widget, QComboBox):
        return widget.currentText()
    if isinstance(widget, QProgressBar):
        return str(widget.value())
    return ""


faulthandler.enable()  # the Python side of a crash of QGIS, in its log
iface.mtmsd_probe = Probe(os.environ["MTMSD_PROBE"])
