"""Wrappers: tasks that are complete when all the jobs that they wrap are. They have no run row of their own."""

from __future__ import annotations

from datetime import date
from typing import Any

import luigi

from aivo_luigi.jobs.day_task import DayTask
from aivo_luigi.jobs.parameters import DayParameter, ForceParameter, days_of, many_days, once


class Wrapper(DayTask, luigi.WrapperTask):
    """Requires jobs for a day; --force on it forces all that it wraps. Of a range, Luigi ends many days at once."""

    date = DayParameter(batch_method=many_days, description="UTC day, YYYY-MM-DD (default: yesterday)")
    force = ForceParameter(description="run all that is wrapped although complete; with a NAME, once for that name")

    @once
    def requires(self) -> list[Any]:
        """What it wraps, of its day or of those of a batch."""
        return [task for day in days_of(self.date) for task in self.wrapped(day)]

    def wrapped(self, day: date) -> list[Any]:
        """What it wraps of a day."""
        raise NotImplementedError
