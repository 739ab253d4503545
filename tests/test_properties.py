"""Any history of the source, any order of runs: the warehouse is what the contract says (tests/support/model.py).

AIVO_TEST_EXAMPLES says how many histories (default 16), AIVO_TEST_STEPS how long they are (12), AIVO_TEST_SEED which
ones (others each time); AIVO_TEST_SHRINK=0 stops at the first that fails, without looking for the shortest. The long
form, which CONTRIBUTING.md asks for, is `make histories`; a longer one:

    AIVO_TEST_EXAMPLES=2000 AIVO_TEST_STEPS=30 python -m pytest -n 2 tests/test_properties.py
"""

from __future__ import annotations

import copy
import itertools
import json
import os
import secrets
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import luigi
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from support.clock import Clock, with_clock
from support.database import Database
from support.model import FOCUS_TYPES, LATE_COMMIT, Counts, EmptyRebuildError, Model, Row, Version
from support.world import uid

import aivo_luigi
from aivo_luigi.db import Connection
from aivo_luigi.errors import GuardError
from aivo_luigi.jobs import record
from aivo_luigi.jobs.completeness import forget_answers
from aivo_luigi.jobs.result import JobResult
from aivo_luigi.jobs.task import Job
from aivo_luigi.tasks.wrappers import DIMENSIONS, FACTS

EXAMPLES = int(os.environ.get("AIVO_TEST_EXAMPLES", "16"))
PARTS = 4
STEPS = int(os.environ.get("AIVO_TEST_STEPS", "12"))

FIRST = datetime(2025, 1, 13, tzinfo=timezone.utc)
DAYS = [(FIRST + timedelta(days=number)).date() for number in range(4)]
JOBS = {job.job_name(): job for job in (*DIMENSIONS, *FACTS)}


def ids(kind: str, number: int) -> list[Any]:
    return [uid(f"{kind} {n}") for n in range(number)]


TENANTS, LEARNERS, USERS, SKILLS = ids("tenant", 3), ids("learner", 4), ids("user", 2), ids("skill", 4)
SESSIONS, EVENTS, SUBMISSIONS = ids("session", 4), ids("event", 8), ids("submission", 3)
STEPS_OF_HOMEWORK, RESPONSES, ADVICE = ids("step", 4), ids("response", 5), ids("advice", 3)

# What the metadata of clients may be: each key right, wrong or missing; and metadata that is no object at all.
WORDS = ["true", "FALSE", "False", "maybe", "", "0.5", "-5", "+1", ".5", "5.", "1e2", "1e999", "1e-999", " 1", "1_0",
         "NaN", "n/a", "Infinity", "x" * 100, "x" * 101, "ä" * 100, "9" * 40]  # fmt: skip
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, -1, -0.5, 3.99, 99.99995, 100, 100.00001, 2147483647, 2147483648, 1e300, 0.00005, 12.5]),
    st.sampled_from(WORDS),
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=2), st.dictionaries(st.just("isCorrect"), SCALARS, max_size=1))
KEYS = ["isCorrect", "durationSeconds", "interventionType", "interventionCompleted", "focusScore"]
OBJECTS = st.fixed_dictionaries({"isCorrect": VALUES}, optional=dict.fromkeys(KEYS[1:], VALUES))
METADATA = st.one_of(
    OBJECTS.map(json.dumps), OBJECTS.map(json.dumps), VALUES.map(json.dumps), st.sampled_from([None, "{}"])
)

TIMES = st.builds(
    lambda day, minutes: FIRST + timedelta(days=day, minutes=minutes),
    st.integers(0, 3),
    st.sampled_from([0, 600]),
)


def changed_at(now: datetime) -> st.SearchStrategy[Any]:
    """When a row of a dimension says that it was changed: lately, long ago, in the future, never, at no time."""
    return st.one_of(
        st.sampled_from([now, now - timedelta(minutes=5), now - timedelta(days=1), now + timedelta(days=1)]),
        st.sampled_from([None, "infinity", "-infinity", FIRST - timedelta(days=30)]),
        TIMES,
    )


