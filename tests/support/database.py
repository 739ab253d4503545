"""A database as a test sees it: statements in, rows out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import Json, RealDictCursor, execute_values, register_uuid
from psycopg2.sql import SQL, Identifier

Row = dict[str, Any]


class Database:
    """One database, each statement committed at once. `%(name)s` takes parameters."""

    def __init__(self, url: str) -> None:
        self.url = url

    @cached_property
    def _connection(self) -> Connection:
        connection = psycopg2.connect(self.url, options="-c timezone=UTC", cursor_factory=RealDictCursor)
        connection.autocommit = True
        register_uuid(conn_or_curs=connection)
        return connection

    def execute(self, sql: str, **params: Any) -> int:
        """Run a statement; the number of rows that it touched."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql, params or None)
            return cursor.rowcount

    def rows(self, sql: str, **params: Any) -> list[Row]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql, params or None)
            return [dict(row) for row in cursor.fetchall()]

    def row(self, sql: str, **params: Any) -> Row:
        """The one row that there must be."""
        found = self.rows(sql, **params)
        assert len(found) == 1, f"one row expected, {len(found)} found: {found}"
        return found[0]

    def value(self, sql: str, **params: Any) -> Any:
        """The one value of the one row that there must be."""
        (value,) = self.row(sql, **params).values()
        return value

    def column(self, sql: str, **params: Any) -> list[Any]:
        """The first column of every row."""
        return [next(iter(row.values())) for row in self.rows(sql, **params)]

    def insert(self, table: str, **columns: Any) -> None:
        self.insert_many(table, [columns])

    def insert_many(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert rows that all have the first one's columns."""
        rows = list(rows)
        if not rows:
            return
        names = list(rows[0])
        statement = SQL("insert into {} ({}) values %s").format(
            Identifier(table), SQL(", ").join(map(Identifier, names))
        )
        values = [[_adapted(row[name]) for name in names] for row in rows]
        with self._connection.cursor() as cursor:
            execute_values(cursor, statement.as_string(cursor), values, page_size=1000)

    def update(self, table: str, id: Any, **columns: Any) -> None:
        """Change the row with this id, which must be there."""
        changes = SQL(", ").join(SQL("{} = %({})s").format(Identifier(c), SQL(c)) for c in columns)
        statement = SQL("update {} set {} where id = %(row_id)s").format(Identifier(table), changes)
        params = {name: _adapted(value) for name, value in columns.items()} | {"row_id": id}
        with self._connection.cursor() as cursor:
            cursor.execute(statement, params)
            assert cursor.rowcount == 1, f"{table} has no row {id}"

    def delete(self, table: str, id: Any) -> None:
        """Take the row with this id away, which must be there."""
        with self._connection.cursor() as cursor:
            cursor.execute(SQL("delete from {} where id = %s").format(Identifier(table)), [id])
            assert cursor.rowcount == 1, f"{table} has no row {id}"

    def close(self) -> None:
        if "_connection" in self.__dict__:
            self._connection.close()
            del self.__dict__["_connection"]


def _adapted(value: Any) -> Any:
    return Json(value) if isinstance(value, dict) else value
