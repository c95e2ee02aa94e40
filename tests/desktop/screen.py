"""A real QGIS window under Xvfb, with a mouse and a keyboard."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SHOTS = ROOT / "build" / "screenshots"
WHEEL_PIXELS = 60
"""How far a turn of the wheel moves the dock, or a little more."""


class Screen:
    """Starts Xvfb and QGIS; :meth:`close` ends both.

    Parameters
    ----------
    folder : Path
        For the profile, the socket and the log; nothing outside it is written.
    theme : str
        ``default`` or ``Night Mapping``.
    scale : float
        Qt's scale factor.
    size : tuple of int
        Pixels of the screen.
    language : str
        QGIS's own, such as ``de``.
    around : tuple of str
        A program that starts QGIS, such as ``unshare --net``.
    """

    def __init__(
        self,
        folder: Path,
        *files: Path,
        theme: str = "default",
        scale: float = 1.0,
        size: tuple[int, int] = (1400, 900),
        language: str = "en",
        environment: dict[str, str] | None = None,
        around: tuple[str, ...] = (),
    ) -> None:
        self.folder = folder
        self._around = around
        self._socket = str(folder / "probe")
        self._scale = scale
        self._size = size
        read, write = os.pipe()
        self._xvfb = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{size[0]}x{size[1]}x24",
             "-nolisten", "tcp"],
            pass_fds=[write], stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(write)
        with os.fdopen(read) as answer:
            self.display = f":{answer.readline().strip()}"
        self._environment = self._make_environment(theme, language, environment or {})
        self._log = (folder / "qgis.log").open("ab")
        try:
            self.qgis = self._start(files)
        except BaseException:
            self.close()
            raise

    def _make_environment(self, theme: str, language: str, extra: dict[str, str]) -> dict[str, str]:
        ini = self.folder / "profiles/profiles/default/QGIS/QGIS3.ini"
        ini.parent.mkdir(parents=True, exist_ok=True)
        ini.write_text(
            "[PythonPlugins]\nprocessing=true\nmtmsd_qgis=true\n"
            "[qgis]\ncheckVersion=false\naskToSaveProjectChanges=false\n"
            "[app]\naskToSaveMemoryLayers=false\n"  # so are files in the folder for temporary ones
            f"[UI]\nUITheme={theme}\n"
            f"[locale]\noverrideFlag=true\nuserLocale={language}\n"
            "[Projections]\nunknownCrsBehavior=NoAction\n",
            encoding="utf-8",
        )
        run = self.folder / "run"
        run.mkdir(mode=0o700, exist_ok=True)
        inherited = {
            k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYENV", "QT_"))
        }
        return {
            **inherited,
            # QGIS's embedded Python takes its home from the first python3 on the path
            "PATH": os.pathsep.join(["/usr/bin", "/bin", os.environ.get("PATH", "")]),
            "DISPLAY": self.display,
            "XDG_RUNTIME_DIR": str(run),
            "XDG_DATA_HOME": str(self.folder / "data"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "QGIS_PLUGINPATH": os.environ.get("MTMSD_BUILD", str(ROOT / "build")),
            "QT_SCALE_FACTOR": str(self._scale),
            "OMP_NUM_THREADS": "1",
            "MTMSD_PROBE": self._socket,
            **extra,
        }

    def _start(self, files: tuple[Path, ...]) -> subprocess.Popen[bytes]:
        profiles = str(self.folder / "profiles")
        command = [*self._around, "qgis", "--noversioncheck", "--nologo"]
        command += ["--profiles-path", profiles]
        command += ["--code", str(HERE / "probe.py"), *map(str, files)]
        process = subprocess.Popen(
            command, env=self._environment, stdout=self._log, stderr=self._log,
            start_new_session=True,
        )  # fmt: skip
        self.qgis = process
        self.wait(lambda: self._try("focus") is not None, 150, "QGIS does not start")
        self.layout()
        return process

    def restart(self, *files: Path) -> None:
        """End QGIS by a signal, as a crash would, and start it again with the same profile."""
        self.kill()
        self._start(files)

    def open_again(self, *files: Path) -> None:
        """Start QGIS again with the same profile, after it was closed."""
        assert self.qgis.poll() is not None, "QGIS still runs"
        self._start(files)

    def engines(self) -> list[int]:
        """Process ids of all engines that were started, the newest first."""
        notes = sorted(self.folder.rglob("pid.json"), key=lambda p: p.stat().st_mtime, reverse=True)
        return [int(json.loads(note.read_text())["pid"]) for note in notes]

    def kill(self) -> None:
        """End QGIS at once."""
        if self.qgis.poll() is None:
            os.killpg(self.qgis.pid, signal.SIGKILL)
            self.qgis.wait(60)

    def close(self) -> None:
        """End QGIS, the engines that outlive it, and the screen."""
        self.kill()
        for pid in self.engines():
            if is_alive(pid):
                os.killpg(pid, signal.SIGKILL)
        self._xvfb.terminate()
        self._xvfb.wait(60)
        self._log.close()

    def layout(self, dock: int = 0) -> None:
        """Give the main window the whole screen, and the dock a width."""
        width, height = (round(side / self._scale) for side in self._size)
        self.ask("window", width=width, height=height, dock=dock)
        time.sleep(0.3)

    # asking

    def ask(self, question: str, **more: Any) -> Any:
        """Ask the probe inside QGIS."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(20)
            link.connect(self._socket)
            link.sendall(json.dumps({"ask": question, **more}).encode() + b"\n")
            data = b""
            while not data.endswith(b"\n"):
                part = link.recv(65536)
                if not part:
                    raise ConnectionError("QGIS closed the probe")
                data += part
        answer = json.loads(data)
        if isinstance(answer, dict) and "error" in answer:
            raise AssertionError(answer["error"])
        return answer

    def _try(self, question: str) -> Any:
        if self.qgis.poll() is not None:
            raise AssertionError(f"QGIS ended with {self.qgis.returncode}:\n{self.log_tail()}")
        try:
            return self.ask(question)
        except (OSError, ConnectionError):
            return None

    def log_tail(self) -> str:
        """The end of what QGIS wrote to its terminal."""
        return (self.folder / "qgis.log").read_text(errors="replace")[-3000:]

    def wait(self, condition: Any, seconds: float, what: str, *, picture: bool = True) -> Any:
        """Wait until the condition is truthy, and return it; take a picture if it never is."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            answer = condition()
            if answer:
                return answer
            time.sleep(0.15)
        if picture:
            self.shot("timeout")
        raise AssertionError(f"{what} (after {seconds:g} s)")

    def text(self, name: str) -> str:
        """The text of a widget."""
        found = self.ask("widget", name=name)
        return found["text"] if found else ""

    def wait_text(self, name: str, pattern: str, seconds: float) -> str:
        """Wait until a widget's text matches."""
        try:
            self.wait(lambda: re.search(pattern, self.text(name)), seconds, "")
        except AssertionError:
            said = self.ask("messages")
            raise AssertionError(
                f"{name} says '{self.text(name)}', not '{pattern}', after {seconds:g} s; "
                f"message bar: {said}"
            ) from None
        return self.text(name)

    # mouse and keyboard

    def _xdotool(self, *words: Any) -> None:
        subprocess.run(["xdotool", *map(str, words)], env=self._environment, check=True, timeout=20)

    def _middle(self, place: dict[str, Any]) -> tuple[int, int]:
        x, y = place["x"] + place["w"] / 2, place["y"] + place["h"] / 2
        return round(x * self._scale), round(y * self._scale)

    def place(self, name: str) -> dict[str, Any]:
        """Where a widget is, after the wheel has brought it into sight."""
        for _ in range(60):
            found = self.ask("widget", name=name)
            assert found is not None, f"there is no widget {name}"
            assert found["visible"], f"{name} is hidden"
            away = found["away"]
            if not away:
                return found
            area = self.ask("widget", name="mtmsdScroll")
            y = self._middle(area)[1]
            edge = round((area["x"] + area["w"] - 3) * self._scale)  # no combo box takes the wheel
            turns = ["--repeat", max(1, abs(away) // WHEEL_PIXELS), "--delay", 10]
            self._xdotool("mousemove", edge, y, "click", *turns, 5 if away > 0 else 4)
            time.sleep(0.1)
        return found

    def click(self, name: str) -> None:
        """Press a widget that is shown and enabled."""
        found = self.place(name)
        assert found["enabled"], f"{name} is disabled: {found['tip']}"
        self.click_at(*self._middle(found))

    def click_at(self, x: int, y: int, button: int = 1) -> None:
        """Press the mouse at a place of the screen."""
        self._xdotool("mousemove", x, y)
        time.sleep(0.08)
        self._xdotool("click", button)
        time.sleep(0.15)

    def double_click_at(self, x: int, y: int) -> None:
        """Press the mouse twice at a place of the screen, as fast as a hand does."""
        self._xdotool("mousemove", x, y)
        time.sleep(0.08)
        self._xdotool("click", "--repeat", 2, "--delay", 90, 1)
        time.sleep(0.3)

    def choose(self, name: str, text: str) -> None:
        """Open a combo box and press the item that holds the text."""
        self.click(name)
        time.sleep(0.3)
        item = self.ask("item", name=name, text=text)
        assert item is not None, f"{name} has no item '{text}'"
        self.click_at(*self._middle(item))

    def click_item(self, name: str, text: str, key: str = "") -> None:
        """Press a cell of a table, perhaps while a key is held."""
        self.place(name)
        item = self.ask("item", name=name, text=text)
        assert item is not None, f"{name} has no '{text}'"
        if key:
            self._xdotool("keydown", key)
        self.click_at(*self._middle(item))
        if key:
            self._xdotool("keyup", key)

    def type_path(self, path: Path) -> None:
        """Type a path into an open file dialog, again where a busy machine lost keys."""
        self.wait(lambda: self.ask("focus") == "fileNameEdit", 20, "no file dialog")

        def typed() -> bool:
            self.key("ctrl+a")
            self.type(str(path))
            end = time.monotonic() + 8
            while self.text("fileNameEdit") != str(path) and time.monotonic() < end:
                time.sleep(0.15)
            return self.text("fileNameEdit") == str(path)

        self.wait(typed, 25, "the path is not typed")
        self.key("Return")

    def wait_said(self, words: str, seconds: float = 15) -> None:
        """Wait until the message bar shows the words."""
        said = lambda: any(words in text for text in self.ask("messages"))  # noqa: E731
        self.wait(said, seconds, f"the message bar does not say '{words}'")

    def click_title(self, name: str) -> None:
        """Press the title of a collapsible group box."""
        box = self.place(name)
        x, y = (box["x"] + 40) * self._scale, (box["y"] + 9) * self._scale
        self.click_at(round(x), round(y))
        time.sleep(0.3)

    def choose_action(self, menu: str, text: str) -> None:
        """Press an entry of an open menu."""
        place = self.wait(lambda: self.ask("action", menu=menu, text=text), 5, f"no entry {text}")
        self.click_at(*self._middle(place))

    def map_point(self, x: float, y: float) -> tuple[int, int]:
        """Where a map coordinate is on the screen."""
        return self._middle(self.ask("pixel", x=x, y=y))

    def drag(self, points: list[tuple[int, int]]) -> None:
        """Hold the left button down along the points."""
        self._xdotool("mousemove", *points[0], "mousedown", 1)
        for x, y in points[1:]:
            self._xdotool("mousemove", x, y)
            time.sleep(0.02)
        self._xdotool("mouseup", 1)
        time.sleep(0.2)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self._xdotool("type", "--delay", "15", text)
        time.sleep(0.1)

    def key(self, *keys: str) -> None:
        """Press keys, such as Return or ctrl+z."""
        self._xdotool("key", *keys)
        time.sleep(0.15)

    def shot(self, name: str) -> Path:
        """Take a picture of the screen into build/screenshots."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        path = SHOTS / f"{name}.png"
        subprocess.run(
            ["import", "-window", "root", str(path)], env=self._environment, check=True, timeout=30
        )
        return path


def is_alive(pid: int) -> bool:
    """Whether a process runs and is not only waiting to be reaped."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]
