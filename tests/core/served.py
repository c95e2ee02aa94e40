"""A web server on this machine that counts what is read, and can be slow, broken or gone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class FileServer:
    """Serves the files of a folder by ranges, in a process of its own.

    ``drops``: so many answers with content end in their middle, from now on; ``fails``: so many
    requests are answered with 503; ``delay``: seconds before each answer.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def set(self, **state: float) -> None:
        """Change what the server does from now on."""
        self._ask(f"!set/{json.dumps(state)}")

    def get(self, name: str) -> Any:
        """Return one part of its state."""
        return self._ask("!state")[name]

    def forget(self) -> None:
        """Count anew."""
        self._ask("!forget")

    @property
    def requests(self) -> list[str]:
        """Method and name of each request."""
        return self.get("requests")

    def bytes_of(self, name: str) -> int:
        """How many bytes of a file were sent."""
        return sum(length for file, _, length in self.get("ranges") if file == name)

    def _ask(self, what: str) -> Any:
        address = f"{self.url}/{urllib.request.quote(what)}"
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - its own
            return json.loads(answer.read())


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.state: dict[str, Any] = {"drops": 0, "fails": 0, "delay": 0.0}
        self.state |= {"ranges": [], "requests": []}

    def obey(self, command: str) -> None:
        if command == "!forget":
            self.state |= {"ranges": [], "requests": []}
        elif command.startswith("!set/"):
            self.state |= json.loads(command.removeprefix("!set/"))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_HEAD(self) -> None:
        self._answer(content=False)

    def do_GET(self) -> None:
        self._answer(content=True)

    def _answer(self, content: bool) -> None:
        server, name = self.server, urllib.request.unquote(self.path.split("?")[0]).strip("/")
        state = server.state
        if name.startswith("!"):
            server.obey(name)
            told = json.dumps(state).encode()
            self._head(200, len(told))
            self.wfile.write(told)
            return None
        state["requests"].append(f"{self.command} {name}")
        time.sleep(state["delay"])
        if state["fails"] > 0:
            state["fails"] -= 1
            return self._head(503, 0)
        file = server.folder / name
        if not file.is_file():
            return self._head(404, 0)
        size = file.stat().st_size
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first = int(asked[1]) if asked else 0
        last = min(int(asked[2]) if asked and asked[2] else size - 1, size - 1)
        if first >= size:
            return self._head(416, 0)
        length = last - first + 1
        self._head(206 if asked else 200, length, f"bytes {first}-{last}/{size}" if asked else "")
        if not content:
            return None
        with file.open("rb") as stream:
            stream.seek(first)
            sent = stream.read(length)
        if state["drops"] > 0:
            state["drops"] -= 1
            self.wfile.write(sent[: length // 2])
            self.close_connection = True
            return None
        state["ranges"].append((name, first, length))
        self.wfile.write(sent)
        return None

    def _head(self, status: int, length: int, place: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("Accept-Ranges", "bytes")
        if place:
            self.send_header("Content-Range", place)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[FileServer]:
    """Serve a folder while the block runs; GDAL would wait for ever for a server in its process."""
    command = [sys.executable, __file__, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield FileServer(process.stdout.readline().strip())
        finally:
            process.kill()


if __name__ == "__main__":
    server = _Server(Path(sys.argv[1]))
    sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()
