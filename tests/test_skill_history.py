"""The history of skill states: what the source has forgotten, the warehouse still knows, to the day."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.clock import Clock, take_over
from support.database import Database
from support.databases import Databases
from support.members import written
from support.pipeline import Pipeline
from support.prepared import prepared
from support.runs import content
from support.world import DAY, DAY_BEFORE, NEXT_DAY, World, at, uid

from aivo_luigi import BuildFactLearningProgress, JobResult, job_build_fact_learning_progress
from aivo_luigi.jobs import staging
from aivo_luigi.jobs.compare import compare

GONE = "gone"
BEGINNING = at("2025-01-14 06:00")
HISTORY = "select * from learner_skill_history order by learner_id, skill_id, held_from, held_to"


def fill(source: Database) -> None:
    world = World(source)
    world.tenant()
    world.learner()
    for skill in ("adding", "dividing", "counting"):
        world.skill(skill)


@pytest.fixture
def pipeline(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    """It has been there for long: it first looked on the morning of the day before DAY."""

    def look(source: Database, warehouse: Database) -> None:
        take_over(source, warehouse).set(BEGINNING)
        build(DAY_BEFORE)

    yield from prepared(databases, "skill_history", tmp_path, monkeypatch, fill, look)


@pytest.fixture
def clock(pipeline: Pipeline) -> Clock:
    clock = take_over(pipeline.source, pipeline.warehouse)
    clock.set(BEGINNING)
    return clock


@pytest.fixture(autouse=True)
def _school(clock: Clock, etl_option: Callable[[str, str], None]) -> None:
    etl_option("allow_empty_rebuild", "true")  # anna may be without any state, and she is all there is


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many states each read has taken from the source."""
    numbers: list[int] = []
    original = staging.stage_query

    def counting(source: Any, warehouse: Any, query: str, table: str, *others: Any) -> int:
        rows = original(source, warehouse, query, table, *others)
        if "from learner_skill_states" in query:
            numbers.append(rows)
        return rows

    monkeypatch.setattr(staging, "stage_query", counting)
    return numbers


def build(day: date) -> JobResult:
    """Builds a day, by force, and so reads the states."""
    result = job_build_fact_learning_progress(day, force=True)
    assert result.status == "SUCCESS", result.error_message
    return result


def build_at(clock: Clock, text: str, day: date | None = None) -> None:
    """Reads the states at a moment, by building a day: that moment's own if none is given."""
    clock.set(at(text))
    build(day or at(text).date())


def change(pipeline: Pipeline, world: World, skill: str, level: Any, updated_at: Any, learner: str = "anna") -> None:
    """What a learner's state in a skill is from now on, and when it says that it changed; GONE: there is none."""
    pipeline.source.execute("delete from learner_skill_states where id = %(id)s", id=uid(f"{learner} {skill}"))
    if level != GONE:
        world.skill_state(skill, level, updated_at=updated_at, learner=learner)


def progress(pipeline: Pipeline, day: date, columns: str) -> tuple[Any, ...] | None:
    """Columns of anna's one row on a day; None if she has none."""
    rows = pipeline.warehouse.rows(
        f"select {columns} from fact_learning_progress where date_key = {day:%Y%m%d}"  # one subject, one learner
    )
    assert len(rows) <= 1
    return tuple(rows[0].values()) if rows else None


def held(pipeline: Pipeline, skill: str = "adding") -> list[tuple[Any, datetime]]:
    """(level or GONE, since when) of each state that anna is known to have held in a skill."""
    rows = pipeline.warehouse.rows(
        "select mastery_level::double precision, is_gone, held_from from learner_skill_history where skill_id = %(id)s"
        " order by held_from, held_to",
        id=uid(skill),
    )
    return [(GONE if row["is_gone"] else row["mastery_level"], row["held_from"]) for row in rows]


# What a day was, it stays


