"""What can't be read is left out and recorded, what can't be loaded is recorded whole; neither stops a day."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from psycopg2.extras import Json
from support.pipeline import Pipeline
from support.runs import content
from support.world import CREATED, DAY, NEXT_DAY, World, at, uid

import aivo_luigi
from aivo_luigi import (
    JobResult,
    job_build_fact_focus_events,
    job_build_fact_homework_events,
    job_build_fact_learning_progress,
    job_build_fact_recommendation_events,
    job_build_fact_sessions,
    job_sync_dim_learner,
    job_sync_dim_user,
    run_all_fact_builds,
)

FOCUS_TYPES = (
    "FOCUS_LOSS_DETECTED",
    "FOCUS_BREAK_STARTED",
    "FOCUS_BREAK_ENDED",
    "FOCUS_INTERVENTION_SHOWN",
    "FOCUS_INTERVENTION_COMPLETED",
)
OTHER_TYPES = ("ACTIVITY_STARTED", "ACTIVITY_COMPLETED", "ACTIVITY_SKIPPED", "HOMEWORK_HINT_REQUESTED")
ANSWER = "ACTIVITY_RESPONSE_SUBMITTED"

Record = tuple[str, str | None, str | None]


@pytest.fixture(autouse=True)
def _school(world: World) -> None:
    world.tenant()
    world.learner()


def succeeded(*results: JobResult) -> int:
    """All succeeded; how many records they made."""
    assert [result.error_message for result in results if result.status != "SUCCESS"] == []
    return sum(result.rows_rejected for result in results)


def records(pipeline: Pipeline, condition: str = "true") -> list[Record]:
    """(table, id, field) of each record, sorted."""
    rows = pipeline.warehouse.rows(
        f"select source_table, source_id, field from etl_rejected_rows where {condition} order by 1, 2, 3"
    )
    return [(row["source_table"], row["source_id"], row["field"]) for row in rows]


def of(table: str, *fields: tuple[UUID, str]) -> list[Record]:
    """The records of these rows and fields of a table, sorted."""
    return sorted((table, str(id), field) for id, field in fields)


def raw(text: str) -> Json:
    """JSON as it is written, digit for digit."""
    return Json(text, dumps=str)


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


# A day on which nothing is as it should be


HUGE = "x" * 1_000_000
NO_OBJECT = [[], [1, {"isCorrect": True}], "durationSeconds", "", 7, 1e300, True, False, nested(200)]
NO_NUMBER = ["soon", "NaN", "Infinity", "", " ", "1 ", 1e300, "1e300", True, [], [5], {}, {"value": 5}, nested(200)]
NO_BOOLEAN = [1, 0, "1", "yes", "maybe", "", "true ", 1.5, [], [True], {}, {"isCorrect": True}, nested(200)]
UNREADABLE = {
    "durationSeconds": [-5, "-5", 2147483648, *NO_NUMBER],
    "focusScore": [101, -0.5, "100.1", "n/a", *NO_NUMBER],
    "interventionType": ["x" * 101, 7, True, [], ["calm"], {"type": "calm"}, nested(200)],
    "interventionCompleted": NO_BOOLEAN,
}


def test_a_day_whose_every_event_is_poison_is_built_and_every_event_accounted_for(
    pipeline: Pipeline, world: World, etl_option: Callable[[str, str], None]
) -> None:
    etl_option("max_reject_share", "0")
    counts: dict[str, Counter[str]] = {name: Counter() for name in ("one", "two", "three")}
    for name in counts:
        world.session(name)
    sessions = itertools.cycle(counts)
    answers: list[tuple[UUID, str]] = []
    focus: list[tuple[UUID, str]] = []

    def event(kind: str, metadata: Any) -> UUID:
        session = next(sessions)
        counts[session][kind] += 1
        return world.event(kind, session=session, metadata=metadata)

    for poison in [*NO_OBJECT, HUGE]:
        for kind in OTHER_TYPES:
            event(kind, poison)
        answers.append((event(ANSWER, poison), "metadata_json"))
    for poison in [*NO_BOOLEAN, "x" * 500, HUGE]:
        answers.append((event(ANSWER, {"isCorrect": poison}), "isCorrect"))
    for kind in FOCUS_TYPES:
        focus += [(event(kind, poison), "metadata_json") for poison in NO_OBJECT]
        for field, values in UNREADABLE.items():
            focus += [(event(kind, {field: poison}), field) for poison in values]
        all_at_once = event(kind, {field: values[0] for field, values in UNREADABLE.items()})
        focus += [(all_at_once, field) for field in UNREADABLE]
    focus.append((event(FOCUS_TYPES[0], HUGE), "metadata_json"))
    focus += [(event(FOCUS_TYPES[0], {field: HUGE}), field) for field in UNREADABLE]

    assert succeeded(*run_all_fact_builds(DAY)) == len(answers) + len(focus)
    assert records(pipeline) == of("session_events", *answers, *focus)
    assert records(pipeline, "job_name = 'build_fact_focus_events'") == of("session_events", *focus)
    for name, kinds in counts.items():
        assert pipeline.warehouse.row(
            "select activities_assigned, activities_completed, activities_skipped, hints_used, focus_breaks_count,"
            " focus_interventions_count, correct_responses, incorrect_responses from fact_sessions"
            " where session_id = %(id)s",
            id=uid(name),
        ) == {
            "activities_assigned": kinds["ACTIVITY_STARTED"],
            "activities_completed": kinds["ACTIVITY_COMPLETED"],
            "activities_skipped": kinds["ACTIVITY_SKIPPED"],
            "hints_used": kinds["HOMEWORK_HINT_REQUESTED"],
            "focus_breaks_count": kinds["FOCUS_BREAK_STARTED"],
            "focus_interventions_count": kinds["FOCUS_INTERVENTION_SHOWN"],
            "correct_responses": 0,
            "incorrect_responses": 0,
        }
        assert sum(kinds[kind] for kind in (*FOCUS_TYPES, *OTHER_TYPES, ANSWER)) == pipeline.source.value(
            "select count(*) from session_events where session_id = %(id)s", id=uid(name)
        )
    loaded = pipeline.warehouse.rows(
        "select event_id, num_nonnulls(duration_seconds, intervention_type, intervention_completed, focus_score)"
        " from fact_focus_events"
    )
    assert {row["event_id"]: row["num_nonnulls"] for row in loaded} == {id: 0 for id, _ in focus}
    assert pipeline.warehouse.value("select max(length(payload::text)) from etl_rejected_rows") < 3000


def test_what_is_kept_of_an_unreadable_field_is_what_was_read(pipeline: Pipeline, world: World) -> None:
    world.session()
    world.event(ANSWER, metadata={"isCorrect": "maybe", "other": 1})
    world.event(ANSWER, metadata=["isCorrect"])
    world.event("FOCUS_BREAK_ENDED", metadata={"durationSeconds": "soon", "focusScore": {"of": [100]}, "other": 1})
    world.event("FOCUS_BREAK_ENDED", metadata="none")
    run_all_fact_builds(DAY)
    kept = pipeline.warehouse.rows("select field, reason, payload from etl_rejected_rows order by job_name, field")
    assert [tuple(row.values()) for row in kept] == [
        ("durationSeconds", "no number from 0 to 2147483647", {"durationSeconds": "soon"}),
        ("focusScore", "no number from 0 to 100", {"focusScore": {"of": [100]}}),
        ("metadata_json", "no object", {"metadata_json": "none"}),
        ("isCorrect", "not true or false", {"isCorrect": "maybe"}),
        ("metadata_json", "no object", {"metadata_json": '["isCorrect"]'}),
    ]


def test_what_is_kept_of_something_far_too_long_is_cut_however_well_it_compresses(
    pipeline: Pipeline, world: World
) -> None:
    world.session()
    for metadata in ("y" * 50_000, {"isCorrect": "y" * 50_000, "focusScore": "y" * 50_000}):
        world.event(ANSWER, metadata=metadata)
        world.event("FOCUS_BREAK_ENDED", metadata=metadata)
    run_all_fact_builds(DAY)
    kept = pipeline.warehouse.column("select length(payload::text) from etl_rejected_rows")
    assert len(kept) == 4
    assert max(kept) < 3000


def test_a_number_that_is_short_to_write_and_long_to_read_is_cut(pipeline: Pipeline, world: World) -> None:
    world.session()
    event = world.event(ANSWER)
    pipeline.source.execute("update session_events set metadata_json = '{\"isCorrect\": 1e131071}'")
    run_all_fact_builds(DAY)
    assert records(pipeline) == of("session_events", (event, "isCorrect"))
    assert pipeline.warehouse.value("select length(payload::text) from etl_rejected_rows") < 3000


# Each value, each key

NO = "can't be read"

# JSON as the source has it; what it is as true or false, as seconds, as a score. As a type: what it is, if a text.
READINGS: list[tuple[str, Any, Any, Any]] = [
    ("null", None, None, None),
    ("true", True, NO, NO),
    ("false", False, NO, NO),
    ('"true"', True, NO, NO),
    ('"True"', True, NO, NO),
    ('"tRUe"', True, NO, NO),
    ('"FALSE"', False, NO, NO),
    ('"False"', False, NO, NO),
    ('" true"', NO, NO, NO),
    ('"true\\n"', NO, NO, NO),
    ('"\\uff54\\uff52\\uff55\\uff45"', NO, NO, NO),
    ('"t"', NO, NO, NO),
    ('"yes"', NO, NO, NO),
    ('"null"', NO, NO, NO),
    ('""', NO, NO, NO),
    ('" "', NO, NO, NO),
    ("0", NO, 0, "0"),
    ("-0", NO, 0, "0"),
    ("1", NO, 1, "1"),
    ("-1", NO, NO, NO),
    ("-1e-300", NO, NO, NO),
    ("0.5", NO, 0, "0.5"),
    ("59.999", NO, 59, "59.999"),
    ("99.99994", NO, 99, "99.9999"),
    ("99.99995", NO, 99, "100"),
    ("100", NO, 100, "100"),
    ("100.00001", NO, 100, NO),
    ("1e2", NO, 100, "100"),
    ("1E+3", NO, 1000, NO),
    ("1e-300", NO, 0, "0"),
    ("2147483647", NO, 2147483647, NO),
    ("2147483647.1", NO, NO, NO),
    ("2147483648", NO, NO, NO),
    ("1e300", NO, NO, NO),
    ("1e999", NO, NO, NO),
    ("1e-999", NO, 0, "0"),
    ("9" * 5000, NO, NO, NO),
    ("7." + "0" * 5000 + "1", NO, 7, "7"),
    ('"0"', NO, 0, "0"),
    ('"-0"', NO, 0, "0"),
    ('"42"', NO, 42, "42"),
    ('"-5"', NO, NO, NO),
    ('"+1"', NO, 1, "1"),
    ('".5"', NO, 0, "0.5"),
    ('"5."', NO, 5, "5"),
    ('"0042"', NO, 42, "42"),
    ('"1e1"', NO, 10, "10"),
    ('"1E+1"', NO, 10, "10"),
    ('"15e-1"', NO, 1, "1.5"),
    ('"1e5"', NO, 100000, NO),
    ('"1e01"', NO, 10, "10"),
    ('"1e999"', NO, NO, NO),
    ('"1e-999"', NO, 0, "0"),
    ('"-1e-999"', NO, NO, NO),
    ('"' + "9" * 900 + '"', NO, NO, NO),
    ('"' + "0" * 900 + '7"', NO, 7, "7"),
    ('"1_000"', NO, NO, NO),
    ('"1,000"', NO, NO, NO),
    ('"1,5"', NO, NO, NO),
    ('" 1"', NO, NO, NO),
    ('"1 "', NO, NO, NO),
    ('"1\\n"', NO, NO, NO),
    ('"1 2"', NO, NO, NO),
    ('"0x10"', NO, NO, NO),
    ('"0b1"', NO, NO, NO),
    ('"1e"', NO, NO, NO),
    ('"e1"', NO, NO, NO),
    ('"1e1.5"', NO, NO, NO),
    ('"."', NO, NO, NO),
    ('"-"', NO, NO, NO),
    ('"+-1"', NO, NO, NO),
    ('"1.2.3"', NO, NO, NO),
    ('"NaN"', NO, NO, NO),
    ('"nan"', NO, NO, NO),
    ('"Infinity"', NO, NO, NO),
    ('"-inf"', NO, NO, NO),
    ('"٣"', NO, NO, NO),
    ('"\\uff11"', NO, NO, NO),
    ('"½"', NO, NO, NO),
    ('"\\u22121"', NO, NO, NO),
    ('"soon"', NO, NO, NO),
    ('"n/a"', NO, NO, NO),
    ('"\\u0001"', NO, NO, NO),
    ('"1\\u0001"', NO, NO, NO),
    ('"\\ud83d\\ude00"', NO, NO, NO),
    ('"École 学校"', NO, NO, NO),
    ('"' + "x" * 100 + '"', NO, NO, NO),
    ('"' + "😀" * 100 + '"', NO, NO, NO),
    ('"' + "x" * 101 + '"', NO, NO, NO),
    ('"' + "😀" * 101 + '"', NO, NO, NO),
    ("[]", NO, NO, NO),
    ("[1]", NO, NO, NO),
    ("[true]", NO, NO, NO),
    ("[null]", NO, NO, NO),
    ("{}", NO, NO, NO),
    ('{"isCorrect": true}', NO, NO, NO),
]


def as_type(text: str) -> Any:
    """What a value is as an interventionType."""
    value = json.loads(text, parse_int=Decimal)
    return None if value is None else value if isinstance(value, str) and len(value) <= 100 else NO


def test_each_value_of_each_key_of_a_focus_event_is_read_or_recorded_or_nothing(
    pipeline: Pipeline, world: World
) -> None:
    readers: dict[str, Callable[[str, Any, Any, Any], Any]] = {
        "interventionCompleted": lambda text, boolean, seconds, score: boolean,
        "durationSeconds": lambda text, boolean, seconds, score: seconds,
        "focusScore": lambda text, boolean, seconds, score: score if score in (NO, None) else Decimal(score),
        "interventionType": lambda text, boolean, seconds, score: as_type(text),
    }
    world.session()
    expected = {
        (world.event("FOCUS_LOSS_DETECTED", metadata=raw(f'{{"{field}": {reading[0]}}}')), field): read(*reading)
        for field, read in readers.items()
        for reading in READINGS
    }
    succeeded(job_build_fact_focus_events(DAY))
    found = {
        (row["event_id"], field): row[column]
        for row in pipeline.warehouse.rows("select * from fact_focus_events")
        for field, column in {
            "interventionCompleted": "intervention_completed",
            "durationSeconds": "duration_seconds",
            "focusScore": "focus_score",
            "interventionType": "intervention_type",
        }.items()
        if (row["event_id"], field) in expected
    }
    assert found == {key: None if value == NO else value for key, value in expected.items()}
    assert records(pipeline) == of("session_events", *(key for key, value in expected.items() if value == NO))


def test_each_value_of_a_response_is_counted_as_right_or_wrong_or_recorded_or_nothing(
    pipeline: Pipeline, world: World
) -> None:
    expected, unreadable = {}, []
    for number, (text, is_correct, *_) in enumerate(READINGS):
        world.session(f"session {number}")
        id = world.event(ANSWER, session=f"session {number}", metadata=raw(f'{{"isCorrect": {text}}}'))
        expected[uid(f"session {number}")] = (int(is_correct is True), int(is_correct is False))
        unreadable += [(id, "isCorrect")] * (is_correct == NO)
    succeeded(job_build_fact_sessions(DAY))
    found = pipeline.warehouse.rows("select session_id, correct_responses, incorrect_responses from fact_sessions")
    assert {id: counts for id, *counts in map(dict.values, found)} == {id: [*c] for id, c in expected.items()}
    assert records(pipeline) == of("session_events", *unreadable)


@pytest.mark.parametrize("metadata", [None, Json(None), {}, {"other": "soon"}, {"isCorrect": None, "focusScore": None}])
def test_what_is_missing_or_null_leaves_no_record(pipeline: Pipeline, world: World, metadata: Any) -> None:
    world.session()
    for kind in (*FOCUS_TYPES, *OTHER_TYPES, ANSWER):
        world.event(kind, metadata=metadata)
    assert succeeded(*run_all_fact_builds(DAY)) == 0
    assert records(pipeline) == []
    assert pipeline.warehouse.value("select count(*) from fact_focus_events") == len(FOCUS_TYPES)


# Fields that are no metadata


def test_a_negative_duration_is_none_and_recorded(pipeline: Pipeline, world: World) -> None:
    for name, duration_ms in {"lowest": -(2**31), "less": -1, "none": 0, "unknown": None, "more": 1000}.items():
        world.session(name, duration_ms=duration_ms)
    assert succeeded(job_build_fact_sessions(DAY)) == 2
    assert records(pipeline) == of("sessions", (uid("less"), "duration_ms"), (uid("lowest"), "duration_ms"))
    assert pipeline.warehouse.column("select duration_seconds from fact_sessions order by 1") == [0, 0, 0, 0, 1]


def test_an_infinite_end_of_a_session_is_none_and_recorded(pipeline: Pipeline, world: World) -> None:
    world.session("for ever", ended_at="infinity", duration_ms=-1)
    world.session("never", ended_at="-infinity")
    world.session("open", ended_at=None)
    assert succeeded(job_build_fact_sessions(DAY)) == 3
    assert records(pipeline) == of(
        "sessions", (uid("for ever"), "ended_at"), (uid("for ever"), "duration_ms"), (uid("never"), "ended_at")
    )
    assert pipeline.warehouse.column("select ended_at from fact_sessions") == [None] * 3


def test_an_infinite_end_of_homework_is_none_and_recorded_where_it_would_count(
    pipeline: Pipeline, world: World
) -> None:
    world.submission("done", status="COMPLETED", updated_at="infinity")
    world.submission("long done", status="COMPLETED", updated_at="-infinity")
    world.submission("not done", status="PARSED", updated_at="infinity")
    assert succeeded(job_build_fact_homework_events(DAY)) == 2
    assert records(pipeline) == of(
        "homework_submissions", (uid("done"), "updated_at"), (uid("long done"), "updated_at")
    )
    assert pipeline.warehouse.column("select completed_at from fact_homework_events") == [None] * 3


def test_a_response_time_that_can_not_be_is_none_and_recorded(pipeline: Pipeline, world: World) -> None:
    created, second = at("11:00"), timedelta(seconds=1)
    longest = (2**31 - 1) * second
    answers = {
        "not at all": None,
        "at once": created,
        "as late as can be": created + longest + timedelta(microseconds=999_999),
        "too late": created + longest + second,
        "before": created - timedelta(microseconds=1),
        "never": "infinity",
        "ever": "-infinity",
    }
    for name, responded_at in answers.items():
        world.recommendation(name, created_at=created, responded_at=responded_at)
    assert succeeded(job_build_fact_recommendation_events(DAY)) == 4
    bad = ("too late", "before", "never", "ever")
    assert records(pipeline) == of("recommendations", *((uid(name), "responded_at") for name in bad))
    times = pipeline.warehouse.rows("select recommendation_id, response_time_seconds from fact_recommendation_events")
    assert {row["recommendation_id"]: row["response_time_seconds"] for row in times} == {
        uid(name): {"at once": 0, "as late as can be": 2**31 - 1}.get(name) for name in answers
    }


LEVELS = {"-0.0001": NO, "1.0001": NO, "1e300": NO, "NaN": NO, "Infinity": NO, "-Infinity": NO, "0": 0, "1": 1}


def test_a_level_outside_0_to_1_is_unknown_and_recorded(pipeline: Pipeline, world: World) -> None:
    for level in LEVELS:
        world.skill(level)
        world.skill_state(level, level)
    world.skill("not tried")
    world.skill_state("not tried", None)
    bad = [level for level, read in LEVELS.items() if read == NO]
    assert succeeded(job_build_fact_learning_progress(DAY)) == len(bad)
    assert records(pipeline) == of("learner_skill_states", *((uid(f"anna {level}"), "mastery_level") for level in bad))
    known = "select mastered_skills, not_started_skills, average_mastery from fact_learning_progress"
    assert tuple(pipeline.warehouse.row(known).values()) == (1, len(bad) + 2, Decimal("0.5"))
    kept = pipeline.warehouse.column("select payload ->> 'mastery_level' from etl_rejected_rows")
    assert {Decimal(text) for text in kept if text != "NaN"} == {Decimal(level) for level in bad if level != "NaN"}
    assert "NaN" in kept


@pytest.mark.parametrize("time", ["infinity", "-infinity"])
def test_infinite_times_of_dimensions_and_states_are_recorded_each_by_its_field(
    pipeline: Pipeline, world: World, time: str
) -> None:
    never = {"created_at": time, "updated_at": time}
    world.tenant("club", **never)
    world.tenant("closed club", deleted_at=time)
    world.learner("ben", **never, deleted_at=time)
    world.user("parent", created_at=time, deleted_at=time)
    world.skill("juggling", deleted_at=time)
    world.skill_state("juggling", 0.5, updated_at=time)
    assert succeeded(*aivo_luigi.run_all_dimension_syncs(DAY), *run_all_fact_builds(DAY)) == 10
    assert records(pipeline, "source_table = 'tenants'") == of(
        "tenants", (uid("club"), "created_at"), (uid("club"), "updated_at"), (uid("closed club"), "deleted_at")
    )
    assert records(pipeline, "source_table = 'learners'") == of(
        "learners", *((uid("ben"), field) for field in ("created_at", "updated_at", "deleted_at"))
    )
    assert records(pipeline, "source_table = 'users'") == of(
        "users", (uid("parent"), "created_at"), (uid("parent"), "deleted_at")
    )
    assert records(pipeline, "source_table = 'skills'") == of("skills", (uid("juggling"), "deleted_at"))
    deletions = pipeline.warehouse.column("select payload from etl_rejected_rows where field = 'deleted_at'")
    assert deletions == [{"deleted_at": time}] * 4
    assert records(pipeline, "source_table = 'learner_skill_states'") == of(
        "learner_skill_states", (uid("anna juggling"), "updated_at")
    )


# Rows that can't be loaded at all

# The table, its job, the columns that every row must have (as the job calls them), the builder of a row.
WHOLE: dict[str, tuple[str, dict[str, str], Callable[..., UUID | None]]] = {
    "tenants": ("job_sync_dim_tenant", {"id": "tenant_id"}, lambda w, name, **columns: w.tenant(name, **columns)),
    "learners": (
        "job_sync_dim_learner",
        {"id": "learner_id", "tenant_id": "tenant_id"},
        lambda w, name, **columns: w.learner(name, **columns),
    ),
    "users": (
        "job_sync_dim_user",
        {"id": "user_id", "tenant_id": "tenant_id"},
        lambda w, name, **columns: w.user(name, **columns),
    ),
    "skills": ("job_sync_dim_skill", {"id": "skill_id"}, lambda w, name, **columns: w.skill(name, **columns)),
    "sessions": (
        "job_build_fact_sessions",
        {"id": "session_id", "tenant_id": "tenant_id", "learner_id": "learner_id"},
        lambda w, name, **columns: w.session(name, **columns),
    ),
    "session_events": (
        "job_build_fact_focus_events",
        {"id": "event_id", "session_id": "session_id", "tenant_id": "tenant_id", "learner_id": "learner_id"},
        lambda w, name, **columns: w.event("FOCUS_LOSS_DETECTED", name, **columns),
    ),
    "homework_submissions": (
        "job_build_fact_homework_events",
        {"id": "submission_id", "tenant_id": "tenant_id", "learner_id": "learner_id"},
        lambda w, name, **columns: w.submission(name, **columns),
    ),
    "learner_skill_states": (
        "job_build_fact_learning_progress",
        {"id": "state_id", "tenant_id": "tenant_id", "learner_id": "learner_id", "skill_id": "skill_id"},
        lambda w, name, **columns: w.skill_state(name, 0.5, **columns),
    ),
    "recommendations": (
        "job_build_fact_recommendation_events",
        {"id": "recommendation_id", "tenant_id": "tenant_id", "learner_id": "learner_id"},
        lambda w, name, **columns: w.recommendation(name, **columns),
    ),
}


def allow_nulls(pipeline: Pipeline, table: str, columns: Any) -> None:
    """The table of the test's source takes rows without these columns."""
    pipeline.source.execute(f"alter table {table} drop constraint {table}_pkey")
    for column in columns:
        pipeline.source.execute(f"alter table {table} alter {column} drop not null")


