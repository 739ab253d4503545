"""fact_sessions: one row per session started on the day, its events counted."""

from __future__ import annotations

from datetime import date

import pytest
from psycopg2.extras import Json
from support.world import CREATED, DAY, DAY_BEFORE, NEXT_DAY, at, uid

from aivo_luigi import (
    job_build_fact_recommendation_events,
    job_build_fact_sessions,
    job_sync_dim_learner,
    job_sync_dim_tenant,
)
from aivo_luigi.db import Connection

COUNTS = (
    "activities_assigned",
    "activities_completed",
    "activities_skipped",
    "correct_responses",
    "incorrect_responses",
    "hints_used",
    "focus_breaks_count",
    "focus_interventions_count",
)


def build(day: date = DAY, force: bool = False):
    result = job_build_fact_sessions(day, force=force)
    assert result.status == "SUCCESS", result.error_message
    return result


def test_a_session_arrives_with_its_own_columns(pipeline, world):
    world.session(
        session_type="PRACTICE",
        origin="WEB_LEARNER",
        started_at=at("10:00"),
        ended_at=at("10:20"),
        duration_ms=1_200_000,
    )
    build()
    assert pipeline.warehouse.row(
        "select date_key, session_id, session_type, origin, duration_seconds, started_at, ended_at from fact_sessions"
    ) == {
        "date_key": 20250115,
        "session_id": uid("lesson"),
        "session_type": "PRACTICE",
        "origin": "WEB_LEARNER",
        "duration_seconds": 1200,
        "started_at": at("10:00"),
        "ended_at": at("10:20"),
    }


@pytest.mark.parametrize(
    ("duration_ms", "seconds"), [(1999, 1), (2000, 2), (999, 0), (0, 0), (None, 0), (-1, 0), (-5000, 0)]
)
def test_a_duration_is_rounded_down_to_seconds_and_nothing_where_it_is_unknown(pipeline, world, duration_ms, seconds):
    world.session(duration_ms=duration_ms)
    build()
    assert pipeline.warehouse.value("select duration_seconds from fact_sessions") == seconds


@pytest.mark.parametrize("ended_at", [None, "infinity", "-infinity"])
def test_a_session_without_a_readable_end_has_none(pipeline, world, ended_at):
    world.session(ended_at=ended_at)
    build()
    assert pipeline.warehouse.column("select ended_at from fact_sessions") == [None]


def test_each_kind_of_event_has_its_count(pipeline, world):
    world.session()
    for event_type, number in {
        "ACTIVITY_STARTED": 7,
        "ACTIVITY_COMPLETED": 6,
        "ACTIVITY_SKIPPED": 5,
        "HOMEWORK_HINT_REQUESTED": 4,
        "FOCUS_BREAK_STARTED": 3,
        "FOCUS_INTERVENTION_SHOWN": 2,
        "FOCUS_BREAK_ENDED": 1,
        "FOCUS_LOSS_DETECTED": 1,
        "SESSION_STARTED": 1,
    }.items():
        for _ in range(number):
            world.event(event_type)
    world.event("ACTIVITY_RESPONSE_SUBMITTED", metadata={"isCorrect": True})
    world.event("ACTIVITY_RESPONSE_SUBMITTED", metadata={"isCorrect": True})
    world.event("ACTIVITY_RESPONSE_SUBMITTED", metadata={"isCorrect": False})
    build()
    assert pipeline.warehouse.row(f"select {', '.join(COUNTS)} from fact_sessions") == {
        "activities_assigned": 7,
        "activities_completed": 6,
        "activities_skipped": 5,
        "correct_responses": 2,
        "incorrect_responses": 1,
        "hints_used": 4,
        "focus_breaks_count": 3,
        "focus_interventions_count": 2,
    }


def test_a_session_without_events_counts_none(pipeline, world):
    world.session()
    build()
    assert pipeline.warehouse.row(f"select {', '.join(COUNTS)} from fact_sessions") == dict.fromkeys(COUNTS, 0)


