"""Two runs at once do no harm, and neither does a run that is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest
from support.database import Database
from support.pipeline import Pipeline
from support.runs import FACTS, JOBS, content, runs

from aivo_luigi.demo.source import install, make_day

DAY = date(2025, 1, 15)
KILLS = int(os.environ.get("AIVO_TEST_KILLS", "4"))


@pytest.fixture
def rich(pipeline: Pipeline) -> Pipeline:
    """The demo's data of a day, and nothing built."""
    pipeline.source.execute("drop schema public cascade; create schema public")
    install(pipeline.source.url)
    make_day(pipeline.source.url, DAY)
    return pipeline


def start(pipeline: Pipeline, *arguments: str) -> subprocess.Popen[bytes]:
    command = [str(Path(sys.executable).with_name("luigi")), "--module", "aivo_luigi", *arguments]
    return subprocess.Popen(
        command,
        env=pipeline.command_environment(),
        cwd=pipeline.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def test_two_runs_at_once_are_one_run(rich: Pipeline) -> None:
    both = [start(rich, "RunAll", "--date", str(DAY)) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert sorted(row["job_name"] for row in runs(rich.warehouse)) == sorted(JOBS)
    assert rich.warehouse.value("select count(*) from etl_job_runs") == 10


def test_two_runs_at_once_migrate_an_empty_warehouse_once(rich: Pipeline) -> None:
    rich.warehouse.execute("drop schema public cascade; create schema public")
    both = [start(rich, "RunAll", "--date", str(DAY)) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert rich.warehouse.value("select count(*) from etl_job_runs where status = 'SUCCESS'") == 10


def test_a_run_waits_for_the_lock_of_its_job_and_day(rich: Pipeline) -> None:
    holder = Database(rich.warehouse.url)
    holder.execute("select pg_advisory_lock(hashtext('aivo_luigi build_fact_sessions'), 20250115)")
    held = rich.luigi("BuildFactSessions", "--date", DAY, "--etl-lock-timeout", "1")
    assert held.returncode == 30
    assert "running elsewhere" in held.stderr
    assert rich.luigi("BuildFactRecommendationEvents", "--date", DAY).returncode == 0
    assert rich.luigi("BuildFactSessions", "--date", "2025-01-14", "--etl-lock-timeout", "1").returncode == 0
    holder.close()
    assert rich.luigi("BuildFactSessions", "--date", DAY).returncode == 0


def test_an_abandoned_run_is_marked_and_a_living_one_is_not(rich: Pipeline) -> None:
    for job in ("build_fact_sessions", "build_fact_focus_events", "sync_dim_user"):
        rich.warehouse.execute(
            "insert into etl_job_runs (job_name, run_date, target_date, status, started_at)"
            " values (%(job)s, '2025-01-16', '2025-01-15', 'RUNNING', now())",
            job=job,
        )
    living = Database(rich.warehouse.url)
    living.execute("select pg_advisory_lock(hashtext('aivo_luigi build_fact_focus_events'), 20250115)")
    assert rich.luigi("SyncDimTenant", "--date", DAY).returncode == 0
    assert [row["job_name"] for row in runs(rich.warehouse, "RUNNING")] == ["build_fact_focus_events"]
    failed = runs(rich.warehouse, "FAILED")
    assert {row["job_name"] for row in failed} == {"build_fact_sessions", "sync_dim_user"}
    assert all("abandoned" in row["error_message"] and row["completed_at"] for row in failed)
    living.close()


def test_a_killed_run_leaves_no_half_day(rich: Pipeline) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}, {KILLS} kills")
    chance = random.Random(seed)
    assert rich.luigi("RunAll", "--date", DAY).returncode == 0
    undisturbed = content(rich.warehouse)
    assert all(undisturbed.values())
    began = time.monotonic()
    assert rich.luigi("RunAll", "--date", DAY, "--force").returncode == 0
    length = time.monotonic() - began

    empty = "truncate etl_rejected_rows, etl_job_runs, dim_tenant, dim_learner, dim_user, dim_subject, dim_skill, "
    for _ in range(KILLS):
        rich.warehouse.execute(empty + ", ".join(job.removeprefix("build_") for job in FACTS) + " cascade")
        process = start(rich, "RunAll", "--date", str(DAY))
        time.sleep(chance.uniform(0.25, length))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        finished = rich.luigi("RunAll", "--date", DAY)
        assert finished.returncode == 0, finished.stderr
        assert content(rich.warehouse) == undisturbed
        assert runs(rich.warehouse, "RUNNING") == []
        assert sorted(row["job_name"] for row in runs(rich.warehouse)) == sorted(JOBS)


def test_a_killed_forced_run_is_marked_by_the_next_run_even_if_that_has_nothing_to_do(rich: Pipeline) -> None:
    assert rich.luigi("RunAll", "--date", DAY).returncode == 0
    process = start(rich, "RunAll", "--date", str(DAY), "--force")
    deadline = time.monotonic() + 30
    while not runs(rich.warehouse, "RUNNING") and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert rich.luigi("RunAll", "--date", DAY).returncode == 0
    assert runs(rich.warehouse, "RUNNING") == []
