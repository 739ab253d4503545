"""Reading a source table by what changed since the last read, and how one tells that this is not enough.

A read takes what changed since the watermark, with an overlap for transactions that commit late. If the source then
holds another number of rows than the warehouse, or the last whole read lies too far back, it takes everything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg2 import sql

from aivo_luigi import sqlfiles
from aivo_luigi.config import settings
from aivo_luigi.db import Connection
from aivo_luigi.sqlfiles import identifiers


@dataclass(frozen=True)
class SourceRows:
    """The rows in a snapshot of the source.

    `clock`: the source's time of it. `stage`: copies those changed since a moment (None: all) into a temporary table of
    the warehouse and returns how many. `counting`: counts how many should be present in the warehouse while its block
    is at work; what it yields waits for the number. `everything`: all have to be read, whatever could be left out.
    """

    clock: datetime
    stage: Callable[[datetime | None], int]
    counting: Callable[[], AbstractContextManager[Callable[[], int]]]
    everything: bool = False

    def are_as_many_as(self, held: Callable[[], int | None]) -> bool:
        """Whether as many should be present as `held` counts in the warehouse; both count at the same time."""
        with self.counting() as count:
            return held() == count()


@dataclass(frozen=True)
class Present:
    """Conditions under which a row counts as present: `staged` on rows as they are read, `held` on the dimension's."""

    staged: str
    held: str


def changed_since(warehouse: Connection, source_table: str, rows: SourceRows, reconcile: timedelta) -> datetime | None:
    """Since when changed rows have to be read; None where everything has to be.

    That is when nothing was read before, when the last whole read is `reconcile` old, or when the clock has gone back.
    """
    if rows.everything:
        return None
    row = warehouse.execute(
        "select read_at, reconciled_at from etl_watermarks where source_table = :'source_table'",
        source_table=source_table,
    ).fetchone()
    if row is None or rows.clock < row[0] or rows.clock - row[1] >= reconcile:
        return None
    read_at: datetime = row[0]
    return read_at - timedelta(hours=settings().late_commit_hours)


def move_watermark(warehouse: Connection, source_table: str, clock: datetime, whole: bool) -> None:
    """Notes that the table was read; `whole`: all of it."""
    warehouse.file("load/watermark.sql", source_table=source_table, clock=clock, whole=whole)


def moment(since: datetime | None) -> str:
    """What an extract takes as changed_since; before all time, where everything is read."""
    return since.isoformat() if since else "-infinity"


def is_indexed(source: Connection, source_table: str) -> bool:
    """Whether the source finds what changed without a look at the whole table."""
    return source.file("source/updated_at_index.sql", source_table=source_table).fetchone() == (True,)


def present_rows(source: Connection, extract: str, present: Present) -> str:
    """A query for how many rows of the source, as an extract of all shows them, should be present in the dimension."""
    return sqlfiles.render(
        sqlfiles.read("source/present_rows.sql"),
        source.raw,
        extract=sql.SQL(extract),
        present=sql.SQL(present.staged),
    )


def read_members(
    warehouse: Connection,
    dimension: str,
    source_table: str,
    required: Sequence[str],
    present: Present,
    rows: SourceRows,
) -> tuple[int, bool]:
    """Stages the rows of a dimension that may have changed, or all; returns how many, and whether they are all.

    `required`: columns without which a row can't be loaded, the dimension's business key first.
    """
    since = changed_since(warehouse, source_table, rows, timedelta(hours=settings().reconcile_hours))
    number = rows.stage(since)
    if since is not None and not rows.are_as_many_as(lambda: _members(warehouse, dimension, required, present)):
        warehouse.execute("drop table stage")
        since, number = None, rows.stage(None)
    move_watermark(warehouse, source_table, rows.clock, whole=since is None)
    return number, since is None


def _members(warehouse: Connection, dimension: str, required: Sequence[str], present: Present) -> int | None:
    """How many members would be present if none were gone; None where a row can't be loaded."""
    row = warehouse.file(
        "load/present_members.sql",
        dimension=dimension,
        business_key=required[0],
        held=sql.SQL(present.held),
        present=sql.SQL(present.staged),
        required=identifiers(required),
    ).fetchone()
    return int(row[0]) if row else None
