"""What several commands do alike."""

from __future__ import annotations


def nothing_has_run() -> bool:
    """Whether the warehouse is empty; then says so."""
    from aivo_luigi.db import connect_warehouse
    from aivo_luigi.warehouse.migrations import applied_migrations

    with connect_warehouse("aivo-etl") as warehouse:
        is_empty = not applied_migrations(warehouse)
    if is_empty:
        print("The warehouse is empty: nothing has run yet.")
    return is_empty
