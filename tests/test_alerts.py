"""Alerts: each fires when it should, says so to people and machines, and clears."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from support.clock import Clock, take_over
from support.command import aivo_etl
from support.database import Database
from support.pipeline import Pipeline
from support.runs import DIMENSIONS, FACTS, JOBS
from support.world import uid

from aivo_luigi.db import connect_warehouse, forget_connections
from aivo_luigi.monitoring.alerts import NAMES, Alert, find_alerts

TODAY = date(2025, 3, 12)
YESTERDAY = TODAY - timedelta(days=1)
NOON = datetime(2025, 3, 12, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


@pytest.fixture
def clock(pipeline: Pipeline) -> Clock:
    """It is noon; nothing has run."""
    clock = take_over(pipeline.warehouse)
    clock.set(NOON)
    forget_connections()
    return clock


@pytest.fixture
def calm(pipeline: Pipeline, clock: Clock) -> Pipeline:
    """Ten days are built, and the dimensions were synced an hour ago: nothing fires."""
    for number in range(1, 11):
        day = TODAY - timedelta(days=number)
        for job in FACTS:
            run(pipeline.warehouse, job, day, started_at=midnight(day) + timedelta(days=1, hours=2))
    for job in DIMENSIONS:
        run(pipeline.warehouse, job, YESTERDAY, started_at=NOON - timedelta(hours=1))
    assert firing() == []
    return pipeline


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=timezone.utc)


def run(warehouse: Database, job: str, day: date, **columns: Any) -> None:
    """A row of etl_job_runs, of a run that succeeded unless another status is given."""
    started = columns.setdefault("started_at", NOON)
    row = {"status": "SUCCESS", "rows_processed": 1000, "completed_at": started, "run_date": started.date()}
    warehouse.insert("etl_job_runs", job_name=job, target_date=day, **(row | columns))


def firing(*names: str) -> list[Alert]:
    """What fires now, of these alerts or of all."""
    with connect_warehouse("test") as warehouse:
        return [alert for alert in find_alerts(warehouse, JOBS) if alert.name in (names or NAMES)]


def told(*names: str) -> list[tuple[str, str, date | None]]:
    return [(alert.name, alert.job_name, alert.day) for alert in firing(*names)]


def test_an_empty_warehouse_raises_no_alarm(clock: Clock) -> None:
    assert firing() == []


def test_a_fact_is_overdue_from_its_hour_on_until_it_is_complete(calm: Pipeline, clock: Clock) -> None:
    clock.set(NOON + timedelta(hours=15, minutes=59))
    assert told("overdue") == []
    clock.set(NOON + timedelta(hours=16))  # four in the morning
    assert told("overdue") == [
        ("overdue", job, TODAY) for job in sorted(FACTS) if job != "build_fact_learning_progress"
    ]
    clock.set(NOON + timedelta(hours=17))
    assert told("overdue") == [("overdue", job, TODAY) for job in sorted(FACTS)]
    for job in FACTS:
        run(calm.warehouse, job, TODAY, started_at=NOON + timedelta(hours=17))
    assert told("overdue") == []


def test_a_provisional_build_is_overdue_all_the_same(calm: Pipeline, clock: Clock) -> None:
    clock.set(NOON + timedelta(hours=17))
    for job in FACTS:
        run(calm.warehouse, job, TODAY, started_at=NOON)
    assert len(told("overdue")) == 5


def test_a_gap_is_overdue_but_no_day_before_the_first_that_was_built(calm: Pipeline) -> None:
    gap = TODAY - timedelta(days=3)
    calm.warehouse.execute("delete from etl_job_runs where target_date = %(day)s", day=gap)
    assert told() == [("overdue", job, gap) for job in sorted(FACTS)]
    calm.warehouse.execute("delete from etl_job_runs where target_date < %(day)s and job_name like 'build%%'", day=gap)
    assert told() == []


def test_a_fact_that_never_ran_is_overdue_where_others_did(calm: Pipeline) -> None:
    calm.warehouse.execute("delete from etl_job_runs where job_name = 'build_fact_sessions'")
    assert {(name, job) for name, job, _ in told()} == {("overdue", "build_fact_sessions")}


@pytest.mark.parametrize("job", ["sync_dim_user", "build_fact_sessions"])
def test_a_failed_run_is_told_until_another_succeeds(calm: Pipeline, job: str) -> None:
    run(calm.warehouse, job, YESTERDAY, status="FAILED", error_message="no luck", started_at=NOON)
    assert [alert.sentence() for alert in firing()] == [f"{job} for {YESTERDAY}: the last run failed: no luck"]
    run(calm.warehouse, job, YESTERDAY, started_at=NOON + timedelta(minutes=1))
    assert firing() == []


def test_too_many_rejected_rows_are_told_until_the_day_is_better(calm: Pipeline) -> None:
    again = {"started_at": NOON, "rows_processed": 1000}
    run(calm.warehouse, "build_fact_sessions", YESTERDAY, rows_rejected=50, **again)
    assert firing() == []
    run(calm.warehouse, "build_fact_sessions", YESTERDAY, rows_rejected=51, **again | {"started_at": NOON + HOUR})
    assert told() == [("rejected", "build_fact_sessions", YESTERDAY)]
    run(calm.warehouse, "build_fact_sessions", YESTERDAY, rows_rejected=0, **again | {"started_at": NOON + 2 * HOUR})
    assert firing() == []


def test_a_dimension_is_judged_by_its_last_sync(calm: Pipeline) -> None:
    late = NOON - timedelta(minutes=1)
    run(calm.warehouse, "sync_dim_user", YESTERDAY, rows_rejected=900, started_at=NOON - timedelta(days=1))
    assert firing() == []
    run(calm.warehouse, "sync_dim_user", YESTERDAY, rows_rejected=900, started_at=late)
    assert told() == [("rejected", "sync_dim_user", TODAY)]


def test_a_dimension_is_stale_after_its_hours(calm: Pipeline, clock: Clock) -> None:
    clock.set(NOON + 2 * HOUR)
    assert told("stale") == []
    clock.set(NOON + 2 * HOUR + timedelta(seconds=1))
    hourly = ["sync_dim_learner", "sync_dim_tenant", "sync_dim_user"]
    assert told("stale") == [("stale", job, None) for job in hourly]
    for job in hourly:
        run(calm.warehouse, job, YESTERDAY, started_at=NOON + 2 * HOUR)
    assert told("stale") == []
    calm.warehouse.execute("delete from etl_job_runs where job_name = 'sync_dim_skill'")
    assert told("stale") == [("stale", "sync_dim_skill", None)]


@pytest.mark.parametrize("job", ["sync_dim_tenant", "build_fact_sessions", "build_fact_homework_events"])
def test_a_run_is_lost_only_when_nobody_holds_its_lock(calm: Pipeline, job: str) -> None:
    run(calm.warehouse, job, YESTERDAY, status="RUNNING", completed_at=None)
    assert told("lost") == [("lost", job, YESTERDAY)]
    other = Database(calm.warehouse.url)
    key = 0 if job.startswith("sync_") else f"{YESTERDAY:%Y%m%d}"
    other.execute(f"select pg_advisory_lock(hashtext('aivo_luigi {job}'), {key})")
    assert told("lost") == []
    other.close()
    calm.warehouse.execute("update etl_job_runs set status = 'SUCCESS' where status = 'RUNNING'")
    assert told("lost") == []


def test_the_limits_are_those_of_the_configuration(calm: Pipeline, alerts_option: Callable[[str, str], None]) -> None:
    alerts_option("hours_of_job", '{"sync_dim_user": 0}')
    assert told() == [("stale", "sync_dim_user", None)]


def test_the_command_and_the_task_say_what_fires_and_fail(calm: Pipeline) -> None:
    assert aivo_etl("check", **calm.environment).stdout == "No alert fires.\n"
    assert calm.luigi("Check").returncode == 0
    reason = f"learner {uid('a learner')} is wrong"
    run(calm.warehouse, "sync_dim_user", YESTERDAY, status="FAILED", error_message=reason)
    shown = aivo_etl("check", **calm.environment)
    assert (shown.returncode, shown.stderr) == (1, "")
    assert f"sync_dim_user for {YESTERDAY}: the last run failed: {reason}" in shown.stdout
    (alert,) = json.loads(aivo_etl("check", "--json", **calm.environment).stdout)
    assert (alert["name"], alert["job_name"], alert["day"]) == ("failed", "sync_dim_user", str(YESTERDAY))
    task = calm.luigi("Check")
    assert task.returncode == 30
    assert (
        "1 alert fires (failed: sync_dim_user for 2025-03-11: the last run failed: learner … is wrong)" in task.stderr
    )
    assert str(uid("a learner")) not in task.stderr