def test_a_day_built_again_after_the_states_have_moved_on_is_the_same(
    pipeline: Pipeline, world: World, clock: Clock
) -> None:
    world.skill_state("adding", 0.9, updated_at=at("10:00"))
    world.skill_state("dividing", 0.5, updated_at=at("11:00"))
    world.skill_state("counting", None, updated_at=at("2025-01-10 11:00"))
    build_at(clock, "2025-01-16 00:05", DAY)
    before = pipeline.warehouse.rows("select * from fact_learning_progress")
    assert progress(pipeline, DAY, "total_skills, mastered_skills, skills_gained_today") == (3, 1, 1)
    change(pipeline, world, "adding", 0.1, at("2025-01-16 09:00"))
    change(pipeline, world, "dividing", GONE, None)
    change(pipeline, world, "counting", 1, at("2025-01-16 09:00"))
    build_at(clock, "2025-01-17 00:05", NEXT_DAY)
    assert progress(pipeline, NEXT_DAY, "total_skills, mastered_skills, skills_gained_today") == (3, 1, 1)
    build(DAY)
    assert pipeline.warehouse.rows("select * from fact_learning_progress where date_key = 20250115") == before


def test_the_order_in_which_days_are_built_makes_no_difference(pipeline: Pipeline, world: World, clock: Clock) -> None:
    dice = random.Random(7)
    days = [DAY_BEFORE + timedelta(days=number) for number in range(5)]
    world.learner("ben")
    for day in days:
        for learner in ("anna", "ben"):
            for skill in ("adding", "dividing", "counting"):
                if dice.random() < 0.7:
                    id = uid(f"{learner} {skill}")
                    pipeline.source.execute("delete from learner_skill_states where id = %(id)s", id=id)
                    if dice.random() < 0.8:
                        when = at(f"{day} 00:00") + timedelta(minutes=dice.randrange(1440))
                        level = dice.choice([None, 0, 0.5, 0.8, 1])
                        world.skill_state(skill, level, learner=learner, updated_at=when)
        build_at(clock, f"{day + timedelta(days=1)} 00:05", day)
    facts = content(pipeline.warehouse)["fact_learning_progress"]
    assert len({fact.split('"skills_gained_today"')[1] for fact in facts}) > 3, "the days must differ"
    for _ in range(2):
        dice.shuffle(days)
        pipeline.warehouse.execute("delete from fact_learning_progress")
        for day in days:
            build(day)
        assert content(pipeline.warehouse)["fact_learning_progress"] == facts


YESTERDAY, MORNING = "2025-01-14 10:00", "2025-01-15 08:00"
NOON, EVENING = "2025-01-15 12:00", "2025-01-15 18:00"


# What happened to a skill, and whether it is mastered at the day's end, and gained on the day.
FATES: list[tuple[dict[str, Any], int, int]] = [
    ({MORNING: 0.8}, 1, 1),
    ({YESTERDAY: 0.5, MORNING: 0.8}, 1, 1),
    ({YESTERDAY: 0.9}, 1, 0),
    ({YESTERDAY: 0.8, MORNING: 1}, 1, 0),
    ({YESTERDAY: 0.9, "2025-01-15 00:00": 0.95}, 1, 0),
    ({YESTERDAY: 0.9, MORNING: 0.5}, 0, 0),
    ({YESTERDAY: 0.9, MORNING: 0.5, NOON: 0.9}, 1, 0),
    ({YESTERDAY: 0.9, MORNING: None, NOON: 0.1, EVENING: 0.8}, 1, 0),
    ({YESTERDAY: 0.2, MORNING: 0.5, NOON: 0.9}, 1, 1),
    ({YESTERDAY: 0.2, MORNING: 0.9, NOON: 0.5, EVENING: 0.85}, 1, 1),
    ({MORNING: 0.9, NOON: 0.7}, 0, 0),
    ({YESTERDAY: 0.9, MORNING: GONE, NOON: 0.9}, 1, 0),
    ({YESTERDAY: 0.9, MORNING: GONE, NOON: 0.5}, 0, 0),
    ({"2025-01-14 09:00": 0.9, YESTERDAY: GONE, NOON: 0.9}, 1, 1),
    ({YESTERDAY: "1.1", NOON: 0.9}, 1, 1),
    ({YESTERDAY: "NaN", NOON: 0.9}, 1, 1),
    ({YESTERDAY: 0.9, NOON: "NaN"}, 0, 0),
    ({"2025-01-14 23:59:59.999999": 0.9}, 1, 0),
    ({"2025-01-15 00:00": 0.9}, 1, 1),
    ({"2025-01-15 23:59:59.999999": 0.9}, 1, 1),
    ({NOON: 0.1, "2025-01-16 00:00": 0.9}, 0, 0),
]


