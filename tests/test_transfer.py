"""COPY out of one server into the other: exact, constant in memory, and never half a stream."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from uuid import uuid4

import psycopg2
import pytest
from support.database import Database
from support.disturb import many_learners
from support.pipeline import Pipeline
from support.world import DAY, World

import aivo_luigi
from aivo_luigi.config import database_urls
from aivo_luigi.db import (
    Connection,
    connect_source,
    connect_warehouse,
    connection,
    forget_connections,
    open_source_ahead,
    transfer,
)
from aivo_luigi.db.source import snapshot
from aivo_luigi.db.transfer import stage_query
from aivo_luigi.jobs.compare import compare
from aivo_luigi.tasks import BuildFactHomeworkEvents, BuildFactSessions, SyncDimLearner, SyncDimTenant


@pytest.fixture
def both(pipeline: Pipeline) -> Iterator[tuple[Connection, Connection]]:
    with connect_source("test") as source, connect_warehouse("test") as warehouse:
        yield source, warehouse


def nothing() -> None:
    """Nobody wants to know how far it is."""


EXACT = r"""
select * from (values
    (null::uuid, null::text, null::integer, null::bigint, null::numeric, null::boolean, null::timestamptz,
     null::jsonb, null::date),
    ('00000000-0000-0000-0000-000000000001', E'tab\t, "line"\n\\N \\ ünïcode 🦊', -2147483648, 9223372036854775807,
     1e-30, true, '2025-01-15 12:00:00.123456+00', '{"a": [1, "x", null]}', '2025-01-15'),
    ('ffffffff-ffff-ffff-ffff-ffffffffffff', '', 2147483647, -1, 'NaN', false, 'infinity', 'null', 'infinity'),
    (null, '\.', 0, 0, 123456789012345678901234567890.0123456789, null, '-infinity', '"text"', '0001-01-01')
) as v (a, b, c, d, e, f, g, h, i)
"""


@pytest.mark.parametrize(("own", "read_with"), [("4", "1.1"), ("1", "1")])
def test_a_day_of_a_long_source_is_read_by_the_index_that_leads_to_it(
    pipeline: Pipeline, own: str, read_with: str
) -> None:
    pipeline.source.execute(
        f"do $$ begin execute format('alter database %I set random_page_cost = {own}', current_database()); end $$"
    )
    forget_connections()
    with snapshot("test", date(2025, 1, 15), day_is_over=True) as source:
        assert source.connection.value("show random_page_cost") == read_with
    with connect_source("test") as after:
        assert after.value("show random_page_cost") == own


def test_every_value_arrives_as_it_was(both: tuple[Connection, Connection]) -> None:
    source, warehouse = both
    with warehouse.transaction():
        assert stage_query(source, warehouse, EXACT, "stage", nothing) == 4
        expected = source.execute(
            f"select md5(string_agg(x::text, '|' order by x::text)) from ({EXACT}) as x"
        ).fetchone()
        assert (
            warehouse.execute("select md5(string_agg(x::text, '|' order by x::text)) from stage as x").fetchone()
            == expected
        )
        types = warehouse.execute(
            "select array_agg(format_type(atttypid, null) order by attnum) from pg_attribute"
            " where attrelid = 'stage'::regclass and attnum > 0"
        ).fetchone()
        assert types == (
            ["uuid", "text", "integer", "bigint", "numeric", "boolean", "timestamp with time zone", "jsonb", "date"],
        )


def test_no_rows_are_a_stage_without_rows(both: tuple[Connection, Connection]) -> None:
    source, warehouse = both
    with warehouse.transaction():
        assert stage_query(source, warehouse, "select 1::integer as a where false", "stage", nothing) == 0
        assert warehouse.value("select count(*) from stage") == 0


def test_a_type_that_is_not_known_makes_the_stream_text(both: tuple[Connection, Connection]) -> None:
    source, warehouse = both
    with warehouse.transaction():
        query = "select session_type, 5::integer as n from (values ('SEL'::char(3))) as v (session_type)"
        assert stage_query(source, warehouse, query, "stage", nothing) == 1
        assert warehouse.execute("select session_type, n from stage").fetchone() == ("SEL", "5")


def test_an_extraction_that_breaks_in_the_middle_loads_nothing(both: tuple[Connection, Connection]) -> None:
    source, warehouse = both
    query = (
        "select (1 / (50000 - n))::integer as a, repeat('x', 200)::text as b from generate_series(1, 60000) as s (n)"
    )
    with pytest.raises(psycopg2.errors.DivisionByZero), warehouse.transaction():
        stage_query(source, warehouse, query, "stage", nothing)
    assert warehouse.value("select to_regclass('pg_temp.stage')") is None


def test_a_warehouse_that_breaks_does_not_leave_the_source_hanging(both: tuple[Connection, Connection]) -> None:
    source, warehouse = both
    warehouse.execute("set statement_timeout = 300")
    query = "select n::integer as a, repeat('x', 500)::text as b from generate_series(1, 3000000) as s (n)"
    with pytest.raises(psycopg2.errors.QueryCanceled), warehouse.transaction():
        stage_query(source, warehouse, query, "stage", nothing)


def test_memory_does_not_grow_with_the_rows(pipeline: Pipeline) -> None:
    program = """
