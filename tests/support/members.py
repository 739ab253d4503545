"""What the two SCD 2 dimensions have in common, so that each promise is written once and kept by both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from support.pipeline import Pipeline
from support.world import DAY, World, uid

Version = tuple[Any, datetime, datetime | None, bool]


@dataclass(frozen=True)
class Kind:
    """A source table and its dimension, with one tracked attribute that takes the values old and new."""

    table: str
    dimension: str
    id_column: str
    key_column: str
    attribute: str
    tracked: str
    old: Any
    new: Any
    job: str


TENANTS = Kind(
    "tenants", "dim_tenant", "tenant_id", "tenant_key", "name", "tenant_name", "Oak", "Elm", "job_sync_dim_tenant"
)
LEARNERS = Kind(
    "learners", "dim_learner", "learner_id", "learner_key", "grade_level", "grade_level", 3, 4, "job_sync_dim_learner"
)


class Member:
    """One id of an SCD 2 dimension, called m, and its versions."""

    def __init__(self, kind: Kind, pipeline: Pipeline, world: World) -> None:
        self.kind = kind
        self.pipeline = pipeline
        self.world = world
        self.id = uid("m")
        self.old = kind.old
        self.new = kind.new
        if kind is LEARNERS:
            world.tenant()

    def add(self, name: str = "m", **columns: Any) -> UUID:
        """A source row, with the old value of the tracked attribute."""
        build: Callable[..., UUID] = self.world.tenant if self.kind is TENANTS else self.world.learner
        return build(name, **{self.kind.attribute: self.old} | columns)

    def change(self, value: Any = None, **columns: Any) -> None:
        """Change the row of m: the tracked attribute to a value, other columns by name."""
        given = {} if value is None else {self.kind.attribute: value}
        self.pipeline.source.update(self.kind.table, self.id, **given, **columns)

    def remove(self) -> None:
        self.pipeline.source.delete(self.kind.table, self.id)

    def sync(self) -> Any:
        """Sync the dimension and return the job's result."""
        import aivo_luigi

        if self.kind is LEARNERS:
            aivo_luigi.job_sync_dim_tenant(DAY, force=True)
        return getattr(aivo_luigi, self.kind.job)(DAY, force=True)

    def versions(self) -> list[Version]:
        """(tracked value, from, to, is current) of each version of m, oldest first."""
        rows = self.pipeline.warehouse.rows(
            f"select {self.kind.tracked} as value, effective_from, effective_to, is_current from {self.kind.dimension} "
            f"where {self.kind.id_column} = %(id)s order by effective_from, {self.kind.key_column}",
            id=self.id,
        )
        return [(row["value"], row["effective_from"], row["effective_to"], row["is_current"]) for row in rows]

    def clock(self) -> datetime:
        """The source's clock, now."""
        now: datetime = self.pipeline.source.value("select clock_timestamp()")
        return now


def written(pipeline: Pipeline, table: str) -> list[dict[str, Any]]:
    """Where each row lies and who wrote it: the same before and after, if nothing was written."""
    return pipeline.warehouse.rows(f"select ctid::text, xmin::text from {table} order by 1")
