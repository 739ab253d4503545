"""aivo-etl backfill."""

from __future__ import annotations

from datetime import date
from typing import Any

import click

from aivo_luigi.cli.options import (
    Day,
    apply_settings,
    days_between,
    dry_run_option,
    force_option,
    job_option,
    job_task,
    settings_options,
    workers_option,
)
from aivo_luigi.cli.shared import exit_with


@click.command()
@click.option("--start", required=True, type=Day(), help="First day: YYYY-MM-DD.")
@click.option("--stop", required=True, type=Day(), help="The day after the last, as in RangeDaily.")
@job_option
@click.option("--reverse", is_flag=True, help="The oldest day first, one at a time. Default: the newest first.")
@force_option
@workers_option
@dry_run_option
@settings_options
def backfill(
    start: date,
    stop: date,
    job: str | None,
    reverse: bool,
    force: str,
    workers: int | None,
    dry_run: bool,
    **settings: Any,
) -> None:
    """Build every day of a range that is not complete, however long the range is.

    Interrupted, or with days that failed, the same command goes on where it stopped. A failing day doesn't keep the
    others from being built. --force begins anew each time; with a NAME, repeated with it, the command goes on.

    \b
    Examples:
      aivo-etl backfill --start 2025-01-01 --stop 2025-02-01 --workers 4
      aivo-etl backfill --start 2025-01-01 --stop today --job build_fact_sessions
      aivo-etl backfill --start 2025-01-01 --stop 2025-02-01 --force after-the-fix
    """
    apply_settings(settings)
    from aivo_luigi.operate.backfill import backfill as build_days
    from aivo_luigi.operate.plan import plan
    from aivo_luigi.operate.print_plan import print_plan
    from aivo_luigi.tasks import RunAll

    days = days_between(None, start, stop)
    task_class = job_task(job) if job else RunAll

    def make_task(day: date) -> Any:
        return task_class(date=day, force=force)

    if dry_run:
        print_plan(plan([make_task(day) for day in days]), as_json=False)
    else:
        exit_with(lambda: build_days(days, make_task, workers, reverse))
