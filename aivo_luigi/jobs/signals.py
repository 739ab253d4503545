"""What a process does when it is told to stop: with SIGTERM at once, with SIGUSR1 after the job that is running.

SIGTERM: the main thread goes no further, wherever it is. The listening thread cuts the connections, so that the
servers roll back, closes the records of what ran, waits for the processes of tasks, which do the same, and ends the
process. Luigi would swallow an exception and begin the next task, so that none is raised.
"""

from __future__ import annotations

import _thread
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from multiprocessing import active_children, parent_process
from types import FrameType
from typing import Any

import psycopg2
from luigi.worker import Worker

from aivo_luigi import listener, sqlfiles
from aivo_luigi.db.connection import sever_connections
from aivo_luigi.jobs.completeness import forget_answers
from aivo_luigi.jobs.parameters import how_to_go_on
from aivo_luigi.jobs.record import open_runs

TERMINATED = 128 + signal.SIGTERM

_LAST_MOMENT = 4.5  # seconds until a process ends that has been told to, whatever it still waits for
_MOST_FOR_ROWS = 2  # seconds to reach the warehouse, and as many for each statement
_APPEARING = 1.0  # seconds in which a record may still appear that was being written
_MESSAGE = "terminated: the process was told to stop; run it again"

_luigis: Callable[[int, FrameType | None], Any] | None = None
_stopping = False


def heed_signals(goes_on: bool = False) -> None:
    """Makes the process heed SIGTERM and SIGUSR1, where nobody else does. Does nothing outside of the main thread.

    `goes_on`: a worker of Luigi that is new belongs to what has been under way, and begins nothing once that was told
    to stop. Any other is a new run, which nobody has told yet, and which asks the warehouse anew what is complete.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    _heed_stop(goes_on)
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL and listener.is_free():
        sqlfiles.read("runs/fail.sql")  # remembered: nothing is read from the disk at the end
        signal.signal(signal.SIGTERM, _halt)
        listener.react(signal.SIGTERM, _terminate)


def is_stopping() -> bool:
    """Whether SIGUSR1 has asked for no other job to begin."""
    return _stopping


def _heed_stop(goes_on: bool) -> None:
    """Each worker of Luigi puts up its own handler of SIGUSR1, which ours calls: Luigi then asks for no more tasks."""
    global _luigis, _stopping
    handler = signal.getsignal(signal.SIGUSR1)
    worker = getattr(handler, "__self__", None)
    if not isinstance(worker, Worker) or not callable(handler):
        return
    _luigis = handler
    signal.signal(signal.SIGUSR1, _stop)
    signal.siginterrupt(signal.SIGUSR1, False)
    if not goes_on:
        forget_answers()
    _stopping = worker._stop_requesting_work or (goes_on and _stopping)
    if _stopping:
        handler(signal.SIGUSR1, None)


def _stop(number: int, frame: FrameType | None) -> None:
    """Also tells the processes of tasks: one that has many days to build ends with the one that it is at."""
    global _stopping
    _stopping = True
    if _luigis:
        _luigis(number, frame)
    _tell_children(number)


def _halt(number: int, frame: FrameType | None) -> None:
    """Keeps the main thread where it is."""
    while True:
        with suppress(KeyboardInterrupt):
            time.sleep(_LAST_MOMENT)


def _terminate() -> None:
    """Ends the process. Takes no lock and imports nothing: the main thread stands still with whatever it holds."""
    _thread.start_new_thread(_end_late, ())
    if parent_process() is None:
        _say()
    listener.leave_children()
    sever_connections()
    for run_id, url in list(open_runs.items()):
        with suppress(psycopg2.Error):
            _close_row(url, run_id)
    _wait_for_children()
    os._exit(TERMINATED)


def _say() -> None:
    """Past all that buffers; a terminal in which a display has hidden the cursor gets it back."""
    said = f"aivo_luigi: terminated, and what ran is rolled back: {how_to_go_on()}\n"
    with suppress(OSError):
        os.write(2, (b"\x1b[?25h" if os.isatty(2) else b"") + said.encode())


def _end_late() -> None:
    time.sleep(_LAST_MOMENT)
    for child in active_children():
        child.kill()
    os._exit(TERMINATED)


def _wait_for_children() -> None:
    """Also for one that the main thread was forking when it was halted, of which multiprocessing knows nothing."""
    with suppress(ChildProcessError):
        while True:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.01)


def _tell_children(number: int) -> None:
    for child in active_children():
        if child.pid:
            with suppress(ProcessLookupError):
                os.kill(child.pid, number)


def _close_row(url: str, run_id: str) -> None:
    """Writes FAILED, on a connection of its own. A record that was just being written may take a moment to appear."""
    until = time.monotonic() + _APPEARING
    fail = sqlfiles.read("runs/fail.sql")
    with closing(psycopg2.connect(url, connect_timeout=_MOST_FOR_ROWS)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("select set_config('statement_timeout', %s, false)", (f"{_MOST_FOR_ROWS}s",))
        while time.monotonic() < until:
            cursor.execute(sqlfiles.render(fail, connection, run_id=run_id, message=_MESSAGE))
            cursor.execute("select from etl_job_runs where id = %s", (run_id,))
            if cursor.rowcount:
                return
            time.sleep(0.02)
