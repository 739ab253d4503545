"""A backfill: a range of days in pieces, each a run of Luigi, so that no range is too long for its scheduler.

For each task, or batch of tasks, that it hands out, Luigi's scheduler looks at all that it knows: a month's at most.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, Any

import luigi
from luigi.retcodes import retcode

from aivo_luigi.config import require_workers
from aivo_luigi.jobs.completeness import complete_days, open_warehouse
from aivo_luigi.jobs.signals import is_stopping
from aivo_luigi.operate.board import DONE, FAILED, Board, Line, Watching
from aivo_luigi.operate.display import make_console, sentence
from aivo_luigi.operate.run import build, interruptible, own_log
from aivo_luigi.operate.watched import reject_hints

if TYPE_CHECKING:
    from rich.console import Console

MakeTask = Callable[[date], luigi.Task]


@dataclass
class Tally:
    """How far a backfill has come. `ended`: days that are complete or can't become so."""

    days: int
    skipped: int
    done: int = 0
    ended: int = 0
    rows: int = 0
    began: float = field(default_factory=time.monotonic)
    failures: dict[tuple[str, date], Line] = field(default_factory=dict)
    rejected: list[Line] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self.began

    @property
    def rows_per_second(self) -> str:
        """As people read it."""
        return f"{self.rows / max(self.seconds, 0.001):,.0f} rows/s"

    @property
    def left(self) -> str:
        """An estimate of the time that is left."""
        if not self.ended:
            return "?"
        seconds = int(self.seconds / self.ended * (self.days - self.ended))
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def backfill(days: Sequence[date], make_task: MakeTask, workers: int | None, oldest_first: bool) -> int:
    """Builds the days that are not complete; returns the worst exit code of its pieces."""
    require_workers(workers)
    open_warehouse(max(days))
    sample: Any = make_task(days[0])
    complete = set(complete_days(sample.job_names(), days, sample.force))
    wanted = sorted(set(days) - complete, reverse=not oldest_first)
    tally = Tally(days=len(wanted), skipped=len(complete))
    console = make_console()
    console.print(f"{len(wanted)} of {len(days)} days to build, {len(complete)} are complete already.")
    display = _Display(tally, console)
    code = 0
    try:
        with interruptible(), own_log(lambda line: console.print(line, markup=False)), display.shown():
            for piece in _pieces(wanted, oldest_first):
                if is_stopping():
                    return max(code, int(retcode().not_run))
                code = max(code, _run_piece(piece, make_task, workers, display))
    finally:
        _print_summary(tally, console)
    return code


def _pieces(days: Sequence[date], oldest_first: bool) -> Iterator[list[date]]:
    """A month at a time, in which Luigi begins with the newest day; oldest first is a day at a time."""
    for _, piece in groupby(days, key=lambda day: day if oldest_first else (day.year, day.month)):
        yield list(piece)


def _run_piece(days: Sequence[date], make_task: MakeTask, workers: int | None, display: _Display) -> int:
    tasks: list[Any] = [make_task(day) for day in days]
    piece = _Piece(tasks[0].job_names(), days, tasks[0].force, display)
    with Watching(piece.look):
        code, reasons = build(tasks, workers)
    piece.end(reasons)
    return code


class _Piece:
    """One run of Luigi as it goes on: what it adds to the tally, each day once."""

    def __init__(self, jobs: Sequence[str], days: Sequence[date], force: str, display: _Display) -> None:
        self._jobs, self._force, self._display = jobs, force, display
        self._open = list(days)
        self._board = Board([])
        self._rows_before = display.tally.rows

    def look(self) -> None:
        """Asks the warehouse, and tells of the days that are complete now."""
        tally = self._display.tally
        for line in self._board.update():
            if line.state == FAILED:
                tally.failures[line.job_name, line.day] = line
                self._display.tell(sentence(line))
        tally.rows = self._rows_before + sum(line.rows for line in self._board.lines.values())
        for day in complete_days(self._jobs, self._open, self._force):
            self._open.remove(day)
            tally.done += 1
            self._end_day(day, "done")
        self._display.refresh()

    def end(self, reasons: dict[tuple[str, date], str]) -> None:
        """The days that are not complete by now have failed."""
        tally = self._display.tally
        for (name, day), reason in reasons.items():
            if (name, day) not in tally.failures:
                tally.failures[name, day] = Line(name, day, FAILED, reason=reason)
                self._display.tell(sentence(tally.failures[name, day]))
        for day in list(self._open):
            self._open.remove(day)
            self._end_day(day, "not complete")
        tally.rejected += [line for line in self._board.in_state(DONE) if line.rejected]

    def _end_day(self, day: date, how: str) -> None:
        tally = self._display.tally
        tally.ended += 1
        self._display.end_day(
            f"{day} {how}: {tally.ended} of {tally.days} days, {tally.rows_per_second}, {tally.left} left"
        )


class _Display:
    """A progress bar in a terminal, a line per day anywhere else."""

    def __init__(self, tally: Tally, console: Console) -> None:
        self.tally, self._console = tally, console
        self._progress: Any = None

    def shown(self) -> AbstractContextManager[Any]:
        """The display, for as long as the block lasts."""
        if not self._console.is_terminal:
            return nullcontext()
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (BarColumn(bar_width=None), MofNCompleteColumn(), TextColumn("{task.description}"))
        self._progress = Progress(
            *columns, console=self._console, auto_refresh=False, redirect_stdout=False, expand=True
        )
        self._task = self._progress.add_task("days", total=self.tally.days)
        shown: AbstractContextManager[Any] = self._progress
        return shown

    def tell(self, line: str) -> None:
        """Above the bar."""
        self._console.print(line, markup=False)
        self.refresh()

    def end_day(self, line: str) -> None:
        """In a terminal the bar tells."""
        if self._progress is None:
            self._console.print(line, markup=False)
        self.refresh()

    def refresh(self) -> None:
        """Brings the bar up to date: of many days at once none may be done for a while, though rows are."""
        if self._progress is not None:
            failed = f", {len(self.tally.failures)} failed" if self.tally.failures else ""
            text = f"days{failed}, {self.tally.rows_per_second}, {self.tally.left} left"
            self._progress.update(self._task, completed=self.tally.ended, description=text, refresh=True)


def _print_summary(tally: Tally, console: Console) -> None:
    undone = tally.days - tally.done
    console.print(
        f"{tally.done} days done, {tally.skipped} complete already, {undone} not complete: "
        f"{tally.rows:,} rows in {tally.seconds:.1f} s ({tally.rows_per_second})."
    )
    reasons: dict[tuple[str, str], list[date]] = {}
    for line in tally.failures.values():
        reasons.setdefault((line.job_name, line.reason), []).append(line.day)
    for (name, reason), days in reasons.items():
        when = str(days[0]) if len(days) == 1 else f"{len(days)} times, {min(days)} to {max(days)}"
        console.print(f"{name} failed ({when}): {reason}", style="red", markup=False)
    for hint in reject_hints(tally.rejected):
        console.print(hint)
