"""The demo source: five invented schools whose days are made on demand, always the same for the same day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from psycopg2.extensions import connection as PsycopgConnection  # noqa: N812

from aivo_luigi import sqlfiles

_BASE = ("source/schema.sql", "source/indexes.sql", "source/recommended_indexes.sql", "demo/base.sql")


def install(oltp_url: str) -> None:
    """Make the source's tables, indexes and base data in an empty database, once; two processes may do so together."""
    with _connection(oltp_url) as connection, connection, connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(hashtextextended('demo.days', 0))")
        cursor.execute("select to_regclass('demo.days') is null")
        if cursor.fetchone() == (True,):
            for name in _BASE:
                cursor.execute(sqlfiles.read(name))


def make_day(oltp_url: str, day: dt.date) -> None:
    """Make the data of a UTC day, unless it is there: about 300 sessions and 6,000 events, a third of it on a weekend.

    The day before is made as well: its last sessions run past midnight, and those events belong to this day.
    """
    wanted = [day - dt.timedelta(days=1), day]
    with _connection(oltp_url) as connection, connection.cursor() as cursor:
        cursor.execute("select day from demo.days where day = any(%s)", (wanted,))
        made = {row[0] for row in cursor.fetchall()}
        connection.commit()
        for missing in (each for each in wanted if each not in made):
            with connection:
                cursor.execute(sqlfiles.render(sqlfiles.read("demo/day.sql"), connection, day=missing.isoformat()))


@contextmanager
def _connection(url: str) -> Iterator[PsycopgConnection]:
    """A connection of our own, closed at the end."""
    connection = psycopg2.connect(url, application_name="aivo_luigi demo")
    try:
        yield connection
    finally:
        connection.close()
