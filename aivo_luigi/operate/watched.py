"""A run with its display and its summary: what the commands run, run-job, late and their like do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import luigi

from aivo_luigi.config import database_urls, require_workers
from aivo_luigi.db import connect_warehouse
from aivo_luigi.operate.board import DONE, FAILED, NOT_RUN, SKIPPED, Board, Line, Watching
from aivo_luigi.operate.display import JobsDisplay, make_console, sentence
from aivo_luigi.operate.plan import plan
from aivo_luigi.operate.run import build, interruptible, own_log
from aivo_luigi.warehouse.migrations import ensure_schema

if TYPE_CHECKING:
    from rich.console import Console


def run_watched(tasks: Sequence[luigi.Task], workers: int | None) -> int:
    """Runs the tasks and shows them; returns the exit code.

    Raises ConfigurationError for a section [core] with which nothing would run, and SchemaError for an empty warehouse
    that its user may not migrate: of what a task raises when it is asked whether it is complete, Luigi tells nobody the
    reason.
    """
    require_workers(workers)
    console = make_console()
    board = Board(plan(tasks))
    with connect_warehouse("aivo-etl") as warehouse:
        ensure_schema(warehouse, database_urls().warehouse)
    display = JobsDisplay(board, console)
    with interruptible(), own_log(lambda line: console.print(line, markup=False)), display.shown():
        with Watching(display.look):
            code, reasons = build(tasks, workers)
        display.tell(board.settle(reasons))
    print_summary(board, console)
    return code


def print_summary(board: Board, console: Console) -> None:
    """What came of it, why jobs failed, and where rejected rows can be looked at."""
    done = board.in_state(DONE)
    counts = [f"{len(board.in_state(state))} {state}" for state in (SKIPPED, FAILED, NOT_RUN) if board.in_state(state)]
    rows, seconds = sum(line.rows for line in done), sum(line.seconds for line in done)
    if console.is_terminal:
        for line in board.in_state(FAILED):
            console.print(sentence(line), style="red", markup=False)
    console.print(f"{', '.join([f'{len(done)} done', *counts])}: {rows:,} rows in {seconds:.2f} s of work.")
    for hint in reject_hints(done):
        console.print(hint)


def reject_hints(lines: Sequence[Line]) -> list[str]:
    """How to look at what was rejected."""
    with_rejects = [line for line in lines if line.rejected]
    if not with_rejects:
        return []
    first, last = min(line.day for line in with_rejects), max(line.day for line in with_rejects)
    days = f"--date {first}" if first == last else f"--start {first} --stop {last + timedelta(days=1)}"
    records = sum(line.rejected for line in with_rejects)
    return [f"{records:,} rows or fields were rejected: aivo-etl rejects {days}"]
