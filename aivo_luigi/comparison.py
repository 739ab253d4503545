"""What `aivo-etl compare` does: compares jobs over days, and prints what differs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from aivo_luigi.dates import date_range
from aivo_luigi.jobs.compare import built_days, compare
from aivo_luigi.jobs.completeness import open_warehouse
from aivo_luigi.jobs.task import Job
from aivo_luigi.tables import print_table
from aivo_luigi.tasks.wrappers import DIMENSIONS, FACTS
from aivo_luigi.warehouse.differences import Difference, Differences

Compared = tuple[type[Job], date]


@dataclass(frozen=True)
class Comparison:
    """The differences of each job and day; `unbuilt`: facts and days that are not there to be compared."""

    differences: Mapping[Compared, Differences]
    unbuilt: Sequence[Compared]


def compare_days(first: date, last: date, jobs: Sequence[type[Job]], most: int) -> Comparison:
    """Compares jobs, or all if none is given, from the first day to the last.

    `most`: rows that differ to keep of each job and day.
    """
    open_warehouse(first)
    wanted = list(jobs) or [*DIMENSIONS, *FACTS]
    facts = [job for job in wanted if job in FACTS]
    built = built_days(facts, first, last)
    pairs = [*((job, last) for job in wanted if job in DIMENSIONS), *built]
    return Comparison(
        differences={(job, day): compare(job.spec(), day, most) for job, day in pairs},
        unbuilt=[(job, day) for day in date_range(first, last) for job in facts if (job, day) not in built],
    )


def print_differences(found: Comparison, values: bool) -> None:
    """Prints a line per job and day that differs, the first rows that do, and what came of it all."""
    differ = {compared: differences for compared, differences in found.differences.items() if differences}
    if differ:
        print_table(
            "What differs between source and warehouse",
            ("job", "day", "missing", "surplus", "altered"),
            [(job.job_name(), _day(job, day), d.missing, d.surplus, d.altered) for (job, day), d in differ.items()],
        )
    rows = [
        (job.job_name(), _day(job, day), row.kind, row.key, _what(row, values))
        for (job, day), differences in differ.items()
        for row in differences.first
    ]
    if rows:
        print_table("The first rows that differ", ("job", "day", "row is", "key", "columns"), rows)
    print(_verdict(found, len(differ)))


def _verdict(found: Comparison, differing: int) -> str:
    dimensions = sum(job in DIMENSIONS for job, _ in found.differences)
    facts = len(found.differences) - dimensions
    days = sorted({day for _, day in found.unbuilt})
    when = f"{days[0]}" if len(days) == 1 else f"{days[0]} to {days[-1]}" if days else ""
    unbuilt = f" Not built, or let go by retention, and so not compared: {len(found.unbuilt)} ({when})." if days else ""
    return f"Compared: dimensions {dimensions}, facts by day {facts}; {differing or 'none'} differ.{unbuilt}"


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
