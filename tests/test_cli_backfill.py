"""aivo-etl backfill: a range in pieces, which goes on where it stopped.

AIVO_TEST_DAYS=90 makes the interrupted range longer than the 8 days that it has by default.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from datetime import date, timedelta

import pytest
from support.command import AIVO_ETL, aivo_etl, environment
from support.pipeline import Pipeline
from support.runs import FACTS, days, runs
from support.world import World, at

START = date(2025, 1, 29)  # the range crosses the end of a month
DAYS = int(os.environ.get("AIVO_TEST_DAYS") or 8)


def lessons(world: World, start: date, number: int) -> None:
    world.row_of_everything()
    for day in days(start, number):
        world.session(f"on {day}", started_at=at(f"{day} 10:00"))


def backfill(pipeline: Pipeline, start: date, number: int, *options: str) -> subprocess.CompletedProcess[str]:
    stop = start + timedelta(days=number)
    arguments = ["--start", str(start), "--stop", str(stop), *options]
    return aivo_etl("backfill", *arguments, timeout=300, **pipeline.environment)


def built_days(pipeline: Pipeline, job: str = "build_fact_sessions") -> list[date]:
    return [row["target_date"] for row in runs(pipeline.warehouse) if row["job_name"] == job]


def test_a_backfill_builds_each_day_once_the_newest_first(pipeline: Pipeline, world: World) -> None:
    lessons(world, START, 5)
    done = backfill(pipeline, START, 5)
    assert (done.returncode, done.stderr) == (0, "")
    assert built_days(pipeline) == sorted(days(START, 5), reverse=True)
    assert len(built_days(pipeline, "sync_dim_tenant")) == 1
    ended = re.findall(r"^(\S+) done: (\d) of 5 days, \S+ rows/s, 0:00:\d\d left$", done.stdout, re.MULTILINE)
    assert [int(number) for _, number in ended] == list(range(1, 6))
    assert "5 days done, 0 complete already, 0 not complete: " in done.stdout
    again = backfill(pipeline, START, 6)
    assert "1 of 6 days to build, 5 are complete already." in again.stdout
    assert len(built_days(pipeline)) == 6


def test_reverse_begins_with_the_oldest_day(pipeline: Pipeline, world: World) -> None:
    lessons(world, START, 3)
    assert backfill(pipeline, START, 3, "--reverse", "--job", "build_fact_sessions").returncode == 0
    assert built_days(pipeline) == days(START, 3)
    assert built_days(pipeline, "build_fact_homework_events") == []


def test_a_failing_day_does_not_stop_the_others(pipeline: Pipeline, world: World) -> None:
    lessons(world, START, 5)
    assert backfill(pipeline, START, 5).returncode == 0
    pipeline.source.execute("delete from sessions where started_at::date = '2025-01-30'")
    done = backfill(pipeline, START, 5, "--force", "again", "--job", "build_fact_sessions")
    assert done.returncode == 30
    assert len(built_days(pipeline)) == 9
    assert "4 days done, 0 complete already, 1 not complete: " in done.stdout
    (reason,) = re.findall(r"^build_fact_sessions failed \(2025-01-30\): (.+)", done.stdout, re.MULTILINE)
    assert "would replace 1 rows by none" in reason
    options = ("--force", "again", "--job", "build_fact_sessions", "--etl-allow-empty-rebuild")
    assert "1 of 5 days to build" in backfill(pipeline, START, 5, *options).stdout


def test_a_backfill_interrupted_anywhere_goes_on(pipeline: Pipeline, world: World) -> None:
    lessons(world, START, DAYS)
    stop = START + timedelta(days=DAYS)
    process = subprocess.Popen(
        [AIVO_ETL, "backfill", "--start", str(START), "--stop", str(stop), "--workers", "2"],
        env=environment(**pipeline.environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 30
    wanted = random.randrange(1, 5 * DAYS // 2)
    while len(runs(pipeline.warehouse)) < wanted and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert len(stderr.splitlines()) == 1
    assert runs(pipeline.warehouse, "RUNNING") == []
    before = len(runs(pipeline.warehouse))
    done = backfill(pipeline, START, DAYS, "--workers", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert 0 < before < len(runs(pipeline.warehouse))
    for job in FACTS:
        assert sorted(built_days(pipeline, job)) == days(START, DAYS)
    compared = aivo_etl("compare", "--start", str(START), "--stop", str(stop), timeout=300, **pipeline.environment)
    assert compared.returncode == 0, compared.stdout


def test_a_range_without_a_day_is_a_wrong_use(pipeline: Pipeline) -> None:
    told = backfill(pipeline, START, 0)
    assert told.returncode == 2
    assert "--stop is the day after the last" in told.stderr


@pytest.mark.parametrize("command", [["backfill"], ["backfill", "--dry-run"], ["plan"], ["compare"]], ids=" ".join)
def test_a_range_with_a_mistyped_year_is_refused_at_once(command: list[str]) -> None:
    told = aivo_etl(*command, "--start", "0001-01-01", "--stop", "2025-02-01", timeout=20)
    assert told.returncode == 2
    assert "holds 739,282 days, and 36,500 are the most" in " ".join(told.stderr.split())