@pytest.mark.parametrize("table", WHOLE)
def test_a_row_without_what_each_must_have_is_recorded_whole_and_the_others_are_loaded(
    pipeline: Pipeline, world: World, etl_option: Callable[[str, str], None], table: str
) -> None:
    etl_option("max_reject_share", "1")
    job, columns, make = WHOLE[table]
    allow_nulls(pipeline, table, columns)
    make(world, "good")
    expected = []
    for column, called in columns.items():
        id = make(world, f"without {column}", **{column: None})
        expected.append((str(id) if id else None, f"no {called}"))
    make(world, "without anything", **dict.fromkeys(columns))
    expected.append((None, f"no {next(iter(columns.values()))}"))

    result = getattr(aivo_luigi, job)(DAY)
    assert succeeded(result) == len(expected)
    assert result.rows_inserted == 1 + (table in ("tenants", "learners"))  # school and anna are there too
    found = pipeline.warehouse.rows("select source_id, reason, field, payload, source_table from etl_rejected_rows")
    assert sorted((row["source_id"] or "", row["reason"]) for row in found) == sorted(
        (id or "", reason) for id, reason in expected
    )
    assert {(row["source_table"], row["field"]) for row in found} == {(table, None)}
    assert all(set(columns.values()) < set(row["payload"]) for row in found), "the payload is the whole row"


