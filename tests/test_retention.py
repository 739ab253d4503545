"""Retention: what is old goes wholly, what is kept stays as it was, and nothing comes back by itself."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from click.testing import CliRunner, Result
from luigi.tools.range import RangeDaily
from support.database import Database
from support.databases import Databases
from support.pipeline import CONFIG, Pipeline
from support.prepared import prepared
from support.runs import CONTENT, FACTS, content, runs
from support.world import World, at, uid

import aivo_luigi
from aivo_luigi.cli import main
from aivo_luigi.errors import LockedError
from aivo_luigi.jobs.compare import built_days
from aivo_luigi.jobs.completeness import forget_answers
from aivo_luigi.monitoring.alerts import firing_alerts
from aivo_luigi.tasks.retention import let_go
from aivo_luigi.tasks.wrappers import FACTS as FACT_TASKS
from aivo_luigi.tasks.wrappers import JOB_NAMES

JANUARY, FEBRUARY, MARCH = date(2025, 1, 31), date(2025, 2, 1), date(2025, 3, 3)
DAYS = (JANUARY, FEBRUARY, MARCH)
TABLES = [fact.removeprefix("build_") for fact in FACTS]

Option = Callable[[str, str], None]


def months_back_to(first: date) -> str:
    """How many whole months a policy keeps that keeps everything from this month on, and nothing before it."""
    today = datetime.now(timezone.utc)
    return str((today.year - first.year) * 12 + today.month - first.month)


@pytest.fixture
def keep(retention_option: Option) -> Callable[..., None]:
    """Sets policies: so many months for each table named, and everything for ever of all others."""

    def set_to(**months: str) -> None:
        for table in (*TABLES, "learner_skill_history", "etl_rejected_rows", "etl_job_runs"):
            retention_option(table, months.get(table, "0"))

    return set_to


def facts_from(first: date) -> dict[str, str]:
    return dict.fromkeys(TABLES, months_back_to(first))


@pytest.fixture
def built(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, etl_option: Option
) -> Iterator[Pipeline]:
    """Three days in three months. January's last session goes on in February; the states change each month."""
    etl_option("reconcile_days", "0")  # the changes are said to be old
    for pipeline in prepared(databases, "retention", tmp_path, monkeypatch, fill, build):
        change_state(pipeline.source, 0.95, at("2025-03-03 12:00"))
        yield pipeline


def fill(source: Database) -> None:
    world = World(source)
    for learner in ("anna", "ben"):
        world.learner(learner)
        world.skill_state("adding", 0.3, learner=learner, updated_at=at("2025-01-10 08:00"))
    world.tenant()
    world.skill()
    world.session("night", started_at=at("2025-01-31 23:50"))
    world.event("FOCUS_BREAK_STARTED", session="night", event_time=at("2025-01-31 23:55"))
    world.event("FOCUS_BREAK_ENDED", session="night", event_time=at("2025-02-01 00:05"))
    world.submission("essay", session="night", created_at=at("2025-02-01 00:10"))
    world.submission("early", session="night", created_at=at("2025-01-31 23:58"))
    for day in DAYS:
        world.session(f"on {day}", started_at=at(f"{day} 10:00"))
        lost = {"session": f"on {day}", "event_time": at(f"{day} 10:05"), "metadata": {"focusScore": "?"}}
        world.event("FOCUS_LOSS_DETECTED", **lost)
        world.recommendation(f"for {day}", created_at=at(f"{day} 11:00"))


def build(source: Database, warehouse: Database) -> None:
    aivo_luigi.run_all_dimension_syncs(JANUARY)
    aivo_luigi.run_all_fact_builds(JANUARY)
    change_state(source, 0.85, at("2025-02-01 12:00"))
    aivo_luigi.run_all_fact_builds(FEBRUARY)
    change_state(source, 0.95, at("2025-03-03 12:00"))
    aivo_luigi.run_all_fact_builds(MARCH)


def change_state(source: Database, level: float, when: datetime) -> None:
    source.execute(
        "update learner_skill_states set mastery_level = %(level)s, updated_at = %(when)s where learner_id = %(anna)s",
        level=level,
        when=when,
        anna=uid("anna"),
    )


def run(pipeline: Pipeline, task: Any, **parameters: Any) -> None:
    assert pipeline.run(task, **parameters).status.name == "SUCCESS"