import resource
from aivo_luigi.db import connect_source, connect_warehouse
from aivo_luigi.db.transfer import stage_query
with connect_source("test") as source, connect_warehouse("test") as warehouse:
    def copy(rows):
        query = f"select n::integer as a, repeat('x', 200)::text as b from generate_series(1, {rows}) as s (n)"
        with warehouse.transaction():
            assert stage_query(source, warehouse, query, "stage", lambda: None) == rows
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    small = copy(1000)
    print(copy(400000) - small)
"""
    finished = subprocess.run(
        [sys.executable, "-c", program],
        env=pipeline.command_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert int(finished.stdout) < 20_000  # kB, for a stream of 84 MB


def arrives(both: tuple[Connection, Connection], query: str) -> list[tuple[object, ...]]:
    """The staged rows as text, having made sure that they are those of the source."""
    source, warehouse = both
    with warehouse.transaction():
        number = stage_query(source, warehouse, query, "stage", nothing)
        staged = warehouse.execute("select stage::text from stage order by 1").fetchall()
        with source.raw.cursor() as cursor:
            cursor.execute(f"select x::text from ({query}) as x order by 1")
            assert staged == cursor.fetchall()
        assert len(staged) == number
    return staged


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("uuid", ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"]),
        ("text", ["", " ", "\n", "\r\n", "\t", "\\", "\\N", "\\.", "\\t", "'", '"', '""', ",", "NULL", "a\x01b",
                  "e\u0301 é", "\u202eRTL", "漢字 🦊", "x" * 100_000]),
        ("numeric", ["0", "-0", "0.0000", "1e-1000", "-1e1000", "0.8", "0.79999999999999999999", "NaN", "Infinity",
                     "-Infinity", "9" * 1000, "0." + "1" * 1000]),
        ("integer", ["-2147483648", "2147483647", "0"]),
        ("bigint", ["-9223372036854775808", "9223372036854775807", "0"]),
        ("timestamptz", ["infinity", "-infinity", "4713-01-01 00:00:00+00 BC", "294276-12-31 23:59:59.999999+00",
                         "2025-03-09 02:30:00 America/New_York", "1969-12-31 23:59:59.999999+00", "epoch"]),
        ("date", ["infinity", "-infinity", "0001-01-01", "5874897-12-31", "2024-02-29"]),
        ("jsonb", ["null", "true", '""', "[]", "{}", "1e-300", "123456789012345678901234567890.5",
                   '{"a": {"b": [1, null, "x\\n\\"\\\\"]}, "": "ü🦊"}']),
        ("boolean", ["true", "false"]),
    ],
)  # fmt: skip
def test_the_extremes_of_a_type_arrive_as_they_were(
    both: tuple[Connection, Connection], kind: str, values: list[str]
) -> None:
    source, _ = both
    rows = ", ".join(source.raw.cursor().mogrify("(%s)", (value,)).decode() for value in [*values, None])
    staged = arrives(both, f"select v::{kind} as v from (values {rows}) as x (v)")
    assert len(staged) == len(values) + 1
    assert ("()",) in staged  # the NULL, and no value has become one
    assert staged.count(("()",)) == 1


def test_an_enum_that_nobody_cast_and_its_neighbours_arrive_as_text(both: tuple[Connection, Connection]) -> None:
    query = (
        "select v::homework_status as v, n::integer as n, t::text as t from (values ('PARSED', 1, E'\\\\ \\t\\n|'),"
        " ('FAILED', -1, '\\N'), (null, null, null), ('COMPLETED', 0, '')) as x (v, n, t)"
    )
    assert len(arrives(both, query)) == 4
    source, warehouse = both
    with warehouse.transaction():
        stage_query(source, warehouse, query, "stage", nothing)
        types = warehouse.execute("select distinct pg_typeof(v)::text, pg_typeof(n)::text from stage").fetchall()
        assert types == [("text", "text")]


def test_no_rows_of_an_uncast_type_are_a_stage_without_rows(both: tuple[Connection, Connection]) -> None:
    assert arrives(both, "select null::session_type as v where false") == []


def test_a_column_may_have_any_name(both: tuple[Connection, Connection]) -> None:
    source, warehouse = both
    with warehouse.transaction():
        query = 'select 1::integer as "select", 2::integer as "odd "" name %s"'
        assert stage_query(source, warehouse, query, "stage", nothing) == 1
        assert warehouse.execute("select * from stage").fetchall() == [(1, 2)]


@pytest.mark.parametrize("at", [1, 50_000, 100_000])
@pytest.mark.parametrize("kind", ["integer", "smallint"], ids=["binary", "text"])
def test_an_extraction_that_breaks_raises_its_own_error(
    both: tuple[Connection, Connection], at: int, kind: str
) -> None:
    source, warehouse = both
    query = f"select (1 / ({at} - n))::{kind} as a, repeat('x', 50)::text as b from generate_series(1, 100000) as s (n)"
    for _ in range(2):
        with pytest.raises(psycopg2.errors.DivisionByZero), warehouse.transaction():
            stage_query(source, warehouse, query, "stage", nothing)
    assert arrives(both, "select 1::integer as still_usable") == [("(1)",)]


def test_a_source_that_dies_in_the_middle_loads_nothing(both: tuple[Connection, Connection]) -> None:
    source, warehouse = both
    query = (
        "select n::integer as n, case when n = 50000 then pg_terminate_backend(pg_backend_pid()) end::boolean as b"
        " from generate_series(1, 100000) as s (n)"
    )
    with pytest.raises(psycopg2.Error), warehouse.transaction():
        stage_query(source, warehouse, query, "stage", nothing)
    assert warehouse.value("select to_regclass('pg_temp.stage')") is None
    assert warehouse.value("select 1") == 1


def test_a_day_whose_extraction_breaks_keeps_the_rows_that_it_had(pipeline: Pipeline, world: World) -> None:
    world.tenant()
    world.learner()
    world.skill()
    world.recommendation()
    assert aivo_luigi.job_build_fact_recommendation_events(DAY).status == "SUCCESS"
    facts = "select * from fact_recommendation_events"
    before = pipeline.warehouse.rows(facts)
    pipeline.source.execute(
        "alter table recommendations rename to all_recommendations;"
        " create view recommendations as select id, tenant_id, learner_id, skill_id, recommendation_type, source,"
        " was_accepted, 1 / (50000 - number) = 0 as was_declined, created_at, responded_at"
        " from all_recommendations, generate_series(1, 60000) as number"
    )
    failed = aivo_luigi.job_build_fact_recommendation_events(DAY, force=True)
    assert (failed.status, failed.error_message) == ("FAILED", "division by zero (SQLSTATE 22012)")
    assert pipeline.warehouse.rows(facts) == before
    assert pipeline.warehouse.value("select error_message from etl_job_runs where status = 'FAILED'") == (
        failed.error_message
    )


# Rows without an end: whoever waits for the last one waits for ever.
ENDLESS = "select generate_series(1, 1000000000000000)::bigint as n, repeat('x', 100)::text as b"


def within(seconds: float, work: Callable[[], None]) -> None:
    """Fails, and frees both sides, when the work takes longer."""
    began = time.monotonic()
    work()
    assert time.monotonic() - began < seconds


@pytest.fixture
def watched(pipeline: Pipeline) -> Iterator[None]:
    """Ends what still runs in the source after ten seconds, so that a hanging test fails instead."""
    done = threading.Event()

    def end() -> None:
        if not done.wait(10):
            watcher = Database(pipeline.source.url)
            watcher.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
            watcher.close()

    thread = threading.Thread(target=end)
    thread.start()
    yield
    done.set()
    thread.join()


@pytest.mark.usefixtures("watched")
def test_a_warehouse_that_dies_does_not_wait_for_the_rest_of_the_stream(
    both: tuple[Connection, Connection], pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, warehouse = both
    monkeypatch.setattr(transfer, "_REPORT_EVERY", 0.2)
    pid = warehouse.raw.info.backend_pid

    def copy() -> None:
        with pytest.raises(psycopg2.OperationalError), source.transaction(), warehouse.transaction():
            stage_query(
                source,
                warehouse,
                ENDLESS,
                "stage",
                lambda: pipeline.warehouse.execute(f"select pg_terminate_backend({pid})"),
            )

    within(5, copy)


@pytest.mark.usefixtures("watched")
def test_a_report_that_fails_ends_both_sides(
    both: tuple[Connection, Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, warehouse = both
    monkeypatch.setattr(transfer, "_REPORT_EVERY", 0.2)

    def report() -> None:
        raise InterruptedError("stop")

    def copy() -> None:
        with pytest.raises(Exception, match="stop"), source.transaction(), warehouse.transaction():
            stage_query(source, warehouse, ENDLESS, "stage", report)

    within(5, copy)


def test_nothing_is_left_open_after_success_and_failure(both: tuple[Connection, Connection]) -> None:
    source, warehouse = both
    before = len(os.listdir("/dev/fd")), threading.active_count()
    for _ in range(3):
        arrives(both, "select 1::integer as a")
        with pytest.raises(psycopg2.errors.DivisionByZero), warehouse.transaction():
            stage_query(
                source, warehouse, "select (1 / n)::integer as a from generate_series(0, 1) as s (n)", "stage", nothing
            )
    assert (len(os.listdir("/dev/fd")), threading.active_count()) == before


def test_the_source_is_connected_to_while_a_job_waits_for_its_lock(pipeline: Pipeline, world: World) -> None:
    world.tenant()
    forget_connections()
    pipeline.warehouse.execute("select pg_advisory_lock(hashtext('aivo_luigi sync_dim_tenant'), 0)")
    job = threading.Thread(target=SyncDimTenant(date=DAY).run_job)
    job.start()
    sessions = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    until = time.monotonic() + 10
    while not pipeline.source.value(sessions) and time.monotonic() < until:
        time.sleep(0.01)
    connected = pipeline.source.value(sessions)
    pipeline.warehouse.execute("select pg_advisory_unlock(hashtext('aivo_luigi sync_dim_tenant'), 0)")
    job.join()
    assert connected == 1
    assert pipeline.warehouse.value("select count(*) from dim_tenant where is_current and not is_inferred") == 1


def test_a_connection_that_failed_for_a_job_that_did_not_need_it_is_no_other_jobs_failure(
    pipeline: Pipeline, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tenant()
    SyncDimTenant(date=DAY).run_job()
    forget_connections()
    with monkeypatch.context() as away:
        away.setenv("OLTP_DATABASE_URL", f"{pipeline.source.url}_that_is_away")
        name = database_urls().source
        open_source_ahead()
        failed = connection._opening.pop(name)
        assert isinstance(failed.exception(), psycopg2.OperationalError)
    connection._opening[database_urls().source] = failed
    assert SyncDimTenant.forced(DAY, "again", "task").run_job().status == "SUCCESS"


KEPT = """
    select relname::text || oid from pg_class
    where relnamespace = pg_my_temp_schema() and relname in ('stage', 'rejected', 'learner_version') order by relname
