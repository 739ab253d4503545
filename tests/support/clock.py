"""A clock under the test's control: functions of the test's own stand before the server's in the search path."""

from __future__ import annotations

from datetime import datetime

from support.database import Database
from support.databases import Databases

_SQL = """
create schema clock;
create table clock.time (now timestamptz not null);
insert into clock.time values (now());
create function clock.clock_timestamp() returns timestamptz language sql stable as 'select now from clock.time';
create function clock.now() returns timestamptz language sql stable as 'select now from clock.time';
"""


class Clock:
    """The time of a source and a warehouse. Their URLs must come from `with_clock`, or it from `take_over`."""

    def __init__(self, *databases: Database) -> None:
        self._databases = databases
        for database in databases:
            if database.value("select to_regclass('clock.time') is null"):
                database.execute(_SQL)

    def set(self, time: datetime) -> None:
        """Makes it this time, in both databases."""
        for database in self._databases:
            database.execute("update clock.time set now = %(time)s", time=time)


def with_clock(url: str) -> str:
    """The URL of a database whose clock is the test's."""
    return f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3Dclock,public,pg_catalog"


def take_over(*databases: Database) -> Clock:
    """A clock for databases whose URLs say nothing of it, by their own settings: for connections yet to come."""
    clock = Clock(*databases)
    for database in databases:
        database.execute(
            f"alter database {Databases.name_of(database.url)} set search_path = clock, public, pg_catalog"
        )
    return clock