def members_changed_at(now: datetime) -> st.SearchStrategy[Any]:
    """Around the time from which a read takes what changed, and at any other."""
    edge = st.integers(-3, 3).map(lambda seconds: now - LATE_COMMIT + timedelta(seconds=seconds))
    return st.one_of(edge, st.just(FIRST - timedelta(days=30)), changed_at(now))


def states_changed_at(now: datetime) -> st.SearchStrategy[Any]:
    """Within the hours in which a commit may be late, in the future, or at no time."""
    return st.one_of(
        st.integers(0, 20 * 60).map(lambda minutes: now - timedelta(minutes=minutes)),
        st.sampled_from([now - timedelta(hours=now.hour, minutes=now.minute, seconds=now.second), now]),
        st.sampled_from([now + timedelta(days=1), "infinity", "-infinity", None]),
    )


def rows_of(table: str, now: datetime) -> st.SearchStrategy[Row]:
    """Any row of a table of the source, as it may be at a time."""
    one_of, maybe = st.sampled_from, st.sampled_from([None, True, False])
    deleted = st.one_of(st.none(), st.none(), st.none(), changed_at(now))
    born = {"created_at": changed_at(now), "updated_at": changed_at(now), "deleted_at": deleted}
    who = {"tenant_id": one_of(TENANTS), "learner_id": one_of(LEARNERS)}
    columns: dict[str, dict[str, st.SearchStrategy[Any]]] = {
        "tenants": {
            "id": one_of(TENANTS),
            "name": one_of(["Oak", "Elm"]),
            "type": one_of([None, "SCHOOL", "CLINIC"]),
            "district_id": one_of([None, uid("district")]),
            "state": one_of([None, "CA"]),
            "country": one_of([None, "US", "CA"]),
            "timezone": one_of([None, "UTC"]),
            "is_active": maybe,
            **born,
        },
        "learners": {
            "id": one_of(LEARNERS),
            "tenant_id": one_of(TENANTS),
            "grade_band": one_of([None, "K5", "G6_8"]),
            "grade_level": one_of([None, 3, 4]),
            "is_active": maybe,
            **born,
        },
        "users": {
            "id": one_of(USERS),
            "tenant_id": one_of(TENANTS),
            "role": one_of(["TEACHER", "PARENT"]),
            "is_active": maybe,
            **born,
        },
        "skills": {
            "id": one_of(SKILLS),
            "code": one_of(["A", "B"]),
            "name": one_of(["adding", "reading"]),
            "description": one_of([None, "more"]),
            "subject": one_of(["MATH", "ELA", "ART"]),
            "grade_band": one_of([None, "K5"]),
            "parent_skill_id": one_of([None, SKILLS[0]]),
            "depth": one_of([0, 1]),
            **born,
        },
        "sessions": {
            "id": one_of(SESSIONS),
            **who,
            "session_type": one_of(["LEARNING", "PRACTICE", "HOMEWORK"]),
            "origin": one_of(["MOBILE_LEARNER", "SYSTEM"]),
            "started_at": TIMES,
            "ended_at": st.one_of(st.none(), TIMES, one_of(["infinity"])),
            "duration_ms": one_of([None, 0, 999, 59_999, 60_000, 1_800_000, -1]),
            "created_at": st.just(FIRST),
            "updated_at": TIMES,
        },
        "session_events": {
            "id": one_of(EVENTS),
            "session_id": one_of(SESSIONS),
            **who,
            "event_type": one_of(
                ["ACTIVITY_STARTED", "ACTIVITY_COMPLETED", "ACTIVITY_SKIPPED", "HOMEWORK_HINT_REQUESTED", "OTHER"]
                + ["ACTIVITY_RESPONSE_SUBMITTED"] * 8
                + [*FOCUS_TYPES]
            ),
            "event_time": TIMES,
            "metadata_json": METADATA,
            "created_at": st.just(FIRST),
        },
        "homework_submissions": {
            "id": one_of(SUBMISSIONS),
            **who,
            "session_id": one_of([None, *SESSIONS]),
            "subject": one_of(["MATH", "ART"]),
            "grade_band": one_of(["K5", "G6_8"]),
            "status": one_of(["RECEIVED", "COMPLETED"]),
            "step_count": one_of([0, 1, 3]),
            "steps_completed": one_of([0, 1, 2, 5]),
            "created_at": TIMES,
            "updated_at": st.one_of(TIMES, one_of(["infinity"])),
        },
        "homework_steps": {
            "id": one_of(STEPS_OF_HOMEWORK),
            "submission_id": one_of(SUBMISSIONS),
            "step_order": st.just(1),
            "is_completed": st.booleans(),
            "hint_revealed": st.booleans(),
            "created_at": st.just(FIRST),
            "updated_at": st.just(FIRST),
        },
        "homework_step_responses": {
            "id": one_of(RESPONSES),
            "step_id": one_of(STEPS_OF_HOMEWORK),
            "is_correct": maybe,
            "created_at": st.just(FIRST),
        },
        "recommendations": {
            "id": one_of(ADVICE),
            **who,
            "skill_id": one_of([None, *SKILLS]),
            "recommendation_type": one_of(["NEXT_SKILL", "BREAK"]),
            "source": one_of(["ENGINE", "TEACHER"]),
            "was_accepted": maybe,
            "was_declined": maybe,
            "created_at": TIMES,
            "responded_at": st.one_of(st.none(), TIMES, one_of(["infinity", FIRST + timedelta(days=40_000)])),
        },
    }
    if table == "learner_skill_states":
        levels = st.sampled_from([None, "0", "0.79", "0.8", "0.9", "0.9", "1", "1.1", "-0.1"])
        return st.builds(
            lambda learner, skill, tenant, level, time: {
                "id": uid(f"{learner} {skill}"),
                "tenant_id": tenant,
                "learner_id": learner,
                "skill_id": skill,
                "mastery_level": level and Decimal(level),
                "updated_at": time,
            },
            st.sampled_from(LEARNERS[:2]),
            st.sampled_from(SKILLS[:3]),
            st.sampled_from(TENANTS),
            levels,
            states_changed_at(now),
        )
    return st.fixed_dictionaries(columns[table])


