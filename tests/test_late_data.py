"""Late data: whatever the source changes after a day was built, the day is built again, and no other day is.

AIVO_TEST_SEED says what the source of the long test does (default 1), AIVO_TEST_DAYS for how many days (4).
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from support.clock import Clock, with_clock
from support.database import Database
from support.databases import Databases
from support.luigid import Luigid
from support.members import written
from support.pipeline import Pipeline
from support.prepared import prepared
from support.runs import FACTS, content
from support.world import CREATED, DAY, DAY_BEFORE, NEXT_DAY, World, at, uid

import aivo_luigi
from aivo_luigi import RebuildLateDays, RunAll
from aivo_luigi.jobs.completeness import forget_answers

SEED = int(os.environ.get("AIVO_TEST_SEED") or 1)
DAYS = int(os.environ.get("AIVO_TEST_DAYS") or 4)

SESSIONS, FOCUS, HOMEWORK, PROGRESS, RECOMMENDATIONS = FACTS
THREE_DAYS = (DAY_BEFORE, DAY, NEXT_DAY)

Late = list[tuple[str, date]]
Change = Callable[[Pipeline, World], object]


# Three days that were built, each in the night after it


def _fill(world: World) -> None:
    """On each day a lesson of anna's with three focus events and two answers, two homeworks, two pieces of advice."""
    world.tenant()
    world.learner("anna")
    world.learner("ben")
    world.user()
    for skill in ("adding", "dividing"):
        world.skill(skill)
    for day in THREE_DAYS:
        time = at(f"{day} 10:00")
        world.session(f"lesson {day}", started_at=time)
        world.session(f"practice {day}", started_at=time, session_type="PRACTICE", learner="ben")
        for number in range(3):
            name = f"break {number} {day}"
            world.event(
                "FOCUS_BREAK_STARTED", name, session=f"lesson {day}", event_time=time, metadata={"focusScore": 50}
            )
        for number in range(2):
            world.event("ACTIVITY_COMPLETED", f"done {number} {day}", session=f"lesson {day}", event_time=time)
            world.submission(f"essay {number} {day}", session=f"lesson {day}", created_at=time, step_count=2)
            world.step(f"essay {number} {day}", f"step {number} {day}")
            world.recommendation(f"advice {number} {day}", created_at=time)
    world.recommendation("advice for a lost skill", skill="a lost skill", created_at=at("11:00"))
    world.skill_state("adding", 0.5, updated_at=at("2025-01-14 09:00"))
    world.skill_state("a lost skill", 0.9, updated_at=at("2025-01-15 09:00"))
    world.skill_state("adding", 0.5, updated_at=at("2025-01-14 09:00"), learner="ben")


def _build(source: Database, warehouse: Database) -> None:
    clock = Clock(source, warehouse)
    for day in THREE_DAYS:
        clock.set(at(f"{day} 00:05") + timedelta(days=1))
        run_all(day)


