"""When a job is complete, and what a complete job costs: closed days, open days, and whose clock says so.

The databases' clocks are moved by a function now() that stands before PostgreSQL's own in their search path, so that a
day can pass while a test looks on. The worker's clock, Python's, stays where it is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

import luigi
import pytest
from support.database import Database
from support.world import DAY, DAY_BEFORE, NEXT_DAY, at, uid

import aivo_luigi
from aivo_luigi.db.connection import Connection
from aivo_luigi.jobs.completeness import forget_answers

DIMENSIONS = {
    "sync_dim_tenant": aivo_luigi.SyncDimTenant,
    "sync_dim_learner": aivo_luigi.SyncDimLearner,
    "sync_dim_user": aivo_luigi.SyncDimUser,
    "sync_dim_subject": aivo_luigi.SyncDimSubject,
    "sync_dim_skill": aivo_luigi.SyncDimSkill,
}
FACTS = {
    "build_fact_sessions": aivo_luigi.BuildFactSessions,
    "build_fact_focus_events": aivo_luigi.BuildFactFocusEvents,
    "build_fact_homework_events": aivo_luigi.BuildFactHomeworkEvents,
    "build_fact_learning_progress": aivo_luigi.BuildFactLearningProgress,
    "build_fact_recommendation_events": aivo_luigi.BuildFactRecommendationEvents,
}
JOBS = DIMENSIONS | FACTS
WRAPPERS = {
    aivo_luigi.SyncDimensions: tuple(DIMENSIONS),
    aivo_luigi.BuildFacts: tuple(FACTS),
    aivo_luigi.RunAll: tuple(JOBS),
}
# Each task, and the jobs whose rows make it complete.
TASKS = {task: (name,) for name, task in JOBS.items()} | WRAPPERS

MIDNIGHT = at("2025-01-16 00:00")
INSTANT = timedelta(microseconds=1)


class Clock:
    """The clocks of the source and the warehouse. They go on from where they are set."""

    def __init__(self, *databases: Database) -> None:
        self._databases = databases
        for database in databases:
            name = database.value("select current_database()")
            database.execute("create schema moved")
            database.execute(f'alter database "{name}" set search_path = public, moved, pg_catalog')
            database.close()

    def set(self, moment: datetime, forget: bool = True) -> None:
        """From now on it is this moment; this process forgets what it was told before, if nothing else is said."""
        if forget:
            forget_answers()
        for database in self._databases:
            for function, volatility in (("now", "stable"), ("clock_timestamp", "volatile")):
                database.execute(
                    f"create or replace function moved.{function}() returns timestamptz language sql {volatility} as "
                    f"'select pg_catalog.{function}() + interval ''{_seconds_ahead(moment)} seconds'''"
                )


def _seconds_ahead(moment: datetime) -> float:
    return (moment - datetime.now(moment.tzinfo)).total_seconds()


@pytest.fixture
def clock(pipeline: Any) -> Clock:
    return Clock(pipeline.source, pipeline.warehouse)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that this process sends, as they are sent."""
    sent: list[str] = []
    execute = Connection.execute

    def count(self: Connection, statement: str, **variables: Any) -> Any:
        sent.append(statement)
        return execute(self, statement, **variables)

    monkeypatch.setattr(Connection, "execute", count)
    return sent


@pytest.fixture
def lesson(world: Any) -> Any:
    """A row of everything on DAY."""
    world.row_of_everything()
    return world


def write(
    pipeline: Any, *jobs: str, day: date, started_at: datetime, status: str = "SUCCESS", force: str | None = None
) -> None:
    """Rows of etl_job_runs, as a run that started then would have left them."""
    pipeline.warehouse.insert_many(
        "etl_job_runs",
        [
            {
                "job_name": job,
                "run_date": started_at.date(),
                "target_date": day,
                "status": status,
                "started_at": started_at,
                "completed_at": None if status == "RUNNING" else started_at + timedelta(seconds=1),
                "force_token": force,
            }
            for job in jobs
        ],
    )


