"""Each command of the manifests of k8s/, read out of the YAML and run as it stands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from support.cluster import OBJECTS, Cluster
from support.database import Database
from support.manifests import container_of
from support.pipeline import Pipeline
from support.runs import DIMENSIONS, FACTS
from support.world import World

CRONJOBS = OBJECTS.of("CronJob")


@pytest.fixture
def cluster(pipeline: Pipeline, tmp_path: Path) -> Iterator[Cluster]:
    secret = {
        "oltp-url": pipeline.source.url,
        "warehouse-url": pipeline.warehouse.url,
        "warehouse-owner-url": pipeline.warehouse.url,
    }
    cluster = Cluster(pipeline.folder, secret)
    yield cluster
    cluster.stop()


def run(cluster: Cluster, name: str, code: int = 0, **changed: str) -> str:
    """Run a CronJob's command; returns its log."""
    done = cluster.run(CRONJOBS[name], **changed)
    log = done.stdout + done.stderr
    assert done.returncode == code, log
    return log


def last_days(number: int) -> list[date]:
    """Whole days, newest first."""
    today = datetime.now(timezone.utc).date()
    return [today - timedelta(days=back) for back in range(1, number + 1)]


def a_lesson_yesterday(world: World) -> None:
    world.tenant()
    world.learner()
    yesterday = datetime.now(timezone.utc).replace(hour=10, minute=0, second=0, microsecond=0) - timedelta(days=1)
    world.session(started_at=yesterday)


def built_before(pipeline: Pipeline, days: list[date]) -> None:
    """The warehouse says that the facts of these days are complete: they were built in the nights after them."""
    for job in FACTS:
        pipeline.warehouse.insert_many(
            "etl_job_runs",
            [
                {"job_name": job, "target_date": day, "run_date": day, "status": "SUCCESS", "started_at": night}
                for day in days
                for night in [datetime(day.year, day.month, day.day, 1, tzinfo=timezone.utc) + timedelta(days=1)]
            ],
        )


def succeeded(pipeline: Pipeline, job_name: str) -> list[date]:
    """The days for which a job succeeded, in the order in which it ran."""
    return pipeline.warehouse.column(
        "select target_date from etl_job_runs where job_name = %(job)s and status = 'SUCCESS' order by started_at",
        job=job_name,
    )


def test_luigid_answers_its_probes_and_saves_its_state(cluster: Cluster) -> None:
    container = container_of(OBJECTS.the("Deployment", "luigid"))
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert cluster.get(container[probe]["httpGet"]["path"])
    assert cluster.stop() == 0
    assert cluster.state.stat().st_size > 0


def test_the_migration_runs_as_it_stands_and_again(empty_url: str, source_url: str, cluster: Cluster) -> None:
    (job,) = OBJECTS.of("Job").values()
    for _ in range(2):
        done = cluster.run(job, WAREHOUSE_DATABASE_URL=empty_url)
        assert done.returncode == 0, done.stderr
    warehouse = Database(empty_url)
    assert warehouse.value("select count(*) from etl_job_runs") == 0
    warehouse.close()


