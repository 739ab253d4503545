"""The five dimension syncs."""

from __future__ import annotations

from aivo_luigi.jobs.task import DimensionJob
from aivo_luigi.warehouse import Scd1, Scd2
from aivo_luigi.warehouse.changes import Present
from aivo_luigi.warehouse.members import SUBJECT, TENANT
from aivo_luigi.warehouse.scd1 import ACTIVE
from aivo_luigi.warehouse.scd2 import CURRENT


class SyncDimTenant(DimensionJob):
    """Tenants: schools and districts, one row per version."""

    way = Scd2(
        table="dim_tenant",
        surrogate_key="tenant_key",
        business_key="tenant_id",
        tracked=("tenant_name", "tenant_type", "district_id", "state", "country", "timezone", "is_active"),
    )
    source_table = "tenants"
    required = ("tenant_id",)
    present = Present("deleted_at is null", CURRENT)


class SyncDimLearner(DimensionJob):
    """Learners, one row per version."""

    way = Scd2(
        table="dim_learner",
        surrogate_key="learner_key",
        business_key="learner_id",
        tracked=("tenant_id", "grade_band", "grade_level", "is_active"),
        in_place=("tenant_key", "created_at"),
        follows_tenant=True,
    )
    source_table = "learners"
    required = ("learner_id", "tenant_id")
    present = Present("deleted_at is null", CURRENT)
    references = (TENANT,)
    requires_jobs = (SyncDimTenant,)


class SyncDimUser(DimensionJob):
    """Teachers, parents, therapists and staff, one row per user."""

    way = Scd1(
        table="dim_user",
        business_key="user_id",
        compared=("tenant_id", "role", "is_active"),
        carried=("tenant_key", "created_at"),
        follows_tenant=True,
    )
    source_table = "users"
    required = ("user_id", "tenant_id")
    present = Present("deleted_at is null and is_active is not false", ACTIVE)
    references = (TENANT,)
    requires_jobs = (SyncDimTenant,)


class SyncDimSubject(DimensionJob):
    """Subjects, from a list that travels with the package."""

    way = Scd1(
        table="dim_subject",
        business_key="subject_code",
        compared=("subject_name", "description"),
        deactivates=False,
    )
    source_table = "subjects.csv"
    required = ("subject_code",)
    csv = "subjects.csv"


class SyncDimSkill(DimensionJob):
    """Skills of the curriculum, one row per skill."""

    way = Scd1(
        table="dim_skill",
        business_key="skill_id",
        compared=(
            "subject_key",
            "skill_code",
            "skill_name",
            "description",
            "grade_band",
            "parent_skill_id",
            "depth",
            "is_active",
        ),
    )
    source_table = "skills"
    required = ("skill_id",)
    present = Present("deleted_at is null", ACTIVE)
    references = (SUBJECT,)
    requires_jobs = (SyncDimSubject,)
