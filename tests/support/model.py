"""The contract in plain Python: what the warehouse must hold after any history of the source.

Rows of the source are dictionaries with the source's column names. A time that is a string ("infinity") is infinite.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

Row = dict[str, Any]
Rows = dict[UUID, Row]
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
BEFORE_ALL = datetime.min.replace(tzinfo=timezone.utc)
SUBJECTS = ("ELA", "MATH", "SCIENCE", "SEL", "SPEECH", "OTHER")
FOCUS_TYPES = (
    "FOCUS_LOSS_DETECTED",
    "FOCUS_BREAK_STARTED",
    "FOCUS_BREAK_ENDED",
    "FOCUS_INTERVENTION_SHOWN",
    "FOCUS_INTERVENTION_COMPLETED",
)
# Of a source whose table has an index on updated_at: how late a change may be committed, and when all is read again.
LATE_COMMIT = timedelta(hours=24)
RECONCILE = timedelta(hours=24)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class EmptyRebuildError(Exception):
    """A full day would become empty."""


@dataclass(eq=False)
class Version:
    """One version of a tenant or learner. `tenant`: the version of the tenant that a learner's version points at."""

    id: UUID
    attributes: Row
    start: datetime
    end: datetime | None = None
    inferred: bool = False
    tenant: Version | None = None

    @property
    def name(self) -> tuple[UUID, datetime, datetime | None]:
        """What the version is called where there are no surrogate keys."""
        return self.id, self.start, self.end


@dataclass
class Counts:
    """The counts of a run row."""

    processed: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    rejected: int = 0


@dataclass
class State:
    """What a learner's skill was, from a moment on; `gone`: the source had none."""

    start: datetime
    row: Row
    gone: bool = False


@dataclass
class Reads:
    """When a table of the source was read last, and when as a whole."""

    last: datetime
    whole: datetime


