"""SCD type 1: a row per id, overwritten in place; what is deleted or gone is inactive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from psycopg2 import sql

from aivo_luigi.db import Connection
from aivo_luigi.sqlfiles import columns_differ, identifiers
from aivo_luigi.warehouse.differences import Differences, find_differences
from aivo_luigi.warehouse.load import Counts, Load, analyze_grown, count_members, guard_mass_close, hold_members
from aivo_luigi.warehouse.rejects import not_rejected

ACTIVE = "is_active and not is_inferred"
"""Which rows are the present of the members that the source has shown."""


@dataclass(frozen=True)
class Scd1:
    """Lands rows as an upsert.

    `compared`: the attributes whose change is a change. `carried`: those written along with one. `deactivates`: whether
    the table has an is_active that ends with the row in the source. `follows_tenant`: whether it has a tenant_key that
    is kept at the tenant's last version.
    """

    table: str
    business_key: str
    compared: tuple[str, ...]
    carried: tuple[str, ...] = ()
    deactivates: bool = True
    follows_tenant: bool = False
    row_per_staged: bool = True

    def prepare(self, warehouse: Connection, day: date) -> None:
        """Nothing: a dimension has no partitions."""

    def land(self, load: Load) -> Counts:
        """Upserts the source's rows; GuardError when too many active members would be deactivated."""
        names = {"dimension": self.table, "business_key": self.business_key, "rows": load.rows}
        columns = (self.business_key, *self.compared, *self.carried)
        # Facts that infer members wait, and so does another sync: what is read here is still true when it is written.
        load.warehouse.execute('lock table :"dimension" in share row exclusive mode', dimension=self.table)
        row = load.warehouse.file(
            "load/scd1_changes.sql",
            **names,
            differs=columns_differ(self.compared, "incoming", "known"),
            was_active=sql.Identifier("known", "is_active") if self.deactivates else sql.SQL("true"),
        ).fetchone()
        assert row is not None
        inserted, updated, deleted, closed = row
        gone = (
            load.warehouse.file(
                "load/scd1_gone.sql", **names, not_rejected=not_rejected(self.business_key, "known")
            ).rowcount
            if self.deactivates and load.whole
            else 0
        )
        # What is gone is inactive already, and was active a moment ago.
        guard_mass_close(
            load.job_name,
            self.table,
            closed + gone,
            lambda: gone + count_members(load.warehouse, self.table, ACTIVE),
        )
        if inserted or updated or deleted:
            load.warehouse.file(
                "load/scd1_apply.sql",
                **names,
                columns=identifiers(columns),
                incoming_columns=identifiers(columns, "incoming"),
            )
            hold_members(load)
            analyze_grown(load, self.table, inserted)
        if self.follows_tenant:
            load.warehouse.file("load/check_keys_by_row.sql")
            load.warehouse.file("load/repoint_tenants.sql", dimension=self.table, follows=sql.SQL("true"))
        return Counts(inserted, updated, deleted + gone)

    def compare(self, load: Load, most: int) -> Differences:
        """Compares all members with the source's rows; one that is gone from there must be inactive.

        One that can't be loaded is left as it is.
        """
        columns = (self.business_key, *self.compared, *(("tenant_key",) if self.follows_tenant else ()))
        key = sql.Identifier(self.business_key)
        is_active = sql.Identifier("is_active") if self.deactivates else sql.SQL("true")
        held = sql.SQL("not is_inferred and ({} or {} in (select {} from ({}) as loaded)) and {}").format(
            is_active, key, key, load.rows, not_rejected(self.business_key, self.table)
        )
        return find_differences(load, self.table, (self.business_key,), columns, most, held)