def test_too_many_rows_that_cannot_be_loaded_fail_the_job_which_names_some_and_writes_nothing(
    pipeline: Pipeline, world: World
) -> None:
    allow_nulls(pipeline, "sessions", ["learner_id"])
    sessions = [world.session(f"session {number}") for number in range(40)]
    for id in sessions[:2]:
        pipeline.source.update("sessions", id, learner_id=None)
    assert succeeded(job_build_fact_sessions(DAY)) == 2  # exactly the share
    before = content(pipeline.warehouse), records(pipeline)
    for id in sessions[2:7]:
        pipeline.source.update("sessions", id, learner_id=None)
    failed = job_build_fact_sessions(DAY, force=True)
    assert failed.status == "FAILED"
    assert "can't load 7 of 40 rows" in (failed.error_message or "")
    assert "--etl-max-reject-share" in (failed.error_message or "")
    assert sum(str(id) in (failed.error_message or "") for id in sessions[:7]) == 3
    assert (content(pipeline.warehouse), records(pipeline)) == before


@pytest.mark.parametrize("whole", [True, False], ids=["all are read", "what changed is read"])
def test_the_share_of_skill_states_is_of_all_that_there_are(
    pipeline: Pipeline, world: World, etl_option: Callable[[str, str], None], whole: bool
) -> None:
    for number in range(40):
        world.skill_state(f"skill {number}", 0.5, updated_at=CREATED)
    allow_nulls(pipeline, "learner_skill_states", ["tenant_id"])
    assert succeeded(job_build_fact_learning_progress(DAY)) == 0
    etl_option("reconcile_days", "0" if whole else "7")
    for number in range(3):
        pipeline.source.update("learner_skill_states", uid(f"anna skill {number}"), tenant_id=None)
    failed = job_build_fact_learning_progress(DAY, force=True)
    assert "can't load 3 of 4" in (failed.error_message or ""), failed
    etl_option("max_reject_share", "0.08")
    assert succeeded(job_build_fact_learning_progress(DAY, force=True)) == 3


