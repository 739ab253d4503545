"""Differences between what a table holds and what it should hold, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg2 import sql

from aivo_luigi.sqlfiles import columns_differ, columns_equal, identifiers

if TYPE_CHECKING:
    from aivo_luigi.warehouse.load import Load

Row = dict[str, Any]


@dataclass(frozen=True)
class Difference:
    """A row that is missing, surplus or altered: its columns by name, as expected and as held (None: no such row).

    `key`: the row's own id.
    """

    kind: str
    key: str
    expected: Row | None
    held: Row | None

    def columns(self) -> list[str]:
        """The names of the columns that differ; none for a row that is missing or surplus."""
        if self.expected is None or self.held is None:
            return []
        return [name for name, value in self.expected.items() if value != self.held[name]]


@dataclass(frozen=True)
class Differences:
    """How many rows are missing, surplus and altered, and the first of them."""

    missing: int = 0
    surplus: int = 0
    altered: int = 0
    first: list[Difference] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.missing or self.surplus or self.altered)

    def summary(self) -> str:
        """The three counts, in one line."""
        return f"{self.missing:,} rows missing, {self.surplus:,} surplus, {self.altered:,} altered"


def find_differences(
    load: Load,
    table: str,
    business_key: Sequence[str],
    columns: Sequence[str],
    most: int,
    held: sql.Composable,
    wanted: str = "true",
) -> Differences:
    """Compares the rows of a load with those that its table holds.

    `held`, `wanted`: conditions on the rows of the table and of the load that count. `most`: how many rows to tell of.
    """
    load.warehouse.file(
        "load/differences.sql",
        rows=load.rows,
        held_in=table,
        held=held,
        wanted=sql.SQL(wanted),
        columns=identifiers(columns),
        key=business_key[0],
        same_row=columns_equal(business_key, "expected", "held"),
        differ=columns_differ(columns, "expected", "held"),
    )
    counts = dict(load.warehouse.execute("select kind, count(*) from difference group by kind").fetchall())
    rows = load.warehouse.execute(
        "select kind, expected, held from difference order by kind, coalesce(expected, held) limit :most", most=most
    ).fetchall()
    first = [Difference(kind, _key(expected or held, business_key), expected, held) for kind, expected, held in rows]
    return Differences(**counts, first=first)


def _key(row: Row, business_key: Sequence[str]) -> str:
    return ", ".join(str(row[column]) for column in business_key)