def is_complete(task: Any, day: date = DAY, **parameters: Any) -> bool:
    """What a new process finds; complete() and bulk_complete agree about it."""
    forget_answers()
    one = task(date=day, **parameters).complete()
    forget_answers()
    many = task.bulk_complete.__func__(functools.partial(task, **parameters), iter([day]))
    assert list(many) == ([day] if one else []), "complete() and bulk_complete disagree"
    return bool(one)


def run(pipeline: Any, task: Any = aivo_luigi.RunAll, day: date = DAY, **parameters: Any) -> None:
    """Run a task as a new process would."""
    forget_answers()
    assert pipeline.run(task, date=day, **parameters).scheduling_succeeded


def runs(pipeline: Any, day: date | None = None) -> dict[str, int]:
    """How often each job has run with success."""
    found = pipeline.warehouse.rows(
        "select job_name, count(*) as runs from etl_job_runs "
        "where status = 'SUCCESS' and (%(day)s::date is null or target_date = %(day)s) group by 1",
        day=day,
    )
    return {row["job_name"]: row["runs"] for row in found}


def times(number: int, jobs: Any) -> dict[str, int]:
    return dict.fromkeys(jobs, number)


def everything_written(pipeline: Any) -> dict[str, list[dict[str, Any]]]:
    """Where each row of the warehouse lies and who wrote it: the same before and after, if nothing was written."""
    tables = pipeline.warehouse.column("select tablename from pg_tables where schemaname = 'public' order by 1")
    return {
        table: pipeline.warehouse.rows(f"select ctid::text, xmin::text from {table} order by 1") for table in tables
    }


# Facts: a day is closed when it is over


@pytest.mark.parametrize(
    ("started_at", "complete"),
    [(MIDNIGHT - INSTANT, False), (MIDNIGHT, True), (at("2025-03-01 00:00"), True)],
    ids=["just before the day's end", "at the day's end", "long after"],
)
def test_a_past_day_is_complete_by_a_run_that_started_at_or_after_its_end(pipeline, started_at, complete):
    write(pipeline, *FACTS, day=DAY, started_at=started_at)
    assert [is_complete(task) for task in FACTS.values()] == [complete] * 5


def test_a_run_for_another_day_or_of_another_job_does_not_make_a_fact_complete(pipeline):
    write(pipeline, *FACTS, day=DAY_BEFORE, started_at=at("2025-03-01 00:00"))
    write(pipeline, *FACTS, day=NEXT_DAY, started_at=at("2025-03-01 00:00"))
    assert not any(is_complete(task) for task in FACTS.values())
    write(pipeline, "build_fact_sessions", day=DAY, started_at=at("2025-03-01 00:00"))
    assert [job for job, task in FACTS.items() if is_complete(task)] == ["build_fact_sessions"]


@pytest.mark.parametrize("started_at", [at("2025-01-15 00:00"), at("2025-01-15 11:59"), at("2025-01-14 23:00")])
def test_while_the_day_runs_any_run_for_it_makes_a_fact_complete(pipeline, clock, started_at):
    clock.set(at("2025-01-15 12:00"))
    write(pipeline, *FACTS, day=DAY, started_at=started_at)
    assert all(is_complete(task) for task in FACTS.values())


def test_the_run_of_a_day_that_was_still_open_no_longer_counts_from_midnight_on(pipeline, clock):
    write(pipeline, *FACTS, day=DAY, started_at=at("2025-01-15 23:59:58"))
    clock.set(at("2025-01-15 23:59:00"))
    assert all(is_complete(task) for task in FACTS.values())
    clock.set(MIDNIGHT)
    assert not any(is_complete(task) for task in FACTS.values())


def test_one_late_run_among_early_ones_is_enough(pipeline):
    for moment in (at("2025-01-15 10:00"), at("2025-01-16 00:30"), at("2025-01-15 12:00")):
        write(pipeline, "build_fact_sessions", day=DAY, started_at=moment)
    assert is_complete(aivo_luigi.BuildFactSessions)


# Dimensions: what counts is when a sync started, not for which day


