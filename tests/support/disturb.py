"""A run that is disturbed in its middle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aivo_luigi.jobs import staging
from support.database import Database


def disturb_first_load(monkeypatch: pytest.MonkeyPatch, database: Database, how: Callable[[Database], None]) -> None:
    """When the first run begins to read the source: all its sessions are in the middle of something."""
    stage_query = staging.stage_query
    done: list[bool] = []

    def disturbed(*arguments: Any) -> Any:
        if not done:
            done.append(True)
            how(database)
        return stage_query(*arguments)

    monkeypatch.setattr(staging, "stage_query", disturbed)


def terminate(database: Database) -> None:
    """All sessions of the pipeline."""
    database.execute(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
        "where datname = current_database() and application_name ~ '^aivo_luigi'"
    )
