"""`run`: pipeline and floor in turn, a fresh day and a day built again, medians of some rounds."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from datetime import date
from statistics import median
from typing import Any

import click

from benchmarks.contenders import Contender, FloorByHand, Pipeline, Sample
from benchmarks.content import content, differences
from benchmarks.databases import databases
from benchmarks.jobs import JOBS
from benchmarks.machine import machine, versions
from benchmarks.measure import Meter
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
    samples: Samples = {stage: {name: [] for name in contenders} for stage in STAGES}
    samples["nothing_to_do"] = {"pipeline": []}
    different: list[str] = []
    with databases(source_server) as sources, databases(warehouse_server) as warehouses:
        source, template = sources.source(scale), warehouses.warehouse()
        meter = Meter(source_server, source, warehouse_server)
        for number in range(rounds):
            click.echo(f"round {number + 1} of {rounds}", err=True)
            order = list(contenders) if number % 2 == 0 else list(reversed(contenders))
            with ExitStack() as stack:
                urls = {name: stack.enter_context(warehouses.copy(template)) for name in order}
                for stage in STAGES:
                    for name in order:
                        sample = _measure(meter, contenders[name], urls[name], force=stage == "rerun")
                        samples[stage][name].append(sample)
                    different += _different(stage, urls)
                samples["nothing_to_do"]["pipeline"].append(_measure(meter, Pipeline(), urls["pipeline"], force=False))
    return {
        "benchmark": "run",
        "scale": scale,
        "rounds": rounds,
        "versions": versions(source_server, warehouse_server),
        "machine": machine(),
        "content_differs": different,
        **{stage: _summary(by_name) for stage, by_name in samples.items()},
        "samples": samples,
    }


def _measure(meter: Meter, contender: Contender, warehouse_url: str, force: bool) -> Sample:
    source_url = meter.source_server.url(meter.source)
    sample, traffic = meter.around(lambda: contender.build(source_url, warehouse_url, DAY, force))
    return sample | asdict(traffic)


def _different(stage: str, urls: dict[str, str]) -> list[str]:
    """Where the pipeline's warehouses differ from the floor's."""
    held = {name: content(url) for name, url in urls.items()}
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
        whole[name]["ratio"] = round(whole[name]["ms"] / whole["floor"]["ms"], 2)
    return {"whole": whole, "jobs": {job: _job(job, by_name) for job in JOBS}}


def _medians(samples: list[Sample]) -> dict[str, float]:
    return {key: round(median(sample[key] for sample in samples), 1) for key in samples[0] if key != "jobs"}


def _job(job: str, by_name: dict[str, list[Sample]]) -> dict[str, Any]:
    """One job: the pipeline's with one worker, so that no other job disturbs it."""

    def middle(name: str, key: str) -> float:
        return round(median(sample["jobs"][job][key] for sample in by_name[name]), 1)

    rows, ms, floor_ms = (
        middle("pipeline_one_worker", "rows"),
        middle("pipeline_one_worker", "ms"),
        middle("floor", "ms"),
    )
    return {
        "rows": int(rows),
        "ms": ms,
        "step_ms": middle("pipeline_one_worker", "step_ms"),
        "floor_ms": floor_ms,
        "rows_per_second": round(rows / ms * 1000) if ms else None,
        "ratio": round(ms / floor_ms, 2),
    }
