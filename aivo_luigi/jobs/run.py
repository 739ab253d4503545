"""A run of a job: the one way that every job's data take.

    lock, look again → RUNNING → snapshot of the source → stage → inferred members → land → checks → SUCCESS

Everything from `stage` to SUCCESS is one transaction of the warehouse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from aivo_luigi import sqlfiles
from aivo_luigi.dates import day_end, day_start
from aivo_luigi.db import Connection, connect_warehouse
from aivo_luigi.db.source import Snapshot, snapshot
from aivo_luigi.db.transfer import stage_csv, stage_query
from aivo_luigi.jobs import record
from aivo_luigi.jobs.completeness import ask, refuse_future
from aivo_luigi.jobs.result import JobResult
from aivo_luigi.logs import log_in_detail
from aivo_luigi.warehouse import Load
from aivo_luigi.warehouse.checks import run_checks
from aivo_luigi.warehouse.load import Way
from aivo_luigi.warehouse.members import Reference, infer_members
from aivo_luigi.warehouse.rejects import reject_whole_rows


@dataclass(frozen=True)
class JobSpec:
    """What is a job's own; its SQL is in sql/jobs/<name>.

    `required`: staged columns without which a row can't be loaded, the row's own id first. `references`: the dimensions
    that the rows name, each after those that it needs itself. `csv`: a data file there that stands in for the source.
    """

    name: str
    way: Way
    source_table: str
    required: Sequence[str]
    references: Sequence[Reference] = ()
    csv: str = ""

    def sql_file(self, name: str) -> str:
        """The name of one of the job's files."""
        return f"jobs/{self.name}/{name}"


Report = Callable[[str, int], None]
"""Tells a person how a run is going: a message, and a percentage of the whole."""


def run_job(job: JobSpec, day: date, force: str, report: Report) -> JobResult:
    """Runs a job for a day, unless another run has completed it meanwhile; then SKIPPED, without a row.

    Raises what went wrong, after the data are rolled back and the row says FAILED.
    """
    log_in_detail()
    label = f"aivo_luigi {job.name} {day}"
    with connect_warehouse(label) as warehouse, record.locked(warehouse, job.name, day):
        clock, complete = ask(warehouse, [job.name], [day], force)
        refuse_future(day, clock)
        if complete:
            return JobResult(job.name, "SKIPPED")
        run_id = record.start(warehouse, job.name, day, force)
        try:
            result = _load(job, day, run_id, warehouse, report, label, day_is_over=day_end(day) <= clock)
        except BaseException as error:
            record.fail(warehouse, run_id, error)
            raise
    report(result.summary(), 100)
    return result


def _load(
    job: JobSpec, day: date, run_id: str, warehouse: Connection, report: Report, label: str, day_is_over: bool
) -> JobResult:
    report("reading the source", 5)
    with warehouse.transaction():
        if job.csv:
            staged, clock = stage_csv(warehouse, job.sql_file(job.csv)), None
        else:
            with snapshot(label, day, day_is_over) as source:
                staged, clock = _stage(job, day, source, warehouse, report), source.clock
        report(f"{staged:,} rows read, loading", 60)
        rejected = reject_whole_rows(warehouse, run_id, job.name, day, job.source_table, job.required, staged)
        warehouse.execute("analyze stage")
        job.way.prepare(day)
        infer_members(warehouse, job.references)
        load = Load(
            warehouse=warehouse,
            job_name=job.name,
            day=day,
            clock=clock,
            staged=staged - rejected,
            rows_sql=sqlfiles.read(job.sql_file("load.sql")),
        )
        counts = job.way.land(load)
        run_checks(warehouse, job.sql_file("checks.sql"), f"{job.name} for {day}", **load.variables)
        return record.succeed(
            warehouse,
            run_id,
            job.name,
            processed=staged if job.way.row_per_staged else counts.inserted,
            inserted=counts.inserted,
            updated=counts.updated,
            deleted=counts.deleted,
            rejected=rejected,
        )


def _stage(job: JobSpec, day: date, source: Snapshot, warehouse: Connection, report: Report) -> int:
    query = sqlfiles.render(
        sqlfiles.read(job.sql_file("extract.sql")),
        source.connection.raw,
        day_start=day_start(day),
        day_end=day_end(day),
    )
    return stage_query(source.connection, warehouse, query, lambda: report(_rows_so_far(warehouse), 30))


def _rows_so_far(warehouse: Connection) -> str:
    """How far the COPY is that is running on the connection, as another connection sees it."""
    with connect_warehouse("aivo_luigi progress") as another:
        rows = another.value(
            "select tuples_processed from pg_stat_progress_copy where pid = :pid", pid=warehouse.raw.info.backend_pid
        )
    return f"{rows or 0:,} rows read so far"
