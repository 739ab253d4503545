"""When is a job complete? What etl_job_runs says, by the warehouse's clock; sql/runs/complete.sql holds the rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime

import luigi
import psycopg2

from aivo_luigi.config import database_urls
from aivo_luigi.dates import day_end
from aivo_luigi.db import Connection, connect_warehouse
from aivo_luigi.db.retry import again
from aivo_luigi.errors import WAREHOUSE_VARIABLE, ConfigurationError, DateError, describe
from aivo_luigi.jobs.record import is_dimension
from aivo_luigi.sqlfiles import as_array
from aivo_luigi.warehouse.migrations import ensure_schema

Asked = tuple[str, str, date, str]
"""Warehouse, job, day, force token."""

# Complete jobs stay complete once their day is over, so that within a process each needs to be asked about only once.
_remembered: set[Asked] = set()
# Of a dimension the newest such day: a sync serves every earlier one. Warehouse, job, force token.
_synced: dict[tuple[str, str, str], date] = {}
# What the answers so far found missing. Luigi asks about each job of a range at least three times before it runs one:
# by its wrappers, and by itself.
_missing: set[Asked] = set()
_opened: set[str] = set()


def are_complete(jobs: Sequence[str], day: date, force: str, before_running: bool = False) -> bool:
    """Whether all the jobs are complete for the day; DateError when the day has not begun yet.

    `before_running`: the answer decides only what is scheduled, so that what was missing a moment ago is: a job looks
    again before it does anything.
    """
    url = database_urls().warehouse
    asked = [(url, job, day, force) for job in jobs]
    if all(_is_remembered(*one) for one in asked):
        return True
    if before_running and not _missing.isdisjoint(asked):
        return False
    clock, complete = _ask(jobs, [day], force)
    refuse_future(day, clock)
    return all((job, day) in complete for job in jobs)


def complete_days(jobs: Sequence[str], days: Iterable[date], force: str) -> list[date]:
    """Those of the days for which all the jobs are complete: one query, however many days."""
    wanted = list(days)
    if not wanted:
        return []
    _, complete = _ask(jobs, wanted, force)
    return [day for day in wanted if all((job, day) in complete for job in jobs)]


def _ask(jobs: Sequence[str], days: Sequence[date], force: str) -> tuple[datetime, set[tuple[str, date]]]:
    """As `ask`, on a connection of its own; asked again where the server was stopped meanwhile."""

    def asked() -> tuple[datetime, set[tuple[str, date]]]:
        with connect_warehouse("aivo_luigi completeness") as warehouse:
            return ask(warehouse, jobs, days, force)

    return again(asked, tell=lambda error: None)


def ask(
    warehouse: Connection, jobs: Sequence[str], days: Sequence[date], force: str
) -> tuple[datetime, set[tuple[str, date]]]:
    """The warehouse's clock, and which (job name, day) are complete.

    With a force token, only runs that it asked for count. Once per process, before the first answer, an empty warehouse
    is migrated and runs that a dead process left behind are closed.
    """
    url = database_urls().warehouse
    with using_run_rows():
        if url not in _opened:
            ensure_schema(warehouse, url)
            warehouse.file("runs/abandon.sql")
            _opened.add(url)
        row = warehouse.file(
            "runs/complete.sql",
            jobs=as_array(jobs),
            days=as_array(day.isoformat() for day in days),
            force_token=force,
        ).fetchone()
    assert row is not None
    clock, complete = row[0], set(zip(row[1], row[2], strict=True))
    for job, day in complete:
        if day_end(day) <= clock:
            _remember(url, job, day, force)
    _missing.update(
        (url, job, day, force) for job in jobs for day in days if (job, day) not in complete and day <= clock.date()
    )
    return clock, complete


@contextmanager
def using_run_rows() -> Iterator[None]:
    """Raises ConfigurationError when the warehouse's user may not use what says what has run."""
    try:
        yield
    except psycopg2.errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"the warehouse does not let its user run anything ({describe(error)}): give {WAREHOUSE_VARIABLE} the "
            "loader's name, or run sql/roles.sql again, as after each migration"
        ) from error


def open_warehouse(day: date) -> None:
    """For who only looks: an empty warehouse is migrated. DateError when the day has not begun yet."""
    with connect_warehouse("aivo_luigi open") as warehouse:
        ensure_schema(warehouse, database_urls().warehouse)
        refuse_future(day, warehouse.value("select now()"))


def refuse_future(day: date, clock: datetime) -> None:
    """Raises DateError for a day that has not begun by the warehouse's clock."""
    if day > clock.date():
        raise DateError(f"{day} lies in the future (it is {clock:%Y-%m-%d %H:%M} UTC): give a day that has begun")


def note_start() -> None:
    """To be called when a job starts: what was missing may not be any more."""
    _missing.clear()


def note_success(job: str, day: date, force: str) -> None:
    """To be called when a job has succeeded that started after its day was over."""
    _remember(database_urls().warehouse, job, day, force)


def _remember(url: str, job: str, day: date, force: str) -> None:
    if is_dimension(job):
        key = (url, job, force)
        _synced[key] = max(day, _synced.get(key, day))
    else:
        _remembered.add((url, job, day, force))


def _is_remembered(url: str, job: str, day: date, force: str) -> bool:
    if is_dimension(job):
        return day <= _synced.get((url, job, force), date.min)
    return (url, job, day, force) in _remembered


def forget_answers() -> None:
    """Asks anew from now on, as a new process would."""
    _remembered.clear()
    _synced.clear()
    _missing.clear()
    _opened.clear()


class RunTarget(luigi.Target):
    """The output of a task: its row in etl_job_runs. Nothing on disk."""

    def __init__(self, job_name: str, day: date, force: str) -> None:
        self.job_name, self.day, self.force = job_name, day, force

    def exists(self) -> bool:
        """Whether the row is there that makes the job complete for the day."""
        return are_complete([self.job_name], self.day, self.force)

    def __str__(self) -> str:
        return f"etl_job_runs: {self.job_name} for {self.day}"
