"""Late data: days that were built before their source rows had come to rest."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Set
from datetime import date, timedelta

import luigi
import psycopg2

from aivo_luigi.config import MOST_DAYS, settings
from aivo_luigi.errors import ConfigurationError, GuardError, SourceError, describe
from aivo_luigi.jobs.compare import built_days, compare
from aivo_luigi.jobs.completeness import open_warehouse
from aivo_luigi.jobs.one_line import OneLineFailure
from aivo_luigi.jobs.parameters import AlwaysForceParameter, DayParameter
from aivo_luigi.jobs.signals import heed_signals
from aivo_luigi.jobs.task import Job
from aivo_luigi.tasks.wrappers import FACTS, SyncDimensions

logger = logging.getLogger("luigi-interface")
told = logging.getLogger("luigi-interface.told")  # aivo-etl shows what is said here, too

_NAMED = 7  # days


class RebuildLateDays(OneLineFailure, luigi.Task):
    """Builds again the days in the look-back whose source rows are no longer those that were read.

    Each built day is compared with the source, and built again only where they differ. Runs whenever it is asked for.
    """

    date = DayParameter(description="UTC day, YYYY-MM-DD (default: yesterday), the newest to look at")
    look_back_days = luigi.OptionalIntParameter(
        default=None, description="how many days to look at, the newest included (default: look_back_days of [etl])"
    )
    force = AlwaysForceParameter(description="run under a NAME: what was built again under it is not built once more")

    def complete(self) -> bool:
        """Never: what is late is found by looking."""
        heed_signals()
        return False

    def requires(self) -> SyncDimensions:
        """The dimensions as they are after the newest day: facts join what they say."""
        return SyncDimensions(date=self.date)

    def run(self) -> Iterator[list[Job]]:
        """Looks, and has Luigi build what is late; no day's failure keeps the others from being built."""
        yield self.late_days()

    def late_days(self) -> list[Job]:
        """The builds that have to be repeated, the newest day first."""
        return [job for job, _ in self.find_late()]

    def find_late(self) -> list[tuple[Job, str]]:
        """The same, each with the reason."""
        open_warehouse(self.date)
        days = settings().look_back_days if self.look_back_days is None else self.look_back_days
        if not 1 <= days <= MOST_DAYS:
            raise ConfigurationError(f"a look-back can't be {days} days: give --look-back-days from 1 to {MOST_DAYS}")
        built = built_days(FACTS, self.date - timedelta(days=days - 1), self.date)
        found = ((job(date=day, force=self.force), why_late(job, day)) for job, day in built)
        late = [(job, reason) for job, reason in found if reason]
        told.info(_summary({day for _, day in built}, {job.date for job, _ in late}))
        return late


def _summary(compared: Set[date], late: Set[date]) -> str:
    """How many days were compared, and which of them differ: each by its name, if they are not very many."""
    days = "1 day" if len(compared) == 1 else f"{len(compared)} days"
    if not late:
        return f"{days} compared, none to be built again"
    named = ", ".join(map(str, sorted(late))) if len(late) <= _NAMED else f"{min(late)} to {max(late)}"
    return f"{days} compared, {len(late)} to be built again: {named}"


def why_late(job: type[Job], day: date) -> str:
    """How the day differs from the source; empty if it doesn't.

    A day that can't even be compared is late too: it is built again, so that its run says why, and the others go on.
    """
    try:
        differences = compare(job.spec(), day, everything=False)
    except (GuardError, SourceError, psycopg2.Error) as error:
        reason = f"can't be compared: {describe(error)}"
    else:
        reason = f"late: {differences.summary()}" if differences else ""
    if reason:
        logger.info("%s for %s: %s", job.job_name(), day, reason)
    return reason
