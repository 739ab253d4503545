"""SQL files: psql variables, and what every job's folder holds."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from datetime import date, datetime, timezone
from pathlib import Path

import psycopg2
import pytest
from support.pipeline import Pipeline
from support.runs import JOBS
from support.server import AnyServer

from aivo_luigi import sqlfiles
from aivo_luigi.dates import day_end, day_start
from aivo_luigi.db import connect_source, connect_warehouse, transfer
from aivo_luigi.db.source import describe_query
from aivo_luigi.warehouse import Load
from aivo_luigi.warehouse.checks import read_checks

SQL = Path(__file__).parents[1] / "sql"


def test_psql_variables_are_filled_in_and_quoted(pipeline: Pipeline) -> None:
    connection = psycopg2.connect(pipeline.source.url)

    def render(text: str, **variables: object) -> str:
        return sqlfiles.render(text, connection, **variables)

    assert (
        render("select :'a'::text, :\"b\", :c", a="it's", b='odd"name', c=5)
        == "select 'it''s'::text, \"odd\"\"name\", 5"
    )
    assert render("-- about :'nothing'\nselect 1::integer") == "select 1::integer"
    assert render("x in (:names)", names=sqlfiles.identifiers(["a", "b"], "t")) == 'x in ("t"."a", "t"."b")'
    assert render("select :'day'", day=date(2025, 1, 15)) == "select '2025-01-15'::date"
    assert "2025-01-15" in render("select :'at'", at=datetime(2025, 1, 15, tzinfo=timezone.utc))
    with pytest.raises(KeyError):
        render("select :'unknown'")
    with pytest.raises(TypeError):
        render("select :raw", raw="1; drop table tenants")
    connection.close()


@pytest.mark.parametrize("path", sorted(SQL.rglob("*.sql")), ids=lambda path: str(path.relative_to(SQL)))
def test_every_file_says_at_its_head_what_it_is(path: Path) -> None:
    assert path.read_text().startswith("-- ")


@pytest.mark.parametrize("job", JOBS)
def test_every_job_has_its_files_and_casts_what_it_extracts(job: str) -> None:
    folder = SQL / "jobs" / job
    assert (folder / "load.sql").is_file()
    extract = folder / "extract.sql"
    assert extract.is_file() or (folder / "subjects.csv").is_file()
    if not extract.is_file():
        return
    text = "\n".join(line for line in extract.read_text().splitlines() if not line.startswith("--"))
    selected = text[text.rindex("\nselect\n", 0, text.rindex("\nfrom ")) if "\nselect\n" in text else 0 :]
    columns = re.findall(r"^    (\S.*) as (\w+),?$", selected.split("\nfrom ")[0], re.MULTILINE)
    assert len(columns) > 1
    uncast = [name for expression, name in columns if not re.search(r"::\w+$", expression)]
    assert [name for name in uncast if name != "subject_code"] == []


@pytest.mark.parametrize(
    ("text", "variables", "result"),
    [
        ("select :'a'", {"a": "it's"}, "it's"),
        ("select :'a'", {"a": "back\\slash \\' end"}, "back\\slash \\' end"),
        ("select :'a'", {"a": "50 % of %s and %(x)s"}, "50 % of %s and %(x)s"),
        ("select :'a'", {"a": "line\nbreak -- and :'b' and \"c\""}, "line\nbreak -- and :'b' and \"c\""),
        ("select :'a'", {"a": "ünïcode 🦊 '; drop table x; --"}, "ünïcode 🦊 '; drop table x; --"),
        ("select :'a' is null", {"a": None}, True),
        ("select :'a'::integer+:b::integer", {"a": "4", "b": 3}, 7),
        ("select '5'::text::integer::numeric", {}, 5),
        ("select (array[1,2,3])[1:2]", {}, [1, 2]),
        ("select to_char(timestamp '2025-01-15 10:11:12', 'HH24:MI:SS')", {}, "10:11:12"),
        ("select jsonb '{\"a\": 1}' ->> 'a'", {}, "1"),
        ('select :"c" from (select 1 as "odd "" name") as x', {"c": 'odd " name'}, 1),
        ("select x.:\"c\" from (select 2 as c) as x", {"c": "c"}, 2),
        ("-- :'nothing' and :\"nothing\"\n    -- :nothing\nselect :n", {"n": -6}, -6),
        ("select count(*) from (select 1) as x where :n in (:n) and (:'a',:'b') = ('a','b')",
         {"n": 1, "a": "a", "b": "b"}, 1),
    ],
)  # fmt: skip
def test_what_is_filled_in_means_what_was_given(
    pipeline: Pipeline, text: str, variables: dict[str, object], result: object
) -> None:
    connection = psycopg2.connect(pipeline.source.url)
    with connection, connection.cursor() as cursor:
        cursor.execute(sqlfiles.render(text, connection, **variables))
        assert cursor.fetchall() == [(result,)]
    connection.close()


@pytest.mark.parametrize("value", [1.5, "1", None, [1], "a, b"])
def test_a_plain_variable_is_an_integer_or_identifiers_and_nothing_else(pipeline: Pipeline, value: object) -> None:
    connection = psycopg2.connect(pipeline.source.url)
    with pytest.raises(TypeError):
        sqlfiles.render("select :a", connection, a=value)
    connection.close()


@pytest.mark.parametrize("text", ["select :'a'", 'select :"a"', "select :a"])
def test_a_variable_without_a_value_is_an_error(pipeline: Pipeline, text: str) -> None:
    connection = psycopg2.connect(pipeline.source.url)
    with pytest.raises(KeyError, match="a"):
        sqlfiles.render(text, connection, b=1)
    connection.close()


def statements(path: Path) -> str:
    return "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("--"))


def head(path: Path) -> str:
    """The comment lines before the first statement."""
    lines = itertools.takewhile(lambda line: line.startswith("--"), path.read_text().splitlines())
    return "\n".join(lines)


def used(path: Path) -> set[str]:
    """The psql variables that a file uses."""
    return set(
        re.findall(r"""(?<![:\w]):['"]?([a-z_]+)""", re.sub(r"[$][$].*?[$][$]", "", statements(path), flags=re.S))
    )


