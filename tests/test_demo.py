"""The embedded demo: a first try needs nothing but the package."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from support.database import Database
from support.pipeline import CONFIG
from support.runs import JOBS

from aivo_luigi.demo.source import install, make_day

DAY = date(2025, 1, 15)
TABLES = ["tenants", "learners", "users", "skills", "sessions", "session_events", "homework_submissions",
          "homework_steps", "homework_step_responses", "learner_skill_states", "recommendations"]  # fmt: skip


def checksums(source: Database) -> dict[str, str]:
    return {
        table: source.value(f"select coalesce(md5(string_agg(x::text, '|' order by id)), '') from {table} as x")
        for table in TABLES
    }


@pytest.fixture
def demo(empty_url: str) -> Database:
    install(empty_url)
    return Database(empty_url)


def test_a_day_made_twice_is_the_same_day(demo: Database) -> None:
    make_day(demo.url, DAY)
    first = checksums(demo)
    make_day(demo.url, DAY)
    assert checksums(demo) == first
    assert "" not in first.values()
    demo.close()


def test_the_order_of_days_makes_no_difference(demo: Database, databases) -> None:
    other = Database(databases.create())
    install(other.url)
    for day in (DAY, DAY + timedelta(days=1)):
        make_day(demo.url, day)
    for day in (DAY + timedelta(days=1), DAY):
        make_day(other.url, day)
    assert checksums(demo) == checksums(other)
    demo.close()
    other.close()
    databases.drop(other.url)


def test_the_demo_has_the_shapes_of_real_data(demo: Database) -> None:
    make_day(demo.url, DAY)
    assert demo.value("select count(*) from sessions where ended_at is null") > 0
    assert demo.value("select count(*) from sessions where ended_at::date > started_at::date") > 0
    assert demo.value("select count(*) from learners where deleted_at is not null") > 0
    assert demo.value("select count(*) from session_events where jsonb_typeof(metadata_json) <> 'object'") > 0
    demo.close()


def test_the_first_command_fills_a_warehouse_and_says_how_to_look_at_it(tmp_path: Path) -> None:
    home = Path("/tmp") / f"aivo-demo-{os.getpid()}"  # a short path: it holds a unix socket
    environment = {**os.environ, "XDG_DATA_HOME": str(home), "LUIGI_CONFIG_PATH": str(CONFIG)}
    bin_dir = Path(sys.executable).parent

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )

    try:
        finished = run(str(bin_dir / "luigi"), "--module", "aivo_luigi", "RunAll", "--date", "2025-01-15")
        assert finished.returncode == 0, finished.stderr
        for job in JOBS:
            assert job in finished.stdout
        for word in (
            "demo",
            "OLTP_DATABASE_URL",
            "WAREHOUSE_DATABASE_URL",
            "aivo-etl status",
            "python -m aivo_luigi.demo",
        ):
            assert word in finished.stdout
        looked = run(
            sys.executable, "-m", "aivo_luigi.demo", "warehouse", "-Atc", "select count(*) > 0 from fact_sessions"
        )
        assert looked.stdout.strip() == "t", looked.stderr
    finally:
        subprocess.run(["rm", "-rf", str(home)], check=False)
