"""The dimensions without history: users and skills are overwritten in place, subjects are given."""

from __future__ import annotations

from typing import Any

import pytest
from support.members import written
from support.world import CREATED, DAY, at, uid

from aivo_luigi import job_sync_dim_skill, job_sync_dim_subject, job_sync_dim_tenant, job_sync_dim_user

LATER = at("2024-10-01 00:00")


def sync(*jobs: Any) -> Any:
    """Run the jobs; the last one's result."""
    for job in jobs:
        result = job(DAY, force=True)
        assert result.status == "SUCCESS", result.error_message
    return result


def sync_users() -> Any:
    return sync(job_sync_dim_tenant, job_sync_dim_user)


def sync_skills() -> Any:
    return sync(job_sync_dim_subject, job_sync_dim_skill)


def counts(result: Any) -> tuple[int, int, int, int]:
    return result.rows_processed, result.rows_inserted, result.rows_updated, result.rows_deleted


# Users


def test_a_user_arrives_as_it_is(pipeline, world):
    world.tenant()
    world.user(role="THERAPIST", is_active=False)
    assert counts(sync_users()) == (1, 1, 0, 0)
    assert pipeline.warehouse.row(
        "select user_id, u.tenant_id, tenant_name, role, u.is_active, u.created_at, u.is_inferred "
        "from dim_user as u inner join dim_tenant using (tenant_key)"
    ) == {
        "user_id": uid("teacher"),
        "tenant_id": uid("school"),
        "tenant_name": "school",
        "role": "THERAPIST",
        "is_active": False,
        "created_at": CREATED,
        "is_inferred": False,
    }


def test_a_user_that_does_not_say_so_is_active(pipeline, world):
    world.tenant()
    world.user(is_active=None)
    sync_users()
    assert pipeline.warehouse.column("select is_active from dim_user") == [True]


def test_a_changed_user_is_overwritten_and_keeps_its_key(pipeline, world):
    world.tenant("school")
    world.tenant("clinic")
    world.user()
    sync_users()
    key = pipeline.warehouse.value("select user_key from dim_user")
    pipeline.source.update("users", uid("teacher"), role="SUPPORT", tenant_id=uid("clinic"), updated_at=LATER)
    assert counts(sync_users()) == (1, 0, 1, 0)
    assert pipeline.warehouse.row(
        "select user_key, role, tenant_name from dim_user inner join dim_tenant using (tenant_key)"
    ) == {"user_key": key, "role": "SUPPORT", "tenant_name": "clinic"}


@pytest.mark.parametrize("deletion", ["deleted", "gone"])
def test_a_user_that_is_deleted_or_gone_becomes_inactive_and_can_come_back(pipeline, world, deletion):
    world.tenant()
    teacher = world.user()
    sync_users()
    key = pipeline.warehouse.value("select user_key from dim_user")
    if deletion == "deleted":
        pipeline.source.update("users", teacher, deleted_at=LATER)
        assert counts(sync_users()) == (1, 0, 0, 1)
        pipeline.source.update("users", teacher, deleted_at=None)
    else:
        pipeline.source.delete("users", teacher)
        assert counts(sync_users()) == (0, 0, 0, 1)
        world.user()
    assert pipeline.warehouse.row("select user_key, is_active from dim_user") == {"user_key": key, "is_active": False}
    assert counts(sync_users()) == (1, 0, 1, 0)
    assert pipeline.warehouse.row("select user_key, is_active from dim_user") == {"user_key": key, "is_active": True}


def test_a_user_first_seen_when_deleted_is_inactive(pipeline, world):
    world.tenant()
    world.user(deleted_at=LATER)
    assert counts(sync_users()) == (1, 1, 0, 0)
    assert pipeline.warehouse.column("select is_active from dim_user") == [False]


def test_a_user_of_a_tenant_that_nobody_knows_gets_an_inferred_one(pipeline, world):
    world.user(tenant="nowhere")
    sync_users()
    assert pipeline.warehouse.row(
        "select t.tenant_id, t.is_inferred from dim_user inner join dim_tenant as t using (tenant_key)"
    ) == {"tenant_id": uid("nowhere"), "is_inferred": True}


def test_an_unchanged_user_is_not_written(pipeline, world):
    world.tenant()
    world.user("stays")
    world.user("is deleted", deleted_at=LATER)
    world.user("goes")
    sync_users()
    pipeline.source.delete("users", uid("goes"))
    sync_users()
    before = written(pipeline, "dim_user")
    pipeline.source.update("users", uid("stays"), updated_at=LATER)
    assert counts(sync_users()) == (2, 0, 0, 0)
    assert written(pipeline, "dim_user") == before


def many_users(pipeline, number: int) -> None:
    pipeline.source.insert_many(
        "users",
        [
            {"id": uid(f"user {n}"), "tenant_id": uid("school"), "role": "PARENT", "created_at": CREATED}
            for n in range(number)
        ],
    )


def test_a_mass_deactivation_of_users_fails_unless_it_is_allowed(pipeline, world, etl_option):
    world.tenant()
    many_users(pipeline, 30)
    sync_users()
    before = written(pipeline, "dim_user")
    pipeline.source.execute("delete from users")
    result = job_sync_dim_user(DAY, force=True)
    assert result.status == "FAILED"
    assert "allow-mass-close" in (result.error_message or "")
    assert written(pipeline, "dim_user") == before
    etl_option("allow_mass_close", "true")
    assert sync_users().rows_deleted == 30


def test_users_that_the_source_turns_inactive_are_no_mass_deactivation(pipeline, world):
    world.tenant()
    many_users(pipeline, 30)
    sync_users()
    pipeline.source.execute("update users set is_active = false")
    assert counts(sync_users()) == (30, 0, 30, 0)


