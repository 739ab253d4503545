"""What retention let go of, for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from aivo_luigi.tables import print_table
from aivo_luigi.warehouse.retention import Expired


def print_expired(expired: Sequence[Expired], dry_run: bool, as_json: bool) -> None:
    """Prints a line for each month and table, and the sum."""
    if as_json:
        print(json.dumps([asdict(one) for one in expired], indent=1))
        return
    if not expired:
        print("Nothing is older than section [retention] says.")
        return
    print_table(
        "Would go" if dry_run else "Went",
        ("table", "what", "rows", "size"),
        [(one.table, one.what, one.rows, _size(one.bytes)) for one in expired],
    )
    freed = sum(one.bytes or 0 for one in expired)
    print(f"{sum(one.rows for one in expired):,} rows{f', {_size(freed)} on disk' if freed else ''}.")


def _size(number: int | None) -> str:
    return "" if number is None else f"{number / 1024**2:,.1f} MB"
