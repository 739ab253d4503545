"""What several commands do alike."""

from __future__ import annotations


def nothing_has_run(as_json: bool = False) -> bool:
    """Whether the warehouse is empty; then says so. Raises SchemaError for a schema of another version."""
    from aivo_luigi.db import connect_warehouse
    from aivo_luigi.warehouse.migrations import is_empty

    with connect_warehouse("aivo-etl") as warehouse:
        empty = is_empty(warehouse)
    if empty:
        print("[]" if as_json else "The warehouse is empty: nothing has run yet.")
    return empty
