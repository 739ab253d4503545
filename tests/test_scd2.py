"""How tenants and learners keep their history: the rules of SCD 2, and the guard against a mass close."""

from __future__ import annotations

import random
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from support.members import LEARNERS, TENANTS, Kind, Member, written
from support.world import CREATED, DAY, at, uid

from aivo_luigi import job_sync_dim_learner, job_sync_dim_tenant, job_sync_dim_user, sqlfiles
from aivo_luigi.db import Connection

EARLIER = at("2024-08-01 00:00")
LATER = at("2024-10-01 00:00")
EVEN_LATER = at("2024-11-01 00:00")
FUTURE = at("2999-01-01 00:00")
INFINITIES = ["infinity", "-infinity"]


@pytest.fixture(params=[TENANTS, LEARNERS], ids=lambda kind: kind.table)
def member(request: pytest.FixtureRequest, pipeline, world) -> Member:
    kind: Kind = request.param
    return Member(kind, pipeline, world)


@pytest.fixture
def synced(member: Member) -> Member:
    """m, already in the dimension with its old value."""
    member.add()
    member.sync()
    return member


def counts(result: Any) -> tuple[int, int, int, int]:
    return result.rows_processed, result.rows_inserted, result.rows_updated, result.rows_deleted


# The first version


def test_the_first_version_begins_when_the_row_was_created(member):
    member.add()
    member.sync()
    assert member.versions() == [(member.old, CREATED, None, True)]


@pytest.mark.parametrize("created_at", [FUTURE, *INFINITIES])
def test_a_first_version_that_can_not_have_begun_then_begins_now(member, created_at):
    member.add(created_at=created_at)
    before = member.clock()
    result = member.sync()
    after = member.clock()
    assert result.status == "SUCCESS", result.error_message
    [(_, effective_from, effective_to, is_current)] = member.versions()
    assert before <= effective_from <= after
    assert (effective_to, is_current) == (None, True)


def test_the_first_version_takes_no_notice_of_updated_at(member):
    member.add(updated_at=LATER)
    member.sync()
    assert member.versions() == [(member.old, CREATED, None, True)]


def test_a_tenant_that_says_nothing_about_itself_gets_the_defaults(pipeline, world):
    world.tenant(type=None, country=None, timezone=None, is_active=None, state=None, district_id=None)
    job_sync_dim_tenant(DAY)
    assert pipeline.warehouse.row(
        "select tenant_id, tenant_name, tenant_type, district_id, state, country, timezone, is_active, created_at, "
        "is_inferred from dim_tenant"
    ) == {
        "tenant_id": uid("school"),
        "tenant_name": "school",
        "tenant_type": "SCHOOL",
        "district_id": None,
        "state": None,
        "country": "US",
        "timezone": "America/New_York",
        "is_active": True,
        "created_at": CREATED,
        "is_inferred": False,
    }


def test_a_tenant_arrives_as_it_is(pipeline, world):
    world.tenant(
        type="CLINIC",
        district_id=uid("district"),
        state="QC",
        country="CA",
        timezone="America/Toronto",
        is_active=False,
    )
    job_sync_dim_tenant(DAY)
    assert pipeline.warehouse.row(
        "select tenant_type, district_id, state, country, timezone, is_active from dim_tenant"
    ) == {
        "tenant_type": "CLINIC",
        "district_id": uid("district"),
        "state": "QC",
        "country": "CA",
        "timezone": "America/Toronto",
        "is_active": False,
    }


def test_a_learner_that_says_nothing_about_itself_gets_the_defaults(pipeline, world):
    world.tenant()
    world.learner(grade_band=None, grade_level=None, is_active=None)
    job_sync_dim_tenant(DAY)
    job_sync_dim_learner(DAY)
    assert pipeline.warehouse.row(
        "select learner_id, l.tenant_id, l.tenant_key = t.tenant_key as of_its_tenant, grade_band, grade_level, "
        "l.is_active, l.created_at, l.is_inferred from dim_learner as l cross join dim_tenant as t"
    ) == {
        "learner_id": uid("anna"),
        "tenant_id": uid("school"),
        "of_its_tenant": True,
        "grade_band": "UNKNOWN",
        "grade_level": None,
        "is_active": True,
        "created_at": CREATED,
        "is_inferred": False,
    }


# The next versions


