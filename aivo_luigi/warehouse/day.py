"""The day rebuild: the rows of one day of a fact are replaced as a whole, under the keys that they had."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from psycopg2 import sql
from psycopg2.extensions import cursor as PsycopgCursor  # noqa: N812

from aivo_luigi.config import etl
from aivo_luigi.dates import to_date_key
from aivo_luigi.db import Connection, connect_warehouse
from aivo_luigi.errors import CheckError, GuardError
from aivo_luigi.sqlfiles import columns_differ, columns_equal, identifiers
from aivo_luigi.warehouse.differences import Differences, find_differences
from aivo_luigi.warehouse.load import Counts, Load


@dataclass(frozen=True)
class DayPartition:
    """Lands rows as a day of a fact, in a month partition.

    `business_key`: the columns that name a row within the day. `links_to_sessions`: whether load.sql reads
    session_link. `linked_from`: the facts whose links to this one are mended after the day is built.
    `row_per_staged`: whether each staged row must become one row of the fact; if not, load.sql makes them of what the
    warehouse holds of any learner.
    """

    table: str
    surrogate_key: str
    business_key: tuple[str, ...]
    links_to_sessions: bool = False
    linked_from: tuple[str, ...] = ()
    row_per_staged: bool = True

    def prepare(self, day: date) -> None:
        """Makes the month's partition and the year's calendar, on a connection of their own.

        Attaching a partition locks the dimensions for a moment; within the load they would be locked until its end.
        """
        with connect_warehouse("aivo_luigi partition") as another:
            another.execute("select etl_ensure_day(:'fact', :'day'::date)", fact=self.table, day=day)

    def land(self, load: Load) -> Counts:
        """Replaces the day. GuardError when a full day would become empty; CheckError when rows got lost on the way."""
        names = {"fact": self.table, "date_key": to_date_key(load.day)}
        if self.links_to_sessions:
            load.warehouse.file("load/lock_links_shared.sql")
        columns = self._show_rows(load)
        load.warehouse.file("load/hold_keys.sql")
        before = _only_row(load.warehouse.file("load/day_before.sql", **names))[0]
        loaded, gone, added = _only_row(
            load.warehouse.file(
                "load/day_merge.sql",
                **names,
                surrogate_key=self.surrogate_key,
                columns=identifiers(columns),
                incoming_columns=identifiers(columns, "incoming"),
                business_key=identifiers(self.business_key, "incoming"),
                same_row=columns_equal(self.business_key, "loaded", "day_before"),
                differ=columns_differ(columns, "loaded", "day_before"),
            )
        )
        expected = load.staged if self.row_per_staged else loaded
        inserted = before - gone + added
        if inserted != expected:
            raise CheckError(
                f"{load.job_name} for {load.day} read {expected} rows but would write {inserted}: nothing was "
                "changed; please report this"
            )
        if before and not inserted and not etl().allow_empty_rebuild:
            raise GuardError(
                f"{load.job_name} for {load.day} would replace {before} rows by none: look at the source, or allow it "
                "with --etl-allow-empty-rebuild"
            )
        if self.linked_from:
            load.warehouse.file("load/lock_links.sql")
        for fact in self.linked_from:
            load.warehouse.file("load/relink_sessions.sql", fact=fact, date_key=names["date_key"])
        return Counts(inserted=inserted, deleted=before)

    def compare(self, load: Load, most: int) -> Differences:
        """Compares the day's rows."""
        columns = self._show_rows(load)
        held = sql.SQL("date_key = {}").format(sql.Literal(to_date_key(load.day)))
        return find_differences(load.warehouse, self.table, self.business_key, columns, most, held)

    def _show_rows(self, load: Load) -> list[str]:
        """Makes the view `loaded`, and returns the names of its columns."""
        concerned = "learner_id in (select stage.learner_id from stage)" if self.row_per_staged else "true"
        load.warehouse.file("load/versions_in_force.sql", concerned=sql.SQL(concerned))
        if self.links_to_sessions:
            load.warehouse.file("load/session_links.sql")
        load.show_rows()
        return _columns_of_loaded(load.warehouse)


def _only_row(cursor: PsycopgCursor) -> tuple[int, ...]:
    row = cursor.fetchone()
    assert row is not None
    return row


def _columns_of_loaded(warehouse: Connection) -> list[str]:
    description = warehouse.execute("select * from loaded limit 0").description
    assert description is not None
    return [column.name for column in description]
