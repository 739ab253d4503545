"""When is a job complete? What etl_job_runs says, by the warehouse's clock; sql/runs/complete.sql holds the rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime

import luigi

from aivo_luigi.config import database_urls
from aivo_luigi.dates import day_end
from aivo_luigi.db import Connection, connect_warehouse
from aivo_luigi.errors import DateError
from aivo_luigi.sqlfiles import as_array
from aivo_luigi.warehouse.migrations import ensure_schema

# Complete jobs stay complete once their day is over, so that within a process each needs to be asked about only once:
# warehouse, job, day, force token.
_remembered: set[tuple[str, str, date, str]] = set()
_opened: set[str] = set()


def are_complete(jobs: Sequence[str], day: date, force: str) -> bool:
    """Whether all the jobs are complete for the day; DateError when the day has not begun yet."""
    url = database_urls().warehouse
    if all((url, job, day, force) in _remembered for job in jobs):
        return True
    with connect_warehouse("aivo_luigi completeness") as warehouse:
        clock, complete = ask(warehouse, jobs, [day], force)
    refuse_future(day, clock)
    return all((job, day) in complete for job in jobs)


def complete_days(jobs: Sequence[str], days: Iterable[date], force: str) -> list[date]:
    """Those of the days for which all the jobs are complete: one query, however many days."""
    wanted = list(days)
    if not wanted:
        return []
    with connect_warehouse("aivo_luigi completeness") as warehouse:
        _, complete = ask(warehouse, jobs, wanted, force)
    return [day for day in wanted if all((job, day) in complete for job in jobs)]


def ask(
    warehouse: Connection, jobs: Sequence[str], days: Sequence[date], force: str
) -> tuple[datetime, set[tuple[str, date]]]:
    """The warehouse's clock, and which (job name, day) are complete.

    With a force token, only runs that it asked for count. Once per process, before the first answer, an empty warehouse
    is migrated and runs that a dead process left behind are closed.
    """
    url = database_urls().warehouse
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
    _remembered.update((url, job, day, force) for job, day in complete if day_end(day) <= clock)
    return clock, complete


def open_warehouse(day: date) -> None:
    """For who only looks: an empty warehouse is migrated. DateError when the day has not begun yet."""
    with connect_warehouse("aivo_luigi open") as warehouse:
        ensure_schema(warehouse, database_urls().warehouse)
        refuse_future(day, warehouse.value("select now()"))


def refuse_future(day: date, clock: datetime) -> None:
    """Raises DateError for a day that has not begun by the warehouse's clock."""
    if day > clock.date():
        raise DateError(f"{day} lies in the future (it is {clock:%Y-%m-%d %H:%M} UTC): give a day that has begun")


def forget_answers() -> None:
    """Asks anew from now on, as a new process would."""
    _remembered.clear()
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