def test_a_change_closes_one_version_and_opens_the_next_at_the_same_moment(synced):
    synced.change(synced.new, updated_at=LATER)
    synced.sync()
    assert synced.versions() == [(synced.old, CREATED, LATER, False), (synced.new, LATER, None, True)]


@pytest.mark.parametrize("updated_at", [None, EARLIER, CREATED, FUTURE, *INFINITIES])
def test_a_change_whose_time_can_not_be_true_happened_now(synced, updated_at):
    synced.change(synced.new, updated_at=updated_at)
    before = synced.clock()
    result = synced.sync()
    after = synced.clock()
    assert result.status == "SUCCESS", result.error_message
    [first, second] = synced.versions()
    assert first == (synced.old, CREATED, second[1], False)
    assert second == (synced.new, second[1], None, True)
    assert before <= second[1] <= after


def test_a_second_change_dated_before_the_first_happened_now(synced):
    synced.change(synced.new, updated_at=EVEN_LATER)
    synced.sync()
    synced.change(synced.old, updated_at=LATER)
    before = synced.clock()
    synced.sync()
    [first, second, third] = synced.versions()
    assert first == (synced.old, CREATED, EVEN_LATER, False)
    assert second == (synced.new, EVEN_LATER, third[1], False)
    assert third == (synced.old, third[1], None, True)
    assert third[1] >= before


def test_a_revert_between_two_syncs_makes_no_version(synced):
    before = written(synced.pipeline, synced.kind.dimension)
    synced.change(synced.new, updated_at=LATER)
    synced.change(synced.old, updated_at=EVEN_LATER)
    synced.sync()
    assert synced.versions() == [(synced.old, CREATED, None, True)]
    assert written(synced.pipeline, synced.kind.dimension) == before


def test_a_revert_that_a_sync_has_seen_makes_a_version(synced):
    synced.change(synced.new, updated_at=LATER)
    synced.sync()
    synced.change(synced.old, updated_at=EVEN_LATER)
    synced.sync()
    assert synced.versions() == [
        (synced.old, CREATED, LATER, False),
        (synced.new, LATER, EVEN_LATER, False),
        (synced.old, EVEN_LATER, None, True),
    ]


def test_nothing_changed_nothing_written(synced):
    synced.world.tenant("gone for long", deleted_at=LATER)
    synced.add("also gone for long", deleted_at=LATER)
    synced.sync()
    tables = ("dim_tenant", "dim_learner")
    before = [written(synced.pipeline, table) for table in tables]
    synced.change(updated_at=LATER, created_at=EARLIER)
    result = synced.sync()
    assert [written(synced.pipeline, table) for table in tables] == before
    assert counts(result)[1:] == (0, 0, 0)


@pytest.mark.parametrize(
    ("column", "value", "dimension_column", "expected"),
    [
        ("name", "Elm", "tenant_name", "Elm"),
        ("type", "CLINIC", "tenant_type", "CLINIC"),
        ("district_id", uid("district"), "district_id", uid("district")),
        ("state", "NY", "state", "NY"),
        ("country", "CA", "country", "CA"),
        ("timezone", "UTC", "timezone", "UTC"),
        ("is_active", False, "is_active", False),
    ],
)
def test_every_attribute_of_a_tenant_is_tracked(pipeline, world, column, value, dimension_column, expected):
    school = world.tenant()
    job_sync_dim_tenant(DAY)
    pipeline.source.update("tenants", school, **{column: value}, updated_at=LATER)
    job_sync_dim_tenant(DAY, force=True)
    rows = f"select {dimension_column} from dim_tenant where effective_from = %(moment)s and is_current"
    assert pipeline.warehouse.column(rows, moment=LATER) == [expected]
    assert pipeline.warehouse.value("select count(*) from dim_tenant") == 2


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("tenant_id", uid("clinic"), uid("clinic")),
        ("grade_band", "G9_12", "G9_12"),
        ("grade_level", 9, 9),
        ("is_active", False, False),
    ],
)
def test_every_attribute_of_a_learner_is_tracked(pipeline, world, column, value, expected):
    world.tenant("school")
    world.tenant("clinic")
    anna = world.learner()
    job_sync_dim_tenant(DAY)
    job_sync_dim_learner(DAY)
    pipeline.source.update("learners", anna, **{column: value}, updated_at=LATER)
    job_sync_dim_learner(DAY, force=True)
    rows = f"select {column} from dim_learner where effective_from = %(moment)s and is_current"
    assert pipeline.warehouse.column(rows, moment=LATER) == [expected]
    assert pipeline.warehouse.value("select count(*) from dim_learner") == 2


