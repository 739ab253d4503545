"""`learners`: the first load of many learners, and the hourly sync of which a few have changed."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import click

from benchmarks.contenders import Pipeline
from benchmarks.content import content, differences
from benchmarks.databases import RECOMMENDED_INDEXES, SOURCE_FILES, Databases, databases
from benchmarks.floor import Floor
from benchmarks.machine import about
from benchmarks.medians import Sample, in_turn, middle, middle_ratio, of
from benchmarks.pipeline import REPOSITORY
from benchmarks.servers import Server

DAY = date(2025, 1, 15)
JOB = "sync_dim_learner"
_HERE = Path(__file__).parent
_PIPELINE = Pipeline(task="SyncDimLearner")


def learners(source_server: Server, warehouse_server: Server, number: int, changed: int, rounds: int) -> dict[str, Any]:
    """Measures, and returns the report."""
    report = about("learners", source_server, warehouse_server, number=number, changed=changed, rounds=rounds)
    rows: dict[str, list[Sample]] = {}
    different: list[str] = []
    with databases(source_server) as sources, databases(warehouse_server) as warehouses:
        full, empty, template = _source(sources, number), _source(sources, 0), warehouses.warehouse()
        for turn in range(rounds):
            click.echo(f"round {turn + 1} of {rounds}", err=True)
            with ExitStack() as stack:
                urls = {name: stack.enter_context(warehouses.copy(template)) for name in ("pipeline", "floor", "empty")}
                trial = _Trial(sources, warehouse_server, full, empty, urls, rows)
                trial.measure("first load", turn)
                sources.run_file(full, _HERE / "learners_change.sql", changed=changed)
                trial.measure("some changed", turn)
                trial.measure("none changed", turn)
                held = content(urls["pipeline"]), content(urls["floor"])
                different += differences(*held)
    return {**report, "content_differs": different, "syncs": _summary(rows), "samples": rows}


class _Trial:
    """One round: the pipeline's warehouse, the floor's, and one whose source has no learners."""

    def __init__(
        self,
        sources: Databases,
        server: Server,
        full: str,
        empty: str,
        urls: dict[str, str],
        rows: dict[str, list[Sample]],
    ) -> None:
        self._sources, self._server, self._urls, self._rows = sources, server, urls, rows
        self._full, self._empty = sources.server.url(full), sources.server.url(empty)

    def measure(self, what: str, turn: int) -> None:
        """Pipeline, floor and an empty table, each first in turn."""
        force = what != "first load"
        for name in in_turn(["pipeline", "floor", "empty"], turn):
            self._server.checkpoint()
            if name == "floor":
                sample = self._floor(force)
            else:
                source = self._empty if name == "empty" else self._full
                sample = _PIPELINE.build(source, self._urls[name], DAY, force)
                sample |= {"job_ms": sample["jobs"][JOB]["ms"]}
            self._rows.setdefault(f"{what}, {name}", []).append(sample)

    def _floor(self, force: bool) -> Sample:
        floor = Floor(self._server.psql, self._full, self._urls["floor"])
        tenants = floor.run_job("sync_dim_tenant", DAY) if not force else 0
        job = floor.run_job(JOB, DAY)
        return {"ms": tenants + job, "job_ms": job}


def _source(sources: Databases, number: int) -> str:
    name = sources.create()
    for file in SOURCE_FILES[:2]:
        sources.run_file(name, REPOSITORY / file)
    sources.run_file(name, RECOMMENDED_INDEXES)
    sources.run_file(name, _HERE / "learners.sql", number=number)
    sources.settle(name)
    return name


def _summary(rows: dict[str, list[Sample]]) -> dict[str, Any]:
    summary = {}
    for what in ("first load", "some changed", "none changed"):
        pipeline, floor, empty = (rows[f"{what}, {name}"] for name in ("pipeline", "floor", "empty"))
        summary[what] = {
            "ms": middle(pipeline, of("job_ms")),
            "floor_ms": middle(floor, of("job_ms")),
            "empty_ms": middle(empty, of("job_ms")),
            "ratio": middle_ratio(pipeline, floor, of("job_ms")),
            "ratio_to_empty": middle_ratio(pipeline, empty, of("job_ms")),
            "process_ms": middle(pipeline, of("ms")),
            "peak_mb": middle(pipeline, of("peak_mb")),
        }
    return summary
