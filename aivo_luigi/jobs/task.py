"""The Luigi tasks that jobs are: what a declaration in aivo_luigi.tasks inherits."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from functools import lru_cache
from typing import Any, ClassVar

import luigi
from luigi.rpc import RPCError

from aivo_luigi.config import settings
from aivo_luigi.errors import ConfigurationError, EtlError, describe, mask_ids
from aivo_luigi.jobs.completeness import RunTarget
from aivo_luigi.jobs.day_task import DayTask
from aivo_luigi.jobs.parameters import DayParameter, days_of, many_days, once
from aivo_luigi.jobs.record import is_dimension
from aivo_luigi.jobs.result import JobResult
from aivo_luigi.jobs.run import run_job
from aivo_luigi.jobs.signals import heed_signals, is_stopping
from aivo_luigi.jobs.staging import JobSpec
from aivo_luigi.warehouse.changes import Present
from aivo_luigi.warehouse.load import Way
from aivo_luigi.warehouse.members import Reference

logger = logging.getLogger("luigi-interface")


class Job(DayTask):
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
            job.forced(day, self.force if self._forces(job) else "", self.force_scope)
            for day in days_of(self.date)
            for job in self.requires_jobs
        ]

    def _forces(self, job: type[Job]) -> bool:
        return self.force_scope == "all" or (self.force_scope == "facts" and not is_dimension(job.job_name()))

    @classmethod
    @lru_cache(maxsize=10_000)
    def forced(cls, day: date, force: str, scope: str) -> Job:
        """The task as a wrapper asks for it; without a force it is the very task that anyone asks for.

        Remembered: each is asked for up to seven times, and Luigi reads its settings whenever one is made.
        """
        return cls(date=day, force=force, force_scope=scope) if force else cls(date=day)

    def output(self) -> list[RunTarget]:
        """The row in etl_job_runs; of a batch, one for each day."""
        return [RunTarget(self.job_name(), day, self.force) for day in days_of(self.date)]

    def job_names(self) -> list[str]:
        """The jobs whose rows make this task complete."""
        return [self.job_name()]

    def run_job(self) -> JobResult:
        """Runs the job unless it is complete; raises what went wrong."""
        return run_job(self.spec(), self.date, self.force, self._report, self._link)

    def run(self) -> Iterator[list[Job]] | None:
        """Runs the job, for Luigi."""
        heed_signals()
        logger.info("%s for %s: %s", self.job_name(), self.date, self.run_job().summary())
        return None

    def _report(self, message: str, percentage: int) -> None:
        """To the visualiser, where Luigi runs the task. A scheduler that doesn't listen is no reason to fail."""
        set_message: Any = self.set_status_message
        set_percentage: Any = self.set_progress_percentage
        if set_message and set_percentage:
            with suppress(RPCError):
                set_message(message)
                set_percentage(percentage)

    def _link(self, run_id: str) -> None:
        """A link in the visualiser, which leads to the run in the report."""
        self._link_to(f"#run-{run_id}")

    def _link_to(self, anchor: str) -> None:
        set_url: Any = self.set_tracking_url
        report = settings().report_url
        if set_url and report:
            with suppress(RPCError):
                set_url(f"{report}{anchor}")


class DimensionJob(Job):
    """A sync of a dimension. It copies the present, so that one run serves every earlier day.

    Luigi runs only the newest of many pending syncs (batch_method).
    """

    date = DayParameter(batch_method=max, description="UTC day, YYYY-MM-DD (default: yesterday)")


class FactJob(Job):
    """A build of one day of a fact.

    Of a range, Luigi hands out many days at once (batch_method), since for each task that it hands out it looks at all
    that it knows. Each day is still a run of its own.
    """

    date = DayParameter(batch_method=many_days, description="UTC day, YYYY-MM-DD (default: yesterday)")
    failure = luigi.Parameter(
        default="",
        significant=False,
        positional=False,
        visibility=luigi.parameter.ParameterVisibility.HIDDEN,
        description="why it failed among other days; then it is only there to say so",
    )

    @property
    def batchable(self) -> bool:
        """Whether Luigi may run it together with other days."""
        return not self.failure

    @property
    def max_batch_size(self) -> int:  # type: ignore[override]
        """How many days Luigi may hand out at once."""
        return int(settings().batch_days)

    def run(self) -> Iterator[list[Job]] | None:
        """Runs the day, or the days of a batch."""
        if self.failure:
            raise EtlError(f"{self.job_name()} for {self.date} failed: {self.failure}")
        return self._run_days() if isinstance(self.date, tuple) else super().run()

    def _run_days(self) -> Iterator[list[Job]]:
        """The newest day first. Of one that fails, a task of its own says so to Luigi; the others go on.

        Told to stop, it hands back the days that it has not begun, and Luigi runs none of them.
        """
        left: list[Job] = []
        for done, day in enumerate(reversed(days_of(self.date))):
            if is_stopping():
                left.append(self.forced(day, self.force, self.force_scope))
                continue
            try:
                result = run_job(self.spec(), day, self.force, self._report_of(day, done), self._link_all)
                logger.info("%s for %s: %s", self.job_name(), day, result.summary())
            except ConfigurationError:  # a database that can't be reached: no other day would fare better
                raise
            except Exception as error:
                left.append(self._failed(day, error))
        if left:
            yield left

    def _link_all(self, run_id: str) -> None:
        """Luigi gives each day of a batch the same link: to the report as a whole."""
        self._link_to("")

    def _failed(self, day: date, error: Exception) -> Job:
        """The task that says so of the day. Luigi mails its parameters: no ids of rows.

        To luigid it is the day's own task: another process that wants the day may be handed it, and tries once more.
        """
        return type(self)(day, force=self.force, force_scope=self.force_scope, failure=mask_ids(describe(error)))

    def _report_of(self, day: date, done: int) -> Callable[[str, int], None]:
        """Reports of one of the days as of a part of the whole."""
        number = len(days_of(self.date))
        return lambda message, percentage: self._report(
            f"{day}, {done + 1} of {number}: {message}", (100 * done + percentage) // number
        )