def test_a_skill_is_gained_that_is_mastered_at_the_days_end_and_was_not_the_day_before(
    pipeline: Pipeline, world: World, clock: Clock
) -> None:
    """Each fate is another learner's."""
    for number in range(len(FATES)):
        world.learner(f"learner {number}")
    for text in sorted({text for states, _, _ in FATES for text in states}):
        for number, (states, _, _) in enumerate(FATES):
            if text in states:
                change(pipeline, world, "adding", states[text], at(text), f"learner {number}")
        clock.set(at(text) + timedelta(seconds=1))
        build((at(text) + timedelta(seconds=1)).date())

    def numbers() -> dict[str, tuple[int, int]]:
        rows = pipeline.warehouse.rows(
            "select learner_id, mastered_skills, skills_gained_today from fact_learning_progress"
            " inner join dim_learner using (learner_key) where date_key = 20250115"
        )
        found = {id: tuple(counts) for id, *counts in map(dict.values, rows)}
        return {f"{number}: {states}": found[uid(f"learner {number}")] for number, (states, _, _) in enumerate(FATES)}

    expected = {f"{number}: {states}": (mastered, gained) for number, (states, mastered, gained) in enumerate(FATES)}
    build_at(clock, "2025-01-16 00:05", DAY)
    assert numbers() == expected
    pipeline.source.execute("update learner_skill_states set mastery_level = 0.3, updated_at = '2025-01-16 10:00Z'")
    build_at(clock, "2025-01-17 00:05", DAY)
    assert numbers() == expected


# What is gone


def test_a_state_that_is_gone_counts_until_it_was_missed_and_no_longer(
    pipeline: Pipeline, world: World, clock: Clock
) -> None:
    world.skill_state("adding", 0.9, updated_at=at("10:00"))
    world.skill_state("dividing", 0.1, updated_at=at("10:00"))
    build_at(clock, "2025-01-16 00:05", DAY)
    change(pipeline, world, "adding", GONE, None)
    build_at(clock, "2025-01-17 00:05", NEXT_DAY)
    build_at(clock, "2025-01-18 00:05", date(2025, 1, 17))
    for day in (NEXT_DAY, DAY):
        build(day)
    assert held(pipeline) == [(0.9, at("10:00")), (GONE, at("2025-01-17 00:05"))]
    counts = "total_skills, mastered_skills"
    assert [progress(pipeline, day, counts) for day in (DAY, NEXT_DAY, date(2025, 1, 17))] == [(2, 1), (2, 1), (1, 0)]


