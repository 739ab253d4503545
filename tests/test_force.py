"""--force: again, or once for a name; all that is wrapped, and no more."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timezone

import pytest
from support.luigid import Luigid
from support.pipeline import Pipeline
from support.runs import DIMENSIONS, FACTS, JOBS, content, runs, surrogate_keys

from aivo_luigi.demo.source import install, make_day

DAY = date(2025, 1, 15)


@pytest.fixture
def built(pipeline: Pipeline) -> Pipeline:
    """Two days of the demo's data, built once."""
    pipeline.source.execute("drop schema public cascade; create schema public")
    install(pipeline.source.url)
    make_day(pipeline.source.url, DAY)
    finished = pipeline.luigi("RunAll", "--date", DAY)
    assert finished.returncode == 0, finished.stderr
    return pipeline


def forced(pipeline: Pipeline, *arguments: object, **options: object) -> Counter[str]:
    """How often each job ran in a command that must exit 0."""
    before = {row["id"] for row in runs(pipeline.warehouse)}
    finished = pipeline.luigi(*arguments, **options)
    assert finished.returncode == 0, finished.stderr
    return Counter(row["job_name"] for row in runs(pipeline.warehouse) if row["id"] not in before)


def test_a_forced_day_has_the_same_rows_under_the_same_keys(built: Pipeline) -> None:
    rows, keys = content(built.warehouse), surrogate_keys(built.warehouse)
    assert min(len(of_fact) for of_fact in keys.values()) > 0
    assert forced(built, "RunAll", "--date", DAY, "--force") == Counter(JOBS)
    assert content(built.warehouse) == rows
    assert surrogate_keys(built.warehouse) == keys
    deleted, inserted = built.warehouse.rows(
        "select rows_deleted, rows_inserted from etl_job_runs where job_name = 'build_fact_sessions'"
        " order by started_at desc limit 1"
    )[0].values()
    assert deleted == inserted == len(keys["fact_sessions"])


def test_a_bare_force_runs_again_every_time(built: Pipeline) -> None:
    assert forced(built, "SyncDimTenant", "--force", "--date", DAY) == Counter(["sync_dim_tenant"])
    assert forced(built, "SyncDimTenant", "--force", "--date", DAY) == Counter(["sync_dim_tenant"])
    tokens = [row["force_token"] for row in runs(built.warehouse) if row["force_token"]]
    assert len(set(tokens)) == 2


def test_a_named_force_runs_once_for_its_name(built: Pipeline) -> None:
    assert forced(built, "RunAll", "--date", DAY, "--force", "after-the-fix") == Counter(JOBS)
    assert forced(built, "RunAll", "--date", DAY, "--force", "after-the-fix") == Counter()
    assert forced(built, "RunAll", "--date", DAY, "--force", "another") == Counter(JOBS)
    assert {row["force_token"] for row in runs(built.warehouse)} == {None, "after-the-fix", "another"}


def test_a_wrapper_forces_what_it_wraps_and_a_task_itself_alone(built: Pipeline) -> None:
    assert forced(built, "BuildFacts", "--date", DAY, "--force") == Counter(FACTS)
    assert forced(built, "SyncDimensions", "--date", DAY, "--force") == Counter(DIMENSIONS)
    assert forced(built, "BuildFactFocusEvents", "--date", DAY, "--force") == Counter(["build_fact_focus_events"])


def test_a_forced_run_all_syncs_the_dimensions_before_it_builds(built: Pipeline) -> None:
    forced(built, "RunAll", "--date", DAY, "--force", "in-order")
    order = [row["job_name"] for row in runs(built.warehouse) if row["force_token"] == "in-order"]
    assert order.index("sync_dim_tenant") < order.index("sync_dim_learner") < order.index("build_fact_sessions")
    assert order.index("build_fact_sessions") < order.index("build_fact_focus_events")
    assert order.index("sync_dim_skill") < order.index("build_fact_learning_progress")


RANGE = ("RangeDaily", "--of", "RunAll", "--start", DAY, "--stop", date(2025, 1, 17))


def test_through_a_range_with_luigid_and_two_workers(built: Pipeline, luigid: Luigid) -> None:
    make_day(built.source.url, date(2025, 1, 16))
    assert built.luigi(*RANGE).returncode == 0
    keys = surrogate_keys(built.warehouse)
    del keys["fact_learning_progress"]  # a state that moved on the next day no longer counts for the first one
    twice = Counter(DIMENSIONS) + Counter(FACTS * 2)
    workers = ("--workers", "2")
    for named in (("--of-params", '{"force": "one"}'), ("--RunAll-force", "two")):
        assert forced(built, *RANGE, *named, *workers, config=luigid.config) == twice
        assert forced(built, *RANGE, *named, *workers, config=luigid.config) == Counter()
    assert forced(built, *RANGE, "--of-params", '{"force": true}', *workers, config=luigid.config) == twice
    assert forced(built, "RunAll", "--date", DAY, "--force", *workers, config=luigid.config) == Counter(JOBS)
    after = surrogate_keys(built.warehouse)
    assert {fact: after[fact] for fact in keys} == keys


def test_force_does_not_make_a_future_day(built: Pipeline) -> None:
    tomorrow = date.fromordinal(datetime.now(timezone.utc).date().toordinal() + 2)
    assert built.luigi("RunAll", "--date", tomorrow, "--force").returncode == 35
