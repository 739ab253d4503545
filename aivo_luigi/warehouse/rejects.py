"""Rows that can't be loaded at all: recorded with run and reason, never lost, and never too many."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from aivo_luigi.config import etl
from aivo_luigi.db import Connection
from aivo_luigi.errors import GuardError


def reject_whole_rows(
    warehouse: Connection,
    run_id: str,
    job_name: str,
    day: date,
    source_table: str,
    required: Sequence[str],
    staged: int,
) -> int:
    """Moves the staged rows without one of the required columns to etl_rejected_rows; returns how many.

    The first of `required` is the row's own id. What an earlier run of the day recorded is replaced. Raises GuardError
    when more than max_reject_share of the staged rows would be rejected.
    """
    warehouse.execute(
        "delete from etl_rejected_rows where job_name = :'job_name' and target_date = :'target_date'::date",
        job_name=job_name,
        target_date=day,
    )
    rejected = sum(
        warehouse.file(
            "load/reject_whole_rows.sql",
            run_id=run_id,
            job_name=job_name,
            target_date=day,
            source_table=source_table,
            source_id=required[0],
            required=column,
        ).rowcount
        for column in required
    )
    if rejected > etl().max_reject_share * staged:
        raise GuardError(
            f"{job_name} for {day} can't load {rejected} of {staged} rows ({_first_few(warehouse, run_id)}): look at "
            "the source, or allow more with --etl-max-reject-share"
        )
    return rejected


def _first_few(warehouse: Connection, run_id: str) -> str:
    rows = warehouse.execute(
        "select coalesce(source_id, 'without id') || ': ' || reason from etl_rejected_rows"
        " where run_id = :'run_id'::uuid order by source_id limit 3",
        run_id=run_id,
    ).fetchall()
    return ", ".join(row[0] for row in rows)
