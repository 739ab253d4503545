"""What will pass is tried again, and nothing else; a database that falls silent is told of in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest
from sqlalchemy.engine import make_url
from support.disturb import cut_in_the_middle, disturb_first_load, many_learners, terminate
from support.pipeline import Pipeline
from support.proxy import Proxy
from support.server import free_port
from support.world import DAY, World

import aivo_luigi
from aivo_luigi.db import connect_source, connect_warehouse, retry
from aivo_luigi.db.transfer import stage_query
from aivo_luigi.errors import ConfigurationError, EtlError
from aivo_luigi.jobs import record


@pytest.fixture(autouse=True)
def _no_memory_of_other_tests() -> Iterator[None]:
    retry._down_since.clear()
    yield
    retry._down_since.clear()


@pytest.fixture
def proxy(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, side: str) -> Iterator[Proxy]:
    """Between the pipeline and one of its databases."""
    url = getattr(pipeline, side).url
    proxy = Proxy(make_url(url).port or 5432)
    variable = "OLTP_DATABASE_URL" if side == "source" else "WAREHOUSE_DATABASE_URL"
    monkeypatch.setenv(variable, through(url, proxy.port))
    yield proxy
    proxy.close()


def through(url: str, port: int) -> str:
    return make_url(url).set(port=port).render_as_string(hide_password=False)


@pytest.mark.parametrize(
    ("code", "passes"),
    [("40001", True), ("40P01", True), ("57P01", True), ("57P02", True), ("57P03", True)]
    + [(code, False) for code in ("53100", "53300", "42P01", "42501", "57014", "55P03", "23505", "22P02", "XX000")],
)
def test_what_the_server_says_by_code_is_worth_trying_again_or_not(pipeline: Pipeline, code: str, passes: bool) -> None:
    with pytest.raises(psycopg2.Error) as caught:
        pipeline.warehouse.execute(f"do $$ begin raise 'no' using errcode = '{code}'; end $$")
    assert retry.will_pass(caught.value) is passes


def test_a_connection_that_ends_will_pass(pipeline: Pipeline) -> None:
    other = psycopg2.connect(pipeline.warehouse.url)
    pipeline.warehouse.execute(f"select pg_terminate_backend({other.info.backend_pid})")
    for _ in range(2):  # the server's last word, then libpq's
        with pytest.raises(psycopg2.Error) as caught:
            other.cursor().execute("select 1")
        assert retry.will_pass(caught.value)


@pytest.mark.parametrize(
    ("words", "passes"),
    [
        ("could not receive data from server: Connection timed out", True),
        ("SSL error: unexpected eof while reading", True),
        ('connection to server at "db" failed: No route to host', True),
        ('could not translate host name "db" to address: Temporary failure in name resolution', True),
        ("server login has been failing, try again later", True),
        ("query_wait_timeout", True),
        ('could not translate host name "db" to address: Name or service not known', False),
        ('connection to server at "db" failed: timeout expired', False),
        ('password authentication failed for user "loader"', False),
    ],
)
def test_a_network_that_was_away_is_worth_trying_again_and_a_wrong_url_is_not(words: str, passes: bool) -> None:
    assert retry.will_pass(psycopg2.OperationalError(words)) is passes


def test_who_may_not_connect_is_told_at_once(
    pipeline: Pipeline, password_url: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = make_url(password_url(pipeline.warehouse.url))
    for wrong in (right.set(password="wrong"), right.set(database="nowhere"), right.set(username="nobody")):
        monkeypatch.setenv("WAREHOUSE_DATABASE_URL", wrong.render_as_string(hide_password=False))
        began = time.monotonic()
        with pytest.raises(ConfigurationError), connect_warehouse("test"):
            pass
        assert time.monotonic() - began < 2


def test_a_database_that_comes_back_in_time_is_waited_for(pipeline: Pipeline, monkeypatch: Any) -> None:
    port = free_port()
    monkeypatch.setenv("WAREHOUSE_DATABASE_URL", through(pipeline.warehouse.url, port))
    server = make_url(pipeline.warehouse.url).port or 5432
    started: list[Proxy] = []
    threading.Timer(1.0, lambda: started.append(Proxy(server, port))).start()
    with connect_warehouse("test") as warehouse:
        assert warehouse.value("select 1") == 1
    started[0].close()


@pytest.mark.parametrize("side", ["warehouse"])
def test_a_database_that_is_down_is_waited_for_once_in_a_process(proxy: Proxy, etl_option: Any) -> None:
    def attempts() -> int:
        before = proxy.refused
        with pytest.raises(ConfigurationError, match="can't be reached"), connect_warehouse("test"):
            pass
        return proxy.refused - before

    proxy.cut(refuse=True)
    etl_option("retry_seconds", "0")
    at_once = attempts()
    retry._down_since.clear()
    etl_option("retry_seconds", "2")
    assert attempts() > at_once
    time.sleep(2)
    assert attempts() == at_once


@pytest.mark.parametrize("side", ["warehouse"])
def test_idle_connections_that_were_cut_are_replaced(pipeline: Pipeline, proxy: Proxy, etl_option: Any) -> None:
    """Both that a process keeps."""
    etl_option("retry_seconds", "0")
    with connect_warehouse("test") as warehouse, connect_warehouse("test") as another:
        assert warehouse.value("select 1") == another.value("select 1") == 1
    proxy.cut()
    with connect_warehouse("test") as warehouse:
        assert warehouse.value("select 1") == 1


def test_settings_that_change_reach_connections_that_are_there(pipeline: Pipeline, etl_option: Any) -> None:
    """A process that lives on may be given others. Of the same settings no new session is made."""

    def look() -> tuple[Any, ...]:
        with connect_warehouse("test") as warehouse, warehouse.rolled_back():
            warehouse.execute("create temporary table held (x integer)")  # fixes temp_buffers for the session
            names = ("statement_timeout", "lock_timeout", "work_mem", "temp_buffers")
            shown = [warehouse.value("select current_setting(:'name')", name=name) for name in names]
            return (*shown, warehouse.value("select pg_backend_pid()"))

    before = look()
    assert look() == before
    etl_option("statement_timeout", "77")
    etl_option("lock_timeout", "7")
    etl_option("work_mem", "7MB")
    after = look()
    assert after[:-1] == ("77s", "7s", "7MB", "7MB")
    assert look() == after


@pytest.mark.parametrize("side", ["source", "warehouse"])
def test_a_job_that_lost_its_session_begins_again(
    pipeline: Pipeline, world: World, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.row_of_everything()
    disturb_first_load(monkeypatch, getattr(pipeline, side), terminate)
    result = aivo_luigi.job_sync_dim_tenant(DAY)
    assert (result.status, result.rows_inserted) == ("SUCCESS", 1)
    rows = pipeline.warehouse.rows("select status, error_message from etl_job_runs order by started_at")
    assert [row["status"] for row in rows] == ["FAILED", "SUCCESS"]
    assert "57P01" in rows[0]["error_message"] or "closed" in rows[0]["error_message"]


@pytest.mark.parametrize("side", ["source", "warehouse"])
def test_a_job_that_is_cut_while_rows_flow_begins_again(
    pipeline: Pipeline, world: World, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.row_of_everything()
    many_learners(pipeline.source)
    aivo_luigi.job_sync_dim_tenant(DAY)
    disturb_first_load(monkeypatch, pipeline.warehouse, lambda _: cut_in_the_middle(proxy))
    result = aivo_luigi.job_sync_dim_learner(DAY)
    assert (result.status, result.rows_inserted) == ("SUCCESS", 20_001), result.error_message
    assert pipeline.warehouse.column("select status from etl_job_runs order by started_at") == [
        *("SUCCESS", "FAILED", "SUCCESS")
    ]


def test_a_warehouse_that_ends_the_session_while_rows_flow_will_pass_and_prints_no_traceback(
    pipeline: Pipeline, world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    world.row_of_everything()
    many_learners(pipeline.source)
    query = "select id, pg_sleep(0.01)::text as slow from learners limit 100"
    with connect_source("aivo_luigi test") as source, connect_warehouse("aivo_luigi test") as warehouse:
        threading.Timer(0.5, terminate, [pipeline.warehouse]).start()
        with pytest.raises(psycopg2.OperationalError) as caught, warehouse.rolled_back():
            stage_query(source, warehouse, query, "stage", lambda: None)
    assert retry.will_pass(caught.value)
    assert capfd.readouterr().err == ""


def test_a_job_begins_again_as_often_as_it_may(
    pipeline: Pipeline, world: World, monkeypatch: pytest.MonkeyPatch, etl_option: Any
) -> None:
    world.row_of_everything()
    etl_option("retries", "0")
    disturb_first_load(monkeypatch, pipeline.warehouse, terminate)
    assert aivo_luigi.job_sync_dim_tenant(DAY).status == "FAILED"
    assert pipeline.warehouse.column("select status from etl_job_runs") == ["FAILED"]


def test_a_job_that_fails_for_a_lasting_reason_does_not_begin_again(pipeline: Pipeline, world: World) -> None:
    world.row_of_everything()
    pipeline.warehouse.execute("alter table dim_tenant add check (tenant_name <> 'school')")
    assert aivo_luigi.job_sync_dim_tenant(DAY).status == "FAILED"
    assert pipeline.warehouse.column("select status from etl_job_runs") == ["FAILED"]


def test_a_run_that_another_took_for_dead_says_itself_why(pipeline: Pipeline) -> None:
    with connect_warehouse("test") as warehouse:
        run_id = record.start(warehouse, "sync_dim_tenant", DAY, "")
        warehouse.file("runs/abandon.sql")
        record.fail(warehouse, run_id, EtlError("the reason"))
        record.fail(warehouse, run_id, EtlError("not another one"))
    record.open_runs.clear()
    assert pipeline.warehouse.column("select error_message from etl_job_runs") == ["the reason"]


def test_a_record_that_could_not_be_written_is_not_left_open(pipeline: Pipeline) -> None:
    pipeline.warehouse.execute("alter table etl_job_runs add check (job_name <> 'sync_dim_tenant')")
    assert aivo_luigi.job_sync_dim_tenant(DAY).status == "FAILED"
    assert record.open_runs == {}


@pytest.mark.parametrize("side", ["source", "warehouse"])
def test_a_database_that_falls_silent_is_told_of_in_time(
    pipeline: Pipeline, world: World, side: str, proxy: Proxy, etl_option: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.row_of_everything()
    etl_option("statement_timeout", "1")
    etl_option("connect_timeout", "2")
    disturb_first_load(monkeypatch, pipeline.warehouse, lambda _: proxy.stall())
    if side == "warehouse":
        threading.Timer(6, proxy.restore).start()
    began = time.monotonic()
    result = aivo_luigi.job_sync_dim_tenant(DAY)
    assert time.monotonic() - began < 15
    assert result.status == "FAILED"
    assert "does not answer any more" in (result.error_message or "")


def test_a_statement_that_is_answered_late_but_in_time_is_no_error(pipeline: Pipeline, etl_option: Any) -> None:
    etl_option("statement_timeout", "2")
    with connect_warehouse("test") as warehouse:
        assert warehouse.value("select 1 from pg_sleep(0.5)") == 1
        with pytest.raises(psycopg2.errors.QueryCanceled):
            warehouse.value("select 1 from pg_sleep(3)")
        assert warehouse.value("select 1") == 1