def retention(*arguments: str) -> Result:
    done = CliRunner().invoke(main, ["retention", *arguments])
    assert (done.exit_code, done.stderr) == (0, "")
    return done


def partitions(warehouse: Database) -> list[str]:
    return warehouse.column("select relname::text from pg_class where relispartition and relkind = 'r' order by 1")


def kept(rows: dict[str, list[str]], first: date) -> dict[str, list[str]]:
    """Of the content of all tables the days from one on; dimensions wholly."""
    key = int(f"{first:%Y%m%d}")
    return {
        table: [row for row in found if table not in TABLES or json.loads(row)["row"]["date_key"] >= key]
        for table, found in rows.items()
    }


def everything(warehouse: Database) -> dict[str, list[str]]:
    """Content, run rows, rejected rows, the history, and the partitions."""
    others = ("etl_job_runs", "etl_rejected_rows", "learner_skill_history", "etl_watermarks")
    rows = {table: sorted(warehouse.column(f"select x::text from {table} x")) for table in others}
    return {**content(warehouse), **rows, "partitions": partitions(warehouse)}


def test_facts_are_kept_for_ever_if_nobody_says_otherwise(built: Pipeline) -> None:
    before = everything(built.warehouse)
    assert "Nothing is older" in retention().stdout
    assert everything(built.warehouse) == before


def test_a_dry_run_says_what_would_go_and_changes_nothing(built: Pipeline, keep: Callable[..., None]) -> None:
    keep(**facts_from(MARCH), learner_skill_history=months_back_to(MARCH))
    before = everything(built.warehouse)
    would = json.loads(retention("--dry-run", "--json").stdout)
    assert everything(built.warehouse) == before
    sessions = [one for one in would if one["table"] == "fact_sessions"]
    assert [(one["what"], one["rows"]) for one in sessions] == [("2025-01", 2), ("2025-02", 1)]
    assert all(one["bytes"] > 8192 for one in sessions)
    assert {one["table"] for one in would} == {*TABLES, "learner_skill_history"}
    shown = retention("--dry-run").stdout
    assert "Would go" in shown
    assert "2025-01" in shown
    assert everything(built.warehouse) == before
    assert json.loads(retention("--json").stdout) == would


def test_a_month_goes_wholly_and_the_rest_stays_as_it_was(built: Pipeline, keep: Callable[..., None]) -> None:
    keep(**facts_from(FEBRUARY))
    before = everything(built.warehouse)
    retention()
    after = everything(built.warehouse)
    assert after["partitions"] == [name for name in before["partitions"] if not name.endswith("2025_01")]
    links = {"fact_focus_events", "fact_homework_events"}
    for table in set(CONTENT) - links:
        assert after[table] == kept(before, FEBRUARY)[table], table
    for table in links:
        assert [unlinked(row) for row in after[table]] == [unlinked(row) for row in kept(before, FEBRUARY)[table]]
    for table in ("etl_job_runs", "etl_rejected_rows", "learner_skill_history", "etl_watermarks"):
        assert after[table] == before[table]


def unlinked(row: str) -> dict[str, Any]:
    """The row without its link to a session that may have gone."""
    return {name: value for name, value in json.loads(row).items() if name != "link"}


def test_kept_days_are_the_same_after_they_are_built_again(built: Pipeline, keep: Callable[..., None]) -> None:
    keep(**facts_from(FEBRUARY), learner_skill_history=months_back_to(FEBRUARY))
    before = content(built.warehouse)
    retention()
    after = everything(built.warehouse)
    built.warehouse.execute("truncate fact_learning_progress")
    for day in (FEBRUARY, MARCH):
        run(built, aivo_luigi.RunAll, date=day, force="again")
    again = everything(built.warehouse)
    unchanged = (*CONTENT, "learner_skill_history", "partitions")
    assert {table: again[table] for table in unchanged} == {table: after[table] for table in unchanged}
    progress = kept(before, FEBRUARY)["fact_learning_progress"]
    assert again["fact_learning_progress"] == progress
    assert sorted(json.loads(row)["row"]["skills_gained_today"] for row in progress) == [0, 0, 0, 1]


