"""A process that is told to stop: SIGTERM ends it at once and cleanly, SIGUSR1 after the job that is running.

AIVO_TEST_SIGNALS is the number of random moments (6 by default), AIVO_TEST_SEED what they are drawn from.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from datetime import date, timedelta

import luigi
import psutil
import pytest
from sqlalchemy.engine import make_url
from support.command import AIVO_ETL
from support.database import Database
from support.pipeline import Pipeline
from support.process import AS_PROCESS_1, LIMIT, LUIGI, TERMINATED, Run, held, wait_for
from support.proxy import Proxy
from support.world import DAY, World

import aivo_luigi
from aivo_luigi.jobs.completeness import forget_answers

MOMENTS = int(os.environ.get("AIVO_TEST_SIGNALS") or 6)
SEED = int(os.environ.get("AIVO_TEST_SEED") or random.SystemRandom().randrange(1_000_000))


def may_unshare() -> bool:
    if not shutil.which("unshare"):
        return False
    return subprocess.run([*AS_PROCESS_1, "true"], capture_output=True, check=False).returncode == 0


def wait_for_row(pipeline: Pipeline, job: str, status: str = "RUNNING") -> None:
    query = "select exists (select from etl_job_runs where job_name = %(job)s and status = %(status)s)"
    wait_for(lambda: pipeline.warehouse.value(query, job=job, status=status), f"{job} {status}")


def all_ended(pipeline: Pipeline) -> list[str]:
    """Why runs failed; none may be open, and no session of a run be left."""
    assert pipeline.warehouse.value("select count(*) from etl_job_runs where status = 'RUNNING'") == 0
    left = (
        "select count(*) from pg_stat_activity where datname = current_database() and application_name ~ '^aivo_luigi'"
    )
    wait_for(lambda: pipeline.warehouse.value(left) == 0, "the end of its sessions", 5)
    return pipeline.warehouse.column("select error_message from etl_job_runs where status = 'FAILED'")


def finish(pipeline: Pipeline, task: type[luigi.Task] = aivo_luigi.RunAll) -> None:
    """As a new process would."""
    forget_answers()
    result = pipeline.run(task, date=DAY)
    assert result.status in (luigi.LuigiStatusCode.SUCCESS, luigi.LuigiStatusCode.SUCCESS_WITH_RETRY)


@pytest.fixture
def small(pipeline: Pipeline, world: World) -> Pipeline:
    world.row_of_everything()
    return pipeline


def moments() -> list[tuple[int, bool, str, float]]:
    """The signals: number, as process 1 or not, workers, and seconds after the process is listening to signals."""
    chance = random.Random(SEED)
    return [(number, number % 3 < 2, str(1 + number % 2), chance.uniform(0, 0.8)) for number in range(MOMENTS)]


@pytest.mark.parametrize(
    ("number", "as_process_1", "workers", "seconds"), moments(), ids=[f"moment{number}" for number in range(MOMENTS)]
)
def test_sigterm_at_any_moment_ends_the_run_cleanly(
    small: Pipeline, number: int, as_process_1: bool, workers: str, seconds: float
) -> None:
    if as_process_1 and not may_unshare():
        pytest.skip("no process namespace can be made here: unshare is not allowed")
    run = Run(small, [*LUIGI, "RunAll", "--date", str(DAY), "--workers", workers], as_process_1)
    wait_for(lambda: run.heeds(signal.SIGTERM), "a handler")
    time.sleep(seconds)
    took = run.end(signal.SIGTERM)
    print(f"AIVO_TEST_SEED={SEED}: moment {number}, {seconds:.3f} s, process 1: {as_process_1}, exit in {took:.2f} s")
    assert took < LIMIT
    # A Python that ends has given its handlers back already.
    has_ended = "Luigi Execution Summary" in run.said
    assert run.code in (0, TERMINATED, -signal.SIGTERM if has_ended else TERMINATED), run.said
    assert "Traceback" not in run.said
    assert all("terminated" in message for message in all_ended(small))
    finish(small)


@pytest.mark.parametrize(
    ("command", "workers", "side", "table"),
    [
        ("luigi", "1", "warehouse", "dim_user"),
        ("luigi", "2", "source", "users"),
        ("aivo-etl", "1", "source", "users"),
        ("aivo-etl", "2", "warehouse", "dim_user"),
    ],
)
def test_a_run_that_waits_for_a_lock_is_terminated_and_says_how_to_go_on(
    small: Pipeline, command: str, workers: str, side: str, table: str
) -> None:
    force, how = (["--force"], "with --force NAME") if workers == "2" else ([], "the same command goes on")
    start = [*LUIGI, "RunAll"] if command == "luigi" else [AIVO_ETL, "run"]
    with held(getattr(small, side), table):
        run = Run(small, [*start, "--date", str(DAY), "--workers", workers, *force])
        wait_for_row(small, "sync_dim_user")
        assert run.end(signal.SIGTERM) < LIMIT
        assert run.code == TERMINATED
        assert "terminated" in run.said
        assert how in run.said
        assert "Traceback" not in run.said
        assert {"terminated: the process was told to stop; run it again"} == set(all_ended(small))
    finish(small)


def test_whatever_else_looks_at_the_warehouse_is_terminated_too(small: Pipeline) -> None:
    """All at once, for the time that each takes to begin. As process 1, what isn't heeded would not even end it."""
    days = ["--start", str(DAY), "--stop", str(DAY + timedelta(days=1))]
    commands = [["status"], ["check"], ["rejects"], ["report"], ["plan"], ["retention"], ["migrate"], ["run"]]
    commands += [["compare", *days], ["backfill", *days], ["late", "--dry-run"]]
    waiting = "select count(*) from pg_locks where not granted"
    with held(small.warehouse, "_yoyo_migration"):
        runs = [Run(small, [AIVO_ETL, *command]) for command in commands]
        runs.append(Run(small, [*LUIGI, "Retention"]))
        wait_for(lambda: small.warehouse.value(waiting) == len(runs), "all of them")
        for run in runs:
            assert run.end(signal.SIGTERM) < LIMIT
            assert run.code == TERMINATED, run.started.args
            assert "Traceback" not in run.said


