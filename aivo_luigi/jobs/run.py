"""A run of a job: the one way that every job's data take.

    lock, look again → RUNNING → snapshot of the source → stage → inferred members → land → checks → SUCCESS

Everything from `stage` to SUCCESS is one transaction of the warehouse.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import date

from aivo_luigi.dates import day_end
from aivo_luigi.db import Connection, open_source_ahead
from aivo_luigi.db.connection import log_file
from aivo_luigi.db.retry import again
from aivo_luigi.errors import describe
from aivo_luigi.jobs import record
from aivo_luigi.jobs.completeness import ask, note_start, note_success, refuse_future
from aivo_luigi.jobs.result import JobResult
from aivo_luigi.jobs.staging import JobSpec, Report, Staging, connect_for
from aivo_luigi.logs import log_in_detail
from aivo_luigi.warehouse.checks import run_checks
from aivo_luigi.warehouse.members import infer_members
from aivo_luigi.warehouse.rejects import record_rejects

logger = logging.getLogger("luigi-interface")


def run_job(job: JobSpec, day: date, force: str, report: Report, started: Callable[[str], None]) -> JobResult:
    """Runs a job for a day, unless another run has completed it meanwhile; then SKIPPED, without a row.

    `started` is told the id of the row. Raises what went wrong, after the data are rolled back and the row says FAILED.
    What will pass is told, and the job begun again with a row of its own (`retries` of [etl]).
    """
    log_in_detail()

    def tell(error: BaseException) -> None:
        logger.warning("%s for %s failed and begins again: %s", job.name, day, describe(error))

    return again(lambda: _run_once(job, day, force, report, started), tell)


def _run_once(job: JobSpec, day: date, force: str, report: Report, started: Callable[[str], None]) -> JobResult:
    label = f"aivo_luigi {job.name} {day}"
    if not job.csv:
        open_source_ahead()
    with connect_for(job, label) as warehouse, record.locked(warehouse, job.name, day):
        clock, complete = ask(warehouse, [job.name], [day], force)
        refuse_future(day, clock)
        if complete:
            return JobResult(job.name, "SKIPPED")
        note_start()
        run_id = record.start(warehouse, job.name, day, force)
        day_is_over = day_end(day) <= clock
        try:
            started(run_id)
            result = _load(job, day, run_id, warehouse, report, label, day_is_over)
        except BaseException as error:
            record.fail(warehouse, run_id, error)
            raise
        finally:
            record.open_runs.pop(run_id, None)
    if day_is_over:
        note_success(job.name, day, force)
    report(result.summary(), 100)
    return result


def _load(
    job: JobSpec, day: date, run_id: str, warehouse: Connection, report: Report, label: str, day_is_over: bool
) -> JobResult:
    report("reading the source", 5)
    with warehouse.transaction():
        staging = Staging(job, day, warehouse, label, report, prepare=lambda: job.way.prepare(warehouse, day))
        staged = staging.stage(day_is_over)
        report(f"{staged.rows:,} rows read, loading", 60)
        rejected = record_rejects(warehouse, run_id, job.name, day)
        infer_members(warehouse, job.references)
        load = staging.load(staged)
        warehouse.file("load/check_keys_as_sets.sql")
        began = time.perf_counter()
        counts = job.way.land(load)
        log_file(job.sql_file("load.sql"), counts.inserted + counts.updated, began)
        run_checks(warehouse, job.sql_file("checks.sql"), f"{job.name} for {day}", **load.variables)
        return record.succeed(
            warehouse,
            run_id,
            job.name,
            processed=staged.rows if job.way.row_per_staged else counts.inserted,
            inserted=counts.inserted,
            updated=counts.updated,
            deleted=counts.deleted,
            rejected=rejected,
        )
