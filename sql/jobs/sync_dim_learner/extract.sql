-- Source: learners, whole. One row per learner, deleted ones included.
select
    id::uuid as learner_id,
    tenant_id::uuid as tenant_id,
    grade_band::text as grade_band,
    grade_level::integer as grade_level,
    is_active::boolean as is_active,
    created_at::timestamptz as created_at,
    updated_at::timestamptz as updated_at,
    deleted_at::timestamptz as deleted_at
from learners