@pytest.mark.parametrize(
    ("kind", "column", "value"), [(TENANTS, "district_id", uid("district")), (LEARNERS, "grade_level", 5)]
)
def test_from_nothing_to_something_and_back_are_two_changes(pipeline, world, kind, column, value):
    member = Member(kind, pipeline, world)
    member.add(**{column: None})
    member.sync()
    member.change(**{column: value}, updated_at=LATER)
    member.sync()
    member.change(**{column: None}, updated_at=EVEN_LATER)
    member.sync()
    assert pipeline.warehouse.column(
        f"select {column} from {kind.dimension} where {kind.id_column} = %(id)s order by effective_from", id=uid("m")
    ) == [None, value, None]


@pytest.mark.parametrize(
    ("kind", "column", "default"),
    [
        (TENANTS, "type", "SCHOOL"),
        (TENANTS, "country", "US"),
        (TENANTS, "timezone", "America/New_York"),
        (TENANTS, "is_active", True),
        (LEARNERS, "is_active", True),
    ],
)
def test_writing_the_default_out_is_no_change(pipeline, world, kind, column, default):
    member = Member(kind, pipeline, world)
    member.add(**{column: None})
    member.sync()
    member.change(**{column: default}, updated_at=LATER)
    member.sync()
    assert member.versions() == [(member.old, CREATED, None, True)]


# Deleted, gone, back again


def test_a_deletion_closes_the_version_and_opens_none(synced):
    synced.change(deleted_at=LATER)
    synced.sync()
    assert synced.versions() == [(synced.old, CREATED, LATER, False)]


def test_a_change_made_together_with_the_deletion_opens_no_version(synced):
    synced.change(synced.new, updated_at=LATER, deleted_at=LATER)
    synced.sync()
    assert synced.versions() == [(synced.old, CREATED, LATER, False)]


@pytest.mark.parametrize("deleted_at", [EARLIER, CREATED, FUTURE])
def test_a_deletion_whose_time_can_not_be_true_happened_now(synced, deleted_at):
    synced.change(deleted_at=deleted_at)
    before = synced.clock()
    synced.sync()
    after = synced.clock()
    [(value, effective_from, effective_to, is_current)] = synced.versions()
    assert (value, effective_from, is_current) == (synced.old, CREATED, False)
    assert effective_to is not None
    assert before <= effective_to <= after


@pytest.mark.parametrize("deleted_at", INFINITIES)
def test_a_row_deleted_at_an_infinite_time_lives(synced, deleted_at):
    synced.change(deleted_at=deleted_at)
    synced.sync()
    assert synced.versions() == [(synced.old, CREATED, None, True)]
    synced.change(synced.new, updated_at=LATER)
    synced.sync()
    assert synced.versions() == [(synced.old, CREATED, LATER, False), (synced.new, LATER, None, True)]


@pytest.mark.parametrize("deleted_at", INFINITIES)
def test_a_deletion_that_becomes_infinite_is_none_any_more(synced, deleted_at):
    synced.change(deleted_at=LATER)
    synced.sync()
    synced.change(deleted_at=deleted_at, updated_at=EVEN_LATER)
    synced.sync()
    assert synced.versions() == [(synced.old, CREATED, LATER, False), (synced.old, EVEN_LATER, None, True)]


def test_a_deleted_row_stays_as_it_was_closed(synced):
    synced.change(deleted_at=LATER)
    synced.sync()
    synced.change(synced.new, updated_at=EVEN_LATER, deleted_at=EVEN_LATER)
    result = synced.sync()
    assert synced.versions() == [(synced.old, CREATED, LATER, False)]
    assert counts(result)[1:] == (0, 0, 0)


def test_a_row_that_is_gone_is_closed_now(synced):
    synced.remove()
    before = synced.clock()
    synced.sync()
    after = synced.clock()
    [(value, effective_from, effective_to, is_current)] = synced.versions()
    assert (value, effective_from, is_current) == (synced.old, CREATED, False)
    assert effective_to is not None
    assert before <= effective_to <= after


