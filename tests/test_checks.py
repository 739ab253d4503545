"""Every check of every checks.sql is broken on purpose once, and every guard is driven up to its threshold and over it.

A warehouse is spoiled within the run, by triggers on the tables that the job writes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.clock import Clock, with_clock
from support.database import Database
from support.databases import Databases
from support.members import written
from support.pipeline import Pipeline
from support.prepared import prepared as copies_of
from support.runs import FACTS, JOBS
from support.world import CREATED, DAY, World, at, uid

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

    @property
    def is_undone_easily(self) -> bool:
        """Whether it is a trigger and nothing else, so that many can be tried in one world."""
        return not self.source and self.warehouse.startswith("create function spoil()")


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
        f" for copy in select * from {table} loop {change} insert into {table} select copy.* on conflict do nothing;"
        " end loop; end"
    )


def without(table: str, *constraints: str) -> str:
    """Drops constraints that would stop a break before the checks see it."""
    return "".join(f"alter table {table} drop constraint {table}_{constraint};" for constraint in constraints)


def breaks_of_fact(fact: str, key: str, business_key: str, moment: str, at_day: str, what: str) -> Iterator[Break]:
    """The promises that the four facts with a row per row of the source have in common."""
    job = f"build_{fact}"
    next_key = f"nextval('{fact}_{key}_seq')"
    yield Break(job, at_day, each_row(fact, f"new.{moment} := new.{moment} + interval '1 day'"))
    yield from breaks_of_keys(fact, "tenant", "learner")
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


def breaks_of_keys(fact: str, *dimensions: str) -> Iterator[Break]:
    """A key that leads nowhere, and one that leads to somebody else."""
    for dimension in dimensions:
        key = f"{dimension}_key"
        another = f"(select min({key}) from dim_{dimension} where {dimension}_id = '{uid(f'another {dimension}')}')"
        for spoilt in (
            without(fact, f"{key}_fkey") + each_row(fact, f"new.{key} := 0"),
            each_row(fact, f"new.{key} := {another}"),
        ):
            yield Break(f"build_{fact}", "every_key_is_the_right_member_of_its_dimension", spoilt)


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


def of_an_unknown_tenant(table: str) -> tuple[str, str]:
    """A row more in the source, whose tenant nobody knows and nobody infers: it gets lost on the way."""
    return (
        no_row("insert", "dim_tenant"),
        f"insert into {table} select (jsonb_populate_record(one,"
        " jsonb_build_object('id', gen_random_uuid(), 'tenant_id', gen_random_uuid()))).*"
        f" from {table} as one limit 1",
    )


ANOTHER_TENANT = f"(select tenant_key from dim_tenant where tenant_id = '{uid('another tenant')}')"

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
    Break("build_fact_focus_events", "every_event_has_a_known_session", source="delete from sessions"),
    *(
        Break("build_fact_focus_events", "no_link_leads_nowhere", each_row("fact_focus_events", f"new.{change}"))
        for change in ("session_key := 0", "session_key := null", "session_date_key := null")
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
    *breaks_of_keys("fact_learning_progress", "tenant", "learner"),
    Break(
        "build_fact_learning_progress",
        "every_key_is_the_right_member_of_its_dimension",
        without("fact_learning_progress", "subject_key_fkey")
        + each_row("fact_learning_progress", "new.subject_key := 0"),
    ),
    Break(
        "build_fact_learning_progress",
        "every_learner_is_there_in_one_version",
        afterwards(
            "fact_learning_progress",
            copies(
                "fact_learning_progress",
                progress_key="nextval('fact_learning_progress_progress_key_seq')",
                learner_key="(select learner_key from dim_learner where not is_current)",
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
    *breaks_of_keys("fact_recommendation_events", "skill"),
    Break(
        "build_fact_recommendation_events",
        "every_key_is_the_right_member_of_its_dimension",
        each_row("fact_recommendation_events", "new.skill_key := null"),
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
        for change in ("was_accepted := null", "was_declined := true")
    ),
    *breaks_of_versions("dim_tenant", "tenant_key", "tenant"),
    *breaks_of_versions("dim_learner", "learner_key", "learner"),
    Break(
        "sync_dim_learner",
        "a_current_learner_points_at_the_last_version_of_its_tenant",
        each_row("dim_learner", "new.tenant_key := (select tenant_key from dim_tenant where not is_current)"),
    ),
    Break(
        "sync_dim_learner",
        "every_learner_has_its_tenant",
        each_row("dim_learner", f"new.tenant_key := {ANOTHER_TENANT}"),
    ),
    Break("sync_dim_learner", "every_live_learner_has_a_current_version", *of_an_unknown_tenant("learners")),
    *breaks_of_upsert("dim_user", "user_key", "user"),
    Break(
        "sync_dim_user",
        "a_user_points_at_the_last_version_of_its_tenant",
        each_row("dim_user", "new.tenant_key := (select tenant_key from dim_tenant where not is_current)"),
    ),
    Break(
        "sync_dim_user",
        "every_user_has_its_tenant",
        each_row("dim_user", f"new.tenant_key := {ANOTHER_TENANT}"),
    ),
    Break("sync_dim_user", "every_user_of_the_source_is_there_once", *of_an_unknown_tenant("users")),
    *breaks_of_upsert("dim_skill", "skill_key", "skill"),
    Break(
        "sync_dim_skill", "every_parent_skill_is_known", each_row("dim_skill", f"new.parent_skill_id := '{uid('x')}'")
    ),
    Break(
        "sync_dim_skill",
        "every_skill_has_its_subject",
        each_row("dim_skill", "new.subject_key := (select subject_key from dim_subject where subject_code = 'SEL')"),
    ),
    Break(
        "sync_dim_skill",
        "every_skill_of_the_source_is_there_once",
        no_row("insert", "dim_subject"),
        "alter table skills alter subject drop not null;"
        " insert into skills (id, code, name, subject, depth, created_at) values"
        " (gen_random_uuid(), 'X', 'X', null, 0, now())",
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


def fill(source: Database) -> None:
    """A world in which each job has something to do."""
    world = World(source)
    world.tenant()
    world.learner()
    world.tenant("another tenant")
    world.learner("another learner", tenant="another tenant")
    for name in ("teacher", "leaver"):
        world.user(name)
    for name in ("adding", "dropped", "another skill"):
        world.skill(name)
    world.session()
    world.event("FOCUS_BREAK_STARTED", "a break", metadata={"durationSeconds": 30})
    world.submission(session="lesson", step_count=2, steps_completed=1)
    world.response(world.step(hint_revealed=True), is_correct=True)
    world.skill_state(mastery_level=0.9)
    world.recommendation(was_accepted=True)


def change(pipeline: Pipeline) -> None:
    """What a job finds to do when it runs again."""
    update, world = pipeline.source.update, World(pipeline.source)
    update("tenants", uid("school"), name="Oak", updated_at=CHANGED)
    update("learners", uid("anna"), grade_level=4, updated_at=CHANGED)
    update("users", uid("teacher"), role="PARENT", updated_at=CHANGED)
    update("users", uid("leaver"), deleted_at=CHANGED)
    update("skills", uid("adding"), name="Adding", updated_at=CHANGED)
    update("skills", uid("dropped"), deleted_at=CHANGED)
    world.user("newcomer")
    world.skill("new")
    pipeline.warehouse.execute("update dim_subject set subject_name = 'Sums' where subject_code = 'MATH'")


@pytest.fixture(scope="module", autouse=True)
def templates(databases: Databases) -> Iterator[None]:
    """Those of `built`: nobody else wants them."""
    yield
    for job in JOBS:
        for kind in ("source", "warehouse"):
            databases.drop_template(f"checks_{job}_{kind}")


@pytest.fixture
def built(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Pipeline]]:
    """`built(job)`: a world in which a job has run, and in which there is something to do for it when it runs again."""

    def build(job: str) -> Iterator[Pipeline]:
        def once(source: Database, warehouse: Database) -> None:
            assert run(job).status == "SUCCESS"

        for pipeline in copies_of(databases, f"checks_{job}", tmp_path, monkeypatch, fill, once):
            change(pipeline)
            yield pipeline

    with ExitStack() as stack:
        yield lambda job: stack.enter_context(contextmanager(build)(job))


def prepared(job: str, pipeline: Pipeline, source: str = "") -> None:
    """What a run of the job finds when it runs again: a source that has changed, and what it needs of the warehouse."""
    if source:
        pipeline.source.execute(source)
    if job in {"sync_dim_learner", "sync_dim_user"}:
        assert run("sync_dim_tenant", force=True).status == "SUCCESS"
    if job == "build_fact_learning_progress":
        for dimension in ("sync_dim_tenant", "sync_dim_learner"):
            assert run(dimension, force=True).status == "SUCCESS"
    if job.startswith("build_"):
        # A row that stays as it is isn't written: a day without rows is.
        pipeline.warehouse.execute(f"delete from {table_of(job)}")


def name_of(broken: Break) -> str:
    return f"{broken.job}-{broken.promise}"


def test_every_promise_is_broken_once() -> None:
    assert {(broken.job, broken.promise) for broken in BREAKS} == set(PROMISES)


@pytest.mark.parametrize("job", JOBS)
def test_a_job_that_keeps_its_promises_says_nothing_of_them(
    built: Callable[[str], Pipeline], caplog: pytest.LogCaptureFixture, job: str
) -> None:
    pipeline = built(job)
    prepared(job, pipeline)
    with caplog.at_level(logging.INFO, "luigi-interface"):
        result = run(job, force=True)
    assert result.status == "SUCCESS", result.error_message
    assert result.rows_inserted + result.rows_updated > 0
    assert "promise" not in caplog.text


def breaks_and_changes_nothing(pipeline: Pipeline, broken: Break) -> None:
    before = written(pipeline, table_of(broken.job))
    pipeline.warehouse.execute(broken.warehouse)
    result = run(broken.job, force=True)
    assert result.status == "FAILED", broken
    assert f"breaks its promise {broken.promise} (" in (result.error_message or ""), broken
    assert written(pipeline, table_of(broken.job)) == before, broken


@pytest.mark.parametrize("job", JOBS)
def test_each_promise_broken_by_a_trigger_fails_the_job_and_changes_nothing(
    built: Callable[[str], Pipeline], job: str
) -> None:
    pipeline = built(job)
    prepared(job, pipeline)
    for broken in BREAKS:
        if broken.job == job and broken.fails and broken.is_undone_easily:
            breaks_and_changes_nothing(pipeline, broken)
            pipeline.warehouse.execute("drop function spoil cascade")


@pytest.mark.parametrize(
    "broken", [broken for broken in BREAKS if broken.fails and not broken.is_undone_easily], ids=name_of
)
def test_a_broken_promise_fails_the_job_and_changes_nothing(built: Callable[[str], Pipeline], broken: Break) -> None:
    pipeline = built(broken.job)
    prepared(broken.job, pipeline, broken.source)
    breaks_and_changes_nothing(pipeline, broken)


@pytest.mark.parametrize("broken", [broken for broken in BREAKS if not broken.fails], ids=name_of)
def test_a_broken_warning_is_logged_and_the_load_stands(
    built: Callable[[str], Pipeline], caplog: pytest.LogCaptureFixture, broken: Break
) -> None:
    pipeline = built(broken.job)
    prepared(broken.job, pipeline, broken.source)
    before = written(pipeline, table_of(broken.job))
    if broken.warehouse:
        pipeline.warehouse.execute(broken.warehouse)
    result = run(broken.job, force=True)
    assert result.status == "SUCCESS", result.error_message
    assert f"breaks its promise {broken.promise} (" in caplog.text
    assert written(pipeline, table_of(broken.job)) != before


# The check of the machinery: no row is lost on the way


@pytest.mark.parametrize("job", [job for job in FACTS if job != "build_fact_learning_progress"])
def test_a_day_whose_rows_get_lost_fails_and_changes_nothing(built: Callable[[str], Pipeline], job: str) -> None:
    """Rows of a learner whom nobody knows, and whom the warehouse refuses to infer. Progress has sums for it."""
    pipeline = built(job)
    world = World(pipeline.source)
    before = written(pipeline, table_of(job))
    pipeline.warehouse.execute(no_row("insert", "dim_learner"))
    world.session("other lesson", learner="nobody")
    world.event("FOCUS_BREAK_ENDED", learner="nobody")
    world.submission("other essay", learner="nobody")
    world.recommendation("other advice", learner="nobody")
    result = run(job, force=True)
    assert result.status == "FAILED"
    assert "read 2 rows but would write 1: nothing was changed" in (result.error_message or "")
    assert written(pipeline, table_of(job)) == before


# The guards


@dataclass(frozen=True)
class Crowd:
    """Rows of a source table that can leave in masses; `held` counts those that the warehouse holds as present."""

    job: str
    source: str
    table: str
    held: str
    columns: dict[str, Any]

    def arrive(self, pipeline: Pipeline, number: int) -> None:
        """So many rows. A skill state is that of a learner of its own."""
        ids = [uid(f"member {n}") for n in range(number)]
        own = [{"id": member} | ({"learner_id": member} if self.job in FACTS else {}) for member in ids]
        pipeline.source.insert_many(self.source, [row | self.columns for row in own])

    def leave(self, pipeline: Pipeline, number: int) -> None:
        ids = [uid(f"member {n}") for n in range(number)]
        pipeline.source.execute(f"delete from {self.source} where id = any(%(ids)s::uuid[])", ids=ids)

    def present(self, pipeline: Pipeline) -> int:
        number: int = pipeline.warehouse.value(f"select count(*) from {self.table} where {self.held}")
        return number


USERS = Crowd(
    "sync_dim_user",
    "users",
    "dim_user",
    "is_active",
    {"tenant_id": uid("school"), "role": "PARENT", "created_at": CREATED},
)
SKILLS = Crowd(
    "sync_dim_skill",
    "skills",
    "dim_skill",
    "is_active",
    {"code": "X", "name": "x", "subject": "MATH", "depth": 0, "created_at": CREATED},
)
STATES = Crowd(
    "build_fact_learning_progress",
    "learner_skill_states",
    "learner_skill_history",
    "held_to = 'infinity' and not is_gone",
    {"tenant_id": uid("school"), "skill_id": uid("adding"), "mastery_level": 0.5, "updated_at": CREATED},
)


# Tenants and learners are in test_scd2.py.
@pytest.mark.parametrize("crowd", [USERS, SKILLS, STATES], ids=lambda crowd: crowd.source)
@pytest.mark.parametrize(
    ("members", "leaving", "may"),
    [(100, 20, True), (100, 21, False), (105, 21, True), (20, 20, True), (21, 21, False)],
)
def test_more_than_a_fifth_and_more_than_twenty_may_leave_only_where_it_is_allowed(
    pipeline: Pipeline,
    world: World,
    etl_option: Callable[[str, str], None],
    crowd: Crowd,
    members: int,
    leaving: int,
    may: bool,
) -> None:
    etl_option("allow_empty_rebuild", "true")  # another guard's
    world.tenant()
    crowd.arrive(pipeline, members)
    assert run(crowd.job).status == "SUCCESS"
    before = written(pipeline, crowd.table)
    crowd.leave(pipeline, leaving)
    result = run(crowd.job, force=True)
    if not may:
        assert result.status == "FAILED"
        assert f"would close {leaving} of {members} current members" in (result.error_message or "")
        assert "--etl-allow-mass-close" in (result.error_message or "")
        assert written(pipeline, crowd.table) == before
        etl_option("allow_mass_close", "true")
        result = run(crowd.job, force=True)
    assert result.status == "SUCCESS", result.error_message
    assert crowd.present(pipeline) == members - leaving


SOURCE_OF = {
    "build_fact_focus_events": "session_events",
    "build_fact_homework_events": "homework_submissions",
    "build_fact_recommendation_events": "recommendations",
}


# Sessions are in test_errors.py. A past day of learning progress can't become empty: its history stays.
@pytest.mark.parametrize("job", SOURCE_OF)
def test_a_full_day_becomes_empty_only_where_it_is_allowed(
    built: Callable[[str], Pipeline], etl_option: Callable[[str, str], None], job: str
) -> None:
    pipeline = built(job)
    before = written(pipeline, table_of(job))
    pipeline.source.execute(f"delete from {SOURCE_OF[job]}")
    result = run(job, force=True)
    assert result.status == "FAILED"
    assert "would replace 1 rows by none" in (result.error_message or "")
    assert "--etl-allow-empty-rebuild" in (result.error_message or "")
    assert written(pipeline, table_of(job)) == before
    etl_option("allow_empty_rebuild", "true")
    result = run(job, force=True)
    assert (result.status, result.rows_deleted, result.rows_inserted) == ("SUCCESS", 1, 0), result.error_message
    assert written(pipeline, table_of(job)) == []


@pytest.mark.parametrize("job", FACTS)
def test_an_empty_day_may_stay_empty(pipeline: Pipeline, world: World, job: str) -> None:
    assert run(job).status == "SUCCESS"
    assert run(job, force=True).status == "SUCCESS"


REPLICA = """
create function clock.pg_is_in_recovery() returns boolean language sql as 'select true';
create function clock.pg_last_xact_replay_timestamp() returns timestamptz language sql
as 'select timestamptz ''2025-01-15 23:59:59Z''';
"""


# That it fails, and what it says, is in test_errors.py.
@pytest.mark.parametrize("job", ["sync_dim_learner", "build_fact_sessions", "build_fact_learning_progress"])
@pytest.mark.parametrize("replica", [False, True], ids=["clock", "replica"])
def test_a_source_that_lags_is_read_only_where_it_is_allowed(
    pipeline: Pipeline,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    etl_option: Callable[[str, str], None],
    job: str,
    replica: bool,
) -> None:
    world.row_of_everything()
    clock = Clock(pipeline.source)
    clock.set(at("2025-01-16 00:00") if replica else at("23:59:59"))
    if replica:
        pipeline.source.execute(REPLICA)
    monkeypatch.setenv("OLTP_DATABASE_URL", with_clock(pipeline.source.url))
    result = run(job)
    assert result.status == "FAILED"
    assert "has not ended there yet" in (result.error_message or "")
    assert "--etl-allow-lagging-source" in (result.error_message or "")
    assert written(pipeline, table_of(job)) == []
    etl_option("allow_lagging_source", "true")
    result = run(job)
    assert result.status == "SUCCESS", result.error_message
    assert len(written(pipeline, table_of(job))) == 1


def test_a_source_is_read_from_the_very_end_of_the_day_on(
    pipeline: Pipeline, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.row_of_everything()
    Clock(pipeline.source).set(at("2025-01-16 00:00"))
    monkeypatch.setenv("OLTP_DATABASE_URL", with_clock(pipeline.source.url))
    assert run("build_fact_sessions").status == "SUCCESS"