@pytest.mark.parametrize("target", [date(2024, 2, 29), DAY, date(2026, 6, 1)])
def test_a_sync_that_started_after_the_days_end_serves_the_day_whatever_day_it_was_for(pipeline, target):
    write(pipeline, *DIMENSIONS, day=target, started_at=MIDNIGHT)
    for task in DIMENSIONS.values():
        assert is_complete(task, DAY)
        assert is_complete(task, date(2020, 1, 1))
        assert not is_complete(task, NEXT_DAY)


def test_a_sync_that_started_before_a_past_days_end_does_not_serve_it_even_if_it_was_for_that_day(pipeline):
    write(pipeline, *DIMENSIONS, day=DAY, started_at=MIDNIGHT - INSTANT)
    assert not any(is_complete(task) for task in DIMENSIONS.values())


@pytest.mark.parametrize("target", [DAY_BEFORE, DAY])
@pytest.mark.parametrize(
    ("started_at", "complete"),
    [(at("2025-01-15 00:00"), True), (at("2025-01-15 11:00"), True), (at("2025-01-15 00:00") - INSTANT, False)],
)
def test_while_the_day_runs_a_sync_that_started_on_it_serves_it(pipeline, clock, target, started_at, complete):
    clock.set(at("2025-01-15 12:00"))
    write(pipeline, *DIMENSIONS, day=target, started_at=started_at)
    assert [is_complete(task) for task in DIMENSIONS.values()] == [complete] * 5


# What doesn't count


@pytest.mark.parametrize("status", ["FAILED", "RUNNING", "SKIPPED"])
def test_only_success_counts(pipeline, status):
    write(pipeline, *JOBS, day=DAY, started_at=at("2025-03-01 00:00"), status=status)
    assert not any(is_complete(task) for task in TASKS)


@pytest.mark.parametrize("status", ["FAILED", "RUNNING", "SKIPPED"])
def test_a_later_row_of_another_status_takes_no_completeness_away(pipeline, status):
    write(pipeline, *JOBS, day=DAY, started_at=at("2025-03-01 00:00"))
    write(pipeline, *JOBS, day=DAY, started_at=at("2025-03-02 00:00"), status=status)
    assert all(is_complete(task) for task in TASKS)


@pytest.mark.parametrize("task", WRAPPERS)
def test_a_wrapper_is_complete_when_all_that_it_wraps_is(pipeline, task):
    jobs = WRAPPERS[task]
    write(pipeline, *jobs, day=DAY, started_at=MIDNIGHT)
    assert is_complete(task)
    for missing in jobs:
        pipeline.warehouse.execute("delete from etl_job_runs where job_name = %(job)s", job=missing)
        assert not is_complete(task), f"complete without {missing}"
        write(pipeline, missing, day=DAY, started_at=MIDNIGHT)


def test_nothing_is_complete_in_a_warehouse_where_nothing_ran(pipeline):
    assert not any(is_complete(task) for task in TASKS)


# Days pass


def test_a_run_made_during_the_day_is_provisional(pipeline, lesson, clock):
    clock.set(at("2025-01-15 12:00"))
    run(pipeline)
    run(pipeline)
    assert runs(pipeline) == times(1, JOBS)

    lesson.session("evening", started_at=at("2025-01-15 20:00"))
    clock.set(at("2025-01-16 00:00:01"))
    run(pipeline)
    assert runs(pipeline) == times(2, JOBS)
    assert pipeline.warehouse.value("select count(*) from fact_sessions") == 2

    clock.set(at("2025-01-20 09:00"))
    run(pipeline)
    assert runs(pipeline) == times(2, JOBS)


def test_today_is_built_again_once_it_has_passed(pipeline, world):
    """The same with the clocks as they are: a run for today, which is then moved a day back."""
    world.tenant()
    world.learner()
    today = pipeline.warehouse.value("select now()::date")
    world.session(started_at=pipeline.source.value("select date_trunc('day', now())"))
    run(pipeline, day=today)
    run(pipeline, day=today)
    assert runs(pipeline) == times(1, JOBS)

    yesterday = today - timedelta(days=1)
    pipeline.warehouse.execute(
        "update etl_job_runs set started_at = started_at - interval '1 day', target_date = target_date - 1"
    )
    run(pipeline, day=yesterday)
    assert runs(pipeline, yesterday) == times(2, JOBS)
    run(pipeline, day=yesterday)
    assert runs(pipeline, yesterday) == times(2, JOBS)


