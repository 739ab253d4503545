"""Wrappers: tasks that are complete when all the jobs that they wrap are. They have no run row of their own."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import luigi

from aivo_luigi.jobs.completeness import are_complete
from aivo_luigi.jobs.parameters import DayParameter, ForceParameter
from aivo_luigi.jobs.task import bulk_complete


class Wrapper(luigi.WrapperTask):
    """Requires jobs for a day; --force on it forces all that it wraps."""

    date = DayParameter(description="UTC day, YYYY-MM-DD (default: yesterday)")
    force = ForceParameter(description="run all that is wrapped although complete; with a NAME, once for that name")

    def job_names(self) -> list[str]:
        """The jobs that are wrapped, however deep."""
        raise NotImplementedError

    def complete(self) -> bool:
        """Whether all the wrapped jobs are complete: one query."""
        return are_complete(self.job_names(), self.date, self.force)

    @classmethod
    def bulk_complete(cls, parameter_tuples: Iterable[date]) -> list[date]:
        """Those of the days for which all is complete: one query for a whole range."""
        return bulk_complete(cls, parameter_tuples)

    @property
    def priority(self) -> int:  # type: ignore[override]
        """The newest day first."""
        return int(self.date.toordinal())
