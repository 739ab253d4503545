"""`aivo-etl compare`: source and warehouse, row by row."""

from __future__ import annotations

from datetime import date

import pytest
from click.testing import CliRunner, Result
from support.pipeline import Pipeline
from support.runs import DIMENSIONS, FACTS, content, runs
from support.world import DAY, World, uid

from aivo_luigi import run_all_dimension_syncs, run_all_fact_builds
from aivo_luigi.cli import main
from aivo_luigi.jobs.compare import compare
from aivo_luigi.tasks.wrappers import DIMENSIONS as DIMENSION_JOBS
from aivo_luigi.tasks.wrappers import FACTS as FACT_JOBS

SPECS = {job.job_name(): job.spec() for job in (*DIMENSION_JOBS, *FACT_JOBS)}


@pytest.fixture
def built(pipeline: Pipeline, world: World) -> Pipeline:
    """A day with a row of everything, built."""
    world.row_of_everything()
    results = [*run_all_dimension_syncs(DAY), *run_all_fact_builds(DAY)]
    assert {result.status for result in results} == {"SUCCESS"}
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


def test_values_are_shown_only_when_asked_for(built: Pipeline) -> None:
    built.warehouse.execute("update fact_sessions set duration_seconds = 7")
    assert "duration_seconds: 1800 → 7" in command("--date", DAY, "--values").output


def test_rows_that_came_late_are_found_too(built: Pipeline, world: World) -> None:
    world.session("late")
    found = compare(SPECS["build_fact_sessions"], DAY, 5)
    assert (found.missing, found.surplus, found.altered) == (1, 0, 0)
    assert found.first[0].key(("session_id",)) == str(uid("late"))


def test_only_as_many_rows_are_told_of_as_asked_for(built: Pipeline, world: World) -> None:
    for number in range(7):
        world.session(f"late {number}")
    assert [len(compare(SPECS["build_fact_sessions"], DAY, most).first) for most in (0, 3, 20)] == [0, 3, 7]


def test_comparing_leaves_no_trace(built: Pipeline, world: World) -> None:
    world.session("late", learner="nobody", tenant="nowhere")
    world.skill_state("a skill that nobody knows", 7)
    before, ran = content(built.warehouse), len(runs(built.warehouse))
    kept = "select (select count(*) from learner_skill_history), (select count(*) from etl_rejected_rows)"
    counted = built.warehouse.rows(kept)
    assert command("--date", DAY).exit_code == 1
    assert content(built.warehouse) == before
    assert len(runs(built.warehouse)) == ran
    assert built.warehouse.rows(kept) == counted
    assert built.warehouse.value("select count(*) from pg_locks where locktype = 'advisory'") == 0


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
        (["--date", "2999-01-01"], "lies in the future"),
        (["--date", "2025-01-15", "--job", "build_fact_nothing"], "'build_fact_nothing' is no job"),
    ],
)
def test_a_wrong_call_is_one_line(
    built: Pipeline, arguments: list[str], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    result = command(*arguments)
    assert result.exit_code == 1
    told = result.output + capfd.readouterr().err
    assert words in told
    assert len(told.strip().splitlines()) == 1


def test_an_empty_warehouse_stays_empty(source_url: str, empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLTP_DATABASE_URL", source_url)
    monkeypatch.setenv("WAREHOUSE_DATABASE_URL", empty_url)
    for _ in range(2):
        result = command("--date", date(2025, 1, 15))
        assert (result.exit_code, result.output) == (0, "The warehouse is empty: nothing has run yet.\n")
