"""The Luigi tasks that jobs are: what a declaration in aivo_luigi.tasks inherits."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import date
from typing import Any, ClassVar

import luigi
from luigi.rpc import RPCError

from aivo_luigi.errors import describe
from aivo_luigi.jobs.completeness import RunTarget, complete_days
from aivo_luigi.jobs.parameters import DayParameter, ForceParameter, once
from aivo_luigi.jobs.record import is_dimension
from aivo_luigi.jobs.result import JobResult
from aivo_luigi.jobs.run import run_job
from aivo_luigi.jobs.staging import JobSpec
from aivo_luigi.warehouse.changes import Present
from aivo_luigi.warehouse.load import Way
from aivo_luigi.warehouse.members import Reference

logger = logging.getLogger("luigi-interface")


class Job(luigi.Task):
    """A job for a day. Its output is its row in etl_job_runs; its SQL is in sql/jobs/<job name>.

    A declaration says where its rows land (`way`), where they come from (`source_table`), without which columns a row
    can't be loaded (`required`, its id first), which dimensions the rows name (`references`), and which jobs must be
    complete before it (`requires_jobs`).
    """

    way: ClassVar[Way]
    source_table: ClassVar[str]
    required: ClassVar[Sequence[str]]
    references: ClassVar[Sequence[Reference]] = ()
    requires_jobs: ClassVar[Sequence[type[Job]]] = ()
    csv: ClassVar[str] = ""
    keeps_history: ClassVar[bool] = False
    present: ClassVar[Present | None] = None

    date = DayParameter(description="UTC day, YYYY-MM-DD (default: yesterday)")
    force = ForceParameter(description="run although complete; with a NAME, once for that name")
    force_scope = luigi.ChoiceParameter(
        choices=["task", "facts", "all"],
        default="task",
        positional=False,
        visibility=luigi.parameter.ParameterVisibility.HIDDEN,
        description="which of the required jobs are forced too; the wrappers set it",
    )

    @classmethod
    def job_name(cls) -> str:
        """BuildFactSessions → build_fact_sessions."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    def spec(cls) -> JobSpec:
        """What run_job needs to know of the job."""
        return JobSpec(
            name=cls.job_name(),
            way=cls.way,
            source_table=cls.source_table,
            required=cls.required,
            references=cls.references,
            csv=cls.csv,
            keeps_history=cls.keeps_history,
            present=cls.present,
        )

    @once
    def requires(self) -> list[Job]:
        """The jobs that must be complete first; forced too as far as the wrapper that forced this one wraps them."""
        return [
            job.forced(self.date, self.force, self.force_scope) if self._forces(job) else job(date=self.date)
            for job in self.requires_jobs
        ]

    def _forces(self, job: type[Job]) -> bool:
        return self.force_scope == "all" or (self.force_scope == "facts" and not is_dimension(job.job_name()))

    @classmethod
    def forced(cls, day: date, force: str, scope: str) -> Job:
        """The task as a wrapper asks for it; without a force it is the very task that anyone asks for."""
        return cls(date=day, force=force, force_scope=scope) if force else cls(date=day)

    def output(self) -> RunTarget:
        """The row in etl_job_runs."""
        return RunTarget(self.job_name(), self.date, self.force)

    @classmethod
    def bulk_complete(cls, parameter_tuples: Iterable[date]) -> list[date]:
        """Those of the days for which the job is complete: one query for a whole range."""
        return bulk_complete(cls, parameter_tuples)

    def job_names(self) -> list[str]:
        """The jobs whose rows make this task complete."""
        return [self.job_name()]

    @property
    def priority(self) -> int:  # type: ignore[override]
        """The newest day first: its numbers are waited for, and its dimension syncs serve every earlier day."""
        return int(self.date.toordinal())

    def run_job(self) -> JobResult:
        """Runs the job unless it is complete; raises what went wrong."""
        return run_job(self.spec(), self.date, self.force, self._report)

    def run(self) -> None:
        """Runs the job, for Luigi."""
        logger.info("%s for %s: %s", self.job_name(), self.date, self.run_job().summary())

    def on_failure(self, exception: BaseException) -> str:
        """The reason in one line, for the visualiser."""
        return describe(exception)

    def _report(self, message: str, percentage: int) -> None:
        """To the visualiser, where Luigi runs the task. A scheduler that doesn't listen is no reason to fail."""
        set_message: Any = self.set_status_message
        set_percentage: Any = self.set_progress_percentage
        if set_message and set_percentage:
            with suppress(RPCError):
                set_message(message)
                set_percentage(percentage)


class DimensionJob(Job):
    """A sync of a dimension. It copies the present, so that one run serves every earlier day.

    Luigi runs only the newest of many pending syncs (batch_method).
    """

    date = DayParameter(batch_method=max, description="UTC day, YYYY-MM-DD (default: yesterday)")


class FactJob(Job):
    """A build of one day of a fact."""


def bulk_complete(cls: Any, days: Iterable[date]) -> list[date]:
    """`bulk_complete` of a job or wrapper. Luigi hands in the class, or a partial of it, and a one-shot iterator."""
    wanted = list(days)
    if not wanted:
        return []
    task = cls(date=wanted[0])
    return complete_days(task.job_names(), wanted, task.force)