def test_a_day_that_only_began_when_it_was_built_loses_nothing(pipeline, lesson, clock):
    """A range whose end is left out builds today too; the rest of that day must not be lost."""
    clock.set(at("2025-01-15 00:10"))
    run(pipeline)
    assert runs(pipeline) == times(1, JOBS)
    clock.set(at("2025-01-16 02:00"))
    assert not is_complete(aivo_luigi.RunAll)
    assert pipeline.luigi("RangeDaily", "--of", "RunAll", "--start", DAY, "--stop", NEXT_DAY).returncode == 0
    assert is_complete(aivo_luigi.RunAll)
    assert runs(pipeline) == times(2, JOBS)


def test_the_facts_of_an_earlier_day_need_no_new_sync_but_those_of_a_later_one_do(pipeline, lesson, clock):
    clock.set(at("2025-01-16 01:00"))
    run(pipeline, day=DAY)
    run(pipeline, day=DAY_BEFORE)
    assert runs(pipeline) == times(1, DIMENSIONS) | times(2, FACTS)
    clock.set(at("2025-01-17 01:00"))
    run(pipeline, day=NEXT_DAY)
    assert runs(pipeline) == times(2, DIMENSIONS) | times(3, FACTS)


def test_what_a_process_remembers_of_a_running_day_ends_with_the_day(pipeline, clock):
    write(pipeline, *JOBS, day=DAY, started_at=at("2025-01-15 12:00"))
    clock.set(at("2025-01-15 13:00"))
    assert aivo_luigi.RunAll(date=DAY).complete()
    clock.set(at("2025-01-16 13:00"), forget=False)
    assert not aivo_luigi.RunAll(date=DAY).complete()
    assert not aivo_luigi.BuildFactSessions(date=DAY).complete()


# Whose clock counts


def test_the_warehouses_clock_says_that_a_day_still_runs(pipeline, lesson, clock):
    """For this process, the day has been over for long."""
    clock.set(at("2025-01-15 18:00"))
    run(pipeline)
    assert is_complete(aivo_luigi.RunAll)
    started = pipeline.warehouse.column("select distinct started_at::date from etl_job_runs")
    assert started == [DAY]
    clock.set(at("2025-01-16 18:00"))
    assert not is_complete(aivo_luigi.RunAll)


def test_the_warehouses_clock_says_that_a_day_is_over(pipeline, clock):
    """For this process, the day has not begun."""
    day = date.today() + timedelta(days=400)
    clock.set(at(f"{day} 12:00") + timedelta(days=1))
    run(pipeline, day=day)
    assert is_complete(aivo_luigi.RunAll, day)


def test_a_day_that_has_not_begun_for_the_warehouse_is_an_error_and_makes_no_row(pipeline, lesson, clock):
    clock.set(at("2025-01-14 23:59"))
    done = pipeline.luigi("RunAll", "--date", DAY)
    assert done.returncode != 0
    assert "future" in done.stdout + done.stderr
    assert runs(pipeline) == {}


# What a complete job costs


@pytest.mark.parametrize("task", TASKS)
def test_bulk_complete_finds_the_missing_days_of_a_year_in_a_handful_of_queries(pipeline, task, statements):
    days = [date(2025, 1, 1) + timedelta(days=number) for number in range(365)]
    missing = {days[0], days[100], days[364]}
    dimensions = [job for job in TASKS[task] if job in DIMENSIONS]
    write(pipeline, *dimensions, day=days[3], started_at=at("2026-01-01 00:00"))
    facts = [job for job in TASKS[task] if job in FACTS]
    for day in days:
        write(pipeline, *(facts if day not in missing else facts[:-1]), day=day, started_at=at("2026-02-01 00:00"))
    forget_answers()
    statements.clear()
    found = task.bulk_complete(iter(days))
    assert len(statements) <= 6
    assert sorted(found) == [day for day in days if not facts or day not in missing]