def test_a_run_is_terminated_though_its_database_does_not_answer(small: Pipeline) -> None:
    """Its sessions are stopped as a cut network would stop them. One worker: no other session ends meanwhile."""
    with held(small.source, "users"):
        run = Run(small, [*LUIGI, "RunAll", "--date", str(DAY), "--workers", "1"])
        wait_for_row(small, "sync_dim_user")
        query = "select pid from pg_stat_activity where datname = current_database() and application_name ~ '^aivo_lu'"
        backends = [psutil.Process(pid) for pid in (*small.warehouse.column(query), *small.source.column(query))]
        for backend in backends:
            backend.suspend()
        assert run.end(signal.SIGTERM) < LIMIT
        assert run.code == TERMINATED
        for backend in backends:
            backend.resume()
    finish(small)


def test_a_run_that_has_written_success_but_not_committed_is_terminated(small: Pipeline) -> None:
    """Its session holds the row that must say FAILED, and would for longer than the process may take."""
    small.warehouse.execute(
        "create function last_moment() returns trigger language plpgsql as $$ begin "
        "if new.status = 'SUCCESS' then perform pg_sleep(20); end if; return new; end $$; "
        "create trigger last_moment after update on etl_job_runs for each row execute function last_moment()"
    )
    run = Run(small, [*LUIGI, "SyncDimSubject", "--date", str(DAY)])
    asleep = "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"
    wait_for(lambda: small.warehouse.value(asleep), "the last moment")
    assert run.end(signal.SIGTERM) < LIMIT
    assert {"terminated: the process was told to stop; run it again"} == set(all_ended(small))


def test_a_process_whose_parent_was_killed_ends_by_itself(small: Pipeline) -> None:
    with held(small.warehouse, "dim_user"):
        run = Run(small, [*LUIGI, "RunAll", "--date", str(DAY), "--workers", "2"])
        wait_for_row(small, "sync_dim_user")
        assert run.process.children()
        assert run.end(signal.SIGKILL) < LIMIT
        assert {"terminated: the process was told to stop; run it again"} == set(all_ended(small))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigusr1_lets_the_running_job_finish_and_starts_no_other(small: Pipeline, workers: str) -> None:
    with held(small.warehouse, "dim_tenant"):
        run = Run(small, [*LUIGI, "RunAll", "--date", str(DAY), "--workers", workers])
        wait_for_row(small, "sync_dim_tenant")
        if workers == "2":  # the other jobs that don't need the tenants
            wait_for_row(small, "sync_dim_skill", "SUCCESS")
        begun = set(small.warehouse.column("select job_name from etl_job_runs"))
        run.process.send_signal(signal.SIGUSR1)
        time.sleep(0.3)
    assert run.started.wait(30) == 25, run.said
    assert all_ended(small) == []
    assert set(small.warehouse.column("select job_name from etl_job_runs")) == begun
    finish(small)


@pytest.mark.parametrize("command", ["luigi of two workers", "aivo-etl"])
def test_sigusr1_ends_a_range_with_the_day_that_is_running(small: Pipeline, command: str) -> None:
    """Though Luigi hands out 31 days at once, to each worker, or aivo-etl has months to go."""
    days = ["--start", str(DAY - timedelta(days=40)), "--stop", str(DAY + timedelta(days=1))]
    finish(small, aivo_luigi.SyncDimensions)
    if command == "aivo-etl":
        start = [AIVO_ETL, "backfill", "--job", "build_fact_sessions", *days]
    else:
        start = [*LUIGI, "RangeDaily", "--of", "BuildFactSessions", *days]
        start += ["--workers", "2"] if "two" in command else []
    with held(small.warehouse, "fact_sessions"):
        run = Run(small, start)
        running = [DAY, DAY - timedelta(days=31)] if "two" in command else [DAY]
        wait_for(lambda: len(built(small)) == len(running), "the days that are running")
        run.process.send_signal(signal.SIGUSR1)
        time.sleep(0.3)
    assert run.started.wait(30) == 25, run.said
    assert sorted(built(small), reverse=True) == running
    assert "Traceback" not in run.said


