"""COPY out of one server into the other: exact, constant in memory, and never half a stream."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import psycopg2
import pytest
from support.pipeline import Pipeline

from aivo_luigi.db import Connection, connect_source, connect_warehouse
from aivo_luigi.db.transfer import stage_query


@pytest.fixture
def both(pipeline: Pipeline) -> Iterator[tuple[Connection, Connection]]:
    with connect_source("test") as source, connect_warehouse("test") as warehouse:
        yield source, warehouse


def nothing() -> None:
    """Nobody wants to know how far it is."""


EXACT = r"""
select * from (values
    (null::uuid, null::text, null::integer, null::bigint, null::numeric, null::boolean, null::timestamptz, null::jsonb, null::date),
    ('00000000-0000-0000-0000-000000000001', E'tab\t, "line"\n\\N \\ ünïcode 🦊', -2147483648, 9223372036854775807,
     1e-30, true, '2025-01-15 12:00:00.123456+00', '{"a": [1, "x", null]}', '2025-01-15'),
    ('ffffffff-ffff-ffff-ffff-ffffffffffff', '', 2147483647, -1, 'NaN', false, 'infinity', 'null', 'infinity'),
    (null, '\.', 0, 0, 123456789012345678901234567890.0123456789, null, '-infinity', '"text"', '0001-01-01')
) as v (a, b, c, d, e, f, g, h, i)
"""


def test_every_value_arrives_as_it_was(both: tuple[Connection, Connection]) -> None:
    source, warehouse = both
    with warehouse.transaction():
        assert stage_query(source, warehouse, EXACT, nothing) == 4
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
        assert stage_query(source, warehouse, "select 1::integer as a where false", nothing) == 0
        assert warehouse.value("select count(*) from stage") == 0


def test_a_type_that_is_not_known_makes_the_stream_text(both: tuple[Connection, Connection]) -> None:
    source, warehouse = both
    with warehouse.transaction():
        query = "select session_type, 5::integer as n from (values ('SEL'::char(3))) as v (session_type)"
        assert stage_query(source, warehouse, query, nothing) == 1
        assert warehouse.execute("select session_type, n from stage").fetchone() == ("SEL", "5")


def test_an_extraction_that_breaks_in_the_middle_loads_nothing(both: tuple[Connection, Connection]) -> None:
    source, warehouse = both
    query = (
        "select (1 / (50000 - n))::integer as a, repeat('x', 200)::text as b from generate_series(1, 60000) as s (n)"
    )
    with pytest.raises(psycopg2.errors.DivisionByZero), warehouse.transaction():
        stage_query(source, warehouse, query, nothing)
    assert warehouse.value("select to_regclass('pg_temp.stage')") is None


def test_a_warehouse_that_breaks_does_not_leave_the_source_hanging(both: tuple[Connection, Connection]) -> None:
    source, warehouse = both
    warehouse.execute("set statement_timeout = 300")
    query = "select n::integer as a, repeat('x', 500)::text as b from generate_series(1, 3000000) as s (n)"
    with pytest.raises(psycopg2.errors.QueryCanceled), warehouse.transaction():
        stage_query(source, warehouse, query, nothing)


def test_memory_does_not_grow_with_the_rows(pipeline: Pipeline) -> None:
    program = """
import resource
from aivo_luigi.db import connect_source, connect_warehouse
from aivo_luigi.db.transfer import stage_query
with connect_source("test") as source, connect_warehouse("test") as warehouse:
    def copy(rows):
        query = f"select n::integer as a, repeat('x', 200)::text as b from generate_series(1, {rows}) as s (n)"
        with warehouse.transaction():
            assert stage_query(source, warehouse, query, lambda: None) == rows
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
