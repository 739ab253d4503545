"""Builds and syncs that meet at the worst moment: none fails, and nothing is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import date, datetime, timezone
from typing import Any

import psycopg2
import pytest
from support.database import Database
from support.pipeline import Pipeline
from support.runs import runs
from support.world import World

import aivo_luigi
from aivo_luigi import job_build_fact_focus_events, job_build_fact_sessions, job_sync_dim_learner, job_sync_dim_tenant
from aivo_luigi.jobs import record

DAY = date(2025, 1, 15)
LATE = datetime(2025, 1, 15, 23, 50, tzinfo=timezone.utc)


def slow(pipeline: Pipeline, table: str, when: str) -> None:
    """A trigger that makes each statement on the table take a second."""
    pipeline.warehouse.execute(
        "create or replace function dawdle() returns trigger language plpgsql as"
        " $$ begin perform pg_sleep(1); return null; end $$;"
        f" create trigger dawdle after {when} on {table} for each statement execute function dawdle()"
    )


def during(first: Callable[[], object], second: Callable[[], object]) -> tuple[object, object]:
    """Starts the second call while the first one is under way."""
    results: dict[str, object] = {}
    threads = [
        threading.Thread(target=lambda name=name, call=call: results.update({name: call()}))
        for name, call in (("first", first), ("second", second))
    ]
    threads[0].start()
    time.sleep(0.5)
    threads[1].start()
    for thread in threads:
        thread.join(timeout=60)
    return results["first"], results["second"]


def delete_before_commit(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, job: str, members: str) -> list[str]:
    """Somebody deletes members by hand at the last moment before a load commits; the errors that this gets them."""
    refused: list[str] = []
    succeed = record.succeed

    def delete_first(warehouse: Any, run_id: str, job_name: str, **rows: int) -> Any:
        if job_name == job:
            other = Database(pipeline.warehouse.url)
            other.execute("set lock_timeout = '200ms'")
            try:
                other.execute(f"delete from {members}")
            except psycopg2.Error as error:
                refused.append(type(error).__name__)
            other.close()
        return succeed(warehouse, run_id, job_name, **rows)

    monkeypatch.setattr(record, "succeed", delete_first)
    return refused


@pytest.mark.parametrize(
    ("job", "dimension"),
    [
        ("sync_dim_learner", "dim_tenant"),
        ("sync_dim_user", "dim_tenant"),
        ("sync_dim_skill", "dim_subject"),
        ("build_fact_sessions", "dim_tenant"),
        ("build_fact_focus_events", "dim_learner"),
        ("build_fact_homework_events", "dim_learner"),
        ("build_fact_learning_progress", "dim_subject"),
        ("build_fact_recommendation_events", "dim_skill"),
    ],
)
def test_a_member_can_not_go_while_rows_are_written_that_refer_to_it(
    pipeline: Pipeline, world: World, monkeypatch: pytest.MonkeyPatch, job: str, dimension: str
) -> None:
    world.row_of_everything()
    refused = delete_before_commit(pipeline, monkeypatch, job, dimension)
    assert getattr(aivo_luigi, f"job_{job}")(DAY).status == "SUCCESS"
    assert refused == ["LockNotAvailable"]


@pytest.mark.parametrize("job", ["sync_dim_learner", "sync_dim_user"])
def test_a_new_version_of_a_tenant_can_not_go_while_members_are_pointed_at_it(
    pipeline: Pipeline, world: World, monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    world.row_of_everything()
    run = getattr(aivo_luigi, f"job_{job}")
    assert run(DAY).status == "SUCCESS"
    pipeline.source.execute("update tenants set name = 'new'")
    assert job_sync_dim_tenant(DAY, force=True).status == "SUCCESS"
    refused = delete_before_commit(pipeline, monkeypatch, job, "dim_tenant where is_current")
    assert run(DAY, force=True).status == "SUCCESS"
    assert refused == ["LockNotAvailable"]


@pytest.fixture
def across_midnight(pipeline: Pipeline, world: World) -> Pipeline:
    """A session late on a day with a focus event after midnight, dimensions synced."""
    world.tenant()
    world.learner()
    world.session("late", started_at=LATE)
    world.event("FOCUS_LOSS_DETECTED", session="late", event_time=datetime(2025, 1, 16, 0, 5, tzinfo=timezone.utc))
    assert job_sync_dim_learner("2025-01-16").status == "SUCCESS"
    return pipeline


def test_a_link_is_not_lost_when_both_its_days_are_built_at_once(across_midnight: Pipeline) -> None:
    assert job_build_fact_sessions("2025-01-16").status == "SUCCESS"
    slow(across_midnight, "fact_focus_events", "insert")
    both = during(lambda: job_build_fact_focus_events("2025-01-16"), lambda: job_build_fact_sessions("2025-01-15"))
    assert [result.status for result in both] == ["SUCCESS", "SUCCESS"]  # type: ignore[attr-defined]
    link = across_midnight.warehouse.row("select session_date_key, session_key from fact_focus_events")
    assert link["session_date_key"] == 20250115
    assert link["session_key"] == across_midnight.warehouse.value("select session_key from fact_sessions")


def test_a_new_months_partition_and_inferred_members_do_not_deadlock(pipeline: Pipeline, world: World) -> None:
    world.session("one", tenant="nobody's", learner="unknown", started_at=LATE)
    world.session("two", tenant="nobody's", learner="unknown", started_at=LATE.replace(month=2))
    slow(pipeline, "dim_tenant", "insert")
    both = during(lambda: job_build_fact_sessions(DAY), lambda: job_build_fact_sessions("2025-02-15"))
    assert [result.status for result in both] == ["SUCCESS", "SUCCESS"], runs(pipeline.warehouse, "FAILED")  # type: ignore[attr-defined]
    assert pipeline.warehouse.value("select count(*) from dim_learner") == 1


def test_a_learner_sync_stands_when_a_tenant_changes_meanwhile(pipeline: Pipeline, world: World) -> None:
    tenant = world.tenant()
    world.learner()
    assert job_sync_dim_learner(DAY).status == "SUCCESS"
    pipeline.source.update("tenants", tenant, name="renamed")
    slow(pipeline, "dim_learner", "update")
    both = during(lambda: job_sync_dim_learner(DAY, force=True), lambda: job_sync_dim_tenant(DAY, force=True))
    assert [result.status for result in both] == ["SUCCESS", "SUCCESS"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("side", ["source", "warehouse"])
def test_text_arrives_as_it_was_whatever_the_databases_client_encoding(
    pipeline: Pipeline, world: World, side: str
) -> None:
    database: Database = getattr(pipeline, side)
    name = database.value("select current_database()")
    database.execute(f'alter database "{name}" set client_encoding = latin1')
    world.tenant(name="École Ã© 学校")
    assert job_sync_dim_tenant(DAY).status == "SUCCESS"
    connection = psycopg2.connect(pipeline.warehouse.url, client_encoding="UTF8")
    with connection.cursor() as cursor:
        cursor.execute("select tenant_name from dim_tenant")
        assert cursor.fetchone() == ("École Ã© 学校",)
    connection.close()


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_the_warehouses_default_isolation_makes_no_difference(pipeline: Pipeline, world: World, level: str) -> None:
    name = pipeline.warehouse.value("select current_database()")
    pipeline.warehouse.execute(f"alter database \"{name}\" set default_transaction_isolation = '{level}'")
    world.session("one", tenant="school", learner="anna", started_at=LATE)
    slow(pipeline, "dim_learner", "insert")

    def arrive() -> object:
        world.tenant()
        world.learner()
        return job_sync_dim_learner(DAY, force=True)

    both = during(lambda: job_build_fact_sessions(DAY), arrive)
    assert [result.status for result in both] == ["SUCCESS", "SUCCESS"], runs(pipeline.warehouse, "FAILED")  # type: ignore[attr-defined]


@pytest.mark.parametrize("started_at", ["294000-01-01", "0044-03-15 BC", "infinity"])
def test_a_session_out_of_all_time_does_not_stop_the_day(pipeline: Pipeline, world: World, started_at: str) -> None:
    world.tenant()
    world.learner()
    world.session("odd", started_at=LATE)
    pipeline.source.execute("update sessions set started_at = %(at)s", at=started_at)
    world.event("FOCUS_LOSS_DETECTED", session="odd", event_time=LATE)
    assert job_build_fact_focus_events(DAY).status == "SUCCESS"
    assert pipeline.warehouse.value("select session_date_key from fact_focus_events") is None


def test_a_focus_event_without_a_session_is_recorded_whole(
    pipeline: Pipeline, world: World, etl_option: Callable[[str, str], None]
) -> None:
    etl_option("max_reject_share", "1")
    world.tenant()
    world.learner()
    world.event("FOCUS_LOSS_DETECTED", session="none", event_time=LATE)
    pipeline.source.execute("alter table session_events alter session_id drop not null")
    pipeline.source.execute("update session_events set session_id = null")
    result = job_build_fact_focus_events(DAY)
    assert (result.status, result.rows_inserted, result.rows_rejected) == ("SUCCESS", 0, 1)
    assert pipeline.warehouse.value("select reason from etl_rejected_rows") == "no session_id"


def test_a_row_created_nobody_knows_when_is_created_now(pipeline: Pipeline, world: World) -> None:
    for table in ("tenants", "learners", "users"):
        pipeline.source.execute(f"alter table {table} alter created_at drop not null")
    world.tenant(created_at=None)
    world.learner(created_at=None)
    world.user(created_at="infinity")
    assert pipeline.luigi("SyncDimensions", "--date", DAY).returncode == 0
    for table in ("dim_tenant", "dim_learner", "dim_user"):
        assert abs(pipeline.warehouse.value(f"select created_at from {table}") - datetime.now(timezone.utc)).days == 0
