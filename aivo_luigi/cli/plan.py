"""aivo-etl plan."""

from __future__ import annotations

from datetime import date

import click

from aivo_luigi.cli.options import (
    apply_settings,
    date_option,
    days_between,
    job_option,
    job_task,
    json_option,
    range_options,
)


@click.command()
@date_option
@range_options
@job_option
@click.option("--late", is_flag=True, help="Also compare complete days with the source, which reads them there.")
@json_option
def plan(day: date | None, start: date | None, stop: date | None, job: str | None, late: bool, as_json: bool) -> None:
    """Show what would run for a day or a range, and why: never run, failed, provisional. Touches nothing.

    \b
    Examples:
      aivo-etl plan                           yesterday (UTC)
      aivo-etl plan --start 2025-01-01 --stop 2025-02-01
      aivo-etl plan --date 2025-01-15 --late  also what RebuildLateDays would find
    """
    apply_settings({})
    from aivo_luigi.operate.plan import plan as make_plan
    from aivo_luigi.operate.print_plan import print_plan
    from aivo_luigi.tasks import RunAll

    task_class = job_task(job) if job else RunAll
    steps = make_plan([task_class(date=each) for each in days_between(day, start, stop)], late)
    print_plan(steps, as_json)
