"""Numbers by day as data frames: one row for each day of the report, NaN where there is nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd
from pandas import DataFrame

from aivo_luigi.report.queries import Numbers, Row


def job_series(numbers: Numbers, job: str) -> DataFrame:
    """Columns rows_processed, rows_rejected, seconds, lower_rows, upper_rows (floats), state, is_unusual of a job."""
    ran = _by_day(numbers, _of(job, numbers.job_days), ["rows_processed", "rows_rejected", "seconds", "state"])
    expected = _by_day(numbers, _of(job, numbers.expectations), ["lower_rows", "upper_rows", "is_unusual"])
    counts = ["rows_processed", "rows_rejected", "seconds", "lower_rows", "upper_rows"]
    return ran.join(expected).astype(dict.fromkeys(counts, float)).assign(is_unusual=expected["is_unusual"].eq(True))


def dimension_series(numbers: Numbers, job: str) -> DataFrame:
    """Columns inserted, updated, deleted of a dimension's syncs (0 without one), and members after them."""
    columns = ["inserted", "updated", "deleted", "members"]
    frame = _frame(_of(job, numbers.dimension_days), columns)
    members = frame["members"].astype(float).reindex(sorted({*frame.index, *numbers.days})).ffill()
    changes = frame.reindex(numbers.days).drop(columns="members").astype(float).fillna(0)
    return changes.assign(members=members.reindex(numbers.days))


def rejected_series(numbers: Numbers) -> DataFrame:
    """Column records: what was rejected of each day."""
    frame = _frame(numbers.rejects, ["records"])
    return frame.groupby(level=0).sum().reindex(numbers.days).astype(float).fillna(0)


def success_series(numbers: Numbers) -> DataFrame:
    """Columns success_count, failed_count, total: the runs of each day."""
    columns = ["success_count", "failed_count", "total"]
    return _by_day(numbers, numbers.daily_success, columns).astype(float).fillna(0)


def rejected_by_reason(numbers: Numbers) -> list[Row]:
    """What was rejected in the days of the report, by job, table, field and reason, the most frequent first."""
    if not numbers.rejects:
        return []
    keys = ["job_name", "source_table", "field", "reason"]
    groups = DataFrame(numbers.rejects).groupby(keys, dropna=False)
    summed = groups.agg(records=("records", "sum"), first_day=("day", "min"), last_day=("day", "max")).reset_index()
    return [
        {**row, "field": None if pd.isna(row["field"]) else row["field"]}
        for row in summed.sort_values("records", ascending=False, kind="stable").to_dict("records")
    ]


def _of(job: str, rows: Iterable[Row]) -> Iterator[Row]:
    return (row for row in rows if row["job_name"] == job)


def _by_day(numbers: Numbers, rows: Iterable[Row], columns: list[str]) -> DataFrame:
    return _frame(rows, columns).reindex(numbers.days)


def _frame(rows: Iterable[Row], columns: list[str]) -> DataFrame:
    return DataFrame(list(rows), columns=["day", *columns]).set_index("day")
