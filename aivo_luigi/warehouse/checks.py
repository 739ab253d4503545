"""The checks of checks.sql: queries that return the rows which break a promise."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

from aivo_luigi import sqlfiles
from aivo_luigi.db import Connection
from aivo_luigi.db.connection import log_file
from aivo_luigi.errors import CheckError

logger = logging.getLogger("luigi-interface")

_HEAD = re.compile(r"^-- (failing|warning): (\w+)$", re.MULTILINE)
_SHOWN = 3


@dataclass(frozen=True)
class Check:
    """A promise, and the query that returns the rows which break it."""

    promise: str
    failing: bool
    query: str


@cache
def read_checks(name: str) -> list[Check]:
    """The checks of a file, each under a line `-- failing: promise` or `-- warning: promise`; none without a file."""
    if not sqlfiles.exists(name):
        return []
    _, *parts = _HEAD.split(sqlfiles.read(name))
    return [
        Check(promise, kind == "failing", query.strip().rstrip(";"))
        for kind, promise, query in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    ]


def run_checks(warehouse: Connection, name: str, what: str, *, whole: bool, **variables: Any) -> None:
    """Runs the checks of a file. Raises CheckError at the first failing one that is broken; logs broken warnings.

    `whole`: they compare whole sets, and not a few rows of a dimension that must be looked up there.
    """
    if whole:
        # A young partition has no statistics that would tell the planner how large the sets are.
        warehouse.execute("set local enable_nestloop = off")
    began, broken = time.perf_counter(), 0
    for check in read_checks(name):
        # Planned for all rows, not for the first few.
        query = f"with broken as materialized ({check.query}) select * from broken limit {_SHOWN}"
        cursor = warehouse.execute(query, **variables)
        rows = cursor.fetchall()
        if not rows:
            continue
        broken += len(rows)
        columns = [column.name for column in cursor.description or ()]
        examples = "; ".join(
            ", ".join(f"{column} {value}" for column, value in zip(columns, row, strict=True)) for row in rows
        )
        if check.failing:
            raise CheckError(f"{what} breaks its promise {check.promise} ({examples}): the load was rolled back")
        logger.warning("%s breaks its promise %s (%s)", what, check.promise, examples)
    log_file(name, broken, began)
