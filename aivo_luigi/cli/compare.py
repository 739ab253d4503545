"""aivo-etl compare."""

from __future__ import annotations

import click

from aivo_luigi.cli.shared import nothing_has_run


@click.command()
@click.option("--date", "day", help="A single day, YYYY-MM-DD (default: yesterday, UTC).")
@click.option("--start", help="First day of a range.")
@click.option("--stop", help="The day after the last of a range, as in RangeDaily.")
@click.option("--job", "jobs", multiple=True, help="Only this job, for instance build_fact_sessions; may be repeated.")
@click.option("--most", default=5, show_default=True, type=click.IntRange(min=0), help="Rows to show per job and day.")
@click.option("--values", is_flag=True, help="Show the values too: they are learners' data.")
@click.pass_context
def compare(
    context: click.Context,
    day: str | None,
    start: str | None,
    stop: str | None,
    jobs: tuple[str, ...],
    most: int,
    values: bool,
) -> None:
    """Compare the warehouse with the source, row by row, and print what differs.

    Facts are compared for each day that was built, dimensions as they are now. Nothing is changed. Exits with 1 if
    anything differs.
    """
    from aivo_luigi.comparison import compare_days, days_of, print_differences

    days = days_of(day, start, stop)
    if nothing_has_run():
        return
    found = compare_days(days, jobs, most)
    print_differences(found, values)
    if any(found.values()):
        context.exit(1)