@pytest.mark.parametrize("task", TASKS)
def test_bulk_complete_takes_a_partial_and_an_iterator_that_can_be_read_once(pipeline, task):
    jobs = TASKS[task]
    write(pipeline, *jobs, day=DAY, started_at=MIDNIGHT, force="again")
    write(pipeline, *jobs, day=DAY_BEFORE, started_at=MIDNIGHT - timedelta(days=1))
    ask: Callable[..., Any] = task.bulk_complete.__func__
    assert sorted(ask(functools.partial(task, force="again"), iter([NEXT_DAY, DAY]))) == [DAY]
    assert sorted(ask(functools.partial(task), iter([NEXT_DAY, DAY_BEFORE, DAY]))) == [DAY_BEFORE, DAY]
    assert sorted(ask(functools.partial(task, force="again"), iter([NEXT_DAY]))) == []
    assert sorted(ask(task, iter([]))) == []


@pytest.mark.parametrize("task", [aivo_luigi.BuildFactFocusEvents, aivo_luigi.BuildFacts, aivo_luigi.RunAll])
def test_a_batch_asks_at_once_whether_all_that_it_requires_is_complete(pipeline, task, statements):
    days = tuple(date(2025, 1, 1) + timedelta(days=number) for number in range(31))
    write(pipeline, *DIMENSIONS, day=days[0], started_at=at("2026-01-01 00:00"))
    for day in days[1:]:
        write(pipeline, *FACTS, day=day, started_at=at("2026-02-01 00:00"))
    forget_answers()
    statements.clear()
    required = task(date=days).deps()
    assert len(statements) <= 6
    incomplete = [needed for needed in required if not needed.complete()]
    assert {needed.date for needed in incomplete} <= {days[0]}
    assert len(statements) <= 6 + 2 * len(incomplete)


def test_a_complete_run_all_writes_nothing_and_makes_no_row(pipeline, lesson):
    run(pipeline)
    before = everything_written(pipeline)
    assert before["dim_tenant"]
    run(pipeline)
    for task in TASKS:
        run(pipeline, task)
    assert pipeline.luigi("RunAll", "--date", DAY).returncode == 0
    assert everything_written(pipeline) == before


def test_a_complete_run_all_asks_a_handful_of_queries(pipeline, lesson, statements):
    run(pipeline)
    statements.clear()
    run(pipeline)
    assert len(statements) <= 6


def test_a_complete_run_all_does_not_read_the_source(pipeline, lesson):
    run(pipeline)
    pipeline.source.execute("drop table sessions, session_events, tenants cascade")
    assert pipeline.luigi("RunAll", "--date", DAY).returncode == 0


def test_the_output_of_a_task_is_nothing_on_disk(pipeline, lesson):
    assert pipeline.luigi("RunAll", "--date", DAY).returncode == 0
    assert list(pipeline.folder.iterdir()) == []


# The run record


def test_each_job_leaves_one_row_and_the_wrappers_none(pipeline, lesson):
    run(pipeline)
    assert sorted(pipeline.warehouse.column("select job_name from etl_job_runs")) == sorted(JOBS)


def test_a_run_record_says_what_ran_when_and_how_it_ended(pipeline, lesson):
    before = pipeline.warehouse.value("select clock_timestamp()")
    run(pipeline)
    after = pipeline.warehouse.value("select clock_timestamp()")
    for row in pipeline.warehouse.rows("select * from etl_job_runs"):
        assert row["status"] == "SUCCESS"
        assert row["target_date"] == DAY
        assert before <= row["started_at"] <= row["completed_at"] <= after
        assert row["run_date"] == row["started_at"].date()
        assert 0 <= row["duration_ms"] <= (after - before).total_seconds() * 1000
        assert row["error_message"] is None
        assert row["force_token"] is None
        assert row["rows_rejected"] == 0
    assert len(set(pipeline.warehouse.column("select id from etl_job_runs"))) == len(JOBS)


