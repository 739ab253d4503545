"""The warehouse's schema: numbered SQL files, applied in order by yoyo-migrations."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from importlib.resources import as_file, files
from typing import Any

import psycopg2

from aivo_luigi import sqlfiles
from aivo_luigi.config import settings
from aivo_luigi.db import Connection
from aivo_luigi.db.connection import open_connection
from aivo_luigi.db.patience import PatientCursor, be_patient
from aivo_luigi.errors import SOURCE_VARIABLE, WAREHOUSE_VARIABLE, ConfigurationError, SchemaError, describe

_TABLE = "_yoyo_migration"
_LOCK = "select pg_advisory_lock(hashtext('aivo_luigi migrations'), 0)"


def ensure_schema(warehouse: Connection, url: str) -> None:
    """Migrates an empty warehouse. Raises SchemaError for one whose schema is not this package's.

    ConfigurationError where its tables would be made beside the source's.
    """
    if is_empty(warehouse):
        refuse_the_sources_place(warehouse)
        migrate(url, within_a_run=True)


def is_empty(warehouse: Connection) -> bool:
    """Whether nothing was ever migrated. Raises SchemaError for a warehouse whose schema is not this package's."""
    applied, packaged = applied_migrations(warehouse), set(_packaged())
    if applied and packaged - applied:
        raise SchemaError(
            f"the warehouse's schema is older than this package ({len(packaged - applied)} migrations are missing): "
            "run aivo-etl migrate"
        )
    if applied - packaged:
        raise SchemaError("the warehouse's schema is newer than this package: install the version that migrated it")
    return not applied


def refuse_the_sources_place(warehouse: Connection) -> None:
    """Raises ConfigurationError where the tables of an empty warehouse would be made beside the source's.

    The source is only read. The two may share a database, where each has a schema of its own.
    """
    here = "select to_regclass(format('%I.%I', current_schema(), :'name'))"
    tables = ("learner_skill_states", "session_events")
    if not applied_migrations(warehouse) and all(warehouse.value(here, name=name) is not None for name in tables):
        raise ConfigurationError(
            f"{WAREHOUSE_VARIABLE} leads to the source's tables, where nothing is written: give the warehouse a "
            f"database, or a schema, of its own; or are {SOURCE_VARIABLE} and {WAREHOUSE_VARIABLE} swapped?"
        )


def missing_migrations(warehouse: Connection) -> list[str]:
    """The names of the migrations that the warehouse lacks, in their order."""
    applied = applied_migrations(warehouse)
    return [name for name in _packaged() if name not in applied]


def applied_migrations(warehouse: Connection) -> set[str]:
    """The names of the migrations that the warehouse has; none if it is empty."""
    if warehouse.value("select to_regclass(:'name')", name=_TABLE) is None:
        return set()
    return {row[0] for row in warehouse.execute('select migration_id from :"name"', name=_TABLE).fetchall()}


def migrate(url: str, within_a_run: bool = False) -> list[str]:
    """Applies the migrations that the warehouse lacks, all or none, and returns their names.

    Within a run, a server that falls silent is told of as anywhere in a run; an upgrade may take its time.
    Two at once wait for one another. Schema and record commit together, so that a killed migration leaves nothing.
    Raises SchemaError when the user may not make tables.
    """
    try:
        return _migrate(url, within_a_run)
    except psycopg2.errors.InsufficientPrivilege as error:
        raise SchemaError(
            f"the warehouse does not let its user make tables ({describe(error)}): grant it CREATE on the schema, or "
            "run aivo-etl migrate as the owner of the tables"
        ) from error


def _migrate(url: str, within_a_run: bool) -> list[str]:
    from yoyo import read_migrations

    with as_file(files("aivo_luigi") / "sql" / "warehouse") as folder:
        backend = _backend(url, within_a_run)
        try:
            backend.connection.cursor().execute(_LOCK)
            wanted = list(backend.to_apply(read_migrations(str(folder))))
            with backend.transaction():
                for migration in wanted:
                    migration.process_steps(backend, "apply")
                    backend.mark_one(migration, log=False)
            return [migration.id for migration in wanted]
        finally:
            backend.connection.close()


def _packaged() -> list[str]:
    return [name.removesuffix(".sql") for name in sqlfiles.names("warehouse")]


def _backend(url: str, within_a_run: bool) -> Any:
    """The PostgreSQL backend of yoyo, with a connection and a lock of ours.

    libpq reads the URL, as everywhere else; and the advisory lock is taken already, where yoyo's own lock, a row in a
    table, would outlive a killed process.
    """
    from yoyo.backends.core.postgresql import PostgresqlBackend
    from yoyo.connections import DatabaseURI

    class Backend(PostgresqlBackend):  # type: ignore[misc]
        def connect(self, dburi: Any) -> Any:
            options = {"application_name": "aivo_luigi migrate", "cursor_factory": PatientCursor}
            connection = open_connection(url, "warehouse", WAREHOUSE_VARIABLE, **options)
            connection.autocommit = True
            if within_a_run:
                be_patient(connection)
            connection.cursor().execute(f"set timezone = 'UTC'; set lock_timeout = '{settings().lock_timeout}s'")
            return connection

        def lock(self, timeout: int = 10) -> AbstractContextManager[None]:
            return nullcontext()

    return Backend(DatabaseURI("postgresql", None, None, None, None, "", {}), _TABLE)
