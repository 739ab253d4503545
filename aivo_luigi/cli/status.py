"""aivo-etl status."""

from __future__ import annotations

from datetime import date

import click

from aivo_luigi.cli.options import Day, job_option, json_option
from aivo_luigi.cli.shared import nothing_has_run


@click.command()
@click.option("--date", "day", type=Day(), help="Only runs for this day: YYYY-MM-DD, yesterday or today.")
@job_option
@click.option("--most", default=20, show_default=True, type=click.IntRange(min=1), help="How many runs to show.")
@json_option
def status(day: date | None, job: str | None, most: int, as_json: bool) -> None:
    """Show the latest runs, newest first: job, day, status, rows, seconds, and why one failed.

    \b
    Examples:
      aivo-etl status
      aivo-etl status --date 2025-01-15 --job build_fact_sessions
      aivo-etl status --json --most 100
    """
    from aivo_luigi.operate.status import print_no_run, print_runs, recent_runs

    if nothing_has_run(as_json):
        return
    runs = recent_runs(day, job, most)
    if runs or as_json:
        print_runs(runs, as_json)
    else:
        print_no_run(day, job)
