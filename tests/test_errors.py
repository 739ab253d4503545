"""Errors are for people: one line, what to do, a non-zero exit, nothing changed, no password."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import luigi
import psycopg2
import pytest
from sqlalchemy.engine import make_url
from support.command import aivo_etl
from support.database import Database
from support.databases import Databases
from support.pipeline import CONFIG, Pipeline
from support.runs import JOBS, content, runs
from support.world import World

import aivo_luigi
from aivo_luigi.config import database_urls, settings
from aivo_luigi.db import connect_source, connect_warehouse
from aivo_luigi.db.source import describe_query, snapshot
from aivo_luigi.errors import ConfigurationError, SourceError, describe, redact

DAY = "2025-01-15"
SECRET = "s3cret/of:ours"
QUOTED = "s3cret%2Fof%3Aours"
AT_ONCE = ("--etl-retry-seconds", "0")
REFUSED = f"postgresql://etl:{QUOTED}@127.0.0.1:1/nowhere"


def told(finished: subprocess.CompletedProcess[str], *words: str) -> None:
    """The command failed, and one line of what it printed says so in these words."""
    output = finished.stdout + finished.stderr
    assert finished.returncode not in (0, 1, 2), output
    assert "Traceback" not in output
    assert SECRET not in output
    assert QUOTED not in output
    assert any(all(word in line for word in words) for line in output.splitlines()), output


@pytest.mark.parametrize("text", ["2025-02-30", "2025/01/15", "25-01-15", "2025-1-5", "yesterday", "", "2025-01-15T00"])
@pytest.mark.parametrize("task", ["RunAll", "BuildFactSessions"])
def test_a_date_that_is_none_is_told_in_one_line(pipeline: Pipeline, task: str, text: str) -> None:
    finished = pipeline.luigi(task, "--date", text)
    assert finished.returncode == 40
    told(finished, "is no date", "YYYY-MM-DD")
    assert pipeline.warehouse.value("select count(*) from etl_job_runs") == 0


def test_a_range_with_a_date_that_is_none_is_told_in_one_line(pipeline: Pipeline) -> None:
    finished = pipeline.luigi("RangeDaily", "--of", "RunAll", "--start", "2025-02-30", "--stop", "2025-03-02")
    assert finished.returncode == 40
    told(finished, "day is out of range for month")


def test_a_range_of_a_task_that_there_is_not_is_told_with_what_there_is(pipeline: Pipeline) -> None:
    told(pipeline.luigi("RangeDaily", "--of", "RunAl", "--start", "2025-01-15"), "No task RunAl. Did you mean: RunAll")


@pytest.mark.parametrize("task", ["RunAll", "BuildFactSessions", "SyncDimUser"])
def test_a_date_in_the_future_is_refused(pipeline: Pipeline, task: str) -> None:
    day = datetime.now(timezone.utc).date() + timedelta(days=2)
    finished = pipeline.luigi(task, "--date", day)
    assert finished.returncode == 35
    told(finished, str(day), "future")
    assert pipeline.warehouse.value("select count(*) from etl_job_runs") == 0


def test_a_date_left_out_is_yesterday(pipeline: Pipeline) -> None:
    assert pipeline.luigi("SyncDimSubject").returncode == 0
    (row,) = runs(pipeline.warehouse)
    assert row["target_date"] == row["started_at"].date() - timedelta(days=1)


@pytest.mark.parametrize("missing", ["OLTP_DATABASE_URL", "WAREHOUSE_DATABASE_URL"])
def test_one_url_without_the_other_is_told(pipeline: Pipeline, missing: str) -> None:
    told(pipeline.luigi("RunAll", "--date", DAY, env={missing: None}), missing, "not set", "set both")


@pytest.mark.parametrize("url", [f"mysql://etl:{QUOTED}@host/db", f"etl:{QUOTED}@host/db"])
def test_a_url_that_is_none_is_told(pipeline: Pipeline, url: str) -> None:
    finished = pipeline.luigi("RunAll", "--date", DAY, env={"WAREHOUSE_DATABASE_URL": url})
    told(finished, "WAREHOUSE_DATABASE_URL", "postgresql://user:password@host:5432/database")


def test_a_url_that_libpq_cannot_read_is_told_without_its_password(pipeline: Pipeline) -> None:
    url = f"postgresql://etl:{QUOTED}@host:port/db?nonsense={QUOTED}"
    told(pipeline.luigi("RunAll", "--date", DAY, env={"WAREHOUSE_DATABASE_URL": url}), "WAREHOUSE_DATABASE_URL")


def test_a_url_may_stand_in_a_file_and_its_password_is_told_nowhere(pipeline: Pipeline) -> None:
    file = pipeline.folder / "url"
    file.write_text(f"{pipeline.warehouse.url}\n")
    from_file = {"WAREHOUSE_DATABASE_URL": None, "WAREHOUSE_DATABASE_URL_FILE": str(file)}
    assert pipeline.luigi("SyncDimSubject", "--date", DAY, env=from_file).returncode == 0
    file.write_text(f"postgresql://etl:{QUOTED}@host:port/db?nonsense={QUOTED}")
    told(pipeline.luigi("RunAll", "--date", DAY, env=from_file), "WAREHOUSE_DATABASE_URL")


def test_a_url_given_twice_or_in_a_file_that_is_not_there_is_told(pipeline: Pipeline) -> None:
    twice = {"WAREHOUSE_DATABASE_URL_FILE": str(pipeline.folder / "url")}
    told(pipeline.luigi("RunAll", "--date", DAY, env=twice), "WAREHOUSE_DATABASE_URL_FILE are both set")
    missing = {"WAREHOUSE_DATABASE_URL": None, **twice}
    told(pipeline.luigi("RunAll", "--date", DAY, env=missing), "WAREHOUSE_DATABASE_URL_FILE names can't be read")


def test_a_warehouse_that_cannot_be_reached_is_told(pipeline: Pipeline) -> None:
    finished = pipeline.luigi("RunAll", "--date", DAY, *AT_ONCE, env={"WAREHOUSE_DATABASE_URL": REFUSED})
    assert finished.returncode == 35
    told(finished, "the warehouse can't be reached", "WAREHOUSE_DATABASE_URL")


def test_a_source_that_cannot_be_reached_changes_nothing_but_the_failed_rows(pipeline: Pipeline) -> None:
    before = content(pipeline.warehouse)
    finished = pipeline.luigi("RunAll", "--date", DAY, *AT_ONCE, env={"OLTP_DATABASE_URL": REFUSED})
    assert finished.returncode == 30
    told(finished, "the source can't be reached", "OLTP_DATABASE_URL")
    failed = runs(pipeline.warehouse, "FAILED")
    assert {row["job_name"] for row in failed} == {"sync_dim_tenant", "sync_dim_skill"}
    assert all("can't be reached" in row["error_message"] for row in failed)
    assert {row["job_name"] for row in runs(pipeline.warehouse)} == {"sync_dim_subject"}
    after = content(pipeline.warehouse)
    assert {**after, "dim_subject": []} == before


def test_a_wrong_password_is_told_and_appears_nowhere(pipeline: Pipeline, password_url: Callable[[str], str]) -> None:
    right = password_url(pipeline.source.url)
    head, _, tail = right.rpartition("@")
    wrong = f"{head.rpartition(':')[0]}:{QUOTED}@{tail}"
    finished = pipeline.luigi("RunAll", "--date", DAY, env={"OLTP_DATABASE_URL": wrong, "ETL_DEBUG": "true"})
    output = finished.stdout + finished.stderr
    assert finished.returncode == 30
    assert "password authentication failed" in output
    assert "Traceback" in output  # ETL_DEBUG asks for it
    left = output + str(pipeline.warehouse.rows("select * from etl_job_runs"))
    assert SECRET not in left
    assert QUOTED not in left


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("drop table tenants", ['relation "tenants" does not exist', "sql/source/schema.sql"]),
        ("alter table tenants drop column timezone", ['column "timezone" does not exist', "sql/source/schema.sql"]),
    ],
)
def test_a_source_that_lacks_something_is_told(pipeline: Pipeline, damage: str, words: list[str]) -> None:
    pipeline.source.execute(damage)
    finished = pipeline.luigi("SyncDimTenant", "--date", DAY)
    assert finished.returncode == 30
    told(finished, *words)
    assert words[0] in runs(pipeline.warehouse, "FAILED")[0]["error_message"]


def test_a_source_that_may_not_be_read_is_told(pipeline: Pipeline) -> None:
    with connect_source("test") as source, source.transaction():
        source.execute("set local role pg_monitor")
        with pytest.raises(SourceError, match=r"permission denied for table tenants.*run sql/roles.sql"):
            describe_query(source, "select id from tenants")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "delete from _yoyo_migration where migration_id = (select max(migration_id) from _yoyo_migration)",
            ["older", "aivo-etl migrate"],
        ),
        ("insert into _yoyo_migration values ('x', '9999_future', now())", ["newer"]),
    ],
)
def test_a_warehouse_of_another_schema_version_is_refused(pipeline: Pipeline, change: str, words: list[str]) -> None:
    pipeline.warehouse.execute(change)
    finished = pipeline.luigi("RunAll", "--date", DAY)
    assert finished.returncode == 35
    told(finished, *words)
    assert pipeline.warehouse.value("select count(*) from etl_job_runs") == 0


def test_a_source_whose_clock_has_not_passed_the_days_end_is_refused(pipeline: Pipeline) -> None:
    tomorrow = datetime.now(timezone.utc).date() + timedelta(days=1)
    with (
        pytest.raises(SourceError, match="has not ended there yet"),
        snapshot("test", tomorrow, day_is_over=True),
    ):
        pass
    with snapshot("test", tomorrow, day_is_over=False) as source:
        assert abs(source.clock - datetime.now(timezone.utc)) < timedelta(minutes=1)


def test_the_source_is_only_read(pipeline: Pipeline) -> None:
    with (
        snapshot("test", date(2025, 1, 15), day_is_over=True) as source,
        pytest.raises(psycopg2.errors.ReadOnlySqlTransaction),
    ):
        source.connection.execute("delete from tenants")


def test_a_failing_check_rolls_the_day_back(pipeline: Pipeline, world) -> None:
    world.tenant()
    world.learner()
    world.session(started_at=datetime(2025, 1, 15, 9, tzinfo=timezone.utc))
    assert pipeline.luigi("BuildFactSessions", "--date", DAY).returncode == 0
    world.session("another", started_at=datetime(2025, 1, 15, 10, tzinfo=timezone.utc))
    before = content(pipeline.warehouse)
    pipeline.warehouse.execute(
        "create function spoil() returns trigger language plpgsql as $$ begin new.hints_used := -1; return new; end $$;"
        " create trigger spoil before insert on fact_sessions_2025_01 for each row execute function spoil()"
    )
    finished = pipeline.luigi("BuildFactSessions", "--date", DAY, "--force")
    assert finished.returncode == 30
    told(finished, "no_count_is_negative", "rolled back")
    assert content(pipeline.warehouse) == before
    assert "no_count_is_negative" in runs(pipeline.warehouse, "FAILED")[0]["error_message"]


def test_a_broken_warning_is_logged_and_the_day_stands(pipeline: Pipeline, world) -> None:
    world.tenant()
    world.learner()
    start = datetime(2025, 1, 15, 9, tzinfo=timezone.utc)
    world.session(started_at=start, ended_at=start - timedelta(hours=1))
    finished = pipeline.luigi("BuildFactSessions", "--date", DAY)
    assert finished.returncode == 0
    assert "no_session_ends_before_it_starts" in finished.stderr


def test_a_full_day_is_not_replaced_by_an_empty_one_unless_allowed(pipeline: Pipeline, world) -> None:
    world.tenant()
    world.learner()
    world.session(started_at=datetime(2025, 1, 15, 9, tzinfo=timezone.utc))
    assert pipeline.luigi("BuildFactSessions", "--date", DAY).returncode == 0
    pipeline.source.execute("delete from sessions")
    finished = pipeline.luigi("BuildFactSessions", "--date", DAY, "--force")
    told(finished, "would replace 1 rows by none", "--etl-allow-empty-rebuild")
    assert pipeline.warehouse.value("select count(*) from fact_sessions") == 1
    allowed = pipeline.luigi("BuildFactSessions", "--date", DAY, "--force", "--etl-allow-empty-rebuild")
    assert allowed.returncode == 0
    assert pipeline.warehouse.value("select count(*) from fact_sessions") == 0


def test_rows_without_a_learner_are_recorded_whole_and_too_many_fail_the_day(pipeline: Pipeline, world) -> None:
    pipeline.source.execute("alter table sessions alter learner_id drop not null")
    world.tenant()
    world.learner()
    for number in range(20):
        world.session(f"session {number}", started_at=datetime(2025, 1, 15, 9, tzinfo=timezone.utc))
    pipeline.source.execute(
        "update sessions set learner_id = null where id = (select id from sessions order by id limit 1)"
    )
    assert pipeline.luigi("BuildFactSessions", "--date", DAY).returncode == 0
    (row,) = runs(pipeline.warehouse)[-1:]
    assert (row["rows_processed"], row["rows_inserted"], row["rows_rejected"]) == (20, 19, 1)
    rejected = pipeline.warehouse.row("select * from etl_rejected_rows")
    assert (rejected["source_table"], rejected["field"], rejected["run_id"]) == ("sessions", None, row["id"])
    pipeline.source.execute(
        "update sessions set learner_id = null where id in (select id from sessions order by id limit 2)"
    )
    told(pipeline.luigi("BuildFactSessions", "--date", DAY, "--force"), "can't load 2 of 20", "max-reject-share")
    allowed = pipeline.luigi("BuildFactSessions", "--date", DAY, "--force", "--etl-max-reject-share", "0.2")
    assert allowed.returncode == 0
    assert pipeline.warehouse.value("select count(*) from etl_rejected_rows") == 2


def test_a_value_of_a_row_reaches_no_message(pipeline: Pipeline) -> None:
    with pytest.raises(psycopg2.DataError) as caught:
        pipeline.source.execute("select 'Anna Learner'::integer")
    assert "Anna" not in describe(caught.value)
    assert "22P02" in describe(caught.value)


@pytest.mark.parametrize("task", [aivo_luigi.SyncDimUser, aivo_luigi.BuildFactSessions, aivo_luigi.RunAll,
                                  aivo_luigi.RebuildLateDays, aivo_luigi.Check, aivo_luigi.Retention])  # fmt: skip
def test_a_task_that_fails_says_so_in_one_line_without_ids_of_rows(task: type[luigi.Task]) -> None:
    error = SourceError("the row 0b0f4a3e-7a4f-4b8e-9d26-0d5b6d9b7c11 is broken\nand more of it")
    assert task().on_failure(error) == "the row … is broken"


def test_both_spellings_of_a_password_are_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLTP_DATABASE_URL", REFUSED)
    monkeypatch.setenv("WAREHOUSE_DATABASE_URL", f"postgresql:///db?user=etl&password={QUOTED}")
    assert redact(f"a {SECRET} b {QUOTED} c") == "a *** b *** c"


def test_a_setting_that_the_server_does_not_take_is_told(pipeline: Pipeline) -> None:
    finished = pipeline.luigi("SyncDimSubject", "--date", DAY, "--etl-work-mem", "plenty")
    assert finished.returncode == 35
    told(finished, "the warehouse does not take a setting", "work_mem")


def test_sqlalchemys_spelling_of_a_url_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLTP_DATABASE_URL", "postgresql+psycopg2://etl@host/a")
    monkeypatch.setenv("WAREHOUSE_DATABASE_URL", "postgres://etl@host/b")
    assert database_urls().source == "postgresql://etl@host/a"
    assert database_urls().warehouse == "postgresql://etl@host/b"
    monkeypatch.setenv("WAREHOUSE_DATABASE_URL", "sqlite:///x")
    with pytest.raises(ConfigurationError, match="WAREHOUSE_DATABASE_URL"):
        database_urls()


def state(database: Database, *, but: tuple[str, ...] = ()) -> dict[str, str]:
    """Every table with a checksum of its rows: the same before and after, if nothing was changed."""
    tables = database.column(
        "select table_name::text from information_schema.tables"
        " where table_schema = 'public' and table_type = 'BASE TABLE' order by 1"
    )
    return {
        table: database.value(
            f"select md5(coalesce(string_agg(x::text, chr(10) order by x::text), '')) from \"{table}\" x"
        )
        for table in tables
        if table not in but
    }


def changes_nothing_but_the_run_row(pipeline: Pipeline, *arguments: str, **options: Any) -> str:
    """Runs a command that must fail without a trace but one FAILED row at most; returns what it printed."""
    before = state(pipeline.source), state(pipeline.warehouse, but=("etl_job_runs",))
    others = pipeline.warehouse.column("select id from etl_job_runs")
    finished = pipeline.luigi(*arguments, **options)
    assert finished.returncode in (30, 35, 40), finished.stderr
    assert (state(pipeline.source), state(pipeline.warehouse, but=("etl_job_runs",))) == before
    new = pipeline.warehouse.rows("select * from etl_job_runs where id <> all (%(others)s::uuid[])", others=others)
    assert [row["status"] for row in new] == ["FAILED"] * (finished.returncode == 30)
    for row in new:
        assert "\n" not in row["error_message"]
        assert row["completed_at"] >= row["started_at"]
        assert row["error_message"] in finished.stderr
    return finished.stdout + finished.stderr


def the_line(output: str, *words: str) -> str:
    """The one line that holds all the words."""
    lines = [line for line in output.splitlines() if all(word in line for word in words)]
    assert len(lines) == 1, output
    assert "Traceback" not in output
    return lines[0]


def reader_url(url: str, database: Database) -> str:
    """The URL of a new role with a password and no privilege at all."""
    role = f"reader_{Databases.name_of(url)}"
    database.execute(f"create role {role} login password '{SECRET}'")
    return make_url(url).set(username=role, password=SECRET).render_as_string(hide_password=False)


ONE_JOB = ("SyncDimTenant", "--date", DAY)


@pytest.mark.parametrize("command", [["migrate"], ["migrate", "--dry-run"], ["run"]], ids=" ".join)
def test_no_tables_are_made_beside_the_sources(command: list[str], source_url: str, warehouse_url: str) -> None:
    """Swapped URLs, the same one twice, and the warehouse's alone."""
    others = (warehouse_url, source_url) if command == ["run"] else (warehouse_url, source_url, "")
    for other in others:
        done = aivo_etl(*command, OLTP_DATABASE_URL=other, WAREHOUSE_DATABASE_URL=source_url)
        assert done.returncode != 0
        assert "WAREHOUSE_DATABASE_URL leads to the source's tables" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    source = Database(source_url)
    assert source.value("select to_regclass('etl_job_runs')") is None
    source.close()


