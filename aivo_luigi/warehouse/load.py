"""What every way of landing rows is given, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any, Protocol

from psycopg2 import sql

from aivo_luigi import sqlfiles
from aivo_luigi.config import settings
from aivo_luigi.dates import day_end, day_start, to_date_key
from aivo_luigi.db import Connection
from aivo_luigi.errors import GuardError
from aivo_luigi.warehouse.differences import Differences

_WORTH_KNOWING = 100  # rows


@dataclass(frozen=True)
class Counts:
    """What a load did, in rows; the columns rows_inserted, rows_updated and rows_deleted of etl_job_runs."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0


@dataclass(frozen=True)
class Load:
    """One load on its way: the rows read are in the temporary table `stage`.

    `clock`: the source's time of the snapshot, None where the rows come from a file. `staged`: rows in `stage`.
    `rows_sql`: the text of load.sql, which shows the staged rows as the table should hold them. `whole`: whether all of
    the source's rows were read, so that what is missing is gone. `refers_to`: the dimensions that the rows name.
    """

    warehouse: Connection
    job_name: str
    day: date
    clock: datetime | None
    staged: int
    rows_sql: str
    whole: bool = True
    refers_to: Sequence[str] = ()

    @cached_property
    def variables(self) -> dict[str, Any]:
        """What the SQL of a job may refer to."""
        return {
            "date_key": to_date_key(self.day),
            "day_start": day_start(self.day),
            "day_end": day_end(self.day),
            "clock": self.clock,
            "whole": self.whole,
            "snapshot_at": day_end(self.day) - timedelta(microseconds=1),
            "look_back_key": to_date_key(_days_away(self.day, -settings().look_back_days)),
            "look_ahead_key": to_date_key(_days_away(self.day, settings().look_back_days)),
        }

    @cached_property
    def rows(self) -> sql.SQL:
        """The query of load.sql, as the value of a plain variable."""
        return sql.SQL(sqlfiles.render(self.rows_sql, self.warehouse.raw, **self.variables))


def _days_away(day: date, number: int) -> date:
    return date.fromordinal(min(max(day.toordinal() + number, date.min.toordinal()), date.max.toordinal()))


class Way(Protocol):
    """A way in which rows land in a table."""

    @property
    def table(self) -> str:
        """The table's name."""

    @property
    def row_per_staged(self) -> bool:
        """Whether each staged row is one row of the table."""

    def prepare(self, warehouse: Connection, day: date) -> None:
        """Makes what the rows need a place in, in a transaction of its own; the run has locked no dimension yet."""

    def land(self, load: Load) -> Counts:
        """Brings the staged rows into the table, within the load's transaction."""

    def compare(self, load: Load, most: int) -> Differences:
        """What landing the staged rows would change, and the first `most` of those rows; the table is left alone."""


def count_members(warehouse: Connection, table: str, present: str) -> int:
    """How many rows of a dimension meet a condition."""
    return int(warehouse.value('select count(*) from :"table" where :present', table=table, present=sql.SQL(present)))


def hold_members(load: Load) -> None:
    """Keeps the members from going to which the rows of a dimension refer that were just written."""
    for dimension in load.refers_to:
        load.warehouse.file("load/hold_members.sql", dimension=dimension)


def analyze_grown(load: Load, table: str, inserted: int) -> None:
    """Tells the planner of a table that has grown by a tenth or more: autovacuum would come a minute too late.

    Of a few rows it need not know: any plan will do for them.
    """
    if load.whole and inserted >= _WORTH_KNOWING and inserted * 10 > load.staged:
        load.warehouse.execute("select etl_analyze(:'table')", table=table)


def guard_mass_close(what: str, table: str, closed: int, members: Callable[[], int]) -> None:
    """Raises GuardError when `what` would close more than a fifth of the current members, and more than 20 of them.

    An empty or half-restored source must not end the world. `--etl-allow-mass-close` lets it through. `members` counts
    the current ones; it is asked only where that matters.
    """
    if closed <= 20 or settings().allow_mass_close:
        return
    present = members()
    if closed * 5 > present:
        raise GuardError(
            f"{what} would close {closed} of {present} current members of {table}, as if they were gone from "
            "the source: look at the source, or allow it with --etl-allow-mass-close"
        )
