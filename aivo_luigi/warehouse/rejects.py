"""What can't be loaded: whole rows and single fields, recorded with run and reason, never lost, and never too many.

While a run lasts they are in the temporary table `rejected`; a row of it without a field is a whole row.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from psycopg2 import sql

from aivo_luigi import sqlfiles
from aivo_luigi.config import settings
from aivo_luigi.db import Connection
from aivo_luigi.errors import GuardError


def begin_rejects(warehouse: Connection) -> None:
    """Makes the table `rejected`, or finds it empty; within the run's transaction, before all else here."""
    warehouse.file("load/rejected.sql")


def reject_whole_rows(
    warehouse: Connection, staged: str, source_table: str, required: Sequence[str], known: int, what: str
) -> int:
    """Moves the rows without one of the required columns from the table `staged` to `rejected`; returns how many.

    The first of `required` is the row's own id. Raises GuardError when they are more than max_reject_share of `known`,
    the rows that the job knows of; `what` is the job and day.
    """
    rejected = warehouse.file(
        "load/reject_whole_rows.sql",
        staged=staged,
        source_table=source_table,
        source_id=required[0],
        required=sqlfiles.identifiers(required, "staged"),
        names=sqlfiles.as_array(required),
    ).rowcount
    if rejected and rejected > settings().max_reject_share * known:
        raise GuardError(
            f"{what} can't load {rejected} of {known} rows ({_first_few(warehouse)}): look at the source, or allow "
            "more with --etl-max-reject-share"
        )
    return rejected


def reject_fields(warehouse: Connection, name: str, **variables: Any) -> None:
    """Adds the fields that rejects.sql of a job finds unreadable to `rejected`; without the file there are none."""
    if sqlfiles.exists(name):
        warehouse.execute(
            "insert into rejected (source_table, source_id, field, reason, payload)"
            f" select source_table, source_id, field, reason, payload from ({sqlfiles.read(name)}) as unreadable",
            **variables,
        )


def keep_earlier_rejects(warehouse: Connection, job_name: str, day: date, id_column: str) -> None:
    """Lets those records of an earlier run of the day stand whose rows were not read this time."""
    warehouse.file("load/keep_earlier_rejects.sql", job_name=job_name, target_date=day, business_key=id_column)


def not_rejected(id_column: str, table: str) -> sql.Composable:
    """A condition on a table's rows: the source's row of this id was not rejected whole, so that it is not gone."""
    return sql.SQL(
        "not exists (select from rejected where rejected.field is null and rejected.source_id = {}::text)"
    ).format(sql.Identifier(table, id_column))


def record_rejects(warehouse: Connection, run_id: str, job_name: str, day: date) -> int:
    """Records what was rejected, in place of what an earlier run of the day recorded; returns how many records."""
    return warehouse.file("load/record_rejects.sql", run_id=run_id, job_name=job_name, target_date=day).rowcount


def _first_few(warehouse: Connection) -> str:
    rows = warehouse.execute(
        "select coalesce(source_id, 'without id') || ': ' || reason from rejected order by source_id limit 3"
    ).fetchall()
    return ", ".join(row[0] for row in rows)
