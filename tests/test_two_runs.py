"""Two runs at once, runs that died, and runs that are killed: the warehouse is what one undisturbed run makes of it.

AIVO_TEST_KILLS is the number of kills (3 by default), AIVO_TEST_SEED what their moments are drawn from.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import psycopg2
import pytest
from support.database import Database
from support.databases import Databases
from support.pipeline import Pipeline
from support.runs import DIMENSIONS, FACTS, JOBS
from support.world import DAY, DAY_BEFORE, NEXT_DAY
from support.zygote import Run, zygote_of

import aivo_luigi
from aivo_luigi import sqlfiles
from aivo_luigi.demo import install, make_day
from aivo_luigi.jobs.completeness import forget_answers

KILLS = int(os.environ.get("AIVO_TEST_KILLS") or 3)
SEED = int(os.environ.get("AIVO_TEST_SEED") or random.SystemRandom().randrange(1_000_000))

SOME_JOBS = {"sync_dim_learner": "SyncDimLearner", "build_fact_sessions": "BuildFactSessions"}

# Natural keys in the place of surrogate ones. A version of an SCD 2 dimension is named by its id and its beginning.
_TENANT = "select jsonb_build_array(tenant_id, effective_from) from dim_tenant as d where d.tenant_key = t.tenant_key"
_LEARNER = (
    "select jsonb_build_array(learner_id, effective_from) from dim_learner as d where d.learner_key = t.learner_key"
)
_SUBJECT = "select to_jsonb(subject_code) from dim_subject as d where d.subject_key = t.subject_key"
_SKILL = "select to_jsonb(skill_id) from dim_skill as d where d.skill_key = t.skill_key"
_SESSION = (
    "select to_jsonb(session_id) from fact_sessions as d "
    "where d.session_key = t.session_key and d.date_key = t.session_date_key"
)
_OWN_KEYS = {
    "dim_tenant": "tenant_key",
    "dim_learner": "learner_key",
    "dim_user": "user_key",
    "dim_subject": "subject_key",
    "dim_skill": "skill_key",
    "fact_sessions": "session_key",
    "fact_focus_events": "focus_event_key",
    "fact_homework_events": "homework_event_key",
    "fact_learning_progress": "progress_key",
    "fact_recommendation_events": "recommendation_event_key",
}
_REFERENCES = {
    "tenant_key": _TENANT,
    "learner_key": _LEARNER,
    "subject_key": _SUBJECT,
    "skill_key": _SKILL,
    "session_key": _SESSION,
}


def content(warehouse: Database) -> dict[str, list[str]]:
    """All that the warehouse holds, as sorted rows of JSON; surrogate keys aside."""
    found: dict[str, list[str]] = {}
    for table in tables(warehouse):
        names = columns(warehouse, table)
        own = _OWN_KEYS.get(table)
        named = [(name, _REFERENCES[name]) for name in names if name in _REFERENCES and name != own]
        dropped = {own, *(name for name, _ in named)} - {None}
        row = f"to_jsonb(t) - array[{', '.join(repr(name) for name in sorted(dropped))}]::text[]"
        for name, select in named:
            row += f" || jsonb_build_object('{name}', ({select}))"
        found[table] = warehouse.column(f"select ({row})::text from {table} as t order by 1")
    rejects = "select (to_jsonb(t) - array['run_id', 'rejected_at'])::text from etl_rejected_rows as t order by 1"
    return found | {"etl_rejected_rows": warehouse.column(rejects)}


def tables(warehouse: Database) -> list[str]:
    """The dimensions and facts, and what else the pipeline keeps there; partitions are read through their table."""
    return warehouse.column(
        "select relname from pg_class "
        "where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition "
        "and relname not in ('etl_job_runs', 'etl_rejected_rows', 'etl_watermarks') and relname !~ '^_?yoyo' order by 1"
    )


def columns(warehouse: Database, table: str) -> list[str]:
    return warehouse.column(
        "select attname from pg_attribute where attrelid = %(table)s::regclass and attnum > 0 and not attisdropped",
        table=table,
    )


@contextmanager
def locked(warehouse: Database, job: str, day: date | None = None) -> Iterator[None]:
    """Another session holds the lock of a job and day; a dimension's has no day."""
    connection = psycopg2.connect(warehouse.url)
    try:
        connection.autocommit = True
        lock_day = int(f"{day:%Y%m%d}") if day else 0
        statement = sqlfiles.render(sqlfiles.read("runs/lock.sql"), connection, job_name=job, lock_day=lock_day)
        connection.cursor().execute(statement)
        yield
    finally:
        connection.close()


