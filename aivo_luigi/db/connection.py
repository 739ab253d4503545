"""Pooled connections that speak the SQL files.

Each process keeps up to two idle connections to either database in a pool of psycopg2; one that turns out to be broken,
or was set up with other settings, is replaced. Connections are in autocommit mode: a transaction is where the code says
so.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from psycopg2.extensions import connection as PsycopgConnection  # noqa: N812
from psycopg2.extensions import cursor as PsycopgCursor  # noqa: N812
from psycopg2.pool import ThreadedConnectionPool

from aivo_luigi import sqlfiles
from aivo_luigi.config import database_urls, settings, warehouse_url
from aivo_luigi.db.patience import answered_in_time, be_patient, sever
from aivo_luigi.db.pooler import require_sessions
from aivo_luigi.db.retry import until_it_answers, will_pass
from aivo_luigi.errors import SOURCE_VARIABLE, WAREHOUSE_VARIABLE, ConfigurationError, EtlError, describe
from aivo_luigi.forks import lock_against_forks

logger = logging.getLogger("luigi-interface")

_BEGIN = "begin isolation level read committed read write"

_IDLE, _MOST = 2, 100  # connections to one database

_pools: dict[str, ThreadedConnectionPool] = {}
_opening: dict[str, Future[ThreadedConnectionPool]] = {}  # pools whose first connection is under way
_connecting = lock_against_forks()  # libpq holds locks of its own meanwhile, Kerberos's for one
_sessions: set[str] = set()  # the databases of which each connection is known to be a session
_in_use: set[PsycopgConnection] = set()


class _Limits(NamedTuple):
    """What a connection is set up with: it is replaced when the settings are others later."""

    statement_timeout: int
    lock_timeout: int
    connect_timeout: int
    work_mem: str


_set_up_with: WeakKeyDictionary[PsycopgConnection, _Limits] = WeakKeyDictionary()
_tables_for: WeakKeyDictionary[PsycopgConnection, Hashable] = WeakKeyDictionary()


def log_file(name: str, rows: int, began: float) -> None:
    """Tells of a file below sql/ that has run since `began`, a time.perf_counter(); less than 0 rows: it has none."""
    how_many = f"{rows} rows in " if rows >= 0 else ""
    logger.debug("%s: %s%.1f ms", name, how_many, (time.perf_counter() - began) * 1000)


class Connection:
    """One connection, for as long as its `with` block lasts."""

    def __init__(self, raw: PsycopgConnection) -> None:
        self.raw = raw

    def execute(self, statement: str, **variables: Any) -> PsycopgCursor:
        """Runs a statement with psql variables in it; the cursor holds what it returned."""
        cursor = self.raw.cursor()
        with answered_in_time(self.raw):
            cursor.execute(sqlfiles.render(statement, self.raw, **variables))
        return cursor

    def file(self, name: str, **variables: Any) -> PsycopgCursor:
        """Runs a file below sql/; of several statements the cursor holds what the last one returned."""
        began = time.perf_counter()
        cursor = self.execute(sqlfiles.read(name), **variables)
        log_file(name, cursor.rowcount, began)
        return cursor

    def dicts(self, name: str, **variables: Any) -> list[dict[str, Any]]:
        """The rows of a file below sql/, by the names of their columns."""
        cursor = self.file(name, **variables)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def value(self, statement: str, **variables: Any) -> Any:
        """The first column of the first row, or None."""
        row = self.execute(statement, **variables).fetchone()
        return row[0] if row else None

    @contextmanager
    def transaction(self, begin: str = _BEGIN) -> Iterator[None]:
        """A transaction: committed when the block ends, rolled back when it raises.

        Read committed, whatever the database's default: what is read under a lock must be what the lock waited for.
        """
        self.execute(begin)
        try:
            yield
        except BaseException:
            self._roll_back()
            raise
        self.execute("commit")

    @contextmanager
    def rolled_back(self) -> Iterator[None]:
        """A transaction that is rolled back, however the block ends."""
        self.execute(_BEGIN)
        try:
            yield
        finally:
            self._roll_back()

    def _roll_back(self) -> None:
        """A connection that can't even roll back is closed; the server rolls back when it sees that.

        Temporary tables are not kept: the rows that were rolled back would lie in them until something commits there.
        """
        _tables_for.pop(self.raw, None)
        try:
            self.execute("rollback")
        except psycopg2.Error:
            self.raw.close()


@contextmanager
def connect_warehouse(application_name: str, tables_for: Hashable = None) -> Iterator[Connection]:
    """A connection to the warehouse. Raises ConfigurationError when it can't be had.

    A session keeps its temporary tables, empty, for the next who connects with the same `tables_for`: to make them
    costs more than to empty them. Those made for another are dropped.
    """
    with _connect(warehouse_url(), application_name, "warehouse", WAREHOUSE_VARIABLE) as connection:
        if tables_for is not None:
            _keep_tables(connection, tables_for)
        yield connection


def _keep_tables(connection: Connection, tables_for: Hashable) -> None:
    """A session that is new here may be an old one, with its tables: a pooler that resets nothing hands it on."""
    if _tables_for.get(connection.raw) != tables_for:
        connection.execute("discard temporary")
    _tables_for[connection.raw] = tables_for


@contextmanager
def connect_source(application_name: str) -> Iterator[Connection]:
    """A connection to the source. Raises ConfigurationError when it can't be had."""
    with _connect(database_urls().source, application_name, "source", SOURCE_VARIABLE) as connection:
        yield connection