def test_a_deleted_row_that_is_gone_later_stays_as_it_was_closed(synced):
    synced.change(deleted_at=LATER)
    synced.sync()
    synced.remove()
    synced.sync()
    assert synced.versions() == [(synced.old, CREATED, LATER, False)]


def test_back_again_opens_a_version_when_it_came_back(synced):
    synced.change(deleted_at=LATER)
    synced.sync()
    synced.change(deleted_at=None, updated_at=EVEN_LATER)
    synced.sync()
    assert synced.versions() == [(synced.old, CREATED, LATER, False), (synced.old, EVEN_LATER, None, True)]


@pytest.mark.parametrize("updated_at", [None, EARLIER, at("2024-09-15 00:00"), FUTURE, *INFINITIES])
def test_back_again_at_a_time_that_can_not_be_true_is_back_now(synced, updated_at):
    synced.change(deleted_at=LATER)
    synced.sync()
    synced.change(synced.new, deleted_at=None, updated_at=updated_at)
    before = synced.clock()
    synced.sync()
    [first, second] = synced.versions()
    assert first == (synced.old, CREATED, LATER, False)
    assert second == (synced.new, second[1], None, True)
    assert second[1] >= before


def test_a_row_that_was_gone_is_back_from_now_as_its_old_times_lie_before_the_gap(synced):
    synced.remove()
    synced.sync()
    [(_, _, gone_at, _)] = synced.versions()
    synced.add()
    before = synced.clock()
    synced.sync()
    [first, second] = synced.versions()
    assert first == (synced.old, CREATED, gone_at, False)
    assert second == (synced.old, second[1], None, True)
    assert second[1] >= before


def test_deleted_and_back_between_two_syncs_makes_no_version(synced):
    synced.change(deleted_at=LATER)
    synced.change(deleted_at=None, updated_at=EVEN_LATER)
    synced.sync()
    assert synced.versions() == [(synced.old, CREATED, None, True)]


def test_first_seen_when_already_deleted_is_one_closed_version(member):
    member.add(deleted_at=LATER)
    result = member.sync()
    assert member.versions() == [(member.old, CREATED, LATER, False)]
    assert result.rows_inserted == 1


@pytest.mark.parametrize("deleted_at", [EARLIER, FUTURE])
def test_first_seen_when_deleted_at_a_time_that_can_not_be_true_is_closed_now(member, deleted_at):
    member.add(deleted_at=deleted_at)
    before = member.clock()
    member.sync()
    after = member.clock()
    [(_, effective_from, effective_to, is_current)] = member.versions()
    assert (effective_from, is_current) == (CREATED, False)
    assert effective_to is not None
    assert before <= effective_to <= after


@pytest.mark.parametrize("deleted_at", INFINITIES)
def test_first_seen_when_deleted_at_an_infinite_time_lives(member, deleted_at):
    member.add(deleted_at=deleted_at)
    member.sync()
    assert member.versions() == [(member.old, CREATED, None, True)]


def test_first_seen_when_created_and_deleted_in_the_future_has_no_negative_length(member):
    member.add(created_at=FUTURE, deleted_at=LATER)
    before = member.clock()
    member.sync()
    [(_, effective_from, effective_to, is_current)] = member.versions()
    assert effective_to is not None
    assert before <= effective_from <= effective_to
    assert not is_current


def test_first_seen_when_deleted_and_then_back_is_a_second_version(member):
    member.add(deleted_at=LATER)
    member.sync()
    member.change(deleted_at=None, updated_at=EVEN_LATER)
    member.sync()
    assert member.versions() == [(member.old, CREATED, LATER, False), (member.old, EVEN_LATER, None, True)]


def test_whatever_happens_versions_neither_overlap_nor_leave_gaps_while_the_row_lives(member):
    """A random walk through changes, deletions and returns at random times, looked at after each sync."""
    chance = random.Random(20250115)
    times = [None, EARLIER, CREATED, LATER, EVEN_LATER, FUTURE, *INFINITIES]
    member.add()
    member.sync()
    was_alive, was_gone = True, False
    for _ in range(12):
        if was_gone:
            member.add(updated_at=chance.choice(times))
        alive = chance.random() < 0.6
        gone = not alive and chance.random() < 0.4
        if gone:
            member.remove()
        else:
            deleted_at = None if alive else chance.choice(times[1:])
            value = chance.choice([member.old, member.new])
            member.change(value, updated_at=chance.choice(times), deleted_at=deleted_at)
            alive = alive or deleted_at in INFINITIES
        before = member.versions()
        assert member.sync().status == "SUCCESS"
        versions = member.versions()
        for (_, start, end, is_current), following in zip(versions, [*versions[1:], None], strict=True):
            assert is_current == (end is None)
            assert end is None or start <= end
            assert following is None or (end is not None and end <= following[1])
        assert sum(is_current for *_, is_current in versions) == (1 if alive else 0)
        if was_alive and alive and len(versions) > len(before):
            assert versions[-2][2] == versions[-1][1]
        was_alive, was_gone = alive, gone


