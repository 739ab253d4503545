"""Alerts for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from aivo_luigi.monitoring.alerts import Alert, lines
from aivo_luigi.tables import print_table


def print_alerts(firing: Sequence[Alert], as_json: bool) -> None:
    """Prints a line per alert, or that there is none; machines get each day of a job as an alert of its own."""
    if as_json:
        print(json.dumps([asdict(alert) for alert in firing], indent=1, default=str))
    elif firing:
        print_table("Alerts", ("alert", "what"), [(line.name, line.sentence) for line in lines(firing)])
    else:
        print("No alert fires.")