def test_source_and_warehouse_may_share_a_database(source_url: str) -> None:
    source = Database(source_url)
    source.execute("create schema warehouse")
    own = f"{source_url}?options=-csearch_path%3Dwarehouse"
    done = aivo_etl("run", f"--date={DAY}", OLTP_DATABASE_URL=source_url, WAREHOUSE_DATABASE_URL=own)
    assert (done.returncode, done.stderr) == (0, "")
    assert source.value("select count(*) from warehouse.etl_job_runs where status = 'SUCCESS'") == len(JOBS)
    assert source.value("select to_regclass('public.etl_job_runs')") is None
    source.close()


def test_no_privilege_to_read_is_one_line_that_says_grant(pipeline: Pipeline) -> None:
    url = reader_url(pipeline.source.url, pipeline.source)
    try:
        output = changes_nothing_but_the_run_row(pipeline, *ONE_JOB, env={"OLTP_DATABASE_URL": url})
    finally:
        pipeline.source.execute(f"drop role reader_{Databases.name_of(url)}")
    the_line(output, "permission denied for table tenants", "run sql/roles.sql", "OLTP_DATABASE_URL")
    assert SECRET not in output


@pytest.mark.parametrize("variable", ["OLTP_DATABASE_URL", "WAREHOUSE_DATABASE_URL"])
def test_an_unreachable_database_is_one_line_that_names_its_variable(pipeline: Pipeline, variable: str) -> None:
    output = changes_nothing_but_the_run_row(pipeline, *ONE_JOB, *AT_ONCE, env={variable: REFUSED})
    the_line(output, "can't be reached", "Connection refused", f"check {variable}")