def start(pipeline: Pipeline, *arguments: Any) -> Run:
    """Start the command and don't wait for it."""
    log = pipeline.folder.parent / f"run {time.monotonic_ns()}.log"
    command = ["--module", "aivo_luigi", *map(str, arguments)]
    return zygote_of("luigi").start(command, pipeline.command_environment(), log, folder=pipeline.folder)


def finish(process: Run) -> None:
    """Wait for a process, which must succeed."""
    try:
        code = process.wait(timeout=120)
    finally:
        process.kill()
    assert code == 0, process.said


def wait_until_waiting(pipeline: Pipeline, process: Run, number: int = 1) -> None:
    """Until so many sessions of the warehouse wait for an advisory lock."""
    deadline = time.monotonic() + 60
    query = (
        "select count(*) from pg_locks where locktype = 'advisory' and not granted "
        "and database = (select oid from pg_database where datname = current_database())"
    )
    while pipeline.warehouse.value(query) < number:
        assert process.poll() is None, f"ended instead of waiting:\n{process.said}"
        assert time.monotonic() < deadline, f"waits for nothing:\n{process.said}"
        time.sleep(0.02)


def run(pipeline: Pipeline, task: Any = aivo_luigi.RunAll, day: date = DAY, **parameters: Any) -> None:
    """Run a task as a new process would."""
    forget_answers()
    assert pipeline.run(task, date=day, **parameters).scheduling_succeeded


def write(pipeline: Pipeline, job: str, status: str, day: date = DAY) -> Any:
    """A row of etl_job_runs; its id."""
    return pipeline.warehouse.value(
        "insert into etl_job_runs (job_name, run_date, target_date, status, started_at) "
        "values (%(job)s, now()::date, %(day)s, %(status)s, now() - interval '1 minute') returning id",
        job=job,
        day=day,
        status=status,
    )


def runs(pipeline: Pipeline, job: str) -> list[tuple[date, str]]:
    """The runs of a job: day and status, in the order in which they started."""
    rows = pipeline.warehouse.rows(
        "select target_date, status from etl_job_runs where job_name = %(job)s order by started_at", job=job
    )
    return [(row["target_date"], row["status"]) for row in rows]


def status(pipeline: Pipeline, row_id: Any) -> Any:
    return pipeline.warehouse.value("select status from etl_job_runs where id = %(id)s", id=row_id)


@pytest.fixture
def rich(pipeline: Pipeline, databases: Databases) -> Iterator[Pipeline]:
    """A pipeline from a source with thousands of rows a day."""
    url = databases.create_from("demo", make_rich_source)
    rich = Pipeline(Database(url), pipeline.warehouse, pipeline.folder)
    yield rich
    rich.source.close()
    databases.drop_soon(url)


@pytest.fixture
def small(pipeline: Pipeline, world: Any) -> Pipeline:
    """A pipeline from a source with a row of everything."""
    world.row_of_everything()
    return pipeline


def make_rich_source(url: str) -> None:
    install(url)
    make_day(url, DAY)


@pytest.fixture(scope="session")
def undisturbed(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[str]]]:
    """What an undisturbed run makes of the rich source's DAY."""
    source, warehouse = databases.create_from("demo", make_rich_source), databases.create()
    pipeline = Pipeline(Database(source), Database(warehouse), tmp_path_factory.mktemp("undisturbed"))
    done = pipeline.luigi("RunAll", "--date", DAY)
    assert done.returncode == 0, done.stdout + done.stderr
    found = content(pipeline.warehouse)
    assert len(found["fact_sessions"]) > 100
    assert len(found["fact_focus_events"]) > 100
    yield found
    pipeline.source.close()
    pipeline.warehouse.close()
    databases.drop(warehouse)
    databases.drop(source)