@pytest.mark.parametrize(("level", "gained"), [(0.9, 1), (None, 0)])
def test_a_state_that_comes_back_counts_from_then_on(
    pipeline: Pipeline, world: World, clock: Clock, reads: list[int], level: Any, gained: int
) -> None:
    world.skill_state("adding", level, updated_at=at("10:00"))
    build_at(clock, "12:00")
    change(pipeline, world, "adding", GONE, None)
    build_at(clock, "14:00")
    change(pipeline, world, "adding", level, at("2025-01-17 09:00"))
    reads.clear()
    build_at(clock, "2025-01-18 00:05", date(2025, 1, 17))
    assert held(pipeline) == [(level, at("10:00")), (GONE, at("14:00")), (level, at("2025-01-17 09:00"))]
    assert reads == [1], "it is one of those that changed"
    clock.set(at("2025-01-18 00:10"))
    pipeline.warehouse.execute("delete from fact_learning_progress")
    for day in (DAY, NEXT_DAY, date(2025, 1, 17)):
        build(day)
    counts = "total_skills, skills_gained_today"
    assert [progress(pipeline, day, counts) for day in (DAY, NEXT_DAY, date(2025, 1, 17))] == [None, None, (1, gained)]


def test_a_state_that_comes_back_under_its_old_time_is_back_from_now(
    pipeline: Pipeline, world: World, clock: Clock
) -> None:
    world.skill_state("adding", 0.9, updated_at=at("10:00"))
    build_at(clock, "12:00")
    change(pipeline, world, "adding", GONE, None)
    build_at(clock, "14:00")
    change(pipeline, world, "adding", 0.9, at("10:00"))
    build_at(clock, "16:00")
    assert held(pipeline) == [(0.9, at("10:00")), (GONE, at("14:00")), (0.9, at("16:00"))]


@pytest.mark.parametrize("whole", [True, False], ids=["all are read", "what changed is read"])
def test_states_that_are_gone_in_masses_change_nothing_unless_it_is_allowed(
    pipeline: Pipeline, world: World, clock: Clock, etl_option: Callable[[str, str], None], whole: bool
) -> None:
    for number in range(42):
        world.skill_state(f"skill {number}", 0.5, updated_at=at("10:00"))
    build_at(clock, "2025-01-16 00:05", DAY)
    before = content(pipeline.warehouse), pipeline.warehouse.rows(HISTORY)
    pipeline.source.execute(
        "delete from learner_skill_states where id in (select id from learner_skill_states order by id limit 21)"
    )
    etl_option("reconcile_days", "0" if whole else "7")
    clock.set(at("2025-01-17 00:05"))
    failed = job_build_fact_learning_progress(DAY, force=True)
    assert failed.status == "FAILED"
    assert "21 of 42" in (failed.error_message or "")
    assert "--etl-allow-mass-close" in (failed.error_message or "")
    assert (content(pipeline.warehouse), pipeline.warehouse.rows(HISTORY)) == before
    etl_option("allow_mass_close", "true")
    build(DAY)
    assert content(pipeline.warehouse) == before[0], "the day itself is as it was"
    assert pipeline.warehouse.value("select count(*) from learner_skill_history where is_gone") == 21


# What is read


def test_a_read_takes_only_what_changed_since_the_last_one(
    pipeline: Pipeline, world: World, clock: Clock, reads: list[int]
) -> None:
    for number in range(30):
        world.skill_state(f"skill {number}", 0.5, updated_at=at("2025-01-10 10:00"))
    build_at(clock, "2025-01-15 06:00", DAY_BEFORE)
    assert reads == [0, 30], "thirty more than were known: all are read"
    reads.clear()
    build_at(clock, "2025-01-16 00:05", DAY)
    assert reads == [0]
    change(pipeline, world, "skill 1", 0.9, at("2025-01-16 10:00"))
    change(pipeline, world, "skill 31", 0.9, at("2025-01-16 11:00"))
    reads.clear()
    build_at(clock, "2025-01-17 00:05", NEXT_DAY)
    assert reads == [2]
    build(DAY_BEFORE)
    build(DAY)
    assert reads == [2, 2, 2], "once more, for the hours in which a commit may be late"


