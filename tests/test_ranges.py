"""RangeDaily: any range, either way, every day once."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from support.luigid import Luigid
from support.pipeline import Pipeline
from support.runs import DIMENSIONS, FACTS, JOBS, days, runs, succeed
from support.world import World

START = date(2025, 1, 1)
DAYS = int(os.environ.get("AIVO_TEST_DAYS", "8"))


@pytest.mark.parametrize("direction", [(), ("--reverse",)], ids=["ascending", "descending"])
def test_every_day_is_built_once_and_every_dimension_synced_once(
    pipeline: Pipeline, world: World, luigid: Luigid, direction: tuple[str, ...]
) -> None:
    world.tenant()
    world.learner()
    for number, day in enumerate(days(START, DAYS)):
        world.session(f"session {number}", started_at=datetime(day.year, day.month, day.day, 9, tzinfo=timezone.utc))
    began = time.monotonic()
    finished = pipeline.luigi(
        "RangeDaily", "--of", "RunAll", "--start", START, "--stop", START + timedelta(days=DAYS), *direction,
        "--workers", "2", config=luigid.config, timeout=600,
    )  # fmt: skip
    print(f"{DAYS} days in {time.monotonic() - began:.1f} s")
    assert finished.returncode == 0, finished.stderr[-3000:]
    ran = Counter(
        (row["job_name"], row["target_date"] if row["job_name"] in FACTS else None) for row in runs(pipeline.warehouse)
    )
    assert ran == Counter(
        [(job, None) for job in DIMENSIONS] + [(job, day) for job in FACTS for day in days(START, DAYS)]
    )
    assert pipeline.warehouse.value("select count(*) from etl_job_runs where status <> 'SUCCESS'") == 0
    assert pipeline.warehouse.value("select count(distinct date_key) from fact_sessions") == DAYS


def test_four_hundred_complete_days_cost_a_handful_of_queries(pipeline: Pipeline, tmp_path: Path) -> None:
    start = datetime.now(timezone.utc).date() - timedelta(days=400)
    succeed(pipeline.warehouse, JOBS, days(start, 400), f"{datetime.now(timezone.utc):%Y-%m-%d}Z")
    pipeline.warehouse.execute("analyze")
    name = re.sub(r".*/([^?/]+)(\?.*)?$", r"\1", pipeline.warehouse.url)
    transactions = f"select xact_commit + xact_rollback from pg_stat_database where datname = '{name}'"
    pipeline.warehouse.close()
    before = _settled(pipeline, transactions)
    again = _settled(pipeline, transactions)
    began = time.monotonic()
    finished = pipeline.luigi("RangeDaily", "--of", "RunAll", "--start", start, "--stop", start + timedelta(days=400))
    print(f"400 complete days in {time.monotonic() - began:.2f} s")
    assert finished.returncode == 0, finished.stderr
    # In autocommit every statement is a transaction; our own two questions are taken off.
    assert _settled(pipeline, transactions) - again - (again - before) <= 20
    assert len(runs(pipeline.warehouse)) == 4000


def _settled(pipeline: Pipeline, question: str) -> int:
    """The server's count of transactions, after its sessions have told theirs."""
    time.sleep(0.3)
    pipeline.source.execute("select pg_stat_clear_snapshot()")
    return int(pipeline.source.value(question))


def test_a_long_range_is_not_clipped(pipeline: Pipeline) -> None:
    start = datetime.now(timezone.utc).date() - timedelta(days=400)
    succeed(pipeline.warehouse, JOBS, days(start + timedelta(days=60), 340), f"{datetime.now(timezone.utc):%Y-%m-%d}Z")
    finished = pipeline.luigi(
        "RangeDaily", "--of", "BuildFactSessions", "--start", start, "--stop", start + timedelta(days=400)
    )
    assert finished.returncode == 0
    built = {row["target_date"] for row in runs(pipeline.warehouse) if row["job_name"] == "build_fact_sessions"}
    assert built >= set(days(start, 400))


def test_a_broken_day_does_not_keep_its_neighbours_from_being_built(pipeline: Pipeline, world: World) -> None:
    world.tenant()
    world.learner()
    for number, day in enumerate(days(START, 5)):
        world.session(f"session {number}", started_at=datetime(day.year, day.month, day.day, 9, tzinfo=timezone.utc))
    pipeline.warehouse.execute(
        "create function refuse() returns trigger language plpgsql as $$ begin"
        " if new.date_key = 20250103 then raise exception 'the disk of that day is broken'; end if; return new; end $$;"
        " select etl_ensure_day('fact_sessions', '2025-01-03');"
        " create trigger refuse before insert on fact_sessions_2025_01 for each row execute function refuse()"
    )
    finished = pipeline.luigi("RangeDaily", "--of", "RunAll", "--start", START, "--stop", START + timedelta(days=5))
    assert finished.returncode == 30
    assert "Traceback" not in finished.stderr
    assert pipeline.warehouse.column("select distinct date_key from fact_sessions order by 1") == [
        20250101, 20250102, 20250104, 20250105,
    ]  # fmt: skip
    failed = runs(pipeline.warehouse, "FAILED")
    assert {(row["job_name"], row["target_date"]) for row in failed} == {("build_fact_sessions", date(2025, 1, 3))}
    assert "the disk of that day is broken" in failed[0]["error_message"]
