"""aivo-etl report."""

from __future__ import annotations

from datetime import date

import click

from aivo_luigi.cli.options import Day, apply_settings

_NAME = "aivo-etl-report.html"


@click.command()
@click.option("--output", metavar="FILE", help=f"Where to write it; - is standard output. Default: {_NAME} here.")
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 1000), help="How many days to show.")
@click.option(
    "--date", "day", type=Day(), help="The newest day to show: YYYY-MM-DD, yesterday or today. Default: today."
)
@click.option("--serve", is_flag=True, help="Instead of writing it, show it on this machine, made anew when asked for.")
@click.option("--port", default=8083, show_default=True, type=click.IntRange(1, 65535), help="The port of --serve.")
@click.pass_context
def report(context: click.Context, output: str | None, days: int, day: date | None, serve: bool, port: int) -> None:
    """Write what ran, how it stands and what fires as one HTML file, which needs no network to be looked at.

    It holds no data of learners. With --serve it is at http://127.0.0.1:8083 until Ctrl-C, for this machine only.

    \b
    Examples:
      aivo-etl report                         the last 30 days
      aivo-etl report --days 31 --date 2025-01-31 --output january.html
      aivo-etl report --serve
    """
    if serve and output:
        raise click.UsageError("--serve writes no file: leave --output out")
    apply_settings({})
    if serve:
        _serve(days, day, port)
        context.exit(130)
    from aivo_luigi.report.output import write

    write(_page(days, day), output or _NAME)
    if output != "-":
        _tell(output or _NAME)


def _page(days: int, day: date | None, refresh: int = 0) -> str:
    """The page. The libraries that draw it take a second to import, in which the warehouse answers."""
    from concurrent.futures import ThreadPoolExecutor

    from aivo_luigi.report.needs import ensure_libraries
    from aivo_luigi.report.queries import read_numbers
    from aivo_luigi.tasks.wrappers import JOB_NAMES

    ensure_libraries()
    with ThreadPoolExecutor(1) as reading:
        numbers = reading.submit(read_numbers, JOB_NAMES, days, day)
        from aivo_luigi.report.page import make_page

        return make_page(numbers.result(), refresh)


def _tell(output: str) -> None:
    from pathlib import Path

    path = Path(output).resolve()
    print(f"The report is in {path} ({path.stat().st_size / 1000:,.0f} kB).")


def _serve(days: int, day: date | None, port: int) -> None:
    """Until Ctrl-C. The first page is made before anyone asks, so that what is wrong shows at once."""
    from aivo_luigi.report.serve import HOST, REFRESH, Server

    with Server(port, lambda: _page(days, day, REFRESH)) as server:
        server.fresh.page()
        print(f"The report is at http://{HOST}:{server.server_port}/ until Ctrl-C.", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo(err=True)
