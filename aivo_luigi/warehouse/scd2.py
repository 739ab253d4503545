"""SCD type 2: a row per version, versions that never overlap, at most one of them current."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from psycopg2 import sql

from aivo_luigi.db import Connection
from aivo_luigi.sqlfiles import columns_differ, identifiers
from aivo_luigi.warehouse.differences import Differences, find_differences
from aivo_luigi.warehouse.load import Counts, Load, analyze_grown, count_members, guard_mass_close, hold_members
from aivo_luigi.warehouse.rejects import not_rejected

CURRENT = "is_current and not is_inferred"
"""Which rows are the present of the members that the source has shown."""


@dataclass(frozen=True)
class Scd2:
    """Lands rows as versions: a tracked attribute that changes ends one version and begins the next.

    `tracked`: the attributes whose change makes a version. `in_place`: those overwritten without one. `follows_tenant`:
    whether the table has a tenant_key that is kept at the tenant's last version while a row is current.
    """

    table: str
    surrogate_key: str
    business_key: str
    tracked: tuple[str, ...]
    in_place: tuple[str, ...] = ("created_at",)
    follows_tenant: bool = False
    row_per_staged: bool = True

    def prepare(self, warehouse: Connection, day: date) -> None:
        """Nothing: a dimension has no partitions."""

    def land(self, load: Load) -> Counts:
        """Merges the source's rows into the table; GuardError when too many current members would end."""
        names = {"dimension": self.table, "business_key": self.business_key, "surrogate_key": self.surrogate_key}
        columns = (self.business_key, *self.tracked, *self.in_place)
        # Facts that infer members wait, and so does another sync: what is read here is still true when it is written.
        load.warehouse.execute('lock table :"dimension" in share row exclusive mode', dimension=self.table)
        row = load.warehouse.file(
            "load/scd2_changes.sql",
            **names,
            rows=load.rows,
            clock=load.clock,
            whole=load.whole,
            not_rejected=not_rejected(self.business_key, "current_version"),
            differs=columns_differ(self.tracked, "incoming", "current_version"),
        ).fetchone()
        assert row is not None
        inserted, updated, deleted, closed = row
        guard_mass_close(load.job_name, self.table, closed, lambda: count_members(load.warehouse, self.table, CURRENT))
        if inserted or updated or deleted:
            load.warehouse.file(
                "load/scd2_apply.sql",
                **names,
                rows=load.rows,
                columns=identifiers(columns),
                incoming_columns=identifiers(columns, "incoming"),
            )
            hold_members(load)
            analyze_grown(load, self.table, inserted)
        if self.follows_tenant:
            load.warehouse.file("load/check_keys_by_row.sql")
            load.warehouse.file(
                "load/repoint_tenants.sql", dimension=self.table, follows=identifiers(("is_current",), "dimension")
            )
        return Counts(inserted, updated, deleted)

    def compare(self, load: Load, most: int) -> Differences:
        """Compares the current versions with the source's live rows; one that can't be loaded is left as it is."""
        columns = (self.business_key, *self.tracked, *(("tenant_key",) if self.follows_tenant else ()))
        return find_differences(
            load,
            self.table,
            (self.business_key,),
            columns,
            most,
            held=sql.SQL("is_current and not is_inferred and {}").format(not_rejected(self.business_key, self.table)),
            wanted="deleted_at is null",
        )
