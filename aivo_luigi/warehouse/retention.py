"""Retention: letting go of what is older than a policy says. Whole months of facts, and rows of other tables.

A table is one transaction: killed at any moment, it has gone or it hasn't.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import psycopg2
from psycopg2 import sql

from aivo_luigi import sqlfiles
from aivo_luigi.config import settings
from aivo_luigi.db import Connection
from aivo_luigi.errors import LockedError

_LOCK = "select pg_advisory_xact_lock(hashtext('aivo_luigi retention'), 0)"
# Who waits to drop a partition makes every query of the fact wait that comes after it, and may deadlock with one that
# has begun; so it doesn't wait for long, and less than PostgreSQL does before it looks for a deadlock (1 s).
_WAIT = "select set_config('lock_timeout', '500', true)"
_PAUSE = (0.2, 1.0)  # seconds between two tries


@dataclass(frozen=True)
class Expired:
    """What goes of a table, or went: a month of a fact, or rows before a day. `bytes`: what a partition frees."""

    table: str
    what: str
    rows: int
    bytes: int | None = None


class Kept(Protocol):
    """A table with a policy."""

    @property
    def table(self) -> str:
        """The table's name."""

    def expired(self, warehouse: Connection, before: date) -> list[Expired]:
        """What a policy lets go that keeps everything from a day on."""

    def let_go(self, warehouse: Connection, before: date) -> list[Expired]:
        """Lets it go, within a transaction; returns what went."""


@dataclass(frozen=True)
class Months:
    """A fact: its months go with their partitions. `linked_from`: facts whose links to it are cleared then."""

    table: str
    linked_from: Sequence[str] = ()

    def expired(self, warehouse: Connection, before: date) -> list[Expired]:
        """The months that lie wholly before the day, the oldest first."""
        return [
            Expired(self.table, f"{month:%Y-%m}", rows, size) for month, rows, size in self._months(warehouse, before)
        ]

    def let_go(self, warehouse: Connection, before: date) -> list[Expired]:
        """Drops their partitions and clears the links to them, in this order: a try in vain must rewrite no row."""
        expired, months = self.expired(warehouse, before), [row[0] for row in self._months(warehouse, before)]
        if months and self.linked_from:
            warehouse.file("load/lock_links.sql")
        if months:
            warehouse.file("retention/drop_months.sql", fact=self.table, months=sqlfiles.as_array(months))
            for fact in self.linked_from:
                warehouse.file("retention/unlink.sql", fact=fact, before=before)
        return expired

    def _months(self, warehouse: Connection, before: date) -> list[tuple[date, int, int]]:
        return warehouse.file("retention/months.sql", fact=self.table, before=before).fetchall()


@dataclass(frozen=True)
class Rows:
    """A table of which rows go: those that sql/retention/<table>.sql finds."""

    table: str

    def expired(self, warehouse: Connection, before: date) -> list[Expired]:
        """How many rows may go."""
        until = self.until(warehouse, before)
        number = warehouse.value("select count(*) from (:expired) as expired", expired=self._query(warehouse, until))
        return self._told(until, number)

    def let_go(self, warehouse: Connection, before: date) -> list[Expired]:
        """Deletes them."""
        until = self.until(warehouse, before)
        query = self._query(warehouse, until)
        return self._told(until, warehouse.file("retention/delete_rows.sql", table=self.table, expired=query).rowcount)

    def until(self, warehouse: Connection, before: date) -> date:
        """The day before which rows may go."""
        return before

    def _query(self, warehouse: Connection, before: date) -> sql.SQL:
        text = sqlfiles.render(sqlfiles.read(f"retention/{self.table}.sql"), warehouse.raw, before=before)
        return sql.SQL(text)

    def _told(self, until: date, number: int) -> list[Expired]:
        return [Expired(self.table, f"before {until}", number)] if number else []


@dataclass(frozen=True)
class SkillHistory(Rows):
    """The history of skill states: as much of it stays as the days of `fact` are made of, which keeps `fact_months`."""

    fact: str
    fact_months: int

    def until(self, warehouse: Connection, before: date) -> date:
        """The day, or the first one that the fact keeps, if that is earlier."""
        kept_from = horizon(warehouse, self.fact_months) if self.fact_months else None
        oldest = warehouse.file("retention/oldest_month.sql", fact=self.fact, before=kept_from).fetchone()
        return min(before, (oldest and oldest[0]) or before)

    def let_go(self, warehouse: Connection, before: date) -> list[Expired]:
        """Deletes the states, and notes that the history begins later now."""
        gone = super().let_go(warehouse, before)
        if gone:
            warehouse.file("retention/history_begins.sql", before=self.until(warehouse, before))
        return gone


def horizon(warehouse: Connection, months: int) -> date:
    """The day from which on a policy keeps everything: so many whole months, and the present one."""
    row = warehouse.file("retention/before.sql", months=months).fetchone()
    assert row is not None
    day: date = row[0]
    return day


def enforce(warehouse: Connection, kept: Kept, months: int, dry_run: bool) -> list[Expired]:
    """Lets go of what is older than so many whole months, or (dry_run) says what would go.

    Waits while the table is in use, for lock_timeout at most, then raises LockedError.
    """
    before = horizon(warehouse, months)
    if dry_run:
        return kept.expired(warehouse, before)
    patience = settings().lock_timeout or float("inf")
    until = time.monotonic() + patience
    while True:
        try:
            return _let_go(warehouse, kept, before)
        except psycopg2.errors.LockNotAvailable as error:
            if time.monotonic() >= until:
                raise LockedError(
                    f"{kept.table} is in use, and retention waited for {patience} s: run it again when no long query "
                    "or build holds the table, or raise lock_timeout"
                ) from error
        time.sleep(random.uniform(*_PAUSE))


def _let_go(warehouse: Connection, kept: Kept, before: date) -> list[Expired]:
    with warehouse.transaction():
        warehouse.execute(_LOCK)
        warehouse.execute(_WAIT)
        return kept.let_go(warehouse, before)
