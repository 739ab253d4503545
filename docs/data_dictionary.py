"""Writes the data dictionary, docs/data-dictionary.md, from the warehouse itself: its columns, keys and comments.

    python docs/data_dictionary.py > docs/data-dictionary.md

Reads the warehouse of WAREHOUSE_DATABASE_URL as it is; where that is not set, the embedded demo's, migrated first.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing

import psycopg2

from aivo_luigi.config import WAREHOUSE_VARIABLE, database_urls
from aivo_luigi.warehouse.migrations import migrate

INTRODUCTION = """\
# Data dictionary

Every table and view of the warehouse, in the order in which the migrations of [sql/warehouse](../sql/warehouse) make
them. This page is made by `make docs` from the comments there: change those, not this page.

The migrations' own tables (yoyo) and the month partitions of the facts are left out. A view's columns don't say whether
they may be NULL. The days of `date_key` are UTC days."""

# Tables and views are listed by the order in which they were made, so that a dimension stands before its facts.
TABLES = """
select
    class.oid,
    class.relname,
    class.relkind = 'v' as is_view,
    obj_description(class.oid, 'pg_class') as meaning,
    pg_get_partkeydef(class.oid) as partition_key
from pg_class as class
where
    class.relnamespace = 'public'::regnamespace
    and class.relkind in ('r', 'p', 'v', 'm')
    and not class.relispartition
    and class.relname !~ '^_?yoyo'
order by class.oid
"""

COLUMNS = """
select
    attribute.attname,
    format_type(attribute.atttypid, attribute.atttypmod) as type,
    attribute.attnotnull,
    col_description(attribute.attrelid, attribute.attnum) as meaning
from pg_attribute as attribute
where
    attribute.attrelid = %s
    and attribute.attnum > 0
    and not attribute.attisdropped
order by attribute.attnum
"""

KEYS = """
select pg_get_constraintdef(oid)
from pg_constraint
where
    conrelid = %s
    and contype in ('p', 'u', 'f')
order by array_position(array['p', 'u', 'f'], contype::text), conkey
"""


def dictionary(url: str) -> str:
    """The whole page, for the warehouse at a URL."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(TABLES)
        sections = ["\n".join(_section(cursor, *table)) for table in cursor.fetchall()]
    return "\n\n".join([INTRODUCTION, *sections]) + "\n"


def _section(
    cursor: psycopg2.extensions.cursor,
    oid: int,
    name: str,
    is_view: bool,
    meaning: str | None,
    partition_key: str | None,
) -> Iterator[str]:
    """The lines of one table."""
    yield f"## {name}"
    yield ""
    yield meaning or ""
    cursor.execute(KEYS, [oid])
    keys = [f"`{definition}`" for (definition,) in cursor.fetchall()]
    if partition_key:
        keys.append(f"`PARTITION BY {partition_key}`")
    if is_view:
        keys.append("A view.")
    if keys:
        yield ""
        yield ", ".join(keys)
    yield ""
    yield "| column | type | null | meaning |"
    yield "|---|---|---|---|"
    cursor.execute(COLUMNS, [oid])
    for column, kind, required, what in cursor.fetchall():
        null = "" if is_view else "no" if required else "yes"
        yield f"| {column} | {kind} | {null} | {_cell(what)} |"


def _cell(text: str | None) -> str:
    """A comment as one cell of a Markdown table."""
    return " ".join((text or "").split()).replace("|", "\\|")


def warehouse_url() -> str:
    """The warehouse to read."""
    if url := os.environ.get(WAREHOUSE_VARIABLE):
        return url
    url = database_urls().warehouse
    migrate(url)
    return url


if __name__ == "__main__":
    sys.stdout.write(dictionary(warehouse_url()))