def test_a_kept_day_is_not_late_because_its_session_has_gone(built: Pipeline, keep: Callable[..., None]) -> None:
    keep(**facts_from(FEBRUARY))
    linked = "select count(*) from fact_focus_events where session_key is not null and date_key = 20250201"
    assert built.warehouse.value(linked) == 2
    retention()
    assert built.warehouse.value(linked) == 1
    assert built.warehouse.value("select count(*) from fact_homework_events where session_key is not null") == 0
    late = aivo_luigi.RebuildLateDays(date=MARCH, look_back_days=60)
    assert late.find_late() == []


def test_a_day_that_has_gone_is_complete_and_comes_back_by_nothing(
    built: Pipeline, keep: Callable[..., None], alerts_option: Option
) -> None:
    keep(**facts_from(FEBRUARY), etl_job_runs="1", etl_rejected_rows="1")
    # As if all had run when the days were over, two years ago; then run rows are old, too.
    built.warehouse.execute("update etl_job_runs set started_at = target_date + interval '30 hours'")
    retention()
    forget_answers()
    gone = partitions(built.warehouse)
    ran = len(runs(built.warehouse))
    task = RangeDaily(of=aivo_luigi.RunAll, start=JANUARY, stop=FEBRUARY, now=1e10)
    run(built, task)
    assert aivo_luigi.RunAll(date=JANUARY).complete()
    assert {day for _, day in built_days(FACT_TASKS, JANUARY, MARCH)} == {FEBRUARY, MARCH}
    run(built, aivo_luigi.RebuildLateDays, date=FEBRUARY)
    compared = CliRunner().invoke(main, ["compare", "--start", str(JANUARY), "--stop", "2025-03-04"])
    assert (compared.exit_code, compared.stderr) == (0, "")
    lines, verdict, _ = compared.stdout.partition("Compared: ")
    assert verdict
    assert str(JANUARY) not in lines
    alerts_option("look_back_days", str((datetime.now(timezone.utc).date() - JANUARY).days))
    overdue = {alert.day for alert in firing_alerts(JOB_NAMES) if alert.name == "overdue"}
    assert overdue
    assert JANUARY not in overdue
    assert partitions(built.warehouse) == gone
    dimensions = [row for row in runs(built.warehouse) if row["job_name"].startswith("sync_")]
    assert len(runs(built.warehouse)) == ran + len([row for row in dimensions if row["started_at"].year > 2025])


def test_a_day_that_has_gone_can_be_built_again_by_force(built: Pipeline, keep: Callable[..., None]) -> None:
    keep(**facts_from(FEBRUARY))
    before = content(built.warehouse)
    retention()
    run(built, aivo_luigi.BuildFacts, date=JANUARY, force="wanted")
    assert content(built.warehouse) == before


def test_states_in_force_on_a_kept_day_stay_whatever_their_own_policy(
    built: Pipeline, keep: Callable[..., None]
) -> None:
    history = "select count(*) from learner_skill_history where held_to < 'infinity'"
    assert built.warehouse.value(history) == 2
    keep(learner_skill_history="1")
    retention()
    assert built.warehouse.value(history) == 2  # January is kept, and made of them
    keep(**facts_from(FEBRUARY), learner_skill_history="1")
    retention()
    assert built.warehouse.value(history) == 2  # in force when February began
    keep(**facts_from(MARCH), learner_skill_history="1")
    retention()
    levels = built.warehouse.column("select mastery_level::text from learner_skill_history order by 1")
    assert levels == ["0.3", "0.85", "0.95"]
    began = "select began_at from etl_watermarks where source_table = 'learner_skill_states'"
    assert built.warehouse.value(began) > at("2025-03-01")


def test_the_history_begins_where_it_was_cut(built: Pipeline, keep: Callable[..., None]) -> None:
    """What is built of a day before that is not exact, and says so."""
    built.warehouse.execute("update etl_watermarks set began_at = '2025-01-01'")
    keep(**facts_from(MARCH), learner_skill_history="1")
    retention()
    began = "select began_at from etl_watermarks where source_table = 'learner_skill_states'"
    assert built.warehouse.value(began) == at("2025-03-01")
    for day, exact in ((JANUARY, [False]), (date(2025, 2, 28), [True]), (MARCH, [True])):
        run(built, aivo_luigi.BuildFactLearningProgress, date=day, force="again")
        found = built.warehouse.column(
            "select distinct is_exact from fact_learning_progress where date_key = %(key)s", key=int(f"{day:%Y%m%d}")
        )
        assert found == exact, day


