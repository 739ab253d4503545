"""The aivo-etl command: a file per subcommand, each importing what it needs only when it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import click

from aivo_luigi.cli.backfill import backfill
from aivo_luigi.cli.check import check
from aivo_luigi.cli.compare import compare
from aivo_luigi.cli.migrate import migrate
from aivo_luigi.cli.plan import plan
from aivo_luigi.cli.rejects import rejects
from aivo_luigi.cli.report import report
from aivo_luigi.cli.retention import retention
from aivo_luigi.cli.run import build_facts, late, run, run_job, sync_dimensions
from aivo_luigi.cli.shared import reading_config, say
from aivo_luigi.cli.status import status
from aivo_luigi.errors import describe
from aivo_luigi.tables import lose_output

_NOBODY_READS = 141


@contextmanager
def _written_out() -> Iterator[None]:
    """What is printed may wait in a buffer: that nobody reads it shows here, before Python tells of it at its end."""
    try:
        yield
    finally:
        sys.stdout.flush()


class _OneLineErrors(click.Group):
    """An error is one line on standard error and exit code 1; the traceback is there with ETL_DEBUG. Ctrl-C is 130.

    Output that nobody reads any more ends the command without a word, and with the code that SIGPIPE would give.
    """

    def invoke(self, ctx: click.Context) -> object:
        try:
            with _written_out():
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:
            lose_output()
            raise click.exceptions.Exit(_NOBODY_READS) from None
        except KeyboardInterrupt as interrupt:
            how = str(interrupt) or "the same command goes on"
            print(f"aivo-etl: interrupted, and what ran is rolled back: {how}", file=sys.stderr)
            raise click.exceptions.Exit(130) from None
        except Exception as error:
            say(error, describe(error))
            raise click.exceptions.Exit(1) from None


def _heeding(command: Callable[..., Any], unreadable: int) -> Callable[..., Any]:
    """SIGTERM ends each command at once and cleanly, from its beginning on; a user who may not is told who may.

    `unreadable`: the exit code where luigi.cfg can't be read, as Luigi does when it is imported.
    """

    @wraps(command)
    def heed_and_go_on(*arguments: Any, **options: Any) -> Any:
        with reading_config(unreadable):
            from aivo_luigi.jobs.completeness import using_run_rows
            from aivo_luigi.jobs.signals import heed_signals

        heed_signals()
        with using_run_rows():
            return command(*arguments, **options)

    return heed_and_go_on


@click.group(cls=_OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="aivo_luigi")
def main() -> None:
    """Runs and looks after the pipeline of aivo_luigi.

    The databases are those of OLTP_DATABASE_URL and WAREHOUSE_DATABASE_URL; with neither set, the embedded demo's.
    Every command has examples in its own help.

    \b
    Examples:
      aivo-etl run                            yesterday (UTC), everything
      aivo-etl plan --date today              what would run, and why
      aivo-etl backfill --start 2025-01-01 --stop 2025-02-01
      aivo-etl status
    """


_RUNNING = (run, sync_dimensions, build_facts, run_job, backfill, late)
_LOOKING = (plan, status, check, rejects, report, compare, retention, migrate)
for command in (*_RUNNING, *_LOOKING):
    assert command.callback
    command.callback = _heeding(command.callback, unreadable=35 if command in _RUNNING else 1)
    main.add_command(command)
main.add_command(sync_dimensions, "dimensions")
main.add_command(build_facts, "facts")
