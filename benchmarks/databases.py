"""Databases of a benchmark: made once as templates, copied for each measurement, dropped at the end."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click
import psycopg2

from benchmarks.pipeline import REPOSITORY, migrate
from benchmarks.servers import PREFIX, Server, connect

_numbers = itertools.count(1)

SOURCE_FILES = ("sql/source/schema.sql", "sql/source/indexes.sql", "benchmarks/source.sql")
RECOMMENDED_INDEXES = REPOSITORY / "sql" / "source" / "recommended_indexes.sql"


class Databases:
    """The databases that one benchmark makes on a server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._made: list[str] = []

    def create(self, template: str = "template0") -> str:
        """A new database, empty or a copy of another one; its name."""
        name = f"{PREFIX}_{next(_numbers)}"
        try:
            self.server.execute(f"create database {name} template {template}")
        except psycopg2.errors.InsufficientPrivilege:
            raise click.ClickException("the role may not make databases on the server: give it CREATEDB") from None
        self._made.append(name)
        return name

    @contextmanager
    def copy(self, template: str) -> Iterator[str]:
        """A copy of a database for as long as the block lasts; its URL."""
        name = self.create(template)
        yield self.server.url(name)
        self._drop(name)

    def source(self, scale: float, **variables: object) -> str:
        """A source of a scale, as a template: vacuumed, analysed, written to disk. Variables: those of source.sql."""
        name = self.create()
        for file in SOURCE_FILES:
            self.run_file(name, REPOSITORY / file, scale=f"{scale:g}", **variables)
        self.settle(name)
        return name

    def warehouse(self, root: Path = REPOSITORY) -> str:
        """An empty, migrated warehouse, as a template; `root` is the project whose migrations it gets."""
        name = self.create()
        migrate(root, self.server.url(name))
        return name

    def run_file(self, name: str, file: Path, **variables: object) -> None:
        """Runs a SQL file in a database with psql."""
        command = [self.server.psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.server.url(name), "-f", str(file)]
        for variable, value in variables.items():
            command += ["-v", f"{variable}={value}"]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PGTZ": "UTC"}, check=False)
        if done.returncode:
            raise click.ClickException(f"{file.name} failed: {done.stderr.strip()}")

    def settle(self, name: str) -> None:
        """Vacuums and analyses a database, so that no measurement pays for its making."""
        settle(self.server.url(name))
        self.server.checkpoint()

    def close(self) -> None:
        """Drops all that is left; what can't be dropped is named."""
        for name in list(self._made):
            try:
                self._drop(name)
            except psycopg2.Error as error:
                click.echo(f"{name} is left behind: {str(error).strip()}", err=True)

    def _drop(self, name: str) -> None:
        self.server.execute(f"drop database if exists {name} with (force)")
        self._made.remove(name)


def settle(url: str) -> None:
    """Vacuums and analyses a database, as the server itself would do it soon after its tables were filled."""
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("vacuum analyze")


@contextmanager
def databases(server: Server) -> Iterator[Databases]:
    """The databases of one benchmark; dropped when the block ends."""
    made = Databases(server)
    try:
        yield made
    finally:
        made.close()