def test_the_last_success_of_each_day_stays_and_what_is_kept_of_its_rejects(
    built: Pipeline, keep: Callable[..., None]
) -> None:
    run(built, aivo_luigi.BuildFactSessions, date=JANUARY, force="second")
    built.warehouse.execute(
        "update etl_job_runs set started_at = started_at - interval '5 years', run_date = run_date - 1826;"
        " insert into etl_job_runs (job_name, run_date, target_date, status, started_at) values"
        " ('build_fact_sessions', '2021-01-01', '2025-01-31', 'FAILED', '2021-01-01'),"
        " ('build_fact_sessions', '2021-01-01', '2025-01-31', 'RUNNING', '2021-01-01'),"
        " ('sync_dim_user', '2021-01-01', '2021-01-01', 'SUCCESS', '2021-01-01'),"
        " ('sync_dim_user', '2021-01-01', '2021-01-01', 'FAILED', now())"
    )
    rejected = built.warehouse.value("select count(*) from etl_rejected_rows")
    assert rejected == 3
    keep(etl_job_runs="24")
    (went,) = json.loads(retention("--json").stdout)
    # The first build of January's sessions, the failed one, and the first sync of users.
    assert (went["table"], went["rows"]) == ("etl_job_runs", 3)
    assert built.warehouse.value("select count(*) from etl_rejected_rows") == rejected
    standing = built.warehouse.rows(
        "select job_name, target_date, count(*) from etl_job_runs where status = 'SUCCESS' group by 1, 2"
    )
    assert {row["count"] for row in standing} == {1}
    assert {(row["job_name"], row["target_date"]) for row in standing if row["job_name"] in FACTS} == {
        (fact, day) for fact in FACTS for day in DAYS
    }
    assert len([row for row in standing if row["job_name"] not in FACTS]) == 5
    assert built.warehouse.column("select status from etl_job_runs where status <> 'SUCCESS' order by 1") == [
        "FAILED",
        "RUNNING",
    ]


def test_a_run_row_stays_as_long_as_what_it_rejected(built: Pipeline, keep: Callable[..., None]) -> None:
    built.warehouse.execute(
        "update etl_job_runs set status = 'FAILED', started_at = '2021-01-01' where rows_rejected > 0"
    )
    keep(etl_job_runs="24")
    retention()
    assert built.warehouse.value("select count(*) from etl_rejected_rows") == 3
    built.warehouse.execute("update etl_rejected_rows set rejected_at = '2021-01-01'")
    keep(etl_job_runs="24", etl_rejected_rows="24")
    went = json.loads(retention("--json").stdout)
    assert [(one["table"], one["rows"]) for one in went] == [("etl_rejected_rows", 3), ("etl_job_runs", 3)]


def config_with(pipeline: Pipeline, **months: str) -> Path:
    """The project's luigi.cfg with other policies, for another process."""
    text = CONFIG.read_text()
    for table, number in months.items():
        text = text.replace(f"\n{table}=0\n", f"\n{table}={number}\n")
    path = pipeline.folder / "luigi.cfg"
    path.write_text(text)
    return path


