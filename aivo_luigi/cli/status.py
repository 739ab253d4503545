"""aivo-etl status."""

from __future__ import annotations

import click

from aivo_luigi.cli.shared import nothing_has_run


@click.command()
@click.option("--most", default=20, show_default=True, type=click.IntRange(min=1), help="How many runs to show.")
def status(most: int) -> None:
    """Show the latest runs, newest first: job, day, status, rows, seconds, and why one failed."""
    from aivo_luigi.db import connect_warehouse
    from aivo_luigi.tables import NUMBERS, print_table

    if nothing_has_run():
        return
    with connect_warehouse("aivo-etl status") as warehouse:
        runs = warehouse.file("monitoring/recent_runs.sql", most=most).fetchall()
    print_table(
        "Latest runs",
        ("started (UTC)", "job", "day", "status", *NUMBERS, "seconds", "error"),
        [(f"{started:%Y-%m-%d %H:%M:%S}", *run, ms / 1000, error) for started, *run, ms, error in runs],
    )
