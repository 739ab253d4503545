"""The snapshot of the source: one read-only REPEATABLE READ transaction for everything that a job reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime

import psycopg2

from aivo_luigi.config import database_urls, settings
from aivo_luigi.dates import day_end
from aivo_luigi.db.connection import Connection, connect_source
from aivo_luigi.errors import SOURCE_VARIABLE, SourceError, describe

Columns = list[tuple[str, int]]
"""The names and type oids of a query's columns."""


@dataclass(frozen=True)
class Snapshot:
    """The source as it was at one moment. `clock`: the source's own time of that moment."""

    connection: Connection
    clock: datetime


@contextmanager
def snapshot(application_name: str, day: date, day_is_over: bool) -> Iterator[Snapshot]:
    """The source at this moment, for building `day`.

    Raises SourceError when the day is over for the warehouse but not yet for the source: its clock, or what it has
    replayed where it is a replica, lies before the day's end; `--etl-allow-lagging-source` lets it through.
    """
    urls = database_urls()
    if urls.embedded:
        from aivo_luigi.demo import make_day

        make_day(urls.source, day)
    with (
        connect_source(application_name) as connection,
        connection.transaction("begin isolation level repeatable read read only"),
    ):
        row = connection.file("source/clock.sql").fetchone()
        assert row is not None
        clock, reached, is_replica = row
        lags = day_is_over and (reached is None or reached < day_end(day))
        if lags and not settings().allow_lagging_source:
            what = "the replica has replayed" if is_replica else "the source's clock says"
            raise SourceError(
                f"{what} {reached or 'nothing'}: {day} has not ended there yet; run again later, or build it as it is "
                "with --etl-allow-lagging-source"
            )
        yield Snapshot(connection, clock)


@contextmanager
def reading_source() -> Iterator[None]:
    """Raises SourceError when a table or column of the source is missing or may not be read."""
    try:
        yield
    except (psycopg2.errors.UndefinedTable, psycopg2.errors.UndefinedColumn) as error:
        raise SourceError(
            f"the source lacks what the job reads ({describe(error)}): it must have the tables and columns of "
            "sql/source/schema.sql"
        ) from error
    except psycopg2.errors.InsufficientPrivilege as error:
        raise SourceError(
            f"the source does not let the job read ({describe(error)}): run sql/roles.sql there, which gives the user "
            f"of {SOURCE_VARIABLE} the columns that jobs read"
        ) from error


def describe_query(source: Connection, query: str) -> Columns:
    """What a query on the source returns. Raises SourceError as reading_source does."""
    with reading_source():
        cursor = source.execute(f"select * from ({query}) as extract limit 0")
    assert cursor.description is not None
    return [(column.name, column.type_code) for column in cursor.description]
