"""aivo_luigi: an education platform's PostgreSQL into its star-schema warehouse, as a Luigi pipeline.

    luigi --module aivo_luigi RunAll --date 2025-01-15

What a user may import or name on the command line is here, and nothing else.
"""

import os
import sys

# Luigi must know the tasks of a module that it has imported, so that all is imported at once. Only the command
# aivo-etl, which needs none of these names, is spared the quarter of a second that this takes.
if not sys.argv or os.path.splitext(os.path.basename(sys.argv[0]))[0] != "aivo-etl":
    from aivo_luigi.api import (
        job_build_fact_focus_events,
        job_build_fact_homework_events,
        job_build_fact_learning_progress,
        job_build_fact_recommendation_events,
        job_build_fact_sessions,
        job_sync_dim_learner,
        job_sync_dim_skill,
        job_sync_dim_subject,
        job_sync_dim_tenant,
        job_sync_dim_user,
        run_all_dimension_syncs,
        run_all_fact_builds,
    )
    from aivo_luigi.config import etl
    from aivo_luigi.dates import date_range, from_date_key, parse_date, to_date_key
    from aivo_luigi.errors import EtlError
    from aivo_luigi.jobs.result import JobResult
    from aivo_luigi.logs import speak_in_one_line
    from aivo_luigi.tasks import (
        BuildFactFocusEvents,
        BuildFactHomeworkEvents,
        BuildFactLearningProgress,
        BuildFactRecommendationEvents,
        BuildFacts,
        BuildFactSessions,
        Check,
        RebuildLateDays,
        Retention,
        RunAll,
        SyncDimensions,
        SyncDimLearner,
        SyncDimSkill,
        SyncDimSubject,
        SyncDimTenant,
        SyncDimUser,
    )

    speak_in_one_line()

__all__ = [
    "BuildFactFocusEvents",
    "BuildFactHomeworkEvents",
    "BuildFactLearningProgress",
    "BuildFactRecommendationEvents",
    "BuildFactSessions",
    "BuildFacts",
    "Check",
    "EtlError",
    "JobResult",
    "RebuildLateDays",
    "Retention",
    "RunAll",
    "SyncDimLearner",
    "SyncDimSkill",
    "SyncDimSubject",
    "SyncDimTenant",
    "SyncDimUser",
    "SyncDimensions",
    "date_range",
    "etl",
    "from_date_key",
    "job_build_fact_focus_events",
    "job_build_fact_homework_events",
    "job_build_fact_learning_progress",
    "job_build_fact_recommendation_events",
    "job_build_fact_sessions",
    "job_sync_dim_learner",
    "job_sync_dim_skill",
    "job_sync_dim_subject",
    "job_sync_dim_tenant",
    "job_sync_dim_user",
    "parse_date",
    "run_all_dimension_syncs",
    "run_all_fact_builds",
    "to_date_key",
]
