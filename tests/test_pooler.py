"""PgBouncer: what pools sessions is as good as the server itself; what pools transactions is refused."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy.engine import make_url
from support.command import aivo_etl
from support.disturb import cut_in_the_middle, disturb_first_load, many_learners
from support.pgbouncer import PgBouncer
from support.pipeline import Pipeline
from support.proxy import Proxy
from support.runs import JOBS, content, runs
from support.server import AnyServer
from support.world import DAY, World, at

import aivo_luigi
from aivo_luigi.db import connect_source, connect_warehouse, forget_connections, transfer
from aivo_luigi.errors import ConfigurationError
from aivo_luigi.jobs.staging import Staging
from aivo_luigi.tasks import SyncDimLearner, SyncDimSubject, SyncDimTenant

Through = Callable[[PgBouncer], dict[str, str]]


@contextmanager
def bouncer(server: AnyServer, pool_mode: str, port: int | None = None, **settings: str) -> Iterator[PgBouncer]:
    url = make_url(server.url("postgres"))
    url = url.set(port=port or url.port)
    running = PgBouncer(url.render_as_string(hide_password=False), pool_mode, settings)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def sessions(server: AnyServer) -> Iterator[PgBouncer]:
    with bouncer(server, "session") as running:
        yield running


@pytest.fixture
def through(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Through:
    """Sets the environment to the pipeline's databases through a pooler; returns it."""

    def lead(pooler: PgBouncer) -> dict[str, str]:
        urls = {name: pooler.url(url) for name, url in pipeline.environment.items()}
        for name, url in urls.items():
            monkeypatch.setenv(name, url)
        return urls

    return lead


def test_the_whole_pipeline_runs_through_a_pooler_of_sessions(
    pipeline: Pipeline, world: World, sessions: PgBouncer, through: Through
) -> None:
    world.row_of_everything()
    urls = through(sessions)
    done = pipeline.luigi("RunAll", "--date", str(DAY), "--workers", "2", env=urls)
    assert done.returncode == 0, done.stderr
    assert sorted(row["job_name"] for row in runs(pipeline.warehouse)) == sorted(JOBS)
    world.session("late", started_at=at("11:00"))
    assert pipeline.luigi("RebuildLateDays", "--date", str(DAY), env=urls).returncode == 0
    assert pipeline.warehouse.value("select count(*) from fact_sessions") == 2
    before = content(pipeline.warehouse)
    compared = aivo_etl("compare", "--date", str(DAY), **urls)
    assert (compared.returncode, compared.stderr) == (0, "")
    assert content(pipeline.warehouse) == before


def test_a_session_that_a_pooler_hands_on_as_it_is_brings_no_tables_of_another_job(
    pipeline: Pipeline, world: World, server: AnyServer, through: Through
) -> None:
    world.row_of_everything()
    with bouncer(server, "session", server_reset_query="", default_pool_size="2") as pooler:
        through(pooler)
        for job in (SyncDimTenant, SyncDimLearner, SyncDimSubject):
            forget_connections()  # each of them a process of its own
            assert job(date=DAY).run_job().status == "SUCCESS"
        forget_connections()


def test_a_run_through_a_pooler_waits_for_the_lock_of_another(
    pipeline: Pipeline, world: World, sessions: PgBouncer, through: Through
) -> None:
    world.row_of_everything()
    urls = through(sessions)
    key = f"hashtext('aivo_luigi build_fact_sessions'), {DAY:%Y%m%d}"
    with closing(psycopg2.connect(urls["WAREHOUSE_DATABASE_URL"])) as other:
        other.autocommit = True
        other.cursor().execute(f"select pg_advisory_lock({key})")
        waiting = pipeline.luigi("BuildFactSessions", "--date", str(DAY), "--etl-lock-timeout", "1", env=urls)
        assert waiting.returncode == 30
        assert "build_fact_sessions for 2025-01-15 is running elsewhere" in waiting.stderr
    assert pipeline.luigi("BuildFactSessions", "--date", str(DAY), env=urls).returncode == 0
    assert pipeline.warehouse.value("select count(*) from pg_locks where locktype = 'advisory'") == 0


