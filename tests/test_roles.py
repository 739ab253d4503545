"""Least privilege: the pipeline runs under the roles of sql/roles.sql, and they may do nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import luigi
import psycopg2
import pytest
from click.testing import CliRunner
from support.command import aivo_etl
from support.database import Database
from support.databases import Databases
from support.pipeline import REPOSITORY, Pipeline
from support.roles import NAMES, RELATIONS, as_role, drop_roles, fill, grant, make_source, owned, psql
from support.runs import content, runs
from support.server import AnyServer
from support.world import World, at

import aivo_luigi
from aivo_luigi.cli import main
from aivo_luigi.config import retention
from aivo_luigi.db import forget_connections
from aivo_luigi.jobs.completeness import forget_answers
from aivo_luigi.tasks.retention import let_go
from aivo_luigi.warehouse.migrations import migrate

DAYS = (date(2025, 1, 15), date(2025, 2, 3))


@pytest.fixture(scope="module")
def roles(databases: Databases) -> Iterator[None]:
    yield
    drop_roles(databases, "source", "warehouse")


@pytest.fixture
def least(
    roles: None, server: AnyServer, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Pipeline]:
    """A pipeline whose databases belong to an owner that is no superuser; it runs as reader and loader."""
    with owned(databases, "source", make_source) as source, owned(databases, "warehouse", migrate) as warehouse:
        grant(server, as_role(source, "owner"), "reader")
        grant(server, as_role(warehouse, "owner"), "loader", "analyst")
        pipeline = Pipeline(Database(source), Database(warehouse), tmp_path)
        for name, value in urls(pipeline).items():
            monkeypatch.setenv(name, value)
        yield pipeline
        forget_answers()
        forget_connections()
        pipeline.source.close()
        pipeline.warehouse.close()


def urls(pipeline: Pipeline) -> dict[str, str]:
    """The environment of reader and loader."""
    return {
        "OLTP_DATABASE_URL": as_role(pipeline.source.url, "reader"),
        "WAREHOUSE_DATABASE_URL": as_role(pipeline.warehouse.url, "loader"),
    }


def built(pipeline: Pipeline, task: type[luigi.Task], **parameters: Any) -> None:
    """The task runs, and succeeds."""
    assert pipeline.run(task, **parameters).status.name == "SUCCESS"


def refused(database: Database, *statements: str) -> None:
    """Each statement is refused for want of a privilege."""
    for statement in statements:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            database.execute(statement)


@pytest.fixture
def reader(least: Pipeline) -> Iterator[Database]:
    database = Database(as_role(least.source.url, "reader"))
    yield database
    database.close()


@pytest.fixture
def loader(least: Pipeline) -> Iterator[Database]:
    database = Database(as_role(least.warehouse.url, "loader"))
    yield database
    database.close()


@pytest.fixture
def analyst(least: Pipeline) -> Iterator[Database]:
    database = Database(as_role(least.warehouse.url, "analyst"))
    yield database
    database.close()


def test_the_whole_pipeline_runs_as_reader_and_loader_and_gives_what_a_superuser_gets(
    least: Pipeline, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    for source in (least.source, pipeline.source):
        fill(World(source))
    for day in DAYS:
        built(pipeline, aivo_luigi.RunAll, date=day)
    for name, value in urls(least).items():
        monkeypatch.setenv(name, value)
    for day in DAYS:
        built(least, aivo_luigi.RunAll, date=day)
    assert len(runs(least.warehouse)) == 5 + 2 * 5
    assert runs(least.warehouse, "FAILED") == []
    assert content(least.warehouse) == content(pipeline.warehouse)
    partitions = least.warehouse.column(
        r"select tablename::text from pg_tables where tablename like 'fact\_%\_2025\___'"
    )
    assert len(partitions) == 2 * 5
    assert least.warehouse.column("select distinct tableowner::text from pg_tables where schemaname = 'public'") == [
        NAMES["owner"]
    ]


def test_what_a_load_analyses_is_analysed_as_loader(least: Pipeline) -> None:
    world = World(least.source)
    fill(world)
    for number in range(100):
        world.learner(f"one of many {number}")
    built(least, aivo_luigi.RunAll, date=DAYS[0])
    sizes = least.warehouse.rows(
        "select relname::text, reltuples from pg_class where relname in ('dim_learner', 'learner_skill_history')"
    )
    assert {row["relname"]: row["reltuples"] for row in sizes} == {"dim_learner": 131, "learner_skill_history": 1}


def test_days_are_rebuilt_and_late_ones_found_as_reader_and_loader(least: Pipeline) -> None:
    world = World(least.source)
    fill(world)
    built(least, aivo_luigi.RunAll, date=DAYS[1])
    built(least, aivo_luigi.RunAll, date=DAYS[1], force="again")
    world.session("late", started_at=at("2025-02-03 12:00"))
    built(least, aivo_luigi.RebuildLateDays, date=DAYS[1])
    assert least.warehouse.value("select count(*) from fact_sessions") == 3
    assert runs(least.warehouse, "FAILED") == []


def test_every_command_works_as_reader_and_loader(least: Pipeline) -> None:
    fill(World(least.source))
    built(least, aivo_luigi.RunAll, date=DAYS[0])
    for command, words in (
        ("status", "build_fact_sessions"),
        (f"plan --date {DAYS[0]} --late", "complete"),
        (f"compare --date {DAYS[0]}", "none differ"),
        ("rejects", ""),
        ("migrate", "The schema is up to date."),
    ):
        done = CliRunner().invoke(main, command.split())
        assert (done.exit_code, done.stderr) == (0, ""), command
        assert words in done.stdout
    checked = CliRunner().invoke(main, ["check"])
    assert (checked.exit_code, checked.stderr) == (1, "")
    assert "overdue" in checked.stdout


def test_an_analyst_sees_what_ran_and_leaves_all_else_to_the_loader(
    least: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(World(least.source))
    built(least, aivo_luigi.RunAll, date=DAYS[0])
    monkeypatch.setenv("WAREHOUSE_DATABASE_URL", as_role(least.warehouse.url, "analyst"))
    done = CliRunner().invoke(main, ["status"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert "build_fact_sessions" in done.stdout
    for command in ("check", "check --json", "report", "rejects", "compare", "retention", "retention --dry-run"):
        done = CliRunner().invoke(main, command.split())
        assert (done.exit_code, done.stdout) == (1, ""), command
        (line,) = done.stderr.splitlines()
        assert line.startswith("aivo-etl: the warehouse does not let its user run anything (permission denied for ")
        assert "loader" in line


def test_an_analyst_runs_nothing_and_is_told_who_does(least: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    analysts = as_role(least.warehouse.url, "analyst")
    monkeypatch.setenv("WAREHOUSE_DATABASE_URL", analysts)
    span = [f"--start={DAYS[0]}", f"--stop={DAYS[1]}"]
    for command in (["run", f"--date={DAYS[0]}"], ["late", f"--date={DAYS[0]}"], ["backfill", *span], ["plan", *span]):
        done = CliRunner().invoke(main, command)
        assert done.exit_code == (1 if command[0] == "plan" else 35), command
        (line,) = done.stderr.splitlines()
        assert line.startswith(
            "aivo-etl: the warehouse does not let its user run anything (permission denied for table"
        )
        assert "loader" in line
    done = least.luigi("RunAll", "--date", DAYS[0], env=urls(least) | {"WAREHOUSE_DATABASE_URL": analysts})
    assert done.returncode == 35
    assert "the warehouse does not let its user run anything" in done.stderr


def test_keys_are_checked_as_sets_where_the_loader_may_and_row_by_row_where_not(least: Pipeline) -> None:
    fill(World(least.source))
    built(least, aivo_luigi.BuildFactSessions, date=DAYS[0])
    least.warehouse.execute(f"grant set on parameter session_replication_role to {NAMES['loader']}")
    try:
        forget_connections()
        built(least, aivo_luigi.BuildFactSessions, date=DAYS[1])
    finally:
        least.warehouse.execute(f"revoke set on parameter session_replication_role from {NAMES['loader']}")
    assert len(runs(least.warehouse)) == 4


def test_the_loader_migrates_nothing_and_says_who_does(least: Pipeline, empty_url: str) -> None:
    least.warehouse.execute("delete from _yoyo_migration where migration_id like '0011%'")
    environment = {**urls(least), "WAREHOUSE_DATABASE_URL": as_role(least.warehouse.url, "loader")}
    older = aivo_etl("run", "--date", str(DAYS[0]), **environment)
    assert older.returncode == 35
    assert "is older than this package (1 migrations are missing): run aivo-etl migrate" in older.stderr
    refused_to = aivo_etl("migrate", **environment)
    assert refused_to.returncode == 1
    assert "as the owner of the tables" in refused_to.stderr
    empty = {**environment, "WAREHOUSE_DATABASE_URL": as_role(empty_url, "loader")}
    first = aivo_etl("run", "--date", str(DAYS[0]), **empty)
    assert first.returncode == 35
    assert "run aivo-etl migrate as the owner of the tables" in first.stderr
    assert "Traceback" not in first.stderr


def test_the_reader_sees_the_contracts_columns_and_nothing_else(least: Pipeline, reader: Database) -> None:
    may_read = "select table_name::text, column_name::text from information_schema.column_privileges" + (
        f" where grantee = '{NAMES['reader']}' and privilege_type = 'SELECT'"
    )
    described = "select table_name::text, column_name::text from information_schema.columns" + (
        " where table_schema = 'public' and table_name <> 'secrets' and column_name <> 'full_name'"
    )
    assert least.source.column(f"({may_read}) except ({described})") == []
    assert least.source.column(f"({described}) except ({may_read})") == []
    assert reader.value("select count(*) from learners") == 0
    refused(
        reader,
        "select * from secrets",
        "select full_name from learners",
        "select * from learners",
        "insert into tenants (id) values (gen_random_uuid())",
        "update learners set is_active = false",
        "delete from sessions",
        "truncate users",
        "select id from sessions for update",
        "create table mine (id integer)",
    )


def test_the_loader_makes_and_drops_no_table_and_reads_nothing_that_it_need_not(loader: Database) -> None:
    refused(
        loader,
        "create table mine (id integer)",
        "create schema mine",
        "create function mine() returns integer language sql return 1",
        "drop table dim_user",
        "alter table dim_user add mine integer",
        "create index on dim_user (role)",
        "truncate fact_sessions",
        "delete from dim_learner",
        "select * from dim_date",
        "select * from _yoyo_log",
        "insert into _yoyo_migration values ('x', '9999_mine', now())",
        "select setval('fact_sessions_session_key_seq', 1)",
        "set session_replication_role = replica",
        "select rolpassword from pg_authid",
    )


def test_the_owners_functions_serve_the_pipelines_tables_and_no_others(loader: Database, analyst: Database) -> None:
    loader.execute("create temporary table fact_mine (date_key integer) partition by range (date_key)")
    loader.execute("create temporary table dim_mine (id integer)")
    for fact in ("dim_user", "fact_mine", "etl_job_runs", "pg_class", "nothing"):
        with pytest.raises(psycopg2.errors.RaiseException, match=f"{fact} is no fact of this warehouse"):
            loader.execute(f"select etl_ensure_day('{fact}', '2025-01-15')")
    with pytest.raises(psycopg2.errors.UndefinedTable):
        loader.execute("select etl_analyze('dim_mine')")
    with pytest.raises(psycopg2.errors.RaiseException, match="none of the tables"):
        loader.execute("select etl_analyze('etl_job_runs')")
    refused(analyst, "select etl_ensure_day('fact_sessions', '2025-01-15')", "select etl_analyze('dim_user')")


def test_an_owners_function_is_not_led_astray_by_the_callers_search_path(loader: Database, least: Pipeline) -> None:
    loader.execute("create temporary table dim_date (like dim_user); set search_path = pg_temp, public")
    loader.execute("create function pg_temp.etl_make_dates(integer) returns void language sql as 'select 1 / 0'")
    loader.execute("select etl_ensure_day('fact_sessions', '2055-03-01')")
    assert least.warehouse.value("select count(*) from dim_date where year = 2055") == 365
    assert (
        least.warehouse.value(
            "select relnamespace::regnamespace::text from pg_class where relname = 'fact_sessions_2055_03'"
        )
        == "public"
    )


def test_analysts_see_dimensions_facts_views_and_partitions_to_come_but_no_payload(
    least: Pipeline, analyst: Database
) -> None:
    fill(World(least.source))
    built(least, aivo_luigi.RunAll, date=DAYS[1])
    for relation in least.warehouse.column(RELATIONS):
        assert analyst.rows(f"select * from {relation} limit 1") is not None, relation
    assert analyst.value("select count(*) from fact_sessions") == 2
    refused(
        analyst,
        "select * from etl_rejected_rows",
        "select payload from etl_rejected_rows",
        "select * from learner_skill_history",
        "select * from etl_states_at(now())",
        "select * from etl_job_runs",
        "insert into dim_date select * from dim_date",
        "delete from fact_sessions",
        "create table mine (id integer)",
    )


def test_the_loader_may_use_every_table_and_view_that_the_package_has(least: Pipeline, loader: Database) -> None:
    """A new table or view needs a line in sql/roles.sql."""
    for relation in least.warehouse.column(
        "select relname::text from pg_class where relnamespace = 'public'::regnamespace and not relispartition"
        " and relkind in ('r', 'p', 'v') and relname !~ 'yoyo' and relname <> 'dim_date' order by 1"
    ):
        loader.execute(f"select from {relation} limit 0")


def test_roles_again_leave_what_is_written_and_take_the_rest(
    least: Pipeline, server: AnyServer, analyst: Database
) -> None:
    least.warehouse.execute(f"grant select on etl_rejected_rows to {NAMES['analyst']}")
    analyst.execute("select from etl_rejected_rows")
    for _ in range(2):
        grant(server, as_role(least.warehouse.url, "owner"), "loader", "analyst")
    refused(analyst, "select from etl_rejected_rows")
    built(least, aivo_luigi.SyncDimTenant, date=DAYS[0])


@pytest.mark.parametrize("variable", ["", "raeder=aivo_reader"])
@pytest.mark.parametrize("stop", ["0", "1"])
def test_roles_that_are_not_named_are_an_error_that_names_the_variables(
    warehouse_url: str, server: AnyServer, variable: str, stop: str
) -> None:
    given = ["-v", f"ON_ERROR_STOP={stop}", *(["-v", variable] if variable else [])]
    done = psql(server, warehouse_url, *given, "-f", str(REPOSITORY / "sql" / "roles.sql"))
    assert done.returncode == 3
    assert "-v reader=NAME" in done.stderr
    assert "-v loader=NAME -v analyst=NAME" in done.stderr
    assert "COMMIT" not in done.stdout


def test_roles_that_are_not_there_are_made_without_a_password(
    least: Pipeline, server: AnyServer, databases: Databases
) -> None:
    name = f"{NAMES['analyst']}_new"
    done = psql(server, least.warehouse.url, "-v", f"analyst={name}", "-f", str(REPOSITORY / "sql" / "roles.sql"))
    try:
        assert (done.returncode, done.stderr) == (0, "")
        made = least.warehouse.row(f"select * from pg_authid where rolname = '{name}'")
        assert made["rolcanlogin"]
        assert made["rolpassword"] is None
        assert not any(made[can] for can in ("rolsuper", "rolcreaterole", "rolcreatedb", "rolreplication"))
    finally:
        least.warehouse.execute(f"drop owned by {name}; drop role {name}")


def test_old_months_and_rows_go_as_loader(least: Pipeline, retention_option: Callable[[str, str], None]) -> None:
    fill(World(least.source))
    for day in DAYS:
        built(least, aivo_luigi.RunAll, date=day)
    least.warehouse.execute(
        "insert into learner_skill_history select gen_random_uuid(), skill_id, state_id, tenant_id, 0, false,"
        " '2020-01-01', '2020-01-02' from learner_skill_history;"
        " update etl_rejected_rows set rejected_at = '2020-01-01';"
        " update etl_job_runs set status = 'FAILED', started_at = '2020-01-01' where rows_rejected > 0"
    )
    today = datetime.now(timezone.utc)
    months = str((today.year - 2025) * 12 + today.month - 2)
    for table in retention.get_param_names():
        retention_option(table, months)
    went = {(one.table, one.what) for one in let_go(dry_run=False)}
    assert {table for table, _ in went} == {*retention.get_param_names()}
    assert {what for table, what in went if table.startswith("fact_")} == {"2025-01"}
    assert least.warehouse.value("select count(*) from fact_sessions") == 2
    built(least, aivo_luigi.Retention)