@dataclass
class Model:
    """The source as it is, and the warehouse as it must be."""

    source: dict[str, dict[UUID, Row]]
    tenants: dict[UUID, list[Version]] = field(default_factory=dict)
    learners: dict[UUID, list[Version]] = field(default_factory=dict)
    users: dict[UUID, Row] = field(default_factory=dict)
    skills: dict[UUID, Row] = field(default_factory=dict)
    subjects: dict[str, bool] = field(default_factory=dict)  # code: is inferred
    facts: dict[str, dict[date, dict[Any, Row]]] = field(default_factory=dict)
    states: dict[tuple[UUID, UUID], list[State]] = field(default_factory=dict)
    states_since: datetime | None = None
    rejects: dict[tuple[str, date], list[tuple[str, str, str]]] = field(default_factory=dict)
    indexed: frozenset[str] = frozenset()  # tables of the source with an index on updated_at
    reads: dict[str, Reads] = field(default_factory=dict)

    # Dimensions

    def sync(self, job: str, day: date, clock: datetime) -> Counts:
        """A dimension sync. What it does not read keeps what was rejected of it."""
        table, sync = {
            "sync_dim_tenant": ("tenants", self._sync_tenants),
            "sync_dim_learner": ("learners", self._sync_learners),
            "sync_dim_user": ("users", self._sync_users),
            "sync_dim_subject": ("", self._sync_subjects),
            "sync_dim_skill": ("skills", self._sync_skills),
        }[job]
        rows, whole = self._read(table, clock) if table else ({}, True)
        counts, rejects = sync(rows, whole, clock)
        stands = [] if whole else [old for old in self.rejects.get((job, day), []) if UUID(old[1]) not in rows]
        self.rejects[job, day] = stands + rejects
        counts.rejected = len(rejects)
        return counts

    def _read(self, table: str, clock: datetime) -> tuple[dict[UUID, Row], bool]:
        """The rows that a sync reads, and whether they are all: with an index those that may have changed, once in a
        while all, and all where another number of rows is present than there would be."""
        rows, reads = self.source[table], self.reads.get(table)
        if table not in self.indexed:
            return rows, True
        if reads and clock - reads.whole < RECONCILE:
            since = reads.last - LATE_COMMIT
            changed = {id: row for id, row in rows.items() if _may_have_changed(row["updated_at"], since)}
            present = {id for id, row in rows.items() if _is_present(table, row)}
            would_be = (self._held(table) - set(changed)) | (present & set(changed))
            if len(would_be) == len(present):
                self.reads[table] = Reads(clock, reads.whole)
                return changed, False
        self.reads[table] = Reads(clock, clock)
        return rows, True

    def _held(self, table: str) -> set[UUID]:
        """The members that the dimension holds as present, inferred ones not counted."""
        if table in ("tenants", "learners"):
            members = self.tenants if table == "tenants" else self.learners
            return {id for id, of in members.items() if of[-1].end is None and not of[-1].inferred}
        rows = self.users if table == "users" else self.skills
        return {id for id, row in rows.items() if row["is_active"] and not row.get("inferred")}

    def _sync_tenants(self, rows: Rows, whole: bool, clock: datetime) -> tuple[Counts, list[tuple[str, str, str]]]:
        def attributes(row: Row) -> Row:
            return {
                "tenant_name": row["name"],
                "tenant_type": _or(row["type"], "SCHOOL"),
                "district_id": row["district_id"],
                "state": row["state"],
                "country": _or(row["country"], "US"),
                "timezone": _or(row["timezone"], "America/New_York"),
                "is_active": _or(row["is_active"], True),
            }

        counts = sync_scd2(rows, whole, self.tenants, attributes, clock)
        return counts, _infinite("tenants", rows, "created_at", "updated_at", "deleted_at")

    def _sync_learners(self, rows: Rows, whole: bool, clock: datetime) -> tuple[Counts, list[tuple[str, str, str]]]:
        def attributes(row: Row) -> Row:
            return {
                "tenant_id": row["tenant_id"],
                "grade_band": _or(row["grade_band"], "UNKNOWN"),
                "grade_level": row["grade_level"],
                "is_active": _or(row["is_active"], True),
            }

        self._infer_tenants(row["tenant_id"] for row in rows.values())
        counts = sync_scd2(rows, whole, self.learners, attributes, clock)
        for versions in self.learners.values():
            for version in versions:
                if version.end is None or version.tenant is None:
                    version.tenant = self.tenants[version.attributes["tenant_id"]][-1]
        return counts, _infinite("learners", rows, "created_at", "updated_at", "deleted_at")

    def _sync_users(self, rows: Rows, whole: bool, clock: datetime) -> tuple[Counts, list[tuple[str, str, str]]]:
        self._infer_tenants(row["tenant_id"] for row in rows.values())
        wanted = {
            id: {
                "tenant_id": row["tenant_id"],
                "role": row["role"],
                "is_active": _or(row["is_active"], True) and not _is_deleted(row),
                "created_at": _finite(row["created_at"]) or clock,
            }
            for id, row in rows.items()
        }
        counts = sync_scd1(rows, whole, wanted, self.users, carried=("created_at",))
        for user in self.users.values():
            user["tenant"] = self.tenants[user["tenant_id"]][-1]
        return counts, _infinite("users", rows, "created_at", "deleted_at")

    def _sync_subjects(self, rows: Rows, whole: bool, clock: datetime) -> tuple[Counts, list[tuple[str, str, str]]]:
        new = [code for code in SUBJECTS if code not in self.subjects]
        completed = [code for code in SUBJECTS if self.subjects.get(code)]
        self.subjects |= dict.fromkeys(SUBJECTS, False)
        return Counts(len(SUBJECTS), len(new), len(completed)), []

    def _sync_skills(self, rows: Rows, whole: bool, clock: datetime) -> tuple[Counts, list[tuple[str, str, str]]]:
        for row in rows.values():
            self.subjects.setdefault(row["subject"], True)
        wanted = {
            id: {
                "subject": row["subject"],
                "skill_code": row["code"],
                "skill_name": row["name"],
                "description": row["description"],
                "grade_band": row["grade_band"],
                "parent_skill_id": row["parent_skill_id"],
                "depth": row["depth"],
                "is_active": not _is_deleted(row),
            }
            for id, row in rows.items()
        }
        return sync_scd1(rows, whole, wanted, self.skills), _infinite("skills", rows, "deleted_at")

    # Inferred members

    def _infer_tenants(self, ids: Iterable[UUID]) -> None:
        for id in set(ids) - set(self.tenants):
            attributes = {
                "tenant_name": "UNKNOWN",
                "tenant_type": "UNKNOWN",
                "district_id": None,
                "state": None,
                "country": "UNKNOWN",
                "timezone": "UNKNOWN",
                "is_active": True,
                "created_at": EPOCH,
            }
            self.tenants[id] = [Version(id, attributes, EPOCH, inferred=True)]

    def _infer_learners(self, rows: Iterable[Row]) -> None:
        """A learner's tenant is the fact's (of several, the first by id)."""
        rows = list(rows)
        self._infer_tenants(row["tenant_id"] for row in rows)
        for id in {row["learner_id"] for row in rows} - set(self.learners):
            tenant = min(row["tenant_id"] for row in rows if row["learner_id"] == id)
            attributes = {
                "tenant_id": tenant,
                "grade_band": "UNKNOWN",
                "grade_level": None,
                "is_active": True,
                "created_at": EPOCH,
            }
            self.learners[id] = [Version(id, attributes, EPOCH, inferred=True, tenant=self.tenants[tenant][-1])]

    def _infer_skills(self, ids: Iterable[UUID]) -> None:
        for id in set(ids) - set(self.skills):
            self.subjects.setdefault("UNKNOWN", True)
            self.skills[id] = {
                "subject": "UNKNOWN",
                "skill_code": "UNKNOWN",
                "skill_name": "UNKNOWN",
                "description": None,
                "grade_band": None,
                "parent_skill_id": None,
                "depth": 0,
                "is_active": True,
                "inferred": True,
            }

    # Facts

    def build(self, job: str, day: date, clock: datetime) -> Counts:
        """A build of one day of a fact. Raises EmptyRebuildError before anything has changed."""
        # Reading comes before the guard, but all is rolled back where the guard stops it.
        before = self.facts.get(job, {}).get(day, {})
        if job == "build_fact_learning_progress":
            saved = {key: list(states) for key, states in self.states.items()}, self.states_since
            self._read_states(clock)
            if before and not self._states_at(day):
                self.states, self.states_since = saved
                raise EmptyRebuildError
        elif before and not self._of_the_day(job, day):
            raise EmptyRebuildError
        rows, rejects = {
            "build_fact_sessions": self._sessions,
            "build_fact_focus_events": self._focus_events,
            "build_fact_homework_events": self._homework,
            "build_fact_learning_progress": self._progress,
            "build_fact_recommendation_events": self._recommendations,
        }[job](day)
        self.facts.setdefault(job, {})[day] = rows
        self.rejects[job, day] = rejects
        if job == "build_fact_sessions":
            self._mend_links(day, set(before) - set(rows))
        return Counts(len(rows), len(rows), 0, len(before), len(rejects))

    def _of_the_day(self, job: str, day: date) -> list[Row]:
        table, time = {
            "build_fact_sessions": ("sessions", "started_at"),
            "build_fact_focus_events": ("session_events", "event_time"),
            "build_fact_homework_events": ("homework_submissions", "created_at"),
            "build_fact_recommendation_events": ("recommendations", "created_at"),
        }[job]
        return [
            row
            for row in self.source[table].values()
            if row[time].date() == day and (table != "session_events" or row["event_type"] in FOCUS_TYPES)
        ]

    def _common(self, row: Row, time: datetime) -> Row:
        """Facts join the version in force at their own time."""
        return {
            "tenant": in_force(self.tenants[row["tenant_id"]], time),
            "learner": in_force(self.learners[row["learner_id"]], time),
        }

    def _sessions(self, day: date) -> tuple[dict[Any, Row], list[tuple[str, str, str]]]:
        found, rejects = self._of_the_day("build_fact_sessions", day), []
        self._infer_learners(found)
        rows = {}
        for row in found:
            events = [event for event in self.source["session_events"].values() if event["session_id"] == row["id"]]
            kinds = Counter(event["event_type"] for event in events)
            answers = []
            for event in events:
                if event["event_type"] == "ACTIVITY_RESPONSE_SUBMITTED":
                    answer, bad = read(event["metadata_json"], {"isCorrect": as_boolean})
                    answers.append(answer["isCorrect"])
                    rejects += [("session_events", str(event["id"]), name) for name in bad]
            if (row["duration_ms"] or 0) < 0:
                rejects.append(("sessions", str(row["id"]), "duration_ms"))
            if _is_infinite(row["ended_at"]):
                rejects.append(("sessions", str(row["id"]), "ended_at"))
            rows[row["id"]] = self._common(row, row["started_at"]) | {
                "session_type": row["session_type"],
                "origin": row["origin"],
                "duration_seconds": max(row["duration_ms"] or 0, 0) // 1000,
                "activities_assigned": kinds["ACTIVITY_STARTED"],
                "activities_completed": kinds["ACTIVITY_COMPLETED"],
                "activities_skipped": kinds["ACTIVITY_SKIPPED"],
                "correct_responses": answers.count(True),
                "incorrect_responses": answers.count(False),
                "hints_used": kinds["HOMEWORK_HINT_REQUESTED"],
                "focus_breaks_count": kinds["FOCUS_BREAK_STARTED"],
                "focus_interventions_count": kinds["FOCUS_INTERVENTION_SHOWN"],
                "started_at": row["started_at"],
                "ended_at": _finite(row["ended_at"]),
            }
        return rows, rejects

    def _focus_events(self, day: date) -> tuple[dict[Any, Row], list[tuple[str, str, str]]]:
        found, rejects = self._of_the_day("build_fact_focus_events", day), []
        self._infer_learners(found)
        rows = {}
        for row in found:
            values, bad = read(
                row["metadata_json"],
                {
                    "durationSeconds": as_number(0, 2**31 - 1),
                    "interventionType": as_text(100),
                    "interventionCompleted": as_boolean,
                    "focusScore": as_number(0, 100),
                },
            )
            rejects += [("session_events", str(row["id"]), name) for name in bad]
            seconds, score = values["durationSeconds"], values["focusScore"]
            rows[row["id"]] = self._common(row, row["event_time"]) | {
                **self._link(row["session_id"]),
                "session_id": row["session_id"],
                "event_type": row["event_type"],
                "event_time": row["event_time"],
                "duration_seconds": None if seconds is None else math.floor(seconds),
                "intervention_type": values["interventionType"],
                "intervention_completed": values["interventionCompleted"],
                "focus_score": None if score is None else score.quantize(Decimal("0.0001"), ROUND_HALF_UP),
            }
        return rows, rejects

    def _homework(self, day: date) -> tuple[dict[Any, Row], list[tuple[str, str, str]]]:
        found, rejects = self._of_the_day("build_fact_homework_events", day), []
        self._infer_learners(found)
        rows = {}
        for row in found:
            steps = [step for step in self.source["homework_steps"].values() if step["submission_id"] == row["id"]]
            responses = [
                response
                for response in self.source["homework_step_responses"].values()
                if any(response["step_id"] == step["id"] for step in steps)
            ]
            done = row["status"] == "COMPLETED"
            if done and _is_infinite(row["updated_at"]):
                rejects.append(("homework_submissions", str(row["id"]), "updated_at"))
            rate = Decimal(row["steps_completed"]) / row["step_count"] if row["step_count"] > 0 else Decimal(0)
            rows[row["id"]] = self._common(row, row["created_at"]) | {
                **self._link(row["session_id"]),
                "session_id": row["session_id"],
                "subject": row["subject"],
                "grade_band": row["grade_band"],
                "step_count": row["step_count"],
                "steps_completed": row["steps_completed"],
                "hints_revealed": sum(step["hint_revealed"] for step in steps),
                "correct_responses": sum(response["is_correct"] is True for response in responses),
                "total_responses": len(responses),
                "completion_rate": min(Decimal(1), rate),
                "submitted_at": row["created_at"],
                "completed_at": _finite(row["updated_at"]) if done else None,
            }
        return rows, rejects

    def _recommendations(self, day: date) -> tuple[dict[Any, Row], list[tuple[str, str, str]]]:
        found, rejects = self._of_the_day("build_fact_recommendation_events", day), []
        self._infer_learners(found)
        self._infer_skills(row["skill_id"] for row in found if row["skill_id"])
        rows = {}
        for row in found:
            answered = _finite(row["responded_at"])
            seconds = answered and (answered - row["created_at"]) // timedelta(seconds=1)
            readable = seconds is not None and 0 <= seconds < 2**31
            if row["responded_at"] is not None and not readable:
                rejects.append(("recommendations", str(row["id"]), "responded_at"))
            rows[row["id"]] = self._common(row, row["created_at"]) | {
                "skill_id": row["skill_id"],
                "recommendation_type": row["recommendation_type"],
                "source": row["source"],
                "was_accepted": row["was_accepted"],
                "was_declined": row["was_declined"],
                "response_time_seconds": seconds if readable else None,
                "created_at": row["created_at"],
                "responded_at": answered,
            }
        return rows, rejects

    # Links to sessions

    def _link(self, session_id: UUID | None) -> Row:
        """The day on which the session started, and whether that day's fact has it."""
        session = self.source["sessions"].get(session_id) if session_id else None
        day = session["started_at"].date() if session else None
        built = self.facts.get("build_fact_sessions", {}).get(day, {}) if day else {}
        return {"session_date": day, "linked": session_id in built}

    def _mend_links(self, day: date, left: set[UUID]) -> None:
        """Building sessions fills the links that waited for them, and mends those of sessions that left the day."""
        sessions = self.facts["build_fact_sessions"]
        for job in ("build_fact_focus_events", "build_fact_homework_events"):
            for rows in self.facts.get(job, {}).values():
                for row in rows.values():
                    id = row["session_id"]
                    if not row["linked"] and id in sessions[day]:
                        row |= {"session_date": day, "linked": True}
                    elif row["linked"] and row["session_date"] == day and id in left:
                        elsewhere = [other for other in sessions if id in sessions[other]]
                        row |= {"session_date": elsewhere[0] if elsewhere else None, "linked": bool(elsewhere)}

    # Learning progress

    def _read_states(self, clock: datetime) -> None:
        """Each state that the source shows is kept, with the time from which it held."""
        self.states_since = self.states_since or clock
        present = {(row["learner_id"], row["skill_id"]): row for row in self.source["learner_skill_states"].values()}
        for key, row in present.items():
            states = self.states.setdefault(key, [])
            last = states[-1] if states else None
            if last is None or last.gone or last.row["mastery_level"] != row["mastery_level"]:
                start = effective(row["updated_at"], last.start if last else BEFORE_ALL, clock)
                states.append(State(start, dict(row)))
        for key, states in self.states.items():
            if key not in present and not states[-1].gone:
                states.append(State(effective(None, states[-1].start, clock), states[-1].row, gone=True))

    def _states_at(self, day: date) -> dict[tuple[UUID, UUID], Row]:
        """The states in force at the day's end."""
        end = datetime(day.year, day.month, day.day, tzinfo=timezone.utc) + timedelta(days=1)
        held = {key: [state for state in states if state.start < end] for key, states in self.states.items()}
        return {key: states[-1].row for key, states in held.items() if states and not states[-1].gone}

    def _progress(self, day: date) -> tuple[dict[Any, Row], list[tuple[str, str, str]]]:
        read = self.source["learner_skill_states"].values()
        self._infer_learners(read)
        self._infer_skills(row["skill_id"] for row in read)
        now, before = self._states_at(day), self._states_at(day - timedelta(days=1))
        end = datetime(day.year, day.month, day.day, tzinfo=timezone.utc) + timedelta(days=1)
        snapshot_at = end - timedelta(microseconds=1)
        rejects = [
            ("learner_skill_states", str(row["id"]), "mastery_level")
            for row in now.values()
            if row["mastery_level"] is not None and _level(row) is None
        ]
        rejects += _infinite("learner_skill_states", self.source["learner_skill_states"], "updated_at")
        rows = {}
        for learner, subject in {(learner, self.skills[skill]["subject"]) for learner, skill in now}:
            keys = [key for key in now if key[0] == learner and self.skills[key[1]]["subject"] == subject]
            levels = [_level(now[key]) for key in keys]
            known = [level for level in levels if level is not None]
            practice = sum(
                max(session["duration_ms"] or 0, 0)
                for session in self.source["sessions"].values()
                if session["learner_id"] == learner
                and session["started_at"].date() == day
                and session["session_type"] in ("LEARNING", "PRACTICE")
            )
            version = in_force(self.learners[learner], snapshot_at)
            rows[learner, subject] = {
                "tenant": in_force(self.tenants[version.attributes["tenant_id"]], snapshot_at),
                "learner": version,
                "total_skills": len(keys),
                "mastered_skills": sum(level >= Decimal("0.8") for level in known),
                "in_progress_skills": sum(0 < level < Decimal("0.8") for level in known),
                "not_started_skills": sum(not level for level in levels),
                "average_mastery": sum(known) / len(known) if known else Decimal(0),
                "skills_gained_today": sum(_mastered(now[key]) and not _mastered(before.get(key)) for key in keys),
                "practice_minutes_today": practice // 60_000,
                "is_exact": self.states_since is not None and end >= self.states_since,
                "snapshot_at": snapshot_at,
            }
        return rows, rejects


