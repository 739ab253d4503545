"""What the report says, read from the warehouse's views: sql/monitoring/report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from aivo_luigi.db import Connection, connect_warehouse
from aivo_luigi.monitoring.alerts import Alert, find_alerts
from aivo_luigi.warehouse.migrations import is_empty

Row = dict[str, Any]

RUNS = 500
"""So many runs are listed, and as many failed ones of the days shown."""

_SNAPSHOT = "begin isolation level repeatable read read only"


@dataclass(frozen=True)
class Numbers:
    """All that the report tells; its queries see the warehouse at one moment."""

    made_at: datetime
    """By the warehouse's clock."""
    days: list[date]
    """The UTC days of charts and lists, the oldest first."""
    jobs: Sequence[str]
    alerts: list[Alert] = field(default_factory=list)
    first_built: date | None = None
    """The first day on which a fact is complete."""
    jobs_now: list[Row] = field(default_factory=list)
    job_days: list[Row] = field(default_factory=list)
    expectations: list[Row] = field(default_factory=list)
    dimension_days: list[Row] = field(default_factory=list)
    rejects: list[Row] = field(default_factory=list)
    broken_promises: list[Row] = field(default_factory=list)
    daily_success: list[Row] = field(default_factory=list)
    runs: list[Row] = field(default_factory=list)

    @property
    def last_night(self) -> date:
        """The newest day that is over."""
        return self.made_at.date() - timedelta(days=1)


def read_numbers(jobs: Sequence[str], number_of_days: int, last: date | None) -> Numbers:
    """The numbers of these jobs for so many days, the last of which is today if nothing is said.

    A warehouse without a schema has none. Raises SchemaError for one of another version.
    """
    with connect_warehouse("aivo-etl report") as warehouse:
        if is_empty(warehouse):
            made_at = warehouse.value("select now()")
            return Numbers(made_at, _days(last or made_at.date(), number_of_days), jobs)
        # Where nothing has run yet, that is what the page says.
        alerts = find_alerts(warehouse, jobs) if warehouse.value("select exists (select from etl_job_runs)") else []
        with warehouse.transaction(_SNAPSHOT):
            return _read(warehouse, jobs, alerts, number_of_days, last)


def _read(
    warehouse: Connection, jobs: Sequence[str], alerts: list[Alert], number_of_days: int, last: date | None
) -> Numbers:
    (frame,) = warehouse.dicts("monitoring/report/frame.sql")
    days = _days(last or frame["made_at"].date(), number_of_days)

    def rows(name: str) -> list[Row]:
        return warehouse.dicts(
            f"monitoring/report/{name}.sql",
            first_day=days[0],
            last_day=days[-1],
            day=frame["made_at"].date() - timedelta(days=1),
            most=RUNS,
        )

    return Numbers(
        **frame,
        days=days,
        jobs=jobs,
        alerts=alerts,
        jobs_now=rows("jobs_now"),
        job_days=rows("job_days"),
        expectations=rows("expectations"),
        dimension_days=rows("dimension_days"),
        rejects=rows("rejects"),
        broken_promises=rows("broken_promises"),
        daily_success=rows("daily_success"),
        runs=rows("runs"),
    )


def _days(last: date, number: int) -> list[date]:
    return [last - timedelta(days=back) for back in reversed(range(number))]
