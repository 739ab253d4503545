"""aivo-etl plan, --dry-run, late and rejects: what would run and why, and what could not be loaded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from support.command import aivo_etl
from support.database import Database
from support.databases import Databases
from support.pipeline import Pipeline
from support.prepared import prepared
from support.runs import DIMENSIONS, FACTS, JOBS, content, runs
from support.world import DAY, NEXT_DAY, World, uid

import aivo_luigi


@pytest.fixture
def built(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    """A row of everything, whose day is built."""

    def build(source: Database, warehouse: Database) -> None:
        assert Pipeline(source, warehouse, tmp_path).run(aivo_luigi.RunAll, date=DAY).scheduling_succeeded

    fill = lambda source: World(source).row_of_everything()  # noqa: E731
    yield from prepared(databases, "planned", tmp_path, monkeypatch, fill, build)


def plan(pipeline: Pipeline, *arguments: str) -> dict[tuple[str, str], str]:
    """The reason of each job and day that would run."""
    done = aivo_etl("plan", "--json", *arguments, **pipeline.environment)
    assert (done.returncode, done.stderr) == (0, "")
    return {(step["job_name"], step["day"]): step["reason"] for step in json.loads(done.stdout) if step["would_run"]}


def everything(pipeline: Pipeline) -> tuple[Any, Any]:
    return content(pipeline.warehouse), pipeline.warehouse.rows("select * from etl_job_runs order by id")


def test_a_plan_says_why_each_job_would_run(pipeline: Pipeline, world: World) -> None:
    world.row_of_everything()
    day = str(DAY)
    assert plan(pipeline, "--date", day) == {(job, day): "never run" for job in JOBS}
    assert aivo_etl("run", "--date", day, **pipeline.environment).returncode == 0
    assert plan(pipeline, "--date", day) == {}
    pipeline.warehouse.execute(
        "update etl_job_runs set started_at = %(during)s where job_name in ('build_fact_sessions', 'sync_dim_user')",
        during=f"{day} 12:00+00",
    )
    pipeline.warehouse.execute(
        "update etl_job_runs set status = 'FAILED', error_message = 'no luck'"
        " where job_name = 'build_fact_homework_events'"
    )
    assert plan(pipeline, "--date", day) == {
        ("build_fact_sessions", day): "provisional: built before its day was over",
        ("sync_dim_user", day): "last synced before the day was over",
        ("build_fact_homework_events", day): "failed: no luck",
    }
    assert plan(pipeline, "--start", day, "--stop", "2025-01-17", "--job", "build_fact_recommendation_events") == {
        ("build_fact_recommendation_events", "2025-01-16"): "never run"
    }


def test_a_plan_with_late_names_what_changed_in_the_source(built: Pipeline) -> None:
    World(built.source).session("another")
    assert plan(built, "--date", str(DAY)) == {}
    found = plan(built, "--date", str(DAY), "--late")
    assert "1 rows missing" in found["build_fact_sessions", str(DAY)]
    dry = aivo_etl("late", "--date", str(DAY), "--look-back-days", "2", "--dry-run", **built.environment)
    assert "1 rows missing" in dry.stdout
    assert f"1 day compared, 1 to be built again: {DAY}" in dry.stdout
    late = aivo_etl("late", "--date", str(DAY), **built.environment)
    assert (late.returncode, late.stderr) == (0, "")
    assert f"1 day compared, 1 to be built again: {DAY}" in late.stdout.splitlines()
    assert f"build_fact_sessions {DAY}: done, 2 rows" in late.stdout
    assert plan(built, "--date", str(DAY), "--late") == {}


def test_a_plan_of_an_empty_warehouse_makes_nothing(empty_url: str, source_url: str) -> None:
    urls = {"OLTP_DATABASE_URL": source_url, "WAREHOUSE_DATABASE_URL": empty_url}
    for command in (["plan"], ["run", "--dry-run"], ["late", "--dry-run"], ["migrate", "--dry-run"]):
        assert aivo_etl(*command, **urls).returncode == 0
    assert "0001_dimensions" in aivo_etl("migrate", "--dry-run", **urls).stdout
    database = Database(empty_url)
    assert database.column("select relname from pg_class where relnamespace = 'public'::regnamespace") == []
    database.close()


@pytest.mark.parametrize(
    "command",
    [
        ["run"],
        ["dimensions"],
        ["facts"],
        ["run-job", "--job", "build_fact_sessions"],
        ["late"],
        ["backfill", "--start", "2025-01-10", "--stop", "2025-01-20"],
    ],
    ids=lambda command: command[0],
)
def test_a_dry_run_touches_nothing(command: list[str], built: Pipeline) -> None:
    before = everything(built)
    day = [] if command[0] == "backfill" else ["--date", str(NEXT_DAY)]
    done = aivo_etl(*command, *day, "--dry-run", **built.environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Nothing was touched." in done.stdout
    assert everything(built) == before


def test_what_is_planned_is_what_runs(pipeline: Pipeline, world: World) -> None:
    world.row_of_everything()
    aivo_etl("run-job", "--job", "build_fact_sessions", "--date", str(DAY), **pipeline.environment)
    before = {row["id"] for row in runs(pipeline.warehouse)}
    planned = plan(pipeline, "--start", str(DAY), "--stop", "2025-01-18")
    aivo_etl("backfill", "--start", str(DAY), "--stop", "2025-01-18", **pipeline.environment)
    ran = {(row["job_name"], str(row["target_date"])) for row in runs(pipeline.warehouse) if row["id"] not in before}
    assert ran == set(planned)
    assert {job for job, _ in ran} == {*FACTS, *DIMENSIONS} - {"sync_dim_tenant", "sync_dim_learner"}


@pytest.mark.parametrize(
    "arguments",
    [["--start", "2025-01-01"], ["--start", "2025-01-02", "--stop", "2025-01-02"], ["--job", "build_fact_dreams"]],
)
def test_a_plan_of_nothing_is_a_wrong_use(arguments: list[str]) -> None:
    assert aivo_etl("plan", *arguments).returncode == 2


def test_rejects_are_grouped_and_keep_learners_data_to_themselves(pipeline: Pipeline, world: World) -> None:
    world.row_of_everything()
    for number in range(5):
        world.event("FOCUS_BREAK_STARTED", f"bad {number}", metadata={"durationSeconds": "secret words"})
    assert aivo_etl("rejects", **pipeline.environment).stdout == "Nothing was rejected.\n"
    aivo_etl("run", "--date", str(DAY), **pipeline.environment)
    shown = aivo_etl("rejects", "--date", str(DAY), **pipeline.environment).stdout
    assert "durationSeconds" in shown
    assert sum(str(uid(f"bad {number}")) in shown for number in range(5)) == 3
    assert "secret words" not in shown
    for other in (["--date", "2025-01-14"], ["--job", "sync_dim_user"], ["--start", "2024-01-01", "--stop", str(DAY)]):
        assert aivo_etl("rejects", *other, **pipeline.environment).stdout == "Nothing was rejected.\n"
    (group,) = json.loads(aivo_etl("rejects", "--json", **pipeline.environment).stdout)
    assert (group["job_name"], group["records"], group["first_day"]) == ("build_fact_focus_events", 5, str(DAY))
    assert "payloads" not in group
    assert "secret words" in aivo_etl("rejects", "--payload", **pipeline.environment).stdout


def test_today_and_yesterday_are_days(pipeline: Pipeline) -> None:
    today = pipeline.warehouse.value("select (now() at time zone 'UTC')::date")
    assert {day for _, day in plan(pipeline, "--date", "today")} == {str(today)}
    assert {day for _, day in plan(pipeline)} == {str(date.fromordinal(today.toordinal() - 1))}
