"""A plan, for people and for machines."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import date

from aivo_luigi.operate.plan import Step
from aivo_luigi.tables import print_table


def print_plan(steps: Sequence[Step], as_json: bool) -> None:
    """Prints what would run and why; of a range, the days of a job that have the same reason on one line."""
    if as_json:
        print(json.dumps([_as_dict(step) for step in steps], indent=1))
        return
    days: dict[tuple[str, bool, str], list[date]] = defaultdict(list)
    for step in steps:
        days[step.job_name, step.would_run, step.reason].append(step.day)
    rows = [
        (name, "would run" if would_run else "stays", _span(found), reason)
        for (name, would_run, reason), found in days.items()
    ]
    print_table("The plan", ("job", "plan", "day", "why"), rows)
    runs = sum(step.would_run for step in steps)
    print(f"{runs} of {len(steps)} would run. Nothing was touched.")


def _span(days: Sequence[date]) -> str:
    return str(days[0]) if len(days) == 1 else f"{len(days)} days, {min(days)} to {max(days)}"


def _as_dict(step: Step) -> dict[str, object]:
    return {"job_name": step.job_name, "day": str(step.day), "would_run": step.would_run, "reason": step.reason}