# SCD


def effective(said: Any, before: datetime, clock: datetime) -> datetime:
    """What the source says, where it lies after the version before and not after the clock; else the clock."""
    time = _finite(said)
    return time if time is not None and before < time <= clock else max(before, clock)


def in_force(versions: list[Version], time: datetime) -> Version:
    """The last version that began by then, else the first."""
    begun = [version for version in versions if version.start <= time]
    return begun[-1] if begun else versions[0]


def sync_scd2(
    rows: Rows, whole: bool, members: dict[UUID, list[Version]], attributes: Callable[[Row], Row], clock: datetime
) -> Counts:
    """Versions never overlap and have no gap, other than while the id is deleted. `whole`: what is missing is gone."""
    counts = Counts(processed=len(rows))
    for id, row in rows.items():
        versions = members.setdefault(id, [])
        last = versions[-1] if versions else None
        created = _finite(row["created_at"]) or clock
        new = Version(id, attributes(row) | {"created_at": created}, BEFORE_ALL)
        deleted = _is_deleted(row)
        if last is None or last.inferred:
            target = last or new
            target.attributes, target.inferred, target.tenant = new.attributes, False, None
            target.start = effective(created, BEFORE_ALL, clock)
            target.end = effective(row["deleted_at"], target.start, clock) if deleted else None
            if last is None:
                versions.append(target)
                counts.inserted += 1
            else:
                counts.deleted += deleted
                counts.updated += not deleted
        elif last.end is None and deleted:
            last.end = effective(row["deleted_at"], last.start, clock)
            counts.deleted += 1
        elif last.end is None and _tracked(last.attributes) != _tracked(new.attributes):
            new.start = last.end = effective(row["updated_at"], last.start, clock)
            versions.append(new)
            counts.updated += 1
        elif last.end is not None and not deleted:
            new.start = effective(row["updated_at"], last.end, clock)
            versions.append(new)
            counts.updated += 1
    for id, versions in members.items():
        if whole and id not in rows and versions[-1].end is None and not versions[-1].inferred:
            versions[-1].end = max(versions[-1].start, clock)
            counts.deleted += 1
    return counts