def test_a_member_that_cannot_be_loaded_any_more_is_not_taken_for_gone(
    pipeline: Pipeline, world: World, etl_option: Callable[[str, str], None]
) -> None:
    etl_option("max_reject_share", "1")
    world.user()
    aivo_luigi.run_all_dimension_syncs(DAY)
    before = content(pipeline.warehouse)
    for table, id in (("learners", uid("anna")), ("users", uid("teacher"))):
        allow_nulls(pipeline, table, ["tenant_id"])
        pipeline.source.update(table, id, tenant_id=None)
    for job in (job_sync_dim_learner, job_sync_dim_user):
        result = job(DAY, force=True)
        assert (result.status, result.rows_deleted, result.rows_rejected) == ("SUCCESS", 0, 1)
    assert content(pipeline.warehouse) == before
    for table, id in (("learners", uid("anna")), ("users", uid("teacher"))):
        pipeline.source.update(table, id, tenant_id=uid("school"))
    assert succeeded(*aivo_luigi.run_all_dimension_syncs(DAY, force=True)) == 0
    assert content(pipeline.warehouse) == before


def test_a_skill_state_that_cannot_be_loaded_any_more_is_not_taken_for_gone(
    pipeline: Pipeline, world: World, etl_option: Callable[[str, str], None]
) -> None:
    etl_option("max_reject_share", "1")
    world.skill_state("adding", 0.5)
    world.skill_state("reading", 0.5)
    assert succeeded(job_build_fact_learning_progress(DAY)) == 0
    allow_nulls(pipeline, "learner_skill_states", ["tenant_id"])
    pipeline.source.update("learner_skill_states", uid("anna adding"), tenant_id=None)
    assert succeeded(job_build_fact_learning_progress(DAY, force=True)) == 1
    assert pipeline.warehouse.column("select is_gone from learner_skill_history") == [False, False]


