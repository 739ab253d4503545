"""RangeDaily over RunAll: every day once, every dimension once, nothing clipped, and little asked when all is there.

AIVO_TEST_DAYS=60 makes most ranges longer than the 4 days that they have by default.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone
from typing import Any

import luigi
import pytest
from sqlalchemy.engine import make_url
from support.runs import DIMENSIONS, FACTS
from support.runs import days as days_from
from support.world import at, uid

import aivo_luigi

START = date(2025, 1, 10)
DAYS = int(os.environ.get("AIVO_TEST_DAYS") or 4)


def run_range(
    pipeline: Any, start: date, number: int, *options: str, of: str = "RunAll", **how: Any
) -> tuple[Any, float]:
    """The range as a command, and the seconds that it took. Luigi's stop is exclusive."""
    stop = start + timedelta(days=number)
    begun = time.monotonic()
    done = pipeline.luigi(
        "RangeDaily", "--of", of, "--start", start, "--stop", stop, *options, **{"timeout": 600, **how}
    )
    return done, time.monotonic() - begun


def succeed(*arguments: Any, **options: Any) -> float:
    done, seconds = run_range(*arguments, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return seconds


def runs(pipeline: Any) -> dict[str, list[date]]:
    """The days for which each job has run with success, in the order in which the runs started."""
    found: dict[str, list[date]] = {}
    for row in pipeline.warehouse.rows("select * from etl_job_runs where status = 'SUCCESS' order by started_at"):
        found.setdefault(row["job_name"], []).append(row["target_date"])
    return found


def built(pipeline: Any, job: str) -> list[date]:
    return sorted(runs(pipeline).get(job, []))


def mark_complete(pipeline: Any, days: list[date]) -> None:
    """Rows of etl_job_runs that make facts complete for the days, and every dimension for all days before today."""
    started = pipeline.warehouse.value("select now()")
    row = {"run_date": started.date(), "status": "SUCCESS", "started_at": started, "completed_at": started}
    synced = [{"job_name": job, "target_date": days[0], **row} for job in DIMENSIONS]
    made = [{"job_name": job, "target_date": day, **row} for day in days for job in FACTS]
    pipeline.warehouse.insert_many("etl_job_runs", synced + made)


@pytest.fixture
def lessons(world: Any) -> Any:
    """A world with a session, a focus event, a submission and a recommendation on each day of the range."""
    world.tenant()
    world.learner()
    world.user()
    world.skill()
    world.skill_state(mastery_level=0.5, updated_at=at("2025-01-01 12:00"))
    for day in days_from(START, DAYS):
        time = at(f"{day} 10:00")
        world.session(f"{day}", started_at=time)
        world.event("FOCUS_BREAK_STARTED", session=f"{day}", event_time=time)
        world.submission(f"{day}", session=f"{day}", created_at=time)
        world.recommendation(f"{day}", created_at=time)
    return world


# Every day once


def each_day_once(pipeline: Any) -> None:
    found = runs(pipeline)
    wanted = days_from(START, DAYS)
    assert {job: sorted(found[job]) for job in FACTS} == dict.fromkeys(FACTS, wanted)
    assert {job: len(found[job]) for job in DIMENSIONS} == dict.fromkeys(DIMENSIONS, 1)
    assert pipeline.warehouse.value("select count(*) from etl_job_runs where status <> 'SUCCESS'") == 0
    keys = [int(f"{day:%Y%m%d}") for day in wanted]
    for fact in ("fact_sessions", "fact_focus_events", "fact_homework_events", "fact_recommendation_events"):
        assert pipeline.warehouse.column(f"select date_key from {fact} order by 1") == keys
    linked = "select count(*) from {} inner join fact_sessions using (session_key, session_id)"
    assert pipeline.warehouse.value(linked.format("fact_focus_events")) == DAYS
    assert pipeline.warehouse.value(linked.format("fact_homework_events")) == DAYS


def test_a_range_builds_each_day_once_and_syncs_each_dimension_once(pipeline, lessons):
    seconds = succeed(pipeline, START, DAYS)
    print(f"{DAYS} days: {seconds:.1f} s")
    each_day_once(pipeline)


@pytest.mark.parametrize("order", [(), ("--reverse",)], ids=["ascending", "reverse"])
def test_a_range_on_luigid_with_two_workers_does_so_too_and_again_has_nothing_to_do(pipeline, lessons, luigid, order):
    seconds = succeed(pipeline, START, DAYS, "--workers", "2", *order, config=luigid.config)
    print(f"{DAYS} days, two workers, luigid: {seconds:.1f} s")
    each_day_once(pipeline)
    succeed(pipeline, START, DAYS, "--workers", "2", *order, config=luigid.config)
    each_day_once(pipeline)


def test_two_overlapping_ranges_at_once_build_each_day_once(pipeline, lessons):
    most = DAYS // 2 + 1
    failures: list[str] = []

    def in_its_own_process(start: date, *options: str) -> None:
        done, _ = run_range(pipeline, start, most, *options)
        if done.returncode:
            failures.append(done.stdout + done.stderr)

    threads = [
        threading.Thread(target=in_its_own_process, args=(START,)),
        threading.Thread(target=in_its_own_process, args=(START + timedelta(days=DAYS - most), "--reverse")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    each_day_once(pipeline)


def test_a_gap_in_a_range_is_filled_and_nothing_else(pipeline, lessons):
    days = days_from(START, DAYS)
    gap = days[2:4]
    mark_complete(pipeline, [day for day in days if day not in gap])
    before = runs(pipeline)
    succeed(pipeline, START, DAYS)
    after = runs(pipeline)
    assert {job: after[job][len(before[job]) :] for job in DIMENSIONS} == {job: [] for job in DIMENSIONS}
    assert {job: sorted(after[job][len(before[job]) :]) for job in FACTS} == dict.fromkeys(FACTS, gap)


def test_a_single_task_can_be_ranged_over(pipeline, lessons):
    succeed(pipeline, START, DAYS, of="BuildFactFocusEvents")
    found = runs(pipeline)
    wanted = days_from(START, DAYS)
    assert set(found) == {"sync_dim_tenant", "sync_dim_learner", "build_fact_sessions", "build_fact_focus_events"}
    assert built(pipeline, "build_fact_focus_events") == built(pipeline, "build_fact_sessions") == wanted
    assert len(found["sync_dim_tenant"]) == len(found["sync_dim_learner"]) == 1


def test_a_range_over_a_dimension_syncs_it_once(pipeline, lessons):
    succeed(pipeline, START, DAYS, of="SyncDimLearner")
    assert {job: len(days) for job, days in runs(pipeline).items()} == {"sync_dim_tenant": 1, "sync_dim_learner": 1}


def test_a_range_without_a_stop_includes_today(pipeline, world):
    world.tenant()
    today = pipeline.warehouse.value("select now()::date")
    start = today - timedelta(days=2)
    done = pipeline.luigi("RangeDaily", "--of", "RunAll", "--start", start)
    assert done.returncode == 0, done.stderr
    assert built(pipeline, "build_fact_sessions") == days_from(start, 3)


# Nothing is clipped


def test_a_range_of_more_than_fifty_missing_days_is_not_clipped(pipeline, world):
    days = days_from(START, 55)
    world.tenant()
    succeed(pipeline, START, 55, of="BuildFactRecommendationEvents")
    assert built(pipeline, "build_fact_recommendation_events") == days


def test_a_range_of_more_than_a_hundred_days_is_not_clipped(pipeline, world):
    world.tenant()
    days = days_from(date(2024, 1, 1), 500)
    missing = [days[0], days[200], days[499]]
    mark_complete(pipeline, [day for day in days if day not in missing])
    succeed(pipeline, days[0], 500)
    assert all(built(pipeline, job) == days for job in FACTS)


# What a range costs that is complete


class Wiretap:
    """Stands between a process and a server, and counts the statements that pass on all connections."""

    def __init__(self, url: str) -> None:
        self._server = make_url(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        options = {"sslmode": "disable", "gssencmode": "disable"}
        tapped = self._server.set(host="127.0.0.1", port=port).update_query_dict(options)
        self.url = tapped.render_as_string(hide_password=False)
        self.statements: list[str] = []
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection((self._server.host, self._server.port or 5432))
                self.connections += 1
                threading.Thread(target=self._answers, args=(server, client), daemon=True).start()
                threading.Thread(target=self._questions, args=(client, server), daemon=True).start()

    def _answers(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 16):
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)

    def _questions(self, client: socket.socket, server: socket.socket) -> None:
        """The first message has no type; then come type, length and body. Q is a query, P a prepared one."""
        stream = client.makefile("rb")
        with suppress(OSError):
            length = stream.read(4)
            server.sendall(length + stream.read(int.from_bytes(length, "big") - 4))
            while kind := stream.read(1):
                length = stream.read(4)
                body = stream.read(int.from_bytes(length, "big") - 4)
                if kind in b"QP":
                    self.statements.append(body.rstrip(b"\0").decode())
                server.sendall(kind + length + body)
            server.shutdown(socket.SHUT_WR)


@pytest.fixture
def wiretap(pipeline: Any) -> Iterator[Wiretap]:
    wiretap = Wiretap(pipeline.warehouse.url)
    yield wiretap
    wiretap.close()


def test_the_wiretap_counts_every_statement(wiretap):
    import psycopg2

    connection = psycopg2.connect(wiretap.url)
    connection.autocommit = True
    cursor = connection.cursor()
    for number in range(3):
        cursor.execute("select %s", [number])
    connection.close()
    assert wiretap.statements == ["select 0", "select 1", "select 2"]


@pytest.mark.parametrize("task", ["RunAll", "SyncDimUser"])
def test_four_hundred_complete_days_cost_three_seconds_and_twenty_queries_at_most(pipeline, wiretap, task):
    days = days_from(date(2025, 1, 1), 400)
    mark_complete(pipeline, days)
    rows = pipeline.warehouse.value("select count(*) from etl_job_runs")
    seconds = succeed(pipeline, days[0], 400, of=task, env={"WAREHOUSE_DATABASE_URL": wiretap.url})
    print(f"400 complete days of {task}: {seconds:.2f} s, {len(wiretap.statements)} queries")
    assert 0 < len(wiretap.statements) <= 20, wiretap.statements
    # The machine that runs the tests may be busy; on an idle one it is less than a second.
    assert seconds < 3
    assert pipeline.warehouse.value("select count(*) from etl_job_runs") == rows


def test_a_complete_day_costs_twenty_queries_at_most(pipeline, wiretap):
    mark_complete(pipeline, [START])
    succeed(pipeline, START, 1, env={"WAREHOUSE_DATABASE_URL": wiretap.url})
    wiretap.statements.clear()
    done = pipeline.luigi("RunAll", "--date", START, env={"WAREHOUSE_DATABASE_URL": wiretap.url})
    assert done.returncode == 0
    assert 0 < len(wiretap.statements) <= 20, wiretap.statements


# A broken day


def break_day(pipeline: Any, day: date, statement: str) -> None:
    """From now on, the sessions of this day do in the warehouse what the statement says."""
    pipeline.warehouse.execute(
        "create function broken_day() returns trigger language plpgsql as "
        f"$$ begin if new.date_key = {day:%Y%m%d} then {statement}; end if; return new; end $$"
    )
    pipeline.warehouse.execute(
        "create trigger broken_day before insert on fact_sessions for each row execute function broken_day()"
    )


@pytest.mark.parametrize(
    ("workers", "central", "statement", "reason"),
    [
        ("1", False, "raise exception 'this day is broken'", "this day is broken"),
        ("2", False, "raise exception 'this day is broken'", "this day is broken"),
        ("2", True, "new.hints_used = -1", "no_count_is_negative"),
    ],
    ids=["an error", "with two workers", "a failing check, on luigid with two workers"],
)
def test_a_broken_day_keeps_no_other_day_waiting(pipeline, lessons, request, workers, central, statement, reason):
    days = days_from(START, DAYS)
    broken, others = days[2], [*days[:2], *days[3:]]
    break_day(pipeline, broken, statement)
    how = {"config": request.getfixturevalue("luigid").config} if central else {}
    done, _ = run_range(pipeline, START, DAYS, "--workers", workers, **how)
    assert done.returncode == 30
    assert "Traceback" not in done.stderr

    # What needs that day's sessions waits for them, and nothing else does.
    waits = ("build_fact_sessions", "build_fact_focus_events", "build_fact_homework_events")
    found = runs(pipeline)
    assert {job: sorted(found[job]) for job in FACTS} == {job: others if job in waits else days for job in FACTS}
    assert all(len(found[job]) == 1 for job in DIMENSIONS)

    row = pipeline.warehouse.row("select * from etl_job_runs where status <> 'SUCCESS'")
    assert (row["job_name"], row["status"], row["target_date"]) == ("build_fact_sessions", "FAILED", broken)
    assert reason in row["error_message"]
    assert row["completed_at"] >= row["started_at"]
    assert int(f"{broken:%Y%m%d}") not in pipeline.warehouse.column("select date_key from fact_sessions")

    pipeline.warehouse.execute("drop trigger broken_day on fact_sessions")
    succeed(pipeline, START, DAYS)
    assert all(built(pipeline, job) == days for job in FACTS)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_broken_day_of_a_single_fact_fails_the_range_and_only_itself(pipeline, lessons, workers):
    days = days_from(START, DAYS)
    break_day(pipeline, days[1], "raise exception 'this day is broken'")
    done, _ = run_range(pipeline, START, DAYS, "--workers", workers, of="BuildFactSessions")
    assert done.returncode == 30
    assert "this day is broken" in done.stderr
    assert built(pipeline, "build_fact_sessions") == [day for day in days if day != days[1]]
    assert pipeline.warehouse.column("select target_date from etl_job_runs where status = 'FAILED'") == [days[1]]


def test_a_source_that_is_gone_for_one_job_stops_that_job_alone(pipeline, lessons):
    pipeline.source.execute("alter table recommendations rename to elsewhere")
    done, _ = run_range(pipeline, START, DAYS)
    assert done.returncode == 30
    days = days_from(START, DAYS)
    for job in FACTS:
        assert built(pipeline, job) == ([] if job == "build_fact_recommendation_events" else days)
    failed = pipeline.warehouse.rows("select * from etl_job_runs where status <> 'SUCCESS'")
    assert {row["job_name"] for row in failed} == {"build_fact_recommendation_events"}
    assert sorted(row["target_date"] for row in failed) == days
    assert all("recommendations" in row["error_message"] for row in failed)


def test_a_source_that_cannot_be_reached_is_met_once_per_job_not_once_per_day(pipeline, lessons):
    assert pipeline.luigi("SyncDimensions", "--date", days_from(START, DAYS)[-1]).returncode == 0
    refused = {"OLTP_DATABASE_URL": "postgresql://etl@127.0.0.1:1/nowhere"}
    done, _ = run_range(pipeline, START, DAYS, "--etl-retry-seconds=0", env=refused)
    assert done.returncode == 30
    failed = pipeline.warehouse.column("select job_name from etl_job_runs where status = 'FAILED' order by job_name")
    assert failed == ["build_fact_learning_progress", "build_fact_recommendation_events", "build_fact_sessions"]
    succeed(pipeline, START, DAYS)
    assert all(built(pipeline, job) == days_from(START, DAYS) for job in FACTS)


def test_the_days_of_a_range_see_their_own_rows(pipeline, world):
    """Neighbours across midnight, with workers side by side."""
    world.tenant()
    world.learner()
    for day in days_from(START, DAYS):
        midnight = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
        world.session(f"first of {day}", started_at=midnight)
        world.session(f"last of {day}", started_at=midnight + timedelta(days=1, microseconds=-1))
    succeed(pipeline, START, DAYS, "--workers", "2")
    for day in days_from(START, DAYS):
        ids = pipeline.warehouse.column(
            "select session_id from fact_sessions where date_key = %(key)s", key=int(f"{day:%Y%m%d}")
        )
        assert set(ids) == {uid(f"first of {day}"), uid(f"last of {day}")}


@pytest.mark.parametrize(("batch_days", "batches"), [("31", 1), ("2", 2), ("1", 3)])
def test_luigi_hands_out_many_days_at_once_and_each_has_a_run_of_its_own(
    pipeline, lessons, etl_option, batch_days, batches
):
    etl_option("batch_days", batch_days)
    days = days_from(START, 3)
    started: list[Any] = []
    note_start = aivo_luigi.BuildFactSessions.event_handler(luigi.Event.START)(started.append)
    result = pipeline.run(*[aivo_luigi.RunAll(date=day) for day in days])
    aivo_luigi.BuildFactSessions.remove_event_handler(luigi.Event.START, note_start)
    assert result.status.name == "SUCCESS"
    assert len(started) == batches
    assert all(built(pipeline, job) == days for job in FACTS)
    assert runs(pipeline)["build_fact_sessions"] == days[::-1]
