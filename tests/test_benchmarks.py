"""The benchmarks stay alive: they run at a tiny size, and the floor does what the pipeline does. No time is judged."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from sqlalchemy.engine import make_url
from support.database import Database
from support.pipeline import REPOSITORY
from support.runs import JOBS
from support.server import AnyServer

PAGES = [REPOSITORY / "docs" / name for name in ("performance.md", "operations.md")]


def benchmark(server: AnyServer, report: Path, *arguments: str) -> dict[str, Any]:
    """Runs `python -m benchmarks …` on the tests' server; what it wrote as JSON."""
    url = server.url("postgres")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments, "--source-url", url, "--json", str(report)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    held: dict[str, Any] = json.loads(report.read_text())
    return held


def test_pipeline_and_floor_write_the_same_rows(server: AnyServer, tmp_path: Path) -> None:
    report = benchmark(server, tmp_path / "report.json", "run", "--scale", "0.02", "--rounds", "1")
    assert report["content_differs"] == []
    assert report["rows_written"]["fact_sessions"] == 200
    assert report["rows_written"].keys() >= {"dim_tenant", "dim_learner", "dim_user", "dim_subject", "dim_skill"}
    for stage in ("fresh", "rerun"):
        assert sorted(report[stage]["jobs"]) == sorted(JOBS)
        for job, measured in report[stage]["jobs"].items():
            assert measured["rows"] > 0, job
            assert measured["floor_ms"] > 0, job
            assert measured["ratio"] > 0, job
        for who in ("pipeline", "pipeline_one_worker", "floor"):
            assert report[stage]["whole"][who]["ms"] > 0
            assert report[stage]["whole"][who]["wal_mb"] > 0
            assert report[stage]["whole"][who]["source_blocks"] > 0
    assert report["nothing_to_do"]["whole"]["pipeline"]["first_start_to_last_end_ms"] == 0
    assert report["versions"].keys() >= {"aivo_luigi", "postgresql", "python", "luigi"}
    assert report["machine"].keys() >= {"cores", "memory_gb", "processor"}
    assert str(REPOSITORY) not in json.dumps(report)


def test_a_history_fits_the_schema_of_the_warehouse(server: AnyServer, tmp_path: Path) -> None:
    arguments = ("history", "--scale", "0.02", "--days", "40", "--rounds", "1")
    report = benchmark(server, tmp_path / "report.json", *arguments)
    assert report["rows"]["warehouse"] > 3 * report["rows"]["no history"]
    assert report["whole"]["warehouse"]["ms"] > 0


def test_few_alarms_are_false_and_few_faults_missed(server: AnyServer, tmp_path: Path) -> None:
    """The short form: a year and a half of two platforms. The whole is in docs/operations.md."""
    kinds = [argument for kind in ("district", "schooldays") for argument in ("--kind", kind)]
    figures = benchmark(server, tmp_path / "report.json", "alarms", "--days", "550", *kinds)["figures"]
    whole = next(row for row in figures if not row["kind"] and not row["job_name"])
    assert whole["job_days"] == 2 * 4 * 550
    assert 0.5 < whole["judged_share"] < whole["judgeable_share"]
    assert whole["false_alarm_share"] < 0.01
    assert min(whole["one_halved"], whole["all_halved_ordinary"]) > 20
    assert whole["one_halved_share"] > 0.95
    assert whole["all_halved_ordinary_share"] > 0.75  # of some ten days
    assert whole["one_halved_any_day_share"] < whole["one_halved_ceiling"] < 1


def test_a_difference_is_told() -> None:
    from benchmarks.content import Held, differences

    one, other = Held(1, "2"), Held(1, "3")
    assert differences({"a": one}, {"a": one}) == []
    assert differences({"a": one, "b": one}, {"a": other}) == [
        "a: 1 rows, checksum 2 / 1 rows, checksum 3",
        "b: 1 rows, checksum 2 / no rows",
    ]


def test_every_benchmark_is_explained() -> None:
    from benchmarks.__main__ import main

    assert isinstance(main, click.Group)
    for name, command in main.commands.items():
        assert command.help
        assert all(option.help for option in command.params if isinstance(option, click.Option)), name
        pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
        assert re.search(rf"python -m benchmarks {name}\b", pages), name


def test_a_report_that_can_not_be_written_is_told_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks.__main__ import main

    with pytest.raises(SystemExit):
        main(["run", "--source-url", "postgresql://127.0.0.1:1/postgres", "--json", str(tmp_path / "none" / "x.json")])
    told = capsys.readouterr().err
    assert "Invalid value for '--json': the folder" in told
    assert "server" not in told


def test_a_role_that_may_not_make_databases_is_one_line(server: AnyServer, capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks.__main__ import main

    url = server.url("postgres")
    admin = Database(url)
    try:
        admin.execute("create role aivo_bench_nobody login password 'nobody'")
        mine = make_url(url).set(username="aivo_bench_nobody", password="nobody")
        with pytest.raises(SystemExit):
            main(["run", "--scale", "0.01", "--source-url", mine.render_as_string(hide_password=False)])
    finally:
        admin.execute("drop role aivo_bench_nobody")
        admin.close()
    told = capsys.readouterr().err.splitlines()
    assert told[-1] == "Error: the role may not make databases on the server: give it CREATEDB"
    assert "Traceback" not in str(told)


def test_a_server_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks.__main__ import main

    with pytest.raises(SystemExit):
        main(["run", "--source-url", "postgresql://127.0.0.1:1/postgres"])
    assert re.fullmatch(r"Error: the server can't be reached: .+\n", capsys.readouterr().err)