# Two at once


def test_two_processes_for_the_same_day_make_what_one_makes(rich, undisturbed):
    processes = [start(rich, "RunAll", "--date", DAY) for _ in range(2)]
    for process in processes:
        finish(process)
    found = rich.warehouse.rows("select job_name, status from etl_job_runs")
    assert sorted((row["job_name"], row["status"]) for row in found) == sorted((job, "SUCCESS") for job in JOBS)
    assert content(rich.warehouse) == undisturbed


def test_two_processes_into_an_empty_warehouse_make_what_one_makes(rich, undisturbed, empty_url):
    pipeline = Pipeline(rich.source, Database(empty_url), rich.folder)
    processes = [start(pipeline, "RunAll", "--date", DAY) for _ in range(2)]
    for process in processes:
        finish(process)
    assert sorted(pipeline.warehouse.column("select job_name from etl_job_runs")) == sorted(JOBS)
    assert content(pipeline.warehouse) == undisturbed
    pipeline.warehouse.close()


def test_two_processes_with_two_workers_each_make_what_one_makes(rich, undisturbed):
    processes = [start(rich, "RunAll", "--date", DAY, "--workers", "2") for _ in range(2)]
    for process in processes:
        finish(process)
    found = rich.warehouse.rows("select job_name, status from etl_job_runs")
    assert sorted((row["job_name"], row["status"]) for row in found) == sorted((job, "SUCCESS") for job in JOBS)
    assert content(rich.warehouse) == undisturbed


def test_two_days_at_once_are_both_built_and_the_dimensions_synced_once(small):
    processes = [start(small, "RunAll", "--date", day) for day in (DAY, NEXT_DAY)]
    for process in processes:
        finish(process)
    for job in DIMENSIONS:
        assert [found for _, found in runs(small, job)] == ["SUCCESS"]
    for job in FACTS:
        assert sorted(runs(small, job)) == [(DAY, "SUCCESS"), (NEXT_DAY, "SUCCESS")]


def test_two_runs_that_need_the_same_months_partition_make_it_once(small):
    """One has made it and not yet committed when the other comes."""
    run(small, aivo_luigi.SyncDimensions)
    connection = psycopg2.connect(small.warehouse.url)
    for fact in FACTS:
        connection.cursor().execute("select etl_ensure_day(%s, %s)", (fact.removeprefix("build_"), NEXT_DAY))
    process = start(small, "RunAll", "--date", DAY)
    wait_until_waiting(small, process)
    connection.commit()
    connection.close()
    finish(process)


def test_two_forced_processes_take_turns_and_leave_one_days_rows(rich, undisturbed):
    run(rich)
    processes = [start(rich, "RunAll", "--date", DAY, "--force") for _ in range(2)]
    for process in processes:
        finish(process)
    for job in JOBS:
        assert [found for _, found in runs(rich, job)] == ["SUCCESS"] * 3
    overlapping = (
        "select a.job_name from etl_job_runs as a inner join etl_job_runs as b using (job_name) "
        "where a.id < b.id and a.started_at < b.completed_at and b.started_at < a.completed_at"
    )
    assert rich.warehouse.column(overlapping) == []
    assert content(rich.warehouse) == undisturbed


# The lock


@pytest.mark.parametrize("job", SOME_JOBS)
def test_the_second_run_waits_for_the_first_and_then_does_nothing(small, job):
    run(small, getattr(aivo_luigi, SOME_JOBS[job]))
    small.warehouse.execute("delete from etl_job_runs where job_name = %(job)s", job=job)
    with locked(small.warehouse, job, None if job in DIMENSIONS else DAY):
        process = start(small, SOME_JOBS[job], "--date", DAY)
        wait_until_waiting(small, process)
        assert runs(small, job) == []
        write(small, job, "SUCCESS")
    finish(process)
    assert runs(small, job) == [(DAY, "SUCCESS")]


