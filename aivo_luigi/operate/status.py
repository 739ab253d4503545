"""What ran: the view etl_recent_runs, for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from aivo_luigi.db import connect_warehouse
from aivo_luigi.tables import NARROW, SPACIOUS, WIDE, print_table, terminal_width

Run = dict[str, Any]

_SHORTEST = {"job": "job_name", "day": "target_date", "status": "status", "rows": "rows_processed"}
_SHORT = {"started": "started_at", **_SHORTEST, "seconds": "seconds"}
_LONG = {
    "started": "started_at",
    "job": "job_name",
    "day": "target_date",
    "status": "status",
    "read": "rows_processed",
    "inserted": "rows_inserted",
    "updated": "rows_updated",
    "deleted": "rows_deleted",
    "rejected": "rows_rejected",
    "seconds": "seconds",
}


def recent_runs(day: date | None, job: str | None, most: int) -> list[Run]:
    """The latest runs, newest first."""
    with connect_warehouse("aivo-etl status") as warehouse:
        return warehouse.dicts("monitoring/recent_runs.sql", day=day, job=job, most=most)


def print_no_run(day: date | None, job: str | None) -> None:
    """Says that there is none, and of what."""
    print(f"No run is recorded{f' of {job}' if job else ''}{f' for {day}' if day else ''}.")


def print_runs(runs: Sequence[Run], as_json: bool) -> None:
    """Prints them; reasons stand below the table, so that its lines fit into 80 columns."""
    if as_json:
        print(json.dumps(runs, indent=1, default=str))
        return
    width = terminal_width()
    columns = _SHORTEST if width < NARROW else _SHORT if width < WIDE else _LONG
    rows = [[_shown(run, name, width) for name in columns.values()] for run in runs]
    print_table("Latest runs (UTC)", list(columns), rows)
    for run in runs:
        if run["error_message"]:
            print(f"{run['job_name']} {run['target_date']} ({run['started_at']:%H:%M:%S}): {run['error_message']}")


def _shown(run: Run, name: str, width: int) -> Any:
    if name != "started_at":
        return run[name]
    return f"{run[name]:%m-%d %H:%M}" if width < SPACIOUS else f"{run[name]:%Y-%m-%d %H:%M:%S}"