TABLES = {
    "tenants": TENANTS,
    "learners": LEARNERS,
    "users": USERS,
    "skills": SKILLS,
    "sessions": SESSIONS,
    "session_events": EVENTS,
    "homework_submissions": SUBMISSIONS,
    "homework_steps": STEPS_OF_HOMEWORK,
    "homework_step_responses": RESPONSES,
    "learner_skill_states": [uid(f"{learner} {skill}") for learner in LEARNERS[:2] for skill in SKILLS[:3]],
    "recommendations": ADVICE,
}
# The tables that are read by what changed, where they have an index on updated_at.
SYNCS = {job.source_table: name for name, job in JOBS.items() if job.present}
# The tables in which most of a history happens come more often.
BUSY = ["tenants", *("learners", "sessions", "session_events", "learner_skill_states") * 2]

# What the warehouse holds, with natural keys in place of the surrogate ones.
_TENANT = "(select jsonb_build_array(tenant_id, effective_from, effective_to) from dim_tenant as t where t.tenant_key = x.tenant_key) as tenant"  # noqa: E501
_LEARNER = "(select jsonb_build_array(learner_id, effective_from, effective_to) from dim_learner as l where l.learner_key = x.learner_key) as learner"  # noqa: E501
_LINK = "session_key is not null as is_linked, (select session_id from fact_sessions as s where s.session_key = x.session_key and s.date_key = x.session_date_key) as linked_session"  # noqa: E501
QUERIES = {
    "dim_tenant": "select * from dim_tenant",
    "dim_learner": f"select *, {_TENANT} from dim_learner as x",
    "dim_user": f"select *, {_TENANT} from dim_user as x",
    "dim_skill": "select dim_skill.*, subject_code from dim_skill inner join dim_subject using (subject_key)",
    "dim_subject": "select * from dim_subject",
    "fact_sessions": f"select *, {_TENANT}, {_LEARNER} from fact_sessions as x",
    "fact_focus_events": f"select *, {_TENANT}, {_LEARNER}, {_LINK} from fact_focus_events as x",
    "fact_homework_events": f"select *, {_TENANT}, {_LEARNER}, {_LINK} from fact_homework_events as x",
    "fact_learning_progress": f"select *, {_TENANT}, {_LEARNER} from fact_learning_progress as x"
    " inner join dim_subject using (subject_key)",
    "fact_recommendation_events": f"select x.*, skill_id, {_TENANT}, {_LEARNER} from fact_recommendation_events as x"
    " left join dim_skill using (skill_key)",
}
ID_OF = {
    "dim_tenant": "tenant_id",
    "dim_learner": "learner_id",
    "dim_user": "user_id",
    "dim_skill": "skill_id",
    "dim_subject": "subject_code",
    "fact_sessions": "session_id",
    "fact_focus_events": "event_id",
    "fact_homework_events": "submission_id",
    "fact_recommendation_events": "recommendation_id",
}
KEY_OF = {
    "dim_tenant": "tenant_key",
    "dim_learner": "learner_key",
    "dim_user": "user_key",
    "dim_skill": "skill_key",
    "dim_subject": "subject_key",
    "fact_sessions": "session_key",
    "fact_focus_events": "focus_event_key",
    "fact_homework_events": "homework_event_key",
    "fact_learning_progress": "progress_key",
    "fact_recommendation_events": "recommendation_event_key",
}
TABLE_OF = {name: job.way.table for name, job in JOBS.items()}
JOB_OF = {table: name for name, table in TABLE_OF.items()}


