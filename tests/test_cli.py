"""The aivo-etl command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.pipeline import Pipeline

from aivo_luigi.cli import main
from aivo_luigi.db import forget_engines

ROOT = Path(__file__).parents[1]
DOCS = "\n".join(path.read_text() for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))])


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
    forget_engines()


def test_two_migrations_at_once_do_no_harm(empty_url: str) -> None:
    environment = {"OLTP_DATABASE_URL": empty_url, "WAREHOUSE_DATABASE_URL": empty_url}
    command = [str(Path(sys.executable).with_name("aivo-etl")), "migrate"]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
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


def test_an_error_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAREHOUSE_DATABASE_URL", "postgresql://etl:hidden@127.0.0.1:1/x")
    monkeypatch.setenv("OLTP_DATABASE_URL", "postgresql://etl:hidden@127.0.0.1:1/x")
    for command in ("migrate", "status"):
        result = CliRunner().invoke(main, [command])
        assert result.exit_code == 1
        assert len(result.stderr.splitlines()) == 1
        assert "WAREHOUSE_DATABASE_URL" in result.stderr
        assert "hidden" not in result.stderr