@pytest.fixture
def pipeline(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    """The three days are built, and the clock stands in the night after them."""
    yield from prepared(databases, "three_days", tmp_path, monkeypatch, lambda s: _fill(World(s)), _build, with_clock)


@pytest.fixture
def clock(pipeline: Pipeline) -> Clock:
    return Clock(pipeline.source, pipeline.warehouse)


def run_all(day: date) -> None:
    """Dimensions, if need be, and facts of a day."""
    results = aivo_luigi.run_all_dimension_syncs(day) + aivo_luigi.run_all_fact_builds(day)
    assert [result.error_message for result in results if result.status == "FAILED"] == []


def sync_again() -> None:
    """The dimensions as they are now."""
    results = aivo_luigi.run_all_dimension_syncs(NEXT_DAY, force=True)
    assert {result.status for result in results} == {"SUCCESS"}


def builds(pipeline: Pipeline) -> list[tuple[str, date]]:
    """The (job, day) of each build that succeeded, in their order."""
    rows = pipeline.warehouse.rows(
        "select job_name, target_date from etl_job_runs where status = 'SUCCESS' and job_name like 'build%%'"
        " order by xmin::text::bigint",
        _=None,
    )
    return [(row["job_name"], row["target_date"]) for row in rows]


def rebuild(pipeline: Pipeline, day: date = NEXT_DAY, **parameters: Any) -> Late:
    """Runs RebuildLateDays, which must succeed; what it built again, sorted."""
    forget_answers()
    before = len(builds(pipeline))
    assert pipeline.run(RebuildLateDays, date=day, **parameters).scheduling_succeeded
    return sorted(builds(pipeline)[before:])


def everything(pipeline: Pipeline) -> dict[str, Any]:
    """What the warehouse holds, the runs' own numbers and clocks aside."""
    history = "select * from learner_skill_history order by learner_id, skill_id, held_from"
    return content(pipeline.warehouse) | {"history": pipeline.warehouse.rows(history)}


def built_from_scratch(pipeline: Pipeline, dice: random.Random, days: list[date]) -> dict[str, Any]:
    """What the facts hold when all those of the days are taken away and built again, in any order."""
    keys = [int(f"{day:%Y%m%d}") for day in days]
    for fact in ("sessions", "focus_events", "homework_events", "learning_progress", "recommendation_events"):
        pipeline.warehouse.execute(f"delete from fact_{fact} where date_key = any(%(keys)s)", keys=keys)
    dice.shuffle(days)
    for day in days:
        assert {result.status for result in aivo_luigi.run_all_fact_builds(day, force=True)} == {"SUCCESS"}
    return content(pipeline.warehouse)


def on(*days: date, jobs: tuple[str, ...]) -> Late:
    return [(job, day) for job in jobs for day in days]


# What comes late, and what it makes late

LESSON = uid("lesson 2025-01-15")


def _closes(pipeline: Pipeline, world: World) -> None:
    pipeline.source.update("sessions", LESSON, duration_ms=2_400_000, ended_at=at("10:40"))


def _arrives(pipeline: Pipeline, world: World) -> None:
    world.session("forgotten", started_at=at("11:00"), created_at=at("2025-01-16 20:00"))


def _moves(pipeline: Pipeline, world: World) -> None:
    pipeline.source.update("sessions", LESSON, started_at=at("2025-01-16 08:00"))


def _leaves(pipeline: Pipeline, world: World) -> None:
    pipeline.source.update("sessions", LESSON, started_at=at("2024-12-24 08:00"))


def _deleted(table: str, name: str) -> Change:
    return lambda pipeline, world: pipeline.source.delete(table, uid(name))


def _updated(table: str, name: str, **columns: Any) -> Change:
    return lambda pipeline, world: pipeline.source.update(table, uid(name), **columns)


def _learner_changed(pipeline: Pipeline, world: World) -> None:
    """At noon on DAY, which is known only now: what anna did at ten still joins the version before."""
    pipeline.source.update("learners", uid("anna"), grade_level=9, updated_at=at("12:00"))
    sync_again()


def _tenant_changed(pipeline: Pipeline, world: World) -> None:
    pipeline.source.update("tenants", uid("school"), name="Elm", updated_at=at("2025-01-16 00:00"))
    sync_again()


def _skill_known(pipeline: Pipeline, world: World) -> None:
    world.skill("a lost skill", subject="ELA")
    sync_again()


def _state_changed(pipeline: Pipeline, world: World) -> None:
    state = uid("anna adding")
    pipeline.source.update("learner_skill_states", state, mastery_level=0.9, updated_at=at("2025-01-16 22:00"))


def _new_state(pipeline: Pipeline, world: World) -> None:
    world.skill_state("dividing", 0.9, updated_at=at("20:00"))


CASES: dict[str, tuple[Change, Late]] = {
    "an open session closes": (_closes, on(DAY, jobs=(SESSIONS, PROGRESS))),
    "a session is of another kind": (
        _updated("sessions", "lesson 2025-01-15", session_type="SEL"),
        on(DAY, jobs=(SESSIONS, PROGRESS)),
    ),
    "a session arrives a day late": (_arrives, on(DAY, jobs=(SESSIONS, PROGRESS))),
    "a session moves to another day": (
        _moves,
        on(DAY, NEXT_DAY, jobs=(SESSIONS, PROGRESS)) + on(DAY, jobs=(FOCUS, HOMEWORK)),
    ),
    "a session leaves the days that were built": (_leaves, on(DAY, jobs=(SESSIONS, PROGRESS, FOCUS, HOMEWORK))),
    "a session is deleted": (
        _deleted("sessions", "lesson 2025-01-15"),
        on(DAY, jobs=(SESSIONS, PROGRESS, FOCUS, HOMEWORK)),
    ),
    "an event is added after midnight": (
        lambda pipeline, world: world.event(
            "ACTIVITY_STARTED", session="lesson 2025-01-15", event_time=at("2025-01-16 00:10")
        ),
        on(DAY, jobs=(SESSIONS,)),
    ),
    "a focus event is added after midnight": (
        lambda pipeline, world: world.event(
            "FOCUS_BREAK_STARTED", session="lesson 2025-01-15", event_time=at("2025-01-16 00:10")
        ),
        on(DAY, jobs=(SESSIONS,)) + on(NEXT_DAY, jobs=(FOCUS,)),
    ),
    "a focus event is deleted": (
        _deleted("session_events", "break 0 2025-01-15"),
        on(DAY, jobs=(SESSIONS, FOCUS)),
    ),
    "metadata changes": (
        _updated("session_events", "break 0 2025-01-15", metadata_json={"focusScore": 51}),
        on(DAY, jobs=(FOCUS,)),
    ),
    "homework is finished next day": (
        _updated(
            "homework_submissions",
            "essay 0 2025-01-15",
            status="COMPLETED",
            steps_completed=2,
            updated_at=datetime(2025, 1, 16, 18),
        ),
        on(DAY, jobs=(HOMEWORK,)),
    ),
    "a hint is revealed next day": (
        _updated("homework_steps", "step 0 2025-01-15", hint_revealed=True),
        on(DAY, jobs=(HOMEWORK,)),
    ),
    "a step is answered next day": (
        lambda pipeline, world: world.response(uid("step 0 2025-01-15"), created_at=datetime(2025, 1, 16, 18)),
        on(DAY, jobs=(HOMEWORK,)),
    ),
    "a recommendation is answered": (
        _updated("recommendations", "advice 0 2025-01-15", was_accepted=True, responded_at=at("2025-01-16 18:00")),
        on(DAY, jobs=(RECOMMENDATIONS,)),
    ),
    "a recommendation is declined, nobody says when": (
        _updated("recommendations", "advice 0 2025-01-15", was_declined=True),
        on(DAY, jobs=(RECOMMENDATIONS,)),
    ),
    "a recommendation is deleted": (
        _deleted("recommendations", "advice 0 2025-01-15"),
        on(DAY, jobs=(RECOMMENDATIONS,)),
    ),
    "a learner's change is known late": (
        _learner_changed,
        on(NEXT_DAY, jobs=(SESSIONS, FOCUS, HOMEWORK, RECOMMENDATIONS))
        + on(DAY, NEXT_DAY, jobs=(PROGRESS,))
        + on(DAY, jobs=()),
    ),
    "a tenant's change is known late": (_tenant_changed, on(NEXT_DAY, jobs=tuple(FACTS))),
    "a skill gets its subject": (_skill_known, on(DAY, NEXT_DAY, jobs=(PROGRESS,))),
    "a skill state was committed late": (_state_changed, on(NEXT_DAY, jobs=(PROGRESS,))),
    "a new skill state was committed late": (_new_state, on(DAY, NEXT_DAY, jobs=(PROGRESS,))),
    "nothing": (lambda pipeline, world: None, []),
    "only when it was changed": (_updated("sessions", "lesson 2025-01-15", updated_at=at("2025-01-16 23:00")), []),
    "only when it was changed, in the future": (
        _updated("sessions", "lesson 2025-01-15", updated_at=at("2026-01-16 23:00")),
        [],
    ),
}


# Those that can follow each other in one source: what the first has changed, makes nothing of the next late.
ONE_AFTER_THE_OTHER = [
    [
        "nothing",
        "only when it was changed",
        "only when it was changed, in the future",
        "an open session closes",
        "a session arrives a day late",
        "a session moves to another day",
    ],
    [
        "an event is added after midnight",
        "metadata changes",
        "a focus event is deleted",
        "a session leaves the days that were built",
    ],
    [
        "homework is finished next day",
        "a hint is revealed next day",
        "a step is answered next day",
        "a recommendation is answered",
        "a recommendation is declined, nobody says when",
        "a recommendation is deleted",
        "a session is deleted",
    ],
    [
        "a skill state was committed late",
        "a new skill state was committed late",
        "a focus event is added after midnight",
        "a skill gets its subject",
        "a learner's change is known late",
        "a tenant's change is known late",
        "a session is of another kind",
    ],
]


def test_each_case_is_tried() -> None:
    assert sorted(case for cases in ONE_AFTER_THE_OTHER for case in cases) == sorted(CASES)


@pytest.mark.parametrize("cases", ONE_AFTER_THE_OTHER, ids=lambda cases: cases[-1])
def test_what_is_late_is_built_again_and_nothing_else(pipeline: Pipeline, world: World, cases: list[str]) -> None:
    """At the end all is as if it were built from scratch.

    The first day is looked at last: were it late after any of them, it would still be.
    """
    for case in cases:
        change, expected = CASES[case]
        change(pipeline, world)
        assert rebuild(pipeline, look_back_days=2) == sorted(expected), case
    assert rebuild(pipeline, DAY_BEFORE, look_back_days=1) == []
    after = content(pipeline.warehouse)
    assert built_from_scratch(pipeline, random.Random(1), list(THREE_DAYS)) == after


def test_a_session_that_moved_is_in_one_day_alone_and_its_links_follow_it(pipeline: Pipeline, world: World) -> None:
    _moves(pipeline, world)
    rebuild(pipeline, look_back_days=2)
    session = "session_id = %(id)s"
    assert pipeline.warehouse.column(f"select date_key from fact_sessions where {session}", id=LESSON) == [20250116]
    key = pipeline.warehouse.value(f"select session_key from fact_sessions where {session}", id=LESSON)
    for fact, rows in (("fact_focus_events", 3), ("fact_homework_events", 2)):
        links = pipeline.warehouse.rows(f"select session_date_key, session_key from {fact} where {session}", id=LESSON)
        assert links == [{"session_date_key": 20250116, "session_key": key}] * rows


def test_a_session_that_arrives_late_is_found_by_the_events_that_came_before_it(
    pipeline: Pipeline, world: World
) -> None:
    world.event("FOCUS_BREAK_STARTED", session="forgotten", event_time=at("11:05"))
    rebuild(pipeline, DAY, look_back_days=1)
    assert pipeline.warehouse.value("select count(*) from fact_focus_events where session_key is null") == 1
    _arrives(pipeline, world)
    assert set(rebuild(pipeline, look_back_days=2)) == set(on(DAY, jobs=(SESSIONS, PROGRESS, FOCUS)))
    assert pipeline.warehouse.value("select count(*) from fact_focus_events where session_key is null") == 0


def test_a_row_changed_in_the_future_makes_no_day_late_for_ever(pipeline: Pipeline, world: World) -> None:
    future = at("2030-01-01 00:00")
    pipeline.source.update("sessions", LESSON, duration_ms=60_000, ended_at=future, updated_at=future)
    pipeline.source.update("homework_submissions", uid("essay 0 2025-01-15"), status="COMPLETED",
                           updated_at=datetime(2030, 1, 1))  # fmt: skip
    pipeline.source.update("recommendations", uid("advice 0 2025-01-15"), was_accepted=True, responded_at=future)
    world.skill_state("dividing", 0.9, updated_at=future)
    late = rebuild(pipeline, look_back_days=2)
    assert late == sorted(on(DAY, jobs=(SESSIONS, HOMEWORK, PROGRESS, RECOMMENDATIONS)))
    assert rebuild(pipeline) == []


def test_where_nothing_is_late_nothing_is_written(pipeline: Pipeline) -> None:
    tables = [
        *content(pipeline.warehouse),
        "etl_job_runs",
        "etl_rejected_rows",
        "learner_skill_history",
        "etl_watermarks",
    ]
    before = {table: written(pipeline, table) for table in tables}
    assert rebuild(pipeline) == []
    assert {table: written(pipeline, table) for table in tables} == before


def test_a_day_that_was_never_built_is_left_to_those_who_build_it(pipeline: Pipeline, world: World) -> None:
    world.session("today", started_at=at("2025-01-17 00:01"))
    world.session("long ago", started_at=at("2025-01-13 10:00"))
    assert rebuild(pipeline, date(2025, 1, 17)) == []


# The look-back


def _late_every_day(pipeline: Pipeline) -> None:
    pipeline.source.execute("update recommendations set was_accepted = true")


@pytest.mark.parametrize(
    ("day", "look_back_days", "late"),
    [
        (NEXT_DAY, 1, [NEXT_DAY]),
        (NEXT_DAY, 2, [DAY, NEXT_DAY]),
        (NEXT_DAY, 3, [DAY_BEFORE, DAY, NEXT_DAY]),
        (DAY, 1, [DAY]),
        (DAY_BEFORE, 30, [DAY_BEFORE]),
    ],
)
def test_the_look_back_is_so_many_days_the_newest_included(
    pipeline: Pipeline, day: date, look_back_days: int, late: list[date]
) -> None:
    _late_every_day(pipeline)
    assert rebuild(pipeline, day, look_back_days=look_back_days) == on(*late, jobs=(RECOMMENDATIONS,))


def test_the_look_back_of_the_configuration_is_the_default(
    pipeline: Pipeline, etl_option: Callable[[str, str], None]
) -> None:
    _late_every_day(pipeline)
    etl_option("look_back_days", "2")
    assert rebuild(pipeline) == on(DAY, NEXT_DAY, jobs=(RECOMMENDATIONS,))
    etl_option("look_back_days", "7")
    assert rebuild(pipeline) == on(DAY_BEFORE, jobs=(RECOMMENDATIONS,))


@pytest.mark.parametrize("number", ["0", "-1", "99999999"])
def test_a_look_back_of_no_days_or_too_many_is_refused(pipeline: Pipeline, number: str) -> None:
    done = pipeline.luigi("RebuildLateDays", "--date", NEXT_DAY, f"--look-back-days={number}")
    assert done.returncode in (30, 35, 40), done.stderr
    assert f"a look-back can't be {number} days: give --look-back-days from 1 to 100000" in done.stderr
    assert "Traceback" not in done.stderr


# What goes wrong


def test_a_day_that_would_become_empty_stops_only_itself(pipeline: Pipeline, world: World) -> None:
    pipeline.source.execute("delete from recommendations where created_at >= '2025-01-16Z'")
    _closes(pipeline, world)
    pipeline.source.update("recommendations", uid("advice 0 2025-01-14"), was_accepted=True)
    before = builds(pipeline)
    done = pipeline.luigi("RebuildLateDays", "--date", NEXT_DAY, "--look-back-days", "7")
    assert done.returncode == 30
    (line,) = {line for line in done.stderr.splitlines() if "--etl-allow-empty-rebuild" in line}
    assert f"{RECOMMENDATIONS} for {NEXT_DAY} would replace 2 rows by none" in line
    late = builds(pipeline)[len(before) :]
    assert sorted(late) == sorted(on(DAY, jobs=(SESSIONS, PROGRESS)) + on(DAY_BEFORE, jobs=(RECOMMENDATIONS,)))
    facts = "select count(*) from fact_recommendation_events where date_key = 20250116"
    assert pipeline.warehouse.value(facts) == 2
    allowed = pipeline.luigi(
        "RebuildLateDays", "--date", NEXT_DAY, "--look-back-days", "1", "--etl-allow-empty-rebuild"
    )
    assert allowed.returncode == 0, allowed.stderr
    assert pipeline.warehouse.value(facts) == 0


NEWEST_ADVICE = uid("advice 0 2025-01-16")

# What the source does to the recommendations of the newest day, and what the run of their build then says.
DAMAGE: dict[str, tuple[str, str]] = {
    "half of its rows can't be loaded": (
        "alter table recommendations alter learner_id drop not null;"
        f" update recommendations set learner_id = null where id = '{NEWEST_ADVICE}'",
        "--etl-max-reject-share",
    ),
    "a value is none": (
        "alter table recommendations alter skill_id type text;"
        f" update recommendations set skill_id = 'none' where id = '{NEWEST_ADVICE}'",
        "SQLSTATE 22P02",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_day_that_cannot_be_compared_stops_only_itself(pipeline: Pipeline, world: World, damage: str) -> None:
    """It is built, and its run says why it can't be."""
    statement, told = DAMAGE[damage]
    pipeline.source.execute(statement)
    pipeline.source.update("recommendations", uid("advice 0 2025-01-14"), was_accepted=True)
    _closes(pipeline, world)
    others_are_built(pipeline, on(DAY, jobs=(SESSIONS, PROGRESS)) + on(DAY_BEFORE, jobs=(RECOMMENDATIONS,)))
    (failed,) = pipeline.warehouse.rows("select * from etl_job_runs where status = 'FAILED'")
    assert (failed["job_name"], failed["target_date"]) == (RECOMMENDATIONS, NEXT_DAY)
    assert told in failed["error_message"]


def test_a_table_that_is_missing_stops_only_those_who_read_it(pipeline: Pipeline, world: World) -> None:
    pipeline.source.execute("drop table homework_step_responses")
    _closes(pipeline, world)
    others_are_built(pipeline, on(DAY, jobs=(SESSIONS, PROGRESS)))
    failed = pipeline.warehouse.rows("select job_name, target_date from etl_job_runs where status = 'FAILED'")
    assert sorted((row["job_name"], row["target_date"]) for row in failed) == on(*THREE_DAYS, jobs=(HOMEWORK,))


def test_a_source_that_has_not_passed_the_newest_day_stops_only_that(pipeline: Pipeline, world: World) -> None:
    Clock(pipeline.source).set(at("2025-01-16 23:00"))
    _late_every_day(pipeline)
    others_are_built(pipeline, on(DAY_BEFORE, DAY, jobs=(RECOMMENDATIONS,)))
    messages = pipeline.warehouse.column("select distinct error_message from etl_job_runs where status = 'FAILED'")
    assert [NEXT_DAY.isoformat() in message for message in messages] == [True] * len(messages) != []


def others_are_built(pipeline: Pipeline, expected: Late) -> None:
    """RebuildLateDays fails, but has built these."""
    before = builds(pipeline)
    forget_answers()
    assert not pipeline.run(RebuildLateDays, date=NEXT_DAY).scheduling_succeeded
    assert sorted(builds(pipeline)[len(before) :]) == sorted(expected)


def test_a_date_in_the_future_is_refused(pipeline: Pipeline) -> None:
    runs = "select count(*) from etl_job_runs"
    before = pipeline.warehouse.value(runs)
    done = pipeline.luigi("RebuildLateDays", "--date", "2025-01-18", "--look-back-days", "7")
    assert done.returncode in (30, 35)
    assert "2025-01-18 lies in the future" in done.stderr
    assert pipeline.warehouse.value(runs) == before


# The command


def test_late_days_are_built_again_by_several_workers_through_luigid(
    pipeline: Pipeline, world: World, luigid: Luigid
) -> None:
    """luigid remembers the task; asked for once more, it looks again."""
    for number in (1, 2):
        pipeline.source.update("sessions", LESSON, duration_ms=number * 60_000)
        pipeline.source.execute(f"update recommendations set recommendation_type = 'NUMBER_{number}'")
        before = builds(pipeline)
        command = ("RebuildLateDays", "--date", NEXT_DAY, "--look-back-days", "2", "--workers", "2")
        done = pipeline.luigi(*command, config=luigid.config)
        assert done.returncode == 0, done.stderr
        late = builds(pipeline)[len(before) :]
        assert sorted(late) == sorted(on(DAY, jobs=(SESSIONS, PROGRESS)) + on(DAY, NEXT_DAY, jobs=(RECOMMENDATIONS,)))


def test_under_a_name_nothing_is_built_twice(pipeline: Pipeline) -> None:
    _late_every_day(pipeline)
    assert len(rebuild(pipeline, look_back_days=2, force="again")) == 2
    pipeline.source.execute("update recommendations set was_accepted = false")
    assert rebuild(pipeline, look_back_days=2, force="again") == []
    assert len(rebuild(pipeline, look_back_days=2)) == 2


# Days on end


LONG = [date(2025, 3, 3) + timedelta(days=number) for number in range(DAYS)]
FOCUS_TYPES = ("FOCUS_LOSS_DETECTED", "FOCUS_BREAK_STARTED", "FOCUS_INTERVENTION_SHOWN", "FOCUS_INTERVENTION_COMPLETED")
OTHER_TYPES = ("ACTIVITY_STARTED", "ACTIVITY_COMPLETED", "ACTIVITY_RESPONSE_SUBMITTED", "HOMEWORK_HINT_REQUESTED")
METADATA = (None, {"isCorrect": True}, {"isCorrect": "maybe"}, {"focusScore": 50.5}, {"durationSeconds": "soon"}, [])


class School:
    """A source that never rests: new rows every day, and changes to the rows of all the days before."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.source, self.dice = world, world.source, random.Random(seed)
        self.made: dict[str, list[UUID]] = {}
        self.tenants = [f"tenant {number}" for number in range(3)]
        self.learners = [f"learner {number}" for number in range(12)]
        self.skills = [f"skill {number}" for number in range(8)]
        for name in self.tenants:
            world.tenant(name)
        for name in self.learners[:-2]:  # two turn up in facts before they are known
            world.learner(name, tenant=self.dice.choice(self.tenants))
        for name in self.skills[:-2]:
            world.skill(name, subject=self.dice.choice(["MATH", "ELA", "SEL"]))

    def moment(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=timezone.utc) + timedelta(
            seconds=self.dice.randrange(86400)
        )

    def keep(self, table: str, id: UUID) -> UUID:
        self.made.setdefault(table, []).append(id)
        return id

    def whose(self) -> dict[str, str]:
        return {"tenant": self.dice.choice(self.tenants), "learner": self.dice.choice(self.learners)}

    def new_rows(self, day: date, number: int, prefix: str) -> None:
        """So many sessions on a day, with what goes with them."""
        dice, world = self.dice, self.world
        for n in range(number):
            name, started, whose = f"{prefix} {day} {n}", self.moment(day), self.whose()
            self.keep("sessions", world.session(
                name, started_at=started, **whose,
                session_type=dice.choice(["LEARNING", "PRACTICE", "HOMEWORK"]),
                ended_at=None, duration_ms=dice.choice([None, 1000, 1_800_000, -1]),
            ))  # fmt: skip
            for kind in (dice.choice(FOCUS_TYPES), dice.choice(OTHER_TYPES)):
                time = started + timedelta(minutes=dice.choice([1, 60, 600]))
                metadata = dice.choice(METADATA)
                self.keep(
                    "session_events", world.event(kind, session=name, event_time=time, metadata=metadata, **whose)
                )
            if n % 2:
                session = dice.choice([name, name, None])
                self.keep("homework_submissions", world.submission(
                    name + " homework", session=session, created_at=self.moment(day), step_count=2, **whose
                ))  # fmt: skip
                self.keep("homework_steps", world.step(name + " homework"))
                skill = dice.choice([*self.skills, None])
                self.keep("recommendations", world.recommendation(
                    name + " advice", skill=skill, created_at=self.moment(day), **whose
                ))  # fmt: skip

    def learn(self, now: datetime, number: int) -> None:
        """Skill states change, some committed late; some are gone, some are back."""
        dice = self.dice
        for _ in range(number):
            learner, skill = dice.choice(self.learners), dice.choice(self.skills)
            id = uid(f"{learner} {skill}")
            self.source.execute("delete from learner_skill_states where id = %(id)s", id=id)
            if dice.random() < 0.85:
                updated_at = now - timedelta(minutes=dice.choice([0, 1, 60, 300, 1200]))
                level = dice.choice([None, 0, 0.3, 0.79, 0.8, 1, "NaN"])
                self.world.skill_state(skill, level, learner=learner, tenant=self.tenants[0], updated_at=updated_at)

    def change(self, now: datetime, days: list[date], number: int) -> None:
        """Rows of all the days change."""
        dice = self.dice
        for _ in range(number):
            table = dice.choice([*self.made])
            id = dice.choice(self.made[table])
            if dice.random() < 0.08 and len(self.made[table]) > 40:
                self.source.delete(table, id)
                self.made[table].remove(id)
                continue
            columns: dict[str, Any] = {
                "sessions": dice.choice([
                    {"duration_ms": dice.randrange(7_200_000), "ended_at": now, "updated_at": now},
                    {"started_at": self.moment(dice.choice([*days, date(2025, 1, 1)])), "updated_at": now},
                    {"learner_id": uid(dice.choice(self.learners))},
                ]),
                "session_events": dice.choice([
                    {"event_time": self.moment(dice.choice(days))},
                    {"metadata_json": {"focusScore": dice.randrange(120), "isCorrect": dice.choice([True, False])}},
                    {"event_type": dice.choice([*FOCUS_TYPES, *OTHER_TYPES])},
                ]),
                "homework_submissions": {"status": "COMPLETED", "steps_completed": dice.randrange(3),
                                         "updated_at": now.replace(tzinfo=None)},
                "homework_steps": {"hint_revealed": dice.choice([True, False])},
                "recommendations": dice.choice([
                    {"was_declined": True},
                    {"was_accepted": True, "responded_at": now},
                    {"skill_id": uid(dice.choice(self.skills))},
                ]),
            }[table]  # fmt: skip
            self.source.update(table, id, **columns)
            if table == "homework_steps":
                self.world.response(id, dice.choice([True, False, None]))

    def move_on(self, now: datetime) -> None:
        """Dimensions change too: some say when, some say it late."""
        dice = self.dice
        updated_at = now - timedelta(hours=dice.choice([0, 1, 30, 60]))
        learner, tenant = uid(dice.choice(self.learners[:-2])), uid(dice.choice(self.tenants))
        self.source.update("learners", learner, grade_level=dice.randrange(12), tenant_id=tenant, updated_at=updated_at)
        if dice.random() < 0.5:
            self.source.update("tenants", tenant, name=f"renamed {dice.randrange(99)}", updated_at=updated_at)
        if dice.random() < 0.5:
            subject = dice.choice(["MATH", "ELA", "SEL"])
            self.source.update("skills", uid(dice.choice(self.skills[:-2])), subject=subject, updated_at=now)

    def make_known(self) -> None:
        """The learners and skills that only facts have named so far."""
        for name in self.learners[-2:]:
            self.world.learner(name, tenant=self.tenants[-1])
        for name in self.skills[-2:]:
            self.world.skill(name)


def test_days_built_while_the_source_went_on_changing_equal_the_days_built_from_scratch(
    pipeline: Pipeline, world: World, clock: Clock
) -> None:
    school = School(world, SEED)
    for number, day in enumerate(LONG):
        midnight = at(f"{day} 00:00") + timedelta(days=1)
        school.new_rows(day, 12, "session")
        school.learn(midnight - timedelta(hours=1), 25)
        clock.set(midnight + timedelta(minutes=5))
        run_all(day)
        if number == DAYS // 2:
            school.make_known()
        clock.set(midnight + timedelta(hours=8))
        school.new_rows(school.dice.choice(LONG[: number + 1]), 2, f"late {number}")
        school.change(midnight + timedelta(hours=8), LONG[: number + 1], 25)
        school.learn(midnight + timedelta(hours=7), 10)
        school.move_on(midnight + timedelta(hours=6))
    last = LONG[-1]
    sync = aivo_luigi.run_all_dimension_syncs(last, force=True)
    assert {result.status for result in sync} == {"SUCCESS"}

    late = rebuild(pipeline, last, look_back_days=DAYS)
    assert {name for name, _ in late} == set(FACTS), "there must be something late of every kind"
    assert len({day for _, day in late}) == DAYS
    assert rebuild(pipeline, last, look_back_days=DAYS) == []
    after = content(pipeline.warehouse)
    assert built_from_scratch(pipeline, school.dice, [*LONG]) == after
    progress = [row for row in after["fact_learning_progress"] if '"is_exact": true' in row]
    assert any('"skills_gained_today": 0' not in row for row in progress)


# Accidents


def _many(world: World) -> None:
    """So many members of each dimension, and skill states, that their end would be the end of the world."""
    for number in range(42):
        world.tenant(f"tenant {number}")
        world.learner(f"learner {number}", tenant=f"tenant {number}")
        world.user(f"user {number}", tenant=f"tenant {number}")
        world.skill(f"skill {number}")
        world.skill_state(f"skill {number}", 0.5, updated_at=CREATED)


ACCIDENTS = {
    "all is gone": "truncate tenants, learners, users, skills, sessions, session_events, homework_submissions,"
    " homework_steps, homework_step_responses, learner_skill_states, recommendations",
    "half of the learners are gone": "delete from learners where id in (select id from learners order by id limit 22)",
    "half of the learners are deleted": "update learners set deleted_at = '2025-01-16 10:00Z'"
    " where id in (select id from learners order by id limit 22)",
    "half of the skill states are gone": "delete from learner_skill_states"
    " where id in (select id from learner_skill_states order by id limit 22)",
}


@pytest.fixture
def crowded(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    """The three days are built with many members of each dimension."""

    def fill(source: Database) -> None:
        world = World(source)
        _fill(world)
        _many(world)

    yield from prepared(databases, "crowded", tmp_path, monkeypatch, fill, _build, with_clock)


@pytest.mark.parametrize("accident", ACCIDENTS)
def test_a_source_emptied_by_accident_changes_nothing_and_says_so(crowded: Pipeline, accident: str) -> None:
    pipeline, clock = crowded, Clock(crowded.source, crowded.warehouse)
    before = everything(pipeline)
    pipeline.source.execute(ACCIDENTS[accident])
    clock.set(at("2025-01-18 00:05"))
    done = pipeline.luigi("RunAll", "--date", "2025-01-17")
    assert done.returncode == 30
    assert "--etl-allow-mass-close" in done.stderr
    assert everything(pipeline) == before
    if accident != "half of the learners are deleted":
        forget_answers()
        late = pipeline.run(RebuildLateDays, date=NEXT_DAY, look_back_days=3)
        assert late.scheduling_succeeded == accident.startswith("half of the learners")
        assert everything(pipeline) == before


def test_runall_builds_what_is_new_and_leaves_what_is_late_to_rebuildlatedays(
    pipeline: Pipeline, world: World, clock: Clock
) -> None:
    _closes(pipeline, world)
    clock.set(at("2025-01-18 00:05"))
    before = builds(pipeline)
    forget_answers()
    assert pipeline.run(RunAll, date=date(2025, 1, 17)).scheduling_succeeded
    assert {day for _, day in builds(pipeline)[len(before) :]} == {date(2025, 1, 17)}
    assert rebuild(pipeline, date(2025, 1, 17), look_back_days=3) == sorted(on(DAY, jobs=(SESSIONS, PROGRESS)))
