"""`run`: pipeline and floor in turn, a fresh day and a day built again, medians of some rounds."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from datetime import date
from typing import Any

import click

from benchmarks.contenders import Contender, FloorByHand, Pipeline
from benchmarks.content import Held, content, differences
from benchmarks.databases import databases
from benchmarks.jobs import JOBS
from benchmarks.machine import about
from benchmarks.measure import Meter
from benchmarks.medians import Sample, in_turn, middle, middle_ratio, of
from benchmarks.servers import Server

DAY = date(2025, 1, 15)
STAGES = ("fresh", "rerun")

Samples = dict[str, dict[str, list[Sample]]]
"""Stage, contender, and a sample for each round."""


def run(source_server: Server, warehouse_server: Server, scale: float, rounds: int) -> dict[str, Any]:
    """Measures, and returns the report."""
    contenders: dict[str, Contender] = {
        "pipeline": Pipeline(),
        "pipeline_one_worker": Pipeline(("--workers", "1")),
        "floor": FloorByHand(warehouse_server.psql),
    }
    report = about("run", source_server, warehouse_server, scale=scale, rounds=rounds)
    samples: Samples = {stage: {name: [] for name in contenders} for stage in STAGES}
    samples["nothing_to_do"] = {"pipeline": []}
    different: list[str] = []
    with databases(source_server) as sources, databases(warehouse_server) as warehouses:
        meter, template = Meter(source_server, sources.source(scale), warehouse_server), warehouses.warehouse()
        for number in range(rounds):
            click.echo(f"round {number + 1} of {rounds}", err=True)
            with ExitStack() as stack:
                order = in_turn(list(contenders), number)
                urls = {name: stack.enter_context(warehouses.copy(template)) for name in order}
                for stage in STAGES:
                    for name in order:
                        samples[stage][name].append(_measure(meter, contenders[name], urls[name], stage == "rerun"))
                    held = {name: content(url) for name, url in urls.items()}
                    different += _different(stage, held)
                samples["nothing_to_do"]["pipeline"].append(_measure(meter, Pipeline(), urls["pipeline"], False))
    return {
        **report,
        "content_differs": different,
        "rows_written": {table: rows.rows for table, rows in held["floor"].items()},
        **{stage: _summary(by_name) for stage, by_name in samples.items()},
        "samples": samples,
    }


def _measure(meter: Meter, contender: Contender, warehouse_url: str, force: bool) -> Sample:
    source_url = meter.source_server.url(meter.source)
    sample, traffic = meter.around(lambda: contender.build(source_url, warehouse_url, DAY, force))
    return sample | asdict(traffic)


def _different(stage: str, held: dict[str, dict[str, Held]]) -> list[str]:
    """Where the pipeline's warehouses differ from the floor's."""
    return [
        f"{stage}, {name}: {difference}"
        for name in held
        if name != "floor"
        for difference in differences(held[name], held["floor"])
    ]


def _summary(by_name: dict[str, list[Sample]]) -> dict[str, Any]:
    """Medians of the whole and of each job, and what the pipeline takes in units of the floor."""
    whole: dict[str, Any] = {name: _medians(samples) for name, samples in by_name.items()}
    if "floor" not in whole:
        return {"whole": whole}
    for name in whole:
        whole[name]["ratio"] = middle_ratio(by_name[name], by_name["floor"], of("ms"))
        if by_name[name][0]["server_cpu_ms"] is not None:
            whole[name]["cpu_ratio"] = middle_ratio(by_name[name], by_name["floor"], _all_cpu)
    return {"whole": whole, "jobs": {job: _job(job, by_name) for job in JOBS}}


def _all_cpu(sample: Sample) -> float:
    """Processor time of client and servers."""
    return float(sample["cpu_ms"] + sample["server_cpu_ms"])


def _medians(samples: list[Sample]) -> dict[str, float]:
    known = [key for key, value in samples[0].items() if key != "jobs" and value is not None]
    return {key: middle(samples, of(key)) for key in known}


def _job(job: str, by_name: dict[str, list[Sample]]) -> dict[str, Any]:
    """One job: the pipeline's with one worker, so that no other job disturbs it."""
    pipeline, floor = by_name["pipeline_one_worker"], by_name["floor"]
    rows, ms = middle(pipeline, of("jobs", job, "rows")), middle(pipeline, of("jobs", job, "ms"))
    return {
        "rows": int(rows),
        "ms": ms,
        "step_ms": middle(pipeline, of("jobs", job, "step_ms")),
        "floor_ms": middle(floor, of("jobs", job, "ms")),
        "rows_per_second": round(rows / ms * 1000) if ms else None,
        "ratio": middle_ratio(pipeline, floor, of("jobs", job, "ms")),
    }