def test_a_response_counts_as_right_or_wrong_only_where_it_says_so(pipeline, world):
    expected = [
        ({"isCorrect": True}, 1, 0),
        ({"isCorrect": False}, 0, 1),
        ({"isCorrect": "true"}, 1, 0),
        ({"isCorrect": "TRUE"}, 1, 0),
        ({"isCorrect": "False"}, 0, 1),
        ({"isCorrect": "maybe"}, 0, 0),
        ({"isCorrect": " true"}, 0, 0),
        ({"isCorrect": "true\n"}, 0, 0),
        ({"isCorrect": "t"}, 0, 0),
        ({"isCorrect": "yes"}, 0, 0),
        ({"isCorrect": ""}, 0, 0),
        ({"isCorrect": 1}, 0, 0),
        ({"isCorrect": 0}, 0, 0),
        ({"isCorrect": None}, 0, 0),
        ({"isCorrect": [True]}, 0, 0),
        ({"isCorrect": {"value": True}}, 0, 0),
        ({"iscorrect": True}, 0, 0),
        ({}, 0, 0),
        (None, 0, 0),
        (Json(None), 0, 0),
        (["isCorrect"], 0, 0),
        ([{"isCorrect": True}], 0, 0),
        ("isCorrect", 0, 0),
        (True, 0, 0),
        (7, 0, 0),
    ]
    for number, (metadata, _, _) in enumerate(expected):
        world.session(str(number))
        world.event("ACTIVITY_RESPONSE_SUBMITTED", session=str(number), metadata=metadata)
    build()
    rows = pipeline.warehouse.rows("select session_id, correct_responses, incorrect_responses from fact_sessions")
    found = {row["session_id"]: (row["correct_responses"], row["incorrect_responses"]) for row in rows}
    for number, (metadata, correct, incorrect) in enumerate(expected):
        assert found[uid(str(number))] == (correct, incorrect), metadata


def test_events_after_midnight_count_in_the_session_that_they_belong_to(pipeline, world):
    world.session(started_at=at("23:50"))
    world.event("ACTIVITY_STARTED", event_time=at("23:55"))
    world.event("ACTIVITY_COMPLETED", event_time=at("2025-01-16 00:05"))
    build()
    assert pipeline.warehouse.row("select activities_assigned, activities_completed from fact_sessions") == {
        "activities_assigned": 1,
        "activities_completed": 1,
    }


def test_events_count_in_their_own_session_alone(pipeline, world):
    world.session("one")
    world.session("two")
    world.event("ACTIVITY_STARTED", session="one")
    world.event("ACTIVITY_STARTED", session="two")
    world.event("ACTIVITY_STARTED", session="two")
    world.event("ACTIVITY_STARTED", session="of nobody")
    build()
    assert pipeline.warehouse.rows("select session_id, activities_assigned from fact_sessions order by 2") == [
        {"session_id": uid("one"), "activities_assigned": 1},
        {"session_id": uid("two"), "activities_assigned": 2},
    ]


def test_a_day_goes_from_midnight_to_midnight_in_utc(pipeline, world):
    world.session("too early", started_at=at("2025-01-14 23:59:59.999999"))
    world.session("first", started_at=at("00:00"))
    world.session("last", started_at=at("23:59:59.999999"))
    world.session("too late", started_at=at("2025-01-16 00:00"))
    assert build().rows_processed == 2
    assert pipeline.warehouse.column("select session_id from fact_sessions order by started_at") == [
        uid("first"),
        uid("last"),
    ]


def test_a_day_without_sessions_is_built_all_the_same(pipeline):
    result = build()
    assert (result.rows_processed, result.rows_inserted, result.rows_deleted) == (0, 0, 0)


@pytest.mark.parametrize("day", [date(1999, 12, 31), date(2024, 2, 29), date(2025, 3, 30)])
def test_any_day_of_the_past_can_be_built_and_has_its_row_in_dim_date(pipeline, world, day):
    world.session(started_at=at(f"{day} 12:00"))
    build(day)
    assert pipeline.warehouse.column("select full_date from fact_sessions inner join dim_date using (date_key)") == [
        day
    ]


# The dimension rows that a session joins


def test_a_session_joins_the_versions_in_force_when_it_started(pipeline, world):
    school, anna = world.tenant(name="Oak"), world.learner(grade_level=3)
    job_sync_dim_tenant(DAY)
    job_sync_dim_learner(DAY)
    pipeline.source.update("tenants", school, name="Elm", updated_at=at("12:00"))
    pipeline.source.update("learners", anna, grade_level=4, updated_at=at("14:00"))
    job_sync_dim_tenant(DAY, force=True)
    job_sync_dim_learner(DAY, force=True)
    for hour in ("11:59:59.999999", "12:00", "13:59:59.999999", "14:00"):
        world.session(hour, started_at=at(hour))
    build()
    rows = pipeline.warehouse.rows(
        "select t.tenant_name, l.grade_level from fact_sessions as f inner join dim_tenant as t using (tenant_key) "
        "inner join dim_learner as l using (learner_key) order by f.started_at"
    )
    assert [(row["tenant_name"], row["grade_level"]) for row in rows] == [
        ("Oak", 3),
        ("Elm", 3),
        ("Elm", 3),
        ("Elm", 4),
    ]