@pytest.mark.parametrize("variable", ["OLTP_DATABASE_URL", "WAREHOUSE_DATABASE_URL"])
def test_a_wrong_password_is_one_line_that_names_its_variable(
    pipeline: Pipeline, password_url: Callable[[str], str], variable: str
) -> None:
    right = password_url(pipeline.environment[variable])
    wrong = make_url(right).set(password="p@ss:w/rd%").render_as_string(hide_password=False)
    output = changes_nothing_but_the_run_row(pipeline, *ONE_JOB, env={variable: wrong})
    the_line(output, "password authentication failed", f"check {variable}")
    for spelling in ("p@ss:w/rd%", "p%40ss%3Aw%2Frd%25", "w/rd"):
        assert spelling not in output


def test_a_password_of_special_characters_works_where_it_is_encoded(
    pipeline: Pipeline, password_url: Callable[[str], str]
) -> None:
    role = f"special_{Databases.name_of(pipeline.source.url)}"
    pipeline.source.execute(f"create role {role} login password 'p@ss:w/rd%%'", no=None)
    pipeline.source.execute(f"grant select on all tables in schema public to {role}")
    url = make_url(password_url(pipeline.source.url)).set(username=role, password="p@ss:w/rd%")
    try:
        finished = pipeline.luigi(*ONE_JOB, env={"OLTP_DATABASE_URL": url.render_as_string(hide_password=False)})
    finally:
        pipeline.source.execute(f"drop owned by {role}; drop role {role}")
    assert finished.returncode == 0, finished.stderr


