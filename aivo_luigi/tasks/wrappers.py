"""The three wrappers: all dimensions, all facts of a day, everything."""

from __future__ import annotations

from collections.abc import Iterator

import luigi

from aivo_luigi.jobs.summary import print_summary
from aivo_luigi.jobs.task import Job
from aivo_luigi.jobs.wrapper import Wrapper
from aivo_luigi.tasks.dimensions import SyncDimLearner, SyncDimSkill, SyncDimSubject, SyncDimTenant, SyncDimUser
from aivo_luigi.tasks.facts import (
    BuildFactFocusEvents,
    BuildFactHomeworkEvents,
    BuildFactLearningProgress,
    BuildFactRecommendationEvents,
    BuildFactSessions,
)

DIMENSIONS: tuple[type[Job], ...] = (SyncDimTenant, SyncDimLearner, SyncDimUser, SyncDimSubject, SyncDimSkill)
FACTS: tuple[type[Job], ...] = (
    BuildFactSessions,
    BuildFactFocusEvents,
    BuildFactHomeworkEvents,
    BuildFactLearningProgress,
    BuildFactRecommendationEvents,
)


class SyncDimensions(Wrapper):
    """All five dimension syncs."""

    def requires(self) -> Iterator[Job]:
        """The five syncs."""
        for job in DIMENSIONS:
            yield job.forced(self.date, self.force, "all")

    def job_names(self) -> list[str]:
        """The five syncs."""
        return [job.job_name() for job in DIMENSIONS]


class BuildFacts(Wrapper):
    """All five fact builds of a day, and the dimension syncs that they need."""

    force_scope = luigi.ChoiceParameter(
        choices=["facts", "all"],
        default="facts",
        positional=False,
        visibility=luigi.parameter.ParameterVisibility.HIDDEN,
        description="whether the dimensions are forced too; RunAll sets it",
    )

    def requires(self) -> Iterator[Job]:
        """The five builds."""
        for job in FACTS:
            yield job.forced(self.date, self.force, self.force_scope)

    def job_names(self) -> list[str]:
        """The five builds."""
        return [job.job_name() for job in FACTS]


class RunAll(Wrapper):
    """The whole pipeline for a day: all dimensions and all facts."""

    def requires(self) -> Iterator[Wrapper]:
        """The two other wrappers."""
        yield SyncDimensions(date=self.date, force=self.force)
        yield BuildFacts(date=self.date, force=self.force, force_scope="all" if self.force else "facts")

    def job_names(self) -> list[str]:
        """All ten jobs."""
        return [job.job_name() for job in (*DIMENSIONS, *FACTS)]

    def run(self) -> None:
        """All is built by now: says what the warehouse holds."""
        print_summary(self.job_names(), self.date)