# The records


def test_the_number_of_records_is_in_the_result_and_in_the_run(pipeline: Pipeline, world: World) -> None:
    world.session(duration_ms=-1, ended_at="infinity")
    world.event(ANSWER, metadata={"isCorrect": 1})
    result = job_build_fact_sessions(DAY)
    run = pipeline.warehouse.row("select * from etl_job_runs where job_name = 'build_fact_sessions'")
    assert result.rows_rejected == run["rows_rejected"] == len(records(pipeline)) == 3
    assert pipeline.warehouse.column("select distinct run_id from etl_rejected_rows") == [run["id"]]
    assert pipeline.warehouse.column("select distinct target_date from etl_rejected_rows") == [DAY]


def test_a_day_built_again_replaces_its_own_records_and_no_others(pipeline: Pipeline, world: World) -> None:
    world.session("today", duration_ms=-1)
    world.event("FOCUS_LOSS_DETECTED", "loss", session="today", metadata=[])
    world.session("tomorrow", started_at=at("2025-01-16 10:00"), duration_ms=-1)
    for day in (DAY, NEXT_DAY):
        run_all_fact_builds(day)
    others = "job_name <> 'build_fact_sessions' or target_date <> '2025-01-15'"
    kept = pipeline.warehouse.rows(f"select * from etl_rejected_rows where {others} order by source_id")
    assert len(kept) == 2
    again = job_build_fact_sessions(DAY, force=True)
    assert again.rows_rejected == 1
    assert len(records(pipeline)) == 3
    assert pipeline.warehouse.rows(f"select * from etl_rejected_rows where {others} order by source_id") == kept
    pipeline.source.update("sessions", uid("today"), duration_ms=1)
    assert job_build_fact_sessions(DAY, force=True).rows_rejected == 0
    assert pipeline.warehouse.rows("select * from etl_rejected_rows order by source_id") == kept


