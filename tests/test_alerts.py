"""Alerts: each fires when it should, says so to people and machines, and clears."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from support.clock import Clock, take_over
from support.command import aivo_etl
from support.database import Database
from support.pipeline import Pipeline
from support.runs import DIMENSIONS, FACTS, JOBS
from support.world import uid

from aivo_luigi.db import connect_warehouse, forget_connections
from aivo_luigi.monitoring.alerts import NAMES, Alert, find_alerts

TODAY = date(2025, 3, 12)
YESTERDAY = TODAY - timedelta(days=1)
NOON = datetime(2025, 3, 12, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


@pytest.fixture
def clock(pipeline: Pipeline) -> Clock:
    """It is noon; nothing has run."""
    clock = take_over(pipeline.warehouse)
    clock.set(NOON)
    forget_connections()
    return clock


@pytest.fixture
def calm(pipeline: Pipeline, clock: Clock) -> Pipeline:
    """Ten days are built, and the dimensions were synced an hour ago: nothing fires."""
    for number in range(1, 11):
        day = TODAY - timedelta(days=number)
        for job in FACTS:
            run(pipeline.warehouse, job, day, started_at=midnight(day) + timedelta(days=1, hours=2))
    for job in DIMENSIONS:
        run(pipeline.warehouse, job, YESTERDAY, started_at=NOON - timedelta(hours=1))
    assert firing() == []
    return pipeline


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=timezone.utc)


def run(warehouse: Database, job: str, day: date, **columns: Any) -> None:
    """A row of etl_job_runs, of a run that succeeded unless another status is given."""
    started = columns.setdefault("started_at", NOON)
    row = {"status": "SUCCESS", "rows_processed": 1000, "completed_at": started, "run_date": started.date()}
    warehouse.insert("etl_job_runs", job_name=job, target_date=day, **(row | columns))


def firing(*names: str) -> list[Alert]:
    """What fires now, of these alerts or of all."""
    with connect_warehouse("test") as warehouse:
        return [alert for alert in find_alerts(warehouse, JOBS) if alert.name in (names or NAMES)]


def told(*names: str) -> list[tuple[str, str, date | None]]:
    return [(alert.name, alert.job_name, alert.day) for alert in firing(*names)]


def test_a_warehouse_in_which_nothing_has_run_says_so(clock: Clock) -> None:
    assert told() == [("stale", job, None) for job in sorted(DIMENSIONS)]


def test_an_empty_warehouse_is_an_alarm_too(empty_url: str, source_url: str) -> None:
    urls = {"OLTP_DATABASE_URL": source_url, "WAREHOUSE_DATABASE_URL": empty_url}
    done = aivo_etl("check", "--json", **urls)
    assert (done.returncode, done.stderr) == (1, "")
    said = json.loads(done.stdout)
    assert [alert["name"] for alert in said] == ["stale"] * 5
    assert "the warehouse is empty" in said[0]["message"]


def test_a_fact_is_overdue_from_its_hour_on_until_it_is_complete(calm: Pipeline, clock: Clock) -> None:
    clock.set(NOON + timedelta(hours=15, minutes=59))
    assert told("overdue") == []
    clock.set(NOON + timedelta(hours=16))  # four in the morning
    assert told("overdue") == [
        ("overdue", job, TODAY) for job in sorted(FACTS) if job != "build_fact_learning_progress"
    ]
    clock.set(NOON + timedelta(hours=17))
    assert told("overdue") == [("overdue", job, TODAY) for job in sorted(FACTS)]
    for job in FACTS:
        run(calm.warehouse, job, TODAY, started_at=NOON + timedelta(hours=17))
    assert told("overdue") == []


def test_a_provisional_build_is_overdue_all_the_same(calm: Pipeline, clock: Clock) -> None:
    clock.set(NOON + timedelta(hours=17))
    for job in FACTS:
        run(calm.warehouse, job, TODAY, started_at=NOON)
    assert len(told("overdue")) == 5


def test_a_gap_is_overdue_but_no_day_before_the_first_that_was_built(calm: Pipeline) -> None:
    gap = TODAY - timedelta(days=3)
    calm.warehouse.execute("delete from etl_job_runs where target_date = %(day)s", day=gap)
    assert told() == [("overdue", job, gap) for job in sorted(FACTS)]
    calm.warehouse.execute("delete from etl_job_runs where target_date < %(day)s and job_name like 'build%%'", day=gap)
    assert told() == []


def test_a_fact_that_never_ran_is_overdue_where_others_did(calm: Pipeline) -> None:
    calm.warehouse.execute("delete from etl_job_runs where job_name = 'build_fact_sessions'")
    assert {(name, job) for name, job, _ in told()} == {("overdue", "build_fact_sessions")}


@pytest.mark.parametrize("job", ["sync_dim_user", "build_fact_sessions"])
def test_a_failed_run_is_told_until_another_succeeds(calm: Pipeline, job: str) -> None:
    run(calm.warehouse, job, YESTERDAY, status="FAILED", error_message="no luck", started_at=NOON)
    assert [alert.sentence() for alert in firing()] == [f"{job} for {YESTERDAY}: the last run failed: no luck"]
    run(calm.warehouse, job, YESTERDAY, started_at=NOON + timedelta(minutes=1))
    assert firing() == []


def test_too_many_rejected_rows_are_told_until_the_day_is_better(calm: Pipeline) -> None:
    again = {"started_at": NOON, "rows_processed": 1000}
    run(calm.warehouse, "build_fact_sessions", YESTERDAY, rows_rejected=50, **again)
    assert firing() == []
    run(calm.warehouse, "build_fact_sessions", YESTERDAY, rows_rejected=51, **again | {"started_at": NOON + HOUR})
    assert told() == [("rejected", "build_fact_sessions", YESTERDAY)]
    run(calm.warehouse, "build_fact_sessions", YESTERDAY, rows_rejected=0, **again | {"started_at": NOON + 2 * HOUR})
    assert firing() == []


def test_a_build_of_today_is_looked_at_once_today_is_over(calm: Pipeline, clock: Clock) -> None:
    run(calm.warehouse, "build_fact_sessions", TODAY, rows_rejected=900)
    run(calm.warehouse, "build_fact_homework_events", TODAY, status="FAILED", error_message="no luck")
    assert firing() == []
    clock.set(NOON + 12 * HOUR)
    assert told("failed", "rejected") == [
        ("failed", "build_fact_homework_events", TODAY),
        ("rejected", "build_fact_sessions", TODAY),
    ]


def test_a_dimension_is_judged_by_its_last_sync(calm: Pipeline) -> None:
    late = NOON - timedelta(minutes=1)
    run(calm.warehouse, "sync_dim_user", YESTERDAY, rows_rejected=900, started_at=NOON - timedelta(days=1))
    assert firing() == []
    run(calm.warehouse, "sync_dim_user", YESTERDAY, rows_rejected=900, started_at=late)
    assert told() == [("rejected", "sync_dim_user", TODAY)]


def test_a_dimension_is_stale_after_its_hours(calm: Pipeline, clock: Clock) -> None:
    clock.set(NOON + 2 * HOUR)
    assert told("stale") == []
    clock.set(NOON + 2 * HOUR + timedelta(seconds=1))
    hourly = ["sync_dim_learner", "sync_dim_tenant", "sync_dim_user"]
    assert told("stale") == [("stale", job, None) for job in hourly]
    for job in hourly:
        run(calm.warehouse, job, YESTERDAY, started_at=NOON + 2 * HOUR)
    assert told("stale") == []
    calm.warehouse.execute("delete from etl_job_runs where job_name = 'sync_dim_skill'")
    assert told("stale") == [("stale", "sync_dim_skill", None)]


@pytest.mark.parametrize("job", ["sync_dim_tenant", "build_fact_sessions", "build_fact_homework_events"])
def test_a_run_is_lost_only_when_nobody_holds_its_lock(calm: Pipeline, job: str) -> None:
    run(calm.warehouse, job, YESTERDAY, status="RUNNING", completed_at=None)
    assert told("lost") == [("lost", job, YESTERDAY)]
    other = Database(calm.warehouse.url)
    key = 0 if job.startswith("sync_") else f"{YESTERDAY:%Y%m%d}"
    other.execute(f"select pg_advisory_lock(hashtext('aivo_luigi {job}'), {key})")
    assert told("lost") == []
    other.close()
    calm.warehouse.execute("update etl_job_runs set status = 'SUCCESS' where status = 'RUNNING'")
    assert told("lost") == []


# Rows of a school day. Mondays are full, Fridays are not, and on weekends a sixth is left.
EVENTS = {
    "build_fact_sessions": 2000,
    "build_fact_focus_events": 4000,
    "build_fact_homework_events": 900,
    "build_fact_recommendation_events": 700,
}
WEEK = (1.1, 1.0, 1.0, 1.0, 0.8, 0.15, 0.2)
WEDNESDAY = date(2025, 3, 5)
SUNDAY = date(2025, 3, 9)


def usual(job: str, day: date) -> int:
    """So many rows a job has on a day, give or take a few."""
    if job not in EVENTS:
        return 9000 + (day - TODAY).days
    wobble = 1 + 0.04 * ((day.toordinal() * 37 + len(job) * 11) % 7 - 3) / 3
    return round(EVENTS[job] * WEEK[day.weekday()] * wobble)


@pytest.fixture
def term(pipeline: Pipeline, clock: Clock, alerts_option: Callable[[str, str], None]) -> Pipeline:
    """Twelve weeks with their usual numbers of rows; nothing is unusual, and a week is looked at."""
    alerts_option("unusual_days", "7")
    pipeline.warehouse.insert_many(
        "etl_job_runs",
        [
            built(job, TODAY - timedelta(days=number), usual(job, TODAY - timedelta(days=number)))
            for number in range(1, 85)
            for job in FACTS
        ],
    )
    assert told("unusual") == []
    return pipeline


def built(job: str, day: date, rows: int, hour: int = 0) -> dict[str, Any]:
    """A run row of a complete day, built so many hours after its end."""
    started = midnight(day) + timedelta(days=1, hours=hour)
    times = {"started_at": started, "completed_at": started, "run_date": started.date()}
    return {"job_name": job, "target_date": day, "status": "SUCCESS", "rows_processed": rows, **times}


def scale(pipeline: Pipeline, days: list[date], share: float, jobs: Iterable[str] = EVENTS, hour: int = 1) -> None:
    """Days are built again, with a share of their usual rows."""
    rows = [built(job, day, round(usual(job, day) * share), hour) for day in days for job in jobs]
    pipeline.warehouse.insert_many("etl_job_runs", rows)


@pytest.mark.parametrize(
    ("job", "share", "day"),
    [
        ("build_fact_sessions", 0.5, YESTERDAY),
        ("build_fact_homework_events", 2, SUNDAY),
        ("build_fact_learning_progress", 0.5, WEDNESDAY),
        ("build_fact_learning_progress", 2, SUNDAY),
    ],
)
def test_half_or_twice_the_rows_of_one_fact_are_unusual_until_the_day_is_built_again(
    term: Pipeline, job: str, share: float, day: date
) -> None:
    scale(term, [day], share, [job])
    assert told("unusual") == [("unusual", job, day)]
    scale(term, [day], 1, [job], hour=2)
    assert told("unusual") == []


def test_what_is_unusual_says_what_was_to_be_expected(term: Pipeline) -> None:
    term.warehouse.insert_many("etl_job_runs", [built("build_fact_sessions", WEDNESDAY, 1023, 1)])
    (alert,) = firing("unusual")
    said = re.fullmatch(r"1,023 rows, where (\d,\d{3}) to (\d,\d{3}) were to be expected", alert.message)
    assert said
    lower, upper = (int(number.replace(",", "")) for number in said.groups())
    assert 1023 < lower < usual("build_fact_sessions", WEDNESDAY) < upper
    assert alert.since == midnight(WEDNESDAY) + timedelta(days=1, hours=1)


def test_what_is_unusual_is_told_for_three_days(term: Pipeline, clock: Clock, alerts_option: Any) -> None:
    scale(term, [YESTERDAY], 0.5, ["build_fact_sessions"])
    alerts_option("unusual_days", "3")
    clock.set(NOON + timedelta(days=2))
    assert told("unusual") == [("unusual", "build_fact_sessions", YESTERDAY)]
    clock.set(NOON + timedelta(days=3))
    assert told("unusual") == []


@pytest.mark.parametrize("share", [0.5, 0])
def test_half_the_rows_of_all_facts_or_none_at_all_are_no_holiday(term: Pipeline, share: float) -> None:
    scale(term, [YESTERDAY], share)
    assert told("unusual") == [("unusual", job, YESTERDAY) for job in sorted(EVENTS)]


def test_a_holiday_is_not_unusual_nor_are_the_days_after_it(term: Pipeline) -> None:
    scale(term, [WEDNESDAY], 0.1)
    assert told("unusual") == []
    assert not_judged(term, WEDNESDAY) == dict.fromkeys(EVENTS, "unlike the days before")


def test_a_fact_without_rows_is_no_holiday_even_on_a_holiday(term: Pipeline) -> None:
    scale(term, [WEDNESDAY], 0.1)
    scale(term, [WEDNESDAY], 0, ["build_fact_sessions"], hour=2)
    assert told("unusual") == [("unusual", "build_fact_sessions", WEDNESDAY)]


def test_exams_are_not_unusual_though_they_draw_the_facts_apart(term: Pipeline) -> None:
    scale(term, [WEDNESDAY], 1.4)
    scale(term, [WEDNESDAY], 0.8, ["build_fact_homework_events"], hour=2)
    assert told("unusual") == []


def test_a_vacation_is_not_unusual_nor_is_its_end(term: Pipeline) -> None:
    weekdays = [TODAY - timedelta(days=n) for n in range(8, 20) if (TODAY - timedelta(days=n)).weekday() < 5]
    weekends = [TODAY - timedelta(days=n) for n in range(8, 20) if (TODAY - timedelta(days=n)).weekday() > 4]
    scale(term, weekdays, 0.1)
    scale(term, weekends, 0.5)
    assert unusual_days(term, TODAY - timedelta(days=21)) == []


def test_counts_as_large_as_a_number_can_be_do_not_break_the_alarm(pipeline: Pipeline, clock: Clock) -> None:
    """On Mondays alone, so that they are far from all other days."""
    mondays = [YESTERDAY - timedelta(days=YESTERDAY.weekday() + 7 * week) for week in range(20)]
    others = [YESTERDAY - timedelta(days=number) for number in range(140)]
    rows = {**dict.fromkeys(others, 0), **dict.fromkeys(mondays, 9 * 10**18)}
    for job in EVENTS:
        pipeline.warehouse.insert_many("etl_job_runs", [built(job, day, number, 1) for day, number in rows.items()])
    assert pipeline.warehouse.value("select max(upper_rows) from etl_row_expectations") > 0


@pytest.mark.parametrize("share", [1.3, 1.6, 2])
def test_a_new_school_is_not_unusual(term: Pipeline, share: float) -> None:
    since = [TODAY - timedelta(days=number) for number in range(1, 16)]
    scale(term, since, share, FACTS if share < 1.5 else EVENTS)
    assert unusual_days(term, since[-1]) == []


def test_too_little_history_is_never_unusual(pipeline: Pipeline, clock: Clock) -> None:
    days = [TODAY - timedelta(days=number) for number in range(1, 22)]
    scale(pipeline, days, 1, FACTS)
    scale(pipeline, days[:1], 0.5, FACTS, hour=2)
    assert told("unusual") == []
    assert not_judged(pipeline, YESTERDAY) == dict.fromkeys(FACTS, "too little history")
    assert pipeline.warehouse.column("select expected_rows from etl_row_expectations where expected_rows > 0") == []


def test_half_of_few_rows_may_be_chance_but_none_at_all_are_not(term: Pipeline) -> None:
    term.warehouse.execute("update etl_job_runs set rows_processed = rows_processed / 150")
    assert not_judged(term, YESTERDAY) == dict.fromkeys(EVENTS, "too few rows")
    scale(term, [YESTERDAY], 0.5 / 150, ["build_fact_focus_events"])
    assert told("unusual") == []
    scale(term, [YESTERDAY], 0, ["build_fact_focus_events"], hour=2)
    assert told("unusual") == [("unusual", "build_fact_focus_events", YESTERDAY)]


def test_a_day_that_is_judged_has_no_reason_not_to_be(term: Pipeline) -> None:
    assert not_judged(term, YESTERDAY) == not_judged(term, SUNDAY) == {}


def test_days_that_are_not_complete_are_not_judged(term: Pipeline) -> None:
    run(term.warehouse, "build_fact_sessions", TODAY, rows_processed=1)
    run(term.warehouse, "build_fact_sessions", YESTERDAY, rows_processed=1, status="FAILED", started_at=NOON + HOUR)
    assert told("unusual") == []


def test_the_run_record_is_read_once(term: Pipeline) -> None:
    plan = term.warehouse.column("explain select * from etl_row_expectations where day > '2025-03-05'")
    assert sum("on etl_job_runs " in line for line in plan) == 1


def not_judged(pipeline: Pipeline, day: date) -> dict[str, str]:
    """Why facts are not judged on a day; those that are judged are left out."""
    asked = "select job_name, not_judged from etl_row_expectations where not_judged is not null and day = %(day)s"
    return {row["job_name"]: row["not_judged"] for row in pipeline.warehouse.rows(asked, day=day)}


def unusual_days(pipeline: Pipeline, first_day: date) -> list[tuple[str, date]]:
    return [
        (row["job_name"], row["day"])
        for row in pipeline.warehouse.rows(
            "select job_name, day from etl_row_expectations where is_unusual and day >= %(day)s order by day, job_name",
            day=first_day,
        )
    ]


def test_the_limits_are_those_of_the_configuration(calm: Pipeline, alerts_option: Callable[[str, str], None]) -> None:
    alerts_option("hours_of_job", '{"sync_dim_user": 0}')
    assert told() == [("stale", "sync_dim_user", None)]


def test_people_see_the_overdue_days_of_a_job_in_one_line_and_machines_each_by_itself(calm: Pipeline) -> None:
    first, last = TODAY - timedelta(days=4), TODAY - timedelta(days=2)
    calm.warehouse.execute("delete from etl_job_runs where target_date in (%(one)s, %(two)s)", one=first, two=last)
    lines = [line.strip() for line in aivo_etl("check", **calm.environment).stdout.splitlines() if "overdue" in line]
    hours = {job: 5 if job == "build_fact_learning_progress" else 4 for job in sorted(FACTS)}
    due = first + timedelta(days=1)
    assert lines == [
        f"overdue   {job} for 2 days, {first} to {last}: not complete, due since {due} {hour:02}:00 UTC"
        for job, hour in hours.items()
    ]
    page = aivo_etl("report", "--output", "-", **calm.environment).stdout
    assert page.count("<strong>overdue</strong>") == len(lines)
    assert all(line.removeprefix("overdue   ") in page for line in lines)
    alerts = json.loads(aivo_etl("check", "--json", **calm.environment).stdout)
    assert sorted(alert["day"] for alert in alerts) == [str(first)] * 5 + [str(last)] * 5
    assert all(datetime.fromisoformat(alert["since"]).tzinfo for alert in alerts)


def test_the_command_and_the_task_say_what_fires_and_fail(calm: Pipeline) -> None:
    assert aivo_etl("check", **calm.environment).stdout == "No alert fires.\n"
    assert calm.luigi("Check").returncode == 0
    reason = f"learner {uid('a learner')} is wrong"
    run(calm.warehouse, "sync_dim_user", YESTERDAY, status="FAILED", error_message=reason)
    shown = aivo_etl("check", **calm.environment)
    assert (shown.returncode, shown.stderr) == (1, "")
    assert f"sync_dim_user for {YESTERDAY}: the last run failed: {reason}" in shown.stdout
    (alert,) = json.loads(aivo_etl("check", "--json", **calm.environment).stdout)
    assert (alert["name"], alert["job_name"], alert["day"]) == ("failed", "sync_dim_user", str(YESTERDAY))
    task = calm.luigi("Check")
    assert task.returncode == 30
    assert (
        "1 alert fires (failed: sync_dim_user for 2025-03-11: the last run failed: learner … is wrong)" in task.stderr
    )
    assert str(uid("a learner")) not in task.stderr
