"""The aivo-etl command. Luigi runs the jobs; this is for the people who look after them."""

from __future__ import annotations

import sys

import click

from aivo_luigi.errors import debugging, describe


class _OneLineErrors(click.Group):
    """An error is one line on standard error and exit code 1; the traceback is there with ETL_DEBUG."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if debugging():
                raise
            print(f"aivo-etl: {describe(error)}", file=sys.stderr)
            raise click.exceptions.Exit(1) from None


@click.group(cls=_OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="aivo_luigi")
def main() -> None:
    """Looks after the warehouse that aivo_luigi fills.

    The databases are those of OLTP_DATABASE_URL and WAREHOUSE_DATABASE_URL; with neither set, the embedded demo's.
    Jobs are run by Luigi: luigi --module aivo_luigi RunAll --date 2025-01-15
    """


@main.command()
def migrate() -> None:
    """Make or upgrade the warehouse's schema.

    Safe to run again, and by two at once: all missing migrations are applied in one transaction, or none.
    """
    from aivo_luigi.config import database_urls
    from aivo_luigi.warehouse.migrations import migrate as apply

    applied = apply(database_urls().warehouse)
    print(f"{len(applied)} migrations applied: {', '.join(applied)}" if applied else "The schema is up to date.")


@main.command()
@click.option("--most", default=20, show_default=True, type=click.IntRange(min=1), help="How many runs to show.")
def status(most: int) -> None:
    """Show the latest runs, newest first: job, day, status, rows, seconds, and why one failed."""
    from aivo_luigi.db import connect_warehouse
    from aivo_luigi.tables import NUMBERS, print_table

    if _nothing_has_run():
        return
    with connect_warehouse("aivo-etl status") as warehouse:
        runs = warehouse.file("monitoring/recent_runs.sql", most=most).fetchall()
    print_table(
        "Latest runs",
        ("started (UTC)", "job", "day", "status", *NUMBERS, "seconds", "error"),
        [(f"{started:%Y-%m-%d %H:%M:%S}", *run, ms / 1000, error) for started, *run, ms, error in runs],
    )


@main.command()
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
    if _nothing_has_run():
        return
    found = compare_days(days, jobs, most)
    print_differences(found, values)
    if any(found.values()):
        context.exit(1)


def _nothing_has_run() -> bool:
    """Whether the warehouse is empty; then says so."""
    from aivo_luigi.db import connect_warehouse
    from aivo_luigi.warehouse.migrations import applied_migrations

    with connect_warehouse("aivo-etl") as warehouse:
        is_empty = not applied_migrations(warehouse)
    if is_empty:
        print("The warehouse is empty: nothing has run yet.")
    return is_empty