def test_a_migration_that_finds_no_database_may_be_tried_again(cluster: Cluster) -> None:
    (job,) = OBJECTS.of("Job").values()
    done = cluster.run(job, WAREHOUSE_DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    assert done.returncode == 1, done.stderr
    assert job["spec"]["podFailurePolicy"]["rules"][1]["onExitCodes"]["values"] == [2]


def test_the_hourly_dimensions_run_as_they_stand_and_every_hour_anew(
    pipeline: Pipeline, world: World, cluster: Cluster
) -> None:
    world.tenant()
    run(cluster, "etl-dimensions")
    world.learner()
    run(cluster, "etl-dimensions")

    assert pipeline.warehouse.value("select count(*) from dim_tenant where is_current") == 1
    assert pipeline.warehouse.value("select count(*) from dim_learner where is_current") == 1
    for job in DIMENSIONS:
        assert len(succeeded(pipeline, job)) == 2, job
    for job in FACTS:
        assert succeeded(pipeline, job) == [], job
    assert cluster.done("SyncDimensions") == 2, "luigid handed them out"


def test_the_nightly_facts_and_late_data_run_as_they_stand(pipeline: Pipeline, world: World, cluster: Cluster) -> None:
    """A week of which the first and the last two days are missing; the day before it stays so."""
    a_lesson_yesterday(world)
    built_before(pipeline, last_days(6)[2:])
    run(cluster, "etl-facts")

    assert pipeline.warehouse.column("select date_key from fact_sessions") == [int(f"{last_days(1)[0]:%Y%m%d}")]
    by_now = succeeded(pipeline, "build_fact_sessions")
    assert by_now[-3:] == [*last_days(2), last_days(7)[-1]], "the newest day first"
    for job in FACTS:
        assert sorted(succeeded(pipeline, job)) == sorted(last_days(7)), job

    pipeline.source.execute("update sessions set duration_ms = 61000")
    for _ in range(2):
        run(cluster, "etl-late-data")
    assert pipeline.warehouse.column("select duration_seconds from fact_sessions") == [61]
    assert len(succeeded(pipeline, "build_fact_sessions")) == 7 + 1
    assert cluster.done("RebuildLateDays") == 2


def test_the_full_pipeline_runs_on_two_workers_and_the_check_sees_what_it_left(
    pipeline: Pipeline, world: World, cluster: Cluster
) -> None:
    """Thirty days of which the newest, the oldest and one between are missing."""
    a_lesson_yesterday(world)
    missing = (0, 14, 29)
    built_before(pipeline, [day for back, day in enumerate(last_days(30)) if back not in missing])
    for _ in range(2):
        run(cluster, "etl-full-day")

    assert pipeline.warehouse.value("select count(*) from fact_sessions") == 1
    assert pipeline.warehouse.value("select count(*) from dim_learner where is_current") == 1
    for job in FACTS:
        assert sorted(succeeded(pipeline, job)) == sorted(last_days(30)), job
    for job in DIMENSIONS:
        assert len(succeeded(pipeline, job)) == 1, job
    assert cluster.done("RunAll") >= len(missing)
    assert cluster.workers() == [2, 2]

    run(cluster, "etl-check")
    pipeline.warehouse.execute("delete from etl_job_runs where job_name = 'sync_dim_user'")
    assert "sync_dim_user" in run(cluster, "etl-check", code=30)
    run(cluster, "etl-dimensions")
    run(cluster, "etl-check")


def test_the_backfill_runs_on_two_workers(pipeline: Pipeline, world: World, cluster: Cluster) -> None:
    world.tenant()
    world.learner()
    world.session()  # on 2025-01-15
    run(cluster, "etl-backfill", code=40)  # its days were forgotten: not tried again
    run(cluster, "etl-backfill", BACKFILL_START="2025-01-14", BACKFILL_STOP="2025-01-17")

    assert pipeline.warehouse.column("select date_key from fact_sessions") == [20250115]
    for job in FACTS:
        assert sorted(succeeded(pipeline, job)) == [date(2025, 1, day) for day in (14, 15, 16)], job
    assert cluster.workers() == [2]


def test_the_monthly_retention_runs_as_it_stands(pipeline: Pipeline, cluster: Cluster) -> None:
    """By the policy of the repository's luigi.cfg: rejected rows go after a year."""
    for age in ("2 years", "1 month"):
        pipeline.warehouse.execute(
            "with run as ("
            "    insert into etl_job_runs (id, job_name, run_date, target_date, status, started_at)"
            "    values (gen_random_uuid(), 'build_fact_sessions', current_date - %(age)s::interval,"
            "        current_date - %(age)s::interval, 'FAILED', now() - %(age)s::interval)"
            "    returning id, job_name, target_date, started_at"
            ")"
            "insert into etl_rejected_rows (run_id, job_name, target_date, source_table, reason, payload, rejected_at)"
            " select id, job_name, target_date, 'sessions', %(age)s, '{}', started_at from run",
            age=age,
        )
    run(cluster, "etl-retention")
    assert pipeline.warehouse.column("select reason from etl_rejected_rows") == ["1 month"]
    assert cluster.done("Retention") == 1


def test_every_cron_job_is_run_by_a_test_above() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert not [name for name in CRONJOBS if f'run(cluster, "{name}"' not in text]
