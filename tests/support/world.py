"""Small worlds made by hand: each builder inserts one source row with sane defaults and returns its id.

Rows are named, and a name always means the same id: `uid("anna")`. Every column can be given by keyword.
"""

from __future__ import annotations

import itertools
from datetime import date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid5

from psycopg2.extras import Json

from support.database import Database

DAY = date(2025, 1, 15)
NEXT_DAY = date(2025, 1, 16)
DAY_BEFORE = date(2025, 1, 14)

_NAMESPACE = UUID("5f1d1c0e-6f0a-4b63-9c53-8a4d4f0c7a11")
_NOT_GIVEN: Any = object()


def uid(name: str) -> UUID:
    """The id that a name stands for."""
    return uuid5(_NAMESPACE, name)


def at(text: str) -> datetime:
    """A moment in UTC: `at("2025-01-14 23:59")`, or `at("10:00")` on DAY."""
    if len(text) <= len("00:00:00.000000") and ":" in text:
        text = f"{DAY} {text}"
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


# When the tenants, learners, users and skills of these worlds were made, long before DAY.
CREATED = at("2024-09-01 08:00")


class World:
    """The rows of a source. A learner is anna, her tenant school, her session lesson, if nothing else is said."""

    def __init__(self, source: Database) -> None:
        self.source = source
        self._numbers = itertools.count(1)

    def tenant(self, name: str = "school", /, **columns: Any) -> UUID:
        return self._insert(
            "tenants",
            name,
            columns,
            name=name,
            type="SCHOOL",
            district_id=None,
            state="CA",
            country="US",
            timezone="America/Los_Angeles",
            is_active=True,
            created_at=CREATED,
            updated_at=CREATED,
            deleted_at=None,
        )

    def learner(self, name: str = "anna", /, *, tenant: str = "school", **columns: Any) -> UUID:
        return self._insert(
            "learners",
            name,
            columns,
            tenant_id=uid(tenant),
            grade_band="K5",
            grade_level=3,
            is_active=True,
            created_at=CREATED,
            updated_at=CREATED,
            deleted_at=None,
        )

    def user(self, name: str = "teacher", /, *, tenant: str = "school", **columns: Any) -> UUID:
        return self._insert(
            "users",
            name,
            columns,
            tenant_id=uid(tenant),
            role="TEACHER",
            is_active=True,
            created_at=CREATED,
            updated_at=CREATED,
            deleted_at=None,
        )

    def skill(self, name: str = "adding", /, **columns: Any) -> UUID:
        return self._insert(
            "skills",
            name,
            columns,
            code=name.upper(),
            name=name,
            description=None,
            subject="MATH",
            grade_band="K5",
            parent_skill_id=None,
            depth=0,
            created_at=CREATED,
            updated_at=CREATED,
            deleted_at=None,
        )

    def session(
        self,
        name: str = "lesson",
        *,
        tenant: str = "school",
        learner: str = "anna",
        started_at: Any = _NOT_GIVEN,
        **columns: Any,
    ) -> UUID:
        """A learning session, on DAY at ten for half an hour."""
        started = at("10:00") if started_at is _NOT_GIVEN else started_at
        ended = started + timedelta(minutes=30)
        return self._insert(
            "sessions",
            name,
            columns,
            tenant_id=uid(tenant),
            learner_id=uid(learner),
            session_type="LEARNING",
            origin="MOBILE_LEARNER",
            started_at=started,
            ended_at=ended,
            duration_ms=1_800_000,
            created_at=started,
            updated_at=ended,
        )

    def event(
        self,
        event_type: str,
        name: str | None = None,
        *,
        metadata: Any = None,
        session: str = "lesson",
        tenant: str = "school",
        learner: str = "anna",
        event_time: Any = _NOT_GIVEN,
        **columns: Any,
    ) -> UUID:
        """An event of a session, on DAY at five past ten. `metadata` is any JSON; `Json(None)` is JSON's null."""
        time = at("10:05") if event_time is _NOT_GIVEN else event_time
        return self._insert(
            "session_events",
            name or f"event {next(self._numbers)}",
            columns,
            session_id=uid(session),
            tenant_id=uid(tenant),
            learner_id=uid(learner),
            event_type=event_type,
            event_time=time,
            metadata_json=metadata if metadata is None or isinstance(metadata, Json) else Json(metadata),
            created_at=time,
        )

    def submission(
        self,
        name: str = "essay",
        *,
        tenant: str = "school",
        learner: str = "anna",
        session: str | None = None,
        created_at: Any = _NOT_GIVEN,
        **columns: Any,
    ) -> UUID:
        """A homework submission, on DAY at four in the afternoon; its steps and responses come by themselves."""
        created = at("16:00") if created_at is _NOT_GIVEN else created_at
        return self._insert(
            "homework_submissions",
            name,
            columns,
            tenant_id=uid(tenant),
            learner_id=uid(learner),
            session_id=uid(session) if session else None,
            subject="ELA",
            grade_band="K5",
            status="RECEIVED",
            step_count=0,
            steps_completed=0,
            created_at=_without_zone(created),
            updated_at=_without_zone(created),
        )

    def step(self, submission: str = "essay", name: str | None = None, **columns: Any) -> UUID:
        """A step of a submission."""
        number = next(self._numbers)
        return self._insert(
            "homework_steps",
            name or f"step {number}",
            columns,
            submission_id=uid(submission),
            step_order=number,
            is_completed=False,
            hint_revealed=False,
            created_at=_without_zone(at("16:00")),
            updated_at=_without_zone(at("16:00")),
        )

    def response(self, step: UUID, is_correct: bool | None = None, **columns: Any) -> UUID:
        """A response to a step."""
        return self._insert(
            "homework_step_responses",
            f"response {next(self._numbers)}",
            columns,
            step_id=step,
            is_correct=is_correct,
            created_at=_without_zone(at("16:10")),
        )

    def skill_state(
        self,
        skill: str = "adding",
        mastery_level: Any = None,
        *,
        learner: str = "anna",
        tenant: str = "school",
        **columns: Any,
    ) -> UUID:
        """How well a learner masters a skill, as of DAY at noon."""
        return self._insert(
            "learner_skill_states",
            f"{learner} {skill}",
            columns,
            tenant_id=uid(tenant),
            learner_id=uid(learner),
            skill_id=uid(skill),
            mastery_level=mastery_level,
            updated_at=at("12:00"),
        )

    def recommendation(
        self,
        name: str = "advice",
        *,
        tenant: str = "school",
        learner: str = "anna",
        skill: str | None = "adding",
        **columns: Any,
    ) -> UUID:
        """A recommendation, made on DAY at eleven and not answered."""
        return self._insert(
            "recommendations",
            name,
            columns,
            tenant_id=uid(tenant),
            learner_id=uid(learner),
            skill_id=uid(skill) if skill else None,
            recommendation_type="NEXT_SKILL",
            source="ENGINE",
            was_accepted=None,
            was_declined=None,
            created_at=at("11:00"),
            responded_at=None,
        )

    def row_of_everything(self) -> None:
        """A row of each table that a job reads, on DAY."""
        self.tenant()
        self.learner()
        self.user()
        self.skill()
        self.session()
        self.event("FOCUS_BREAK_STARTED")
        self.submission()
        self.skill_state(mastery_level=0.5)
        self.recommendation()

    def _insert(self, table: str, row_name: str, given: dict[str, Any], **defaults: Any) -> UUID:
        row = {"id": uid(row_name)} | defaults | given
        self.source.insert(table, **row)
        row_id: UUID = row["id"]
        return row_id


def _without_zone(value: Any) -> Any:
    """Homework's columns have no zone and hold UTC."""
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value