# A password with a special character that nobody encoded: libpq takes what follows it for host, port or database.
@pytest.mark.parametrize(
    "password", ["first@Cret99", "first/Cret99", "Cret99/last", "first%zzCret99", "x@y:Cret99/z%w"]
)
@pytest.mark.parametrize("variable", ["OLTP_DATABASE_URL", "WAREHOUSE_DATABASE_URL"])
def test_a_url_with_a_raw_password_is_told_without_any_piece_of_it(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, password: str, variable: str
) -> None:
    monkeypatch.setenv(variable, f"postgresql://etl:{password}@127.0.0.1:1/x")
    connect = connect_source if variable == "OLTP_DATABASE_URL" else connect_warehouse
    with pytest.raises(ConfigurationError) as caught, connect("test"):
        pass
    assert variable in describe(caught.value)
    assert "Cret99" not in describe(caught.value)


@pytest.mark.parametrize("debug", ["false", "true"])
@pytest.mark.parametrize("password", ["first%zzCret99", "Cret99/last"])
def test_the_command_shows_no_piece_of_a_raw_password_either(pipeline: Pipeline, debug: str, password: str) -> None:
    urls = {"OLTP_DATABASE_URL": f"postgresql://etl:{password}@127.0.0.1:1/x", "ETL_DEBUG": debug}
    output = changes_nothing_but_the_run_row(pipeline, *ONE_JOB, env=urls)
    assert "OLTP_DATABASE_URL" in output
    assert "Cret99" not in output
    assert "Cret99" not in str(pipeline.warehouse.rows("select error_message from etl_job_runs"))


