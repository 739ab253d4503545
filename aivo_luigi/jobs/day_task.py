"""What jobs and wrappers have in common: a day, and the jobs whose rows make them complete for it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import cache
from typing import Any

import luigi

from aivo_luigi.jobs.completeness import are_complete, complete_days
from aivo_luigi.jobs.one_line import OneLineFailure
from aivo_luigi.jobs.parameters import DayParameter, ForceParameter, days_of
from aivo_luigi.jobs.signals import heed_signals


class DayTask(OneLineFailure, luigi.Task):
    """A task for a day. Of a range, Luigi may make one task of many days (the batch_method of `date`)."""

    date = DayParameter(description="UTC day, YYYY-MM-DD (default: yesterday)")
    force = ForceParameter(description="run although complete; with a NAME, once for that name")

    @classmethod
    @cache
    def get_params(cls) -> list[tuple[str, luigi.Parameter[Any]]]:
        """The parameters, which Luigi asks for again and again and would look for each time."""
        return super().get_params()  # type: ignore[no-untyped-call, no-any-return]

    def job_names(self) -> list[str]:
        """The jobs whose rows make this task complete."""
        raise NotImplementedError

    def complete(self) -> bool:
        """Whether all its jobs are complete: one query for each day, or none where a wrapper has just asked."""
        heed_signals()
        # Luigi asks a first time when it schedules a task, and again when it has run.
        first_time = not self.__dict__.get("_was_asked", False)
        self._was_asked = True
        return all(are_complete(self.job_names(), day, self.force, first_time) for day in days_of(self.date))

    def deps(self) -> list[luigi.Task]:
        """What it requires, for Luigi, which is about to ask each task whether it is complete.

        Of the many days of a batch all are asked for at once, so that each has its answer.
        """
        required: list[Any] = super().deps()  # type: ignore[no-untyped-call]
        if isinstance(self.date, tuple):
            for force in {task.force for task in required}:
                jobs = {job for task in required if task.force == force for job in task.job_names()}
                complete_days(sorted(jobs), self.date, force)
        return required

    @classmethod
    def bulk_complete(cls, parameter_tuples: Iterable[date]) -> list[date]:
        """Those of the days for which it is complete: one query for a whole range."""
        return bulk_complete(cls, parameter_tuples)

    @property
    def priority(self) -> int:  # type: ignore[override]
        """The newest day first: its numbers are waited for, and its dimension syncs serve every earlier day."""
        return days_of(self.date)[-1].toordinal()


def bulk_complete(cls: Any, days: Iterable[date]) -> list[date]:
    """`bulk_complete` of a job or wrapper. Luigi hands in the class, or a partial of it, and a one-shot iterator."""
    heed_signals()
    wanted = list(days)
    if not wanted:
        return []
    task = cls(date=wanted[0])
    return complete_days(task.job_names(), wanted, task.force)