class KilledError(BaseException):
    """The process is no more."""


class Histories(RuleBasedStateMachine):
    """One history: what happens in the source, and what is run when."""

    source: Database
    warehouse: Database
    clock: Clock

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        """An empty warehouse, and a source with a few rows of everything."""
        forget_answers()
        empty(self.source, self.warehouse)
        self.now = FIRST + timedelta(days=2, hours=8)
        self.names = (f"force {number}" for number in itertools.count())
        self.rows: dict[str, dict[Any, Row]] = {table: {} for table in TABLES}
        indexed = data.draw(st.sampled_from([frozenset(SYNCS), frozenset(SYNCS), frozenset()]), label="indexed")
        index(self.source, indexed)
        self.model = Model(self.rows, indexed=indexed)
        self.successes: list[tuple[str, date, datetime]] = []
        self.owners: dict[tuple[str, int], Any] = {}
        for table in TABLES:
            for row in data.draw(st.lists(rows_of(table, self.now), min_size=3, max_size=12), label=table):
                self._put(table, row)

    # What happens in the source

    @rule(data=st.data(), tables=st.lists(st.sampled_from([*TABLES, *BUSY]), min_size=2, max_size=5))
    def rows_are_written(self, data: st.DataObject, tables: list[str]) -> None:
        """New rows, changed, reverted, reappearing ones."""
        for table in tables:
            self._put(table, data.draw(rows_of(table, self.now)))

    @rule(data=st.data(), table=st.sampled_from([*TABLES, *BUSY]))
    def a_row_is_gone(self, data: st.DataObject, table: str) -> None:
        """Deleted for good."""
        if self.rows[table]:
            id = data.draw(st.sampled_from(sorted(self.rows[table])))
            del self.rows[table][id]
            self.source.delete(table, id)

    @rule(data=st.data())
    def a_state_moves_and_is_read(self, data: st.DataObject) -> None:
        """What a learner masters goes up and down; each read sees one state of it."""
        for row in data.draw(st.lists(rows_of("learner_skill_states", self.now), min_size=1, max_size=3)):
            gone = data.draw(st.booleans()) and row["id"] in self.rows["learner_skill_states"]
            if gone:
                del self.rows["learner_skill_states"][row["id"]]
                self.source.delete("learner_skill_states", row["id"])
            else:
                self._put("learner_skill_states", row)
            self._run("build_fact_learning_progress", data.draw(st.sampled_from(self._days())), forced=True)

    @rule(data=st.data(), table=st.sampled_from(["tenants", "learners", "learners", "users", "skills"]))
    def members_move_and_are_synced(self, data: st.DataObject, table: str) -> None:
        """Members change, go and come, under any time; each sync sees one state of them."""
        for _ in range(data.draw(st.integers(1, 3))):
            for row in data.draw(st.lists(rows_of(table, self.now), max_size=2)):
                old = self.rows[table].get(row["id"])
                what = data.draw(st.sampled_from(["changed", "changed", "written", "gone"]))
                if what == "changed":
                    said = {"updated_at": data.draw(members_changed_at(self.now)), "deleted_at": None}
                    self._put(table, row | said | ({"deleted_at": old["deleted_at"]} if old else {}))
                elif what == "written" or not old:
                    self._put(table, row)
                else:
                    del self.rows[table][row["id"]]
                    self.source.delete(table, row["id"])
            self._run(SYNCS[table], self.now.date(), forced=True)

    @rule(passes=st.sampled_from([timedelta(minutes=1), timedelta(hours=5), timedelta(days=1), None]))
    def time_passes(self, passes: timedelta | None) -> None:
        """By so much, or until just after midnight."""
        midnight = datetime(self.now.year, self.now.month, self.now.day, tzinfo=timezone.utc) + timedelta(days=1)
        self.now = self.now + passes if passes else midnight + timedelta(minutes=5)

    # What is run

    @rule(names=st.permutations([job.job_name() for job in DIMENSIONS]), number=st.sampled_from([5, 4, 3]))
    def dimensions_are_synced(self, names: list[str], number: int) -> None:
        """By force, in any order."""
        for name in names[:number]:
            self._run(name, self.now.date(), forced=True)

    @rule(data=st.data(), names=st.permutations([job.job_name() for job in FACTS]), number=st.sampled_from([5, 3, 2]))
    def facts_are_built(self, data: st.DataObject, names: list[str], number: int) -> None:
        """Some of one day, by force, in any order."""
        day = data.draw(st.sampled_from(self._days()))
        for name in names[:number]:
            self._run(name, day, forced=True)

    @rule(data=st.data(), name=st.sampled_from([*JOBS]))
    def a_job_runs_if_it_must(self, data: st.DataObject, name: str) -> None:
        """Once = twice: without force a complete job does nothing."""
        day = data.draw(st.sampled_from(self._days()))
        for _ in range(2):
            self._run(name, day, forced=False)

    @rule(data=st.data(), name=st.sampled_from([*JOBS]), statement=st.integers(1, 30), before=st.booleans())
    def a_run_is_killed(self, data: st.DataObject, name: str, statement: int, before: bool) -> None:
        """At any statement, before or after it; what is in the warehouse is all or nothing."""
        day = data.draw(st.sampled_from(self._days()))
        self._run(name, day, forced=True, killed=(statement, before))

    @precondition(lambda self: self.model.facts)
    @rule()
    def late_days_are_rebuilt(self) -> None:
        """Afterwards each built day is as if it were built now, but none becomes empty, nor is built that needs it."""
        self._tick()
        seen = self._runs()
        task = aivo_luigi.RebuildLateDays(date=self.now.date(), look_back_days=30)
        luigi.build([task], local_scheduler=True, log_level="CRITICAL")
        for name, day in [run for id, run in self._runs().items() if id not in seen]:
            self._expect(name, day)
        self._see(*QUERIES)
        for name, day in [(name, day) for name, days in self.model.facts.items() for day in days]:
            built_now = copy.deepcopy(self.model)
            with suppress(EmptyRebuildError):
                if name in ("build_fact_focus_events", "build_fact_homework_events"):
                    copy.deepcopy(self.model).build("build_fact_sessions", day, self.now)  # which they need
                built_now.build(name, day, self.now)
            assert told(self.model, TABLE_OF[name]) == told(built_now, TABLE_OF[name]), (
                f"{name} for {day} is late still"
            )

    @precondition(lambda self: self.model.facts)
    @rule(data=st.data())
    def all_days_are_rebuilt_in_any_order(self, data: st.DataObject) -> None:
        """The order of building makes no difference: the model knows none."""
        built = sorted((name, day) for name, days in self.model.facts.items() for day in days)
        for name, day in data.draw(st.permutations(built)):
            self._run(name, day, forced=True)

    def teardown(self) -> None:
        """Whatever happened: the whole warehouse is what it must be."""
        if hasattr(self, "model"):
            self._see(*QUERIES)

    # How it is done

    def _put(self, table: str, row: Row) -> None:
        self.rows[table][row["id"]] = row
        columns = ", ".join(row)
        self.source.execute(
            f"delete from {table} where id = %(id)s; "
            f"insert into {table} ({columns}) values ({', '.join(f'%({name})s' for name in row)})",
            **{name: given(table, value) for name, value in row.items()},
        )

    def _days(self) -> list[date]:
        return [day for day in DAYS if day <= self.now.date()]

    def _tick(self) -> None:
        """Each run has a moment of its own."""
        self.now += timedelta(seconds=1)
        self.clock.set(self.now)

    def _run(self, name: str, day: date, forced: bool, killed: tuple[int, bool] | None = None) -> None:
        self._tick()
        table = TABLE_OF[name]
        complete = not forced and self._is_complete(name, day)
        seen, keys, written = self._runs(), self._keys(table, day), self._written(table)
        before = told(self.model, table)
        result = attempt(JOBS[name](date=day, force=next(self.names) if forced else ""), killed)
        if killed:
            self._wait_for_the_dead()
        if complete:
            assert result is not None
            assert result.status == "SKIPPED"
        elif len(self._runs()) > len(seen):
            expected = self._expect(name, day)
            assert expected is not None, f"{name} for {day} should have been stopped by a guard"
            if result is not None:
                compare_counts(result, expected)
        elif killed is None or result is not None:
            assert result is not None
            assert "--etl-allow-empty-rebuild" in (result.error_message or ""), result
            assert self._would_be_empty(name, day)
        self._see(table, "dim_tenant", "dim_learner", "dim_skill", "dim_subject", "fact_focus_events")
        self._see("fact_homework_events")
        after = self._keys(table, day)
        assert {id: after[id] for id in keys if id in after} == {id: keys[id] for id in keys if id in after}
        if complete or (name.startswith("sync_") and told(self.model, table) == before):
            assert self._written(table) == written, f"{name} wrote although nothing changed"
        if result is not None and not complete:
            assert self.warehouse.value("select count(*) from etl_job_runs where status = 'RUNNING'") == 0

    def _wait_for_the_dead(self) -> None:
        """The server sees in its own time that a client is gone; until then that run's lock is held."""
        locks = "select count(*) from pg_locks where locktype = 'advisory' and database ="
        while self.warehouse.value(f"{locks} (select oid from pg_database where datname = current_database())"):
            time.sleep(0.01)

    def _expect(self, name: str, day: date) -> Counts | None:
        """Lets the model do what a run did; None where a guard should have stopped it."""
        if name.startswith("sync_"):
            counts = self.model.sync(name, day, self.now)
        else:
            try:
                counts = self.model.build(name, day, self.now)
            except EmptyRebuildError:
                return None
        self.successes.append((name, day, self.now))
        found = self.warehouse.rows(
            "select source_table, source_id, field from etl_rejected_rows"
            " where job_name = %(name)s and target_date = %(day)s",
            name=name,
            day=day,
        )
        assert sorted(tuple(row.values()) for row in found) == sorted(self.model.rejects[name, day])
        return counts

    def _would_be_empty(self, name: str, day: date) -> bool:
        """Whether the guard must stop a build of the day."""
        try:
            copy.deepcopy(self.model).build(name, day, self.now)
        except EmptyRebuildError:
            return True
        return False

    def _runs(self) -> dict[Any, tuple[str, date]]:
        """The runs that succeeded, in the order in which they did."""
        rows = self.warehouse.rows(
            "select id, job_name, target_date from etl_job_runs where status = 'SUCCESS' order by xmin::text::bigint"
        )
        return {row["id"]: (row["job_name"], row["target_date"]) for row in rows}

    def _keys(self, table: str, day: date) -> dict[Any, int]:
        """The surrogate key of each business id: of a fact, on the day; of a dimension, of each version."""
        id, key = ID_OF.get(table, "row(learner_key, subject_key)::text"), KEY_OF[table]
        if table in ("dim_tenant", "dim_learner"):
            return {
                row["key"]: row["id"] for row in self.warehouse.rows(f"select {id} as id, {key} as key from {table}")
            }
        where = "" if table.startswith("dim_") else f" where date_key = {day:%Y%m%d}"
        return {
            row["id"]: row["key"] for row in self.warehouse.rows(f"select {id} as id, {key} as key from {table}{where}")
        }

    def _written(self, table: str) -> list[Row]:
        """Where each row lies and who wrote it."""
        return self.warehouse.rows(f"select tableoid, ctid::text, xmin::text from {table} order by 1, 2")

    def _see(self, *tables: str) -> None:
        """The tables hold what the model says, column for column."""
        for table in tables:
            expected = expected_rows(self.model, table)
            actual = self.warehouse.rows(QUERIES[table])
            columns = list(expected[0]) if expected else []
            held = [{name: comparable(row[name]) for name in columns} for row in actual]
            wanted = [{name: comparable(value) for name, value in row.items()} for row in expected]
            assert sorted(held, key=repr) == sorted(wanted, key=repr), table
            assert len(actual) == len(expected)

    def _is_complete(self, name: str, day: date) -> bool:
        """Section 3 of the contract."""
        start = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
        end = start + timedelta(days=1)
        for job, target, at in self.successes:
            if job != name:
                continue
            if name.startswith("sync_"):
                if at >= end or (self.now < end and at >= start):
                    return True
            elif target == day and (at >= end or self.now < end):
                return True
        return False


