"""`alarms`: how often the alarm on unusual row counts is false, and what it misses, on synthetic histories."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from psycopg2.extras import RealDictCursor

from benchmarks.databases import databases
from benchmarks.machine import about
from benchmarks.servers import Server, connect

KINDS = ("large", "district", "small", "tiny", "growing", "shrinking", "schooldays", "at home")
"""Kinds of platform; alarms.sql says what each is."""
FAULTS = ("one_halved", "all_halved_ordinary", "all_halved", "one_doubled", "one_halved_any_day", "all_halved_any_day")
_HERE = Path(__file__).parent
_PASSES = 7  # one without faults, and those of bench_faults


def alarms(server: Server, kinds: tuple[str, ...], histories: int, days: int, seed: int) -> dict[str, Any]:
    """Asks the view about so many histories of each kind, with and without faults, and returns the report.

    `figures` has a row per kind and job, per kind (job_name None), per job (kind None) and one for all; shares are 0 to
    1, None where there was nothing to catch. All false alarms are shares of the days judged, those on other days, too.
    Learning progress is in the rows of its own alone, without ceilings.
    """
    report = about("alarms", server, server, kinds=", ".join(kinds), histories=histories, days=days, seed=seed)
    with databases(server) as warehouses:
        name = warehouses.warehouse()
        array = "{" + ",".join(f'"{kind}"' for kind in kinds) + "}"
        warehouses.run_file(name, _HERE / "alarms.sql", kinds=array, histories=histories, days=days, seed=seed)
        warehouses.run_file(name, _HERE / "alarms_ceilings.sql")
        for number in range(_PASSES):
            warehouses.run_file(name, _HERE / "alarms_ask.sql", **{"pass": number})
        return {**report, "figures": [_with_shares(row) for row in _figures(server.url(name))]}


def _figures(url: str) -> list[dict[str, Any]]:
    with closing(connect(url)) as connection, connection.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute((_HERE / "alarms_figures.sql").read_text(encoding="utf-8"))
        return [dict(row) for row in cursor]


def _with_shares(row: dict[str, Any]) -> dict[str, Any]:
    shares = {f"{name}_share": _share(row[f"{name}_caught"], row[name]) for name in FAULTS}
    judged, judgeable = (_share(row[name], row["job_days"]) for name in ("judged_days", "judgeable_days"))
    alarms = _share(row["false_alarms"] + row["unjudged_alarms"], row["judged_days"])
    return {**row, "false_alarm_share": alarms, "judged_share": judged, "judgeable_share": judgeable, **shares}


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
