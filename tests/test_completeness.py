"""Completeness: what counts as done, for whom, and what it costs to find out."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone

import pytest
from support.pipeline import Pipeline
from support.runs import DIMENSIONS, FACTS, JOBS, content, days, runs, succeed
from support.world import World

import aivo_luigi
from aivo_luigi import BuildFacts, BuildFactSessions, RunAll, SyncDimensions, SyncDimTenant
from aivo_luigi.db.connection import Connection
from aivo_luigi.jobs.completeness import forget_answers

DAY = date(2025, 1, 15)
AFTER = "2025-01-16 00:00Z"


@pytest.fixture(autouse=True)
def _fresh_answers() -> None:
    forget_answers()


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that the pipeline sends from now on."""
    sent: list[str] = []
    execute = Connection.execute

    def watched(self: Connection, statement: str, **variables: object) -> object:
        sent.append(statement)
        return execute(self, statement, **variables)

    monkeypatch.setattr(Connection, "execute", watched)
    return sent


@pytest.mark.parametrize(
    ("started_at", "complete"),
    [("2025-01-15 23:59:59.999999Z", False), ("2025-01-16 00:00:00Z", True), ("2025-03-01 12:00Z", True)],
)
def test_a_fact_is_complete_once_a_run_began_after_the_days_end(
    pipeline: Pipeline, started_at: str, complete: bool
) -> None:
    succeed(pipeline.warehouse, ["build_fact_sessions"], [DAY], started_at)
    assert BuildFactSessions(date=DAY).complete() is complete


def test_a_fact_of_another_day_or_job_does_not_count(pipeline: Pipeline) -> None:
    succeed(pipeline.warehouse, ["build_fact_sessions"], [DAY + timedelta(days=1)], "2025-03-01Z")
    succeed(pipeline.warehouse, ["build_fact_focus_events"], [DAY], "2025-03-01Z")
    assert not BuildFactSessions(date=DAY).complete()


@pytest.mark.parametrize("status", ["FAILED", "RUNNING", "SKIPPED"])
def test_only_success_counts(pipeline: Pipeline, status: str) -> None:
    succeed(pipeline.warehouse, JOBS, [DAY], AFTER)
    pipeline.warehouse.execute("update etl_job_runs set status = %(status)s", status=status)
    assert not BuildFactSessions(date=DAY).complete()
    assert not SyncDimTenant(date=DAY).complete()


@pytest.mark.parametrize("target", [date(2024, 1, 1), DAY, date(2025, 6, 1)])
def test_one_sync_of_a_dimension_serves_every_earlier_day(pipeline: Pipeline, target: date) -> None:
    succeed(pipeline.warehouse, ["sync_dim_tenant"], [target], AFTER)
    assert SyncDimTenant(date=DAY).complete()
    assert SyncDimTenant(date=date(2020, 2, 29)).complete()
    assert not SyncDimTenant(date=DAY + timedelta(days=1)).complete()


def test_while_the_day_runs_any_run_for_it_counts_until_it_is_over(pipeline: Pipeline, world: World) -> None:
    today = pipeline.warehouse.value("select (now() at time zone 'UTC')::date")
    world.tenant()
    world.learner()
    now = datetime.now(timezone.utc)
    started = max(now - timedelta(minutes=5), now.replace(hour=0, minute=0, second=0, microsecond=0))
    world.session(started_at=started)
    assert pipeline.run(RunAll(date=today)).scheduling_succeeded
    assert RunAll(date=today).complete()
    assert len(runs(pipeline.warehouse)) == 10
    assert pipeline.run(RunAll(date=today)).scheduling_succeeded
    assert len(runs(pipeline.warehouse)) == 10

    # As if the day had passed: what was built during it is provisional, and is built again.
    yesterday = today - timedelta(days=1)
    pipeline.warehouse.execute(
        "update etl_job_runs set target_date = target_date - 1, started_at = started_at - interval '1 day'"
    )
    pipeline.source.execute("update sessions set started_at = started_at - interval '1 day'")
    forget_answers()
    assert not RunAll(date=yesterday).complete()
    assert pipeline.run(RunAll(date=yesterday)).scheduling_succeeded
    assert len(runs(pipeline.warehouse)) == 20
    assert RunAll(date=yesterday).complete()