def test_a_run_record_counts_what_was_read_and_written(pipeline, lesson):
    run(pipeline)
    assert counted(pipeline) == dict.fromkeys(JOBS, (1, 1, 0, 0)) | {"sync_dim_subject": (6, 6, 0, 0)}
    pipeline.warehouse.execute("delete from etl_job_runs")
    lesson.session("second")
    pipeline.source.update("tenants", uid("school"), name="Oak", updated_at=at("12:00"))
    run(pipeline)
    assert counted(pipeline) == {
        "sync_dim_tenant": (1, 0, 1, 0),
        "sync_dim_learner": (1, 0, 0, 0),
        "sync_dim_user": (1, 0, 0, 0),
        "sync_dim_subject": (6, 0, 0, 0),
        "sync_dim_skill": (1, 0, 0, 0),
        "build_fact_sessions": (2, 2, 0, 1),
        "build_fact_focus_events": (1, 1, 0, 1),
        "build_fact_homework_events": (1, 1, 0, 1),
        "build_fact_learning_progress": (1, 1, 0, 1),
        "build_fact_recommendation_events": (1, 1, 0, 1),
    }


def counted(pipeline: Any) -> dict[str, tuple[int, int, int, int]]:
    """Rows read, inserted, updated and deleted, by job."""
    return {
        row["job_name"]: (row["rows_processed"], row["rows_inserted"], row["rows_updated"], row["rows_deleted"])
        for row in pipeline.warehouse.rows("select * from etl_job_runs")
    }


def test_a_failed_run_leaves_its_reason_and_no_data(pipeline, lesson):
    pipeline.source.execute("alter table sessions drop column origin cascade")
    forget_answers()
    done = pipeline.luigi("RunAll", "--date", DAY)
    assert done.returncode == 30
    row = pipeline.warehouse.row("select * from etl_job_runs where status <> 'SUCCESS'")
    assert (row["job_name"], row["status"]) == ("build_fact_sessions", "FAILED")
    assert "origin" in row["error_message"]
    assert "\n" not in row["error_message"]
    assert row["completed_at"] >= row["started_at"]
    assert pipeline.warehouse.value("select count(*) from fact_sessions") == 0
    assert not is_complete(aivo_luigi.BuildFactSessions)


@pytest.mark.parametrize("loss", ["delete from etl_job_runs", "drop schema public cascade; create schema public"])
def test_a_program_that_builds_again_sees_what_the_warehouse_has_lost(pipeline, lesson, loss):
    assert pipeline.run(aivo_luigi.RunAll, date=DAY).status is luigi.LuigiStatusCode.SUCCESS
    pipeline.warehouse.execute(loss)
    assert pipeline.run(aivo_luigi.RunAll, date=DAY).status is luigi.LuigiStatusCode.SUCCESS
    assert runs(pipeline, DAY) == dict.fromkeys(JOBS, 1)


# The Python API


@pytest.fixture
def api() -> Iterator[dict[str, Callable[..., Any]]]:
    """The function of each job."""
    return {job: getattr(aivo_luigi, f"job_{job}") for job in JOBS}


def test_a_job_that_is_complete_already_is_skipped_and_writes_no_row(pipeline, lesson, api):
    aivo_luigi.run_all_dimension_syncs(DAY)
    aivo_luigi.run_all_fact_builds(DAY)
    before = everything_written(pipeline)
    for job, function in api.items():
        result = function(DAY)
        assert (result.job_name, result.status, result.error_message) == (job, "SKIPPED", None)
        assert (result.rows_processed, result.rows_inserted, result.rows_updated, result.rows_deleted) == (0, 0, 0, 0)
    skipped = aivo_luigi.run_all_dimension_syncs(DAY) + aivo_luigi.run_all_fact_builds(DAY)
    assert {result.job_name: result.status for result in skipped} == dict.fromkeys(JOBS, "SKIPPED")
    assert everything_written(pipeline) == before


def test_a_result_says_what_the_run_record_says(pipeline, lesson, api):
    results = [function(DAY) for function in api.values()]
    assert len(results) == len(JOBS)
    for result in results:
        row = pipeline.warehouse.row("select * from etl_job_runs where job_name = %(job)s", job=result.job_name)
        for name in (
            "status",
            "rows_processed",
            "rows_inserted",
            "rows_updated",
            "rows_deleted",
            "rows_rejected",
            "duration_ms",
            "error_message",
        ):
            assert getattr(result, name) == row[name], (result.job_name, name)
