"""A chat's webhook on loopback: it keeps what it is sent, and answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATH = "/services/T0PQ/B0RS/s3cretTokenOfTheHook"


class Chat:
    """The messages that came, as (path, JSON), and the statuses of the answers to come; then 200."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, Any]] = []
        self.answers: list[int] = []
        self.url = ""

    @property
    def texts(self) -> list[str]:
        return [message["text"] for _, message in self.messages]

    def take(self, path: str, body: bytes) -> int:
        self.messages.append((path, json.loads(body)))
        return self.answers.pop(0) if self.answers else 200


@contextmanager
def chat() -> Iterator[Chat]:
    """A server for the block."""
    taking = Chat()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/json"
            status = taking.take(self.path, self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            if status == 302:
                self.send_header("Location", PATH)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    taking.url = f"http://127.0.0.1:{server.server_port}{PATH}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield taking
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
