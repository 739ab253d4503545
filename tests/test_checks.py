"""Every check of every checks.sql is broken on purpose once, and every guard is driven up to its threshold and over it.

A warehouse is spoiled within the run, by triggers on the tables that the job writes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from support.members import written
from support.pipeline import Pipeline
from support.runs import JOBS
from support.world import DAY, World, at, uid

import aivo_luigi
from aivo_luigi import JobResult
from aivo_luigi.warehouse.checks import read_checks

CHANGED = at("2025-01-10 09:00")
PROMISES = {(job, check.promise): check.failing for job in JOBS for check in read_checks(f"jobs/{job}/checks.sql")}


@dataclass(frozen=True)
class Break:
    """How one promise of a job is broken: statements for the warehouse, for the source or for both."""

    job: str
    promise: str
    warehouse: str = ""
    source: str = ""

    @property
    def fails(self) -> bool:
        return PROMISES.get((self.job, self.promise), True)


def table_of(job: str) -> str:
    """The table that a job writes."""
    return job.removeprefix("build_").removeprefix("sync_")


def _trigger(when: str, table: str, each: str, body: str) -> str:
    return (
        f"create function spoil() returns trigger language plpgsql as $$ begin {body} end $$;"
        f" create trigger spoil {when} on {table} for each {each} when (pg_trigger_depth() = 0)"
        " execute function spoil();"
    )


def each_row(table: str, change: str) -> str:
    """A change of each row on its way into a table; `new` is the row."""
    return _trigger("before insert or update", table, "row", f"{change}; return new;")


def no_row(event: str, table: str) -> str:
    """No row is inserted, or none is updated."""
    return _trigger(f"before {event}", table, "row", "return null;")


def afterwards(table: str, statement: str) -> str:
    """A statement that runs after each statement that writes to a table."""
    return _trigger("after insert or update", table, "statement", f"{statement}; return null;")


def copies(table: str, **changes: str) -> str:
    """Statements that write the rows of a table once more, with other values in some columns."""
    change = " ".join(f"copy.{column} := {value};" for column, value in changes.items())
    return (
        f"declare copy {table}; begin"
        f" for copy in select * from {table} loop {change} insert into {table} select copy.*; end loop; end"
    )


def without(table: str, *constraints: str) -> str:
    """Drops constraints that would stop a break before the checks see it."""
    return "".join(f"alter table {table} drop constraint {table}_{constraint};" for constraint in constraints)


def breaks_of_fact(fact: str, key: str, business_key: str, moment: str, at_day: str, what: str) -> Iterator[Break]:
    """The promises that the four facts with a row per row of the source have in common."""
    job = f"build_{fact}"
    next_key = f"nextval('{fact}_{key}_seq')"
    yield Break(job, at_day, each_row(fact, f"new.{moment} := new.{moment} + interval '1 day'"))
    for dimension in ("tenant", "learner"):
        yield Break(
            job,
            "every_key_is_a_member_of_its_dimension",
            without(fact, f"{dimension}_key_fkey") + each_row(fact, f"new.{dimension}_key := 0"),
        )
    yield Break(
        job,
        f"no_{what}_is_there_twice",
        without(fact, f"date_key_{business_key}_key") + afterwards(fact, copies(fact, **{key: next_key})),
    )
    for other_day in (20250108, 20250122):
        yield Break(
            job,
            f"no_{what}_is_there_on_another_day_too",
            afterwards(fact, copies(fact, **{key: next_key, "date_key": str(other_day)})),
        )


def breaks_of_versions(dimension: str, key: str, what: str) -> Iterator[Break]:
    """The promises that the two SCD 2 dimensions have in common."""
    job = f"sync_{dimension}"
    yield Break(
        job,
        f"no_{what}_has_two_current_versions",
        f"drop index {dimension}_one_current;"
        + afterwards(
            dimension,
            f"insert into {dimension} select (jsonb_populate_record(current,"
            f" jsonb_build_object('{key}', nextval(pg_get_serial_sequence('{dimension}', '{key}'))))).*"
            f" from {dimension} as current where is_current",
        ),
    )
    live = f"every_live_{what}_has_a_current_version"
    yield Break(job, live, _trigger("before insert", dimension, "row", _CLOSED))
    yield Break(job, live, no_row("insert", dimension))
    yield Break(job, live, no_row("update", dimension), f"update {what}s set deleted_at = '{CHANGED}'")
    yield Break(
        job,
        "versions_do_not_overlap",
        _trigger(
            "before insert", dimension, "row", "new.effective_from := new.effective_from - interval '1 s'; return new;"
        ),
    )


_CLOSED = "new.is_current := false; new.effective_to := new.effective_from; return new;"


def breaks_of_upsert(dimension: str, key: str, what: str) -> Iterator[Break]:
    """The promises that users and skills have in common."""
    job = f"sync_{dimension}"
    yield Break(job, f"no_{what}_deleted_in_the_source_is_active", each_row(dimension, "new.is_active := true"))
    once = f"every_{what}_of_the_source_is_there_once"
    yield Break(job, once, no_row("insert", dimension))
    next_key = f"nextval(pg_get_serial_sequence('{dimension}', '{key}'))"
    yield Break(
        job, once, without(dimension, f"{what}_id_key") + afterwards(dimension, copies(dimension, **{key: next_key}))
    )


BREAKS = [
    *breaks_of_fact(
        "fact_sessions", "session_key", "session_id", "started_at", "every_session_started_on_the_day", "session"
    ),
    Break("build_fact_sessions", "no_count_is_negative", each_row("fact_sessions", "new.hints_used := -1")),
    Break(
        "build_fact_sessions",
        "no_session_ends_before_it_starts",
        each_row("fact_sessions", "new.ended_at := new.started_at - interval '1 s'"),
    ),
    *(
        Break("build_fact_sessions", "the_sums_are_the_sources", each_row("fact_sessions", f"new.{column} := 9"))
        for column in (
            "duration_seconds",
            "activities_assigned",
            "activities_completed",
            "activities_skipped",
            "correct_responses",
            "incorrect_responses",
            "hints_used",
            "focus_breaks_count",
            "focus_interventions_count",
        )
    ),
    *breaks_of_fact(
        "fact_focus_events", "focus_event_key", "event_id", "event_time", "every_event_happened_on_the_day", "event"
    ),
    Break(
        "build_fact_focus_events",
        "no_link_to_a_session_without_its_day",
        each_row("fact_focus_events", "new.session_date_key := null"),
    ),
    Break("build_fact_focus_events", "every_event_has_a_known_session", source="delete from sessions"),
    *(
        Break("build_fact_focus_events", "no_link_leads_nowhere", each_row("fact_focus_events", f"new.{change}"))
        for change in ("session_key := 0", "session_key := null")
    ),
    *(
        Break("build_fact_focus_events", "the_sums_are_the_sources", each_row("fact_focus_events", change))
        for change in (
            "new.event_type := 'FOCUS_LOSS_DETECTED'",
            "new.event_type := 'FOCUS_INTERVENTION_SHOWN'",
            "new.session_date_key := null; new.session_key := null",
        )
    ),
    *breaks_of_fact(
        "fact_homework_events",
        "homework_event_key",
        "submission_id",
        "submitted_at",
        "every_submission_was_made_on_the_day",
        "submission",
    ),
    Break(
        "build_fact_homework_events",
        "no_more_correct_responses_than_responses",
        each_row("fact_homework_events", "new.correct_responses := 9"),
    ),
    Break(
        "build_fact_homework_events",
        "completion_rate_lies_between_0_and_1",
        each_row("fact_homework_events", "new.completion_rate := 1.01"),
    ),
    Break(
        "build_fact_homework_events",
        "no_more_steps_completed_than_there_are",
        source="update homework_submissions set step_count = 1, steps_completed = 2",
    ),
    *(
        Break("build_fact_homework_events", "no_link_leads_nowhere", each_row("fact_homework_events", f"new.{change}"))
        for change in ("session_key := 0", "session_key := null", "session_date_key := null")
    ),
    *(
        Break(
            "build_fact_homework_events", "the_sums_are_the_sources", each_row("fact_homework_events", f"new.{change}")
        )
        for change in (
            "step_count := 9",
            "steps_completed := 9",
            "hints_revealed := 9",
            "correct_responses := 0",
            "total_responses := 9",
        )
    ),
    *(
        Break("build_fact_learning_progress", promise, each_row("fact_learning_progress", f"new.{change}"))
        for promise, change in (
            ("the_three_kinds_add_up_to_the_total", "total_skills := 9"),
            ("average_mastery_lies_between_0_and_1", "average_mastery := 1.01"),
            ("no_more_skills_gained_than_mastered", "skills_gained_today := 9"),
            ("nobody_practises_more_than_a_day_in_a_day", "practice_minutes_today := 1441"),
            ("the_sums_are_the_sources", "skills_gained_today := 0"),
            ("the_sums_are_the_sources", "total_skills := 9; new.not_started_skills := 8"),
            (
                "the_sums_are_the_sources",
                "mastered_skills := 0; new.skills_gained_today := 0; new.not_started_skills := 1",
            ),
        )
    ),
    *(
        Break(
            "build_fact_learning_progress",
            "every_key_is_a_member_of_its_dimension",
            without("fact_learning_progress", f"{dimension}_key_fkey")
            + each_row("fact_learning_progress", f"new.{dimension}_key := 0"),
        )
        for dimension in ("tenant", "learner", "subject")
    ),
    Break(
        "build_fact_learning_progress",
        "no_learner_has_a_subject_twice",
        afterwards(
            "fact_learning_progress",
            copies(
                "fact_learning_progress",
                progress_key="nextval('fact_learning_progress_progress_key_seq')",
                learner_key="(select min(learner_key) from dim_learner)",
            ),
        ),
    ),
    Break(
        "build_fact_learning_progress",
        "the_sums_are_the_sources",
        no_row("insert", "dim_learner"),
        "insert into learner_skill_states"
        f" select gen_random_uuid(), tenant_id, '{uid('nobody')}', skill_id, mastery_level, updated_at"
        " from learner_skill_states",
    ),
    *breaks_of_fact(
        "fact_recommendation_events",
        "recommendation_event_key",
        "recommendation_id",
        "created_at",
        "every_recommendation_was_created_on_the_day",
        "recommendation",
    ),
    Break(
        "build_fact_recommendation_events",
        "every_key_is_a_member_of_its_dimension",
        without("fact_recommendation_events", "skill_key_fkey")
        + each_row("fact_recommendation_events", "new.skill_key := 0"),
    ),
    Break(
        "build_fact_recommendation_events",
        "no_response_time_without_a_response",
        each_row("fact_recommendation_events", "new.response_time_seconds := 9"),
    ),
    Break(
        "build_fact_recommendation_events",
        "no_recommendation_is_accepted_and_declined",
        source="update recommendations set was_accepted = true, was_declined = true",
    ),
    *(
        Break(
            "build_fact_recommendation_events",
            "the_sums_are_the_sources",
            each_row("fact_recommendation_events", f"new.{change}"),
        )
        for change in ("was_accepted := null", "was_declined := true", "skill_key := null")
    ),
    *breaks_of_versions("dim_tenant", "tenant_key", "tenant"),
    *breaks_of_versions("dim_learner", "learner_key", "learner"),
    Break(
        "sync_dim_learner",
        "a_current_learner_points_at_the_last_version_of_its_tenant",
        each_row("dim_learner", "new.tenant_key := (select min(tenant_key) from dim_tenant)"),
    ),
    Break(
        "sync_dim_learner",
        "every_learner_has_a_tenant",
        each_row("dim_learner", "new.tenant_key := (select max(tenant_key) from dim_tenant)"),
        "insert into tenants (id, name, created_at) values (gen_random_uuid(), 'Other', '2024-09-01')",
    ),
    Break(
        "sync_dim_learner",
        "every_learner_has_a_tenant",
        without("dim_learner", "tenant_key_fkey") + each_row("dim_learner", "new.tenant_key := 0"),
    ),
    *breaks_of_upsert("dim_user", "user_key", "user"),
    Break(
        "sync_dim_user",
        "a_user_points_at_the_last_version_of_its_tenant",
        each_row("dim_user", "new.tenant_key := (select min(tenant_key) from dim_tenant)"),
    ),
    Break(
        "sync_dim_user",
        "every_user_has_a_tenant",
        without("dim_user", "tenant_key_fkey") + each_row("dim_user", "new.tenant_key := 0"),
    ),
    *breaks_of_upsert("dim_skill", "skill_key", "skill"),
    Break(
        "sync_dim_skill", "every_parent_skill_is_known", each_row("dim_skill", f"new.parent_skill_id := '{uid('x')}'")
    ),
    Break(
        "sync_dim_skill",
        "every_skill_has_a_subject",
        without("dim_skill", "subject_key_fkey") + each_row("dim_skill", "new.subject_key := 0"),
    ),
    *(
        Break(
            "sync_dim_subject",
            "every_subject_of_the_list_is_there_and_not_inferred",
            afterwards("dim_subject", f"{statement} where subject_code = 'SEL'"),
        )
        for statement in ("delete from dim_subject", "update dim_subject set is_inferred = true")
    ),
]


def run(job: str, force: bool = False) -> JobResult:
    result: JobResult = getattr(aivo_luigi, f"job_{job}")(DAY, force=force)
    return result


def built(job: str, pipeline: Pipeline, world: World) -> None:
    """A world in which a job has run, and in which there is something to do for it when it runs again."""
    world.tenant()
    world.learner()
    for name in ("teacher", "leaver"):
        world.user(name)
    for name in ("adding", "dropped"):
        world.skill(name)
    world.session()
    world.event("FOCUS_BREAK_STARTED", metadata={"durationSeconds": 30})
    world.submission(session="lesson", step_count=2, steps_completed=1)
    world.response(world.step(hint_revealed=True), is_correct=True)
    world.skill_state(mastery_level=0.9)
    world.recommendation(was_accepted=True)
    assert run(job).status == "SUCCESS"
    change, school = pipeline.source.update, uid("school")
    change("tenants", school, name="Oak", updated_at=CHANGED)
    change("learners", uid("anna"), grade_level=4, updated_at=CHANGED)
    change("users", uid("teacher"), role="PARENT", updated_at=CHANGED)
    change("users", uid("leaver"), deleted_at=CHANGED)
    change("skills", uid("adding"), name="Adding", updated_at=CHANGED)
    change("skills", uid("dropped"), deleted_at=CHANGED)
    world.user("newcomer")
    world.skill("new")
    pipeline.warehouse.execute("update dim_subject set subject_name = 'Sums' where subject_code = 'MATH'")


def prepared(job: str, pipeline: Pipeline, source: str = "") -> None:
    """What a run of the job finds when it runs again: a source that has changed, and what it needs of the warehouse."""
    if source:
        pipeline.source.execute(source)
    if job in {"sync_dim_learner", "sync_dim_user"}:
        assert run("sync_dim_tenant", force=True).status == "SUCCESS"
    if job == "build_fact_learning_progress":
        for dimension in ("sync_dim_tenant", "sync_dim_learner"):
            assert run(dimension, force=True).status == "SUCCESS"


def name_of(broken: Break) -> str:
    return f"{broken.job}-{broken.promise}"


def test_every_promise_is_broken_once() -> None:
    assert {(broken.job, broken.promise) for broken in BREAKS} == set(PROMISES)


@pytest.mark.parametrize("job", JOBS)
def test_a_job_that_keeps_its_promises_says_nothing_of_them(
    pipeline: Pipeline, world: World, caplog: pytest.LogCaptureFixture, job: str
) -> None:
    built(job, pipeline, world)
    prepared(job, pipeline)
    with caplog.at_level(logging.INFO, "luigi-interface"):
        result = run(job, force=True)
    assert result.status == "SUCCESS", result.error_message
    assert result.rows_inserted + result.rows_updated > 0
    assert "promise" not in caplog.text


@pytest.mark.parametrize("broken", [broken for broken in BREAKS if broken.fails], ids=name_of)
def test_a_broken_promise_fails_the_job_and_changes_nothing(pipeline: Pipeline, world: World, broken: Break) -> None:
    built(broken.job, pipeline, world)
    prepared(broken.job, pipeline, broken.source)
    before = written(pipeline, table_of(broken.job))
    pipeline.warehouse.execute(broken.warehouse)
    result = run(broken.job, force=True)
    assert result.status == "FAILED"
    assert f"breaks its promise {broken.promise} (" in (result.error_message or "")
    assert written(pipeline, table_of(broken.job)) == before


@pytest.mark.parametrize("broken", [broken for broken in BREAKS if not broken.fails], ids=name_of)
def test_a_broken_warning_is_logged_and_the_load_stands(
    pipeline: Pipeline, world: World, caplog: pytest.LogCaptureFixture, broken: Break
) -> None:
    built(broken.job, pipeline, world)
    prepared(broken.job, pipeline, broken.source)
    before = written(pipeline, table_of(broken.job))
    if broken.warehouse:
        pipeline.warehouse.execute(broken.warehouse)
    result = run(broken.job, force=True)
    assert result.status == "SUCCESS", result.error_message
    assert f"breaks its promise {broken.promise} (" in caplog.text
    assert written(pipeline, table_of(broken.job)) != before
