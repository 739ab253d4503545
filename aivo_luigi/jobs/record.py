"""The run record: a row of etl_job_runs under a lock of the job and day."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from uuid import uuid4

import psycopg2

from aivo_luigi.config import database_urls
from aivo_luigi.dates import to_date_key
from aivo_luigi.db import Connection, connect_warehouse
from aivo_luigi.errors import LockedError, describe
from aivo_luigi.jobs.result import JobResult

# The records that this process has opened and not closed, each with its warehouse: noted before they are written.
open_runs: dict[str, str] = {}
# Who is told of the id of each run that begins, in this process and those that it forks.
told_of_starts: list[Callable[[str], None]] = []


def is_dimension(job_name: str) -> bool:
    """Dimension jobs are named sync_…, fact jobs build_…; sql/runs holds to the same rule."""
    return job_name.startswith("sync_")


@contextmanager
def locked(warehouse: Connection, job_name: str, day: date) -> Iterator[None]:
    """Holds the advisory lock of the job and day; a dimension's is the job's.

    Waits while another run holds it, for lock_timeout at most, then raises LockedError. The lock ends with the session:
    a killed process leaves none behind.
    """
    key = {"job_name": job_name, "lock_day": 0 if is_dimension(job_name) else to_date_key(day)}
    try:
        warehouse.file("runs/lock.sql", **key)
    except psycopg2.errors.LockNotAvailable as error:
        raise LockedError(
            f"{job_name} for {day} is running elsewhere and did not end in time: wait for it, or raise lock_timeout"
        ) from error
    try:
        yield
    finally:
        if not warehouse.raw.closed:
            warehouse.file("runs/unlock.sql", **key)


def start(warehouse: Connection, job_name: str, day: date, force: str) -> str:
    """Opens the record of a run, under its lock; what dead runs left open is closed. Returns the run's id."""
    warehouse.file("runs/abandon.sql")
    run_id = str(uuid4())
    open_runs[run_id] = database_urls().warehouse
    try:
        for tell in told_of_starts:
            tell(run_id)
        warehouse.file("runs/start.sql", run_id=run_id, job_name=job_name, target_date=day, force_token=force or None)
    except BaseException:
        open_runs.pop(run_id)
        raise
    return run_id


def succeed(warehouse: Connection, run_id: str, job_name: str, **rows: int) -> JobResult:
    """Closes the record as SUCCESS, in the transaction of the data."""
    row = warehouse.file("runs/succeed.sql", run_id=run_id, **rows).fetchone()
    assert row is not None
    counts = {f"rows_{name}": number for name, number in rows.items()}
    return JobResult(job_name, "SUCCESS", duration_ms=row[0], error_message=None, **counts)


def fail(warehouse: Connection, run_id: str, error: BaseException) -> None:
    """Closes the record as FAILED with the error's one line, on a new connection where the run's own is broken.

    Where there is no warehouse to write to, the row stays RUNNING, and the next process to come finds its lock free.
    """
    values = {"run_id": run_id, "message": describe(error)}
    try:
        if warehouse.raw.closed:
            with connect_warehouse("aivo_luigi run record") as another:
                another.file("runs/fail.sql", **values)
        else:
            warehouse.file("runs/fail.sql", **values)
    except Exception:  # the first error is the one to tell
        return
