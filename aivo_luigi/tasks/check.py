"""The check for a CronJob: a task that fails while an alert fires."""

from __future__ import annotations

import re

import luigi

from aivo_luigi.errors import AlertError, describe
from aivo_luigi.jobs.signals import heed_signals
from aivo_luigi.monitoring.alerts import firing_alerts
from aivo_luigi.tasks.wrappers import JOB_NAMES

_SHOWN = 5
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


class Check(luigi.Task):
    """Looks at the warehouse whenever it is asked for; fails, and says what fires, while any alert does."""

    def complete(self) -> bool:
        """Never: it is there to look."""
        heed_signals()
        return False

    def run(self) -> None:
        """Raises AlertError when an alert fires."""
        firing = firing_alerts(JOB_NAMES)
        if firing:
            first = "; ".join(f"{alert.name}: {alert.sentence()}" for alert in firing[:_SHOWN])
            # What fails here may be mailed: a failed run's message can name the ids of rows.
            raise AlertError(f"{len(firing)} alerts fire ({_ID.sub('…', first)}): see aivo-etl check")

    def on_failure(self, exception: BaseException) -> str:
        """The reason in one line, for the visualiser and Luigi's mail."""
        return describe(exception)