@pytest.mark.parametrize("command", ["status", "run"])
@pytest.mark.parametrize("variable", ["OLTP_DATABASE_URL", "WAREHOUSE_DATABASE_URL"])
def test_a_traceback_shows_no_piece_of_a_raw_password(pipeline: Pipeline, command: str, variable: str) -> None:
    for password in ("Cret99/last", "first@Cret99"):
        urls = {**pipeline.environment, variable: f"postgresql://etl:{password}@127.0.0.1:1/x", "ETL_DEBUG": "true"}
        done = aivo_etl(command, **urls)
        if (command, variable) != ("status", "OLTP_DATABASE_URL"):  # which needs no source
            assert "Traceback" in done.stdout + done.stderr
        assert "Cret99" not in done.stdout + done.stderr


@pytest.mark.parametrize("damage", ["drop table tenants", "alter table tenants rename column country to land"])
def test_a_source_that_lacks_something_is_one_line_and_changes_nothing(pipeline: Pipeline, damage: str) -> None:
    pipeline.source.execute(damage)
    the_line(changes_nothing_but_the_run_row(pipeline, *ONE_JOB), "does not exist", "sql/source/schema.sql")


def test_a_fact_that_fails_changes_nothing_either(pipeline: Pipeline, world: World) -> None:
    world.tenant()
    world.learner()
    world.session()
    assert pipeline.luigi("SyncDimensions", "--date", DAY).returncode == 0
    pipeline.source.execute("drop table session_events")
    output = changes_nothing_but_the_run_row(pipeline, "BuildFactSessions", "--date", DAY)
    the_line(output, 'relation "session_events" does not exist', "sql/source/schema.sql")


