"""The pipeline from Python: each function runs the Luigi task of its name, what that task needs first, and tells how it
went.

`date` is a datetime.date or a strict "YYYY-MM-DD"; left out, it is yesterday in UTC. `force`: True runs a complete job
again, a name does so once for that name. A job that fails is no exception but a JobResult with status FAILED and the
reason in error_message.
"""

from __future__ import annotations

import logging
from datetime import date as Date  # noqa: N812 - `date` is the name of the functions' parameter

from aivo_luigi.errors import describe
from aivo_luigi.jobs.completeness import forget_answers
from aivo_luigi.jobs.parameters import new_token
from aivo_luigi.jobs.result import JobResult
from aivo_luigi.jobs.task import Job
from aivo_luigi.tasks import (
    BuildFactFocusEvents,
    BuildFactHomeworkEvents,
    BuildFactLearningProgress,
    BuildFactRecommendationEvents,
    BuildFacts,
    BuildFactSessions,
    SyncDimensions,
    SyncDimLearner,
    SyncDimSkill,
    SyncDimSubject,
    SyncDimTenant,
    SyncDimUser,
)

logger = logging.getLogger("luigi-interface")


def run_all_dimension_syncs(date: Date | str | None = None, force: bool | str = False) -> list[JobResult]:
    """Runs the five dimension syncs, in the order in which they need each other."""
    return _run_all(list(SyncDimensions(date=date, force=_token(force)).requires()))


def run_all_fact_builds(date: Date | str | None = None, force: bool | str = False) -> list[JobResult]:
    """Runs the five fact builds of a day; `force` forces these, not the dimensions."""
    return _run_all(list(BuildFacts(date=date, force=_token(force)).requires()))


def job_sync_dim_tenant(date: Date | str | None = None, force: bool | str = False) -> JobResult:
    """Runs SyncDimTenant."""
    return _run_all([SyncDimTenant(date=date, force=_token(force))])[0]


def job_sync_dim_learner(date: Date | str | None = None, force: bool | str = False) -> JobResult:
    """Runs SyncDimLearner."""
    return _run_all([SyncDimLearner(date=date, force=_token(force))])[0]


def job_sync_dim_user(date: Date | str | None = None, force: bool | str = False) -> JobResult:
    """Runs SyncDimUser."""
    return _run_all([SyncDimUser(date=date, force=_token(force))])[0]


def job_sync_dim_subject(date: Date | str | None = None, force: bool | str = False) -> JobResult:
    """Runs SyncDimSubject."""
    return _run_all([SyncDimSubject(date=date, force=_token(force))])[0]


def job_sync_dim_skill(date: Date | str | None = None, force: bool | str = False) -> JobResult:
    """Runs SyncDimSkill."""
    return _run_all([SyncDimSkill(date=date, force=_token(force))])[0]


def job_build_fact_sessions(date: Date | str | None = None, force: bool | str = False) -> JobResult:
    """Runs BuildFactSessions."""
    return _run_all([BuildFactSessions(date=date, force=_token(force))])[0]


def job_build_fact_focus_events(date: Date | str | None = None, force: bool | str = False) -> JobResult:
    """Runs BuildFactFocusEvents."""
    return _run_all([BuildFactFocusEvents(date=date, force=_token(force))])[0]


def job_build_fact_homework_events(date: Date | str | None = None, force: bool | str = False) -> JobResult:
    """Runs BuildFactHomeworkEvents."""
    return _run_all([BuildFactHomeworkEvents(date=date, force=_token(force))])[0]


def job_build_fact_learning_progress(date: Date | str | None = None, force: bool | str = False) -> JobResult:
    """Runs BuildFactLearningProgress."""
    return _run_all([BuildFactLearningProgress(date=date, force=_token(force))])[0]


def job_build_fact_recommendation_events(date: Date | str | None = None, force: bool | str = False) -> JobResult:
    """Runs BuildFactRecommendationEvents."""
    return _run_all([BuildFactRecommendationEvents(date=date, force=_token(force))])[0]


def _token(force: bool | str) -> str:
    """Each call that says True forces anew."""
    return new_token() if force is True else force or ""


def _run_all(jobs: list[Job]) -> list[JobResult]:
    """Runs the jobs in order, each once, asking the warehouse anew what is complete."""
    forget_answers()
    results: dict[str, JobResult] = {}
    return [_run(job, results) for job in jobs]


def _run(job: Job, results: dict[str, JobResult]) -> JobResult:
    """The result of a job, after the jobs that it needs; a need that failed is the job's own failure."""
    if job.task_id not in results:
        needs = [_run(need, results) for need in job.requires()]
        failed = next((need for need in needs if need.status == "FAILED"), None)
        if failed:
            reason = f"{failed.job_name} failed first: {failed.error_message}"
            results[job.task_id] = JobResult(job.job_name(), "FAILED", error_message=reason)
        else:
            results[job.task_id] = _attempt(job)
    return results[job.task_id]


def _attempt(job: Job) -> JobResult:
    try:
        return job.run_job()
    except Exception as error:
        logger.error("%s for %s failed", job.job_name(), job.date, exc_info=error)
        return JobResult(job.job_name(), "FAILED", error_message=describe(error))
