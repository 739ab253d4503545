"""A statement ends, though the network doesn't: the server's own timeout can't reach a client that hears nothing."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import psycopg2
from psycopg2.extensions import connection as PsycopgConnection  # noqa: N812
from psycopg2.extensions import cursor as PsycopgCursor  # noqa: N812

from aivo_luigi.config import settings
from aivo_luigi.errors import EtlError

_LOOK_EVERY = 0.5  # seconds

_patience: WeakKeyDictionary[PsycopgConnection, float] = WeakKeyDictionary()  # seconds
_until: dict[PsycopgConnection, float] = {}  # by the monotonic clock; 0: cut
_watching: set[int] = set()


def be_patient(raw: PsycopgConnection, seconds: int | None = None) -> None:
    """From now on answered_in_time watches over the connection, for as long as the settings say at this moment.

    `seconds`: for so long instead, until the next call.
    """
    limits = settings()
    _patience.pop(raw, None)
    if seconds or limits.statement_timeout:
        _patience[raw] = seconds or limits.statement_timeout + limits.connect_timeout
        _watch()


@contextmanager
def answered_in_time(raw: PsycopgConnection) -> Iterator[None]:
    """What is sent over the connection is answered before the server's statement_timeout and connect_timeout are over.

    If not, the connection is cut, and EtlError raised. Without be_patient nothing is watched.
    """
    if raw not in _patience or raw in _until:  # in _until: a statement within a COPY
        yield
        return
    _until[raw] = time.monotonic() + _patience[raw]
    try:
        yield
    except psycopg2.Error:
        if not _until[raw]:
            raise EtlError(
                f"database {raw.info.dbname} does not answer any more: is the network up? (a statement has "
                "statement_timeout and connect_timeout to be answered)"
            ) from None
        raise
    finally:
        del _until[raw]


class PatientCursor(PsycopgCursor):
    """A cursor, each of whose statements is answered in time."""

    def execute(self, query: Any, vars: Any = None) -> None:
        """Runs the statement."""
        with answered_in_time(self.connection):
            super().execute(query, vars)


def sever(raw: PsycopgConnection) -> None:
    """Cuts a connection, so that whoever waits for it, in libpq, waits no more."""
    with suppress(psycopg2.Error, OSError), socket.socket(fileno=os.dup(raw.fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)


def _watch() -> None:
    if os.getpid() not in _watching:
        _forget_at_fork()
        _watching.add(os.getpid())
        threading.Thread(target=_cut_the_silent, name="patience", daemon=True).start()


def _cut_the_silent() -> None:
    never = threading.Event()
    while not never.wait(_LOOK_EVERY):
        for raw, until in list(_until.items()):
            if 0 < until < time.monotonic():
                _until[raw] = 0
                sever(raw)


@cache
def _forget_at_fork() -> None:
    os.register_at_fork(after_in_child=_until.clear)