def open_source_ahead() -> None:
    """Begins to connect to the source while the caller does something else; the next connect_source waits for it.

    What goes wrong is that one's to tell. Nothing is done where the process has connected to the source before.
    """
    url = database_urls().source
    known = _opening.get(url)
    failed = known is not None and known.done() and known.exception() is not None  # for a job that then did not need it
    if url not in _pools and (known is None or failed):
        opening = _opening[url] = Future()
        threading.Thread(target=_open, args=(opening, url, "source"), name="connecting", daemon=True).start()


def _open(opening: Future[ThreadedConnectionPool], url: str, what: str) -> None:
    try:
        opening.set_result(_make_pool(url, what))
    except BaseException as error:
        opening.set_exception(error)


@contextmanager
def _connect(url: str, application_name: str, what: str, variable: str) -> Iterator[Connection]:
    with _told(what, variable):
        pool, raw = until_it_answers(url, lambda: _check_out(url, what, application_name))
    _in_use.add(raw)
    try:
        yield Connection(raw)
    finally:
        _in_use.discard(raw)
        pool.putconn(raw, close=bool(raw.closed) or raw.info.transaction_status != TRANSACTION_STATUS_IDLE)


def _check_out(url: str, what: str, application_name: str) -> tuple[ThreadedConnectionPool, PsycopgConnection]:
    """A connection that bears the name, and its pool; giving the name is what tells whether it still works.

    Where the server has ended one, what else is idle is hardly better: whoever comes next gets a new pool.
    """
    limits = _limits()
    with _connecting:
        pool = _pool(url, what)
        raw: PsycopgConnection = pool.getconn()
        while _set_up_with.get(raw, limits) != limits:
            pool.putconn(raw, close=True)  # a session that has had temporary tables takes no other temp_buffers
            raw = pool.getconn()
    try:
        connection = Connection(raw)
        if raw not in _set_up_with:
            _set_up(connection, limits)
        connection.execute("select set_config('application_name', :'name', false)", name=application_name[:63])
    except BaseException as error:
        pool.putconn(raw, close=True)
        if will_pass(error) and _pools.get(url) is pool:
            del _pools[url]
        raise
    return pool, raw


