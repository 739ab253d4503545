"""aivo-etl rejects."""

from __future__ import annotations

from datetime import date

import click

from aivo_luigi.cli.options import Day, days_between, job_option, json_option, range_options
from aivo_luigi.cli.shared import nothing_has_run


@click.command()
@click.option("--date", "day", type=Day(), help="Only this day: YYYY-MM-DD, yesterday or today. Default: all days.")
@range_options
@job_option
@click.option("--payload", is_flag=True, help="Show what was read, too: it is learners' data.")
@json_option
def rejects(
    day: date | None, start: date | None, stop: date | None, job: str | None, payload: bool, as_json: bool
) -> None:
    """Show what could not be loaded and why, grouped by job, table, field and reason, with ids of a few source rows.

    \b
    Examples:
      aivo-etl rejects --date 2025-01-15
      aivo-etl rejects --start 2025-01-01 --stop 2025-02-01 --job build_fact_sessions
    """
    from aivo_luigi.operate.rejects import print_rejects, rejected

    days = days_between(day, start, stop) if day or start or stop else None
    if nothing_has_run(as_json):
        return
    print_rejects(rejected(days[0] if days else None, days[-1] if days else None, job), payload, as_json)
