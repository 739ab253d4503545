"""The check for a CronJob: a task that fails while an alert fires."""

from __future__ import annotations

import luigi

from aivo_luigi.errors import AlertError
from aivo_luigi.jobs.one_line import OneLineFailure
from aivo_luigi.jobs.signals import heed_signals
from aivo_luigi.monitoring.alerts import firing_alerts
from aivo_luigi.monitoring.messages import for_chat, one_line
from aivo_luigi.monitoring.webhook import given_webhook, send_where_given, telling_of_failure
from aivo_luigi.tasks.wrappers import JOB_NAMES


class Check(OneLineFailure, luigi.Task):
    """Looks at the warehouse whenever it is asked for; fails, and says what fires, while any alert does."""

    def complete(self) -> bool:
        """Never: it is there to look."""
        heed_signals()
        return False

    def run(self) -> None:
        """Raises AlertError when an alert fires, and sends it to the webhook where one is given."""
        with telling_of_failure():
            firing = firing_alerts(JOB_NAMES)
        if firing:
            send_where_given(for_chat(firing))
            raise AlertError(f"{one_line(firing)}: see aivo-etl check")
        given_webhook()  # one that can't be used is told before it is needed
