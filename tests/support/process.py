"""A command under way, to be told to stop, and what it waits for."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg2

from support.database import Database
from support.pipeline import Pipeline

LIMIT = 5.0  # seconds, stated in docs/operations.md
TERMINATED = 143

LUIGI = [str(Path(sys.executable).with_name("luigi")), "--module", "aivo_luigi"]
AS_PROCESS_1 = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


class Run:
    """A command under way. `process`: the one that is told to stop."""

    def __init__(self, pipeline: Pipeline, command: list[str], as_process_1: bool = False) -> None:
        self.log = pipeline.folder.parent / f"run {time.monotonic_ns()}.log"
        with self.log.open("wb") as file:
            self.started = subprocess.Popen(
                [*(AS_PROCESS_1 if as_process_1 else []), *command],
                env=pipeline.command_environment(),
                cwd=pipeline.folder,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.process = psutil.Process(self.started.pid)
        if as_process_1:
            self.process = wait_for(lambda: next(iter(self.process.children()), None), "a process 1")

    def heeds(self, number: int) -> bool:
        """Whether the process has a handler for the signal."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return bool(int(re.search(r"SigCgt:\s*(\w+)", status)[1], 16) >> (number - 1) & 1)  # type: ignore[index]

    def end(self, number: int, timeout: float = 30) -> float:
        """Sends the signal and waits for all processes to be gone; the seconds that this took."""
        processes: list[psutil.Process] = []
        began = time.monotonic()
        with suppress(psutil.NoSuchProcess):  # it has ended by itself
            processes = [self.process, *self.process.children(recursive=True)]
            self.process.send_signal(number)
        self.code = self.started.wait(timeout)
        wait_for(lambda: not any(map(_is_alive, processes)), "the end")
        return time.monotonic() - began

    @property
    def said(self) -> str:
        return self.log.read_text()


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != "zombie")
    except psutil.NoSuchProcess:
        return False


def wait_for(found: Callable[[], object], what: str, timeout: float = 30) -> object:
    deadline = time.monotonic() + timeout
    while not (it := found()):
        assert time.monotonic() < deadline, f"no sign of {what}"
        time.sleep(0.005)
    return it


@contextmanager
def held(database: Database, table: str) -> Iterator[None]:
    """Nobody can read or write the table."""
    connection = psycopg2.connect(database.url)
    connection.cursor().execute(f"lock table {table} in access exclusive mode")
    try:
        yield
    finally:
        connection.close()
