"""aivo-etl compare."""

from __future__ import annotations

from datetime import date

import click

from aivo_luigi.cli.options import JOBS, date_option, days_between, job_task, range_options
from aivo_luigi.cli.shared import nothing_has_run


@click.command()
@date_option
@range_options
@click.option("--job", "jobs", type=click.Choice(JOBS), metavar="NAME", multiple=True, help="Only this; repeatable.")
@click.option("--most", default=5, show_default=True, type=click.IntRange(min=0), help="Rows to show per job and day.")
@click.option("--values", is_flag=True, help="Show the values too: they are learners' data.")
@click.pass_context
def compare(
    context: click.Context,
    day: date | None,
    start: date | None,
    stop: date | None,
    jobs: tuple[str, ...],
    most: int,
    values: bool,
) -> None:
    """Compare the warehouse with the source, row by row, and print what differs.

    Facts are compared for each day that was built, dimensions as they are now. Nothing is changed. Exits with 1 if
    anything differs.

    \b
    Examples:
      aivo-etl compare                        yesterday (UTC)
      aivo-etl compare --start 2025-01-01 --stop 2025-02-01
      aivo-etl compare --date 2025-01-15 --job build_fact_sessions --most 20
    """
    from aivo_luigi.comparison import compare_days, print_differences

    days = days_between(day, start, stop)
    if nothing_has_run():
        return
    found = compare_days(days[0], days[-1], [job_task(name) for name in jobs], most)
    print_differences(found, values)
    if any(found.differences.values()):
        context.exit(1)