def told(model: Model, table: str) -> list[str]:
    """What a model says of a table."""
    rows = ({name: comparable(value) for name, value in row.items()} for row in expected_rows(model, table))
    return sorted(map(repr, rows))


def expected_rows(model: Model, table: str) -> list[Row]:
    """The rows of a table of the warehouse, with natural keys."""
    if table in ("dim_tenant", "dim_learner"):
        members = model.tenants if table == "dim_tenant" else model.learners
        return [
            {
                ID_OF[table]: version.id,
                **version.attributes,
                **({"tenant": version.tenant} if version.tenant else {}),
                "effective_from": version.start,
                "effective_to": version.end,
                "is_current": version.end is None,
                "is_inferred": version.inferred,
            }
            for versions in members.values()
            for version in versions
        ]
    if table == "dim_subject":
        return [{"subject_code": code, "is_inferred": inferred} for code, inferred in model.subjects.items()]
    if table in ("dim_user", "dim_skill"):
        return [
            {ID_OF[table]: id, "is_inferred": False, **{RENAMED.get(name, name): value for name, value in row.items()}}
            for id, row in (model.users if table == "dim_user" else model.skills).items()
        ]
    return [
        {**business_id(table, id), "date_key": int(f"{day:%Y%m%d}"), **shown(row)}
        for day, rows in model.facts.get(JOB_OF[table], {}).items()
        for id, row in rows.items()
    ]


