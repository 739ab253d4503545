"""--force: what it runs again, how often, and through whom: one process or two, luigid, several workers, a range."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.database import Database
from support.databases import Databases
from support.pipeline import Pipeline
from support.prepared import prepared
from support.runs import DIMENSIONS, FACTS, JOBS
from support.world import DAY, DAY_BEFORE, NEXT_DAY, World, at

import aivo_luigi
from aivo_luigi.jobs.completeness import forget_answers

TASKS = {re.sub(r"(?:^|_)(\w)", lambda found: found[1].upper(), job): job for job in JOBS}
WRAPPERS = {"RunAll": JOBS, "SyncDimensions": DIMENSIONS, "BuildFacts": FACTS}

TABLES = (
    *("dim_tenant", "dim_learner", "dim_user", "dim_subject", "dim_skill"),
    *("fact_sessions", "fact_focus_events", "fact_homework_events"),
    *("fact_learning_progress", "fact_recommendation_events", "etl_rejected_rows"),
)


def fill(source: Database) -> None:
    """A few rows of everything."""
    world = World(source)
    for tenant in ("school", "college"):
        world.tenant(tenant)
        world.learner(f"{tenant} learner", tenant=tenant)
        world.user(f"{tenant} teacher", tenant=tenant)
        whose = {"tenant": tenant, "learner": f"{tenant} learner"}
        world.skill(f"{tenant} adding")
        for day in (DAY_BEFORE, DAY):
            name, time = f"{tenant} {day}", at(f"{day} 10:00")
            world.session(name, started_at=time, **whose)
            for number in range(3):
                time += timedelta(minutes=1)
                metadata = {"focusScore": 50 + number}
                world.event("FOCUS_BREAK_STARTED", session=name, event_time=time, metadata=metadata, **whose)
            world.submission(name, session=name, created_at=time, **whose)
            world.recommendation(name, skill=f"{tenant} adding", created_at=time, **whose)
        world.event("FOCUS_BREAK_ENDED", session=f"{tenant} {DAY}", metadata={"durationSeconds": "soon"}, **whose)
        world.skill_state(f"{tenant} adding", 0.5, **whose)


@pytest.fixture
def built(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    """A pipeline whose source has a few rows of everything, and whose DAY is built."""

    def build(source: Database, warehouse: Database) -> None:
        run(Pipeline(source, warehouse, tmp_path))

    yield from prepared(databases, "forced", tmp_path, monkeypatch, fill, build)


def run(pipeline: Any, task: Any = aivo_luigi.RunAll, day: date = DAY, **parameters: Any) -> None:
    """Run a task as a new process would, but for the token of a bare --force: give it a name."""
    forget_answers()
    assert pipeline.run(task, date=day, **parameters).scheduling_succeeded


def command(pipeline: Any, *arguments: Any, **options: Any) -> None:
    """Run the command; it must succeed."""
    done = pipeline.luigi(*arguments, **options)
    assert done.returncode == 0, done.stdout + done.stderr


def forced(pipeline: Any) -> dict[str, int]:
    """How often each job has run by force."""
    return counted(pipeline, "force_token is not null")


def unforced(pipeline: Any) -> dict[str, int]:
    """How often each job has run without force."""
    return counted(pipeline, "force_token is null")


def counted(pipeline: Any, condition: str) -> dict[str, int]:
    found = pipeline.warehouse.rows(f"select job_name, status from etl_job_runs where {condition}")
    assert {row["status"] for row in found} <= {"SUCCESS"}
    names = [row["job_name"] for row in found]
    return {name: names.count(name) for name in names}


def times(number: int, jobs: Iterable[str]) -> dict[str, int]:
    return dict.fromkeys(jobs, number)


def content(pipeline: Any) -> dict[str, list[dict[str, Any]]]:
    """All that dimensions and facts hold, surrogate keys included; what belongs to one run alone left out."""
    return {
        table: [
            {name: value for name, value in row.items() if name not in {"run_id", "rejected_at"}}
            for row in pipeline.warehouse.rows(f"select * from {table} as rows order by to_jsonb(rows)::text")
        ]
        for table in TABLES
    }


def tokens(pipeline: Any) -> set[str]:
    return set(pipeline.warehouse.column("select distinct force_token from etl_job_runs where force_token is not null"))


# What is forced


@pytest.mark.parametrize("task", WRAPPERS)
def test_force_on_a_wrapper_runs_all_that_it_wraps_again_into_the_same_rows_under_the_same_keys(built, task):
    before = content(built)
    assert all(rows for table, rows in before.items() if table != "etl_rejected_rows")
    run(built, getattr(aivo_luigi, task), force="again")
    assert forced(built) == times(1, WRAPPERS[task])
    assert unforced(built) == times(1, JOBS)
    assert content(built) == before


def test_force_on_a_task_runs_that_one_alone_again_into_the_same_rows_under_the_same_keys(built):
    before = content(built)
    for task, job in TASKS.items():
        run(built, getattr(aivo_luigi, task), force=task)
        assert counted(built, f"force_token = '{task}'") == {job: 1}
        assert content(built) == before, task
    assert unforced(built) == times(1, JOBS)


def test_what_a_forced_task_needs_is_built_unforced_where_it_is_missing(built):
    built.warehouse.execute("delete from etl_job_runs")
    run(built, aivo_luigi.BuildFactFocusEvents, force="again")
    assert forced(built) == {"build_fact_focus_events": 1}
    assert unforced(built) == times(1, ("sync_dim_tenant", "sync_dim_learner", "build_fact_sessions"))


def test_build_facts_by_force_syncs_dimensions_that_are_missing(built):
    built.warehouse.execute("delete from etl_job_runs where job_name like 'sync_%'")
    run(built, aivo_luigi.BuildFacts, force="again")
    assert forced(built) == times(1, FACTS)
    needed = ("sync_dim_tenant", "sync_dim_learner", "sync_dim_skill", "sync_dim_subject")
    assert {job: number for job, number in unforced(built).items() if job in DIMENSIONS} == times(1, needed)


def test_a_forced_day_can_be_one_that_was_never_built(built):
    run(built, day=DAY_BEFORE, force="again")
    assert forced(built) == times(1, JOBS)
    assert built.warehouse.value("select count(*) from fact_sessions") == 4


def test_the_facts_wait_for_the_forced_dimensions_and_the_events_for_the_forced_sessions(built):
    run(built, force="again")
    order = built.warehouse.column("select job_name from etl_job_runs where force_token = 'again' order by started_at")
    place = {job: order.index(job) for job in JOBS}
    assert place["sync_dim_tenant"] < place["sync_dim_learner"] < place["build_fact_sessions"]
    assert place["sync_dim_subject"] < place["sync_dim_skill"] < place["build_fact_learning_progress"]
    assert place["build_fact_sessions"] < min(place["build_fact_focus_events"], place["build_fact_homework_events"])


# What comes out


def test_force_picks_up_what_has_changed(built):
    World(built.source).session("late", tenant="school", learner="school learner")
    run(built)
    assert built.warehouse.value("select count(*) from fact_sessions") == 2
    run(built, aivo_luigi.BuildFactSessions, force="again")
    assert built.warehouse.value("select count(*) from fact_sessions") == 3


def test_force_makes_no_day_that_has_not_begun(built):
    ahead = built.warehouse.value("select now()::date + 2")
    assert built.luigi("RunAll", "--date", ahead, "--force").returncode == 35
    assert forced(built) == {}


# How often


def test_a_name_forces_once_and_another_name_once_more(built):
    for name, runs in (("monday", 1), ("tuesday", 2), ("monday", 2)):
        command(built, "RunAll", "--date", DAY, "--force", name)
        assert forced(built) == times(runs, JOBS)
    assert tokens(built) == {"monday", "tuesday"}


def test_a_name_that_failed_can_be_repeated(built):
    built.source.execute("alter table sessions rename column origin to gone")
    assert built.luigi("BuildFacts", "--date", DAY, "--force", "monday").returncode == 30
    built.source.execute("alter table sessions rename column gone to origin")
    command(built, "BuildFacts", "--date", DAY, "--force", "monday")
    successes = counted(built, "force_token = 'monday' and status = 'SUCCESS'")
    assert successes == times(1, FACTS)


def test_a_name_forces_each_day_once(built):
    for day in (DAY_BEFORE, DAY, DAY_BEFORE, DAY):
        run(built, aivo_luigi.BuildFacts, day, force="monday")
    assert forced(built) == times(2, FACTS)


def test_a_name_used_for_a_part_forces_the_rest_of_the_whole_alone(built):
    run(built, aivo_luigi.BuildFactSessions, force="monday")
    run(built, aivo_luigi.RunAll, force="monday")
    assert forced(built) == times(1, JOBS)


def test_a_bare_force_runs_once_in_each_process(built):
    command(built, "RunAll", "--date", DAY, "--force")
    assert forced(built) == times(1, JOBS)
    assert len(tokens(built)) == 1
    command(built, "RunAll", "--force", "--date", DAY)
    assert forced(built) == times(2, JOBS)
    assert len(tokens(built)) == 2


def test_a_bare_force_on_a_single_task_from_the_command_line_forces_it_alone(built):
    command(built, "BuildFactFocusEvents", "--date", DAY, "--force")
    assert forced(built) == {"build_fact_focus_events": 1}
    assert unforced(built) == times(1, JOBS)


def test_a_run_without_force_after_one_by_force_has_nothing_to_do(built):
    run(built, force="again")
    command(built, "RunAll", "--date", DAY)
    assert unforced(built) == times(1, JOBS)


def test_the_run_row_says_which_force_asked_for_it(built):
    command(built, "BuildFactSessions", "--date", DAY, "--force", "the flood of March")
    rows = built.warehouse.rows("select job_name, force_token, target_date from etl_job_runs order by started_at")
    assert rows[-1] == {"job_name": "build_fact_sessions", "force_token": "the flood of March", "target_date": DAY}
    assert {row["force_token"] for row in rows[:-1]} == {None}


# luigid and several workers


def test_force_works_with_luigid_and_two_workers(built, luigid):
    """luigid remembers the tasks of earlier processes; the next may ask at once."""
    before = content(built)
    for force, runs in ((["--force"], 1), (["--force", "again"], 2), (["--force", "again"], 2), (["--force"], 3)):
        command(built, "RunAll", "--date", DAY, *force, "--workers", "2", config=luigid.config)
        assert forced(built) == times(runs, JOBS)
        assert content(built) == before


# Ranges

RANGE = ("RangeDaily", "--of", "RunAll", "--start", DAY_BEFORE, "--stop", NEXT_DAY)
# Two days, each built again; one sync of each dimension serves both.
RANGE_FORCED = times(1, DIMENSIONS) | times(2, FACTS)


def test_a_range_can_be_forced_once_for_a_name(built):
    run(built, day=DAY_BEFORE)
    before = content(built)
    for force in (("--of-params", '{"force": "again"}'), ("--RunAll-force", "again")):
        command(built, *RANGE, *force)
        assert forced(built) == RANGE_FORCED
        assert tokens(built) == {"again"}
    assert content(built) == before


def test_a_range_can_be_forced_in_each_process(built):
    run(built, day=DAY_BEFORE)
    for number, force in enumerate((("--of-params", '{"force": true}'), ("--RunAll-force", "--workers", "2")), start=1):
        command(built, *RANGE, *force)
        assert forced(built) == {job: number * runs for job, runs in RANGE_FORCED.items()}
        assert len(tokens(built)) == number


def test_a_range_of_facts_can_be_forced_without_the_dimensions(built):
    run(built, day=DAY_BEFORE)
    command(built, "RangeDaily", "--of", "BuildFacts", *RANGE[3:], "--of-params", '{"force": "again"}')
    assert forced(built) == times(2, FACTS)


def test_a_range_can_be_forced_with_luigid_and_two_workers(built, luigid):
    run(built, day=DAY_BEFORE)
    before = content(built)
    for force, runs in (("true", 1), ("true", 2), ('"again"', 3), ('"again"', 3)):
        of_params = ("--of-params", f'{{"force": {force}}}')
        command(built, *RANGE, *of_params, "--workers", "2", config=luigid.config)
        assert forced(built) == {job: runs * number for job, number in RANGE_FORCED.items()}
        assert content(built) == before


# Python


def test_force_in_python_runs_at_each_call(built):
    for number in (1, 2):
        results = aivo_luigi.run_all_fact_builds(DAY, force=True)
        assert {result.status for result in results} == {"SUCCESS"}
        assert forced(built) == times(number, FACTS)
    assert unforced(built) == times(1, JOBS)


def test_force_by_name_in_python_runs_once(built):
    assert aivo_luigi.job_build_fact_sessions(DAY, force="again").status == "SUCCESS"
    assert aivo_luigi.job_build_fact_sessions(DAY, force="again").status == "SKIPPED"
    assert forced(built) == {"build_fact_sessions": 1}


def test_force_in_python_syncs_all_dimensions(built):
    results = aivo_luigi.run_all_dimension_syncs(DAY, force=True)
    assert {result.job_name: result.status for result in results} == dict.fromkeys(DIMENSIONS, "SUCCESS")
    assert forced(built) == times(1, DIMENSIONS)
