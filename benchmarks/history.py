"""`history`: what a day costs when the warehouse, or the source, holds many days before it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import click

from benchmarks.contenders import Pipeline
from benchmarks.databases import RECOMMENDED_INDEXES, Databases, databases
from benchmarks.jobs import JOBS
from benchmarks.machine import about
from benchmarks.medians import Sample, in_turn, middle, middle_ratio, of
from benchmarks.servers import Server, connect, value

DAY = date(2025, 1, 15)
PLAIN = "no history"
_HERE = Path(__file__).parent
_PIPELINE = Pipeline(("--workers", "1"))


def history(
    source_server: Server,
    warehouse_server: Server,
    scale: float,
    days: int,
    density: float,
    source_days: int,
    rounds: int,
) -> dict[str, Any]:
    """Measures, and returns the report. Each round builds a day that none has built before."""
    report = about(
        "history",
        source_server,
        warehouse_server,
        scale=scale,
        days=days,
        density=density,
        source_days=source_days,
        rounds=rounds,
    )
    with databases(source_server) as sources, databases(warehouse_server) as warehouses:
        small, template = _source(sources, scale, 0, density, rounds), warehouses.warehouse()
        pairs = {PLAIN: (small, _built(warehouses, template, sources, small))}
        if days:
            pairs["warehouse"] = (small, _with_history(warehouses, pairs[PLAIN][1], days, density))
        if source_days:
            deep = _source(sources, scale, source_days, density, rounds)
            indexed = sources.create(deep)
            sources.run_file(indexed, RECOMMENDED_INDEXES)
            sources.settle(indexed)
            pairs["source"] = (deep, warehouses.create(pairs[PLAIN][1]))
            pairs["source, indexes"] = (indexed, warehouses.create(pairs[PLAIN][1]))
        report["rows"] = {name: _rows(warehouse_server.url(warehouse)) for name, (_, warehouse) in pairs.items()}
        samples: dict[str, list[Sample]] = {name: [] for name in pairs}
        for number in range(rounds):
            click.echo(f"round {number + 1} of {rounds}", err=True)
            for name in in_turn(list(pairs), number):
                source, warehouse = pairs[name]
                warehouse_server.checkpoint()
                samples[name].append(
                    _PIPELINE.build(
                        source_server.url(source),
                        warehouse_server.url(warehouse),
                        DAY + timedelta(days=number + 1),
                        force=True,
                    )
                )
    return {
        **report,
        "whole": _against_plain(samples, of("first_start_to_last_end_ms")),
        "jobs": {job: _against_plain(samples, of("jobs", job, "ms")) for job in JOBS},
        "samples": samples,
    }


def _source(sources: Databases, scale: float, days: int, density: float, rounds: int) -> str:
    """A source of so many thin days before DAY, then full ones: DAY and one for each round."""
    last_day = DAY + timedelta(days=rounds)
    if not days:
        return sources.source(scale, first_day=DAY, last_day=last_day)
    name = sources.source(
        scale, first_day=DAY - timedelta(days=days), last_day=DAY - timedelta(days=1), density=density
    )
    sources.run_file(name, _HERE / "days.sql", scale=f"{scale:g}", density=1, first_day=DAY, last_day=last_day)
    sources.settle(name)
    return name


def _built(warehouses: Databases, template: str, sources: Databases, source: str) -> str:
    """A warehouse in which DAY is built, and nothing else."""
    name = warehouses.create(template)
    _PIPELINE.build(sources.server.url(source), warehouses.server.url(name), DAY, force=False)
    warehouses.settle(name)
    return name


def _with_history(warehouses: Databases, template: str, days: int, density: float) -> str:
    name = warehouses.create(template)
    warehouses.run_file(name, _HERE / "history.sql", day=DAY, days=days, density=density)
    warehouses.settle(name)
    return name


def _rows(url: str) -> int:
    """Rows of all facts, as analysed."""
    with closing(connect(url)) as connection:
        return int(
            value(
                connection,
                "select sum(reltuples) from pg_class where relname like 'fact%' and relkind = 'r' and reltuples > 0",
            )
        )


def _against_plain(samples: dict[str, list[Sample]], number: Callable[[Sample], float]) -> dict[str, Any]:
    """A number's median, and its ratio to the one without history."""
    return {
        name: {"ms": middle(own, number), "ratio": middle_ratio(own, samples[PLAIN], number)}
        for name, own in samples.items()
    }
