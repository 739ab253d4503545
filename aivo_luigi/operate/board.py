"""How a command's own runs stand: a line per job and day, brought up to date from the warehouse's own tables."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from types import TracebackType

import psycopg2

from aivo_luigi.db import connect_warehouse
from aivo_luigi.errors import EtlError
from aivo_luigi.jobs.completeness import complete_days
from aivo_luigi.operate.own_runs import own_runs
from aivo_luigi.operate.plan import Step
from aivo_luigi.sqlfiles import as_array

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
        self._forces = {(step.job_name, step.day): step.job.force for step in steps}
        self._own, self._begun_before = own_runs(), len(own_runs().ids())

    def update(self) -> list[Line]:
        """Asks the warehouse; returns the lines that are in another state than before."""
        changed = []
        for line in _runs(self._own.ids()[self._begun_before :]):
            key = line.job_name, line.day
            before = self.lines.get(key)
            self.lines[key] = line
            if before is None or before.state != line.state:
                changed.append(line)
        return changed

    def settle(self, reasons: dict[Key, str]) -> list[Line]:
        """Says of what never began why: it failed, somebody else has run it, or it did not run. Returns these lines."""
        left = [key for key, line in self.lines.items() if line.state == WAITING]
        for key in left:
            self.lines[key] = self._ended(self.lines[key], reasons.get(key))
        return [self.lines[key] for key in left]

    def _ended(self, line: Line, reason: str | None) -> Line:
        if reason:
            return replace(line, state=FAILED, reason=reason)
        if _is_complete(line, self._forces[line.job_name, line.day]):
            return replace(line, state=SKIPPED)
        return replace(line, state=NOT_RUN, reason="what it needs is missing")

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


def _is_complete(line: Line, force: str) -> bool:
    """Whether somebody else has run it meanwhile."""
    try:
        return bool(complete_days([line.job_name], [line.day], force))
    except (psycopg2.Error, EtlError):
        return False


def _runs(ids: Sequence[str]) -> list[Line]:
    """The runs of these ids. None while the warehouse can't tell: it is not a watcher's part to fail."""
    if not ids:
        return []
    try:
        with connect_warehouse("aivo-etl board") as warehouse:
            rows = warehouse.file("monitoring/progress.sql", ids=as_array(ids)).fetchall()
    except (psycopg2.Error, EtlError):
        return []
    return [
        Line(name, day, _STATES[status], read, rejected, seconds, error or "")
        for name, day, status, read, rejected, seconds, error in rows
    ]
