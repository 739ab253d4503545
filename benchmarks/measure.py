"""Measuring a process and what it does to the servers."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import click

from benchmarks.servers import APPLICATION, PREFIX, Server, connect, value

Result = TypeVar("Result")

_JOB_TIMES = Path(__file__).with_name("job_times.sql")
_FLUSH_TIMEOUT = 5.0  # seconds
_MOMENT = 0.02  # seconds


@dataclass(frozen=True)
class Process:
    """A process that has ended: its milliseconds from start to exit, its processor time with that of its children, and
    the memory of the largest process in it.
    """

    ms: float
    cpu_ms: float
    peak_mb: float


def run_process(command: list[str], environment: dict[str, str]) -> Process:
    """Runs a command; a failure ends the benchmark with what the command said last."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        _, status, usage = os.wait4(process.pid, 0)
        ms = (time.perf_counter() - began) * 1000
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            last = log.read().decode(errors="replace").strip().splitlines()[-12:]
            raise click.ClickException("\n".join([f"exit code {process.returncode}: {' '.join(command[1:])}", *last]))
    return Process(ms, (usage.ru_utime + usage.ru_stime) * 1000, usage.ru_maxrss / 1024)


@dataclass(frozen=True)
class Traffic:
    """What a measurement cost the servers; their processor time only where they are on this machine."""

    server_cpu_ms: float | None
    wal_mb: float
    source_blocks: int


@dataclass(frozen=True)
class Meter:
    """Reads what the servers' sessions cost, how much WAL was written and how many blocks of the source were read.

    All but the blocks are the whole server's: nobody else may use it meanwhile.
    """

    source_server: Server
    source: str
    warehouse_server: Server

    def around(self, action: Callable[[], Result]) -> tuple[Result, Traffic]:
        """Does something, and returns what it returned and what it cost."""
        self.checkpoint()
        blocks, wal, cpu = self._blocks(), self._wal(), self._cpu()
        result = action()
        wal_mb = (self._wal() - wal) / 2**20
        self._wait_for_sessions()
        cpu_now = self._cpu()
        cost = cpu_now - cpu if cpu is not None and cpu_now is not None else None
        return result, Traffic(cost, wal_mb, self._blocks() - blocks)

    def checkpoint(self) -> None:
        """On both servers, before a measurement."""
        for server in self._servers:
            server.checkpoint()

    @property
    def _servers(self) -> list[Server]:
        one, other = self.source_server, self.warehouse_server
        return [one] if one is other else [one, other]

    def _cpu(self) -> float | None:
        times = [server.cpu_ms() for server in self._servers]
        return None if None in times else sum(time or 0 for time in times)

    def _wal(self) -> int:
        return int(self.warehouse_server.value("select pg_current_wal_insert_lsn() - '0/0'"))

    def _blocks(self) -> int:
        """Blocks read in the source, from memory or disk."""
        blocks = "select blks_hit + blks_read from pg_stat_database where datname = %s"
        return int(self.source_server.value(blocks, self.source))

    def _wait_for_sessions(self) -> None:
        """What a session has counted is there when it has ended, a moment after its client."""
        deadline = time.monotonic() + _FLUSH_TIMEOUT
        sessions = """
            select count(*)
            from pg_stat_activity
            where datname like %s and backend_type = 'client backend' and application_name <> %s
        """
        while time.monotonic() < deadline:
            time.sleep(_MOMENT)
            if not any(server.value(sessions, f"{PREFIX}%", APPLICATION) for server in self._servers):
                return


@dataclass(frozen=True)
class JobTimes:
    """A job's run in the run record. `step_ms`: from its start to the next one's, so with all that lies between."""

    rows: int
    ms: float
    step_ms: float


def clock(url: str) -> datetime:
    """The server's clock."""
    with closing(connect(url)) as connection:
        now: datetime = value(connection, "select clock_timestamp()")
    return now


def job_times(url: str, since: datetime) -> tuple[dict[str, JobTimes], float]:
    """The jobs that ran since a moment, in their order, and the milliseconds from first start to last end."""
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        # Not with aivo_luigi.sqlfiles: a child's peak of memory is at least ours, so that we stay small.
        cursor.execute(_JOB_TIMES.read_text(encoding="utf-8").replace(":'since'", "%s"), [since])
        rows = cursor.fetchall()
    jobs = {name: JobTimes(number, ms, step_ms) for name, number, ms, step_ms, _ in rows}
    return jobs, rows[0][-1] if rows else 0.0