def test_a_session_older_than_the_first_version_joins_that_one(pipeline, world):
    late = at("18:00")
    world.tenant(created_at=late)
    world.learner(created_at=late)
    job_sync_dim_tenant(DAY)
    job_sync_dim_learner(DAY)
    world.session(started_at=at("10:00"))
    build()
    assert pipeline.warehouse.row(
        "select t.effective_from as tenant, l.effective_from as learner, t.is_inferred from fact_sessions as f "
        "inner join dim_tenant as t using (tenant_key) inner join dim_learner as l using (learner_key)"
    ) == {"tenant": late, "learner": late, "is_inferred": False}
    assert pipeline.warehouse.value("select count(*) from dim_learner") == 1


def test_a_session_after_the_deletion_joins_the_last_version(pipeline, world):
    world.tenant(deleted_at=at("2025-01-10 00:00"))
    world.learner(deleted_at=at("2025-01-10 00:00"))
    job_sync_dim_tenant(DAY)
    job_sync_dim_learner(DAY)
    world.session()
    build()
    assert pipeline.warehouse.row(
        "select t.tenant_id, l.learner_id from fact_sessions as f "
        "inner join dim_tenant as t using (tenant_key) inner join dim_learner as l using (learner_key)"
    ) == {"tenant_id": uid("school"), "learner_id": uid("anna")}
    assert pipeline.warehouse.column("select is_current from dim_learner") == [False]


def test_a_session_while_its_learner_was_deleted_joins_the_version_before(pipeline, world):
    world.tenant()
    anna = world.learner(grade_level=3, deleted_at=at("09:00"))
    job_sync_dim_tenant(DAY)
    job_sync_dim_learner(DAY)
    pipeline.source.update("learners", anna, grade_level=4, deleted_at=None, updated_at=at("11:00"))
    job_sync_dim_learner(DAY, force=True)
    world.session("in the gap", started_at=at("10:00"))
    world.session("after it", started_at=at("11:00"))
    build()
    assert pipeline.warehouse.column(
        "select grade_level from fact_sessions inner join dim_learner using (learner_key) order by started_at"
    ) == [3, 4]


# Inferred members


def test_ids_that_no_dimension_has_seen_get_inferred_members(pipeline, world):
    epoch = at("1970-01-01 00:00")
    world.session(tenant="nowhere", learner="nobody")
    world.session("again", tenant="nowhere", learner="nobody")
    build()
    assert pipeline.warehouse.row(
        "select tenant_id, tenant_name, tenant_type, district_id, state, country, timezone, is_active, created_at, "
        "effective_from, effective_to, is_current, is_inferred from dim_tenant"
    ) == {
        "tenant_id": uid("nowhere"),
        "tenant_name": "UNKNOWN",
        "tenant_type": "UNKNOWN",
        "district_id": None,
        "state": None,
        "country": "UNKNOWN",
        "timezone": "UNKNOWN",
        "is_active": True,
        "created_at": epoch,
        "effective_from": epoch,
        "effective_to": None,
        "is_current": True,
        "is_inferred": True,
    }
    assert pipeline.warehouse.row(
        "select l.learner_id, l.tenant_id, l.tenant_key = t.tenant_key as of_its_tenant, l.grade_band, l.grade_level, "
        "l.is_active, l.created_at, l.effective_from, l.effective_to, l.is_current, l.is_inferred "
        "from dim_learner as l cross join dim_tenant as t"
    ) == {
        "learner_id": uid("nobody"),
        "tenant_id": uid("nowhere"),
        "of_its_tenant": True,
        "grade_band": "UNKNOWN",
        "grade_level": None,
        "is_active": True,
        "created_at": epoch,
        "effective_from": epoch,
        "effective_to": None,
        "is_current": True,
        "is_inferred": True,
    }
    assert pipeline.warehouse.value("select count(*) from fact_sessions") == 2


def test_an_inferred_learner_of_a_known_tenant_belongs_to_it(pipeline, world):
    world.tenant()
    job_sync_dim_tenant(DAY)
    world.session(learner="nobody")
    build()
    assert pipeline.warehouse.row(
        "select t.tenant_name, l.tenant_id from dim_learner as l inner join dim_tenant as t using (tenant_key)"
    ) == {"tenant_name": "school", "tenant_id": uid("school")}


def test_the_sync_that_sees_the_real_rows_completes_inferred_members_in_place(pipeline, world):
    world.session()
    build()
    keys = "select tenant_key, learner_key from fact_sessions"
    before = pipeline.warehouse.row(keys)
    world.tenant()
    world.learner()
    tenants = job_sync_dim_tenant(DAY, force=True)
    learners = job_sync_dim_learner(DAY, force=True)
    assert pipeline.warehouse.row(
        "select tenant_key, tenant_name, created_at, effective_from, effective_to, is_current, is_inferred "
        "from dim_tenant"
    ) == {
        "tenant_key": before["tenant_key"],
        "tenant_name": "school",
        "created_at": CREATED,
        "effective_from": CREATED,
        "effective_to": None,
        "is_current": True,
        "is_inferred": False,
    }
    assert pipeline.warehouse.row(
        "select learner_key, tenant_key, grade_level, created_at, effective_from, effective_to, is_current, "
        "is_inferred from dim_learner"
    ) == {
        "learner_key": before["learner_key"],
        "tenant_key": before["tenant_key"],
        "grade_level": 3,
        "created_at": CREATED,
        "effective_from": CREATED,
        "effective_to": None,
        "is_current": True,
        "is_inferred": False,
    }
    for result in (tenants, learners):
        assert (result.rows_inserted, result.rows_updated, result.rows_deleted) == (0, 1, 0)
    build(force=True)
    assert pipeline.warehouse.row(keys) == before


