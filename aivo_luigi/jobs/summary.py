"""What a RunAll ends with: what was built, and how to look at it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from aivo_luigi.config import database_urls
from aivo_luigi.db import connect_warehouse
from aivo_luigi.errors import SOURCE_VARIABLE, WAREHOUSE_VARIABLE
from aivo_luigi.sqlfiles import as_array
from aivo_luigi.tables import NUMBERS, print_table


def print_summary(jobs: Sequence[str], day: date) -> None:
    """Prints each job's rows and seconds, in the order of `jobs`."""
    with connect_warehouse("aivo_luigi summary") as warehouse:
        rows = warehouse.file("monitoring/day_summary.sql", jobs=as_array(jobs), day=day).fetchall()
    by_job = {name: (*counts, duration_ms / 1000) for name, *counts, duration_ms in rows}
    print_table(
        f"The warehouse holds {day}",
        ("job", *NUMBERS, "seconds"),
        [(job, *by_job[job]) for job in jobs if job in by_job],
    )
    print(f"Runs: {_command('aivo-etl')} status")
    if database_urls().embedded:
        print(f"Look at the data: {_command('python')} -m aivo_luigi.demo")
        print(
            f"This is the embedded demo. For your own databases set {SOURCE_VARIABLE} and {WAREHOUSE_VARIABLE}, "
            "both as postgresql://user:password@host:5432/database"
        )


def _command(name: str) -> str:
    """How to call a command of this installation: by its name where the shell finds it, else by its path."""
    ours = Path(sys.executable).with_name(name)
    if not ours.exists() or shutil.which(name) == str(ours):
        return name
    return str(ours.relative_to(Path.cwd()) if ours.is_relative_to(Path.cwd()) else ours)