def test_a_change_that_does_not_say_so_is_found_when_all_are_read(
    pipeline: Pipeline, world: World, clock: Clock, etl_option: Callable[[str, str], None], reads: list[int]
) -> None:
    etl_option("reconcile_days", "3")
    world.skill_state("adding", 0.5, updated_at=at("2025-01-10 10:00"))
    build_at(clock, "2025-01-14 12:00")  # one more than was known: all are read
    pipeline.source.update("learner_skill_states", uid("anna adding"), mastery_level=0.9)
    build_at(clock, "2025-01-17 11:59")
    assert held(pipeline) == [(0.5, at("2025-01-10 10:00"))]
    reads.clear()
    build_at(clock, "2025-01-17 12:00")
    assert reads == [1]
    assert held(pipeline) == [(0.5, at("2025-01-10 10:00")), (0.9, at("2025-01-17 12:00"))]
    build_at(clock, "2025-01-17 12:01")
    assert reads == [1, 0], "the next three days are counted from here"


def test_comparing_finds_a_change_that_does_not_say_so(
    pipeline: Pipeline, world: World, clock: Clock, reads: list[int]
) -> None:
    world.skill_state("adding", 0.5, updated_at=at("2025-01-10 10:00"))
    build_at(clock, "2025-01-14 12:00", DAY_BEFORE)
    changed = {"mastery_level": 0.9, "updated_at": at("2025-01-10 11:00")}
    pipeline.source.update("learner_skill_states", uid("anna adding"), **changed)
    reads.clear()
    differences = compare(BuildFactLearningProgress.spec(), DAY_BEFORE)
    assert (differences.altered, reads) == (1, [1])
    late = compare(BuildFactLearningProgress.spec(), DAY_BEFORE, everything=False)
    assert not late, "late days are looked for among what says that it changed"


def test_a_change_committed_late_is_found_within_the_hours_that_it_may_take(
    pipeline: Pipeline, world: World, clock: Clock, etl_option: Callable[[str, str], None]
) -> None:
    etl_option("late_commit_hours", "5")
    for skill in ("adding", "dividing"):
        world.skill_state(skill, 0.5, updated_at=at("2025-01-10 10:00"))
    build_at(clock, "2025-01-16 03:00", DAY)
    assert progress(pipeline, DAY, "mastered_skills, skills_gained_today") == (0, 0)
    change(pipeline, world, "adding", 0.9, at("2025-01-15 22:00"))
    change(pipeline, world, "dividing", 0.9, at("2025-01-15 21:59"))
    build_at(clock, "2025-01-16 03:10", DAY)
    assert held(pipeline, "adding")[-1] == (0.9, at("22:00"))
    assert held(pipeline, "dividing")[-1] == (0.5, at("2025-01-10 10:00")), "too late: this one waits"
    assert progress(pipeline, DAY, "mastered_skills, skills_gained_today") == (1, 1), "it counts in its own day"
    build_at(clock, "2025-01-24 03:00", DAY)
    assert held(pipeline, "dividing")[-1] == (0.9, at("21:59"))
    assert progress(pipeline, DAY, "mastered_skills, skills_gained_today") == (2, 2)


def test_a_new_state_is_found_however_late_it_was_committed(pipeline: Pipeline, world: World, clock: Clock) -> None:
    world.skill_state("adding", 0.5, updated_at=at("2025-01-10 10:00"))
    build_at(clock, "2025-01-18 00:05", DAY)
    world.skill_state("dividing", 0.9, updated_at=at("2025-01-15 09:00"))
    build_at(clock, "2025-01-18 00:10", DAY)
    assert held(pipeline, "dividing") == [(0.9, at("09:00"))]
    assert progress(pipeline, DAY, "total_skills, skills_gained_today") == (2, 1)


