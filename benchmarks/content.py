"""Whether two warehouses hold the same: only then is it fair to compare what filling them took."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers import connect

_QUERY = Path(__file__).with_name("content.sql")


@dataclass(frozen=True)
class Held:
    """What a table holds."""

    rows: int
    checksum: str

    def __str__(self) -> str:
        return f"{self.rows} rows, checksum {self.checksum}"


def content(url: str) -> dict[str, Held]:
    """Rows and checksum of each table of a warehouse that has rows."""
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("set jit = off")
        cursor.execute(_QUERY.read_text(encoding="utf-8"))
        return {table: Held(rows, checksum) for table, rows, checksum in cursor.fetchall()}


def differences(one: dict[str, Held], other: dict[str, Held]) -> list[str]:
    """The tables in which the two differ, with what each holds."""
    return [
        f"{table}: {one.get(table, 'no rows')} / {other.get(table, 'no rows')}"
        for table in sorted(one.keys() | other.keys())
        if one.get(table) != other.get(table)
    ]
