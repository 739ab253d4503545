"""Alerts: what a person should look at. Each is one query that returns what fires: sql/monitoring/alerts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from aivo_luigi.config import alert_settings
from aivo_luigi.db import Connection, connect_warehouse
from aivo_luigi.jobs.record import is_dimension
from aivo_luigi.sqlfiles import as_array
from aivo_luigi.warehouse.migrations import is_empty

NAMES = ("overdue", "failed", "rejected", "unusual", "stale", "lost")
"""The alerts, the most urgent first."""
_EMPTY = "never synced: the warehouse is empty; is WAREHOUSE_DATABASE_URL the right one?"


@dataclass(frozen=True)
class Alert:
    """One that is firing: `name` is one of NAMES, `day` a UTC day where it is about one, `since` when it began."""

    name: str
    job_name: str
    day: date | None
    message: str
    since: datetime | None

    def sentence(self) -> str:
        """In one line."""
        about = f"{self.job_name} for {self.day}" if self.day else self.job_name
        return f"{about}: {self.message}"


class Line(NamedTuple):
    """What people are told in a line: an alert, or those of all days of which a job is overdue."""

    name: str
    sentence: str
    since: datetime | None


def lines(firing: Sequence[Alert]) -> list[Line]:
    """A line for each alert; the days of which a job is overdue are one."""
    groups: dict[object, list[Alert]] = defaultdict(list)
    for alert in firing:
        groups[alert.job_name if alert.name == "overdue" else alert].append(alert)
    return [_line(group) for group in groups.values()]


def _line(group: Sequence[Alert]) -> Line:
    first = group[0]
    if len(group) == 1:
        return Line(first.name, first.sentence(), first.since)
    days = [alert.day for alert in group if alert.day]
    since = min(alert.since for alert in group if alert.since)
    span = f"{len(days)} days, {min(days)} to {max(days)}"
    return Line(first.name, f"{first.job_name} for {span}: not complete, due since {since:%Y-%m-%d %H:%M} UTC", since)


def firing_alerts(jobs: Sequence[str]) -> list[Alert]:
    """All that fire now for the jobs of these names, by the warehouse's clock."""
    with connect_warehouse("aivo-etl check") as warehouse:
        if is_empty(warehouse):
            return [Alert("stale", job, None, _EMPTY, None) for job in jobs if is_dimension(job)]
        return find_alerts(warehouse, jobs)


def find_alerts(warehouse: Connection, jobs: Sequence[str]) -> list[Alert]:
    """All that fire now for the jobs, in the order of NAMES."""
    settings = alert_settings()
    variables = {
        "jobs": as_array(jobs),
        "hours": as_array(map(allowed_hours, jobs)),
        "look_back_days": settings.look_back_days,
        "share": str(settings.rejected_share),
        "unusual_days": settings.unusual_days,
    }
    return [Alert(name, *row) for name in NAMES for row in _rows(warehouse, name, variables)]


def _rows(warehouse: Connection, name: str, variables: dict[str, Any]) -> list[tuple[Any, ...]]:
    file = f"monitoring/alerts/{name}.sql"
    rows = warehouse.file(file, **variables).fetchall()
    if name != "lost" or not rows:
        return rows
    # A run that ends while it is looked at says RUNNING still, without its lock; asked again, it says how it ended.
    again = warehouse.file(file, **variables).fetchall()
    return [row for row in rows if row in again]


def allowed_hours(job_name: str) -> int:
    """After so many hours a job is too late: a fact after its day's end, a dimension after its last sync."""
    settings = alert_settings()
    usual = settings.dimension_hours if is_dimension(job_name) else settings.fact_hours
    hours: Any = settings.hours_of_job
    return int(hours.get(job_name, usual))