def test_the_second_run_takes_over_when_the_first_fails(small):
    with locked(small.warehouse, "build_fact_sessions", DAY):
        process = start(small, "BuildFactSessions", "--date", DAY)
        wait_until_waiting(small, process)
        write(small, "build_fact_sessions", "FAILED")
    finish(process)
    assert runs(small, "build_fact_sessions") == [(DAY, "FAILED"), (DAY, "SUCCESS")]


def test_a_fact_is_locked_for_its_day_alone(small):
    with locked(small.warehouse, "build_fact_sessions", DAY):
        run(small, aivo_luigi.BuildFactSessions, NEXT_DAY)
        run(small, aivo_luigi.BuildFactSessions, DAY_BEFORE)
    assert runs(small, "build_fact_sessions") == [(NEXT_DAY, "SUCCESS"), (DAY_BEFORE, "SUCCESS")]


def test_a_fact_is_locked_for_its_job_alone(small):
    """The other jobs of the day run; what needs the sessions waits for them."""
    with locked(small.warehouse, "build_fact_sessions", DAY):
        run(small, aivo_luigi.BuildFactLearningProgress)
        run(small, aivo_luigi.BuildFactRecommendationEvents)
        assert runs(small, "build_fact_sessions") == []


@pytest.mark.parametrize("day", [DAY_BEFORE, NEXT_DAY])
def test_a_dimension_is_locked_whatever_the_day(small, day):
    with locked(small.warehouse, "sync_dim_tenant"):
        process = start(small, "SyncDimTenant", "--date", day)
        wait_until_waiting(small, process)
        assert runs(small, "sync_dim_tenant") == []
    finish(process)
    assert runs(small, "sync_dim_tenant") == [(day, "SUCCESS")]


def test_a_lock_that_is_not_free_in_time_is_an_error_in_one_line(small):
    with locked(small.warehouse, "build_fact_sessions", DAY):
        done = small.luigi("BuildFactSessions", "--date", DAY, "--etl-lock-timeout", "1")
    assert done.returncode == 30
    assert any("build_fact_sessions" in line and "running elsewhere" in line for line in done.stderr.splitlines())
    assert "Traceback" not in done.stderr
    assert runs(small, "build_fact_sessions") == []
    run(small, aivo_luigi.BuildFactSessions)


def test_no_lock_is_left_when_a_run_is_over(small):
    run(small)
    held = (
        "select count(*) from pg_locks where locktype = 'advisory' "
        "and database = (select oid from pg_database where datname = current_database())"
    )
    assert small.warehouse.value(held) == 0
    small.warehouse.execute("delete from etl_job_runs")
    small.source.execute("alter table sessions rename to elsewhere")
    forget_answers()
    small.run(aivo_luigi.RunAll, date=DAY)
    assert ("build_fact_sessions", "FAILED") in {
        (row["job_name"], row["status"]) for row in small.warehouse.rows("select * from etl_job_runs")
    }
    assert small.warehouse.value(held) == 0


# Abandoned runs


def test_the_rows_of_processes_that_are_no_more_are_marked_failed(small):
    for job in JOBS:
        write(small, job, "RUNNING")
    finish(start(small, "RunAll", "--date", DAY))
    for job in JOBS:
        assert runs(small, job) == [(DAY, "FAILED"), (DAY, "SUCCESS")]
    for row in small.warehouse.rows("select * from etl_job_runs where status = 'FAILED'"):
        assert "abandoned" in row["error_message"]
        assert row["completed_at"] > row["started_at"]


def test_a_run_closes_the_rows_of_dead_runs_of_other_jobs_and_days_even_if_it_has_nothing_to_do(small):
    run(small, aivo_luigi.SyncDimTenant)
    left = [
        write(small, "build_fact_sessions", "RUNNING", NEXT_DAY),
        write(small, "build_fact_sessions", "RUNNING", DAY),
        write(small, "sync_dim_user", "RUNNING", DAY_BEFORE),
    ]
    finish(start(small, "SyncDimTenant", "--date", DAY))
    assert {status(small, row_id) for row_id in left} == {"FAILED"}
    assert len(runs(small, "sync_dim_tenant")) == 1