RENAMED = {"subject": "subject_code", "inferred": "is_inferred"}


def business_id(table: str, id: Any) -> Row:
    """The columns that name a row of a fact; a learner's progress has the learner by version."""
    return {"subject_code": id[1]} if table == "fact_learning_progress" else {ID_OF[table]: id}


def shown(row: Row) -> Row:
    """A row of a fact, with its link to a session as the query shows it."""
    if "linked" not in row:
        return row
    session = {
        "session_date_key": row["session_date"] and int(f"{row['session_date']:%Y%m%d}"),
        "is_linked": row["linked"],
        "linked_session": row["session_id"] if row["linked"] else None,
    }
    return {name: value for name, value in row.items() if name not in ("linked", "session_date")} | session


def comparable(value: Any) -> Any:
    """A value as both sides can have it: versions by their name, numbers to ten decimals."""
    if isinstance(value, Version):
        id, start, end = value.name
        return [str(id), start.isoformat(), end and end.isoformat()]
    return f"{value:.10f}" if isinstance(value, Decimal) else value


def compare_counts(result: JobResult, expected: Counts) -> None:
    """The counts of a run are the model's."""
    counts = {name: getattr(result, f"rows_{name}") for name in vars(expected)}
    assert counts == vars(expected), result.job_name


def attempt(job: Job, killed: tuple[int, bool] | None) -> JobResult | None:
    """The result of a job; None if it was killed."""
    try:
        with dying(*killed) if killed else nullcontext():
            return job.run_job()
    except KilledError:
        return None
    except GuardError as error:
        return JobResult(job.job_name(), "FAILED", error_message=str(error))


