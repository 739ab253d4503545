"""fact_homework_events: one row per homework submitted on the day, its steps and responses counted."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest
from support.world import DAY, NEXT_DAY, at, uid

from aivo_luigi import (
    job_build_fact_homework_events,
    job_build_fact_sessions,
    job_sync_dim_learner,
    job_sync_dim_tenant,
)


def build(day: date = DAY, force: bool = False):
    result = job_build_fact_homework_events(day, force=force)
    assert result.status == "SUCCESS", result.error_message
    return result


def build_sessions(day: date = DAY) -> None:
    result = job_build_fact_sessions(day, force=True)
    assert result.status == "SUCCESS", result.error_message


def test_homework_arrives_with_its_own_columns(pipeline, world):
    world.session()
    world.submission(
        session="lesson",
        subject="SCIENCE",
        grade_band="G6_8",
        status="COMPLETED",
        step_count=4,
        steps_completed=3,
        updated_at=datetime(2025, 1, 17, 9, 30),
    )
    build()
    assert pipeline.warehouse.row(
        "select date_key, submission_id, session_id, session_date_key, subject, grade_band, step_count, "
        "steps_completed, hints_revealed, correct_responses, total_responses, completion_rate, submitted_at, "
        "completed_at from fact_homework_events"
    ) == {
        "date_key": 20250115,
        "submission_id": uid("essay"),
        "session_id": uid("lesson"),
        "session_date_key": 20250115,
        "subject": "SCIENCE",
        "grade_band": "G6_8",
        "step_count": 4,
        "steps_completed": 3,
        "hints_revealed": 0,
        "correct_responses": 0,
        "total_responses": 0,
        "completion_rate": Decimal("0.75"),
        "submitted_at": at("16:00"),
        "completed_at": at("2025-01-17 09:30"),
    }


def test_steps_and_responses_are_counted_without_multiplying_each_other(pipeline, world):
    world.submission("essay", step_count=3)
    with_three, with_one = world.step("essay", hint_revealed=True), world.step("essay", hint_revealed=True)
    world.step("essay", hint_revealed=False)
    for is_correct in (True, False, None):
        world.response(with_three, is_correct)
    world.response(with_one, True)
    world.submission("another")
    world.response(world.step("another"), False)
    build()
    assert pipeline.warehouse.rows(
        "select submission_id, hints_revealed, correct_responses, total_responses from fact_homework_events "
        "order by total_responses"
    ) == [
        {"submission_id": uid("another"), "hints_revealed": 0, "correct_responses": 0, "total_responses": 1},
        {"submission_id": uid("essay"), "hints_revealed": 2, "correct_responses": 2, "total_responses": 4},
    ]


def test_steps_and_responses_count_whenever_they_came(pipeline, world):
    world.submission()
    step = world.step(hint_revealed=True, created_at=datetime(2025, 1, 20))
    world.response(step, True, created_at=datetime(2025, 1, 20))
    build()
    assert pipeline.warehouse.row("select hints_revealed, total_responses from fact_homework_events") == {
        "hints_revealed": 1,
        "total_responses": 1,
    }


@pytest.mark.parametrize(
    ("step_count", "steps_completed", "rate"),
    [(4, 1, "0.25"), (4, 4, "1"), (4, 5, "1"), (4, 0, "0"), (0, 0, "0"), (0, 3, "0")],
)
def test_the_completion_rate_is_the_share_of_steps_done(pipeline, world, step_count, steps_completed, rate):
    world.submission(step_count=step_count, steps_completed=steps_completed)
    build()
    assert pipeline.warehouse.value("select completion_rate from fact_homework_events") == Decimal(rate)


def test_a_third_is_kept_to_a_few_decimals_at_least(pipeline, world):
    world.submission(step_count=3, steps_completed=1)
    build()
    assert float(pipeline.warehouse.value("select completion_rate from fact_homework_events")) == pytest.approx(
        1 / 3, abs=1e-4
    )


@pytest.mark.parametrize("status", ["RECEIVED", "PARSED", "SCAFFOLDED", "FAILED"])
def test_only_completed_homework_has_a_time_of_completion(pipeline, world, status):
    world.submission(status=status)
    build()
    assert pipeline.warehouse.column("select completed_at from fact_homework_events") == [None]


def test_an_infinite_time_of_completion_is_none(pipeline, world):
    world.submission(status="COMPLETED", updated_at="infinity")
    build()
    assert pipeline.warehouse.column("select completed_at from fact_homework_events") == [None]


def test_homework_belongs_to_the_utc_day_on_which_it_was_submitted(pipeline, world):
    for time in ("2025-01-14 23:59:59.999", "2025-01-15 00:00", "2025-01-15 23:59:59.999", "2025-01-16 00:00"):
        world.submission(time, created_at=at(time))
    assert build().rows_processed == 2
    assert pipeline.warehouse.column("select submission_id from fact_homework_events order by submitted_at") == [
        uid("2025-01-15 00:00"),
        uid("2025-01-15 23:59:59.999"),
    ]


def test_homework_joins_the_versions_in_force_when_it_was_submitted(pipeline, world):
    world.tenant()
    anna = world.learner(grade_level=3)
    job_sync_dim_tenant(DAY)
    job_sync_dim_learner(DAY)
    pipeline.source.update("learners", anna, grade_level=4, updated_at=at("16:00"))
    job_sync_dim_learner(DAY, force=True)
    world.submission("before", created_at=at("15:59:59"))
    world.submission("after", created_at=at("16:00"))
    build()
    assert pipeline.warehouse.column(
        "select grade_level from fact_homework_events inner join dim_learner using (learner_key) order by submitted_at"
    ) == [3, 4]


def test_homework_of_people_whom_no_dimension_has_seen_gets_inferred_members(pipeline, world):
    world.submission(learner="nobody", tenant="nowhere")
    build()
    assert pipeline.warehouse.row(
        "select learner_id, l.tenant_id, l.is_inferred from fact_homework_events "
        "inner join dim_learner as l using (learner_key)"
    ) == {"learner_id": uid("nobody"), "tenant_id": uid("nowhere"), "is_inferred": True}


# The link to the session


def links(pipeline) -> list[tuple[int | None, bool | None]]:
    """(day of the session, is the key that of the session) of each homework."""
    rows = pipeline.warehouse.rows(
        "select h.session_date_key, h.session_key = s.session_key as linked, h.session_key is null as open "
        "from fact_homework_events as h left join fact_sessions as s using (session_id) order by h.submitted_at"
    )
    return [(row["session_date_key"], None if row["open"] else bool(row["linked"])) for row in rows]


def test_homework_without_a_session_has_no_link(pipeline, world):
    world.session()
    world.submission(session=None)
    build_sessions()
    build()
    assert links(pipeline) == [(None, None)]
    assert pipeline.warehouse.column("select session_id from fact_homework_events") == [None]


def test_homework_finds_the_session_of_an_earlier_day(pipeline, world):
    world.session(started_at=at("2025-01-14 10:00"))
    world.submission(session="lesson")
    build_sessions(date(2025, 1, 14))
    build()
    assert links(pipeline) == [(20250114, True)]


def test_homework_built_before_its_session_is_linked_when_the_session_is_built(pipeline, world):
    world.session(started_at=at("23:50"))
    world.submission(session="lesson", created_at=at("2025-01-16 00:10"))
    build(NEXT_DAY)
    assert links(pipeline) == [(20250115, None)]
    build_sessions(DAY)
    assert links(pipeline) == [(20250115, True)]


@pytest.mark.parametrize("started_at", ["infinity", "-infinity"])
def test_homework_whose_session_never_started_stays_without_link(pipeline, world, started_at):
    lesson = world.session()
    pipeline.source.update("sessions", lesson, started_at=started_at)
    world.submission(session="lesson")
    build()
    assert links(pipeline) == [(None, None)]


def test_the_link_to_a_session_that_went_is_taken_away(pipeline, world):
    lesson = world.session()
    world.session("stays")
    world.submission(session="lesson")
    build_sessions()
    build()
    pipeline.source.delete("sessions", lesson)
    build_sessions()
    assert pipeline.warehouse.column("select session_key from fact_homework_events") == [None]


def test_building_a_day_again_keeps_every_key(pipeline, world):
    world.submission("one")
    world.submission("two")
    build()
    keys = "select submission_id, homework_event_key from fact_homework_events order by submission_id"
    before = pipeline.warehouse.rows(keys)
    pipeline.source.update("homework_submissions", uid("one"), status="COMPLETED")
    result = build(force=True)
    assert (result.rows_processed, result.rows_inserted, result.rows_deleted) == (2, 2, 2)
    assert pipeline.warehouse.rows(keys) == before
    assert pipeline.warehouse.value("select count(completed_at) from fact_homework_events") == 1