def test_the_row_of_a_dead_sync_is_marked_failed_by_a_sync_for_another_day(small):
    left = write(small, "sync_dim_tenant", "RUNNING", DAY)
    run(small, aivo_luigi.SyncDimTenant, NEXT_DAY)
    assert status(small, left) == "FAILED"
    assert runs(small, "sync_dim_tenant") == [(DAY, "FAILED"), (NEXT_DAY, "SUCCESS")]


def test_all_the_rows_that_dead_runs_left_are_marked_failed(small):
    left = [write(small, "build_fact_sessions", "RUNNING") for _ in range(3)]
    run(small, aivo_luigi.BuildFactSessions)
    assert {status(small, row_id) for row_id in left} == {"FAILED"}


def test_the_row_of_a_run_that_holds_its_lock_is_left_alone(small):
    """By runs of the same job for another day, and of other jobs."""
    running = write(small, "build_fact_sessions", "RUNNING")
    with locked(small.warehouse, "build_fact_sessions", DAY):
        run(small, aivo_luigi.BuildFactSessions, NEXT_DAY)
        assert status(small, running) == "RUNNING"
        run(small, aivo_luigi.BuildFactRecommendationEvents)
        assert status(small, running) == "RUNNING"


def test_the_row_of_a_sync_that_holds_its_lock_is_left_alone(small):
    run(small, aivo_luigi.SyncDimensions)
    running = write(small, "sync_dim_tenant", "RUNNING", NEXT_DAY)
    with locked(small.warehouse, "sync_dim_tenant"):
        run(small, aivo_luigi.BuildFactSessions, NEXT_DAY)
        assert status(small, running) == "RUNNING"
    run(small, aivo_luigi.SyncDimTenant, NEXT_DAY, force="again")
    assert status(small, running) == "FAILED"


def test_the_row_of_a_run_that_another_waits_for_is_left_alone_while_it_runs(small):
    running = write(small, "build_fact_sessions", "RUNNING")
    with locked(small.warehouse, "build_fact_sessions", DAY):
        process = start(small, "BuildFactSessions", "--date", DAY)
        wait_until_waiting(small, process)
        assert status(small, running) == "RUNNING"
    finish(process)
    assert runs(small, "build_fact_sessions") == [(DAY, "FAILED"), (DAY, "SUCCESS")]


# Kills


def moments() -> list[tuple[int, int, float]]:
    """The kills: number, the run rows that must be there first, and how many seconds later it comes."""
    chance = random.Random(SEED)
    found = []
    for number in range(KILLS):
        rows = chance.randint(0, len(JOBS))
        # Without a row to wait for, it comes somewhere in the start and, if there is one, the migration.
        found.append((number, rows, chance.uniform(0, 0.4) if rows == 0 else chance.uniform(0, 0.04)))
    return found


@pytest.mark.parametrize(("number", "rows", "seconds"), moments(), ids=[f"kill{number}" for number in range(KILLS)])
def test_a_killed_run_leaves_nothing_that_the_next_one_does_not_put_right(
    rich, undisturbed, empty_url, number, rows, seconds
):
    """By turns: the first run of an empty warehouse, one in a migrated one, and a rebuild by force."""
    kind = ("empty", "migrated", "rebuild")[number % 3]
    warehouse = Database(empty_url) if kind == "empty" else rich.warehouse
    pipeline = Pipeline(rich.source, warehouse, rich.folder)
    if kind == "rebuild":
        finish(start(pipeline, "RunAll", "--date", DAY))
        rows += len(JOBS)
    process = start(pipeline, "RunAll", "--date", DAY, *(["--force"] if kind == "rebuild" else []))
    while process.poll() is None and rows_so_far(warehouse) < rows:
        time.sleep(0.001)
    time.sleep(seconds)
    process.kill()
    process.wait(timeout=60)
    print(f"AIVO_TEST_SEED={SEED}: kill {number} ({kind}) {seconds:.3f} s after row {rows}: {how_far(warehouse)}")

    finish(start(pipeline, "RunAll", "--date", DAY))
    assert warehouse.value("select count(*) from etl_job_runs where status = 'RUNNING'") == 0
    assert content(warehouse) == undisturbed
    assert complete(pipeline)
    failed = warehouse.column("select error_message from etl_job_runs where status = 'FAILED'")
    # The processes of tasks end as soon as their parent has, and close their rows if they still can.
    assert all("abandoned" in message or "terminated" in message for message in failed), failed
    assert len(failed) <= 2

    # And the one after that has nothing to do.
    before = warehouse.value("select count(*) from etl_job_runs")
    finish(start(pipeline, "RunAll", "--date", DAY))
    assert warehouse.value("select count(*) from etl_job_runs") == before
    if kind == "empty":
        warehouse.close()