@contextmanager
def dying(statement: int, before: bool) -> Iterator[None]:
    """The process dies before or after its n-th statement: its connection is gone, and it can't even say so."""
    original, left = Connection.execute, statement

    def execute(connection: Connection, text: str, **variables: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0 and before:
            connection.raw.close()
            raise KilledError
        cursor = original(connection, text, **variables)
        if left == 0:
            connection.raw.close()
            raise KilledError
        return cursor

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "execute", execute)
        patch.setattr(record, "fail", lambda *_: None)
        yield


def empty(source: Database, warehouse: Database) -> None:
    """Takes every row away."""
    source.execute("; ".join(f"delete from {table}" for table in TABLES))
    facts = [table for table in QUERIES if table.startswith("fact_")]
    others = ["learner_skill_history", "etl_watermarks", "etl_rejected_rows", "etl_job_runs"]
    dimensions = ["dim_user", "dim_learner", "dim_tenant", "dim_skill", "dim_subject"]
    warehouse.execute("; ".join(f"delete from {table}" for table in (*facts, *others, *dimensions)))


def index(source: Database, tables: Collection[str]) -> None:
    """Gives an index on updated_at to these tables, and to no other."""
    for table in SYNCS:
        source.execute(f"drop index if exists {table}_updated_at")
        if table in tables:
            source.execute(f"create index {table}_updated_at on {table} (updated_at)")


