"""The two templates that most databases of the tests are copies of."""

from __future__ import annotations

from pathlib import Path

from support.database import Database
from support.databases import Databases

_SQL = Path(__file__).parents[2] / "sql"


def source_template(databases: Databases) -> str:
    """The name of a source with its tables and indexes, and no rows."""
    return databases.template("source", _make_source)


def warehouse_template(databases: Databases) -> str:
    """The name of a migrated warehouse in which nothing has run."""
    return databases.template("warehouse", _make_warehouse)


def _make_source(url: str) -> None:
    database = Database(url)
    for name in ("schema.sql", "indexes.sql"):
        database.execute((_SQL / "source" / name).read_text())
    database.close()


def _make_warehouse(url: str) -> None:
    from aivo_luigi.db import forget_connections
    from aivo_luigi.warehouse.migrations import migrate

    migrate(url)
    forget_connections()
