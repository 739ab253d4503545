"""A proxy between a client and a server, on the loopback: the network as it is when it fails."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress

_CHUNK = 4096


class Proxy:
    """Forwards to a port. `stall`: nothing passes any more; `slow`: a chunk at a time; `cut`: connections are reset."""

    def __init__(self, target: int, port: int = 0) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._flows = threading.Event()
        self._flows.set()
        self._pause = 0.0
        self._refuses = False
        self.refused = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def stall(self) -> None:
        self._flows.clear()

    def slow(self, seconds: float) -> None:
        """So many seconds for each chunk."""
        self._pause = seconds

    def cut(self, refuse: bool = False) -> None:
        """Resets all connections; `refuse`: new ones, too, as they come."""
        self._refuses = refuse
        while self._open:
            _reset(self._open.pop())

    def restore(self) -> None:
        """The network works again. What was stalled goes on."""
        self._pause, self._refuses = 0.0, False
        self._flows.set()

    def close(self) -> None:
        self.restore()
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._refuses:
                    self.refused += 1
                    _reset(client)
                else:
                    threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        self._flows.wait()
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            _reset(client)
            return
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open += [client, server]
        threading.Thread(target=self._pump, args=(client, server), daemon=True).start()
        threading.Thread(target=self._pump, args=(server, client), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                self._flows.wait()
                time.sleep(self._pause)
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            if end in self._open:
                self._open.remove(end)


def _reset(end: socket.socket) -> None:
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.shutdown(socket.SHUT_RD)  # wakes the thread that reads, which would keep the connection open
        end.close()
