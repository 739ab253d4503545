"""The promises of checks.sql, and which of them loads have broken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aivo_luigi.report.queries import Numbers
from aivo_luigi.warehouse.checks import read_checks


@dataclass(frozen=True)
class Promise:
    """A check of a job. `held_at`: the last load, which had to keep it; None where nothing says whether it was kept."""

    job: str
    name: str
    failing: bool
    times_broken: int
    broken_at: datetime | None
    held_at: datetime | None


def promises(numbers: Numbers) -> list[Promise]:
    """Those of all jobs. A broken failing check leaves a failed run; a broken warning is only in the log."""
    broken = {(row["job_name"], row["promise"]): row for row in numbers.broken_promises}
    success = {row["job_name"]: row["last_success_at"] for row in numbers.jobs_now}
    found = []
    for job in numbers.jobs:
        for check in read_checks(f"jobs/{job}/checks.sql"):
            row = broken.get((job, check.promise))
            times, last = (row["times"], row["last_at"]) if row else (0, None)
            held = success.get(job) if check.failing else None
            found.append(Promise(job, check.promise.replace("_", " "), check.failing, times, last, held))
    return found
