"""From the source into the temporary table `stage` of the warehouse: what a job has to load for a day.

What can't be loaded is moved to the temporary table `rejected` on the way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from aivo_luigi import sqlfiles
from aivo_luigi.config import database_urls
from aivo_luigi.dates import day_end, day_start
from aivo_luigi.db import Connection, connect_warehouse
from aivo_luigi.db.connection import log_file
from aivo_luigi.db.source import Columns, Snapshot, describe_query, snapshot
from aivo_luigi.db.transfer import number_beside, stage_csv, stage_query
from aivo_luigi.warehouse.changes import Present, SourceRows, is_indexed, moment, present_rows, read_members
from aivo_luigi.warehouse.load import Load, Way
from aivo_luigi.warehouse.members import Reference
from aivo_luigi.warehouse.rejects import begin_rejects, keep_earlier_rejects, reject_fields, reject_whole_rows
from aivo_luigi.warehouse.states import StateHistory

_described: dict[tuple[str, str], Columns] = {}

Report = Callable[[str, int], None]
"""Tells a person how a run is going: a message, and a percentage of the whole."""


@dataclass(frozen=True)
class JobSpec:
    """What is a job's own; its SQL is in sql/jobs/<name>.

    `required`: staged columns without which a row can't be loaded, the row's own id first. `references`: the dimensions
    that the rows name, each after those that it needs itself. `csv`: a data file there that stands in for the source.
    `keeps_history`: `stage` goes into the history of skill states, out of which load.sql makes the rows; extract.sql
    reads what is the day's own.
    `present`: given for a dimension that is read by what changed, where the source has an index on updated_at.
    """

    name: str
    way: Way
    source_table: str
    required: Sequence[str]
    references: Sequence[Reference] = ()
    csv: str = ""
    keeps_history: bool = False
    present: Present | None = None

    def sql_file(self, name: str) -> str:
        """The name of one of the job's files."""
        return f"jobs/{self.name}/{name}"


@dataclass(frozen=True)
class Staged:
    """What is staged: rows read, rows of them rejected whole, and the source's clock (None: rows of a file).

    `whole`: whether the rows are all that the source has, and not only those that may have changed.
    """

    rows: int
    rejected: int
    clock: datetime | None
    whole: bool = True

    @property
    def loadable(self) -> int:
        """Rows in `stage`."""
        return self.rows - self.rejected


def connect_for(job: JobSpec, label: str) -> AbstractContextManager[Connection]:
    """A connection to the warehouse under a label. What its tables are like is for the job and the source to say."""
    return connect_warehouse(label, tables_for=(job.name, database_urls().source))