def rows_so_far(warehouse: Database) -> int:
    """How many runs have begun; none before the migration."""
    if warehouse.value("select to_regclass('etl_job_runs') is null"):
        return 0
    number: int = warehouse.value("select count(*) from etl_job_runs")
    return number


def how_far(warehouse: Database) -> str:
    """What the killed run had come to."""
    if rows_so_far(warehouse) == 0:
        return "before the first row"
    rows = warehouse.rows("select status, job_name from etl_job_runs order by started_at")
    running = [row["job_name"] for row in rows if row["status"] == "RUNNING"]
    return f"{len(rows) - len(running)} jobs done, in {running[0] if running else 'between'}"


def complete(pipeline: Pipeline) -> bool:
    """Each job has its one SUCCESS row, or with a rebuild two."""
    found = pipeline.warehouse.rows(
        "select job_name, count(*) as runs, count(distinct force_token) as forced from etl_job_runs "
        "where status = 'SUCCESS' group by 1"
    )
    return len(found) == len(JOBS) and all(row["runs"] == 1 + row["forced"] for row in found)


@pytest.mark.parametrize("job", SOME_JOBS)
def test_a_run_killed_before_it_commits_leaves_a_row_for_the_next_to_close(small, job):
    """The moment that chance seldom finds: all is loaded, and SUCCESS is not yet written."""
    small.warehouse.execute(
        "create function last_moment() returns trigger language plpgsql as $$ begin "
        f"if new.status = 'SUCCESS' and new.job_name = '{job}' then perform pg_sleep(60); end if; return new; end $$"
    )
    small.warehouse.execute(
        "create trigger last_moment before update on etl_job_runs for each row execute function last_moment()"
    )
    process = start(small, "RunAll", "--date", DAY, "--workers", "1")
    deadline = time.monotonic() + 60
    sleeping = "select pid from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"
    while not (pids := small.warehouse.column(sleeping)):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait(timeout=60)
    # The server notices a dead client when it next speaks to it; here it is told.
    for pid in pids:
        small.warehouse.value("select pg_terminate_backend(%(pid)s, 5000)", pid=pid)
    small.warehouse.execute("drop trigger last_moment on etl_job_runs")
    assert runs(small, job) == [(DAY, "RUNNING")]
    run(small)
    assert runs(small, job) == [(DAY, "FAILED"), (DAY, "SUCCESS")]
    for table, number in counts_of_one_lesson().items():
        assert small.warehouse.value(f"select count(*) from {table}") == number, table


def counts_of_one_lesson() -> dict[str, int]:
    one = dict.fromkeys(_OWN_KEYS, 1)
    return one | {"dim_subject": 6}


def test_a_run_that_lost_its_warehouse_connection_is_put_right_by_the_next(rich, undisturbed):
    """The server ends all sessions in the middle of a run."""
    chance = random.Random(SEED)
    process = start(rich, "RunAll", "--date", DAY)
    with_row = "select count(*) from etl_job_runs"
    while process.poll() is None and rich.warehouse.value(with_row) < chance.randint(1, 8):
        time.sleep(0.005)
    rich.warehouse.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()"
    )
    process.wait(timeout=60)
    finish(start(rich, "RunAll", "--date", DAY))
    assert rich.warehouse.value("select count(*) from etl_job_runs where status = 'RUNNING'") == 0
    assert content(rich.warehouse) == undisturbed