def test_a_killed_run_leaves_no_lock_behind_a_pooler(
    pipeline: Pipeline, world: World, sessions: PgBouncer, through: Through
) -> None:
    world.row_of_everything()
    urls = through(sessions)
    assert pipeline.luigi("SyncDimensions", "--date", str(DAY), env=urls).returncode == 0
    # Its extract waits for this transaction, so that it is killed while it holds the lock.
    blocking = psycopg2.connect(pipeline.source.url)
    blocking.cursor().execute("lock table sessions in access exclusive mode")
    command = [str(Path(sys.executable).with_name("luigi")), "--module", "aivo_luigi", "BuildFactSessions"]
    killed = subprocess.Popen(
        [*command, "--date", str(DAY), "--workers", "1"],
        env=pipeline.command_environment(urls),
        cwd=pipeline.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    running = "select count(*) from etl_job_runs where status = 'RUNNING'"
    until = time.monotonic() + 30
    while not pipeline.warehouse.value(running) and time.monotonic() < until:
        time.sleep(0.05)
    assert pipeline.warehouse.value(running) == 1
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    blocking.close()
    assert pipeline.luigi("BuildFactSessions", "--date", str(DAY), env=urls).returncode == 0
    (failed,) = runs(pipeline.warehouse, "FAILED")
    assert failed["error_message"].startswith("abandoned")


@pytest.mark.parametrize("mode", ["transaction", "statement"])
@pytest.mark.parametrize("which", ["source", "warehouse"])
def test_a_pooler_of_transactions_is_refused_in_one_line(
    pipeline: Pipeline, world: World, server: AnyServer, mode: str, which: str
) -> None:
    world.row_of_everything()
    variable = "OLTP_DATABASE_URL" if which == "source" else "WAREHOUSE_DATABASE_URL"
    with bouncer(server, mode) as pooler:
        urls = {variable: pooler.url(pipeline.environment[variable])}
        done = pipeline.luigi("SyncDimTenant", "--date", str(DAY), env=urls)
        assert done.returncode == (30 if which == "source" else 35)
        assert "Traceback" not in done.stderr
        assert f"the {which} is reached through a pooler that pools transactions" in done.stderr
        assert "set pool_mode = session there" in done.stderr
        # Nothing of ours stays on the servers that others use.
        with closing(psycopg2.connect(urls[variable])) as other:
            other.autocommit = True
            cursor = other.cursor()
            cursor.execute("select current_setting('statement_timeout'), current_setting('jit')")
            assert cursor.fetchone() == ("0", "on")
    assert runs(pipeline.warehouse) == []


@pytest.mark.parametrize("round_robin", ["0", "1"])
def test_a_pooler_of_transactions_is_known_whichever_server_it_hands_out(
    pipeline: Pipeline, server: AnyServer, through: Through, round_robin: str
) -> None:
    with bouncer(server, "transaction", server_round_robin=round_robin) as pooler:
        urls = through(pooler)
        # Five idle servers to choose from, and one that is in use.
        open_ones = [psycopg2.connect(urls["WAREHOUSE_DATABASE_URL"]) for _ in range(6)]
        for one in open_ones:
            one.cursor().execute("select 1")
        for one in open_ones[:5]:
            one.commit()
        with pytest.raises(ConfigurationError, match="pools transactions"), connect_warehouse("test"):
            pass
        for one in open_ones:
            one.close()


def test_a_pooler_of_sessions_is_not_taken_for_another(pipeline: Pipeline, server: AnyServer, through: Through) -> None:
    with bouncer(server, "session", server_round_robin="1") as pooler:
        urls = through(pooler)
        for _ in range(3):
            psycopg2.connect(urls["WAREHOUSE_DATABASE_URL"]).close()
        with connect_warehouse("test") as warehouse, connect_source("test"):
            assert warehouse.value("show timezone") == "UTC"
            assert warehouse.value("select pg_backend_pid()") != warehouse.raw.info.backend_pid


def test_a_direct_connection_costs_one_query_more_and_no_connection(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    connect = psycopg2.connect

    def counted(*arguments: object, **options: object) -> object:
        opened.append("one")
        return connect(*arguments, **options)

    monkeypatch.setattr(psycopg2, "connect", counted)
    for _ in range(3):
        with connect_warehouse("test"):
            pass
    assert len(opened) == 1


def test_rows_read_so_far_are_told_behind_a_pooler(
    pipeline: Pipeline, world: World, sessions: PgBouncer, through: Through, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(transfer, "_REPORT_EVERY", 0.0)
    through(sessions)
    pipeline.source.execute(
        "insert into learners select gen_random_uuid(), gen_random_uuid(), 'K5', 1, true, now(), now()"
        " from generate_series(1, 40000)"
    )
    with connect_warehouse("aivo_luigi test") as warehouse, warehouse.rolled_back():
        spec = aivo_luigi.SyncDimLearner.spec()
        staging = Staging(
            spec, DAY, warehouse, "aivo_luigi test", lambda message, _: told.append(message), prepare=lambda: None
        )
        assert staging.stage(day_is_over=True).rows == 40_000
    assert any(message.endswith(" rows read so far") and message[0] != "0" for message in told), told


def test_a_job_whose_server_goes_away_behind_a_pooler_begins_again(
    pipeline: Pipeline, world: World, server: AnyServer, through: Through, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While rows flow. The pooler stays, and lets the job in again when the server is back."""
    world.row_of_everything()
    many_learners(pipeline.source)
    proxy = Proxy(make_url(server.url("postgres")).port or 5432)
    with bouncer(server, "session", proxy.port, server_login_retry="1") as pooler:
        through(pooler)
        aivo_luigi.job_sync_dim_tenant(DAY)
        disturb_first_load(monkeypatch, pipeline.warehouse, lambda _: cut_in_the_middle(proxy))
        result = aivo_luigi.job_sync_dim_learner(DAY)
    assert (result.status, result.rows_inserted) == ("SUCCESS", 20_001), result.error_message
    assert len(runs(pipeline.warehouse, "FAILED")) == 1
    proxy.close()