@pytest.mark.parametrize("updated_at", ["2026-01-01 00:00Z", "infinity", "-infinity", None, "2025-01-15 09:00Z"])
def test_a_change_whose_time_can_not_be_true_happened_now(
    pipeline: Pipeline, world: World, clock: Clock, reads: list[int], updated_at: str | None
) -> None:
    """A change that is dated before the one before it can't be true either."""
    pipeline.source.execute("alter table learner_skill_states alter updated_at drop not null")
    world.skill_state("adding", 0.5, updated_at=at("11:00"))
    build_at(clock, "12:00")
    change(pipeline, world, "adding", 0.9, updated_at)
    reads.clear()
    expected = [(0.5, at("11:00")), (0.9, at("13:00"))]
    for text in ("13:00", "14:00", "2025-01-16 00:05"):
        build_at(clock, text)
        assert held(pipeline) == expected
    assert reads == [1, 1, 1], "it is looked at each time, and said once"


@pytest.mark.parametrize("updated_at", ["2026-01-01 00:00Z", "infinity", "-infinity", None])
def test_a_first_state_whose_time_can_not_be_true_began_now(
    pipeline: Pipeline, world: World, clock: Clock, updated_at: str | None
) -> None:
    pipeline.source.execute("alter table learner_skill_states alter updated_at drop not null")
    world.skill_state("adding", 0.9, updated_at=updated_at)
    for text in ("12:00", "13:00", "2025-01-16 00:05"):
        build_at(clock, text)
        assert held(pipeline) == [(0.9, at("12:00"))]


def test_where_nothing_changed_no_row_of_the_history_is_written(
    pipeline: Pipeline, world: World, clock: Clock, etl_option: Callable[[str, str], None]
) -> None:
    world.skill_state("adding", 0.9, updated_at=at("10:00"))
    world.skill_state("dividing", None, updated_at=at("2026-10-10 10:00"))
    world.skill_state("counting", "NaN", updated_at="infinity")
    build_at(clock, "12:00")
    world.skill_state("a skill that went", 0.9, updated_at=at("10:00"))
    build_at(clock, "12:10")
    change(pipeline, world, "a skill that went", GONE, None)
    build_at(clock, "12:20")
    before = written(pipeline, "learner_skill_history")
    pipeline.source.execute(
        "update learner_skill_states set updated_at = '2025-01-15 12:30Z' where mastery_level > 0.5"
    )
    for text in ("13:00", "2025-01-16 00:05", "2025-01-29 00:05"):
        build_at(clock, text)
    etl_option("reconcile_days", "0")
    build(DAY)
    assert len(before) == 5
    assert written(pipeline, "learner_skill_history") == before


# What is exact


def test_a_row_is_exact_where_the_day_ended_after_the_history_began(
    pipeline: Pipeline, world: World, clock: Clock
) -> None:
    pipeline.warehouse.execute("delete from etl_watermarks; delete from learner_skill_history")
    world.skill_state("adding", 0.9, updated_at=at("2025-01-10 10:00"))
    world.skill_state("dividing", 0.9, updated_at=at("10:00"))
    build_at(clock, "2025-01-16 00:05", DAY)
    build(NEXT_DAY)
    for day in (DAY_BEFORE, date(2025, 1, 9)):
        build(day)
    columns = "is_exact, total_skills, skills_gained_today"
    assert progress(pipeline, date(2025, 1, 9), columns) is None
    assert progress(pipeline, DAY_BEFORE, columns) == (False, 1, 0)
    assert progress(pipeline, DAY, columns) == (False, 2, 1)
    assert progress(pipeline, NEXT_DAY, columns) == (True, 2, 0)
    build_at(clock, "2025-01-30 00:05", DAY)
    build(NEXT_DAY)
    assert progress(pipeline, DAY, columns) == (False, 2, 1), (
        "that it is read again makes it no more exact, and no less"
    )
    assert progress(pipeline, NEXT_DAY, columns) == (True, 2, 0)


def test_a_history_that_began_as_the_day_ended_is_exact(pipeline: Pipeline, world: World, clock: Clock) -> None:
    pipeline.warehouse.execute("delete from etl_watermarks; delete from learner_skill_history")
    world.skill_state("adding", 0.9, updated_at=at("2025-01-10 10:00"))
    build_at(clock, "2025-01-16 00:00", DAY)
    build(DAY_BEFORE)
    assert progress(pipeline, DAY, "is_exact") == (True,)
    assert progress(pipeline, DAY_BEFORE, "is_exact") == (False,)


