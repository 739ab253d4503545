"""fact_focus_events: one row per focus event on the day, with what can be read of its metadata."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from psycopg2.extras import Json
from support.world import DAY, NEXT_DAY, at, uid

from aivo_luigi import (
    job_build_fact_focus_events,
    job_build_fact_sessions,
    job_sync_dim_learner,
    job_sync_dim_tenant,
)

FOCUS_TYPES = (
    "FOCUS_LOSS_DETECTED",
    "FOCUS_BREAK_STARTED",
    "FOCUS_BREAK_ENDED",
    "FOCUS_INTERVENTION_SHOWN",
    "FOCUS_INTERVENTION_COMPLETED",
)


def build(day: date = DAY, force: bool = False):
    result = job_build_fact_focus_events(day, force=force)
    assert result.status == "SUCCESS", result.error_message
    return result


def build_sessions(day: date = DAY) -> None:
    result = job_build_fact_sessions(day, force=True)
    assert result.status == "SUCCESS", result.error_message


def readings(pipeline, world, column, key, values):
    """What the column makes of each value of that key, all of them events of one day."""
    ids = [world.event("FOCUS_LOSS_DETECTED", metadata={key: value}) for value in values]
    build()
    rows = pipeline.warehouse.rows(f"select event_id, {column} as reading from fact_focus_events")
    found = {row["event_id"]: row["reading"] for row in rows}
    return [(shown(value), found[event_id]) for event_id, value in zip(ids, values, strict=True)]


def shown(value):
    return repr(value)[:40]


def test_a_focus_event_arrives_with_what_its_metadata_says(pipeline, world):
    world.session()
    world.event(
        "FOCUS_INTERVENTION_COMPLETED",
        "breathing",
        event_time=at("10:07"),
        metadata={
            "durationSeconds": 90,
            "interventionType": "BREATHING",
            "interventionCompleted": True,
            "focusScore": 72.5,
            "anything": "else",
        },
    )
    build()
    assert pipeline.warehouse.row(
        "select date_key, event_id, session_id, session_date_key, event_type, event_time, duration_seconds, "
        "intervention_type, intervention_completed, focus_score from fact_focus_events"
    ) == {
        "date_key": 20250115,
        "event_id": uid("breathing"),
        "session_id": uid("lesson"),
        "session_date_key": 20250115,
        "event_type": "FOCUS_INTERVENTION_COMPLETED",
        "event_time": at("10:07"),
        "duration_seconds": 90,
        "intervention_type": "BREATHING",
        "intervention_completed": True,
        "focus_score": Decimal("72.5"),
    }


def test_the_five_kinds_of_focus_events_are_loaded_and_no_others(pipeline, world):
    world.session()
    for event_type in (*FOCUS_TYPES, "ACTIVITY_STARTED", "FOCUS_OTHER", "HOMEWORK_HINT_REQUESTED"):
        world.event(event_type)
    assert build().rows_processed == 5
    assert set(pipeline.warehouse.column("select event_type from fact_focus_events")) == set(FOCUS_TYPES)


def test_an_event_belongs_to_the_day_on_which_it_happened(pipeline, world):
    world.session()
    for time in ("2025-01-14 23:59:59.999999", "2025-01-15 00:00", "2025-01-15 23:59:59.999999", "2025-01-16 00:00"):
        world.event("FOCUS_LOSS_DETECTED", time, event_time=at(time))
    build()
    assert pipeline.warehouse.column("select event_id from fact_focus_events order by event_time") == [
        uid("2025-01-15 00:00"),
        uid("2025-01-15 23:59:59.999999"),
    ]


def test_a_duration_is_a_number_of_seconds_rounded_down_or_nothing(pipeline, world):
    expected = [
        (90, 90),
        (0, 0),
        (12.9, 12),
        ("90", 90),
        ("12.9", 12),
        ("+7", 7),
        ("1e2", 100),
        ("1.5E1", 15),
        (2147483647, 2147483647),
        ("2147483647", 2147483647),
        (2147483648, None),
        (-5, None),
        (-0.5, None),
        ("-5", None),
        ("soon", None),
        ("", None),
        (" 90", None),
        ("90 ", None),
        ("90\n", None),
        ("9 0", None),
        ("1,000", None),
        ("0x10", None),
        ("1_000", None),
        ("٩٠", None),
        ("NaN", None),
        ("Infinity", None),
        ("--5", None),
        ("1e", None),
        ("1.2.3", None),
        (1e300, None),
        ("1e999999999", None),
        ("9" * 200_000, None),
        (True, None),
        ([90], None),
        ({"seconds": 90}, None),
        (None, None),
    ]
    found = readings(pipeline, world, "duration_seconds", "durationSeconds", [value for value, _ in expected])
    assert found == [(shown(value), read_as) for value, read_as in expected]


def test_a_focus_score_goes_from_0_to_100_and_keeps_four_decimals(pipeline, world):
    expected = [
        (0, "0"),
        (100, "100"),
        (87.65432, "87.6543"),
        (87.65438, "87.6544"),
        ("87.5", "87.5"),
        ("1e1", "10"),
        (1e-9, "0"),
        (100.00001, None),
        (-0.0001, None),
        (1e300, None),
        ("1e300", None),
        ("n/a", None),
        ("NaN", None),
        ("-Infinity", None),
        (False, None),
        ([50], None),
        (None, None),
    ]
    found = readings(pipeline, world, "focus_score", "focusScore", [value for value, _ in expected])
    assert found == [(shown(value), None if read_as is None else Decimal(read_as)) for value, read_as in expected]


def test_a_number_too_small_to_be_told_from_nothing_stops_no_day(pipeline, world):
    [(_, score)] = readings(pipeline, world, "focus_score", "focusScore", ["1e-999999"])
    assert score in (None, 0)


def test_an_intervention_is_completed_or_not_or_unknown(pipeline, world):
    expected = [
        (True, True),
        (False, False),
        ("true", True),
        ("tRuE", True),
        ("FALSE", False),
        ("yes", None),
        ("", None),
        ("true ", None),
        (1, None),
        (0, None),
        ([True], None),
        (None, None),
    ]
    found = readings(
        pipeline, world, "intervention_completed", "interventionCompleted", [value for value, _ in expected]
    )
    assert found == [(shown(value), read_as) for value, read_as in expected]


def test_an_intervention_type_is_a_text_of_at_most_100_characters(pipeline, world):
    expected = [
        ("BREATHING", "BREATHING"),
        ("ü" * 100, "ü" * 100),
        ("ü" * 101, None),
        (7, None),
        (True, None),
        (["BREATHING"], None),
        ({"type": "BREATHING"}, None),
        (None, None),
    ]
    found = readings(pipeline, world, "intervention_type", "interventionType", [value for value, _ in expected])
    assert found == [(shown(value), read_as) for value, read_as in expected]


def test_metadata_that_is_no_object_says_nothing(pipeline, world):
    everything = [None, Json(None), {}, [], [{"focusScore": 5}], "focusScore", "", 5, True]
    for metadata in everything:
        world.event("FOCUS_LOSS_DETECTED", metadata=metadata)
    build()
    assert pipeline.warehouse.rows(
        "select duration_seconds, intervention_type, intervention_completed, focus_score, count(*) as events "
        "from fact_focus_events group by 1, 2, 3, 4"
    ) == [
        {
            "duration_seconds": None,
            "intervention_type": None,
            "intervention_completed": None,
            "focus_score": None,
            "events": len(everything),
        }
    ]


def test_one_unreadable_field_takes_nothing_from_the_others(pipeline, world):
    world.event("FOCUS_BREAK_ENDED", metadata={"durationSeconds": "soon", "focusScore": 50})
    world.event("FOCUS_BREAK_ENDED", metadata={"durationSeconds": 60, "focusScore": "n/a"})
    build()
    assert pipeline.warehouse.rows("select duration_seconds, focus_score from fact_focus_events order by 1") == [
        {"duration_seconds": 60, "focus_score": None},
        {"duration_seconds": None, "focus_score": Decimal(50)},
    ]


def test_an_event_joins_the_versions_in_force_when_it_happened(pipeline, world):
    world.tenant()
    anna = world.learner(grade_level=3)
    world.session()
    job_sync_dim_tenant(DAY)
    job_sync_dim_learner(DAY)
    pipeline.source.update("learners", anna, grade_level=4, updated_at=at("10:10"))
    job_sync_dim_learner(DAY, force=True)
    world.event("FOCUS_BREAK_STARTED", event_time=at("10:09:59"))
    world.event("FOCUS_BREAK_ENDED", event_time=at("10:10"))
    build()
    assert pipeline.warehouse.column(
        "select grade_level from fact_focus_events inner join dim_learner using (learner_key) order by event_time"
    ) == [3, 4]


def test_an_event_of_people_whom_no_dimension_has_seen_gets_inferred_members(pipeline, world):
    world.event("FOCUS_LOSS_DETECTED", learner="nobody", tenant="nowhere")
    build()
    assert pipeline.warehouse.row(
        "select learner_id, l.tenant_id, l.is_inferred, t.is_inferred as tenant_is_inferred from fact_focus_events "
        "inner join dim_learner as l using (learner_key) inner join dim_tenant as t on t.tenant_key = l.tenant_key"
    ) == {
        "learner_id": uid("nobody"),
        "tenant_id": uid("nowhere"),
        "is_inferred": True,
        "tenant_is_inferred": True,
    }


# The link to the session


def links(pipeline) -> list[tuple[int | None, bool | None]]:
    """(day of the session, is the key that of the session) of each event."""
    rows = pipeline.warehouse.rows(
        "select e.session_date_key, e.session_key = s.session_key as linked, e.session_key is null as open "
        "from fact_focus_events as e left join fact_sessions as s using (session_id) order by e.event_time"
    )
    return [(row["session_date_key"], None if row["open"] else bool(row["linked"])) for row in rows]


def test_an_event_finds_the_session_that_was_built_before_it(pipeline, world):
    world.session()
    world.event("FOCUS_LOSS_DETECTED")
    build_sessions()
    build()
    assert links(pipeline) == [(20250115, True)]


def test_an_event_after_midnight_finds_the_session_of_the_day_before(pipeline, world):
    world.session(started_at=at("23:50"))
    world.event("FOCUS_LOSS_DETECTED", event_time=at("2025-01-16 00:05"))
    build_sessions(DAY)
    build_sessions(NEXT_DAY)
    build(NEXT_DAY)
    assert links(pipeline) == [(20250115, True)]


def test_an_event_built_before_its_session_is_linked_when_the_session_is_built(pipeline, world):
    world.session(started_at=at("23:50"))
    world.event("FOCUS_LOSS_DETECTED", event_time=at("2025-01-16 00:05"))
    build_sessions(NEXT_DAY)
    build(NEXT_DAY)
    assert links(pipeline) == [(20250115, None)]
    build_sessions(DAY)
    assert links(pipeline) == [(20250115, True)]


def test_an_event_whose_session_does_not_exist_stays_without_link(pipeline, world):
    world.session("another")
    world.event("FOCUS_LOSS_DETECTED", session="nothing")
    build_sessions()
    build()
    assert links(pipeline) == [(None, None)]


@pytest.mark.parametrize("started_at", ["infinity", "-infinity"])
def test_an_event_whose_session_never_started_stays_without_link(pipeline, world, started_at):
    lesson = world.session()
    pipeline.source.update("sessions", lesson, started_at=started_at)
    world.event("FOCUS_LOSS_DETECTED")
    build_sessions()
    build()
    assert links(pipeline) == [(None, None)]


def test_an_event_is_linked_to_a_session_that_arrived_after_it(pipeline, world):
    world.event("FOCUS_LOSS_DETECTED")
    build_sessions()
    build()
    world.session()
    build_sessions()
    assert links(pipeline) == [(20250115, True)]


def test_the_link_of_a_session_that_moved_to_another_day_moves_with_it(pipeline, world):
    lesson = world.session()
    world.session("stays")
    world.event("FOCUS_LOSS_DETECTED")
    build_sessions()
    build()
    pipeline.source.update("sessions", lesson, started_at=at("2025-01-14 23:00"))
    build_sessions(date(2025, 1, 14))
    build_sessions(DAY)
    assert links(pipeline) == [(20250114, True)]


def test_the_link_moves_in_whatever_order_the_two_days_are_built(pipeline, world):
    lesson = world.session()
    world.session("stays")
    world.event("FOCUS_LOSS_DETECTED")
    build_sessions()
    build()
    pipeline.source.update("sessions", lesson, started_at=at("2025-01-14 23:00"))
    build_sessions(DAY)
    build_sessions(date(2025, 1, 14))
    assert links(pipeline) == [(20250114, True)]


@pytest.mark.parametrize("order", [(NEXT_DAY, DAY), (DAY, NEXT_DAY)], ids=["followed", "cleared and found"])
def test_links_are_mended_in_one_go_however_many_sessions_move(pipeline, world, order):
    """Statistics that know other days alone promise one row; a nested loop over 10,000 took minutes."""
    lessons = [world.session(str(number)) for number in range(3)]
    for number in range(3):
        world.event("FOCUS_LOSS_DETECTED", session=str(number))
    world.session("stays")
    build_sessions()
    build()
    pipeline.warehouse.execute(
        "create table planned (nested_loops text);"
        " create function note() returns trigger language plpgsql as $$ begin"
        " insert into planned values (current_setting('enable_nestloop')); return null; end $$;"
        " create trigger note after update on fact_focus_events for each statement execute function note()"
    )
    for lesson in lessons:
        pipeline.source.update("sessions", lesson, started_at=at("2025-01-16 08:00"))
    for day in order:
        build_sessions(day)
    assert links(pipeline) == [(20250116, True)] * 3
    assert set(pipeline.warehouse.column("select nested_loops from planned")) == {"off"}


def test_the_link_to_a_session_that_went_is_taken_away(pipeline, world):
    lesson = world.session()
    world.session("stays")
    world.event("FOCUS_LOSS_DETECTED")
    build_sessions()
    build()
    pipeline.source.delete("sessions", lesson)
    build_sessions()
    assert pipeline.warehouse.column("select session_key from fact_focus_events") == [None]


def test_building_the_sessions_again_breaks_no_link(pipeline, world):
    world.session()
    world.event("FOCUS_LOSS_DETECTED")
    build_sessions()
    build()
    build_sessions()
    assert links(pipeline) == [(20250115, True)]


def test_building_a_day_again_keeps_every_key(pipeline, world):
    for name in ("one", "two"):
        world.event("FOCUS_LOSS_DETECTED", name)
    build()
    keys = "select event_id, focus_event_key from fact_focus_events order by event_id"
    before = pipeline.warehouse.rows(keys)
    world.event("FOCUS_LOSS_DETECTED", "three")
    result = build(force=True)
    assert (result.rows_processed, result.rows_inserted, result.rows_deleted) == (3, 3, 2)
    after = pipeline.warehouse.rows(keys)
    assert [row for row in after if row["event_id"] != uid("three")] == before
    assert len({row["focus_event_key"] for row in after}) == 3
