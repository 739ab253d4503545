"""How a run stands: one line per job and day, brought up to date from the warehouse's own tables."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from types import TracebackType

import psycopg2

from aivo_luigi.db import connect_warehouse
from aivo_luigi.errors import EtlError
from aivo_luigi.operate.plan import Step
from aivo_luigi.warehouse.migrations import applied_migrations

WAITING, RUNNING, DONE, FAILED, SKIPPED, NOT_RUN = "waiting", "running", "done", "failed", "skipped", "not run"
_STATES = {"RUNNING": RUNNING, "SUCCESS": DONE, "FAILED": FAILED, "SKIPPED": SKIPPED}
_POLL = 0.25  # seconds

Key = tuple[str, date]


@dataclass(frozen=True)
class Line:
    """How a job and day stands. `reason`: why it failed, or why it did not run."""

    job_name: str
    day: date
    state: str
    rows: int = 0
    rejected: int = 0
    seconds: float = 0.0
    reason: str = ""


class Board:
    """The lines of a run, in the order of its plan; runs that nobody planned come after."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.lines: dict[Key, Line] = {
            (step.job_name, step.day): Line(step.job_name, step.day, WAITING if step.would_run else SKIPPED)
            for step in steps
        }
        self._since = _clock()

    def update(self) -> list[Line]:
        """Asks the warehouse; returns the lines that are in another state than before."""
        changed = []
        for line in _runs_since(self._since):
            key = line.job_name, line.day
            before = self.lines.get(key)
            self.lines[key] = line
            if before is None or before.state != line.state:
                changed.append(line)
        return changed

    def settle(self, reasons: dict[Key, str]) -> list[Line]:
        """Says of what never began that it failed, for this reason, or did not run; returns these lines."""
        left = [line for line in self.lines.values() if line.state == WAITING]
        for line in left:
            reason = reasons.get((line.job_name, line.day))
            ended = replace(line, state=FAILED if reason else NOT_RUN, reason=reason or "what it needs is missing")
            self.lines[line.job_name, line.day] = ended
        return [self.lines[line.job_name, line.day] for line in left]

    def in_state(self, state: str) -> list[Line]:
        """The lines in a state."""
        return [line for line in self.lines.values() if line.state == state]


class Watching:
    """Calls `look` four times a second while its block lasts, from a thread of its own, and once more at its end."""

    def __init__(self, look: Callable[[], None]) -> None:
        self._look, self._ended = look, threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)

    def __enter__(self) -> None:
        self._look()
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._ended.wait(_POLL):
            self._look()


def _clock() -> datetime:
    with connect_warehouse("aivo-etl board") as warehouse:
        clock: datetime = warehouse.value("select clock_timestamp()")
    return clock


def _runs_since(since: datetime) -> list[Line]:
    """The runs since a moment. None while the warehouse can't tell: it is not a watcher's part to fail."""
    try:
        with connect_warehouse("aivo-etl board") as warehouse:
            if not applied_migrations(warehouse):
                return []
            rows = warehouse.file("monitoring/progress.sql", since=since).fetchall()
    except (psycopg2.Error, EtlError):
        return []
    return [
        Line(name, day, _STATES[status], read, rejected, seconds, error or "")
        for name, day, status, read, rejected, seconds, error in rows
    ]
