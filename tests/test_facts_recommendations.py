"""fact_recommendation_events: one row per recommendation made on the day."""

from __future__ import annotations

from datetime import date

import pytest
from support.world import DAY, at, uid

from aivo_luigi import (
    job_build_fact_recommendation_events,
    job_sync_dim_learner,
    job_sync_dim_skill,
    job_sync_dim_subject,
    job_sync_dim_tenant,
)


def build(day: date = DAY, force: bool = False):
    result = job_build_fact_recommendation_events(day, force=force)
    assert result.status == "SUCCESS", result.error_message
    return result


def sync_skills() -> None:
    job_sync_dim_subject(DAY, force=True)
    job_sync_dim_skill(DAY, force=True)


def test_a_recommendation_arrives_with_its_own_columns(pipeline, world):
    world.skill()
    sync_skills()
    world.recommendation(
        recommendation_type="BREAK",
        source="TEACHER",
        was_accepted=True,
        was_declined=False,
        responded_at=at("11:01:30.9"),
    )
    build()
    assert pipeline.warehouse.row(
        "select date_key, recommendation_id, skill_id, recommendation_type, source, was_accepted, was_declined, "
        "response_time_seconds, f.created_at, responded_at "
        "from fact_recommendation_events as f inner join dim_skill using (skill_key)"
    ) == {
        "date_key": 20250115,
        "recommendation_id": uid("advice"),
        "skill_id": uid("adding"),
        "recommendation_type": "BREAK",
        "source": "TEACHER",
        "was_accepted": True,
        "was_declined": False,
        "response_time_seconds": 90,
        "created_at": at("11:00"),
        "responded_at": at("11:01:30.9"),
    }


def test_a_recommendation_without_an_answer_has_none(pipeline, world):
    world.recommendation()
    build()
    assert pipeline.warehouse.row(
        "select was_accepted, was_declined, response_time_seconds, responded_at from fact_recommendation_events"
    ) == {"was_accepted": None, "was_declined": None, "response_time_seconds": None, "responded_at": None}


@pytest.mark.parametrize(
    ("responded_at", "seconds"),
    [
        (at("11:00"), 0),
        (at("11:00:00.999999"), 0),
        (at("11:00:01"), 1),
        (at("2025-01-16 11:00"), 86_400),
        (at("10:59:59"), None),
        (at("10:59:59.5"), None),
        (at("2999-01-01 00:00"), None),
    ],
    ids=str,
)
def test_the_response_time_is_rounded_down_and_unknown_where_it_can_not_be_true(pipeline, world, responded_at, seconds):
    world.recommendation(responded_at=responded_at)
    build()
    assert pipeline.warehouse.value("select response_time_seconds from fact_recommendation_events") == seconds


@pytest.mark.parametrize("responded_at", ["infinity", "-infinity"])
def test_an_infinite_answer_is_none(pipeline, world, responded_at):
    world.recommendation(responded_at=responded_at)
    build()
    assert pipeline.warehouse.row("select response_time_seconds, responded_at from fact_recommendation_events") == {
        "response_time_seconds": None,
        "responded_at": None,
    }


def test_only_a_recommendation_for_no_skill_has_no_skill(pipeline, world):
    world.skill("adding")
    sync_skills()
    world.recommendation("for a skill", skill="adding")
    world.recommendation("for a lost skill", skill="lost")
    world.recommendation("for none", skill=None)
    build()
    assert pipeline.warehouse.rows(
        "select recommendation_id, skill_id, skill_code, dim_skill.is_inferred, subject_code "
        "from fact_recommendation_events left join dim_skill using (skill_key) "
        "left join dim_subject using (subject_key) order by skill_code"
    ) == [
        {
            "recommendation_id": uid("for a skill"),
            "skill_id": uid("adding"),
            "skill_code": "ADDING",
            "is_inferred": False,
            "subject_code": "MATH",
        },
        {
            "recommendation_id": uid("for a lost skill"),
            "skill_id": uid("lost"),
            "skill_code": "UNKNOWN",
            "is_inferred": True,
            "subject_code": "UNKNOWN",
        },
        {
            "recommendation_id": uid("for none"),
            "skill_id": None,
            "skill_code": None,
            "is_inferred": None,
            "subject_code": None,
        },
    ]


def test_an_inferred_skill_is_completed_in_place(pipeline, world):
    world.recommendation()
    build()
    key = pipeline.warehouse.value("select skill_key from fact_recommendation_events")
    world.skill("adding", name="Adding numbers", subject="MATH", depth=2)
    job_sync_dim_subject(DAY, force=True)
    result = job_sync_dim_skill(DAY, force=True)
    assert pipeline.warehouse.row(
        "select skill_key, skill_id, subject_code, skill_name, depth, dim_skill.is_inferred "
        "from dim_skill inner join dim_subject using (subject_key)"
    ) == {
        "skill_key": key,
        "skill_id": uid("adding"),
        "subject_code": "MATH",
        "skill_name": "Adding numbers",
        "depth": 2,
        "is_inferred": False,
    }
    assert (result.rows_inserted, result.rows_updated, result.rows_deleted) == (0, 1, 0)


def test_a_recommendation_joins_the_versions_in_force_when_it_was_made(pipeline, world):
    world.tenant()
    anna = world.learner(grade_level=3)
    job_sync_dim_tenant(DAY)
    job_sync_dim_learner(DAY)
    pipeline.source.update("learners", anna, grade_level=4, updated_at=at("11:00"))
    job_sync_dim_learner(DAY, force=True)
    world.recommendation("before", created_at=at("10:59:59"), responded_at=at("12:00"))
    world.recommendation("after", created_at=at("11:00"))
    build()
    assert pipeline.warehouse.column(
        "select grade_level from fact_recommendation_events as f inner join dim_learner using (learner_key) "
        "order by f.created_at"
    ) == [3, 4]


def test_a_recommendation_belongs_to_the_day_on_which_it_was_made(pipeline, world):
    for time in ("2025-01-14 23:59:59.999999", "2025-01-15 00:00", "2025-01-15 23:59:59.999999", "2025-01-16 00:00"):
        world.recommendation(time, created_at=at(time))
    assert build().rows_processed == 2
    assert pipeline.warehouse.column(
        "select recommendation_id from fact_recommendation_events order by created_at"
    ) == [
        uid("2025-01-15 00:00"),
        uid("2025-01-15 23:59:59.999999"),
    ]


def test_building_a_day_again_keeps_every_key(pipeline, world):
    world.recommendation("one")
    world.recommendation("two")
    build()
    keys = "select recommendation_id, recommendation_event_key from fact_recommendation_events order by 1"
    before = pipeline.warehouse.rows(keys)
    pipeline.source.update("recommendations", uid("one"), was_accepted=True, responded_at=at("13:00"))
    result = build(force=True)
    assert (result.rows_processed, result.rows_inserted, result.rows_deleted) == (2, 2, 2)
    assert pipeline.warehouse.rows(keys) == before
    assert pipeline.warehouse.value("select count(*) from fact_recommendation_events where was_accepted") == 1
