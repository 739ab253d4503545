"""How a job and day stands, in a word and a sign: colour alone must not tell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

from aivo_luigi.errors import mask_ids
from aivo_luigi.jobs.record import is_dimension
from aivo_luigi.monitoring.alerts import allowed_hours
from aivo_luigi.report.queries import Numbers, Row


@dataclass(frozen=True)
class State:
    """A word for people, a sign, and the name of its style; `bad`: a person should look."""

    word: str
    sign: str
    style: str
    bad: bool = False


COMPLETE = State("complete", "✓", "complete")
SHAKEN = State("complete, but the last run failed", "✓!", "complete", bad=True)
PROVISIONAL = State("provisional", "◐", "provisional")
RUNNING = State("running", "▸", "running")
FAILED = State("failed", "✕", "failed", bad=True)
MISSING = State("missing", "○", "missing", bad=True)
NOT_DUE = State("not due yet", "·", "nothing")
NOTHING = State("not run", "", "nothing")

NOT_SYNCED = State("not synced since", "·", "nothing")
STALE = State("not synced since", "○", "missing", bad=True)

LEGEND = (COMPLETE, SHAKEN, PROVISIONAL, RUNNING, FAILED, MISSING, NOT_DUE)

_OF_RUN = {"SUCCESS": COMPLETE, "PROVISIONAL": PROVISIONAL, "RUNNING": RUNNING, "FAILED": FAILED}


def run_state(run: Row) -> State:
    """How a run ended."""
    return _OF_RUN.get(run["state"], NOTHING)


def state_now(numbers: Numbers, job: str, row: Row | None) -> State:
    """How a job stands for the newest day that is over; `row` is of jobs_now.sql, None if it never ran."""
    if not is_dimension(job) or (row and row["state"]):
        return day_state(numbers, job, numbers.last_night, row)
    return STALE if ("stale", job) in {(alert.name, alert.job_name) for alert in numbers.alerts} else NOT_SYNCED


def day_state(numbers: Numbers, job: str, day: date, row: Row | None) -> State:
    """How a job stands for a day; `row` is what ran, None if nothing did."""
    if row and row["state"] == "SUCCESS" and row.get("last_status") == "FAILED":
        return SHAKEN
    if row and row["state"]:
        return _OF_RUN[row["state"]]
    if numbers.first_built is None or day < numbers.first_built:
        return NOTHING
    return _absent(numbers.made_at, job, day)


def _absent(now: datetime, job: str, day: date) -> State:
    """A day without a run. A dimension needs none on each day: one sync serves every day before it."""
    if is_dimension(job):
        return NOTHING
    over = datetime.combine(day + timedelta(days=1), time(), timezone.utc)
    return MISSING if over + timedelta(hours=allowed_hours(job)) <= now else NOT_DUE


def reason(row: Row | None) -> str:
    """Why the last run failed, if it did, without ids."""
    error: Any = row and (row.get("last_error") or row.get("error_message"))
    return mask_ids(error) if error else ""
