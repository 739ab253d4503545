"""What RebuildLateDays would build again, without building it."""

from __future__ import annotations

from aivo_luigi.operate.plan import Step, plan
from aivo_luigi.tasks import RebuildLateDays


def late_steps(task: RebuildLateDays) -> list[Step]:
    """The syncs that come first, and the builds that are late, each with what differs."""
    return [
        *plan([task.requires()]),
        *(Step(job, True, f"changed in the source since, {reason}") for job, reason in task.find_late()),
    ]