def turn_the_clock_back(source: Database, *functions: str) -> None:
    """Puts functions of ours before the server's own, so that the source lives at noon of DAY."""
    for function in functions:
        source.execute(f"create function public.{function}")
    source.execute(f"alter database {Databases.name_of(source.url)} set search_path = public, pg_catalog")


NOON = "returns timestamptz language sql as $$ select timestamptz '2025-01-15 12:00Z' $$"


def test_a_source_whose_clock_lags_fails_the_job_until_it_has_passed_the_days_end(pipeline: Pipeline) -> None:
    turn_the_clock_back(pipeline.source, f"clock_timestamp() {NOON}")
    line = the_line(changes_nothing_but_the_run_row(pipeline, *ONE_JOB), DAY, "source's clock", "run again later")
    assert "2025-01-15 12:00:00" in line
    assert pipeline.luigi("SyncDimTenant", "--date", "2025-01-14").returncode == 0


@pytest.mark.parametrize("replayed", ["timestamptz '2025-01-15 12:00Z'", "null::timestamptz"])
def test_a_replica_that_has_not_replayed_the_day_fails_the_job(pipeline: Pipeline, replayed: str) -> None:
    turn_the_clock_back(
        pipeline.source,
        "pg_is_in_recovery() returns boolean language sql as $$ select true $$",
        f"pg_last_xact_replay_timestamp() returns timestamptz language sql as $$ select {replayed} $$",
    )
    line = the_line(changes_nothing_but_the_run_row(pipeline, *ONE_JOB), DAY, "replica", "run again later")
    assert "None" not in line
    assert "--etl-allow-lagging-source" in line
    assert pipeline.luigi(*ONE_JOB, "--etl-allow-lagging-source").returncode == 0


