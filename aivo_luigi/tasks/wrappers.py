"""The three wrappers: all dimensions, all facts of a day, everything."""

from __future__ import annotations

from datetime import date
from typing import Any

import luigi

from aivo_luigi.jobs.parameters import days_of
from aivo_luigi.jobs.summary import is_asked_for, tell_summary
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


JOB_NAMES = tuple(job.job_name() for job in (*DIMENSIONS, *FACTS))


class SyncDimensions(Wrapper):
    """All five dimension syncs."""

    def wrapped(self, day: date) -> list[Any]:
        """The five syncs."""
        return [job.forced(day, self.force, "all") for job in DIMENSIONS]

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

    def wrapped(self, day: date) -> list[Any]:
        """The five builds."""
        return [job.forced(day, self.force, self.force_scope) for job in FACTS]

    def job_names(self) -> list[str]:
        """The five builds."""
        return [job.job_name() for job in FACTS]


class RunAll(Wrapper):
    """The whole pipeline for a day: all dimensions and all facts."""

    def wrapped(self, day: date) -> list[Any]:
        """The two other wrappers."""
        return [
            SyncDimensions(date=day, force=self.force),
            BuildFacts(date=day, force=self.force, force_scope="all" if self.force else "facts"),
        ]

    def job_names(self) -> list[str]:
        """All ten jobs."""
        return list(JOB_NAMES)

    def run(self) -> None:
        """All is built by now: says what the warehouse holds; of one day among many, in a line of the log."""
        for day in days_of(self.date):
            tell_summary(self.job_names(), day, at_length=is_asked_for("RunAll"))
