"""`year`: many small days through one RangeDaily, and finding them all complete again."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

from benchmarks.contenders import Pipeline
from benchmarks.databases import RECOMMENDED_INDEXES, databases
from benchmarks.machine import about
from benchmarks.measure import Meter
from benchmarks.servers import Server

FIRST_DAY = date(2025, 1, 1)


def year(
    source_server: Server, warehouse_server: Server, sessions: int, days: int, options: tuple[str, ...]
) -> dict[str, Any]:
    """Measures, and returns the report. `options`: more of them for Luigi."""
    report = about("year", source_server, warehouse_server, sessions=sessions, days=days, options=" ".join(options))
    stop = FIRST_DAY + timedelta(days=days)
    arguments = ["RangeDaily", "--of", "RunAll", "--start", str(FIRST_DAY), "--stop", str(stop), *options]
    with databases(source_server) as sources, databases(warehouse_server) as warehouses:
        source = sources.source(sessions / 10000, first_day=FIRST_DAY, last_day=stop - timedelta(days=1))
        sources.run_file(source, RECOMMENDED_INDEXES)
        sources.settle(source)
        meter = Meter(source_server, source, warehouse_server)
        with warehouses.copy(warehouses.warehouse()) as url:

            def run() -> dict[str, Any]:
                sample, traffic = meter.around(lambda: Pipeline().run(source_server.url(source), url, arguments))
                del sample["jobs"]
                return {**sample, **asdict(traffic), "ms_per_day": sample["ms"] / days}

            return {**report, "build": run(), "find_complete": run()}
