"""Alerts for people and for machines."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict

from aivo_luigi.monitoring.alerts import Alert
from aivo_luigi.tables import print_table


def print_alerts(firing: Sequence[Alert], as_json: bool) -> None:
    """Prints a line per alert, or that there is none; machines get each day of a job as an alert of its own."""
    if as_json:
        print(json.dumps([asdict(alert) for alert in firing], indent=1, default=str))
    elif firing:
        print_table("Alerts", ("alert", "what"), _lines(firing))
    else:
        print("No alert fires.")


def _lines(firing: Sequence[Alert]) -> list[tuple[str, str]]:
    """An alert each; the days of which a job is overdue are one."""
    groups: dict[object, list[Alert]] = defaultdict(list)
    for alert in firing:
        groups[alert.job_name if alert.name == "overdue" else alert].append(alert)
    return [(group[0].name, _sentence(group)) for group in groups.values()]


def _sentence(group: Sequence[Alert]) -> str:
    if len(group) == 1:
        return group[0].sentence()
    days = [alert.day for alert in group if alert.day]
    since = min(alert.since for alert in group if alert.since)
    span = f"{len(days)} days, {min(days)} to {max(days)}"
    return f"{group[0].job_name} for {span}: not complete, due since {since:%Y-%m-%d %H:%M} UTC"
