"""COPY out of the source into COPY into the warehouse: bytes flow through a pipe, no row becomes a Python object."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, BinaryIO

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import TRANSACTION_STATUS_ACTIVE

from aivo_luigi.db.connection import Connection
from aivo_luigi.db.patience import answered_in_time, sever
from aivo_luigi.db.source import Columns, describe_query, reading_source
from aivo_luigi.sqlfiles import identifiers

_BUFFER = 1 << 16  # bytes, as many as a pipe holds: with more, the warehouse waits longer for its first row
_REPORT_EVERY = 2.0  # seconds
_UUID = 2950

# Types whose binary form is the same in every supported server; an extract casts each column to one of them.
_BINARY_TYPES = {
    16: "boolean",
    20: "bigint",
    23: "integer",
    25: "text",
    1082: "date",
    1184: "timestamptz",
    1700: "numeric",
    _UUID: "uuid",
    3802: "jsonb",
}


def stage_query(
    source: Connection,
    warehouse: Connection,
    query: str,
    table: str,
    report: Callable[[], None],
    columns: Columns | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> int:
    """Copies what a query on the source returns into a temporary table of the warehouse, made where it is missing.

    The table takes its columns and types from the query, so that the binary format is safe; a type whose binary form
    may differ between servers makes the whole stream text. `columns`: what describe_query says, where it is known.
    Returns the number of rows; calls `report` now and then, and `meanwhile` while the source makes its first rows.
    The table is analysed, so that the planner knows its size, and the ids by which it will be joined.
    """
    columns = columns or describe_query(source, query)
    binary = all(oid in _BINARY_TYPES for _, oid in columns)
    options = "(format binary)" if binary else "(format text)"
    typed = [(name, _BINARY_TYPES[oid] if binary else "text") for name, oid in columns]
    with _extracting(source, f"copy ({query}) to stdout {options}", report) as stream:
        _create(warehouse, table, typed)
        meanwhile()
        rows = _copy_in(warehouse, table, options, stream)
    _analyze(warehouse, table, [name for name, oid in columns if oid == _UUID] or [name for name, _ in columns])
    return rows


@contextmanager
def number_beside(source: Connection, query: str) -> Iterator[Callable[[], int]]:
    """Runs a query for one number while the block is at work; what it yields waits for the number."""
    with _extracting(source, f"copy ({query}) to stdout", lambda: None) as stream:
        yield lambda: int(b"".join(iter(lambda: stream.read(_BUFFER), b"")))


def stage_csv(warehouse: Connection, name: str) -> int:
    """Copies a CSV file with a header, below sql/, into the temporary table `stage`, and analyses it.

    Returns the number of rows.
    """
    with files("aivo_luigi").joinpath("sql", *name.split("/")).open("rb") as file:
        header = file.readline().decode().strip().split(",")
        _create(warehouse, "stage", [(column, "text") for column in header])
        rows = _copy_in(warehouse, "stage", "(format csv)", file)
    _analyze(warehouse, "stage", header)
    return rows


def _create(warehouse: Connection, table: str, columns: list[tuple[str, str]]) -> None:
    definition = sql.SQL(", ").join(sql.SQL("{} " + kind).format(sql.Identifier(name)) for name, kind in columns)
    warehouse.execute(
        'create temporary table if not exists :"name" (:columns) on commit delete rows', name=table, columns=definition
    )


def _analyze(warehouse: Connection, table: str, columns: list[str]) -> None:
    warehouse.execute('analyze :"table" (:columns)', table=table, columns=identifiers(columns))


@contextmanager
def _extracting(source: Connection, copy: str, report: Callable[[], None]) -> Iterator[_Reporting]:
    """What a COPY out of the source returns, while it runs beside the block, a pipe between them.

    Memory is two buffers, whatever the number of rows.
    """
    reading, writing = os.pipe()
    failures: list[BaseException] = []

    def extract() -> None:
        try:
            with reading_source(), open(writing, "wb", buffering=_BUFFER) as sink, answered_in_time(source.raw):
                source.raw.cursor().copy_expert(copy, sink)
        except BaseException as error:
            failures.append(_in_words(error))

    with open(reading, "rb", buffering=_BUFFER) as stream:
        thread = threading.Thread(target=extract, name="extract", daemon=True)
        thread.start()
        try:
            yield _Reporting(stream, failures, thread, report)
        except BaseException as error:
            # Where extraction failed, that is what to tell, not the broken stream that the warehouse saw.
            causes = list(failures) if isinstance(error, Exception) else []
            stream.close()
            _end(source, thread)
            if causes:
                raise causes[0] from None
            raise
    thread.join()


def _in_words(error: BaseException) -> BaseException:
    """A connection that was lost while rows flowed: libpq has no words for it, psycopg2 the wrong ones."""
    if isinstance(error, psycopg2.DatabaseError) and re.search("no message from the libpq|invalid socket", str(error)):
        return psycopg2.OperationalError("server closed the connection unexpectedly while rows flowed")
    return error


def _end(source: Connection, extracting: threading.Thread) -> None:
    """Cuts a connection that is still at work; its server, which looks for its client each second, ends the query.

    A request to cancel would have to be answered, which a network that is down doesn't do, and psycopg2 lets no other
    thread run meanwhile: not even SIGTERM would end the process.
    """
    if extracting.is_alive():
        sever(source.raw)
    extracting.join()
    if source.raw.info.transaction_status == TRANSACTION_STATUS_ACTIVE:
        source.raw.close()  # a rollback would read the rest of the rows first


def _copy_in(warehouse: Connection, table: str, options: str, stream: Any) -> int:
    cursor = warehouse.raw.cursor()
    try:
        with answered_in_time(warehouse.raw), _without_print():
            cursor.copy_expert(f"copy {table} from stdin {options}", stream, size=_BUFFER)
    except psycopg2.Error as error:
        raise _in_words(error) from None
    return cursor.rowcount


@contextmanager
def _without_print() -> Iterator[None]:
    """psycopg2 prints a traceback, besides what it raises, where the server ends a COPY by ending the session."""
    hook, sys.excepthook = sys.excepthook, lambda *_: None
    try:
        yield
    finally:
        sys.excepthook = hook


class _Reporting:
    """The reading end of the pipe. Reports now and then; a failed extraction never looks like the stream's end."""

    def __init__(
        self,
        stream: BinaryIO,
        failures: list[BaseException],
        thread: threading.Thread,
        report: Callable[[], None],
    ) -> None:
        self._stream, self._failures, self._thread, self._report = stream, failures, thread, report
        self._next_report = time.monotonic() + _REPORT_EVERY

    def read(self, size: int) -> bytes:
        """The next bytes; b"" at the end. Raises what the extraction raised, so that a cut stream is never loaded."""
        if time.monotonic() >= self._next_report:
            self._report()
            self._next_report = time.monotonic() + _REPORT_EVERY
        data: bytes = self._stream.read1(size)  # type: ignore[attr-defined]
        if not data:
            self._thread.join()
            if self._failures:
                raise self._failures[0]
        return data
