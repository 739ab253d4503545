"""Source and warehouse compared: what a run of a job would write, against what its table holds. Nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from aivo_luigi.dates import day_end
from aivo_luigi.db import connect_warehouse
from aivo_luigi.jobs.staging import JobSpec, Staging, connect_for
from aivo_luigi.jobs.task import Job
from aivo_luigi.sqlfiles import as_array
from aivo_luigi.warehouse.differences import Differences
from aivo_luigi.warehouse.members import infer_members


def compare(job: JobSpec, day: date, most: int = 0, everything: bool = True) -> Differences:
    """Stages a job's rows as a run would, compares them with the table, and rolls everything back.

    `most`: how many of the differing rows to tell of. `everything`: dimensions and skill states are read as a whole.
    For a dimension the day means nothing: it holds the present.
    """
    label = f"aivo_luigi compare {job.name} {day}"
    with connect_for(job, label) as warehouse, warehouse.rolled_back():
        staging = Staging(
            job,
            day,
            warehouse,
            label,
            report=lambda message, percentage: None,
            prepare=lambda: None,
            everything=everything,
        )
        staged = staging.stage(day_is_over=day_end(day) <= warehouse.value("select now()"))
        infer_members(warehouse, job.references)
        return job.way.compare(staging.load(staged), most)


def built_days(jobs: Sequence[type[Job]], first: date, last: date) -> list[tuple[type[Job], date]]:
    """The fact jobs and days from first to last, both included, that were ever built; the newest day first.

    Days that retention has let go are left out.
    """
    by_name = {job.job_name(): job for job in jobs}
    with connect_warehouse("aivo_luigi built days") as warehouse:
        rows = warehouse.file("runs/built_days.sql", jobs=as_array(by_name), first_day=first, last_day=last).fetchall()
    return [(by_name[name], day) for name, day in rows]
