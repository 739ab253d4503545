"""aivo-etl check."""

from __future__ import annotations

import click

from aivo_luigi.cli.options import apply_settings, json_option
from aivo_luigi.cli.shared import nothing_has_run


@click.command()
@json_option
@click.pass_context
def check(context: click.Context, as_json: bool) -> None:
    """Show the alerts that fire: late, failed and lost runs, stale dimensions, rejected rows, unusual row counts.

    Exits with 1 if any fires. What each means, and what to do, is in docs/operations.md; the limits are in section
    [alerts] of luigi.cfg.

    \b
    Examples:
      aivo-etl check
      aivo-etl check --json
    """
    apply_settings({})
    from aivo_luigi.monitoring.alerts import firing_alerts
    from aivo_luigi.monitoring.print_alerts import print_alerts
    from aivo_luigi.tasks.wrappers import JOB_NAMES

    if nothing_has_run(as_json):
        return
    firing = firing_alerts(JOB_NAMES)
    print_alerts(firing, as_json)
    if firing:
        context.exit(1)