FILES = sorted(path for path in SQL.rglob("*.sql") if path.parent.name not in ("warehouse", "source"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SQL)))
def test_the_head_names_every_variable(path: Path) -> None:
    comment = head(path)
    assert used(path) <= set(re.findall(r"\w+", comment))
    if path.is_relative_to(SQL / "jobs") and "ariables: " in comment:
        named = comment.rpartition("ariables: ")[2].partition(".")[0]
        assert set(re.findall(r"[a-z_]+", named)) == used(path)


# What runs before there is a load, and what it is given there.
BEFORE_THE_LOAD: dict[str, set[str]] = {
    "extract.sql": {"day_start", "day_end", "changed_since"},
    "states.sql": {"changed_since"},
    "count.sql": set(),
    "rejects.sql": {"day_start", "day_end"},
}


@pytest.mark.parametrize("job", JOBS)
def test_a_job_uses_only_variables_that_it_is_given(pipeline: Pipeline, job: str) -> None:
    with connect_warehouse("test") as warehouse:
        load = Load(warehouse, job, date(2025, 1, 15), datetime.now(timezone.utc), 0, "")
    for path in (SQL / "jobs" / job).glob("*.sql"):
        assert used(path) <= BEFORE_THE_LOAD.get(path.name, set(load.variables)), path


def test_every_folder_of_jobs_is_a_job() -> None:
    assert sorted(path.name for path in (SQL / "jobs").iterdir()) == sorted(JOBS)


@pytest.mark.parametrize("job", JOBS)
def test_every_job_has_an_extract_a_load_and_checks(job: str) -> None:
    there = {path.name for path in (SQL / "jobs" / job).iterdir()}
    assert {"load.sql", "checks.sql"} <= there
    assert there & {"extract.sql", "subjects.csv"}


@pytest.mark.parametrize("path", sorted(SQL.glob("jobs/*/checks.sql")), ids=lambda path: path.parent.name)
def test_every_check_is_a_promise_with_a_query(path: Path) -> None:
    checks = list(read_checks(f"jobs/{path.parent.name}/checks.sql"))
    assert len(checks) == len(re.findall(r"^-- (?:failing|warning): ", path.read_text(), re.MULTILINE)) > 0
    assert len({check.promise for check in checks}) == len(checks)
    for check in checks:
        assert re.match(r"(--.*\n)*(select|with)\b", check.query), check.promise


EXTRACTS = sorted([*SQL.glob("jobs/*/extract.sql"), *SQL.glob("jobs/*/states.sql")])
OTHER_TYPES = {
    "text": "varchar(300)", "integer": "smallint", "numeric": "double precision", "jsonb": "json",
    "timestamp with time zone": "timestamptz(3)", "timestamp without time zone": "timestamp",
    "USER-DEFINED": "varchar(30)",
}  # fmt: skip


@pytest.mark.parametrize("path", EXTRACTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_an_extract_casts_every_column_to_a_binary_safe_type_whatever_the_sources_own(
    pipeline: Pipeline, path: Path
) -> None:
    def columns() -> list[tuple[str, int]]:
        with connect_source("test") as source:
            text = sqlfiles.render(
                path.read_text(),
                source.raw,
                day_start=day_start(date(2025, 1, 15)),
                day_end=day_end(date(2025, 1, 15)),
                changed_since="-infinity",
            )
            return describe_query(source, text)

    of_reference = columns()
    assert {oid for _, oid in of_reference} <= set(transfer._BINARY_TYPES)
    for row in pipeline.source.rows(
        "select table_name, string_agg(format('alter %I type ', column_name) || case data_type"
        + "".join(
            f" when '{old}' then format('{new} using %I::{new}', column_name)" for old, new in OTHER_TYPES.items()
        )
        + " end, ', ') as changes from information_schema.columns where table_schema = 'public' group by 1"
    ):
        pipeline.source.execute("drop index if exists session_events_by_type")
        pipeline.source.execute(f"alter table {row['table_name']} {row['changes']}")
    assert columns() == of_reference


@pytest.mark.parametrize("path", EXTRACTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_an_extract_can_be_given_to_psql_as_it_stands(pipeline: Pipeline, server: AnyServer, path: Path) -> None:
    binaries = getattr(server, "_bin", None)
    psql = (binaries and shutil.which("psql", path=str(binaries))) or shutil.which("psql")
    if not psql:
        pytest.skip("there is no psql here")
    settings = [
        "-v",
        "ON_ERROR_STOP=1",
        "-v",
        "day_start=2025-01-15",
        "-v",
        "day_end=2025-01-16",
        "-v",
        "changed_since=-infinity",
    ]
    finished = subprocess.run(
        [psql, "--no-psqlrc", "-d", pipeline.source.url, *settings, "-f", str(path)],
        input="",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (0, "")