# What goes wrong


def test_a_build_that_fails_takes_the_history_back_with_it(pipeline: Pipeline, world: World, clock: Clock) -> None:
    world.skill_state("adding", 0.5, updated_at=at("10:00"))
    build_at(clock, "12:00")
    everything = (
        "select (select array_agg(h) from learner_skill_history h)::text, (select w from etl_watermarks w)::text"
    )
    before = pipeline.warehouse.rows(everything)
    change(pipeline, world, "adding", 0.9, at("13:00"))
    pipeline.warehouse.execute("alter table fact_learning_progress add constraint never check (mastered_skills < 1)")
    clock.set(at("14:00"))
    assert job_build_fact_learning_progress(DAY, force=True).status == "FAILED"
    assert pipeline.warehouse.rows(everything) == before
    pipeline.warehouse.execute("alter table fact_learning_progress drop constraint never")
    build_at(clock, "15:00")
    assert held(pipeline) == [(0.5, at("10:00")), (0.9, at("13:00"))]


def wait_until_waiting(pipeline: Pipeline, number: int) -> None:
    """Until so many sessions of the warehouse wait for a lock."""
    waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    deadline = time.monotonic() + 30
    while pipeline.warehouse.value(waiting) < number:
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.02)


def test_two_days_built_at_once_lose_no_state(pipeline: Pipeline, world: World, clock: Clock) -> None:
    """The second read waits for the first to be merged, and only then looks at the source."""
    world.skill_state("adding", 0.5, updated_at=at("10:00"))
    world.skill_state("counting", 0.5, updated_at=at("10:00"))
    pipeline.warehouse.execute(
        "create function dawdle() returns trigger language plpgsql as"
        " $$ begin perform pg_advisory_xact_lock_shared(1); return null; end $$;"
        " create trigger dawdle after insert on learner_skill_history for each statement execute function dawdle();"
        " select pg_advisory_lock(1)"
    )
    clock.set(at("2025-01-17 00:05"))
    results: list[JobResult] = []
    threads = [
        threading.Thread(target=lambda day=day: results.append(job_build_fact_learning_progress(day, force=True)))
        for day in (DAY, NEXT_DAY)
    ]
    for waiting, thread in enumerate(threads, start=1):
        thread.start()
        wait_until_waiting(pipeline, waiting)
    world.skill_state("dividing", 0.9, updated_at=at("2025-01-15 11:00"))
    pipeline.source.update(
        "learner_skill_states", uid("anna adding"), mastery_level=0.9, updated_at=at("2025-01-16 10:00")
    )
    pipeline.warehouse.value("select pg_advisory_unlock(1)")
    for thread in threads:
        thread.join(timeout=30)
    assert [(result.status, result.error_message) for result in results] == [("SUCCESS", None)] * 2
    assert held(pipeline) == [(0.5, at("10:00")), (0.9, at("2025-01-16 10:00"))]
    assert held(pipeline, "dividing") == [(0.9, at("11:00"))]
    assert progress(pipeline, NEXT_DAY, "total_skills, mastered_skills, skills_gained_today") == (3, 2, 1)


def test_the_level_is_kept_as_the_source_says_it(pipeline: Pipeline, world: World, clock: Clock) -> None:
    for skill, level in {"adding": "0.30000000000000000000001", "dividing": "-7.50", "counting": "NaN"}.items():
        world.skill_state(skill, level, updated_at=at("10:00"))
    build_at(clock, "12:00")
    found = {str(level) for level in pipeline.warehouse.column("select mastery_level from learner_skill_history")}
    assert found == {"0.30000000000000000000001", "-7.50", "NaN"}
    assert progress(pipeline, DAY, "average_mastery") == (Decimal("0.30000000000000000000001"),)
