"""aivo-etl check."""

from __future__ import annotations

import click

from aivo_luigi.cli.options import apply_settings, json_option


@click.command()
@json_option
@click.option("--notify", is_flag=True, help="Also send what fires to the webhook of ETL_ALERT_WEBHOOK_URL.")
@click.pass_context
def check(context: click.Context, as_json: bool, notify: bool) -> None:
    """Show the alerts that fire: late, failed and lost runs, stale dimensions, rejected rows, unusual row counts.

    Exits with 1 if any fires. What each means, and what to do, is in docs/operations.md; the limits are in section
    [alerts] of luigi.cfg.

    \b
    Examples:
      aivo-etl check
      aivo-etl check --json
      aivo-etl check --notify                 one message for all that fires, each time that it is called
    """
    apply_settings({})
    from aivo_luigi.monitoring.alerts import firing_alerts
    from aivo_luigi.monitoring.messages import for_chat
    from aivo_luigi.monitoring.print_alerts import print_alerts
    from aivo_luigi.monitoring.webhook import required_webhook, telling_of_failure
    from aivo_luigi.tasks.wrappers import JOB_NAMES

    with telling_of_failure(notify):
        firing = firing_alerts(JOB_NAMES)
    print_alerts(firing, as_json)
    if notify:
        webhook = required_webhook()
        if firing:
            webhook.send(for_chat(firing))
    if firing:
        context.exit(1)