@pytest.mark.parametrize(
    "change",
    [
        "delete from _yoyo_migration where migration_id = (select max(migration_id) from _yoyo_migration)",
        "insert into _yoyo_migration (migration_hash, migration_id, applied_at_utc) values ('x', '9999_later', now())",
    ],
    ids=["older", "newer"],
)
def test_another_schema_version_is_one_line_and_changes_nothing(
    pipeline: Pipeline, change: str, request: pytest.FixtureRequest
) -> None:
    pipeline.warehouse.execute(change)
    version = request.node.callspec.id
    line = the_line(changes_nothing_but_the_run_row(pipeline, *ONE_JOB), f"{version} than this package")
    assert ("aivo-etl migrate" if version == "older" else "install") in line


@pytest.mark.parametrize("missing", ["OLTP_DATABASE_URL", "WAREHOUSE_DATABASE_URL"])
@pytest.mark.parametrize("value", [None, ""], ids=["unset", "empty"])
def test_one_url_without_the_other_is_one_line(pipeline: Pipeline, missing: str, value: str | None) -> None:
    output = changes_nothing_but_the_run_row(pipeline, *ONE_JOB, env={missing: value})
    the_line(output, f"{missing} is not set", "set both, or neither")


@pytest.mark.parametrize("text", ["2025-02-30", "2025/01/15", "25-01-15", ""])
def test_a_date_that_is_none_is_one_line_and_changes_nothing(pipeline: Pipeline, text: str) -> None:
    output = changes_nothing_but_the_run_row(pipeline, "SyncDimTenant", "--date", text)
    the_line(output, f"{text!r} is no date", "YYYY-MM-DD")


def test_tomorrow_is_refused_and_today_is_not(pipeline: Pipeline) -> None:
    today = pipeline.warehouse.value("select now()").date()
    tomorrow = str(today + timedelta(days=1))
    the_line(changes_nothing_but_the_run_row(pipeline, "SyncDimTenant", "--date", tomorrow), tomorrow, "future")
    assert pipeline.luigi("SyncDimTenant", "--date", today).returncode == 0


def test_debugging_shows_the_traceback_and_no_password(pipeline: Pipeline) -> None:
    finished = pipeline.luigi(*ONE_JOB, *AT_ONCE, env={"OLTP_DATABASE_URL": REFUSED, "ETL_DEBUG": "true"})
    assert finished.returncode == 30
    assert "Traceback (most recent call last)" in finished.stderr
    assert SECRET not in finished.stdout + finished.stderr
    assert QUOTED not in finished.stdout + finished.stderr


VALUE = "Anna Learner"


@pytest.mark.parametrize(
    "statement",
    [
        "select %(v)s::integer", "select %(v)s::uuid", "select %(v)s::numeric", "select %(v)s::boolean",
        "select %(v)s::timestamptz", "select %(v)s::jsonb", "select %(v)s::grade_band", "select to_date(%(v)s, 'YYYY')",
        "select ('99999999999999' || substr(%(v)s, 1, 0))::integer", "select ('{' || %(v)s)::text[]",
    ],
)  # fmt: skip
def test_no_value_of_a_data_exception_reaches_a_message(pipeline: Pipeline, statement: str) -> None:
    for value in (VALUE, f'"{VALUE}', f'x" {VALUE} "y', f"line\n{VALUE}", f"»{VALUE}«: {VALUE}"):
        with pytest.raises(psycopg2.DataError) as caught:
            pipeline.source.execute(statement, v=value)
        message = describe(caught.value)
        assert not [word for word in VALUE.split() if word in message]
        assert "99999999999999" not in message
        assert f"(SQLSTATE {caught.value.pgcode})" in message
        assert "\n" not in message


@pytest.mark.parametrize("quoted", [f"»{VALUE}«", f"„{VALUE}“", f"« {VALUE} »", f"'{VALUE}'", f"「{VALUE}」"])
def test_no_value_reaches_a_message_of_a_server_that_speaks_another_language(quoted: str) -> None:
    class ToldError(Exception):
        diag = SimpleNamespace(sqlstate="22P02", message_primary=f"ungültige Eingabe für Typ integer: {quoted}")

    assert "Anna" not in describe(ToldError())
    assert "22P02" in describe(ToldError())


