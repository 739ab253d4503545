"""What the tests of section 3 ask of the run record and of the warehouse's content."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from support.database import Database

DIMENSIONS = ["sync_dim_tenant", "sync_dim_learner", "sync_dim_user", "sync_dim_subject", "sync_dim_skill"]
FACTS = [
    "build_fact_sessions",
    "build_fact_focus_events",
    "build_fact_homework_events",
    "build_fact_learning_progress",
    "build_fact_recommendation_events",
]
JOBS = [*DIMENSIONS, *FACTS]

_TENANT = "(select tenant_id::text || effective_from from dim_tenant t where t.tenant_key = x.tenant_key) as tenant"
_LEARNER = (
    "(select learner_id::text || effective_from from dim_learner l where l.learner_key = x.learner_key) as learner"
)

# Every table with its natural keys in place of the surrogate ones: equal content is equal text.
CONTENT = {
    "dim_tenant": "select to_jsonb(x) - 'tenant_key' as row from dim_tenant x",
    "dim_learner": f"select to_jsonb(x) - '{{learner_key,tenant_key}}'::text[] as row, {_TENANT} from dim_learner x",
    "dim_user": f"select to_jsonb(x) - '{{user_key,tenant_key}}'::text[] as row, {_TENANT} from dim_user x",
    "dim_subject": "select to_jsonb(x) - 'subject_key' as row from dim_subject x",
    "dim_skill": "select to_jsonb(x) - '{skill_key,subject_key}'::text[] as row,"
    " (select subject_code from dim_subject s where s.subject_key = x.subject_key) from dim_skill x",
    **{
        fact: "select to_jsonb(x)"
        f" - '{{{key},session_key,tenant_key,learner_key,skill_key,subject_key}}'::text[] as row,"
        f" {_TENANT}, {_LEARNER} {more} from {fact} x"
        for fact, key, more in (
            ("fact_sessions", "session_key", ""),
            (
                "fact_focus_events",
                "focus_event_key",
                ", (select session_id from fact_sessions s where s.session_key = x.session_key) as link",
            ),
            (
                "fact_homework_events",
                "homework_event_key",
                ", (select session_id from fact_sessions s where s.session_key = x.session_key) as link",
            ),
            (
                "fact_learning_progress",
                "progress_key",
                ", (select subject_code from dim_subject s where s.subject_key = x.subject_key) as subject",
            ),
            (
                "fact_recommendation_events",
                "recommendation_event_key",
                ", (select skill_id from dim_skill s where s.skill_key = x.skill_key) as skill",
            ),
        )
    },
}


def content(warehouse: Database) -> dict[str, list[str]]:
    """Every row of every table as text, without surrogate keys, sorted."""
    return {
        table: sorted(warehouse.column(f"select to_jsonb(whole)::text from ({query}) as whole"))
        for table, query in CONTENT.items()
    }


def everything(warehouse: Database) -> dict[str, list[str]]:
    """The same, and what is kept besides: rejected rows and the history of skill states."""
    rejected = "select (to_jsonb(t) - array['run_id', 'rejected_at'])::text from etl_rejected_rows as t order by 1"
    history = "select to_jsonb(t)::text from learner_skill_history as t order by 1"
    return content(warehouse) | {"rejected": warehouse.column(rejected), "history": warehouse.column(history)}


def runs(warehouse: Database, status: str = "SUCCESS") -> list[dict[str, Any]]:
    """The run rows of a status, oldest first."""
    return warehouse.rows("select * from etl_job_runs where status = %(status)s order by started_at", status=status)


def days(start: date, number: int) -> list[date]:
    """So many days from the first one on."""
    return [start + timedelta(days=offset) for offset in range(number)]