# Skills


def test_a_skill_arrives_as_it_is(pipeline, world):
    world.skill(
        "adding",
        code="M.1.2",
        name="Adding",
        description="up to ten",
        subject="MATH",
        grade_band="K5",
        parent_skill_id=uid("counting"),
        depth=2,
    )
    assert counts(sync_skills()) == (1, 1, 0, 0)
    assert pipeline.warehouse.row(
        "select skill_id, subject_code, skill_code, skill_name, k.description, grade_band, parent_skill_id, depth, "
        "is_active, k.is_inferred from dim_skill as k inner join dim_subject using (subject_key)"
    ) == {
        "skill_id": uid("adding"),
        "subject_code": "MATH",
        "skill_code": "M.1.2",
        "skill_name": "Adding",
        "description": "up to ten",
        "grade_band": "K5",
        "parent_skill_id": uid("counting"),
        "depth": 2,
        "is_active": True,
        "is_inferred": False,
    }


def test_a_skill_may_leave_out_what_is_optional(pipeline, world):
    world.skill(description=None, grade_band=None, parent_skill_id=None)
    sync_skills()
    assert pipeline.warehouse.row("select description, grade_band, parent_skill_id from dim_skill") == {
        "description": None,
        "grade_band": None,
        "parent_skill_id": None,
    }


@pytest.mark.parametrize(
    ("column", "value", "dimension_column"),
    [
        ("code", "NEW", "skill_code"),
        ("name", "new", "skill_name"),
        ("description", "new", "description"),
        ("description", None, "description"),
        ("subject", "ELA", "subject_code"),
        ("grade_band", "G6_8", "grade_band"),
        ("grade_band", None, "grade_band"),
        ("parent_skill_id", uid("counting"), "parent_skill_id"),
        ("depth", 3, "depth"),
    ],
)
def test_a_changed_skill_is_overwritten_and_keeps_its_key(pipeline, world, column, value, dimension_column):
    skill = world.skill(description="old")
    sync_skills()
    key = pipeline.warehouse.value("select skill_key from dim_skill")
    pipeline.source.update("skills", skill, **{column: value})
    assert counts(sync_skills()) == (1, 0, 1, 0)
    assert pipeline.warehouse.row(
        f"select skill_key, {dimension_column.replace('description', 'k.description')} "
        "from dim_skill as k inner join dim_subject using (subject_key)"
    ) == {"skill_key": key, dimension_column: value}


@pytest.mark.parametrize("deletion", ["deleted", "gone"])
def test_a_skill_that_is_deleted_or_gone_becomes_inactive_and_can_come_back(pipeline, world, deletion):
    skill = world.skill()
    sync_skills()
    if deletion == "deleted":
        pipeline.source.update("skills", skill, deleted_at=LATER)
        assert counts(sync_skills()) == (1, 0, 0, 1)
        pipeline.source.update("skills", skill, deleted_at=None)
    else:
        pipeline.source.delete("skills", skill)
        assert counts(sync_skills()) == (0, 0, 0, 1)
        world.skill()
    assert pipeline.warehouse.column("select is_active from dim_skill") == [False]
    assert counts(sync_skills()) == (1, 0, 1, 0)
    assert pipeline.warehouse.column("select is_active from dim_skill") == [True]


def test_a_skill_first_seen_when_deleted_is_inactive(pipeline, world):
    world.skill(deleted_at=LATER)
    assert counts(sync_skills()) == (1, 1, 0, 0)
    assert pipeline.warehouse.column("select is_active from dim_skill") == [False]


def test_an_unchanged_skill_is_not_written(pipeline, world):
    world.skill("stays")
    world.skill("is deleted", deleted_at=LATER)
    sync_skills()
    before = written(pipeline, "dim_skill")
    assert counts(sync_skills()) == (2, 0, 0, 0)
    assert written(pipeline, "dim_skill") == before


def test_a_subject_that_nobody_knows_becomes_an_inferred_one(pipeline, world):
    pipeline.source.execute("alter table skills alter column subject type text")
    world.skill("one", subject="HISTORY")
    world.skill("two", subject="HISTORY")
    sync_skills()
    assert pipeline.warehouse.rows("select subject_code, subject_name from dim_subject where is_inferred") == [
        {"subject_code": "HISTORY", "subject_name": "UNKNOWN"}
    ]
    assert pipeline.warehouse.column(
        "select subject_code from dim_skill inner join dim_subject using (subject_key)"
    ) == ["HISTORY", "HISTORY"]


def test_an_inferred_subject_stays_when_the_subjects_are_synced_again(pipeline, world):
    pipeline.source.execute("alter table skills alter column subject type text")
    world.skill("one", subject="HISTORY")
    sync_skills()
    sync_skills()
    assert pipeline.warehouse.value("select count(*) from dim_subject where is_inferred") == 1


# Subjects


def test_the_subjects_are_the_six_that_are_given(pipeline):
    result = sync(job_sync_dim_subject)
    assert result.status == "SUCCESS"
    rows = pipeline.warehouse.rows("select subject_code, subject_name, is_inferred from dim_subject")
    assert {row["subject_code"] for row in rows} == {"ELA", "MATH", "SCIENCE", "SEL", "SPEECH", "OTHER"}
    assert all(row["subject_name"] for row in rows)
    assert not any(row["is_inferred"] for row in rows)


def test_unchanged_subjects_are_not_written(pipeline):
    sync(job_sync_dim_subject)
    before = written(pipeline, "dim_subject")
    assert counts(sync(job_sync_dim_subject))[1:] == (0, 0, 0)
    assert written(pipeline, "dim_subject") == before