@dataclass(frozen=True)
class Staging:
    """One job and day on its way into `stage`, within a transaction of the warehouse.

    `prepare`: called while the source makes its first rows. `everything`: dimensions and skill states are read as
    a whole, whatever could be left out.
    """

    job: JobSpec
    day: date
    warehouse: Connection
    application_name: str
    report: Report
    prepare: Callable[[], None]
    everything: bool = False

    def stage(self, day_is_over: bool) -> Staged:
        """Fills `stage` and `rejected`. Raises GuardError when too many rows can't be loaded."""
        begin_rejects(self.warehouse)  # while the source is being connected to
        if self.job.csv:
            self.prepare()
            staged = self._reject(stage_csv(self.warehouse, self.job.sql_file(self.job.csv)), None)
        elif self.job.keeps_history:
            staged = self._stage_history(day_is_over)
        else:
            with snapshot(self.application_name, self.day, day_is_over) as source:
                rows, whole = self._read(source)
            staged = self._reject(rows, source.clock, whole)
            if not whole:
                keep_earlier_rejects(self.warehouse, self.job.name, self.day, self.job.required[0])
        reject_fields(self.warehouse, self.job.sql_file("rejects.sql"), **self._bounds)
        return staged

    def load(self, staged: Staged) -> Load:
        """The load of what is staged."""
        return Load(
            warehouse=self.warehouse,
            job_name=self.job.name,
            day=self.day,
            clock=staged.clock,
            staged=staged.loadable,
            rows_sql=sqlfiles.read(self.job.sql_file("load.sql")),
            whole=staged.whole,
            refers_to=[reference.dimension for reference in self.job.references],
        )

    def _read(self, source: Snapshot) -> tuple[int, bool]:
        """Copies the source's rows into `stage`: how many, and whether they are all that there are."""
        job, present = self.job, self.job.present
        if present is None or self._everything or not is_indexed(source.connection, job.source_table):
            return self._extract(source, None), True
        whole = self._query(source, "extract.sql", changed_since=moment(None))
        rows = SourceRows(
            clock=source.clock,
            stage=lambda since: self._extract(source, since),
            counting=lambda: number_beside(source.connection, present_rows(source.connection, whole, present)),
        )
        return read_members(self.warehouse, job.way.table, job.source_table, job.required, present, rows)

    def _extract(self, source: Snapshot, since: datetime | None) -> int:
        variables = {"changed_since": moment(since), **self._bounds}
        return self._copy(source, "extract.sql", "stage", variables, meanwhile=self.prepare)

    def _reject(self, rows: int, clock: datetime | None, whole: bool = True) -> Staged:
        rejected = reject_whole_rows(
            self.warehouse, "stage", self.job.source_table, self.job.required, rows, self._what
        )
        return Staged(rows, rejected, clock, whole)

    def _stage_history(self, day_is_over: bool) -> Staged:
        history = StateHistory(self.job.source_table, self.job.required)
        history.lock(self.warehouse)
        with snapshot(self.application_name, self.day, day_is_over) as source:
            self._copy(source, "extract.sql", "practice", self._bounds, meanwhile=self.prepare)
            states = SourceRows(
                clock=source.clock,
                stage=lambda since: self._copy(source, "states.sql", "stage", {"changed_since": moment(since)}),
                counting=lambda: number_beside(source.connection, sqlfiles.read(self.job.sql_file("count.sql"))),
                everything=self._everything,
            )
            rows, rejected = history.merge(self.warehouse, states, self._what)
        return Staged(rows, rejected, source.clock)

    def _copy(
        self,
        source: Snapshot,
        file: str,
        table: str,
        variables: Mapping[str, Any],
        meanwhile: Callable[[], None] = lambda: None,
    ) -> int:
        query = self._query(source, file, **variables)
        columns = self._columns(source, file, query)
        began = time.perf_counter()
        rows = stage_query(source.connection, self.warehouse, query, table, self._report_rows, columns, meanwhile)
        log_file(self.job.sql_file(file), rows, began)
        return rows

    def _columns(self, source: Snapshot, file: str, query: str) -> Columns:
        """What the query returns. A file casts each column, so that it returns the same whatever the day."""
        key = (database_urls().source, self.job.sql_file(file))
        if key not in _described:
            _described[key] = describe_query(source.connection, query)
        return _described[key]

    def _query(self, source: Snapshot, file: str, **variables: Any) -> str:
        return sqlfiles.render(sqlfiles.read(self.job.sql_file(file)), source.connection.raw, **variables)

    def _report_rows(self) -> None:
        """How far the COPY is that is running on the connection of this name, as another connection sees it."""
        with connect_warehouse("aivo_luigi progress") as another:
            rows = another.file("monitoring/copied_rows.sql", application_name=self.application_name[:63]).fetchone()
        self.report(f"{rows[0] if rows else 0:,} rows read so far", 30)

    @property
    def _everything(self) -> bool:
        """The demo makes up days of long ago when they are asked for: its changes say that they are old."""
        return self.everything or database_urls().embedded

    @property
    def _bounds(self) -> dict[str, datetime]:
        return {"day_start": day_start(self.day), "day_end": day_end(self.day)}

    @property
    def _what(self) -> str:
        return f"{self.job.name} for {self.day}"
