"""The report on a port of this machine, made anew when it is asked for."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from aivo_luigi.errors import ConfigurationError, describe

HOST = "127.0.0.1"
REFRESH = 30
"""Seconds after which a page asks for itself again."""

_KEPT = 3.0
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class _Fresh:
    """A page that is at most a few seconds old; two who ask at once get the same."""

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._page = ""
        self._made = -_KEPT

    def page(self) -> str:
        with self._lock:
            if time.monotonic() - self._made >= _KEPT:
                self._page = self._make()
                self._made = time.monotonic()
            return self._page


class Server(ThreadingHTTPServer):
    """Answers GET / on loopback. Raises ConfigurationError where the port is taken."""

    daemon_threads = True

    def __init__(self, port: int, make: Callable[[], str]) -> None:
        self.fresh = _Fresh(make)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise ConfigurationError(
                f"port {port} can't be used ({error.strerror}): give another one with --port"
            ) from error


class _Handler(BaseHTTPRequestHandler):
    server: Server
    server_version = "aivo-etl"
    sys_version = ""

    def do_GET(self) -> None:
        # A page elsewhere whose name was made to lead here sends that name.
        if urlsplit(f"//{self.headers.get('Host')}").hostname not in (HOST, "localhost"):
            self._answer(
                HTTPStatus.MISDIRECTED_REQUEST, "text/plain", "This is aivo-etl report, on this machine only.\n"
            )
        elif self.path.partition("?")[0] != "/":
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", "The report is at /.\n")
        else:
            self._answer_page()

    def log_message(self, format: str, *args: object) -> None:
        """Nobody needs a line per request."""

    def _answer_page(self) -> None:
        try:
            page = self.server.fresh.page()
        except Exception as error:
            message = describe(error)
            print(f"aivo-etl: {message}", file=sys.stderr)
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", f"{message}\n")
        else:
            self._answer(HTTPStatus.OK, "text/html", page)

    def _answer(self, status: HTTPStatus, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
