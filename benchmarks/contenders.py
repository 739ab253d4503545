"""What is measured against each other: the pipeline, in two ways of starting it, and the floor."""

from __future__ import annotations

import resource
import time
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from benchmarks.floor import Floor
from benchmarks.measure import clock, job_times, run_process
from benchmarks.medians import Sample
from benchmarks.pipeline import REPOSITORY, command, environment


class Contender(Protocol):
    """Something that builds a day."""

    def build(self, source_url: str, warehouse_url: str, day: date, force: bool) -> Sample: ...


@dataclass(frozen=True)
class Pipeline:
    """`luigi --module aivo_luigi RunAll`, as a process; the code is that of `root`."""

    options: tuple[str, ...] = ()
    root: Path = REPOSITORY
    task: str = "RunAll"

    def build(self, source_url: str, warehouse_url: str, day: date, force: bool) -> Sample:
        """Runs the process; the jobs' times are those of the run record."""
        arguments = [self.task, "--date", str(day), *self.options, *(["--force"] if force else [])]
        return self.run(source_url, warehouse_url, arguments)

    def run(self, source_url: str, warehouse_url: str, arguments: list[str]) -> Sample:
        """Runs a process with other arguments."""
        began = clock(warehouse_url)
        process = run_process(command(*arguments), environment(source_url, warehouse_url, self.root))
        jobs, span = job_times(warehouse_url, began)
        return {
            "ms": process.ms,
            "cpu_ms": process.cpu_ms,
            "peak_mb": process.peak_mb,
            "first_start_to_last_end_ms": span,
            "jobs": {name: asdict(times) for name, times in jobs.items()},
        }


@dataclass(frozen=True)
class FloorByHand:
    """The floor's ten steps."""

    psql: str

    def build(self, source_url: str, warehouse_url: str, day: date, force: bool) -> Sample:
        """Runs the steps; building a day again takes no other way than building it."""
        began, spent = time.perf_counter(), _children_cpu()
        jobs = Floor(self.psql, source_url, warehouse_url).run(day)
        return {
            "ms": (time.perf_counter() - began) * 1000,
            "cpu_ms": (_children_cpu() - spent) * 1000,
            "jobs": {name: {"ms": ms} for name, ms in jobs.items()},
        }


def _children_cpu() -> float:
    """Seconds of processor time of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