def given(table: str, value: Any) -> Any:
    """A value for a column; homework's times have no zone."""
    if isinstance(value, datetime) and table.startswith("homework"):
        return value.replace(tzinfo=None)
    return value


def loosen(source: Database) -> None:
    """The contract allows text for enums; and rows may lack what the reference source demands."""
    for column in source.rows(
        "select table_name, column_name, data_type from information_schema.columns"
        " where table_schema = 'public' and column_name <> 'id'"
    ):
        change = f"alter table {column['table_name']} alter column {column['column_name']}"
        source.execute(f"{change} drop not null")
        if column["data_type"] == "USER-DEFINED":
            source.execute(f"{change} type text using {column['column_name']}::text")


@pytest.mark.parametrize("part", range(PARTS))
def test_the_warehouse_is_what_the_contract_says_after_any_history(
    part: int, source_url: str, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, warehouse = Database(with_clock(source_url)), Database(with_clock(warehouse_url))
    monkeypatch.setenv("OLTP_DATABASE_URL", source.url)
    monkeypatch.setenv("WAREHOUSE_DATABASE_URL", warehouse.url)
    loosen(source)
    clock = Clock(source, warehouse)
    histories = type("Histories", (Histories,), {"source": source, "warehouse": warehouse, "clock": clock})
    number = int(os.environ.get("AIVO_TEST_SEED", "0")) or secrets.randbits(32)
    print(f"AIVO_TEST_SEED={number}")
    wanted = settings(
        max_examples=-(-EXAMPLES // PARTS),
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        print_blob=True,
        report_multiple_bugs=False,
        phases=[Phase.generate] if os.environ.get("AIVO_TEST_SHRINK") == "0" else [Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(number + part)(histories), settings=wanted)
    source.close()
    warehouse.close()
