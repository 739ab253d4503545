"""What `aivo-etl compare` does: compares jobs over days, and prints what differs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date

from aivo_luigi.dates import asked_range, parse_date
from aivo_luigi.errors import ConfigurationError
from aivo_luigi.jobs.compare import built_days, compare
from aivo_luigi.jobs.completeness import open_warehouse
from aivo_luigi.jobs.task import Job
from aivo_luigi.tables import print_table
from aivo_luigi.tasks.wrappers import DIMENSIONS, FACTS
from aivo_luigi.warehouse.differences import Difference, Differences

Compared = tuple[type[Job], date]


def days_of(day: str | None, start: str | None, stop: str | None) -> tuple[date, date]:
    """The first and the last day that the options name. Raises DateError, or ConfigurationError for half a range."""
    return asked_range(*(None if text is None else parse_date(text) for text in (day, start, stop)))


def compare_days(days: tuple[date, date], names: Sequence[str], most: int) -> dict[Compared, Differences]:
    """The differences of each job and day; of all jobs, if none is named."""
    open_warehouse(days[0])
    wanted = _jobs(names)
    pairs = [(job, days[1]) for job in wanted if job in DIMENSIONS]
    pairs += built_days([job for job in wanted if job in FACTS], *days)
    return {(job, day): compare(job.spec(), day, most) for job, day in pairs}


def print_differences(found: Mapping[Compared, Differences], values: bool) -> None:
    """Prints a line per job and day, and the first rows that differ."""
    print_table(
        "Source and warehouse compared",
        ("job", "day", "missing", "surplus", "altered"),
        [(job.job_name(), _day(job, day), d.missing, d.surplus, d.altered) for (job, day), d in found.items()],
    )
    rows = [
        (job.job_name(), _day(job, day), row.kind, row.key, _what(row, values))
        for (job, day), differences in found.items()
        for row in differences.first
    ]
    if rows:
        print_table("The first rows that differ", ("job", "day", "row is", "key", "columns"), rows)


def _jobs(names: Sequence[str]) -> list[type[Job]]:
    """The jobs of these names, or all. Raises ConfigurationError for a name that no job has."""
    by_name = {job.job_name(): job for job in (*DIMENSIONS, *FACTS)}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise ConfigurationError(f"{unknown[0]!r} is no job: choose from {', '.join(by_name)}")
    return [by_name[name] for name in names] or list(by_name.values())


def _day(job: type[Job], day: date) -> str:
    return "now" if job in DIMENSIONS else day.isoformat()


def _what(row: Difference, values: bool) -> str:
    """Which columns differ; with values, in the source → in the warehouse, or those of the one row there is."""
    if not values:
        return ", ".join(row.columns())
    if row.expected is None or row.held is None:
        return json.dumps(row.expected or row.held)
    return ", ".join(
        f"{name}: {json.dumps(row.expected[name])} → {json.dumps(row.held[name])}" for name in row.columns()
    )
