"""`aivo-etl compare`: source and warehouse, row by row."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.database import Database
from support.databases import Databases
from support.members import written
from support.pipeline import Pipeline
from support.prepared import prepared
from support.runs import DIMENSIONS, FACTS
from support.world import DAY, NEXT_DAY, World, at, uid

import aivo_luigi
from aivo_luigi import job_build_fact_sessions, run_all_dimension_syncs, run_all_fact_builds
from aivo_luigi.cli import main
from aivo_luigi.db import forget_connections
from aivo_luigi.jobs.compare import compare
from aivo_luigi.tasks.wrappers import DIMENSIONS as DIMENSION_JOBS
from aivo_luigi.tasks.wrappers import FACTS as FACT_JOBS

SPECS = {job.job_name(): job.spec() for job in (*DIMENSION_JOBS, *FACT_JOBS)}


@pytest.fixture
def pipeline(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    """A day with a row of everything, built."""

    def build(source: Database, warehouse: Database) -> None:
        results = [*run_all_dimension_syncs(DAY), *run_all_fact_builds(DAY)]
        assert {result.status for result in results} == {"SUCCESS"}

    yield from prepared(databases, "compared", tmp_path, monkeypatch, lambda s: World(s).row_of_everything(), build)


@pytest.fixture
def built(pipeline: Pipeline) -> Pipeline:
    return pipeline


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


# How a person could spoil a table: a row taken away, a column altered, a row added.
SPOILED = {
    "fact_sessions": ("duration_seconds = 7", "session_key, session_id", "default, gen_random_uuid()"),
    "fact_focus_events": ("event_type = 'x'", "focus_event_key, event_id", "default, gen_random_uuid()"),
    "fact_homework_events": ("step_count = 7", "homework_event_key, submission_id", "default, gen_random_uuid()"),
    "fact_learning_progress": (
        "mastered_skills = 1, in_progress_skills = 0",
        "progress_key, subject_key",
        "default, (select max(subject_key) from dim_subject)",
    ),
    "fact_recommendation_events": (
        "was_accepted = true",
        "recommendation_event_key, recommendation_id",
        "default, gen_random_uuid()",
    ),
    "dim_tenant": ("tenant_name = 'x'", "tenant_key, tenant_id", "default, gen_random_uuid()"),
    "dim_learner": ("grade_level = 9", "learner_key, learner_id", "default, gen_random_uuid()"),
    "dim_user": ("role = 'x'", "user_key, user_id", "default, gen_random_uuid()"),
    "dim_skill": ("skill_name = 'x'", "skill_key, skill_id", "default, gen_random_uuid()"),
    "dim_subject": ("subject_name = 'x'", "subject_key, subject_code", "default, 'NEW'"),
}


def spoil(built: Pipeline, table: str, how: str) -> None:
    """Alters, adds or deletes one row by hand, whatever the foreign keys say."""
    change, own, new = SPOILED[table]
    others = [
        name
        for name in built.warehouse.column(
            "select column_name from information_schema.columns where table_name = %(table)s", table=table
        )
        if name not in own.split(", ")
    ]
    one = f"ctid = (select min(ctid) from {table})"
    built.warehouse.execute(
        {
            "altered": f"update {table} set {change} where {one}",
            "missing": f"delete from {table} where {one}",
            "surplus": f"insert into {table} ({own}, {', '.join(others)}) "
            f"select {new}, {', '.join(others)} from {table} where {one}",
        }[how].replace("select default", f"select nextval(pg_get_serial_sequence('{table}', '{own.split(', ')[0]}'))")
    )


@pytest.mark.parametrize("how", ["altered", "missing", "surplus"])
@pytest.mark.parametrize("job", [*FACTS, *DIMENSIONS])
def test_a_row_altered_deleted_or_added_by_hand_is_found(built: Pipeline, job: str, how: str) -> None:
    assert not compare(SPECS[job], DAY, 5)
    built.warehouse.execute("set session_replication_role = replica")
    spoil(built, SPECS[job].way.table, how)
    found = compare(SPECS[job], DAY, 5)
    assert {kind: getattr(found, kind) for kind in ("altered", "missing", "surplus")} == {
        "altered": 0,
        "missing": 0,
        "surplus": 0,
        how: 1,
    }
    assert [row.kind for row in found.first] == [how]


def test_the_command_names_job_day_id_and_column_and_exits_with_1(built: Pipeline) -> None:
    assert command("--date", DAY).exit_code == 0
    built.warehouse.execute("update fact_sessions set duration_seconds = 7")
    result = command("--date", DAY, "--job", "build_fact_sessions")
    assert result.exit_code == 1
    for word in ("build_fact_sessions", "2025-01-15", "altered", str(uid("lesson")), "duration_seconds"):
        assert word in result.output
    assert "1800" not in result.output


def test_values_are_shown_only_when_asked_for(built: Pipeline, world: World) -> None:
    built.warehouse.execute("update fact_sessions set duration_seconds = 7")
    world.recommendation("late", recommendation_type="BREAK")
    built.source.delete("homework_submissions", uid("essay"))
    shown = command("--date", DAY, "--values").output
    assert "duration_seconds: 1800 → 7" in shown
    assert '"recommendation_type": "BREAK"' in " ".join(shown.split())
    hidden = command("--date", DAY).output
    assert "BREAK" not in hidden
    assert str(uid("late")) in hidden
    assert str(uid("essay")) in hidden


def test_rows_that_came_late_are_found_too(built: Pipeline, world: World) -> None:
    world.session("late")
    found = compare(SPECS["build_fact_sessions"], DAY, 5)
    assert (found.missing, found.surplus, found.altered) == (1, 0, 0)
    assert found.first[0].key == str(uid("late"))


def test_only_as_many_rows_are_told_of_as_asked_for(built: Pipeline, world: World) -> None:
    for number in range(7):
        world.session(f"late {number}")
    assert [len(compare(SPECS["build_fact_sessions"], DAY, most).first) for most in (0, 3, 20)] == [0, 3, 7]


TABLES = (
    *(spec.way.table for spec in SPECS.values()),
    *("dim_date", "learner_skill_history", "etl_watermarks", "etl_rejected_rows", "etl_job_runs"),
)


def test_comparing_leaves_no_trace(built: Pipeline, world: World) -> None:
    """Not even a row written as it was."""
    world.session("late", learner="nobody", tenant="nowhere")
    world.learner("new", tenant="another new one")
    world.event("FOCUS_BREAK_STARTED", "no score", metadata={"focusScore": "n/a"})
    world.skill_state("a skill that nobody knows", 7)
    world.skill("painting")
    before = {table: (written(built, table), built.warehouse.rows(f"select * from {table}")) for table in TABLES}
    assert command("--date", DAY).exit_code == 1
    assert {
        table: (written(built, table), built.warehouse.rows(f"select * from {table}")) for table in TABLES
    } == before
    forget_connections()
    assert built.warehouse.value("select count(*) from pg_locks where locktype = 'advisory'") == 0


def test_a_run_that_waits_or_is_under_way_is_not_disturbed(built: Pipeline) -> None:
    """Comparing takes no lock of a job, and closes no run."""
    built.warehouse.execute(
        "insert into etl_job_runs (job_name, run_date, target_date, status, started_at)"
        " values ('build_fact_sessions', '2025-01-16', '2025-01-15', 'RUNNING', now());"
        " select pg_advisory_lock(hashtext('aivo_luigi build_fact_sessions'), 20250115)"
    )
    assert command("--date", DAY).exit_code == 0
    assert built.warehouse.value("select count(*) from etl_job_runs where status = 'RUNNING'") == 1


def test_a_range_takes_its_built_days_and_leaves_the_stop_out(built: Pipeline) -> None:
    built.warehouse.execute("update fact_sessions set duration_seconds = 7")
    assert command("--start", "2025-01-01", "--stop", "2025-01-16").exit_code == 1
    assert command("--start", "2025-01-01", "--stop", "2025-01-15", "--job", "build_fact_sessions").exit_code == 0
    assert command("--start", "2025-01-16", "--stop", "2025-02-01", "--job", "build_fact_sessions").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--start", "2025-01-01"], "a range is --start and --stop together"),
        (["--date", "2025-01-01", "--start", "2025-01-01", "--stop", "2025-01-02"], "without --date"),
        (["--start", "2025-01-02", "--stop", "2025-01-02"], "holds no day"),
        (["--date", "2025-02-30"], "is no date"),
        (["--date", ""], "is no date"),
        (["--date", "2025-01-15", "--job", "build_fact_nothing"], "'build_fact_nothing' is not one of"),
    ],
)
def test_a_wrong_call_is_a_wrong_use(built: Pipeline, arguments: list[str], words: str) -> None:
    result = command(*arguments)
    assert result.exit_code == 2
    assert words in result.output


def test_a_day_in_the_future_is_told(built: Pipeline, capfd: pytest.CaptureFixture[str]) -> None:
    result = command("--date", "2999-01-01")
    assert result.exit_code == 1
    assert "lies in the future" in result.output + capfd.readouterr().err


def test_today_and_yesterday_are_dates(built: Pipeline) -> None:
    for day in ("today", "yesterday"):
        assert command("--date", day).exit_code == 0


def test_an_empty_warehouse_stays_empty(source_url: str, empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLTP_DATABASE_URL", source_url)
    monkeypatch.setenv("WAREHOUSE_DATABASE_URL", empty_url)
    for _ in range(2):
        result = command("--date", date(2025, 1, 15))
        assert (result.exit_code, result.output) == (0, "The warehouse is empty: nothing has run yet.\n")


def test_the_real_command_prints_what_it_found(built: Pipeline) -> None:
    built.source.delete("sessions", uid("lesson"))
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("aivo-etl")),
            "compare",
            "--date",
            str(DAY),
            "--job",
            "build_fact_sessions",
        ],
        env=built.command_environment(),
        cwd=built.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert str(uid("lesson")) in done.stdout
    assert "surplus" in done.stdout


def test_several_jobs_are_compared_and_no_others(built: Pipeline, world: World) -> None:
    built.warehouse.execute("update fact_sessions set duration_seconds = 7")
    jobs = ("build_fact_recommendation_events", "sync_dim_user")
    named = command("--date", DAY, "--job", jobs[0], "--job", jobs[1])
    assert (named.exit_code, named.output) == (0, "Compared: dimensions 1, facts by day 1; none differ.\n")


def test_a_day_that_was_never_built_is_not_compared(built: Pipeline, world: World) -> None:
    world.session("next day", started_at=at("2025-01-16 10:00"))
    result = command("--date", NEXT_DAY)
    assert result.exit_code == 0
    assert "build_fact" not in result.output
    assert f"Not built, or let go by retention, and so not compared: 5 ({NEXT_DAY})." in result.output


# Dimensions, as they should be now


@pytest.mark.parametrize(
    ("job", "table", "name", "change"),
    [
        ("sync_dim_tenant", "tenants", "school", {"timezone": "UTC"}),
        ("sync_dim_learner", "learners", "anna", {"grade_level": None}),
        ("sync_dim_user", "users", "teacher", {"role": "SUPPORT"}),
        ("sync_dim_skill", "skills", "adding", {"subject": "ELA"}),
    ],
)
@pytest.mark.parametrize("what", ["altered", "deleted", "gone", "new"])
def test_what_a_sync_would_change_is_found_and_after_it_nothing(
    built: Pipeline, world: World, job: str, table: str, name: str, change: dict[str, object], what: str
) -> None:
    if what == "new":
        getattr(world, table.removesuffix("s"))("another")
    elif what == "gone":
        built.source.delete(table, uid(name))
    else:
        built.source.update(table, uid(name), **(change if what == "altered" else {"deleted_at": at("12:00")}))
    found = compare(SPECS[job], DAY, 5)
    # A member that ended is still there in a dimension without versions, where it should be inactive.
    in_place = SPECS[job].way.table in ("dim_user", "dim_skill") and what == "deleted"
    kind = {"altered": "altered", "new": "missing"}.get(what, "altered" if in_place else "surplus")
    assert [(row.kind, row.key) for row in found.first] == [(kind, str(uid("another" if what == "new" else name)))]
    assert getattr(aivo_luigi, f"job_{job}")(DAY, force=True).status == "SUCCESS"
    assert not compare(SPECS[job], DAY, 5)


def test_an_inferred_member_that_the_source_does_not_know_is_no_difference(built: Pipeline, world: World) -> None:
    world.session("of a stranger", learner="a stranger", tenant="elsewhere")
    assert job_build_fact_sessions(DAY, force=True).status == "SUCCESS"
    assert command("--date", DAY, "--job", "sync_dim_learner", "--job", "sync_dim_tenant").exit_code == 0
    world.learner("a stranger")
    assert compare(SPECS["sync_dim_learner"], DAY).missing == 1


def test_a_member_that_cannot_be_loaded_is_no_difference(
    built: Pipeline, etl_option: Callable[[str, str], None]
) -> None:
    """A sync would leave it as it is."""
    etl_option("max_reject_share", "1")
    for table in ("learners", "users"):
        built.source.execute(f"alter table {table} alter tenant_id drop not null; update {table} set tenant_id = null")
    for job in ("sync_dim_learner", "sync_dim_user"):
        result = getattr(aivo_luigi, f"job_{job}")(DAY, force=True)
        assert (result.status, result.rows_deleted) == ("SUCCESS", 0)
        assert not compare(SPECS[job], DAY, 5), job
