"""The day rebuild: the rows of one day of a fact are replaced as a whole, under the keys that they had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as PsycopgCursor  # noqa: N812

from aivo_luigi.config import settings
from aivo_luigi.dates import day_end, to_date_key
from aivo_luigi.db import Connection, connect_warehouse
from aivo_luigi.errors import CheckError, GuardError
from aivo_luigi.sqlfiles import as_array, columns_differ, columns_equal, identifiers
from aivo_luigi.warehouse.differences import Differences, find_differences
from aivo_luigi.warehouse.load import Counts, Load

_known_columns: dict[str, list[str]] = {}  # by the query of load.sql


@dataclass(frozen=True)
class DayPartition:
    """Lands rows as a day of a fact, in a month partition.

    `business_key`: the columns that name a row within the day. `links_to_sessions`: whether load.sql reads
    session_link. `linked_from`: the facts whose links to this one are mended after the day is built.
    `row_per_staged`: whether each staged row must become one row of the fact; if not, load.sql makes them out of the
    history of skill states.
    """

    table: str
    surrogate_key: str
    business_key: tuple[str, ...]
    links_to_sessions: bool = False
    linked_from: tuple[str, ...] = ()
    row_per_staged: bool = True

    def prepare(self, warehouse: Connection, day: date) -> None:
        """Makes the month's partition and the year's calendar, where they are missing, on a connection of their own.

        Attaching a partition locks the dimensions for a moment; within the load they would be locked until its end.
        """
        if warehouse.file("load/has_month.sql", fact=self.table, day=day).fetchone() != (True,):
            with connect_warehouse("aivo_luigi partition") as another:
                another.execute("select etl_ensure_day(:'fact', :'day'::date)", fact=self.table, day=day)

    def land(self, load: Load) -> Counts:
        """Replaces the day. GuardError when a full day would become empty; CheckError when rows got lost on the way."""
        date_key = to_date_key(load.day)
        if self.links_to_sessions:
            load.warehouse.file("load/lock_links_shared.sql")
        columns = self._columns(load)
        # A young partition has no statistics, or such as know other days alone.
        load.warehouse.execute("set local enable_nestloop = off")
        before, loaded, gone, added = _only_row(
            load.warehouse.file(
                "load/day_merge.sql",
                fact=self.table,
                date_key=date_key,
                rows=load.rows,
                surrogate_key=self.surrogate_key,
                id=self.business_key[0],
                columns=identifiers(columns),
                incoming_columns=identifiers(columns, "incoming"),
                business_key=identifiers(self.business_key, "incoming"),
                same_row=columns_equal(self.business_key, "loaded", "day_before"),
                differ=columns_differ(columns, "loaded", "day_before"),
            )
        )
        expected = load.staged if self.row_per_staged else loaded
        inserted = before - len(gone) + added
        if inserted != expected:
            raise CheckError(
                f"{load.job_name} for {load.day} read {expected} rows but would write {inserted}: nothing was "
                "changed; please report this"
            )
        if before and not inserted and not settings().allow_empty_rebuild:
            raise GuardError(
                f"{load.job_name} for {load.day} would replace {before} rows by none: look at the source, or allow it "
                "with --etl-allow-empty-rebuild"
            )
        self._relink(load.warehouse, date_key, gone)
        load.warehouse.execute("set local enable_nestloop = default")  # members are few among many, and have their keys
        load.warehouse.file("load/hold_keys.sql")
        return Counts(inserted=inserted, deleted=before)

    def _relink(self, warehouse: Connection, date_key: int, gone: Sequence[str]) -> None:
        """Mends the links of other facts to the rows of the day, once they are built; `gone`: ids of those gone."""
        if self.linked_from:
            warehouse.file("load/lock_links.sql")
        for fact in self.linked_from:
            days = _only_row(warehouse.file("load/waiting_days.sql", fact=fact))[0]
            if days:
                warehouse.file("load/relink_waiting.sql", fact=fact, date_key=date_key, days=as_array(days))
            if gone:
                warehouse.file("load/relink_gone.sql", fact=fact, date_key=date_key, gone=as_array(gone))

    def compare(self, load: Load, most: int) -> Differences:
        """Compares the day's rows."""
        columns = self._columns(load)
        held = sql.SQL("date_key = {}").format(sql.Literal(to_date_key(load.day)))
        return find_differences(load, self.table, self.business_key, columns, most, held)

    def _columns(self, load: Load) -> list[str]:
        """Makes what load.sql reads besides `stage`, and returns the names of the columns that it gives."""
        staged, history = sql.SQL("stage"), sql.SQL("etl_states_at({})").format(sql.Literal(day_end(load.day)))
        load.warehouse.file("load/versions_in_force.sql", concerned=staged if self.row_per_staged else history)
        if self.links_to_sessions:
            days = _only_row(load.warehouse.file("load/session_days.sql"))[0]
            load.warehouse.file("load/session_links.sql", days=as_array(days or ()))
        return _columns_of(load)


def _only_row(cursor: PsycopgCursor) -> tuple[Any, ...]:
    row = cursor.fetchone()
    assert row is not None
    return row


def _columns_of(load: Load) -> list[str]:
    """The same whatever the day."""
    if load.rows_sql not in _known_columns:
        description = load.warehouse.execute("select * from (:rows) as loaded limit 0", rows=load.rows).description
        assert description is not None
        _known_columns[load.rows_sql] = [column.name for column in description]
    return _known_columns[load.rows_sql]
