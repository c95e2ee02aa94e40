"""A package index on this machine that can be made to fail as indexes do."""

from __future__ import annotations

import html
import http.server
import ssl
import subprocess
import threading
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Index:
    """Serves a folder of wheels; ``trouble`` says how it misbehaves.

    ``cut``: the first file breaks off in the middle, once. ``hang``: files never end until
    ``go_on`` is set. ``login``: everything, as a proxy too, is answered by 407.
    """

    def __init__(self, wheels: Path, trouble: str = "", certificate: Path | None = None) -> None:
        self.wheels, self.trouble = wheels, trouble
        self.needs_python = ""
        self.go_on = threading.Event()
        self.asked: list[str] = []
        self.files_begun = threading.Event()
        handler = type("Handler", (_Handler,), {"index": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        host = "http://127.0.0.1"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            host = "https://localhost"  # pip 25.1 wants a name
        self.root = f"{host}:{self._server.server_port}"
        self.url = f"{self.root}/simple"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    index: Index

    def do_CONNECT(self) -> None:
        self.index.asked.append(self.path)
        self.send_error(407 if self.index.trouble == "login" else 501)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        index, path = self.index, unquote(urlsplit(self.path).path)
        index.asked.append(path)
        if index.trouble == "login":
            self.send_error(407)
        elif path.startswith("/simple/"):
            self._list(path.split("/")[2])
        elif (index.wheels / Path(path).name).is_file():
            self._file(index.wheels / Path(path).name)
        else:
            self.send_error(404)

    def _list(self, name: str) -> None:
        found = sorted(self.index.wheels.glob(f"{name.replace('-', '_')}-*.whl"))
        if not found:
            self.send_error(404)
            return
        needs = html.escape(self.index.needs_python)
        needs = f' data-requires-python="{needs}"' if needs else ""
        links = "".join(f'<a href="/files/{f.name}"{needs}>{f.name}</a>' for f in found)
        self._send("text/html", f"<!DOCTYPE html><html><body>{links}</body></html>".encode())

    def _file(self, file: Path) -> None:
        content = file.read_bytes()
        index = self.index
        if index.trouble == "cut":
            index.trouble = ""
            self._send("application/octet-stream", content[: len(content) // 2], len(content))
            self.close_connection = True
        elif index.trouble == "hang":
            self._send("application/octet-stream", content[:100], len(content))
            index.files_begun.set()
            index.go_on.wait(60)
            self.close_connection = True
        else:
            self._send("application/octet-stream", content)

    def _send(self, kind: str, content: bytes, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
            self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Nothing: the tests read ``asked``."""


def self_signed(folder: Path) -> Path:
    """Make a certificate that nobody trusts."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key, "-out",
         certificate], check=True, capture_output=True,
    )  # fmt: skip
    both = folder / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    return both
