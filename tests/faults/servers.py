"""A source, a replica of it, and a warehouse, which can be broken."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psycopg2
from support.database import Database
from support.server import ACCESS, SETTINGS, Server, free_port

# What is committed must outlive the death of the server, so that nothing is left to chance that production would keep.
_SETTINGS = {
    "synchronous_commit": "on",
    "max_connections": "40",
    "shared_buffers": "32MB",
    "wal_level": "replica",
    "max_standby_streaming_delay": "0",
    "max_standby_archive_delay": "0",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
}


class BreakableServer(Server):
    """A server that can be stopped as a crash would stop it, and started again on its port."""

    def start_again(self) -> None:
        self._start()

    def stop_at_once(self) -> None:
        """The immediate mode: no session is waited for, and nothing is written."""
        process = self._process
        assert process is not None
        process.send_signal(signal.SIGQUIT)
        process.wait(timeout=30)

    def superuser(self) -> Database:
        return Database(self.url("postgres"))

    def _initialise(self) -> None:
        self._first_time = True
        super()._initialise()
        (self._data / "pg_hba.conf").write_text(f"{ACCESS}\nhost replication postgres 127.0.0.1/32 trust\n")

    def _start(self) -> None:
        if self._first_time:
            self._port = free_port()
        command = [str(self._bin / "postgres"), "-D", str(self._data), "-p", str(self._port)]
        for name, value in (SETTINGS | _SETTINGS).items():
            command += ["-c", f"{name}={value}"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self._folder, start_new_session=True, **self._identity()
            )
        self._wait_until_ready(self._process)
        self._first_time = False

    @property
    def port(self) -> int:
        return self._port


class Replica(BreakableServer):
    """A streaming standby of a server."""

    def __init__(self, bin_dir: Path, primary: BreakableServer) -> None:
        self._primary = primary
        super().__init__(bin_dir)

    def _initialise(self) -> None:
        self._first_time = True
        source = f"host=127.0.0.1 port={self._primary.port} user=postgres"
        command = [self._bin / "pg_basebackup", f"--pgdata={self._data}", f"--dbname={source}"]
        self._run([*command, "--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"])

    def catch_up(self, timeout: float = 20) -> None:
        """Until it has replayed what its primary has written by now."""
        primary, replica = self._primary.superuser(), self.superuser()
        wanted = primary.value("select pg_current_wal_lsn()::text")
        until = time.monotonic() + timeout
        query = "select coalesce(pg_last_wal_replay_lsn() >= %(wanted)s::pg_lsn, false)"
        while not replica.value(query, wanted=wanted):
            if time.monotonic() > until:
                raise RuntimeError("the replica does not catch up")
            time.sleep(0.01)
        primary.close()
        replica.close()


class SmallDisk:
    """A file system of a few megabytes, which can be filled; a tablespace of the warehouse lies on it."""

    def __init__(self, folder: Path, megabytes: int, owner: str) -> None:
        self._folder = folder
        folder.mkdir()
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=777", "tmpfs", str(folder)],
            check=True,
            capture_output=True,
        )
        self.space = folder / "space"
        self.space.mkdir()
        shutil.chown(self.space, owner)

    def fill(self, leave: int) -> None:
        """Until so many bytes are left."""
        with suppress(OSError), (self._folder / "ballast").open("wb", buffering=0) as file:
            file.write(b"\0" * max(0, shutil.disk_usage(self._folder).free - leave))

    def clear(self) -> None:
        (self._folder / "ballast").unlink(missing_ok=True)

    def remove(self) -> None:
        subprocess.run(["umount", "--lazy", str(self._folder)], check=False, capture_output=True)


def may_mount() -> bool:
    """Whether a SmallDisk can be made here."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            SmallDisk(Path(folder) / "disk", 1, "postgres").remove()
        except (OSError, subprocess.CalledProcessError, LookupError):
            return False
    return True


def terminate_sessions(database: Database) -> None:
    """Ends what the pipeline has open there."""
    with suppress(psycopg2.Error):
        database.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and application_name ~ '^aivo_luigi'"
        )
