"""The heat map: how each job stands for each day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from uuid import UUID

from aivo_luigi.report.queries import Numbers, Row
from aivo_luigi.report.states import MISSING, State, day_state, reason


@dataclass(frozen=True)
class Cell:
    """A job and day: its state, what there is to say of it, and the id of what its link leads to."""

    job: str
    day: date
    state: State
    details: str
    target: str


def cells_by_job(numbers: Numbers) -> dict[str, list[Cell]]:
    """A row of cells for each job, the oldest day first."""
    rows = {(row["job_name"], row["day"]): row for row in numbers.job_days}
    listed = {(run["job_name"], run["started_at"]): run["run_id"] for run in numbers.runs}
    return {
        job: [_cell(numbers, listed, job, day, rows.get((job, day))) for day in numbers.days] for job in numbers.jobs
    }


def months(days: list[date]) -> Iterator[tuple[str, int]]:
    """The months of the days, and how many days of each."""
    for month, group in groupby(days, key=lambda day: f"{day:%b %Y}"):
        yield month, len(list(group))


def _cell(numbers: Numbers, listed: dict[tuple[str, datetime], UUID], job: str, day: date, row: Row | None) -> Cell:
    state = day_state(numbers, job, day, row)
    run = listed.get((job, row["last_started_at"])) if row else None
    return Cell(job, day, state, _details(job, day, state, row), f"run-{run}" if run else f"job-{job}")


def _details(job: str, day: date, state: State, row: Row | None) -> str:
    if state is MISSING:
        return f"aivo-etl run-job --job {job} --date {day} builds it"
    told = []
    if row and row["rows_processed"] is not None:
        told = [
            f"{row['rows_processed']:,} rows",
            f"{row['seconds']:.2f} s",
            f"started {row['started_at']:%d %b %H:%M}",
        ]
        if row["rows_rejected"]:
            told.insert(1, f"{row['rows_rejected']:,} rejected")
    return ", ".join(filter(None, [*told, reason(row)]))