def test_a_dimension_synced_yesterday_does_not_serve_today(pipeline: Pipeline) -> None:
    today = pipeline.warehouse.value("select (now() at time zone 'UTC')::date")
    succeed(pipeline.warehouse, ["sync_dim_tenant"], [today], f"{today - timedelta(days=1)} 23:59Z")
    assert not SyncDimTenant(date=today).complete()
    assert SyncDimTenant(date=today - timedelta(days=2)).complete()


@pytest.mark.parametrize("task", [RunAll, SyncDimensions, BuildFacts])
def test_a_wrapper_is_complete_when_all_that_it_wraps_is(pipeline: Pipeline, task: type) -> None:
    wrapped = {RunAll: JOBS, SyncDimensions: DIMENSIONS, BuildFacts: FACTS}[task]
    succeed(pipeline.warehouse, wrapped[1:], [DAY], AFTER)
    assert not task(date=DAY).complete()
    succeed(pipeline.warehouse, wrapped[:1], [DAY], AFTER)
    assert task(date=DAY).complete()


@pytest.mark.parametrize("name", [n for n in aivo_luigi.__all__ if n.startswith(("Sync", "Build", "RunAll"))])
def test_every_task_answers_for_many_days_in_one_query(pipeline: Pipeline, statements: list[str], name: str) -> None:
    task = getattr(aivo_luigi, name)
    year = days(date(2024, 1, 1), 366)
    succeed(pipeline.warehouse, JOBS, year[:-1], "2024-12-31Z")
    expected = set(year) if name.startswith("Sync") else set(year[:-1])
    assert set(task.bulk_complete(iter(year))) == expected
    statements.clear()
    assert set(task.bulk_complete.__func__(functools.partial(task), iter(year))) == expected
    assert len(statements) <= 2  # the session's settings, and the one question
    assert task.bulk_complete([]) == []


def test_a_complete_day_is_left_alone(pipeline: Pipeline, world: World) -> None:
    world.tenant()
    world.learner()
    world.session(started_at=datetime(2025, 1, 15, 9, tzinfo=timezone.utc))
    assert pipeline.run(RunAll(date=DAY)).scheduling_succeeded
    before, rows = content(pipeline.warehouse), runs(pipeline.warehouse)
    written = "select sum(n_tup_ins + n_tup_upd + n_tup_del) from pg_stat_user_tables"
    pipeline.warehouse.execute("select pg_stat_force_next_flush()")
    touched = pipeline.warehouse.value(written)
    finished = pipeline.luigi("RunAll", "--date", DAY)
    assert finished.returncode == 0
    assert runs(pipeline.warehouse) == rows
    assert content(pipeline.warehouse) == before
    assert pipeline.warehouse.value(written) == touched
    assert [row["job_name"] for row in rows if row["job_name"] not in JOBS] == []


def test_a_run_row_tells_what_was_done(pipeline: Pipeline, world: World) -> None:
    world.tenant()
    world.learner()
    world.session(started_at=datetime(2025, 1, 15, 9, tzinfo=timezone.utc))
    assert aivo_luigi.job_build_fact_sessions(DAY).status == "SUCCESS"
    row = pipeline.warehouse.row("select * from etl_job_runs where job_name = 'build_fact_sessions'")
    assert (row["rows_processed"], row["rows_inserted"], row["rows_deleted"], row["rows_rejected"]) == (1, 1, 0, 0)
    assert row["target_date"] == DAY
    assert row["run_date"] == row["started_at"].date()
    assert row["completed_at"] >= row["started_at"]
    assert row["duration_ms"] >= 0
    assert row["error_message"] is None
    assert aivo_luigi.job_build_fact_sessions(DAY).status == "SKIPPED"


def test_answers_are_remembered_only_for_days_that_are_over(
    pipeline: Pipeline, statements: list[str], _today: date
) -> None:
    succeed(pipeline.warehouse, JOBS, [DAY, _today], f"{_today} 00:00Z")
    assert RunAll(date=DAY).complete()
    assert RunAll(date=_today).complete()
    statements.clear()
    assert RunAll(date=DAY).complete()
    assert statements == []
    assert RunAll(date=_today).complete()
    assert statements != []


@pytest.fixture
def _today(pipeline: Pipeline) -> Iterator[date]:
    yield pipeline.warehouse.value("select (now() at time zone 'UTC')::date")