"""


def kept_tables() -> list[str]:
    """The temporary tables of the session that the next job will have, with their oids; asserts that they are empty."""
    with connect_warehouse("test") as warehouse:
        kept = [row[0] for row in warehouse.execute(KEPT).fetchall()]
        for table in kept:
            assert warehouse.value('select count(*) from pg_temp.:"table"', table=table.rstrip("0123456789")) == 0
    return kept


def test_the_next_day_finds_the_tables_of_the_one_before_empty(pipeline: Pipeline, world: World) -> None:
    world.tenant()
    world.learner()
    world.session()
    forget_connections()
    assert BuildFactSessions(date=DAY).run_job().status == "SUCCESS"
    kept = kept_tables()
    assert BuildFactSessions(date=DAY + timedelta(days=1)).run_job().status == "SUCCESS"
    assert len(kept) == 3
    assert kept_tables() == kept


def test_a_session_that_goes_to_another_job_takes_no_tables_along(pipeline: Pipeline, world: World) -> None:
    world.tenant()
    world.learner()
    world.session()
    forget_connections()
    kept = set[str]()
    for job in (BuildFactSessions, SyncDimTenant, BuildFactSessions):
        assert job.forced(DAY, str(uuid4()), "task").run_job().status == "SUCCESS"
        assert kept.isdisjoint(kept_tables())
        kept.update(kept_tables())
        assert not compare(BuildFactHomeworkEvents.spec(), DAY)  # whose rows are like neither's
        assert kept_tables() == []


@pytest.mark.parametrize("day_before", [False, True], ids=["new tables", "kept ones"])
def test_a_run_that_failed_leaves_the_next_one_no_rows(pipeline: Pipeline, world: World, day_before: bool) -> None:
    world.tenant()
    world.learner()
    world.session()
    forget_connections()
    if day_before:
        assert BuildFactSessions(date=DAY - timedelta(days=1)).run_job().status == "SUCCESS"
    pipeline.warehouse.execute("alter table fact_sessions add constraint none_at_all check (session_id is null)")
    with pytest.raises(psycopg2.errors.CheckViolation):
        BuildFactSessions(date=DAY).run_job()
    assert len(kept_tables()) == (3 if day_before else 0)
    pipeline.warehouse.execute("alter table fact_sessions drop constraint none_at_all")
    assert BuildFactSessions(date=DAY).run_job().rows_inserted == 1


def test_what_was_rolled_back_takes_no_room_in_the_tables_that_a_session_keeps(
    pipeline: Pipeline, world: World
) -> None:
    world.tenant()
    many_learners(pipeline.source)
    forget_connections()
    assert SyncDimLearner(date=DAY).run_job().status == "SUCCESS"
    for _ in range(3):
        assert not compare(SyncDimLearner.spec(), DAY)
    with connect_warehouse("test") as warehouse:
        assert not warehouse.value("select pg_relation_size(to_regclass('pg_temp.stage'))")