# A learner's tenant


def tenant_keys(pipeline) -> list[int]:
    return pipeline.warehouse.column("select tenant_key from dim_tenant order by effective_from, tenant_key")


def learner_tenant_keys(pipeline) -> list[int]:
    return pipeline.warehouse.column("select tenant_key from dim_learner order by effective_from, learner_key")


def test_a_new_version_of_the_tenant_repoints_its_learners_and_users_in_place(pipeline, world):
    school = world.tenant()
    world.learner()
    world.user()
    for sync in (job_sync_dim_tenant, job_sync_dim_learner, job_sync_dim_user):
        sync(DAY)
    pipeline.source.update("tenants", school, name="Elm", updated_at=LATER)
    job_sync_dim_tenant(DAY, force=True)
    learners = job_sync_dim_learner(DAY, force=True)
    users = job_sync_dim_user(DAY, force=True)
    newest = tenant_keys(pipeline)[-1]
    assert learner_tenant_keys(pipeline) == [newest]
    assert pipeline.warehouse.value("select tenant_key from dim_user") == newest
    assert counts(learners) == (1, 0, 0, 0)
    assert counts(users) == (1, 0, 0, 0)


def test_a_deleted_tenant_leaves_its_learners_and_users_on_its_last_version(pipeline, world):
    school = world.tenant()
    world.learner()
    world.user()
    for sync in (job_sync_dim_tenant, job_sync_dim_learner, job_sync_dim_user):
        sync(DAY)
    pipeline.source.update("tenants", school, name="Elm", updated_at=LATER)
    job_sync_dim_tenant(DAY, force=True)
    pipeline.source.update("tenants", school, deleted_at=EVEN_LATER)
    for sync in (job_sync_dim_tenant, job_sync_dim_learner, job_sync_dim_user):
        sync(DAY, force=True)
    last = tenant_keys(pipeline)[-1]
    assert learner_tenant_keys(pipeline) == [last]
    assert pipeline.warehouse.value("select tenant_key from dim_user") == last


def test_closed_versions_of_a_learner_are_never_repointed(pipeline, world):
    school, anna = world.tenant(), world.learner()
    job_sync_dim_tenant(DAY)
    job_sync_dim_learner(DAY)
    pipeline.source.update("learners", anna, grade_level=4, updated_at=LATER)
    job_sync_dim_learner(DAY, force=True)
    closed = "select ctid::text, xmin::text, tenant_key from dim_learner where not is_current"
    before = pipeline.warehouse.row(closed)
    pipeline.source.update("tenants", school, name="Elm", updated_at=EVEN_LATER)
    job_sync_dim_tenant(DAY, force=True)
    job_sync_dim_learner(DAY, force=True)
    assert pipeline.warehouse.row(closed) == before
    assert learner_tenant_keys(pipeline) == tenant_keys(pipeline)


def test_a_learner_who_moves_keeps_the_old_tenant_in_the_old_version(pipeline, world):
    world.tenant("school")
    world.tenant("clinic")
    anna = world.learner(tenant="school")
    job_sync_dim_tenant(DAY)
    job_sync_dim_learner(DAY)
    pipeline.source.update("learners", anna, tenant_id=uid("clinic"), updated_at=LATER)
    job_sync_dim_learner(DAY, force=True)
    assert pipeline.warehouse.rows(
        "select l.tenant_id, t.tenant_name, l.effective_from, l.effective_to "
        "from dim_learner as l inner join dim_tenant as t using (tenant_key) order by l.effective_from"
    ) == [
        {"tenant_id": uid("school"), "tenant_name": "school", "effective_from": CREATED, "effective_to": LATER},
        {"tenant_id": uid("clinic"), "tenant_name": "clinic", "effective_from": LATER, "effective_to": None},
    ]