def sync_scd1(rows: Rows, whole: bool, wanted: Rows, members: dict[UUID, Row], carried: tuple[str, ...] = ()) -> Counts:
    """Overwritten in place; deleted or gone is inactive. `whole`: what is missing is gone."""
    counts = Counts(processed=len(rows))
    for id, new in wanted.items():
        old = members.get(id)
        deleted = _is_deleted(rows[id])
        compared = {name for name in new if name not in carried}
        if old is None:
            counts.inserted += 1
        elif old.get("inferred"):
            counts.deleted += deleted
            counts.updated += not deleted
        elif any(old[name] != new[name] for name in compared):
            closes = deleted and old["is_active"]
            counts.deleted += closes
            counts.updated += not closes
        else:
            continue
        members[id] = new | {"inferred": False}
    for id, old in members.items():
        if whole and id not in rows and old["is_active"] and not old.get("inferred"):
            old["is_active"] = False
            counts.deleted += 1
    return counts


# Reading free-form JSON


def read(metadata: Any, keys: dict[str, Callable[[Any], Any]]) -> tuple[Row, list[str]]:
    """The values of the keys (None where there is none), and the names of what can't be read.

    `metadata` is None, or JSON text.
    """
    nothing: Row = dict.fromkeys(keys)
    value = None if metadata is None else json.loads(metadata, parse_float=Decimal, parse_int=Decimal)
    if value is None:
        return nothing, []
    if not isinstance(value, dict):
        return nothing, ["metadata_json"]
    values = {name: None if value.get(name) is None else reader(value[name]) for name, reader in keys.items()}
    return values, [name for name in keys if value.get(name) is not None and values[name] is None]


