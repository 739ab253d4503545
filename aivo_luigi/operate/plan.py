"""What would run, and why. Reads run rows only; nothing is written, not even an empty warehouse migrated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone

import luigi

from aivo_luigi.config import database_urls
from aivo_luigi.db import Connection, connect_warehouse
from aivo_luigi.jobs.completeness import refuse_future, using_run_rows
from aivo_luigi.jobs.record import is_dimension
from aivo_luigi.jobs.task import Job
from aivo_luigi.sqlfiles import as_array
from aivo_luigi.tasks.late import why_late
from aivo_luigi.warehouse.migrations import is_empty

Reasons = dict[tuple[str, date | None], tuple[str, str | None]]
"""Of a job and day (None: a dimension) how it stands, and the error of a failed run."""

COMPLETE = "complete"
_WHY = {
    "RUNNING": "did not end",
    "PROVISIONAL": "provisional: built before its day was over",
    "FAILED": "failed",
}
_WHY_DIMENSION = {**_WHY, "PROVISIONAL": "last synced before the day was over"}


@dataclass(frozen=True)
class Step:
    """A job and day of a plan. `would_run` is false for what is complete; `reason` says why it would run."""

    job: Job
    would_run: bool
    reason: str

    @property
    def job_name(self) -> str:
        """The job's name."""
        return self.job.job_name()

    @property
    def day(self) -> date:
        """The job's day."""
        day: date = self.job.date
        return day


def plan(tasks: Sequence[luigi.Task], late: bool = False) -> list[Step]:
    """The jobs behind the tasks, each after those that it needs.

    `late`: complete facts are compared with the source, as RebuildLateDays does. Raises DateError for a day in the
    future, SchemaError for a warehouse of another version.
    """
    jobs = list({job.task_id: job for task in tasks for job in _jobs_of(task)}.values())
    with connect_warehouse("aivo-etl plan") as warehouse, using_run_rows():
        if is_empty(warehouse):
            refuse_future(max(job.date for job in jobs), datetime.now(timezone.utc))
            complete, reasons = set(), {}
        else:
            complete, reasons = _complete(warehouse, jobs), _reasons(warehouse, jobs)
    steps: dict[str, Step] = {}
    for task in tasks:
        for job in _needed(task, complete):
            done = job.task_id in complete
            steps.setdefault(job.task_id, Step(job, not done, COMPLETE if done else _reason(job, reasons)))
    found = _newest_syncs(steps.values())
    return [_looked_at(step) if late else step for step in found]


def _jobs_of(task: luigi.Task) -> Iterator[Job]:
    for needed in luigi.task.flatten(task.requires()):
        yield from _jobs_of(needed)
    if isinstance(task, Job):
        yield task


def _needed(task: luigi.Task, complete: set[str]) -> Iterator[Job]:
    """As Luigi goes: what a complete job needs is not looked at."""
    if task.task_id not in complete:
        for needed in luigi.task.flatten(task.requires()):
            yield from _needed(needed, complete)
    if isinstance(task, Job):
        yield task


def _complete(warehouse: Connection, jobs: Sequence[Job]) -> set[str]:
    """The ids of the tasks that are complete."""
    by_force: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        by_force[job.force].append(job)
    return {task_id for force, forced in by_force.items() for task_id in _complete_of(warehouse, force, forced)}


def _complete_of(warehouse: Connection, force: str, jobs: Sequence[Job]) -> Iterator[str]:
    row = warehouse.file(
        "runs/complete.sql",
        jobs=as_array({job.job_name() for job in jobs}),
        days=as_array({job.date.isoformat() for job in jobs}),
        force_token=force,
    ).fetchone()
    assert row is not None
    refuse_future(max(job.date for job in jobs), row[0])
    complete = set(zip(row[1], row[2], strict=True))
    return (job.task_id for job in jobs if (job.job_name(), job.date) in complete)


def _reasons(warehouse: Connection, jobs: Sequence[Job]) -> Reasons:
    rows = warehouse.file(
        "monitoring/standing.sql",
        jobs=as_array({job.job_name() for job in jobs}),
        first_day=min(job.date for job in jobs),
        last_day=max(job.date for job in jobs),
    ).fetchall()
    return {(name, day): (state, error) for name, day, state, error in rows}


def _reason(job: Job, reasons: Reasons) -> str:
    if job.force:
        return "forced"
    dimension = is_dimension(job.job_name())
    state, error = reasons.get((job.job_name(), None if dimension else job.date), ("", None))
    why = (_WHY_DIMENSION if dimension else _WHY).get(state, "never run")
    return f"{why}: {error}" if state == "FAILED" and error else why


def _newest_syncs(steps: Iterable[Step]) -> list[Step]:
    """Of the pending syncs of a dimension Luigi runs only the newest, which serves every earlier day."""
    newest: dict[str, date] = {}
    listed = list(steps)
    for step in listed:
        if is_dimension(step.job_name):
            newest[step.job_name] = max(step.day, newest.get(step.job_name, step.day))
    return [step for step in listed if newest.get(step.job_name, step.day) == step.day]


def _looked_at(step: Step) -> Step:
    """A complete fact whose source rows are others now would be built again by RebuildLateDays."""
    if step.would_run or is_dimension(step.job_name) or database_urls().embedded:
        return step
    reason = why_late(type(step.job), step.day)
    return replace(step, would_run=True, reason=f"changed in the source since, {reason}") if reason else step