def test_a_learner_of_a_tenant_that_nobody_knows_gets_an_inferred_one(pipeline, world):
    world.learner(tenant="nowhere")
    assert job_sync_dim_learner(DAY).status == "SUCCESS"
    assert pipeline.warehouse.row(
        "select t.tenant_id, t.is_inferred, t.is_current, l.is_inferred as learner_is_inferred "
        "from dim_learner as l inner join dim_tenant as t using (tenant_key)"
    ) == {"tenant_id": uid("nowhere"), "is_inferred": True, "is_current": True, "learner_is_inferred": False}


# What a job says it did


def test_the_counts_say_what_happened_to_each_id(pipeline, world):
    for name in ("stays", "changes", "is deleted", "goes", "comes back"):
        world.tenant(name)
    first = job_sync_dim_tenant(DAY)
    assert counts(first) == (5, 5, 0, 0)
    source = pipeline.source
    source.update("tenants", uid("comes back"), deleted_at=LATER)
    assert counts(job_sync_dim_tenant(DAY, force=True)) == (5, 0, 0, 1)

    source.update("tenants", uid("changes"), name="changed", updated_at=LATER)
    source.update("tenants", uid("is deleted"), deleted_at=LATER)
    source.delete("tenants", uid("goes"))
    source.update("tenants", uid("comes back"), deleted_at=None, updated_at=EVEN_LATER)
    world.tenant("is new")
    world.tenant("is new and deleted", deleted_at=LATER)
    second = job_sync_dim_tenant(DAY, force=True)
    assert (second.job_name, second.status, second.error_message) == ("sync_dim_tenant", "SUCCESS", None)
    assert counts(second) == (6, 2, 2, 2)
    assert second.rows_rejected == 0
    assert second.duration_ms >= 0


def test_the_run_row_says_the_same_as_the_result(pipeline, world):
    world.tenant()
    job_sync_dim_tenant(DAY)
    assert pipeline.warehouse.row(
        "select job_name, target_date, status, rows_processed, rows_inserted, rows_updated, rows_deleted, "
        "rows_rejected, error_message from etl_job_runs"
    ) == {
        "job_name": "sync_dim_tenant",
        "target_date": DAY,
        "status": "SUCCESS",
        "rows_processed": 1,
        "rows_inserted": 1,
        "rows_updated": 0,
        "rows_deleted": 0,
        "rows_rejected": 0,
        "error_message": None,
    }


# The guard


def many(member: Member, number: int, **columns: Any) -> None:
    """Members m1, m2, …"""
    template = {"updated_at": CREATED, "created_at": CREATED} | columns
    rows = [{"id": uid(f"m{n}"), member.kind.attribute: member.old, **template} for n in range(1, number + 1)]
    if member.kind is LEARNERS:
        rows = [row | {"tenant_id": uid("school")} for row in rows]
    member.pipeline.source.insert_many(member.kind.table, rows)


def remove(member: Member, number: int) -> None:
    ids = [uid(f"m{n}") for n in range(1, number + 1)]
    member.pipeline.source.execute(f"delete from {member.kind.table} where id = any(%(ids)s::uuid[])", ids=ids)


def current(member: Member) -> int:
    found: int = member.pipeline.warehouse.value(
        f"select count(*) from {member.kind.dimension} where is_current and not is_inferred"
    )
    return found


@pytest.mark.parametrize(
    ("members", "leaving", "may"),
    [(100, 20, True), (100, 21, False), (105, 21, True), (20, 20, True), (21, 21, False)],
)
def test_more_than_a_fifth_and_more_than_twenty_may_not_leave_at_once(member, members, leaving, may):
    many(member, members)
    member.sync()
    remove(member, leaving)
    result = member.sync()
    assert result.status == ("SUCCESS" if may else "FAILED")
    assert current(member) == members - (leaving if may else 0)


def test_the_guard_counts_deletions_as_well(member):
    many(member, 40)
    member.sync()
    member.pipeline.source.execute(f"update {member.kind.table} set deleted_at = '2024-10-01'")
    result = member.sync()
    assert result.status == "FAILED"
    assert "allow-mass-close" in (result.error_message or "")


