"""The five daily fact builds."""

from __future__ import annotations

from aivo_luigi.jobs.task import FactJob
from aivo_luigi.tasks.dimensions import SyncDimLearner, SyncDimSkill, SyncDimSubject, SyncDimTenant
from aivo_luigi.warehouse import DayPartition
from aivo_luigi.warehouse.members import LEARNER, SKILL, TENANT


class BuildFactSessions(FactJob):
    """Session-level aggregates: one row per session started on the day."""

    way = DayPartition(
        table="fact_sessions",
        surrogate_key="session_key",
        business_key=("session_id",),
        linked_from=("fact_focus_events", "fact_homework_events"),
    )
    source_table = "sessions"
    required = ("session_id", "tenant_id", "learner_id")
    references = (TENANT, LEARNER)
    requires_jobs = (SyncDimTenant, SyncDimLearner)


class BuildFactFocusEvents(FactJob):
    """Focus: one row per focus event on the day."""

    way = DayPartition(
        table="fact_focus_events",
        surrogate_key="focus_event_key",
        business_key=("event_id",),
        links_to_sessions=True,
    )
    source_table = "session_events"
    required = ("event_id", "session_id", "tenant_id", "learner_id")
    references = (TENANT, LEARNER)
    requires_jobs = (SyncDimTenant, SyncDimLearner, BuildFactSessions)


class BuildFactHomeworkEvents(FactJob):
    """Homework: one row per submission made on the day."""

    way = DayPartition(
        table="fact_homework_events",
        surrogate_key="homework_event_key",
        business_key=("submission_id",),
        links_to_sessions=True,
    )
    source_table = "homework_submissions"
    required = ("submission_id", "tenant_id", "learner_id")
    references = (TENANT, LEARNER)
    requires_jobs = (SyncDimTenant, SyncDimLearner, BuildFactSessions)


class BuildFactLearningProgress(FactJob):
    """Mastery: one row per learner and subject, as they stood at the day's end."""

    way = DayPartition(
        table="fact_learning_progress",
        surrogate_key="progress_key",
        business_key=("learner_key", "subject_key"),
        row_per_staged=False,
    )
    source_table = "learner_skill_states"
    required = ("state_id", "tenant_id", "learner_id", "skill_id")
    keeps_history = True
    references = (TENANT, LEARNER, SKILL)
    requires_jobs = (SyncDimTenant, SyncDimLearner, SyncDimSkill, SyncDimSubject)


class BuildFactRecommendationEvents(FactJob):
    """Recommendations: one row per recommendation created on the day."""

    way = DayPartition(
        table="fact_recommendation_events",
        surrogate_key="recommendation_event_key",
        business_key=("recommendation_id",),
    )
    source_table = "recommendations"
    required = ("recommendation_id", "tenant_id", "learner_id")
    references = (TENANT, LEARNER, SKILL)
    requires_jobs = (SyncDimTenant, SyncDimLearner, SyncDimSkill)