def test_killed_in_the_middle_each_table_has_gone_or_not_and_the_next_run_ends_it(
    built: Pipeline, keep: Callable[..., None]
) -> None:
    keep(**facts_from(FEBRUARY))
    before = everything(built.warehouse)
    reader = psycopg2.connect(built.warehouse.url)
    reader.cursor().execute("select count(*) from fact_sessions")  # an open transaction: the month can't be dropped
    command = [str(Path(sys.executable).with_name("luigi")), "--module", "aivo_luigi", "Retention"]
    process = subprocess.Popen(
        command,
        env=built.command_environment(config=config_with(built, **facts_from(FEBRUARY))),
        cwd=built.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 30
    waiting = "select count(*) from pg_locks where not granted and relation = 'fact_sessions'::regclass"
    while not built.warehouse.value(waiting) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = everything(built.warehouse)
    assert left["fact_sessions"] == before["fact_sessions"]
    others = [name for name in left["partitions"] if name.endswith("_2025_01")]
    assert others == ["fact_sessions_2025_01"]
    assert left["fact_focus_events"] == kept(before, FEBRUARY)["fact_focus_events"]
    reader.close()
    retention()
    assert not any(name.endswith("_2025_01") for name in partitions(built.warehouse))


def test_a_build_that_runs_is_waited_for_and_in_vain_told_in_one_line(
    built: Pipeline, keep: Callable[..., None], etl_option: Option
) -> None:
    keep(**facts_from(FEBRUARY))
    etl_option("lock_timeout", "1")
    before = everything(built.warehouse)
    build = psycopg2.connect(built.warehouse.url)
    build.cursor().execute("delete from fact_recommendation_events where date_key = 20250131")
    with pytest.raises(LockedError, match="fact_recommendation_events is in use"):
        list(let_go(dry_run=False))
    done = CliRunner().invoke(main, ["retention"])
    assert done.exit_code == 1
    assert done.stderr.startswith("aivo-etl: fact_recommendation_events is in use")
    build.rollback()
    build.close()
    assert everything(built.warehouse) == before
    retention()


def test_a_try_in_vain_rewrites_no_link(built: Pipeline, keep: Callable[..., None], etl_option: Option) -> None:
    """A try is made every second while a reader is there: the rows that each one wrote would fill the linked facts."""
    keep(fact_sessions=months_back_to(FEBRUARY))
    etl_option("lock_timeout", "1")
    rows = "select held::text from (select ctid, xmax, * from fact_focus_events order by 1) as held"
    before = built.warehouse.column(rows)
    reader = psycopg2.connect(built.warehouse.url)
    reader.cursor().execute("select count(*) from fact_sessions")
    with pytest.raises(LockedError, match="fact_sessions is in use"):
        list(let_go(dry_run=False))
    assert built.warehouse.column(rows) == before
    reader.close()
    retention()
    assert built.warehouse.column(rows) != before
    assert built.warehouse.value("select count(*) from fact_focus_events where session_date_key < 20250201") > 0
    linked = "select count(*) from fact_focus_events where session_date_key < 20250201 and session_key is not null"
    assert built.warehouse.value(linked) == 0


def test_two_at_once_take_turns(built: Pipeline) -> None:
    command = [str(Path(sys.executable).with_name("luigi")), "--module", "aivo_luigi", "Retention"]
    environment = built.command_environment(config=config_with(built, **facts_from(FEBRUARY)))
    options: dict[str, Any] = {"env": environment, "cwd": built.folder, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, **options) for _ in range(2)]
    told = "".join(process.communicate(timeout=60)[1] for process in both)
    assert [process.returncode for process in both] == [0, 0], told
    assert told.count("fact_sessions 2025-01: 2 rows went") == 1
    assert not any(name.endswith("_2025_01") for name in partitions(built.warehouse))


def test_the_present_month_and_other_tables_are_never_dropped(built: Pipeline) -> None:
    this_month = datetime.now(timezone.utc).date()
    built.warehouse.execute("select etl_ensure_day('fact_sessions', %(day)s)", day=this_month)
    for day in (this_month, this_month + timedelta(days=40)):
        with pytest.raises(psycopg2.errors.RaiseException, match="is not over"):
            built.warehouse.execute("select etl_drop_month('fact_sessions', %(day)s)", day=day)
    with pytest.raises(psycopg2.errors.RaiseException, match="dim_user is no fact"):
        built.warehouse.execute("select etl_drop_month('dim_user', '2025-01-01')")


def test_an_empty_warehouse_has_nothing_to_let_go(
    pipeline: Pipeline, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE_DATABASE_URL", empty_url)
    assert list(let_go(dry_run=False)) == []
    assert "nothing has run" in retention().stdout


@pytest.mark.parametrize("number", ["many", "99999999"])
def test_a_policy_that_is_no_number_of_months_is_told_in_one_line(
    pipeline: Pipeline, retention_option: Option, number: str
) -> None:
    run(pipeline, aivo_luigi.SyncDimSubject, date=MARCH)
    retention_option("fact_sessions", number)
    done = CliRunner().invoke(main, ["retention", "--dry-run"])
    assert done.exit_code == 1
    assert done.stderr.startswith(f"aivo-etl: '{number}' can't be used as whole months of sessions to keep")
    assert done.stderr.endswith("give fact_sessions of [retention] a whole number from 0 to 12000\n")
    assert done.stdout == ""


def test_the_longest_policy_keeps_everything(built: Pipeline, keep: Callable[..., None]) -> None:
    keep(**dict.fromkeys([*TABLES, "learner_skill_history", "etl_rejected_rows", "etl_job_runs"], "12000"))
    assert "Nothing is older" in retention().stdout
