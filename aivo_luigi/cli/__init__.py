"""The aivo-etl command: a file per subcommand, each importing what it needs only when it runs."""

from __future__ import annotations

import sys

import click

from aivo_luigi.cli.compare import compare
from aivo_luigi.cli.migrate import migrate
from aivo_luigi.cli.status import status
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


for command in (migrate, status, compare):
    main.add_command(command)
