"""The aivo-etl command."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner
from luigi.cmdline_parser import CmdlineParser
from support.command import AIVO_ETL, aivo_etl, aivo_etl_afresh, environment
from support.database import Database
from support.databases import Databases
from support.pipeline import Pipeline, write_config
from support.world import World

import aivo_luigi
from aivo_luigi.cli import main
from aivo_luigi.db import forget_connections

ROOT = Path(__file__).parents[1]
DOCS = "\n".join(path.read_text() for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))])
TASKS = [name for name in aivo_luigi.__all__ if name.startswith(("Sync", "Build", "Run", "Rebuild"))]
REFUSED = "postgresql://etl:h1dden%2F@127.0.0.1:1/nowhere"


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_has_help_and_is_documented(name: str) -> None:
    command = main.commands[name]
    assert len(command.help or "") > 20
    assert f"aivo-etl {name}" in DOCS
    for parameter in command.params:
        assert getattr(parameter, "help", None), parameter
        assert parameter.opts[0] in DOCS, parameter
    assert CliRunner().invoke(main, [name, "--help"]).exit_code == 0


def test_migrate_makes_the_schema_once(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLTP_DATABASE_URL", empty_url)
    monkeypatch.setenv("WAREHOUSE_DATABASE_URL", empty_url)
    first = CliRunner().invoke(main, ["status"])
    assert "nothing has run yet" in first.output
    assert "0001_dimensions" in CliRunner().invoke(main, ["migrate"]).output
    assert "up to date" in CliRunner().invoke(main, ["migrate"]).output
    assert CliRunner().invoke(main, ["status"]).exit_code == 0
    forget_connections()


def test_two_migrations_at_once_do_no_harm(empty_url: str) -> None:
    urls = environment(OLTP_DATABASE_URL=empty_url, WAREHOUSE_DATABASE_URL=empty_url)
    both = [subprocess.Popen([AIVO_ETL, "migrate"], env=urls, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = sorted(process.communicate(timeout=60)[0] for process in both)
    assert [process.returncode for process in both] == [0, 0, 0]
    assert [line.startswith("The schema is up to date") for line in said] == [False, True, True]


def test_status_shows_what_ran_and_why_it_failed(pipeline: Pipeline) -> None:
    pipeline.source.execute("drop table users")
    pipeline.luigi("SyncDimensions", "--date", "2025-01-15")
    shown = CliRunner().invoke(main, ["status", "--most", "50"]).output
    assert "sync_dim_tenant" in shown
    assert "FAILED" in shown
    assert 'relation "users" does not exist' in " ".join(shown.split())


def test_an_error_is_one_line(monkeypatch: pytest.MonkeyPatch, etl_option: Callable[[str, str], None]) -> None:
    etl_option("retry_seconds", "0")
    monkeypatch.setenv("WAREHOUSE_DATABASE_URL", "postgresql://etl:hidden@127.0.0.1:1/x")
    monkeypatch.setenv("OLTP_DATABASE_URL", "postgresql://etl:hidden@127.0.0.1:1/x")
    for command in ("migrate", "status"):
        result = CliRunner().invoke(main, [command])
        assert result.exit_code == 1
        assert len(result.stderr.splitlines()) == 1
        assert "WAREHOUSE_DATABASE_URL" in result.stderr
        assert "hidden" not in result.stderr


def schema(url: str) -> list[str]:
    """Every table, view, column, index and function of the schema, as text."""
    database = Database(url)
    try:
        return database.column(
            "select 'column ' || table_name || '.' || column_name || ' ' || data_type from information_schema.columns"
            " where table_schema = 'public'"
            " union all select indexdef from pg_indexes where schemaname = 'public'"
            " union all select 'function ' || oid::regprocedure from pg_proc"
            " where pronamespace = 'public'::regnamespace"
            " union all select 'migration ' || migration_id from _yoyo_migration order by 1"
        )
    finally:
        database.close()


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_names_every_command_and_starts_nothing(option: str) -> None:
    shown = aivo_etl_afresh(option, HOME="/nowhere")
    assert (shown.returncode, shown.stderr) == (0, "")
    for name, command in main.commands.items():
        assert name in shown.stdout
        assert command.get_short_help_str(20).removesuffix("...") in shown.stdout
    for name in main.commands:
        of_command = aivo_etl(name, option, HOME="/nowhere")
        assert (of_command.returncode, of_command.stderr) == (0, "")
        assert of_command.stdout.startswith(f"Usage: aivo-etl {name}")


def test_the_command_knows_its_version() -> None:
    assert importlib.metadata.version("aivo_luigi") in aivo_etl_afresh("--version").stdout


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_help_and_is_documented(task: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, CmdlineParser.global_instance(["--module", "aivo_luigi", task, "--help"]):
        pass
    assert not ended.value.code
    words = " ".join(capsys.readouterr().out.split())
    assert "--date DATE UTC day, YYYY-MM-DD (default: yesterday)" in words
    assert "--force [FORCE] run " in words
    assert getattr(aivo_luigi, task).__doc__
    assert task in DOCS


def test_every_setting_has_help_and_is_documented() -> None:
    for name, parameter in aivo_luigi.etl.get_params():
        assert parameter.description, name
        assert name in DOCS
        assert f"\n{name}=" in (ROOT / "luigi.cfg").read_text()


def test_the_demos_command_has_help_and_is_documented(tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "aivo_luigi.demo", "--help"],
        env={**os.environ, "XDG_DATA_HOME": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "python -m aivo_luigi.demo [oltp|warehouse]" in shown.stdout
    assert not (tmp_path / "data").exists()
    assert "python -m aivo_luigi.demo" in DOCS


def test_a_database_that_the_demo_does_not_have_is_refused(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "aivo_luigi.demo", "oltpp", "-c", "select 1"],
        env={**os.environ, "XDG_DATA_HOME": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == "error: the demo has no database 'oltpp': it has oltp and warehouse (the default)\n"
    assert not (tmp_path / "data").exists()


def test_migrate_again_changes_nothing_and_two_at_once_give_the_schema_of_one(
    empty_url: str, databases: Databases
) -> None:
    assert aivo_etl("migrate", OLTP_DATABASE_URL=empty_url, WAREHOUSE_DATABASE_URL=empty_url).returncode == 0
    alone = schema(empty_url)
    again = aivo_etl("migrate", OLTP_DATABASE_URL=empty_url, WAREHOUSE_DATABASE_URL=empty_url)
    assert (again.returncode, again.stdout, again.stderr) == (0, "The schema is up to date.\n", "")
    assert schema(empty_url) == alone
    other = databases.create()
    try:
        with ThreadPoolExecutor() as pool:
            urls = {"OLTP_DATABASE_URL": other, "WAREHOUSE_DATABASE_URL": other}
            both = list(pool.map(lambda _: aivo_etl("migrate", **urls), range(2)))
        assert [finished.returncode for finished in both] == [0, 0], both
        assert schema(other) == alone
    finally:
        databases.drop(other)


def test_migrate_upgrades_an_older_schema_and_keeps_its_rows(pipeline: Pipeline) -> None:
    assert pipeline.luigi("SyncDimSubject", "--date", "2025-01-15").returncode == 0
    version = "from _yoyo_migration where migration_id = (select max(migration_id) from _yoyo_migration)"
    newest = pipeline.warehouse.value(f"select migration_id {version}")
    text = (ROOT / "sql" / "warehouse" / f"{newest}.sql").read_text()
    for function in sorted(set(re.findall(r"create (?:or replace )?function (\w+)", text))):
        pipeline.warehouse.execute(f"drop function if exists {function} cascade")
    for view in re.findall(r"create view (\w+)", text):
        pipeline.warehouse.execute(f"drop view {view}")
    for done, name in re.findall(r"(create|drop) index (\w+)", text):
        if done == "create":
            pipeline.warehouse.execute(f"drop index {name}")
        else:
            pipeline.warehouse.execute(f"create index {name} on etl_job_runs (id)")
    if re.search(r"^(create table|alter table|create type)", text, re.MULTILINE):
        pytest.skip(f"{newest} can't be undone here")
    pipeline.warehouse.execute(f"delete {version}")
    assert pipeline.luigi("SyncDimSubject", "--date", "2025-01-15").returncode == 35
    upgraded = aivo_etl("migrate", **pipeline.environment)
    assert (upgraded.returncode, upgraded.stdout) == (0, f"1 migrations applied: {newest}\n"), upgraded.stderr
    assert pipeline.warehouse.value("select count(*) from etl_job_runs") == 1
    assert pipeline.luigi("SyncDimSubject", "--date", "2025-01-15").returncode == 0


def test_status_of_an_empty_warehouse_makes_nothing(empty_url: str) -> None:
    shown = aivo_etl("status", OLTP_DATABASE_URL=empty_url, WAREHOUSE_DATABASE_URL=empty_url)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "nothing has run yet" in shown.stdout
    database = Database(empty_url)
    assert database.column("select relname from pg_class where relnamespace = 'public'::regnamespace") == []
    database.close()


def test_status_of_a_migrated_warehouse_without_runs_is_no_error(pipeline: Pipeline) -> None:
    for options, words in (
        ("", "No run is recorded."),
        ("--date 2025-01-15 --job sync_dim_user", "No run is recorded of sync_dim_user for 2025-01-15."),
        ("--json", "[]"),
    ):
        shown = aivo_etl("status", *options.split(), **pipeline.environment)
        assert (shown.returncode, shown.stdout, shown.stderr) == (0, f"{words}\n", "")


def test_status_shows_the_newest_first_and_no_more_than_asked_for(pipeline: Pipeline, world: World) -> None:
    world.tenant()
    for task in ("SyncDimSubject", "SyncDimTenant"):
        assert pipeline.luigi(task, "--date", "2025-01-15").returncode == 0
    shown = aivo_etl("status", **pipeline.environment)
    assert shown.returncode == 0
    jobs = [line for line in shown.stdout.splitlines() if "sync_dim" in line]
    assert ["sync_dim_tenant" in line for line in jobs] == [True, False]
    assert all("2025-01-15" in line and "SUCCESS" in line for line in jobs)
    one = aivo_etl("status", "--most", "1", **pipeline.environment).stdout
    assert "sync_dim_tenant" in one
    assert "sync_dim_subject" not in one


@pytest.mark.parametrize(
    "arguments", [["status", "--most", "0"], ["status", "--most", "x"], ["nonsense"], ["--nonsense"]]
)
def test_a_wrong_use_says_how_to_get_help(arguments: list[str]) -> None:
    told = aivo_etl(*arguments)
    assert told.returncode == 2
    assert "Traceback" not in told.stderr
    assert "--help" in told.stderr or "-h" in told.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[smtp]\npassword h1dden\nhost=x", " (line 2): write each setting as key=value"),
        ("password=h1dden", " (line 1): it must begin with a [section]"),
        ("[core]\nworkers=1\nworkers=h1dden", " (line 3): a key is there twice"),
        ("[core]\nh1dden=\udcff", ": it must be text in UTF-8"),
    ],
    ids=["no setting", "no section", "twice", "no text"],
)
def test_a_luigi_cfg_that_cannot_be_read_is_told_with_its_line(text: str, words: str, tmp_path: Path) -> None:
    config = tmp_path / "luigi.cfg"
    config.write_text(text, errors="surrogateescape")
    for command, code in (("status", 1), ("run", 35)):
        told = aivo_etl_afresh(command, LUIGI_CONFIG_PATH=str(config))
        assert (told.returncode, told.stdout) == (code, "")
        (line,) = told.stderr.splitlines()
        assert f"luigi.cfg can't be read{words}" in line
        assert "h1dden" not in line
        debugged = aivo_etl_afresh(command, LUIGI_CONFIG_PATH=str(config), ETL_DEBUG="true")
        assert debugged.returncode == code
        assert "Traceback (most recent call last)" in debugged.stderr
        assert line in debugged.stderr
        assert "h1dden" not in debugged.stderr


def test_who_only_looks_at_the_warehouse_needs_no_source(pipeline: Pipeline, tmp_path: Path) -> None:
    warehouse = {"WAREHOUSE_DATABASE_URL": pipeline.warehouse.url}
    codes = {"migrate": 0, "status": 0, "rejects": 0, "plan": 0, "retention": 0, "report --output -": 0, "check": 1}
    for command, code in codes.items():
        done = aivo_etl(*command.split(), **warehouse)
        assert (done.returncode, done.stderr) == (code, ""), command
    assert pipeline.luigi("Retention", env={"OLTP_DATABASE_URL": None}).returncode == 0
    pipeline.luigi("SyncDimSubject", "--date", "2025-01-15")
    for command in ("run", "late", "compare", "backfill --start 2025-01-15 --stop 2025-01-16"):
        told = aivo_etl(*command.split(), **warehouse)
        assert told.returncode == (1 if command == "compare" else 35), command
        assert "OLTP_DATABASE_URL is not set" in told.stderr
        assert len(told.stderr.splitlines()) == 1
    assert pipeline.warehouse.value("select count(*) from etl_job_runs") == 1


@pytest.mark.parametrize("command", ["migrate", "status"])
@pytest.mark.parametrize(
    ("urls", "words"),
    [
        ({"WAREHOUSE_DATABASE_URL": REFUSED}, ["the warehouse can't be reached", "refused"]),
        ({"OLTP_DATABASE_URL": REFUSED}, ["WAREHOUSE_DATABASE_URL is not set"]),
        ({"OLTP_DATABASE_URL": REFUSED, "WAREHOUSE_DATABASE_URL": "mysql://etl:h1dden%2F@h/x"}, ["no PostgreSQL URL"]),
        ({"OLTP_DATABASE_URL": REFUSED, "WAREHOUSE_DATABASE_URL": REFUSED}, ["can't be reached", "refused"]),
    ],
    ids=["no source", "no warehouse", "another database", "refused"],
)
def test_the_command_fails_in_one_line(command: str, urls: dict[str, str], words: list[str], tmp_path: Path) -> None:
    at_once = write_config(tmp_path / "luigi.cfg", etl={"retry_seconds": 0})
    urls = {**urls, "LUIGI_CONFIG_PATH": str(at_once)}
    told = aivo_etl(command, **urls)
    assert (told.returncode, told.stdout) == (1, "")
    (line,) = told.stderr.splitlines()
    assert line.startswith("aivo-etl: ")
    assert all(word in line for word in words)
    debugged = aivo_etl(command, ETL_DEBUG="true", **urls)
    assert debugged.returncode == 1
    assert "Traceback (most recent call last)" in debugged.stderr
    for output in (told.stderr, debugged.stderr):
        assert "h1dden" not in output
