"""fact_learning_progress: one row per learner and subject, as they stood at the day's end."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from support.world import CREATED, DAY, DAY_BEFORE, NEXT_DAY, at, uid

from aivo_luigi import (
    job_build_fact_learning_progress,
    job_sync_dim_learner,
    job_sync_dim_skill,
    job_sync_dim_subject,
    job_sync_dim_tenant,
)
from aivo_luigi.db import Connection


@pytest.fixture(autouse=True)
def _school(world) -> None:
    """anna goes to school, where adding and dividing are mathematics, and reading is not."""
    world.tenant()
    world.learner()
    world.skill("adding", subject="MATH")
    world.skill("dividing", subject="MATH")
    world.skill("counting", subject="MATH")
    world.skill("reading", subject="ELA")


def sync() -> None:
    for job in (job_sync_dim_tenant, job_sync_dim_learner, job_sync_dim_subject, job_sync_dim_skill):
        result = job(DAY, force=True)
        assert result.status == "SUCCESS", result.error_message


def build(day: date = DAY, force: bool = False):
    sync()
    result = job_build_fact_learning_progress(day, force=force)
    assert result.status == "SUCCESS", result.error_message
    return result


def progress(pipeline, columns: str) -> list[tuple]:
    rows = pipeline.warehouse.rows(
        f"select {columns} from fact_learning_progress inner join dim_subject using (subject_key) "
        "inner join dim_learner using (learner_key) order by learner_id, subject_code"
    )
    return [tuple(row.values()) for row in rows]


def test_a_learner_has_one_row_per_subject(pipeline, world):
    world.skill_state("adding", 0.9)
    world.skill_state("dividing", 0.5)
    world.skill_state("reading", 0)
    assert build().rows_processed == 2
    assert progress(pipeline, "date_key, learner_id, subject_code, total_skills") == [
        (20250115, uid("anna"), "ELA", 1),
        (20250115, uid("anna"), "MATH", 2),
    ]


def test_each_learner_has_rows_of_their_own(pipeline, world):
    world.learner("ben")
    world.skill_state("adding", 0.9, learner="anna")
    world.skill_state("adding", 0.1, learner="ben")
    build()
    assert sorted(progress(pipeline, "learner_id, mastered_skills, in_progress_skills")) == sorted(
        [(uid("anna"), 1, 0), (uid("ben"), 0, 1)]
    )


@pytest.mark.parametrize(
    ("mastery_level", "mastered", "in_progress", "not_started"),
    [
        ("1", 1, 0, 0),
        ("0.8", 1, 0, 0),
        ("0.7999", 0, 1, 0),
        ("0.0001", 0, 1, 0),
        ("0", 0, 0, 1),
        (None, 0, 0, 1),
        ("1.0001", 0, 0, 1),
        ("-0.1", 0, 0, 1),
        ("NaN", 0, 0, 1),
        ("1e300", 0, 0, 1),
    ],
)
def test_a_skill_is_mastered_or_in_progress_or_not_started(
    pipeline, world, mastery_level, mastered, in_progress, not_started
):
    world.skill_state("adding", mastery_level)
    build()
    assert progress(pipeline, "total_skills, mastered_skills, in_progress_skills, not_started_skills") == [
        (1, mastered, in_progress, not_started)
    ]


@pytest.mark.parametrize(
    ("levels", "average"),
    [
        (["0.9", "0.5"], "0.7"),
        (["0.9", "0"], "0.45"),
        (["0.9", None], "0.9"),
        (["0.9", "7"], "0.9"),
        ([None, None], "0"),
        ([None, "-3"], "0"),
    ],
)
def test_the_average_leaves_out_what_is_unknown(pipeline, world, levels, average):
    for skill, level in zip(("adding", "dividing"), levels, strict=True):
        world.skill_state(skill, level)
    build()
    assert progress(pipeline, "average_mastery") == [(Decimal(average),)]


def test_practice_is_the_minutes_of_learning_and_practice_started_that_day(pipeline, world):
    world.skill_state("adding", 0.5)
    world.skill_state("reading", 0.5)
    world.learner("ben")
    ninety_seconds = {"duration_ms": 90_000}
    world.session("learning", session_type="LEARNING", **ninety_seconds)
    world.session("practice", session_type="PRACTICE", started_at=at("23:59"), **ninety_seconds)
    world.session("open", session_type="PRACTICE", duration_ms=None, ended_at=None)
    world.session("broken", session_type="PRACTICE", duration_ms=-600_000)
    for other in ("HOMEWORK", "BASELINE", "SEL", "ASSESSMENT"):
        world.session(other, session_type=other)
    world.session("the day before", started_at=at("2025-01-14 23:59:59"))
    world.session("the day after", started_at=at("2025-01-16 00:00"))
    world.session("of somebody else", learner="ben")
    build()
    assert progress(pipeline, "subject_code, practice_minutes_today") == [("ELA", 3), ("MATH", 3)]


def test_less_than_a_minute_is_no_minute(pipeline, world):
    world.skill_state("adding", 0.5)
    world.session(duration_ms=59_999)
    build()
    assert progress(pipeline, "practice_minutes_today") == [(0,)]


def test_a_skill_mastered_today_is_gained_and_one_mastered_before_is_not(pipeline, world):
    world.skill_state("adding", "0.8", updated_at=at("00:00"))
    world.skill_state("dividing", 0.9, updated_at=at("2025-01-14 23:59:59.999999"))
    world.skill_state("counting", 0.5, updated_at=at("12:00"))
    build()
    assert progress(pipeline, "mastered_skills, in_progress_skills, skills_gained_today") == [(2, 1, 1)]


def test_what_changed_after_the_day_does_not_count(pipeline, world):
    world.skill_state("adding", 0.9, updated_at=at("2025-01-15 23:59:59.999999"))
    world.skill_state("dividing", 0.9, updated_at=at("2025-01-16 00:00"))
    build()
    assert progress(pipeline, "total_skills, mastered_skills") == [(1, 1)]


@pytest.mark.parametrize("updated_at", ["infinity", "-infinity"])
def test_a_state_without_a_finite_time_stops_no_day(pipeline, world, updated_at):
    world.skill_state("adding", 0.9, updated_at=updated_at)
    world.skill_state("reading", 0.9)
    build()
    assert ("ELA", 1) in progress(pipeline, "subject_code, mastered_skills")


def test_a_learner_who_did_nothing_that_day_stands_where_they_stood(pipeline, world):
    world.skill_state("adding", 0.9, updated_at=at("2024-12-01 00:00"))
    build()
    assert progress(pipeline, "mastered_skills, skills_gained_today, practice_minutes_today") == [(1, 0, 0)]


def test_a_learner_without_any_state_has_no_row(pipeline, world):
    world.session()
    assert build().rows_processed == 0


def test_the_snapshot_is_taken_in_the_last_microsecond_of_the_day(pipeline, world):
    world.skill_state("adding", 0.5)
    build()
    assert progress(pipeline, "snapshot_at") == [(at("23:59:59.999999"),)]


def test_a_row_joins_the_versions_in_force_at_the_days_end(pipeline, world):
    world.skill_state("adding", 0.5, updated_at=at("2025-01-01 00:00"))
    sync()
    pipeline.source.update("learners", uid("anna"), grade_level=4, updated_at=at("20:00"))
    pipeline.source.update("tenants", uid("school"), name="Elm", updated_at=at("2025-01-16 00:00"))
    sync()
    for day in (DAY_BEFORE, DAY, NEXT_DAY):
        build(day)
    assert [
        tuple(row.values())
        for row in pipeline.warehouse.rows(
            "select f.date_key, l.grade_level, t.tenant_name from fact_learning_progress as f "
            "inner join dim_learner as l using (learner_key) inner join dim_tenant as t on t.tenant_key = f.tenant_key "
            "order by f.date_key"
        )
    ] == [(20250114, 3, "school"), (20250115, 4, "school"), (20250116, 4, "Elm")]


def test_the_tenant_is_the_learners_and_not_the_states(pipeline, world):
    world.tenant("clinic")
    world.skill_state("adding", 0.5, tenant="clinic")
    build()
    assert pipeline.warehouse.column(
        "select tenant_id from fact_learning_progress inner join dim_tenant using (tenant_key)"
    ) == [uid("school")]


def test_a_learner_who_moved_counts_where_they_were_at_the_days_end(pipeline, world):
    world.tenant("clinic")
    world.skill_state("adding", 0.5, updated_at=at("2025-01-01 00:00"))
    sync()
    pipeline.source.update("learners", uid("anna"), tenant_id=uid("clinic"), updated_at=at("2025-01-16 09:00"))
    build(DAY)
    build(NEXT_DAY)
    assert pipeline.warehouse.column(
        "select tenant_id from fact_learning_progress as f inner join dim_tenant as t on t.tenant_key = f.tenant_key "
        "order by f.date_key"
    ) == [uid("school"), uid("clinic")]


def test_a_skill_that_nobody_knows_counts_in_the_unknown_subject(pipeline, world):
    world.skill_state("a lost skill", 0.9)
    build()
    assert progress(pipeline, "subject_code, dim_subject.is_inferred, mastered_skills") == [("UNKNOWN", True, 1)]
    assert pipeline.warehouse.row(
        "select skill_code, skill_name, description, grade_band, parent_skill_id, is_active, is_inferred "
        "from dim_skill where skill_id = %(id)s",
        id=uid("a lost skill"),
    ) == {
        "skill_code": "UNKNOWN",
        "skill_name": "UNKNOWN",
        "description": None,
        "grade_band": None,
        "parent_skill_id": None,
        "is_active": True,
        "is_inferred": True,
    }


def test_a_learner_whom_nobody_knows_gets_an_inferred_member(pipeline, world):
    world.skill_state("adding", 0.9, learner="nobody")
    build()
    assert progress(pipeline, "learner_id, dim_learner.is_inferred, mastered_skills") == [(uid("nobody"), True, 1)]


def test_a_deleted_skill_still_counts_in_its_subject(pipeline, world):
    pipeline.source.update("skills", uid("adding"), deleted_at=CREATED)
    world.skill_state("adding", 0.9)
    build()
    assert progress(pipeline, "subject_code, mastered_skills") == [("MATH", 1)]


def test_building_a_day_again_keeps_every_key(pipeline, world):
    world.skill_state("adding", 0.5)
    build()
    keys = "select learner_key, subject_key, progress_key from fact_learning_progress order by progress_key"
    before = pipeline.warehouse.rows(keys)
    world.skill_state("reading", 0.5)
    world.session(duration_ms=600_000)
    result = build(force=True)
    assert (result.rows_processed, result.rows_inserted, result.rows_deleted) == (2, 2, 1)
    after = pipeline.warehouse.rows(keys)
    assert before[0] in after
    assert progress(pipeline, "subject_code, practice_minutes_today") == [("ELA", 10), ("MATH", 10)]


def test_the_planner_knows_how_many_rows_a_day_has(pipeline, world, monkeypatch):
    """Of 100,000 learners it expected a thousand million rows, and hashed them into thousands of files."""
    known = {"number": 3000, "tenant": uid("school"), "skill": uid("adding"), "day": DAY}
    for rows in (
        "learners (id, tenant_id, created_at) select md5(n::text)::uuid, %(tenant)s, %(day)s - 9",
        "learner_skill_states select md5('state' || n)::uuid, %(tenant)s, md5(n::text)::uuid, %(skill)s, 0.9, %(day)s",
        "sessions select md5('session' || n)::uuid, %(tenant)s, md5(n::text)::uuid, 'LEARNING', 'SYSTEM', %(day)s,"
        " %(day)s, 60000, %(day)s, %(day)s",
    ):
        pipeline.source.execute(f"insert into {rows} from generate_series(1, %(number)s) as n", **known)
    expected = []
    run = Connection.file

    def planned(connection, name, **variables):
        if name == "load/day_merge.sql":
            (plan,) = connection.value("explain (format json) :rows", rows=variables["rows"])
            expected.append(plan["Plan"]["Plan Rows"])
        return run(connection, name, **variables)

    monkeypatch.setattr(Connection, "file", planned)
    assert build().rows_inserted == 3000
    assert 1000 < expected[0] < 9000
