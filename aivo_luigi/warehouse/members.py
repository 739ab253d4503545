"""Inferred members: a fact that names an id which a dimension has never seen still finds a row there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aivo_luigi.db import Connection
from aivo_luigi.sqlfiles import identifiers


@dataclass(frozen=True)
class Reference:
    """A dimension that staged rows refer to by `business_key`.

    `infer`: the file that makes its inferred members. `writes`: the tables that the file writes, in the order in which
    everyone locks dimensions: tenant, learner, subject, skill.
    """

    dimension: str
    business_key: str
    infer: str
    writes: tuple[str, ...]


TENANT = Reference("dim_tenant", "tenant_id", "load/infer_tenants.sql", ("dim_tenant",))
LEARNER = Reference("dim_learner", "learner_id", "load/infer_learners.sql", ("dim_learner",))
SUBJECT = Reference("dim_subject", "subject_code", "load/infer_subjects.sql", ("dim_subject",))
SKILL = Reference("dim_skill", "skill_id", "load/infer_skills.sql", ("dim_subject", "dim_skill"))


def infer_members(warehouse: Connection, references: Sequence[Reference]) -> None:
    """Makes the members that are missing. Without a missing one nothing is locked and nothing is written."""
    for reference in references:
        names = {"staged": "stage", "dimension": reference.dimension, "business_key": reference.business_key}
        if warehouse.file("load/has_unknown.sql", **names).fetchone() == (True,):
            # Waits for a sync of the dimension to end, so that its new members are seen and not inferred.
            warehouse.execute("lock table :tables in row exclusive mode", tables=identifiers(reference.writes))
            warehouse.file(reference.infer)