@pytest.mark.parametrize("code", ["22999", "22ZZZ", "P0001"])
def test_an_error_code_that_nobody_knows_is_told(pipeline: Pipeline, code: str) -> None:
    with pytest.raises(psycopg2.Error) as caught:
        pipeline.source.execute(f"do $$ begin raise exception 'no \"{VALUE}\"' using errcode = '{code}'; end $$")
    assert f"(SQLSTATE {code})" in describe(caught.value)
    assert code == "P0001" or "Anna" not in describe(caught.value)


def test_a_value_that_breaks_the_load_is_not_in_the_run_row(pipeline: Pipeline) -> None:
    pipeline.source.execute("alter table tenants alter district_id type text")
    pipeline.source.insert("tenants", id="00000000-0000-0000-0000-000000000001", name="x", district_id=VALUE,
                           created_at="2025-01-01")  # fmt: skip
    output = changes_nothing_but_the_run_row(pipeline, *ONE_JOB)
    assert "Anna" not in output
    the_line(output, "invalid text representation", "SQLSTATE 22P02")


@pytest.mark.parametrize(
    ("option", "value", "range_"),
    [
        ("--etl-max-reject-share", "7", "give max_reject_share of [etl] a number from 0 to 1"),
        ("--etl-max-reject-share", "banana", "from 0 to 1"),
        ("--etl-look-back-days", "-3", "give look_back_days of [etl] a whole number from 1 to 100000"),
        ("--etl-look-back-days", "99999999", "from 1 to 100000"),
        ("--etl-lock-timeout", "banana", "from 0 to 2147483"),
        ("--etl-statement-timeout", "-1", "from 0 to 2147483"),
    ],
)
def test_a_setting_out_of_range_says_the_range(pipeline: Pipeline, option: str, value: str, range_: str) -> None:
    finished = pipeline.luigi("RebuildLateDays", "--date", DAY, f"{option}={value}")
    assert finished.returncode in (35, 40)
    assert f"{value!r} can't be used as" in finished.stderr
    assert range_ in finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize(
    ("section", "key", "value", "remedy"),
    [
        ("etl", "report_url", "https://x/a%20b", "write %% for %"),
        ("etl", "report_url", "https://${NOBODY}/", "what ${…} names is not set"),
        ("alerts", "fact_hours", "5%", "write %% for %"),
    ],
)
def test_a_setting_that_cannot_be_read_is_told_with_its_name(
    pipeline: Pipeline, section: str, key: str, value: str, remedy: str
) -> None:
    config = pipeline.folder / "luigi.cfg"
    config.write_text(re.sub(rf"(?m)^{key}=.*", f"{key}={value}", CONFIG.read_text()))
    message = f"{key} can't be read in section [{section}] of luigi.cfg: {remedy}"
    told(pipeline.luigi("Check", config=config), message)
    by_command = aivo_etl("check", LUIGI_CONFIG_PATH=str(config), **pipeline.environment)
    assert (by_command.returncode, by_command.stderr) == (1, f"aivo-etl: {message}\n")


def test_a_percent_sign_written_twice_is_one(etl_option: Any) -> None:
    etl_option("report_url", "https://x/a%%20b")
    assert settings().report_url == "https://x/a%20b"


def test_a_user_who_may_not_make_tables_is_told_so(pipeline: Pipeline, empty_url: str, databases: Databases) -> None:
    database = Database(empty_url)
    role = f"reader_{Databases.name_of(empty_url)}"
    database.execute(f"create role {role} login; grant {role} to current_user")
    url = f"{empty_url}{'&' if '?' in empty_url else '?'}options=-crole%3D{role}"
    finished = pipeline.luigi("SyncDimSubject", "--date", DAY, env={"WAREHOUSE_DATABASE_URL": url})
    try:
        assert finished.returncode == 35, finished.stderr
        told(finished, "the warehouse does not let its user make tables", "grant it CREATE on the schema")
    finally:
        database.execute(f"drop owned by {role}; drop role {role}")
        database.close()


def test_debugging_tells_every_file_of_a_job_with_its_rows_and_milliseconds(pipeline: Pipeline, world: World) -> None:
    world.row_of_everything()
    told_so = pipeline.luigi("RunAll", "--date", DAY, env={"ETL_DEBUG": "true"}).stderr
    for job in ("sync_dim_learner", "build_fact_sessions", "build_fact_learning_progress"):
        for name, rows in (("extract.sql", r"\d+"), ("load.sql", "1"), ("checks.sql", "0")):
            assert re.search(rf"jobs/{job}/{name}: {rows} rows in \d+\.\d ms", told_so), (job, name)
    assert re.search(r"load/rejected\.sql: \d+\.\d ms", told_so)
    assert "-1 rows" not in told_so