def built(pipeline: Pipeline) -> list[date]:
    return pipeline.warehouse.column("select target_date from etl_job_runs where job_name = 'build_fact_sessions'")


def test_a_program_that_was_told_to_stop_builds_when_it_builds_again(small: Pipeline) -> None:
    finish(small, aivo_luigi.SyncDimensions)
    python(
        small,
        "import datetime, luigi, signal, aivo_luigi\n"
        "def build():\n"
        "    days = [datetime.date(2025, 1, day) for day in (13, 14, 15)]\n"
        "    tasks = [aivo_luigi.BuildFactSessions(date=day) for day in days]\n"
        "    return luigi.build(tasks, local_scheduler=True, workers=1, detailed_summary=True).status.name\n"
        "told = iter([signal.SIGUSR1])\n"
        "@luigi.Task.event_handler(luigi.Event.START)\n"
        "def tell(task):\n"
        "    for number in told: signal.raise_signal(number)\n"
        "assert build() == 'NOT_RUN'\n"
        "assert build() == 'SUCCESS'\n",
    )
    assert len(built(small)) == 3


def test_a_command_that_is_told_to_stop_between_its_runs_of_luigi_begins_nothing(small: Pipeline) -> None:
    python(
        small,
        "import signal, aivo_luigi\n"
        "from aivo_luigi.operate.run import build\n"
        f"assert build([aivo_luigi.SyncDimSubject(date='{DAY}')], 1)[0] == 0\n"
        "signal.raise_signal(signal.SIGUSR1)\n"
        f"assert build([aivo_luigi.SyncDimTenant(date='{DAY}')], 1)[0] == 25\n",
    )
    assert small.warehouse.column("select job_name from etl_job_runs") == ["sync_dim_subject"]


def python(pipeline: Pipeline, program: str) -> None:
    command = [sys.executable, "-c", program]
    subprocess.run(command, env=pipeline.command_environment(), check=True, timeout=20)


def test_a_handler_of_ones_own_is_left_alone(small: Pipeline) -> None:
    program = (
        "import luigi, os, signal, aivo_luigi\n"
        "assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL\n"
        "signal.signal(signal.SIGTERM, lambda *_: os._exit(7))\n"
        f"luigi.build([aivo_luigi.SyncDimSubject(date='{DAY}')], local_scheduler=True)\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], env=small.command_environment(), check=False)
    assert done.returncode == 7


@pytest.mark.parametrize("side", ["source", "warehouse"])
def test_a_network_that_is_silent_keeps_no_run_that_was_interrupted_from_ending(small: Pipeline, side: str) -> None:
    databases = {"source": small.source, "warehouse": small.warehouse}
    url = make_url(databases[side].url)
    proxy = Proxy(url.port or 5432)
    databases[side] = Database(url.set(port=proxy.port).render_as_string(hide_password=False))
    through = Pipeline(databases["source"], databases["warehouse"], small.folder)
    with held(small.source, "learners"):
        run = Run(through, [AIVO_ETL, "run", "--date", str(DAY), "--workers", "1"])
        wait_for_row(small, "sync_dim_learner")
        time.sleep(0.3)  # it waits for the table, and nobody for a lock of ours
        proxy.stall()
        if side == "source":
            assert run.end(signal.SIGINT) < LIMIT
        else:  # the record of the run is tried to be closed for some seconds
            run.process.send_signal(signal.SIGINT)
            time.sleep(0.5)
            assert run.end(signal.SIGTERM) < LIMIT
    assert run.code == (130 if side == "source" else TERMINATED), run.said
    proxy.close()
    databases[side].close()


FORKED_UNNOTED = """
import os, signal, sys, time
import aivo_luigi.tasks
from aivo_luigi.jobs.signals import heed_signals

heed_signals()
if not (child := os.fork()):
    time.sleep(60)
print(child, flush=True)
time.sleep(60)
"""


def test_a_process_that_was_being_forked_ends_before_the_one_that_forked_it() -> None:
    """Its parent's main thread is halted before it can note the new process anywhere."""
    run = subprocess.Popen([sys.executable, "-c", FORKED_UNNOTED], stdout=subprocess.PIPE, text=True)
    assert run.stdout
    child = psutil.Process(int(run.stdout.readline()))
    run.terminate()
    assert run.wait(timeout=10) == TERMINATED
    assert not child.is_running()