def as_boolean(value: Any) -> bool | None:
    """JSON true and false, and the strings in any letter case."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


def as_number(least: int, most: int) -> Callable[[Any], Decimal | None]:
    """JSON numbers, and strings that hold one such number, within the bounds."""

    def number(value: Any) -> Decimal | None:
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            value = Decimal(value)
        return value if isinstance(value, Decimal) and least <= value <= most else None

    return number


def as_text(longest: int) -> Callable[[Any], str | None]:
    """A string of at most so many characters."""
    return lambda value: value if isinstance(value, str) and len(value) <= longest else None


# Small words


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _is_infinite(time: Any) -> bool:
    return isinstance(time, str)


def _may_have_changed(updated_at: Any, since: datetime) -> bool:
    """Changed since then, or it doesn't say."""
    return updated_at is None or _is_infinite(updated_at) or updated_at >= since


def _is_present(table: str, row: Row) -> bool:
    """Not deleted; a user also active."""
    return not _is_deleted(row) and (table != "users" or _or(row["is_active"], True))


def _is_deleted(row: Row) -> bool:
    """An infinite time can't be read: such a row is not deleted."""
    return _finite(row["deleted_at"]) is not None


def _finite(time: Any) -> Any:
    return None if _is_infinite(time) else time


def _infinite(table: str, rows: dict[UUID, Row], *columns: str) -> list[tuple[str, str, str]]:
    return [(table, str(id), name) for id, row in rows.items() for name in columns if _is_infinite(row[name])]


def _tracked(attributes: Row) -> Row:
    return {name: value for name, value in attributes.items() if name != "created_at"}


def _level(row: Row) -> Decimal | None:
    """Outside [0, 1] counts as unknown."""
    level = row["mastery_level"]
    return level if level is not None and 0 <= level <= 1 else None


def _mastered(row: Row | None) -> bool:
    level = _level(row) if row else None
    return level is not None and level >= Decimal("0.8")