def test_a_sync_that_the_guard_stops_changes_nothing_but_its_run_row(member):
    many(member, 30)
    member.sync()
    before = written(member.pipeline, member.kind.dimension)
    member.pipeline.source.execute(f"delete from {member.kind.table}")
    member.add("newcomer")
    result = member.sync()
    assert written(member.pipeline, member.kind.dimension) == before
    assert counts(result)[1:] == (0, 0, 0)
    assert member.pipeline.warehouse.column(
        "select status from etl_job_runs where job_name = %(job)s order by started_at", job=result.job_name
    ) == ["SUCCESS", "FAILED"]


def test_a_mass_close_happens_when_it_is_allowed(member, etl_option):
    many(member, 30)
    member.sync()
    etl_option("allow_mass_close", "true")
    remove(member, 30)
    assert member.sync().rows_deleted == 30
    assert current(member) == 0


def test_changes_are_no_mass_close(member):
    many(member, 30)
    member.sync()
    column = member.kind.attribute
    member.pipeline.source.execute(f"update {member.kind.table} set {column} = %(new)s", new=member.new)
    assert member.sync().rows_updated == 30


def test_a_school_that_turns_its_learners_inactive_is_no_mass_close(member):
    many(member, 30)
    member.sync()
    member.pipeline.source.execute(f"update {member.kind.table} set is_active = false")
    assert member.sync().status == "SUCCESS"
    assert current(member) == 30


def test_inferred_members_do_not_water_down_the_guard(member):
    """With 200 inferred members counted, 30 leaving would be less than a fifth."""
    many(member, 30)
    member.sync()
    infer(member, 200)
    remove(member, 30)
    assert member.sync().status == "FAILED"


def infer(member: Member, number: int) -> None:
    """Inferred members, as a fact build makes them."""
    warehouse, dimension = member.pipeline.warehouse, member.kind.dimension
    example = warehouse.rows(f"select * from {dimension} limit 1")[0]
    del example[member.kind.key_column]
    epoch = at("1970-01-01 00:00")
    example |= {"is_inferred": True, "created_at": epoch, "effective_from": epoch}
    warehouse.insert_many(dimension, [example | {member.kind.id_column: uuid4()} for _ in range(number)])


def test_an_inferred_member_is_never_closed_as_gone(synced):
    infer(synced, 1)
    synced.sync()
    table = synced.kind.dimension
    assert synced.pipeline.warehouse.column(f"select is_current from {table} where is_inferred") == [True]


def test_a_version_that_began_today_can_end_today(synced):
    moment = synced.clock() - timedelta(seconds=1)
    synced.change(synced.new, updated_at=moment)
    synced.sync()
    assert synced.versions() == [(synced.old, CREATED, moment, False), (synced.new, moment, None, True)]


def test_versions_that_ended_since_the_last_statistics_are_not_compared_with_every_row(
    pipeline: Any, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 45,000 of a million, fewer than autovacuum waits for, the sync took minutes, before PostgreSQL 18."""
    world.tenant()
    pipeline.source.execute(
        "insert into learners (id, tenant_id, created_at) select md5(n::text)::uuid, %(tenant)s, %(created)s"
        " from generate_series(1, 2000) as n",
        tenant=uid("school"),
        created=CREATED,
    )
    job_sync_dim_tenant(DAY)
    job_sync_dim_learner(DAY)
    pipeline.warehouse.execute("analyze dim_learner")
    pipeline.warehouse.execute(
        "insert into dim_learner (learner_id, tenant_id, tenant_key, grade_band, is_active, created_at, effective_from,"
        " effective_to, is_current) select learner_id, tenant_id, tenant_key, 'K5', true, created_at, '2020-01-01',"
        " '2020-01-02', false from dim_learner"
    )
    pairs = []
    run = Connection.file

    def counted(connection: Connection, name: str, **variables: Any) -> Any:
        if name != "load/scd2_changes.sql":
            return run(connection, name, **variables)
        first, _, others = sqlfiles.read(name).partition(";\n")
        plan = connection.execute(f"explain (analyze, format json) {first}", **variables).fetchone()
        pairs.extend(re.findall(r"'Rows Removed by Join Filter': (\d+)", str(plan)))
        return connection.execute(others, **variables)

    monkeypatch.setattr(Connection, "file", counted)
    assert job_sync_dim_learner(DAY, force=True).rows_processed == 2000
    assert sum(map(int, pairs)) < 100_000
