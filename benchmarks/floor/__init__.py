"""The floor: ten jobs, each two psql with a pipe between them, COPY out of the source and set-based SQL.

It writes into the pipeline's own schema and must give the same rows. It keeps no run records, checks nothing, rejects
nothing, infers no members, and keeps neither surrogate keys nor the history of skill states.
"""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO

import click

from benchmarks.jobs import JOBS
from benchmarks.pipeline import REPOSITORY

_FOLDER = Path(__file__).parent
# What whoever writes such jobs soon finds out: no just-in-time compilation for short queries, memory for long ones.
_SETTINGS = {"PGTZ": "UTC", "PGOPTIONS": "-c jit=off -c work_mem=64MB"}
_SUBJECTS = REPOSITORY / "sql" / "jobs" / "sync_dim_subject" / "subjects.csv"


@dataclass(frozen=True)
class Floor:
    """The floor between two databases."""

    psql: str
    source_url: str
    warehouse_url: str

    def run(self, day: date) -> dict[str, float]:
        """Runs the ten jobs one after the other; milliseconds per job, from psql's start to its end."""
        return {job: self.run_job(job, day) for job in JOBS}

    def run_job(self, job: str, day: date) -> float:
        """Runs one job; its milliseconds."""
        began = time.perf_counter()
        if job == "sync_dim_subject":
            with _SUBJECTS.open("rb") as file:
                load = self._start(self.warehouse_url, job, "load.sql", day, stdin=file)
            _wait(load, job)
        else:
            extract = self._start(self.source_url, job, "extract.sql", day, stdout=subprocess.PIPE)
            load = self._start(self.warehouse_url, job, "load.sql", day, stdin=extract.stdout)
            assert extract.stdout is not None
            extract.stdout.close()
            _wait(extract, job)
            _wait(load, job)
        return (time.perf_counter() - began) * 1000

    def _start(
        self,
        url: str,
        job: str,
        file: str,
        day: date,
        stdin: int | IO[bytes] | None = subprocess.DEVNULL,
        stdout: int = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                *(self.psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", f"day={day}", "-v", f"date_key={day:%Y%m%d}"),
                *("-d", url, "-f", str(_FOLDER / job / file)),
            ],
            stdin=stdin,
            stdout=stdout,
            env=os.environ | _SETTINGS,
        )


def _wait(process: subprocess.Popen[bytes], job: str) -> None:
    if process.wait():
        raise click.ClickException(f"the floor's {job} failed, see above")
