"""Pooled connections that speak the SQL files.

SQLAlchemy keeps the pools (connections are checked before use, and dropped when broken); statements go to psycopg2
below it, for COPY is psycopg2's own. Connections are in autocommit mode: a transaction is where the code says so.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import psycopg2
from psycopg2.extensions import connection as PsycopgConnection  # noqa: N812
from psycopg2.extensions import cursor as PsycopgCursor  # noqa: N812

from aivo_luigi import sqlfiles
from aivo_luigi.config import database_urls, etl
from aivo_luigi.errors import SOURCE_VARIABLE, WAREHOUSE_VARIABLE, ConfigurationError, describe

if TYPE_CHECKING:
    from sqlalchemy import Engine

logger = logging.getLogger("luigi-interface")

_BEGIN = "begin isolation level read committed read write"

_engines: dict[str, Engine] = {}


class Connection:
    """One connection, for as long as its `with` block lasts."""

    def __init__(self, raw: PsycopgConnection) -> None:
        self.raw = raw

    def execute(self, statement: str, **variables: Any) -> PsycopgCursor:
        """Runs a statement with psql variables in it; the cursor holds what it returned."""
        cursor = self.raw.cursor()
        cursor.execute(sqlfiles.render(statement, self.raw, **variables))
        return cursor

    def file(self, name: str, **variables: Any) -> PsycopgCursor:
        """Runs a file below sql/; of several statements the cursor holds what the last one returned."""
        began = time.perf_counter()
        cursor = self.execute(sqlfiles.read(name), **variables)
        logger.debug("%s: %d rows in %.1f ms", name, cursor.rowcount, (time.perf_counter() - began) * 1000)
        return cursor

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
        """A connection that can't even roll back is closed; the server rolls back when it sees that."""
        try:
            self.execute("rollback")
        except psycopg2.Error:
            self.raw.close()


@contextmanager
def connect_warehouse(application_name: str) -> Iterator[Connection]:
    """A connection to the warehouse. Raises ConfigurationError when it can't be had."""
    with _connect(database_urls().warehouse, application_name, "warehouse", WAREHOUSE_VARIABLE) as connection:
        yield connection


@contextmanager
def connect_source(application_name: str) -> Iterator[Connection]:
    """A connection to the source. Raises ConfigurationError when it can't be had."""
    with _connect(database_urls().source, application_name, "source", SOURCE_VARIABLE) as connection:
        yield connection


@contextmanager
def _connect(url: str, application_name: str, what: str, variable: str) -> Iterator[Connection]:
    settings = etl()
    pooled = _engine(url, what, variable).raw_connection()
    raw = pooled.driver_connection
    assert raw is not None
    try:
        raw.autocommit = True
        connection = Connection(raw)
        connection.file(
            "session.sql",
            application_name=application_name[:63],
            statement_timeout=str(settings.statement_timeout * 1000),
            lock_timeout=str(settings.lock_timeout * 1000),
            work_mem=settings.work_mem,
        )
        yield connection
    finally:
        if raw.closed or raw.info.transaction_status != psycopg2.extensions.TRANSACTION_STATUS_IDLE:
            pooled.invalidate()
        pooled.close()


def open_connection(url: str, what: str, variable: str, **options: Any) -> PsycopgConnection:
    """A connection of its own, outside the pools. Raises ConfigurationError when it can't be had.

    Both sides of a COPY must spell text the same way, so that no database's own client_encoding may count.
    """
    options |= {"connect_timeout": etl().connect_timeout, "client_encoding": "UTF8"}
    try:
        connection: PsycopgConnection = psycopg2.connect(url, **options)
    except psycopg2.Error as error:
        raise ConfigurationError(f"the {what} can't be reached ({describe(error)}): check {variable}") from error
    return connection


def _engine(url: str, what: str, variable: str) -> Engine:
    if url not in _engines:
        from sqlalchemy import create_engine

        _watch_forks()
        _engines[url] = create_engine(
            "postgresql+psycopg2://",
            creator=lambda: open_connection(url, what, variable),
            pool_pre_ping=True,
            hide_parameters=True,
        )
    return _engines[url]


@cache
def _watch_forks() -> None:
    """A forked task must not speak through its parent's connections, nor close them."""
    os.register_at_fork(after_in_child=lambda: forget_engines(close=False))


def forget_engines(close: bool = True) -> None:
    """Forgets every pool, closing its connections unless they are another process's."""
    while _engines:
        _engines.popitem()[1].dispose(close=close)
