"""Retention for a CronJob: lets go of what is older than section [retention] says."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import luigi

from aivo_luigi.config import retention
from aivo_luigi.db import connect_warehouse
from aivo_luigi.jobs.one_line import OneLineFailure
from aivo_luigi.jobs.signals import heed_signals
from aivo_luigi.tasks.wrappers import FACTS
from aivo_luigi.warehouse import DayPartition
from aivo_luigi.warehouse.migrations import is_empty
from aivo_luigi.warehouse.retention import Expired, Kept, Months, Rows, SkillHistory, enforce

logger = logging.getLogger("luigi-interface")


class Retention(OneLineFailure, luigi.Task):
    """Lets go of what is older than section [retention] says, whenever it is asked for."""

    dry_run = luigi.BoolParameter(default=False, description="say what would go, and change nothing")

    def complete(self) -> bool:
        """Never: it is there to look."""
        heed_signals()
        return False

    def run(self) -> None:
        """Says in the log what went. Raises LockedError for a table that stays in use."""
        went = "would go" if self.dry_run else "went"
        for expired in let_go(self.dry_run):
            logger.info("%s %s: %s rows %s", expired.table, expired.what, f"{expired.rows:,}", went)


def let_go(dry_run: bool) -> Iterator[Expired]:
    """Enforces the policies, table by table; yields what went, or (dry_run) would go."""
    settings = retention()
    with connect_warehouse("aivo_luigi retention") as warehouse:
        if is_empty(warehouse):
            return
        for kept in _tables(settings):
            if months := getattr(settings, kept.table):
                yield from enforce(warehouse, kept, months, dry_run)


def _tables(settings: retention) -> list[Kept]:
    """Each table after those that go with it: links before sessions, rejected rows before their runs."""
    ways = [job.way for job in reversed(FACTS)]
    facts = [Months(way.table, way.linked_from) for way in ways if isinstance(way, DayPartition)]
    history = SkillHistory("learner_skill_history", "fact_learning_progress", settings.fact_learning_progress)
    return [*facts, history, Rows("etl_rejected_rows"), Rows("etl_job_runs")]