def test_a_build_that_fails_leaves_the_records_of_the_last_one(pipeline: Pipeline, world: World) -> None:
    id = world.session(duration_ms=-1)
    job_build_fact_sessions(DAY)
    before = records(pipeline)
    pipeline.source.delete("sessions", id)
    assert job_build_fact_sessions(DAY, force=True).status == "FAILED"
    assert records(pipeline) == before != []


def test_nothing_of_what_was_read_is_in_the_log_or_in_the_run(pipeline: Pipeline, world: World) -> None:
    secret = "Anna Learner"
    allow_nulls(pipeline, "recommendations", ["learner_id"])
    world.session(duration_ms=-77777)
    world.event(ANSWER, metadata={"isCorrect": secret})
    world.event(ANSWER, metadata=secret)
    world.event("FOCUS_LOSS_DETECTED", metadata={"focusScore": secret, "durationSeconds": -77777})
    world.recommendation(learner_id=None, recommendation_type=secret)
    done = pipeline.luigi("BuildFacts", "--date", DAY, env={"ETL_DEBUG": "true"})
    assert done.returncode == 30
    assert "can't load 1 of 1 rows" in done.stderr
    assert len(records(pipeline)) == 5
    told = done.stdout + done.stderr + str(pipeline.warehouse.rows("select error_message from etl_job_runs"))
    assert "Anna" not in told
    assert "77777" not in told
