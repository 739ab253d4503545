"""What a RunAll ends with: what was built, and how to look at it."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from luigi.cmdline_parser import CmdlineParser

from aivo_luigi.config import database_urls
from aivo_luigi.db import connect_warehouse
from aivo_luigi.errors import SOURCE_VARIABLE, WAREHOUSE_VARIABLE
from aivo_luigi.jobs.record import is_dimension
from aivo_luigi.sqlfiles import as_array
from aivo_luigi.tables import NUMBERS, WIDE, print_table, read_or_lost, terminal_width

logger = logging.getLogger("luigi-interface")


def is_asked_for(family: str) -> bool:
    """Whether the command luigi was asked for the task of this name itself, and not for a range of it."""
    parser = CmdlineParser.get_instance()
    return parser is not None and parser.known_args.root_task == family


def tell_summary(jobs: Sequence[str], day: date, at_length: bool) -> None:
    """Prints each job's rows and seconds, in the order of `jobs`; or logs one line of the day."""
    with connect_warehouse("aivo_luigi summary") as warehouse:
        rows = warehouse.file("monitoring/day_summary.sql", jobs=as_array(jobs), day=day).fetchall()
    by_job = {
        name: {**dict(zip(NUMBERS, counts, strict=True)), "seconds": duration_ms / 1000}
        for name, *counts, duration_ms in rows
    }
    if at_length:
        with read_or_lost():
            _print_table(jobs, by_job, day)
            sys.stdout.flush()
    else:
        facts = [counts for name, counts in by_job.items() if not is_dimension(name)]
        read, rejected = sum(counts["read"] for counts in facts), sum(counts["rejected"] for counts in facts)
        logger.info("The warehouse holds %s: %s rows of facts read, %s rejected", day, f"{read:,}", f"{rejected:,}")


def _print_table(jobs: Sequence[str], by_job: Mapping[str, Mapping[str, Any]], day: date) -> None:
    columns = [name for name in (*NUMBERS, "seconds") if name != "deleted" or terminal_width() >= WIDE]
    rows = [[job, *(by_job[job][name] for name in columns)] for job in jobs if job in by_job]
    print_table(f"The warehouse holds {day}", ["job", *columns], rows)
    print(f"Runs: {_command('aivo-etl')} status")
    if any(counts["rejected"] for counts in by_job.values()):
        print(f"What was rejected, and why: {_command('aivo-etl')} rejects --date {day}")
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