def test_an_inferred_member_whose_real_row_is_deleted_becomes_its_closed_version(pipeline, world):
    world.session()
    build()
    key = pipeline.warehouse.value("select tenant_key from fact_sessions")
    deleted_at = at("2025-01-20 00:00")
    world.tenant(deleted_at=deleted_at)
    job_sync_dim_tenant(DAY, force=True)
    assert pipeline.warehouse.row(
        "select tenant_key, tenant_name, effective_from, effective_to, is_current, is_inferred from dim_tenant"
    ) == {
        "tenant_key": key,
        "tenant_name": "school",
        "effective_from": CREATED,
        "effective_to": deleted_at,
        "is_current": False,
        "is_inferred": False,
    }


def test_an_inferred_member_that_the_source_still_does_not_know_stays(pipeline, world):
    world.session()
    build()
    result = job_sync_dim_tenant(DAY, force=True)
    assert (result.rows_processed, result.rows_updated, result.rows_deleted) == (0, 0, 0)
    assert pipeline.warehouse.row("select is_current, is_inferred from dim_tenant") == {
        "is_current": True,
        "is_inferred": True,
    }


def test_two_facts_share_one_inferred_member(pipeline, world):
    world.session()
    world.recommendation(skill=None)
    build()
    job_build_fact_recommendation_events(DAY)
    assert pipeline.warehouse.value("select count(*) from dim_learner") == 1
    assert pipeline.warehouse.value("select count(*) from dim_tenant") == 1


# Building a day again


def test_building_a_day_again_keeps_every_key(pipeline, world):
    for name in ("one", "two", "three"):
        world.session(name)
    build()
    keys = "select session_id, session_key from fact_sessions order by session_id"
    before = pipeline.warehouse.rows(keys)
    world.session("four")
    pipeline.source.delete("sessions", uid("two"))
    pipeline.source.update("sessions", uid("one"), duration_ms=60_000)
    again = build(force=True)
    assert (again.rows_processed, again.rows_inserted, again.rows_deleted) == (3, 3, 3)
    after = {row["session_id"]: row["session_key"] for row in pipeline.warehouse.rows(keys)}
    kept = {row["session_id"]: row["session_key"] for row in before if row["session_id"] != uid("two")}
    assert set(after) == {uid("one"), uid("three"), uid("four")}
    assert kept.items() <= after.items()
    assert after[uid("four")] not in {row["session_key"] for row in before}
    rebuilt = "select duration_seconds from fact_sessions where session_id = %(id)s"
    assert pipeline.warehouse.value(rebuilt, id=uid("one")) == 60


def test_building_a_day_leaves_the_other_days_alone(pipeline, world):
    world.session("before", started_at=at("2025-01-14 10:00"))
    world.session("on the day")
    world.session("after", started_at=at("2025-01-16 10:00"))
    for day in (DAY_BEFORE, DAY, NEXT_DAY):
        build(day)
    others = "select ctid::text, xmin::text from fact_sessions where date_key <> 20250115 order by date_key"
    before = pipeline.warehouse.rows(others)
    build(force=True)
    assert len(before) == 2
    assert pipeline.warehouse.rows(others) == before


def test_members_are_held_one_by_one_and_not_by_a_look_at_all_of_them(pipeline, world, monkeypatch):
    """Among a million learners a day's few took half a second, each day and fact."""
    world.session()
    planned = {}
    run = Connection.file

    def noted(connection, name, **variables):
        planned[name] = connection.value("select current_setting('enable_nestloop')")
        return run(connection, name, **variables)

    monkeypatch.setattr(Connection, "file", noted)
    build()
    assert (planned["load/day_merge.sql"], planned["load/hold_keys.sql"]) == ("off", "on")


def test_a_complete_day_is_skipped(pipeline, world):
    world.session()
    first, second = build(), job_build_fact_sessions(DAY)
    assert (first.status, second.status) == ("SUCCESS", "SKIPPED")
    assert second.job_name == "build_fact_sessions"
    assert pipeline.warehouse.column("select status from etl_job_runs where job_name = 'build_fact_sessions'") == [
        "SUCCESS"
    ]