def _set_up(connection: Connection, limits: _Limits) -> None:
    """A new connection; psycopg2 makes them without autocommit."""
    connection.raw.autocommit = True
    be_patient(connection.raw)
    connection.file(
        "session.sql",
        statement_timeout=str(limits.statement_timeout * 1000),
        lock_timeout=str(limits.lock_timeout * 1000),
        work_mem=limits.work_mem,
    )
    _set_up_with[connection.raw] = limits


def _limits() -> _Limits:
    limits = settings()
    return _Limits(limits.statement_timeout, limits.lock_timeout, limits.connect_timeout, limits.work_mem)


def sever_connections() -> None:
    """Cuts what this process's connections wait for, without a word to the server, which may not answer.

    For a process that is about to end: the server rolls back when it sees that its client is gone. From another thread
    than theirs: libpq waits for a server and sees no signal.
    """
    for raw in list(_in_use):
        sever(raw)


def open_connection(url: str, what: str, variable: str, **options: Any) -> PsycopgConnection:
    """A connection of its own, outside the pools. Raises ConfigurationError when it can't be had."""
    with _told(what, variable):
        connection: PsycopgConnection = psycopg2.connect(url, **_options(), **options)
    return connection


@contextmanager
def _told(what: str, variable: str) -> Iterator[None]:
    """A database that can't be reached, or doesn't take our settings, is a matter of configuration."""
    try:
        yield
    except psycopg2.DataError as error:
        raise ConfigurationError(
            f"the {what} does not take a setting ({describe(error)}): check the timeouts and work_mem of [etl]"
        ) from error
    except psycopg2.Error as error:
        raise ConfigurationError(
            f"the {what} can't be reached ({describe(error)}): {_advice(error, variable)}"
        ) from error


def _advice(error: psycopg2.Error, variable: str) -> str:
    """What to do about a connection that could not be had."""
    if "certificate" in str(error):
        return f"{variable} must name a host that the server's certificate holds, and as sslrootcert who signed it"
    return f"check {variable}"


def _options() -> dict[str, Any]:
    """Both sides of a COPY must spell text the same way, so that no database's own client_encoding may count.

    A server that vanished without a word is noticed within a minute or so, also while nothing is sent.
    """
    return {
        "connect_timeout": settings().connect_timeout,
        "client_encoding": "UTF8",
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
    }


def _pool(url: str, what: str) -> ThreadedConnectionPool:
    if url not in _pools:
        opening = _opening.pop(url, None)
        _pools[url] = opening.result() if opening else _make_pool(url, what)
    return _pools[url]


def _make_pool(url: str, what: str) -> ThreadedConnectionPool:
    _watch_forks()
    # The first number is also how many a pool opens at once: one is enough to begin with.
    pool = ThreadedConnectionPool(1, _MOST, url, **_options())
    if url not in _sessions:
        _look_for_pooler(pool, url, what)
    pool.minconn = _IDLE
    return pool


def _look_for_pooler(pool: ThreadedConnectionPool, url: str, what: str) -> None:
    """Once for each database and process, and before anything is set that a pooler would hand on to others."""
    raw: PsycopgConnection = pool.getconn()
    be_patient(raw, settings().connect_timeout)
    try:
        raw.autocommit = True
        with answered_in_time(raw):
            require_sessions(raw, lambda: psycopg2.connect(url, **_options()), what)
        raw.autocommit = False
    except BaseException:
        pool.closeall()
        raise
    pool.putconn(raw)
    _sessions.add(url)


@cache
def _watch_forks() -> None:
    """A forked task must not speak through its parent's connections. psycopg2 closes only those of its own process."""
    for mine in (_pools, _opening, _in_use):
        os.register_at_fork(after_in_child=mine.clear)


def forget_connections() -> None:
    """Closes the idle connections."""
    while _opening:
        with suppress(psycopg2.Error, EtlError):
            _opening.popitem()[1].result().closeall()
    while _pools:
        _pools.popitem()[1].closeall()
