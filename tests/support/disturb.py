"""A run that is disturbed in its middle."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from aivo_luigi.jobs import staging
from support.database import Database
from support.proxy import Proxy


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


def cut_in_the_middle(proxy: Proxy) -> None:
    """Slow, so that whatever is under way is cut in its middle; then the network is as it was."""

    def cut() -> None:
        proxy.cut()
        proxy.restore()

    proxy.slow(0.02)
    threading.Timer(1.0, cut).start()


def many_learners(source: Database) -> None:
    """20,000 of them: some megabytes to read."""
    source.execute(
        "insert into learners select gen_random_uuid(), gen_random_uuid(), 'K5', 1, true, now(), now()"
        " from generate_series(1, 20000)"
    )
